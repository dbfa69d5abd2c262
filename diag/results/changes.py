"""Where two models differ: the images of a class or a confusion on which only one of them gives an answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.results.comparison import Comparison
    from diag.results.evaluation import Evaluation


def changed_samples(comparison: Comparison, a: str, b: str, change: str) -> NDArray[np.int64]:
    """Return the samples behind a difference of two models, the surest errors first.

    Parameters
    ----------
    comparison : Comparison
    a, b : str
        Names of runs.
    change : str
        ``"c5"``: samples of class 5 that exactly one of the two has right. ``"3-5"``: samples of class 3 that exactly
        one of the two takes for class 5.

    Returns
    -------
    ndarray of int64
        Indices in the data set.

    Raises
    ------
    InvalidInputError
        If `change` is neither, or names a class that is not there.
    """
    first, second = comparison.run(a), comparison.run(b)
    true, predicted = _parsed(change, first.n_classes)
    ours, theirs = first.samples["y_pred"], second.samples["y_pred"]
    wanted = true if predicted is None else predicted
    rows = np.flatnonzero((first.samples["y_true"] == true) & ((ours == wanted) != (theirs == wanted)))
    sure = np.maximum(*(np.where(run.correct_mask, 0, run.samples["confidence"])[rows] for run in (first, second)))
    found: NDArray[np.int64] = first.samples["index"][rows[np.argsort(-sure, kind="stable")]]
    return found


def change_title(comparison: Comparison, a: str, b: str, change: str) -> str:
    """Return what `changed_samples` shows, in words."""
    names = comparison.run(a).class_names
    true, predicted = _parsed(change, len(names))
    if predicted is None:
        return f"Class {names[true]}, right in one of {a} and {b}"
    return f"True {names[true]}, and one of {a} and {b} says {names[predicted]}"


def changed_cells(a: Evaluation, b: Evaluation, most: int = 30) -> list[dict[str, Any]]:
    """Return the confusions (errors only) whose counts differ most between two models.

    Returns
    -------
    list of dict
        ``true``, ``pred`` (class numbers), ``count_a``, ``count_b`` and ``delta`` (the first minus the second).
    """
    k = a.n_classes
    cells: dict[int, list[int]] = {}
    for place, run in enumerate((a, b)):
        wrong = ~run.correct_mask
        keys, counts = np.unique(run.samples["y_true"][wrong] * k + run.samples["y_pred"][wrong], return_counts=True)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            cells.setdefault(key, [0, 0])[place] = count
    rows = [
        {"true": key // k, "pred": key % k, "count_a": one, "count_b": two, "delta": one - two}
        for key, (one, two) in cells.items()
        if one != two
    ]
    return sorted(rows, key=lambda row: (-abs(row["delta"]), row["true"], row["pred"]))[:most]


def _parsed(change: str, k: int) -> tuple[int, int | None]:
    found = re.fullmatch(r"c(\d{1,6})|(\d{1,6})-(\d{1,6})", change)
    numbers = [int(text) for text in found.groups() if text is not None] if found else []
    if not numbers or max(numbers) >= k:
        raise InvalidInputError(
            f"change: expected a class such as 'c5' or a cell such as '3-5', of {k} classes. Received: {change!r}."
        )
    return numbers[0], numbers[1] if len(numbers) > 1 else None
