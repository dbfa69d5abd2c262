"""One answer for every image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

SHARE = 0.99
"""From this share of all images on, one predicted class counts as constant."""


def run(case: Case) -> Iterator[Finding]:
    """Look for one class that (almost) all images get, while the labels say otherwise."""
    samples, names = case.run.samples, case.run.class_names
    if len(np.unique(samples["y_true"])) < 2 or len(case.run) < 2:
        raise CheckNotApplicable("The data has one class only.")
    counts = np.bincount(samples["y_pred"], minlength=len(names))
    top, share = int(counts.argmax()), float(counts.max() / counts.sum())
    true_share = float((samples["y_true"] == top).mean())
    if share < SHARE or true_share >= SHARE:
        return
    spread = float(np.ptp(case.proba, axis=0).max())
    same = spread < 1e-6
    shown = np.argsort(-counts, kind="stable")[:20]
    yield CHECK.finding(
        "critical",
        f"{share:.1%} of {counts.sum():,} images are called {names[top]}; {true_share:.1%} of the labels say so."
        + (" The probabilities do not depend on the image at all." if same else ""),
        "Look for dead units, for weights that were never trained, and for a wrong scale of the input."
        if same
        else "Check the scale of the input first (diag init shows what fits), then the training labels.",
        measured={"class": names[top], "share": share, "label_share": true_share, "largest_spread": spread},
        evidence=[
            Evidence(
                "Images a predicted class",
                tuple({"class": names[number], "images": int(counts[number])} for number in shown),
                "bar",
                x="images",
                y="class",
            )
        ],
    )


CHECK = Check("DG202", "Constant prediction", run)
