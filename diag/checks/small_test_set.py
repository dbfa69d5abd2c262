"""A test set that is too small for what is read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import Check
from diag.metrics.comparison import LEVEL
from diag.metrics.intervals import Z95, wilson_interval
from diag.results.comparison import Comparison
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

WIDE = 0.05
"""Half width of the 95 % interval of the accuracy that is worth a note."""
VERY_WIDE = 0.1
"""The same for a warning: about a hundred images at even odds."""
Z80 = 0.8416212335729143
"""The 80 % point of the standard normal distribution: the power asked for."""


def run(case: Case) -> Iterator[Finding]:
    """Measure the interval of the accuracy, and which of the other models this one cannot be told from."""
    right = case.run.correct_mask
    low, high = (float(end) for end in wilson_interval(int(right.sum()), len(right)))
    half = (high - low) / 2
    pairs = _undecided(case)
    if half <= WIDE and not pairs:
        return
    accuracy, n = float(right.mean()), len(right)
    parts = [f"{n:,} images give an accuracy of {accuracy:.1%} with a 95% interval from {low:.1%} to {high:.1%}"]
    needed = [pair["images_needed"] for pair in pairs if pair["images_needed"] is not None]
    if pairs:
        names = ", ".join(str(pair["model"]) for pair in pairs[:5])
        parts.append(f"they do not tell this model from {names}")
        parts += [f"to settle the largest of these differences takes about {min(needed):,} images"] if needed else []
    severe = half > VERY_WIDE or (half > WIDE and bool(pairs))
    yield CHECK.finding(
        "warning" if severe else "note",
        "; ".join(parts) + ".",
        "Test on more images before choosing between these models."
        if pairs
        else f"Test on more images: about {_images_for(accuracy, WIDE):,} make the interval 5 points to each side.",
        measured={"n": n, "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high, "undecided": len(pairs)},
        evidence=[Evidence("Models that the data does not tell from this one", tuple(pairs))] if pairs else (),
    )


def _undecided(case: Case) -> list[dict[str, Any]]:
    """Return one row for each model that this one cannot be told from (McNemar, Holm), nearest accuracy last."""
    runs = [case.run, *(rival for rival in case.rivals if rival.model.digest != case.run.model.digest)]
    if len(runs) < 2:
        return []
    comparison = Comparison.from_runs(runs)
    kept = ("difference", "difference_low", "difference_high", "p_adjusted")
    rows = [
        {
            "model": pair["b"],
            **{name: pair[name] for name in kept},
            "images_needed": images_needed(pair["only_a"], pair["only_b"], len(case.run)),
        }
        for pair in comparison.pairs().to_dict("records")
        if pair["a"] == comparison.names[0] and pair["p_adjusted"] >= LEVEL
    ]
    return sorted(rows, key=lambda row: -abs(row["difference"]))


def images_needed(only_a: int, only_b: int, n: int) -> int | None:
    """Return how many images McNemar's test needs to find a difference like this one, at 5 % with 80 % power.

    Parameters
    ----------
    only_a, only_b, n : int
        Images that one model alone has right, that the other alone has right, and in all.

    Returns
    -------
    int or None
        None when there is no difference.

    References
    ----------
    Connor (1987), Sample size for testing differences in proportions for the paired-sample design.
    Biometrics 43, 207-211.

    Examples
    --------
    >>> images_needed(7, 3, 100)  # (1.96 sqrt(0.1) + 0.84 sqrt(0.1 - 0.04**2))**2 / 0.04**2
    489
    """
    if only_a == only_b:
        return None
    discordant, difference = (only_a + only_b) / n, abs(only_a - only_b) / n
    root = Z95 * discordant**0.5 + Z80 * (discordant - difference**2) ** 0.5
    return int(np.ceil(root**2 / difference**2))


def _images_for(accuracy: float, half: float) -> int:
    """Return how many images bring half the interval of a proportion to `half`."""
    share = min(max(accuracy, 0.5), 0.95)
    return int(np.ceil(Z95**2 * share * (1 - share) / half**2))


CHECK = Check("DG501", "Test set too small", run)
