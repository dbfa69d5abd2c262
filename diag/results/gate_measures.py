"""The figures of a gate for two evaluations on the same samples, and how sure the change between them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.metrics.bootstrap import (
    METRICS,
    bca_interval,
    figures,
    jackknife,
    resampled_figures,
    resamples_within_bound,
)
from diag.metrics.classification import class_f1
from diag.metrics.comparison import benjamini_hochberg, mcnemar_p_values, paired_difference_intervals
from diag.metrics.reliability import equal_width_bins
from diag.metrics.summaries import N_BINS, TOP
from diag.results.gate_grammar import MEASURES
from diag.results.gate_intervals import EQUAL, FEWEST, Moved, moved_by_class, moved_of_classes, widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.results.evaluation import Evaluation
    from diag.results.gate_grammar import Condition


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A figure of OLD and of NEW: arrays with one value a class that was asked for, else of length 1.

    Parameters
    ----------
    old, new : ndarray of float64, shape (m,)
        NaN where the figure is undefined.
    p_value : ndarray of float64, shape (m,)
        That the change is chance alone, two-sided, adjusted for the number of classes; NaN where it was not asked for.
    low, high : ndarray of float64, shape (m,)
        95 % interval of new minus old; NaN where it was not asked for, or cannot be told.
    """

    old: NDArray[np.float64]
    new: NDArray[np.float64]
    p_value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def measured(old: Evaluation, new: Evaluation, condition: Condition, numbers: NDArray[np.int64], seed: int) -> Change:
    """Return what a condition compares.

    Parameters
    ----------
    old, new : Evaluation
        On the same samples.
    condition : Condition
    numbers : ndarray of int64, shape (m,)
        The classes that are meant; (true, predicted) for a cell; empty where the figure is of no class.
    seed : int
        Seeds the bootstrap.

    Notes
    -----
    What counts images as right or wrong (accuracy, recall, top-3 accuracy, a cell) has McNemar's exact test and the
    interval of Agresti & Min (2005), within the images that the figure is of. Everything else has the paired
    bootstrap: images are drawn again with replacement, both models keep their answers, the p-value is twice the
    smaller share of differences on one side of 0 (Efron & Tibshirani 1993, An Introduction to the Bootstrap, 13.3 and
    15.4), and not less than a sign test of the images that differ could give. Where fewer than `FEWEST` images differ,
    resamples hardly vary: the interval of a figure that counts images is then `widened`, that of a loss unknown; with
    ``ci`` McNemar's intervals are widened too. The p-values of several classes are adjusted as Benjamini & Hochberg
    (1995). One file against itself, with the same answers, cannot change: its interval is 0 to 0.
    """
    before, after = values(old, condition.measure, numbers), values(new, condition.measure, numbers)
    nothing = np.full(len(before), np.nan)
    test = MEASURES[condition.measure].test
    if test is None or (condition.alpha is None and not condition.ci) or not len(old):
        return Change(before, after, nothing, nothing, nothing)
    if _is_itself(old, new):
        change = after - before
        return Change(before, after, np.where(np.isfinite(change), 1.0, np.nan), change, change)
    certain = _mcnemar if test == "mcnemar" else _bootstrap
    p_value, low, high = certain(old, new, condition, numbers, seed)
    if len(p_value) > 1:
        p_value = benjamini_hochberg(p_value)
    return Change(before, after, p_value, low, high)


def values(run: Evaluation, measure: str, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a figure of one evaluation, one value a class; NaN where it is undefined."""
    if measure == "errors":
        row = run.counts().confusion[numbers[0]]
        return np.array([row[numbers[1]] if row.sum() else np.nan], dtype=np.float64)
    if measure in ("size", "parameters"):
        found = run.model.file.file_size if measure == "size" else run.model.n_params
        return np.array([np.nan if found is None else found], dtype=np.float64)
    if measure in ("recall", "precision", "f1"):
        listed: NDArray[np.float64] = run.per_class()[measure].to_numpy(dtype=np.float64)[numbers]
        return listed
    return np.array([run.figures()[measure]], dtype=np.float64)


def scope(old: Evaluation, new: Evaluation, condition: Condition, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which samples a condition is of and NEW has newly wrong, shape (n,)."""
    true, answer = new.samples["y_true"], new.samples["y_pred"]
    if condition.measure == "errors":
        newly: NDArray[np.bool_] = (true == numbers[0]) & (answer == numbers[1]) & (old.samples["y_pred"] != numbers[1])
        return newly
    if condition.measure == "top3_accuracy":
        return (old.samples["rank"] <= TOP) & (new.samples["rank"] > TOP)
    broken: NDArray[np.bool_] = old.correct_mask & ~new.correct_mask
    if condition.measure in ("size", "parameters"):
        return np.zeros_like(broken)
    if condition.measure == "recall":
        return broken & np.isin(true, numbers)
    if condition.measure in ("precision", "f1"):
        return broken & (np.isin(true, numbers) | np.isin(answer, numbers))
    return broken


def _indicator(run: Evaluation, condition: Condition, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return what is counted: right answers, or the images in a cell."""
    if condition.measure == "errors":
        found: NDArray[np.bool_] = run.samples["y_pred"] == numbers[1]
    elif condition.measure == "top3_accuracy":
        found = run.samples["rank"] <= TOP
    else:
        found = run.correct_mask
    return found


Certainty = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


def _mcnemar(
    old: Evaluation, new: Evaluation, condition: Condition, numbers: NDArray[np.int64], seed: int
) -> Certainty:
    """Return p-value and interval of new minus old, for each class or for all images; `seed` is not used."""
    true, k = old.samples["y_true"], old.n_classes
    a, b = (_indicator(run, condition, numbers) for run in (old, new))
    counts = [np.bincount(true[mask], minlength=k) for mask in (a & ~b, b & ~a, np.ones_like(a))]
    if condition.measure in ("accuracy", "top3_accuracy"):
        only_old, only_new, n = (each.sum(keepdims=True) for each in counts)
    else:
        rows = numbers[:1] if condition.measure == "errors" else numbers
        only_old, only_new, n = (each[rows] for each in counts)
    change, low, high = paired_difference_intervals(n, only_new, only_old)
    if condition.ci:
        low, high = widened(low, high, change, Moved(n, only_old, only_new, only_old + only_new))
    p_value = np.where(n > 0, mcnemar_p_values(only_old, only_new), np.nan)
    factor = n if condition.measure == "errors" else 1
    return p_value, low * factor, high * factor


def _bootstrap(
    old: Evaluation, new: Evaluation, condition: Condition, numbers: NDArray[np.int64], seed: int
) -> Certainty:
    """Return p-value and interval of new minus old: BCa for the figures of `METRICS`, else by percentiles."""
    rng, measure = np.random.default_rng(seed), condition.measure
    draw = _bootstrap_bca if measure in METRICS else _bootstrap_percentiles
    p_value, low, high = draw(old, new, measure, numbers, rng)
    lowest, differing = _floor(old, new, measure, numbers)
    p_value = np.maximum(p_value, lowest)
    if measure in ("log_loss", "brier"):
        unknown = (differing < FEWEST) | ~(high - low > EQUAL)
        low, high = (np.where(unknown, np.nan, end) for end in (low, high))
    elif measure != "ece":
        change = values(new, measure, numbers) - values(old, measure, numbers)
        of_class = measure in ("precision", "f1")
        moved = moved_by_class(old, new, measure, numbers) if of_class else moved_of_classes(old, new)
        low, high = widened(low, high, change, moved)
    return p_value, low, high


def _bootstrap_percentiles(
    old: Evaluation, new: Evaluation, measure: str, numbers: NDArray[np.int64], rng: np.random.Generator
) -> Certainty:
    draw = _sample_draws if measure in ("brier", "ece") else _count_draws
    drawn = draw(old, new, measure, numbers, rng)
    known = np.isfinite(drawn)
    ends = np.full((2, drawn.shape[1]), np.nan)
    for place in np.flatnonzero(known.any(axis=0)):
        ends[:, place] = np.quantile(drawn[known[:, place], place], [0.025, 0.975])
    return _p_values(drawn), ends[0], ends[1]


def _bootstrap_bca(
    old: Evaluation, new: Evaluation, measure: str, numbers: NDArray[np.int64], rng: np.random.Generator
) -> Certainty:
    true, k, place = old.samples["y_true"], old.n_classes, METRICS.index(measure)
    answers, losses = ([run.samples[name] for run in (old, new)] for name in ("y_pred", "loss"))
    n_resamples = resamples_within_bound(len(old), 2)
    drawn = resampled_figures(true, answers, losses, k, rng, n_resamples)[:, :, place]
    observed = [figures(true, answer, loss, k)[place] for answer, loss in zip(answers, losses, strict=True)]
    left = [jackknife(true, answer, loss, k)[:, place] for answer, loss in zip(answers, losses, strict=True)]
    differences = drawn[:, 1] - drawn[:, 0]
    low, high = bca_interval(float(observed[1] - observed[0]), differences, left[1] - left[0])
    return _p_values(differences[:, None]), np.array([low]), np.array([high])


def _is_itself(old: Evaluation, new: Evaluation) -> bool:
    """Return whether both are one file with the same answers."""
    digests = [getattr(run.model, "digest", None) for run in (old, new)]
    same = digests[0] is not None and digests[0] == digests[1]
    return same and all(np.array_equal(old.samples[name], new.samples[name]) for name in ("y_pred", "loss", "brier"))


def _floor(
    old: Evaluation, new: Evaluation, measure: str, numbers: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the smallest p-value that so many images can give, 2 / 2^m where m of them differ, and m.

    Drawing few images again says little, and drawing one says nothing: no exact paired test goes below this.
    """
    column = {"log_loss": "loss", "brier": "brier", "ece": "confidence"}.get(measure, "y_pred")
    before, after = old.samples[column], new.samples[column]
    differs = before != after
    if measure not in ("precision", "f1"):
        m = np.array([differs.sum()], dtype=np.int64)
    else:
        one, other = (np.bincount(each[differs], minlength=old.n_classes) for each in (before, after))
        m = (one + other)[numbers]
    return np.minimum(1.0, 2.0 ** (1.0 - np.minimum(m, 1000))), m


def _p_values(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return twice the smaller share of resampled differences (resamples, m) on one side of 0; at least 2 / (r + 1)."""
    known = np.isfinite(drawn)
    total = known.sum(axis=0)
    below, above = ((known & side).sum(axis=0) + 1 for side in (drawn <= 0, drawn >= 0))
    return np.where(total > 0, np.minimum(1.0, 2 * np.minimum(below, above) / (total + 1)), np.nan)


def _count_draws(
    old: Evaluation, new: Evaluation, measure: str, numbers: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return differences (resamples, m) of a figure that comes from counts: kinds of samples are drawn, not samples."""
    k, n = old.n_classes, len(old)
    code = (old.samples["y_true"] * k + old.samples["y_pred"]) * k + new.samples["y_pred"]
    kinds, counts = np.unique(code, return_counts=True)
    true, answers = kinds // (k * k), (kinds // k % k, kinds % k)
    drawn = []
    for _ in range(resamples_within_bound(n, 2)):
        weights = rng.multinomial(n, counts / n)
        before, after = (_weighted_figure(measure, true, each, weights, k, numbers) for each in answers)
        drawn.append(after - before)
    return np.array(drawn)


def _weighted_figure(
    measure: str,
    true: NDArray[np.int64],
    answer: NDArray[np.int64],
    weights: NDArray[np.int64],
    k: int,
    numbers: NDArray[np.int64],
) -> NDArray[np.float64]:
    right = true == answer
    counts = ((true[right], weights[right]), (true, weights), (answer, weights))
    hits, support, predicted = (np.bincount(each, weight, k)[numbers] for each, weight in counts)
    if measure == "f1":
        return class_f1(hits, support, predicted)
    shares: NDArray[np.float64] = np.divide(hits, predicted, out=np.full(len(numbers), np.nan), where=predicted > 0)
    return shares


def _sample_draws(
    old: Evaluation, new: Evaluation, measure: str, numbers: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return differences (resamples, 1) of a figure that comes from the probabilities of each sample."""
    n = len(old)
    drawn = []
    difference = new.samples["brier"] - old.samples["brier"]
    gaps = [_bins_and_gaps(run) for run in (old, new)]
    for _ in range(resamples_within_bound(n, 2)):
        rows = rng.integers(0, n, n)
        if measure == "brier":
            drawn.append([float(difference[rows].mean())])
            continue
        before, after = (np.abs(np.bincount(bins[rows], gap[rows], N_BINS)).sum() / n for bins, gap in gaps)
        drawn.append([float(after - before)])
    return np.array(drawn)


def _bins_and_gaps(run: Evaluation) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each sample's bin of confidence, and by how much its confidence falls short of being right."""
    confidence = run.samples["confidence"]
    return equal_width_bins(confidence, N_BINS), run.correct_mask - confidence
