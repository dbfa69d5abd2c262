"""Red and blue exchanged between the images and the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.checks.trial import ALPHA, LARGE_LIFT, LIFT
from diag.errors import CheckNotApplicable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.checks.trial import Answers
    from diag.results.diagnosis import Finding


def run(case: Case) -> Iterator[Finding]:
    """Exchange red and blue: exact McNemar test whether more images are right, by labels in the order that fits."""
    trial, swapped = case.trial, case.trial.swapped()
    if swapped is None:
        raise CheckNotApplicable("Images or model have no colours.")
    if trial.open is not None and trial.open.pins.channel_order == "bgr" and trial.open.status == "decided":
        yield CHECK.finding(
            "note",
            "Nothing pins the order of colours. Blue first was detected and is used: images here have red first, or "
            "the model was trained with blue first (as OpenCV reads images).",
            "Pin it with --channel-order bgr, or write the model card with diag init.",
            measured={"channel_order": "bgr"},
        )
    used, other = trial.used(), trial.answers(swapped)
    if _clear(used, other) and trial.found.label_order is not None:
        labels = trial.labels_of(trial.found)
        used, other = trial.used(labels), trial.answers(swapped, labels)
    if not _clear(used, other):
        return
    p_value, lift = other.more_right_than(used), other.accuracy - used.accuracy
    places = np.flatnonzero(other.right & ~used.right)
    places = places[np.argsort(-used.loss[places], kind="stable")]
    yield CHECK.finding(
        "critical" if lift >= LARGE_LIFT else "warning",
        f"With red and blue exchanged {other.accuracy:.1%} instead of {used.accuracy:.1%} of {len(used.right)} images "
        f"are right (exact McNemar test, p = {p_value:.2g}).",
        f"Pass --channel-order {swapped.channel_order}, or set channel_order in the model card; "
        "OpenCV reads images with blue first.",
        measured={"accuracy": used.accuracy, "accuracy_exchanged": other.accuracy, "p_value": p_value},
        samples=[int(row) for row in case.rows[trial.places[places]]],
    )


def _clear(used: Answers, other: Answers) -> bool:
    return other.accuracy - used.accuracy >= LIFT and other.more_right_than(used) < ALPHA


CHECK = Check("DG102", "Red and blue exchanged", run)
