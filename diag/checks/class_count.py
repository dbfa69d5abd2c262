"""A head with another number of outputs than the data has classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable, DiagError
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results.diagnosis import Finding

CHANCE = 0.001
"""An output counts as without a class when equally frequent classes would be absent by chance more rarely than this."""


def run(case: Case) -> Iterator[Finding]:
    """Compare the model's outputs with the labels of the data, by name where both have names."""
    data, model = case.labelled, case.model
    try:
        classes = unused_outputs(case)
    except DiagError:
        finding = _unmatched(data, model)
        if finding is None:
            raise
        yield finding
        return
    if len(np.unique(case.run.samples["y_true"])) == 1:
        raise CheckNotApplicable("The data has one class only.")
    if classes < model.n_classes:
        yield _too_many(case, classes, model.n_classes)


def unused_outputs(case: Case) -> int:
    """Return the first output that has no class in the data; the number of outputs when there is none such.

    Where the model card names every output, each is a class.
    """
    result, data = case.run, case.labelled
    if result.model.card.class_names is not None:
        return result.n_classes
    named = 0 if _numbered(data) else len(data.class_names)
    return min(result.n_classes, max(int(result.samples["y_true"].max()) + 1, named))


def _unmatched(data: Dataset, model: Model) -> Finding | None:
    """Return why labels do not fit the outputs; None when they do, and something else is wrong."""
    labels = np.asarray(data.labels)
    unknown = _unknown_names(data, model.card.class_names)
    if unknown:
        return _foreign(data, labels, unknown)
    numbers = np.array([int(name) for name in data.class_names])[labels] if _numbered(data) else labels
    return _too_few(numbers, model.n_classes) if numbers.max() >= model.n_classes else None


def _numbered(data: Dataset) -> bool:
    return all(name.isdecimal() for name in data.class_names)


def _unknown_names(data: Dataset, named: tuple[str, ...] | None) -> list[int]:
    """Return the data's classes that the model does not know by name, when it knows others of them."""
    if named is None or _numbered(data):
        return []
    unknown = [number for number, name in enumerate(data.class_names) if name not in named]
    return unknown if len(unknown) < len(data.class_names) else []


def _foreign(data: Dataset, labels: NDArray[np.int64], unknown: list[int]) -> Finding:
    rows = np.flatnonzero(np.isin(labels, unknown))
    listed = ", ".join(data.class_names[number] for number in unknown[:10])
    return CHECK.finding(
        "critical",
        f"{len(unknown)} classes of the data are not among the model's: {listed}; {len(rows):,} of {len(labels):,} "
        "images have them, and the model cannot be right on them.",
        "Give the classes the names that the model card uses, or take the model that was trained for them.",
        measured={"unknown_classes": len(unknown), "images": len(rows)},
        samples=[int(row) for row in rows],
    )


def _too_few(labels: NDArray[np.int64], k: int) -> Finding:
    rows = np.flatnonzero(labels >= k)
    values, counts = np.unique(labels, return_counts=True)
    if len(values) <= k:
        remedy = f"Number the {len(values)} classes from 0 without gaps, in the order of training: they fit the head."
        if labels.min() == 1 and labels.max() == k:
            remedy = "The labels start at 1: subtract 1."
    else:
        remedy = "Take the data that this model was trained for, or train a head with an output for each class."
    shown = np.argsort(-values, kind="stable")[:50]
    return CHECK.finding(
        "critical",
        f"The model has {k} outputs, 0 to {k - 1}; the data has {len(values)} classes with labels up to "
        f"{values.max()}, and {len(rows):,} of {len(labels):,} images have a label without an output.",
        remedy,
        measured={"outputs": k, "classes": len(values), "largest_label": int(values.max()), "images": len(rows)},
        samples=[int(row) for row in rows],
        evidence=[
            Evidence(
                "Images a label",
                tuple(
                    {"label": int(values[at]), "images": int(counts[at]), "output": bool(values[at] < k)}
                    for at in sorted(shown)
                ),
                "bar",
                x="label",
                y="images",
                colour="output",
            )
        ],
    )


def _too_many(case: Case, classes: int, k: int) -> Finding:
    n, predicted = len(case.run), case.run.samples["y_pred"]
    extra = k - classes
    chance = (1 - extra / k) ** n
    lost = np.flatnonzero(predicted >= classes)
    mass = float(case.proba[:, classes:].sum(axis=1).mean())
    where = f"output {classes}" if extra == 1 else f"outputs {classes} to {k - 1}"
    said = f"{len(lost):,} of {n:,} images are called one of them" if len(lost) else "they are never predicted"
    return CHECK.finding(
        "warning" if chance < CHANCE else "note",
        f"The model has {k} outputs, the data {classes} classes: {where} never stand for a label, {said} and hold "
        f"{mass:.2%} of the probability.",
        "Check that data and model belong together; if they do, train a head with one output a class.",
        measured={"outputs": k, "classes": classes, "predicted": len(lost), "mean_probability": mass},
        samples=[int(row) for row in lost[np.argsort(-case.run.samples["confidence"][lost], kind="stable")]],
        evidence=[
            Evidence(
                "Images an output",
                tuple(
                    {"output": number, "labelled": int(labelled), "predicted": int(called)}
                    for number, (labelled, called) in enumerate(
                        zip(
                            np.bincount(case.run.samples["y_true"], minlength=k),
                            np.bincount(predicted, minlength=k),
                            strict=True,
                        )
                    )
                    if labelled or called
                )[:100],
            )
        ],
    )


CHECK = Check("DG105", "Head with a wrong number of classes", run)
