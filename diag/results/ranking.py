"""The order of several models: average ranks, and the accuracy to expect of the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.arrays import frozen
from diag.errors import CheckNotApplicable
from diag.metrics.classification import class_recall
from diag.metrics.optimism import N_RESAMPLES, chosen_accuracy, resampled_accuracies, shares_of_best
from diag.metrics.ranks import block_ranks, cliques, critical_difference, friedman
from diag.results.verdict import points

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.comparison import Comparison


SLIGHT = 0.0005
"""Less optimism than 0.05 points is not given as a figure."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """Average ranks of the models over the classes, and over bootstrap resamples.

    Parameters
    ----------
    names : tuple of str, length m
    average : ndarray of float64, shape (m,)
        Average rank by recall over the classes that have samples; 1 is best.
    critical_difference : float
        Average ranks that differ by less cannot be told apart (Nemenyi).
    cliques : tuple of tuple of str
        The largest groups of models that lie within the critical difference, best first.
    statistic, p_value : float
        Friedman's test that all average ranks are equal.
    n_classes : int
        Classes that have samples.
    resampled, resampled_low, resampled_high : ndarray of float64, shape (m,)
        Mean rank by accuracy over bootstrap resamples of the samples, and the ends between which it lies in 95 % of
        them.
    best_share : ndarray of float64, shape (m,)
        Share of the resamples in which the model has the highest accuracy; those that tie share it.
    level : float
    n_resamples, seed : int
    """

    names: tuple[str, ...]
    average: NDArray[np.float64]
    critical_difference: float
    cliques: tuple[tuple[str, ...], ...]
    statistic: float
    p_value: float
    n_classes: int
    resampled: NDArray[np.float64]
    resampled_low: NDArray[np.float64]
    resampled_high: NDArray[np.float64]
    best_share: NDArray[np.float64]
    level: float
    n_resamples: int
    seed: int

    def frame(self) -> pd.DataFrame:
        """Return one row a model, best average rank first.

        Returns
        -------
        DataFrame
            ``model``, ``average_rank`` (over classes, by recall), ``bootstrap_rank`` with ``bootstrap_rank_low`` and
            ``bootstrap_rank_high`` (over resamples, by accuracy), ``best_share`` (of the resamples, 0..1).
        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                "model": list(self.names),
                "average_rank": self.average,
                "bootstrap_rank": self.resampled,
                "bootstrap_rank_low": self.resampled_low,
                "bootstrap_rank_high": self.resampled_high,
                "best_share": self.best_share,
            }
        )
        return frame.sort_values(["average_rank", "bootstrap_rank"], kind="stable").reset_index(drop=True)

    def sentence(self) -> str:
        """Return what the ranks say."""
        if self.p_value >= self.level:
            return (
                f"Over {self.n_classes} classes the models' ranks by recall do not differ more than by chance "
                f"(Friedman, p = {self.p_value:.2f})."
            )
        return (
            f"Over {self.n_classes} classes the models' ranks by recall differ (Friedman, p = {self.p_value:.2g}); "
            f"two average ranks tell models apart from {self.critical_difference:.2f} on (Nemenyi)."
        )


@dataclass(frozen=True, slots=True, eq=False)
class Optimism:
    """What is to be expected on new samples of the model that is best on these.

    Parameters
    ----------
    names : tuple of str, length m
    best : str
        The model with the highest accuracy.
    observed : float
        Its accuracy on these samples.
    expected : float
        Its accuracy corrected for having been chosen on them (`diag.metrics.optimism.chosen_accuracy`).
    chosen : ndarray of float64, shape (m,)
        Share of bootstrap resamples in which each model would have been chosen.
    n_resamples, seed : int
    """

    names: tuple[str, ...]
    best: str
    observed: float
    expected: float
    chosen: NDArray[np.float64]
    n_resamples: int
    seed: int

    @property
    def optimism(self) -> float:
        """By how much the observed accuracy is flattered by the choice, as a share; 0 for a single model."""
        return self.observed - self.expected

    def sentence(self) -> str:
        """Return the correction in one sentence."""
        if self.optimism < SLIGHT:
            return f"{self.best} is not flattered noticeably by having been chosen on these images."
        return (
            f"Chosen as the best of {len(self.names)} on these images, {self.best} is flattered by up to about "
            f"{points(self.optimism)[0]} points: expect {self.expected:.1%} rather than {self.observed:.1%} "
            "on new ones."
        )


def model_ranks(comparison: Comparison, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Ranks:
    """Return the `Ranks` of the models that are compared.

    Raises
    ------
    CheckNotApplicable
        With fewer than two models, or fewer than two classes that have samples.
    """
    names, first = comparison.names, comparison.runs[0]
    correct = np.stack([run.correct_mask for run in comparison.runs])
    y_true = first.samples["y_true"]
    support = np.bincount(y_true, minlength=first.n_classes)
    seen = support > 0
    if len(names) < 2 or seen.sum() < 2:
        raise CheckNotApplicable(
            "ranks: expected at least 2 models and 2 classes with samples. "
            f"Received: {len(names)} and {int(seen.sum())}. Compare more models, or on more classes."
        )
    recalls = [class_recall(np.bincount(y_true[right], minlength=len(support)), support) for right in correct]
    ranks = block_ranks(np.stack(recalls, axis=1)[seen])
    average = ranks.mean(axis=0)
    difference = critical_difference(len(names), int(seen.sum()), comparison.level)
    statistic, p_value = friedman(ranks)
    accuracies = resampled_accuracies(correct, np.random.default_rng(seed), n_resamples)
    places = block_ranks(accuracies.round(12))
    low, high = np.quantile(places, [0.025, 0.975], axis=0)
    return Ranks(
        names=names,
        average=frozen(average),
        critical_difference=difference,
        cliques=tuple(tuple(names[number] for number in group) for group in cliques(average, difference)),
        statistic=statistic,
        p_value=p_value,
        n_classes=int(seen.sum()),
        resampled=frozen(places.mean(axis=0)),
        resampled_low=frozen(low),
        resampled_high=frozen(high),
        best_share=frozen(shares_of_best(accuracies).mean(axis=0)),
        level=comparison.level,
        n_resamples=n_resamples,
        seed=seed,
    )


def choice_optimism(comparison: Comparison, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Optimism:
    """Return the `Optimism` of having chosen the best of the models on these samples."""
    correct = np.stack([run.correct_mask for run in comparison.runs])
    observed = correct.mean(axis=1) if correct.shape[1] else np.full(len(correct), np.nan)
    resampled = resampled_accuracies(correct, np.random.default_rng(seed), n_resamples)
    place = comparison.names.index(str(comparison.table().index[0]))
    return Optimism(
        names=comparison.names,
        best=comparison.names[place],
        observed=float(observed[place]),
        expected=chosen_accuracy(correct, np.random.default_rng(seed), n_resamples),
        chosen=frozen(shares_of_best(resampled).mean(axis=0)),
        n_resamples=n_resamples,
        seed=seed,
    )
