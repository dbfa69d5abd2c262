"""Which of several candidates is best, and whether the sample can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.metrics.comparison import holm_adjust, mcnemar_exact
from diag.results.detection import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from diag.detection.scores import Score
    from diag.results.detection import Status

LOSS_TOLERANCE = 0.02
"""Nats: a smaller difference in log loss is none. Inputs that are too large make right answers surer and wrong ones
much surer: where hardly an answer is wrong, the log loss falls by less than this, and it must not decide."""
ACCURACY_TOLERANCE = 0.005
NEAR = 2.0
"""Standard errors within which a more usual candidate is as accurate as the best: the best of dozens is lucky."""
CLEARLY_LOWER = 0.5
"""What a log loss must be of another one to count although fewer answers are right. Larger inputs make the answers of
a network that was trained briefly surer, which lowers its log loss: no sign that it was trained on them."""
SAME_ANSWERS = 0.9
"""Share of equal answers from which on a tie is harmless."""
N_FLIPS = 1999


@dataclass(frozen=True, slots=True)
class Decision:
    """The best candidate, and how the others stand to it.

    Parameters
    ----------
    best : int
        Its place.
    p_values : tuple of float or None
        By candidate, that it is as good as the best; None for the best and those that are one with it.
    agreement : tuple of float
        By candidate, the share of images to which it gives the best one's class.
    ties : tuple of int
        Places of those that are not one with the best and cannot be separated from it.
    status : str
        As in `diag.results.detection.Detection`.
    """

    best: int
    p_values: tuple[float | None, ...]
    agreement: tuple[float, ...]
    ties: tuple[int, ...]
    status: Status


def decide(scores: Sequence[Score], unusual: Sequence[tuple[int, ...]], seed: int = 0) -> Decision:
    """Choose the best candidate, and test it against the others on the same images.

    Parameters
    ----------
    scores : sequence of Score
        All on the same images.
    unusual : sequence of tuple of int
        How unusual each candidate is; among equals the least unusual is taken.
    seed : int
        Of the sign flips.

    Notes
    -----
    In steps: (1) those that are not less accurate than the most accurate one (McNemar's exact test, 5 %); (2) of these,
    those whose log loss is not larger than the smallest (paired sign-flip test of the mean difference, 5 %, and
    `LOSS_TOLERANCE` at least), and more usual ones whose larger log loss comes with more right answers, unless it is
    twice as large; (3) of these, those within `NEAR` standard errors of the highest accuracy; (4) of these, the least
    unusual. Every candidate that gives other answers is then tested against the best both ways; the smaller p-value is
    doubled, and Holm adjusts over the candidates. Where classes are weighted, weights go into every mean, and the
    sign-flip test of the weighted differences stands for McNemar's; few images of rare classes pass no test, so that
    then half the log loss alone is enough in step 2.

    References
    ----------
    Fisher (1935), The Design of Experiments, section 21 (the sign-flip test). Holm (1979), Scand. J. Statist. 6, 65-70.
    """
    rng = np.random.default_rng(seed)
    top = min(range(len(scores)), key=lambda place: (-scores[place].accuracy, scores[place].log_loss))
    accurate = [place for place, each in enumerate(scores) if _accuracy_p(scores[top], each, rng) >= LEVEL]
    low = min(accurate, key=lambda place: scores[place].log_loss)
    equal = [
        place
        for place in accurate
        if _loss_p(scores[low], scores[place], rng) >= LEVEL and not _far_less_sure(scores[place], scores[low])
    ]
    equal += [
        place
        for place in accurate
        if place not in equal and unusual[place] < unusual[low] and _contradict(scores[low], scores[place])
    ]
    most = max((scores[place] for place in equal), key=lambda each: each.accuracy)
    near = [place for place in equal if _near(most, scores[place])]
    return _tested(scores, min(near, key=lambda place: unusual[place]), rng)


def _contradict(surer: Score, other: Score) -> bool:
    """Whether the one with the smaller log loss has fewer right answers, and its log loss is not clearly smaller."""
    return surer.accuracy < other.accuracy and surer.log_loss > CLEARLY_LOWER * other.log_loss


def _far_less_sure(other: Score, low: Score) -> bool:
    """Whether a log loss is out of the question although few images of rare classes cannot show it by a test."""
    if low.weights is None:
        return False
    return low.log_loss < min(CLEARLY_LOWER * other.log_loss, other.log_loss - LOSS_TOLERANCE)


def _near(most: Score, other: Score) -> bool:
    """Whether the difference in accuracy is within `NEAR` standard errors, or negligible."""
    difference = most.accuracy - other.accuracy
    weights = np.ones(len(most.correct)) if most.weights is None else most.weights
    error: float = float((weights[most.correct != other.correct] ** 2).sum()) ** 0.5 / len(most.correct)
    return bool(difference <= max(NEAR * error, ACCURACY_TOLERANCE))


def _tested(scores: Sequence[Score], best: int, rng: np.random.Generator) -> Decision:
    chosen = scores[best]
    agreement = tuple(each.agreement(chosen) for each in scores)
    others = [place for place in range(len(scores)) if place != best and not _same(chosen, scores[place])]
    raw = [_p_value(chosen, scores[place], rng) for place in others]
    adjusted = dict(zip(others, holm_adjust(raw).tolist(), strict=True))
    p_values = tuple(adjusted.get(place) for place in range(len(scores)))
    ties = tuple(place for place, p in adjusted.items() if p >= LEVEL)
    if not ties and len(others) == len(scores) - 1:
        status: Status = "decided"
    elif all(agreement[place] >= SAME_ANSWERS for place in ties):
        status = "decided" if not ties and others else "equivalent"
    else:
        status = "undecided"
    return Decision(best, p_values, agreement, ties, status)


def _p_value(best: Score, other: Score, rng: np.random.Generator) -> float:
    """Return the p-value that another candidate is as good as the best, by accuracy or by log loss."""
    by_loss = 1.0 if _contradict(best, other) else _loss_p(best, other, rng)
    return min(1.0, 2 * min(_accuracy_p(best, other, rng), by_loss))


def _same(one: Score, other: Score) -> bool:
    """Whether two candidates are one and the same to the model."""
    return one.agreement(other) >= 1 - 2 * ACCURACY_TOLERANCE and abs(one.log_loss - other.log_loss) < LOSS_TOLERANCE


def _accuracy_p(better: Score, worse: Score, rng: np.random.Generator) -> float:
    """Return the p-value of the difference in accuracy where the first is more accurate, else 1.

    McNemar's exact test; where classes weigh differently, the sign-flip test of the weighted differences.
    """
    only_better = int((better.correct & ~worse.correct).sum())
    only_worse = int((worse.correct & ~better.correct).sum())
    if better.weights is None:
        return mcnemar_exact(only_better, only_worse) if only_better > only_worse else 1.0
    differences = better.weights * (better.correct.astype(np.float64) - worse.correct)
    return sign_flip_p(differences, rng) if differences.sum() > 0 else 1.0


def _loss_p(better: Score, worse: Score, rng: np.random.Generator) -> float:
    """Return the p-value of the mean difference in loss where the first has the clearly smaller one, else 1."""
    difference = worse.loss - better.loss
    if better.weights is not None:
        difference = better.weights * difference
    if difference.mean() < LOSS_TOLERANCE:
        return 1.0
    return sign_flip_p(difference, rng)


def sign_flip_p(differences: NDArray[np.float64], rng: np.random.Generator) -> float:
    """Return the two-sided p-value that paired differences have mean 0, by flipping their signs at random.

    Examples
    --------
    >>> sign_flip_p(np.ones(30), np.random.default_rng(0))
    0.0005
    """
    signs = rng.integers(0, 2, size=(N_FLIPS, len(differences)), dtype=np.int8) * np.int8(2) - np.int8(1)
    flipped = np.abs(signs.astype(np.float32) @ differences.astype(np.float32))
    seen = np.float32(abs(differences.sum())) * np.float32(1 - 1e-6)
    return float((1 + (flipped >= seen).sum()) / (1 + N_FLIPS))
