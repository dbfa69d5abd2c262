"""What one check may cost: by counted work, so that the same model and data give the same row on every machine."""

from __future__ import annotations

from diag.errors import CheckNotApplicable

MULTIPLY_ADDS = 4e12
"""That one check may ask of a network: about two minutes on two cores. 32 images of VGG16 take 5e11."""


def spent(what: str, work: float, most: float, unit: str = "multiply-adds") -> None:
    """Refuse work that is beyond what one check may cost.

    Raises
    ------
    CheckNotApplicable
        Naming the work and the bound.

    Examples
    --------
    >>> spent("to shift the images", 3e12, 4e12)
    """
    if work > most:
        raise CheckNotApplicable(
            f"Not finished: {what} would take {work:.1e} {unit}, and one check may take {most:.1e}. "
            "Use smaller images, or a smaller copy of the network."
        )
