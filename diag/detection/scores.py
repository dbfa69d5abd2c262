"""What a model answers to a sample under each candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.io.batches import affordable
from diag.metrics.samples import EPSILON

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from diag.detection.candidates import Candidate, Choice
    from diag.io.models import Model

CHUNK = 64
"""Images that are prepared at once."""
BATCH = 256
"""Prepared images that the network gets at once, of as many candidates as that takes."""


FEW = 10
"""A class with fewer images than this among those tried weighs less than the others: so few may be odd ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """Answers, judged by labels: whether each is right, shape (n,), its loss in nats, and its class (-1: NaN).

    With `weights`, mean 1, every class counts the same; `labels` are then there too.
    """

    correct: NDArray[np.bool_]
    loss: NDArray[np.float64]
    predicted: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, proba: NDArray[np.float32], labels: NDArray[np.int64]) -> Score:
        """Judge probabilities (n, k), whose rows may be NaN, by labels (n,)."""
        bad = np.isnan(proba).any(axis=1)
        predicted = np.where(bad, -1, np.where(np.isnan(proba), 0, proba).argmax(axis=1))
        p_true = np.where(bad, 0, proba[np.arange(len(labels)), labels])
        return cls(predicted == labels, -np.log(np.clip(p_true.astype(np.float64), EPSILON, 1)), predicted)

    @classmethod
    def balanced(cls, proba: NDArray[np.float32], labels: NDArray[np.int64], factors: NDArray[np.float64]) -> Score:
        """Judge probabilities as if all classes were equally frequent.

        Parameters
        ----------
        proba : ndarray, shape (n, k)
            Rows may be NaN.
        labels : ndarray of int64, shape (n,)
        factors : ndarray, shape (k,)
            Probabilities are multiplied by these first, and made to sum to 1 again: the inverse of each class's share
            for a network that has learnt the shares, 1 for one that has not (Saerens et al. 2002).
        """
        adjusted = proba * factors
        total = adjusted.sum(axis=1, keepdims=True)
        judged = cls.of((adjusted / np.where(total > 0, total, 1)).astype(np.float32), labels)
        counts = np.bincount(labels, minlength=proba.shape[1])
        weights = 1 / np.maximum(counts, FEW)[labels]
        return cls(judged.correct, judged.loss, judged.predicted, weights / weights.mean(), labels)

    def agreement(self, other: Score) -> float:
        """Return the share of images to which both give the same class."""
        return float(np.average(self.predicted == other.predicted, weights=self.weights))

    @property
    def accuracy(self) -> float:
        """Share of right answers; with weights the mean of the classes' shares."""
        return float(np.average(self.correct, weights=self.weights))

    @property
    def log_loss(self) -> float:
        """Mean loss, with weights that of the classes' means."""
        return float(np.average(self.loss, weights=self.weights))


def independence_p(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Return the p-value that answers have nothing to do with labels, whatever the classes' shares.

    Fisher's exact test of each class, that it is named for its own images more often than for others; the smallest
    p-value times the number of classes.

    Examples
    --------
    >>> labels = np.array([0] * 8 + [1, 1])
    >>> round(45 * independence_p(labels, labels), 9)  # 2 classes / (10 choose 2)
    2.0
    """
    from scipy.stats import hypergeom

    classes = np.unique(labels)
    support, named = ((each[:, None] == classes).sum(axis=0) for each in (labels, predicted))
    hits = ((labels == predicted)[:, None] & (labels[:, None] == classes)).sum(axis=0)
    return float(min(1.0, len(classes) * hypergeom.sf(hits - 1, len(labels), support, named).min()))


class Answers:
    """A model's probabilities for a growing sample, kept by candidate.

    Parameters
    ----------
    model : Model
    images : ndarray, shape (n, h, w, c)
        Candidates are asked about the first of them; `grow` adds more.
    """

    def __init__(self, model: Model, images: NDArray[Any]) -> None:
        self._model = model
        self._images = images
        self._kept: dict[Choice, NDArray[np.float32]] = {}
        self.n_predicted = 0

    def grow(self, images: NDArray[Any]) -> None:
        """Put more images behind those that are there."""
        self._images = np.concatenate([self._images, images])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def proba(self, candidate: Candidate) -> NDArray[np.float32]:
        """Return the probabilities that are known, shape (m, k)."""
        return self._kept[candidate.choice]

    def ask(self, candidates: Iterable[Candidate], n: int) -> None:
        """Get probabilities of the first `n` images under each candidate; what is known is not asked again."""
        todo = [(each, start) for each in candidates if (start := self._known(each)) < min(n, len(self))]
        waiting: list[tuple[Candidate, NDArray[np.float32]]] = []
        batch = affordable(BATCH, self._model.file, self._images)
        step = min(CHUNK, batch)
        for start in range(0, min(n, len(self)), step):
            shaped: dict[str, NDArray[np.float32]] = {}
            for candidate, known in todo:
                low, high = max(start, known), min(start + step, n, len(self))
                if low < high:
                    key = _geometry_key(candidate, low, self._images.dtype)
                    if key not in shaped:
                        shaped[key] = candidate.preprocessing.geometry(self._images[low:high])
                    white = candidate.preprocessing.white(self._images.dtype)
                    waiting.append((candidate, candidate.preprocessing.valued(shaped[key], white)))
                    if sum(len(inputs) for _, inputs in waiting) >= batch:
                        self._send(waiting)
        self._send(waiting)

    def _known(self, candidate: Candidate) -> int:
        kept = self._kept.get(candidate.choice)
        return 0 if kept is None else len(kept)

    def _send(self, waiting: list[tuple[Candidate, NDArray[np.float32]]]) -> None:
        if not waiting:
            return
        with np.errstate(all="ignore"):
            raw = self._model.ask(np.concatenate([inputs for _, inputs in waiting]))
        self.n_predicted += len(raw)
        place = 0
        for candidate, inputs in waiting:
            proba = self._model.read_outputs(raw[place : place + len(inputs)])
            place += len(inputs)
            before = self._kept.get(candidate.choice)
            self._kept[candidate.choice] = proba if before is None else np.concatenate([before, proba])
        waiting.clear()


def _geometry_key(candidate: Candidate, low: int, dtype: Any) -> str:
    wanted = candidate.preprocessing
    padded = wanted.white(dtype) if wanted.fit in ("pad", "center") else None
    return f"{low} {wanted.transpose} {wanted.resize} {wanted.fit} {wanted.channels} {padded}"


def stratified_order(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return all row numbers in an order whose every beginning has as many of each class as can be.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 1])
    >>> sorted(labels[stratified_order(labels, 0)[:2]].tolist())
    [0, 1]
    """
    drawn = np.random.default_rng(seed).permutation(len(labels))
    turns = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = labels[drawn] == label
        turns[members] = np.arange(members.sum())
    order: NDArray[np.int64] = drawn[np.argsort(turns, kind="stable")]
    return order


def best_first(scores: Sequence[Score]) -> list[int]:
    """Return places by accuracy, ties by log loss."""
    return sorted(range(len(scores)), key=lambda place: (-scores[place].accuracy, scores[place].log_loss))
