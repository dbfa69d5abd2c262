"""The ways in which several models can answer together, each with what it has right."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.arrays import frozen
from diag.io import store
from diag.metrics import ensembles as metrics
from diag.metrics.samples import EPSILON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from diag.results.comparison import Comparison

    Kind = Literal["member", "average", "vote", "greedy", "best", "subset", "oracle"]

FOLDS = 5
LEAST_IMAGES = 20
"""With fewer images nothing is chosen in folds."""
ALL_SUBSETS = 6
"""Up to so many models every subset is averaged; with more, pairs of the best `PAIRED`."""
PAIRED = 4
BUDGET = 300_000_000
"""Probabilities that are added up, at most: with more, a sample of the images is used."""
SMALL = 20_000_000
"""Up to so many are added up anew each time."""


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """One way to answer: a model, an ensemble, or the oracle.

    Parameters
    ----------
    key : str
        Short and unique: ``"average"``, ``"subset 0-2"``.
    name : str
        As it is shown.
    kind : {"member", "average", "vote", "greedy", "best", "subset", "oracle"}
    members : tuple of int
        Numbers of the models in it.
    correct : ndarray of bool, shape (n,)
        Whether it is right. Of what was chosen by its figures, this is what the choice of the other folds answers.
    log_loss : float
        In nats; NaN for votes and the oracle, which give no probabilities.
    naive_accuracy : float
        Of what was chosen by its figures: its accuracy on the very images it was chosen on. NaN elsewhere.
    """

    key: str
    name: str
    kind: Kind
    members: tuple[int, ...]
    correct: NDArray[np.bool_]
    log_loss: float
    naive_accuracy: float = float("nan")


class Combining:
    """Computes the rows of an `Ensembles` on the same images."""

    def __init__(self, comparison: Comparison, seed: int) -> None:
        self.names = comparison.names
        self.runs = comparison.runs
        self.m = len(self.runs)
        self.notes: list[str] = []
        self.weights: NDArray[np.float64] | None = None
        self.fold_weights: NDArray[np.float64] | None = None
        self.missing = self._missing()
        self._rng = np.random.default_rng(seed)
        self.subsets = self._subsets()
        self.rows = self._rows()
        self.y_true = self.runs[0].samples["y_true"][self.rows]
        self.predictions = np.stack([run.samples["y_pred"][self.rows] for run in self.runs])
        self.correct = self.predictions == self.y_true

    def _missing(self) -> str:
        lacking = [name for name, run in zip(self.names, self.runs, strict=True) if run.proba is None]
        if lacking:
            return f"Averages need all probabilities; they are too many to be kept for {lacking[0]}. Votes can be had."
        return ""

    def _subsets(self) -> list[tuple[int, ...]]:
        """Return the sets of models to average, the whole one first."""
        everyone = tuple(range(self.m))
        if self.m <= ALL_SUBSETS:
            smaller = [part for size in range(2, self.m) for part in combinations(everyone, size)]
        else:
            losses = [float(np.mean(run.samples["loss"])) for run in self.runs]
            smaller = list(combinations(sorted(np.argsort(losses, kind="stable")[:PAIRED].tolist()), 2))
        return [everyone, *smaller]

    def _rows(self) -> NDArray[np.int64]:
        """Return the numbers of the images to work on: all, or a sample in which every class has its share."""
        labels = self.runs[0].samples["y_true"]
        n, k = len(labels), self.runs[0].n_classes
        each = k * (sum(map(len, self.subsets)) + (FOLDS + 2) * self.m)
        if self.missing or n * each <= BUDGET:
            return np.arange(n)
        count = max(LEAST_IMAGES, BUDGET // each)
        parts = metrics.stratified_folds(labels, -(-n // count), self._rng)
        rows = np.flatnonzero(parts == 0)
        self.notes.append(
            f"Figures are of {len(rows):,} of the {n:,} images, drawn so that every class has its share: averaging all "
            f"probabilities of {self.m} models would take too long."
        )
        return rows

    def members(self) -> list[Combination]:
        """Return the models as `Comparison.table` orders them: most accurate on all images first, then by log loss."""
        losses = [float(run.samples["loss"][self.rows].mean()) for run in self.runs]
        whole = [(-int(run.correct_mask.sum()), float(run.samples["loss"].mean())) for run in self.runs]
        order = sorted(range(self.m), key=lambda number: (*whole[number], number))
        return [
            Combination(f"member {at}", self.names[at], "member", (at,), frozen(self.correct[at]), losses[at])
            for at in order
        ]

    def oracle(self) -> Combination:
        """Return the oracle."""
        right = metrics.oracle(self.correct)
        return Combination("oracle", "oracle: any model right", "oracle", tuple(range(self.m)), frozen(right), np.nan)

    def ensembles(self) -> list[Combination]:
        """Return everything between the models and the oracle."""
        self.notes.append("Differences are to the best model, which was itself chosen on these images.")
        if self.missing:
            self.notes.append(f"{self.missing} Ties of a vote go to the class whose voters are surer.")
            confidence = np.stack([run.samples["confidence"][self.rows] for run in self.runs])
            return [self._vote(metrics.confidence_support(self.predictions, confidence))]
        if len(self.rows) < LEAST_IMAGES:
            self.missing = f"Choosing members in folds needs {LEAST_IMAGES} images. Received: {len(self.rows)}."
            self.notes.append(self.missing)
        else:
            self._greedy_weights()
        return self._averages()

    def _vote(self, support: NDArray[Any]) -> Combination:
        right = metrics.majority_vote(self.predictions, support) == self.y_true
        return Combination("vote", "vote of all", "vote", tuple(range(self.m)), frozen(right), np.nan)

    def _greedy_weights(self) -> None:
        p_true = np.stack([run.samples["p_true"][self.rows] for run in self.runs])
        self.folds = metrics.stratified_folds(self.y_true, FOLDS, self._rng)
        self.weights = metrics.pick_weights(metrics.greedy_picks(p_true), self.m)
        picks = [metrics.greedy_picks(p_true[:, self.folds != fold]) for fold in range(FOLDS)]
        self.fold_weights = np.stack([metrics.pick_weights(each, self.m) for each in picks])

    def _averages(self) -> list[Combination]:
        table = np.zeros((len(self.subsets), self.m))
        for row, members in zip(table, self.subsets, strict=True):
            row[list(members)] = 1.0 / len(members)
        wanted, chosen = table, self.weights is not None
        if self.weights is not None and self.fold_weights is not None:
            wanted = np.vstack([table, self.weights, self.fold_weights])
        probas = [run.proba for run in self.runs if run.proba is not None]
        labels = self.runs[0].samples["y_true"]
        y_pred, p_true, support = self._kept(wanted, probas, labels)
        right = y_pred == self.y_true
        losses = -np.log(np.clip(p_true, EPSILON, 1.0))
        averaged = [
            Combination(
                "subset " + "-".join(map(str, members)) if place else "average",
                " + ".join(self.names[number] for number in members) if place else "average of all",
                "subset" if place else "average", members, frozen(right[place]), float(losses[place].mean()),
            )
            for place, members in enumerate(self.subsets)
        ]  # fmt: skip
        vote = self._vote(support)
        found = [averaged[0], vote]
        if chosen:
            count = len(self.subsets)
            found += [self._greedy(right[count:], losses[count:]), *self._best(right[:count], losses[:count])]
            self.notes.append(
                f"Greedy selection and the best average are chosen on {FOLDS - 1} of {FOLDS} parts of the images and "
                "judged on the other, in turn; the naive accuracy is that on the images of the choice: too good."
            )
        return [*found, *sorted(averaged[1:], key=lambda each: (-int(each.correct.sum()), each.log_loss))]

    def _kept(
        self, wanted: NDArray[np.float64], probas: Sequence[NDArray[Any]], labels: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the answers of weighted averages, and what breaks ties of a vote; what takes long is kept."""
        large = len(self.rows) * int((wanted > 0).sum()) * probas[0].shape[1] > SMALL
        samples = [run.samples[name] for run in self.runs for name in ("y_pred", "p_true", "entropy")]
        key = store.content_key(
            result="ensembles",
            samples=[store.array_digest(column) for column in samples] if large else None,
            rows=store.array_digest(self.rows),
            weights=store.array_digest(wanted),
        )
        kept = store.load("ensembles", key) if large else None
        if kept is None or set(kept.arrays) != {"y_pred", "p_true", "support"}:
            y_pred, p_true = metrics.combined(probas, labels, wanted, self.rows)
            support = metrics.mean_support(probas, self.predictions, self.rows)
            kept = store.Entry(meta={}, arrays={"y_pred": y_pred, "p_true": p_true, "support": support})
            if large:
                store.save("ensembles", key, kept)
        return kept.arrays["y_pred"], kept.arrays["p_true"], kept.arrays["support"]

    def _greedy(self, right: NDArray[np.bool_], losses: NDArray[np.float64]) -> Combination:
        """Return greedy selection: row 0 is the choice on all images, the others those without one fold."""
        at = np.arange(len(self.rows))
        weights = np.zeros(self.m) if self.weights is None else self.weights
        members = tuple(int(number) for number in np.flatnonzero(weights))
        return Combination(
            "greedy", "greedy selection", "greedy", members, frozen(right[1 + self.folds, at]),
            float(losses[1 + self.folds, at].mean()), mean(right[0]),
        )  # fmt: skip

    def _best(self, right: NDArray[np.bool_], losses: NDArray[np.float64]) -> Sequence[Combination]:
        """Return the most accurate of the averages, chosen in folds; nothing where there is no choice."""
        if len(right) < 2:
            return ()
        winners = metrics.fold_winners(right, self.folds)[self.folds]
        naive = int(np.argmax(right.sum(axis=1)))
        at = np.arange(len(self.rows))
        name = "best average" if self.m <= ALL_SUBSETS else "best of pairs and all"
        return (
            Combination(
                "best", name, "best", self.subsets[naive], frozen(right[winners, at]),
                float(losses[winners, at].mean()), mean(right[naive]),
            ),
        )  # fmt: skip


def mean(values: NDArray[Any]) -> float:
    """Return the mean; NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")
