"""What maps may take: said before the work begins, not by a process that dies of it."""

from __future__ import annotations

import math

from diag.errors import InvalidInputError

MAX_MEMORY = 1e9
"""Bytes that may be used over the model itself, about."""
ALWAYS = 1e8
"""What needs no more bytes than this is never refused: work is then done in the smallest steps."""


def require_room(n: int, k: int, shape: tuple[int, ...], max_memory: float) -> None:
    """Refuse maps that are larger than the memory that may be used.

    Parameters
    ----------
    n, k : int
        Images, and classes of each.
    shape : tuple of int
        Of one input.
    max_memory : float
        In bytes.

    Raises
    ------
    InvalidInputError
        Saying how large they are.

    Examples
    --------
    >>> require_room(100, 10, (28, 28, 1), 1e9)
    """
    needed = 4 * n * k * math.prod(shape)
    if needed > max(max_memory, ALWAYS):
        raise InvalidInputError(
            f"expected maps of at most {said(max_memory)} (max_memory). Received: {n:,} images x {k:,} classes x "
            f"{math.prod(shape):,} pixel values, which are {said(needed)}. Ask for fewer images or classes "
            "(outputs='top3'), or raise max_memory."
        )


def require_memory(needed: float, max_memory: float, what: str) -> None:
    """Refuse a network of which the smallest piece of work needs more than the memory that may be used.

    Raises
    ------
    InvalidInputError
        Saying how much it needs, about.
    """
    if needed > max(max_memory, ALWAYS):
        raise InvalidInputError(
            f"max_memory: expected at least {said(needed)}, which {what} needs in this network. Received: "
            f"{said(max_memory)}. Raise max_memory, or use a model of smaller images."
        )


def said(size: float) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> said(2.5e9), said(4e6), said(3e12)
    ('2.5 GB', '0.004 GB', '3,000 GB')
    """
    return f"{size / 1e9:.2g} GB" if size < 99e9 else f"{size / 1e9:,.0f} GB"
