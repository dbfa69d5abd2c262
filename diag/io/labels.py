"""Labels of any kind - numbers, names, one-hot rows - as class numbers with names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from diag.errors import DataError
from diag.printable import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_CLASSES = 100_000
_MAX_NAME = 1_000


def label_numbers(labels: Any, n: int, name: str) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Return labels as class numbers with the names they suggest.

    Integers (also as whole floats) stay as they are and are named by themselves; one-hot rows give their column;
    texts are numbered in sorted order.

    Examples
    --------
    >>> numbers, names = label_numbers(np.array(["dog", "cat", "dog"]), 3, "toy")
    >>> numbers.tolist(), names
    ([1, 0, 1], ('cat', 'dog'))
    """
    if labels is None:
        return None, ()
    values = _as_array(labels, name)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim not in (1, 2) or len(values) != n:
        raise DataError(
            f"{name}: expected one label for each of {n} images. Received: labels of shape {values.shape}. "
            "Pass images and labels of the same length."
        )
    k = None
    if values.ndim == 2:
        values, k = _from_one_hot(values, name), values.shape[1]
    if values.dtype.kind in "SUO":
        texts = _texts(values, name)
        named, numbers = np.unique(np.asarray(texts, dtype=object).astype(str), return_inverse=True)
        return frozen(numbers.astype(np.int64)), tuple(str(item) for item in named)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.floor(values)).all()):
        bad = values[~(np.isfinite(values) & (values == np.floor(values)))][0]
        raise DataError(f"{name}: expected labels that are whole numbers or names. Received: {bad}. Correct them.")
    if values.dtype.kind not in "buif":
        raise DataError(
            f"{name}: expected labels that are numbers or names. Received: dtype {values.dtype}. Save them as integers."
        )
    if len(values) and values.min() < 0:
        raise DataError(
            f"{name}: expected labels from 0 up. Received: {values.min()}. Drop them, or number the classes anew."
        )
    if len(values) and values.max() >= _MAX_CLASSES:
        raise DataError(
            f"{name}: expected class numbers. Received: labels up to {values.max()}: a column of Ids? "
            "Name the right one with --label-column (label_column=)."
        )
    numbers = values.astype(np.int64)
    count = k if k is not None else int(numbers.max(initial=-1)) + 1
    return frozen(numbers), tuple(str(number) for number in range(count))


def label_array(labels: Any, name: str) -> NDArray[Any]:
    """Return labels of any kind as an array without objects in it: numbers, or texts.

    Raises
    ------
    DataError
        If they are of several shapes, or one is missing.
    """
    values = _as_array(labels, name)
    if values.dtype.kind != "O":
        return values
    if values.ndim != 1:
        raise DataError(
            f"{name}: expected labels that are numbers or names. Received: {values.ndim} axes of objects. "
            "Pass one number or name an image."
        )
    return np.array(_texts(values, name))


def _as_array(labels: Any, name: str) -> NDArray[Any]:
    """Return labels as an array; Python integers that came as objects are integers again."""
    if isinstance(labels, list):
        _refuse_long(labels, name)
    try:
        values = np.asarray(labels)
        whole = values.dtype.kind == "O" and all(isinstance(item, int | np.integer) for item in values.ravel())
        return values.astype(np.int64) if whole else values
    except (ValueError, OverflowError) as error:  # rows of different lengths, numbers beyond 64 bits
        raise DataError(
            f"{name}: expected one label for each image. Received: {printable(str(error))[:120]}. "
            "Pass one number or name an image."
        ) from error


def _refuse_long(labels: list[Any], name: str) -> None:
    """Raise if a text is no class's name; an array of texts takes as much for each as for the longest."""
    longest = max((len(item) for item in labels if isinstance(item, str | bytes)), default=0)
    if longest > _MAX_NAME:
        raise DataError(
            f"{name}: expected names of classes of at most {_MAX_NAME:,} characters. Received: one of {longest:,}. "
            "Is it another column that holds the labels?"
        )


def _texts(values: NDArray[Any], name: str) -> list[str]:
    """Return labels as texts; what stands for "missing" is no class."""
    texts = []
    for row, item in enumerate(values.tolist()):
        if item is None or str(item) in ("nan", "NaT", "<NA>"):
            raise DataError(f"{name}: expected a label for every image. Received: {item} at {row}. Drop such images.")
        texts.append(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item))
    _refuse_long(texts, name)
    return texts


def renamed(
    labels: NDArray[np.int64], names: tuple[str, ...], wished: tuple[str, ...], where: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels and names after a list of class names was given for them.

    Names that all occur in the list are numbered in its order. Names that are numbers are looked up by them. Others are
    replaced one for one.

    Raises
    ------
    DataError
        If only some of the names occur in the list, or it is too short.

    Examples
    --------
    >>> numbers, names = renamed(np.array([0, 1]), ("cat", "dog"), ("dog", "cat", "owl"), "toy")
    >>> numbers.tolist(), names
    ([1, 0], ('dog', 'cat', 'owl'))
    """
    known = {name: number for number, name in enumerate(wished)}
    if all(name in known for name in names):
        return frozen(np.array([known[name] for name in names], dtype=np.int64)[labels]), wished
    if any(name in known for name in names):
        missing = next(name for name in names if name not in known)
        raise DataError(
            f"{where}: class {missing!r} is not among the names given: expected all classes in the list. "
            f"Received: {', '.join(wished[:10])}. Add it, or correct its spelling."
        )
    if len(wished) < len(names):
        raise DataError(
            f"{where}: expected a name for each of {len(names)} classes. Received: {len(wished)} names. "
            "Name every class, in order."
        )
    if all(name.isdecimal() for name in names) and max(map(int, names), default=0) < len(wished):
        by_number = tuple(wished[int(name)] for name in names)
        return labels, by_number + tuple(name for name in wished if name not in by_number)
    return labels, wished


def _from_one_hot(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.dtype.kind not in "buif" or not np.isin(values, (0, 1)).all() or not (values.sum(axis=1) == 1).all():
        raise DataError(
            f"{name}: expected one-hot rows with a single 1. Received: rows of {values.shape[1]} numbers. "
            "Save the class numbers instead."
        )
    return cast("NDArray[Any]", values.argmax(axis=1))


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only array of its own."""
    array = np.ascontiguousarray(array)
    array = array if array.flags.owndata else array.copy()
    array.flags.writeable = False
    return array
