"""Great confidence in images that show nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.checks.corruptions import restored, span_of
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

SURE = 0.99
"""Confidence from which on an answer to an image without content is worth a note."""
N_NOISE = 16
"""Images of uniform noise; the median confidence counts."""


def run(case: Case) -> Iterator[Finding]:
    """Ask about all black, all grey, all white, and uniform noise.

    References
    ----------
    Hein, Andriushchenko & Bitterwolf (2019), Why ReLU networks yield high-confidence predictions far away from the
    training data, CVPR.
    """
    images = case.images
    span = span_of(images)
    levels = {"black": span.low, "grey": (span.low + span.high) / 2, "white": span.high}
    blank = np.stack([np.full(images.shape[1:], level) for level in levels.values()])
    noise = case.rng("blank").uniform(span.low, span.high, (N_NOISE, *images.shape[1:]))
    proba = case.predict(restored(np.concatenate([blank, noise]), images.dtype, span))
    asked = {**dict(zip(levels, proba, strict=False)), "noise": np.median(proba[len(levels) :], axis=0)}
    names = case.model.class_names
    answers = {name: (names[int(each.argmax())], float(each.max())) for name, each in asked.items()}
    sure = {name: answer for name, answer in answers.items() if answer[1] >= SURE}
    if not sure:
        return
    rows = [{"image": name, "predicted": each[0], "confidence": each[1]} for name, each in answers.items()]
    yield CHECK.finding(
        "note",
        "Images that show nothing get an answer all the same: "
        + "; ".join(f"{name} is {answer} with {confidence:.2%}" for name, (answer, confidence) in sure.items())
        + ".",
        "Do not read confidence as a sign that an image shows one of the classes: "
        "reject such images before, or train with a class for them.",
        measured={f"confidence_{name}": confidence for name, (_, confidence) in answers.items()},
        evidence=[Evidence("Confidence in images that show nothing", tuple(rows), "bar", x="confidence", y="image")],
    )


CHECK = Check("DG607", "Sure of images that show nothing", run)
