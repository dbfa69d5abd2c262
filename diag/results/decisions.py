"""What a model's decisions cost, and what those that its probabilities advise would."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from diag.errors import CheckNotApplicable
from diag.metrics.costs import (
    best_threshold,
    cost_by_threshold,
    cost_matrix,
    indifferent_threshold,
    mean_interval,
    minimal_decisions,
)
from diag.results.probabilities import sampled, sampling_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from diag.results.evaluation import Evaluation


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedCost:
    """Mean costs an image of two ways to decide: the most probable class, and the least expected cost.

    Parameters
    ----------
    run : Evaluation
    costs : ndarray of float64, shape (k, k)
        Row i, column j: the cost of saying j where i is true.
    values : mapping of str to float
        See `figures`.
    decisions : ndarray of int64, shape (m,)
        The class with the least expected cost of each sample of `rows`.
    rows : ndarray of int64, shape (m,)
    notes : tuple of str
    seed : int
    """

    run: Evaluation
    costs: NDArray[np.float64]
    values: Mapping[str, float]
    decisions: NDArray[np.int64]
    rows: NDArray[np.int64]
    notes: tuple[str, ...]
    seed: int

    @property
    def name(self) -> str:
        """The model's name."""
        return self.run.name

    def figures(self) -> dict[str, float]:
        """Return all figures.

        Returns
        -------
        dict of str to float
            ``cost`` of the most probable class, ``minimal_cost`` of the decisions with the least expected cost,
            ``difference`` (minimal_cost - cost), each with ``_low`` and ``_high`` (95 %, bootstrap over images; the
            difference is paired); ``changed``: images that get another class. With two classes also
            ``indifferent_threshold`` (Elkan 2001), and ``threshold`` (infinite: class 1 is best never said) with its
            ``threshold_cost`` (on these images) and ``cross_validated_cost``.
        """
        return dict(self.values)

    def frame(self) -> pd.DataFrame:
        """Return `figures` as one row; index ``model``."""
        import pandas as pd

        return pd.DataFrame([{"model": self.name, **self.values}]).set_index("model")

    def threshold_frame(self) -> pd.DataFrame:
        """Return ``threshold``, ``cost``, ``false_positives``, ``false_negatives`` (class 1 is said from it on).

        Raises
        ------
        CheckNotApplicable
            If there are not two classes, or no probabilities.
        """
        import pandas as pd

        if self.run.n_classes != 2:
            raise CheckNotApplicable(
                f"{self.name}: expected two classes for a threshold. Received: {self.run.n_classes}."
            )
        _, y_true, proba = sampled(self.run, self.seed)
        return pd.DataFrame(cost_by_threshold(y_true, proba[:, 1], self.costs))

    def changed_samples(self) -> NDArray[np.int64]:
        """Return the indices of images that get another class; those whose cost rises most first, then that falls."""
        y_true, y_pred = (self.run.samples[name][self.rows] for name in ("y_true", "y_pred"))
        rise = self.costs[y_true, self.decisions] - self.costs[y_true, y_pred]
        changed = np.flatnonzero(self.decisions != y_pred)
        order = np.argsort(-rise[changed], kind="stable")
        indices: NDArray[np.int64] = self.run.samples["index"][self.rows[changed[order]]]
        return indices

    def sentence(self) -> str:
        """Return what the figures say."""
        values = self.values
        ends = values["cost_low"], values["cost_high"]
        range_ = " (95% {:.4g} to {:.4g})".format(*ends) if np.isfinite(ends).all() else ""
        head = f"{self.name}: a decision costs {values['cost']:.4g} on average{range_}."
        if not np.isfinite(values["minimal_cost"]):
            return head
        if not values["changed"]:
            return f"{head} Deciding by expected cost changes nothing."
        low, high = values["difference_low"], values["difference_high"]
        verdict = "which is less" if high < 0 else "which is more" if low > 0 else "no certain difference"
        range_ = f", 95% {low:+.4g} to {high:+.4g}" if np.isfinite([low, high]).all() else ""
        return (
            f"{head} Deciding by expected cost changes {int(values['changed']):,} answers and costs "
            f"{values['minimal_cost']:.4g}: {verdict} (difference {values['difference']:+.4g}{range_})."
        )


def expected_cost(run: Evaluation, costs: ArrayLike | None = None, seed: int = 0) -> ExpectedCost:
    """Return what a model's decisions cost, and what decisions by expected cost would.

    Parameters
    ----------
    run : Evaluation
    costs : array_like of shape (k, k), optional
        Row i, column j: the cost of saying class j where class i is true. By default every mistake costs 1.
    seed : int
        Of the bootstrap and of the folds.

    Raises
    ------
    InvalidInputError
        If the costs have another shape, or are no finite numbers.

    Examples
    --------
    >>> expected_cost(run, [[0, 1], [10, 0]]).sentence()  # a miss is ten times worse  # doctest: +SKIP
    """
    matrix = cost_matrix(costs, run.n_classes)
    matrix.flags.writeable = False
    notes: tuple[str, ...] = ()
    rows = np.arange(len(run))
    decisions = run.samples["y_pred"]
    y_true = run.samples["y_true"]
    two: dict[str, float] = {}
    known = run.proba is not None
    if known:
        rows, y_true, proba = sampled(run, seed)
        notes = sampling_note(run, len(rows), "Costs")
        # With equal costs the least expected cost is the most probable class, whatever rounding says.
        decisions = run.samples["y_pred"][rows] if costs is None else minimal_decisions(proba, matrix)
        if run.n_classes == 2:
            two = _two_classes(y_true, proba[:, 1], matrix, seed)
    else:
        notes = ("Decisions by expected cost need all probabilities, and so many are not kept.",)
    y_pred = run.samples["y_pred"][rows]
    old, new = matrix[y_true, y_pred], matrix[y_true, decisions]
    values: dict[str, float] = {}
    for name, costed in (("cost", old), ("minimal_cost", new), ("difference", new - old)):
        found = mean_interval(costed if known or name == "cost" else costed[:0], seed)
        values |= dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
    changed = float((decisions != y_pred).sum()) if known else float("nan")
    return ExpectedCost(
        run=run,
        costs=matrix,
        values=MappingProxyType({**values, "changed": changed, **two}),
        decisions=decisions,
        rows=rows,
        notes=notes,
        seed=seed,
    )


def _two_classes(
    y_true: NDArray[np.int64], score: NDArray[np.float32], costs: NDArray[np.float64], seed: int
) -> dict[str, float]:
    best = best_threshold(y_true, score, costs, seed)
    return {
        "indifferent_threshold": indifferent_threshold(costs),
        "threshold": best["threshold"],
        "threshold_cost": best["cost"],
        "cross_validated_cost": best["cross_validated_cost"],
    }
