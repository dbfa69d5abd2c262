"""What a caller passes: a count, a seed, which images, a result or data of some kind."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import InvalidInputError


def whole_number(name: str, value: Any, low: int = 1, high: int | None = None, *, otherwise: str = "") -> int:
    """Return a value as an int.

    Parameters
    ----------
    name : str
        The argument's name.
    value : int
        Of any type of whole numbers.
    low, high : int
        The least and the largest that it may be.
    otherwise : str
        What else the argument takes, such as ``", or None"``.

    Raises
    ------
    InvalidInputError
        If it is no whole number, or lies outside.

    Examples
    --------
    >>> whole_number("columns", np.int64(3))
    3
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        wanted = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise InvalidInputError(f"{name}: expected a whole number {wanted}{otherwise}. Received: {value!r}. Pass one.")
    return number


def require(value: Any, kind: type | tuple[type, ...], caller: str, wanted: str) -> None:
    """Refuse a value that is not of a class.

    Raises
    ------
    InvalidInputError
        That names the caller, what it wanted, such as ``"an evaluation: diag.evaluate(model, data)"``, and what came.

    Examples
    --------
    >>> require([1], list, "mean", "a list: [1, 2]")
    """
    if not isinstance(value, kind):
        what, _, example = wanted.partition(": ")
        raise InvalidInputError(f"{caller}: expected {what}. Received: {type(value).__name__}. Pass {example}.")


def image_numbers(indices: Any, n: int) -> NDArray[np.int64]:
    """Return which of n images are meant, in the order given; all for None.

    Raises
    ------
    InvalidInputError
        If there is none, or one is not the number of an image.

    Examples
    --------
    >>> image_numbers([3, 1], 5), image_numbers(None, 2)
    (array([3, 1]), array([0, 1]))
    """
    chosen = np.arange(n) if indices is None else np.asarray(indices).reshape(-1)
    if not chosen.size:
        raise InvalidInputError(
            "indices: expected at least one image. Received: none. Choose images, or leave indices out for all."
        )
    if chosen.dtype.kind not in "iu":
        raise InvalidInputError(
            f"indices: expected numbers of images, 0..{n - 1}. Received: {chosen.dtype}. Pass them as in [3, 14]."
        )
    if chosen.min() < 0 or chosen.max() >= n:
        raise InvalidInputError(
            f"indices: expected 0..{n - 1}. Received: {chosen.min()}..{chosen.max()}. Choose among the images."
        )
    return chosen.astype(np.int64)
