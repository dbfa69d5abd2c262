"""What one check may cost: by counted work, so that the same model and data give the same row on every machine."""

from __future__ import annotations

from diag.errors import CheckNotApplicable

MULTIPLY_ADDS = 1e13
"""That one check may ask of a network: about five minutes on two cores. VGG19 on images of 224 x 224, which is tried
with 14 scales on 16 images, takes 4.4e12."""
NUMBERS, MOST_NUMBERS = 2**27, 2**30
"""Numbers of the sample of images that costly checks share: half a gigabyte as the network takes them. Large images are
fewer, but `FEWEST` if those stay below the second bound: several checks need 20 or 30."""
FEWEST = 32
PIECE = 2**26
"""Numbers of images that are read or changed together, at most."""


def image_count(most: int, numbers: int) -> int:
    """Return how many images of so many numbers each a sample has, `most` at most.

    Examples
    --------
    >>> [image_count(400, side * side * 3) for side in (28, 224, 1000, 2000, 10_000)]
    [400, 400, 44, 32, 3]
    """
    numbers = max(1, numbers)
    floor = min(FEWEST, max(2, MOST_NUMBERS // numbers))
    return min(most, max(floor, NUMBERS // numbers))


def piece(most: int, numbers: int) -> int:
    """Return how many images of so many numbers each are read or changed together, `most` at most, 1 at least."""
    return max(1, min(most, PIECE // max(1, numbers)))


def spent(what: str, work: float, most: float = MULTIPLY_ADDS, unit: str = "multiply-adds") -> None:
    """Refuse work that is beyond what one check may cost.

    Raises
    ------
    CheckNotApplicable
        Naming the work and the bound.

    Examples
    --------
    >>> spent("to shift the images", 3e12)
    """
    if work > most:
        raise CheckNotApplicable(
            f"Not finished: {what} would take {work:.1e} {unit}, and one check may take {most:.1e}. "
            "Use smaller images, or a smaller copy of the network."
        )
