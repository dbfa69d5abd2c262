"""Classes of the model that no image has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.checks.class_count import unused_outputs
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding


def run(case: Case) -> Iterator[Finding]:
    """Look for classes without an image in the data, and without one in the training data when that is known."""
    result, k = case.run, case.run.n_classes
    counts = np.bincount(result.samples["y_true"], minlength=k)
    absent = np.flatnonzero(counts[: unused_outputs(case)] == 0)
    if len(absent) == 0:
        return
    trained = _training_counts(case)
    never = absent if trained is None else absent[trained[absent] == 0]
    predicted = np.bincount(result.samples["y_pred"], minlength=k)
    called = int(predicted[absent].sum())
    listed = ", ".join(result.class_names[number] for number in absent[:10]) + (", ..." if len(absent) > 10 else "")
    unlearned = trained is not None and len(never) > 0
    yield CHECK.finding(
        "warning" if unlearned else "note",
        f"No image of the data has {len(absent)} of the model's {k} classes ({listed}); {called:,} images are called "
        + (
            "one of them." if trained is None else f"one of them, and {len(never)} are not in the training data either."
        ),
        "Number the classes without gaps, or add images of them."
        if unlearned
        else "Add images of these classes: nothing is known of how the model does on them.",
        measured={"absent": len(absent), "classes": k, "predicted": called, "absent_from_training": len(never)}
        if trained is not None
        else {"absent": len(absent), "classes": k, "predicted": called},
        samples=[int(row) for row in np.flatnonzero(np.isin(result.samples["y_pred"], absent))],
        evidence=[
            Evidence(
                "Images a class",
                tuple(
                    {
                        "class": result.class_names[number],
                        "images": int(counts[number]),
                        "predicted": int(predicted[number]),
                    }
                    for number in (range(k) if k <= 100 else absent[:100])
                ),
                "bar",
                x="images",
                y="class",
            )
        ],
    )


def _training_counts(case: Case) -> NDArray[np.int64] | None:
    """Return how many training images each class has; None when they are not known."""
    try:
        return case.training_counts
    except CheckNotApplicable:
        return None


CHECK = Check("DG109", "Classes without images", run)
