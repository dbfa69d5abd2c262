"""Confident errors split into three: a wrong label, real confusion, unlike anything in training.

What speaks for and against a label: other models, the labels of the nearest images in the penultimate layer, and those
of the most similar images, pixel by pixel. The penultimate layer alone would not do: where a network is sure of a wrong
class, that class's images are its neighbours there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = ("wrong_label", "confusion", "unlike_training")
"""Probably a wrong label; real confusion; unlike anything in training."""
AGREE = 2 / 3
"""Share of the models that must name the suggested class."""
NAMED, LABEL = 0.6, 0.2
"""Of the neighbours at least this share must have the suggested class, and at most this share the label: 4 and 1 of the
6 most similar images, as in the doctor's DG504; 6 and 2 of the 10 nearest in the penultimate layer."""
FAR = 99.0
"""Percentile of the right answers' distances beyond which an image is unlike anything in training. Of noise, negatives
and stripes among digits the shipped networks' penultimate layers put 0.03 to 1.0 beyond it, similarity of the pixels
all; of right answers 0.01 lie beyond each by definition."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known about m doubted labels. Every array has shape (m,).

    Parameters
    ----------
    margin : ndarray of float64
        `normalized_margin` of the label, 0 (bad) to 1.
    votes : ndarray of int64
        Models whose answer is the suggested class.
    n_models : int
        Models asked; with one, its vote says nothing.
    near_named, near_label : ndarray of float64
        Share of the nearest images in the penultimate layer that have the suggested class, and the label. NaN: unknown.
    alike_named, alike_label : ndarray of float64
        The same of the most similar images, pixel by pixel. NaN: unknown.
    near_percentile, alike_percentile : ndarray of float64
        Share of right answers that are nearer to their neighbours, in the penultimate layer and pixel by pixel, 0..100.
        NaN: unknown.
    mixed : ndarray of bool
        `mixed_up`: most images with this label are called the suggested class.
    """

    margin: NDArray[np.float64]
    votes: NDArray[np.int64]
    n_models: int
    near_named: NDArray[np.float64]
    near_label: NDArray[np.float64]
    alike_named: NDArray[np.float64]
    alike_label: NDArray[np.float64]
    near_percentile: NDArray[np.float64]
    alike_percentile: NDArray[np.float64]
    mixed: NDArray[np.bool_]

    @property
    def percentile(self) -> NDArray[np.float64]:
        """The larger of the two percentiles; NaN where both are unknown."""
        return np.fmax(self.near_percentile, self.alike_percentile)

    @property
    def agreed(self) -> NDArray[np.bool_]:
        """Whether enough models name the suggested class; true for a single model."""
        agreed: NDArray[np.bool_] = self.votes >= AGREE * self.n_models - 1e-9
        return agreed


def issue_kinds(evidence: Evidence) -> NDArray[np.int64]:
    """Return the number of each issue's kind in `KINDS`, shape (m,).

    Far away comes first: there neither the model nor the neighbours are to be trusted. A wrong label needs all
    witnesses that there are, at least one, and that its class is not mixed up as a whole. All others are confusion.

    Examples
    --------
    >>> one = np.ones(1)
    >>> evidence = Evidence(0 * one, np.array([2]), 2, one, 0 * one, one, 0 * one, 50 * one, 50 * one, one < 0)
    >>> KINDS[issue_kinds(evidence)[0]]
    'wrong_label'
    """
    heard = np.full(len(evidence.margin), evidence.n_models > 1)
    against = evidence.agreed & ~evidence.mixed
    for named, label in ((evidence.near_named, evidence.near_label), (evidence.alike_named, evidence.alike_label)):
        unknown = np.isnan(named)
        against &= unknown | contradicts(named, label)
        heard |= ~unknown
    with np.errstate(invalid="ignore"):
        unlike = evidence.percentile > FAR
    return np.select([unlike, against & heard], [2, 0], 1).astype(np.int64)


def contradicts(named: NDArray[np.float64], label: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether neighbours with these shares of the suggested class and of the label contradict the label."""
    with np.errstate(invalid="ignore"):
        found: NDArray[np.bool_] = (named >= NAMED - 1e-9) & (label <= LABEL + 1e-9)
    return found


def issue_scores(evidence: Evidence) -> NDArray[np.float64]:
    """Return how strongly the evidence speaks against each label, 0..1: the mean of what is known.

    Its parts: one less the normalised margin; the share of models that name the suggested class, where there are
    several; and for each kind of neighbours the share of the suggested class less the label's, brought to 0..1.

    Examples
    --------
    >>> one = np.ones(1)
    >>> evidence = Evidence(0 * one, np.array([1]), 2, one, 0 * one, one * np.nan, one * np.nan, one, one, one < 0)
    >>> issue_scores(evidence).round(4).tolist()  # (1 + 1/2 + 1) / 3
    [0.8333]
    """
    parts = [1 - evidence.margin]
    if evidence.n_models > 1:
        parts.append(evidence.votes / evidence.n_models)
    parts.append((evidence.near_named - evidence.near_label + 1) / 2)
    parts.append((evidence.alike_named - evidence.alike_label + 1) / 2)
    stacked = np.stack(parts)
    known = ~np.isnan(stacked)
    scores: NDArray[np.float64] = np.where(known, stacked, 0).sum(axis=0) / np.maximum(1, known.sum(axis=0))
    return scores
