"""Finding label issues: confident learning, crossed with other models and with neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.engines.witnesses import Witnesses, witnesses
from diag.io import store
from diag.metrics.issue_kinds import KINDS, Evidence, issue_kinds, issue_scores
from diag.metrics.label_issues import Doubts, confident_errors, confident_learning, mixed_up, normalized_margin
from diag.results.comparison import Comparison, best_first
from diag.results.label_issues import LabelIssues

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.results.evaluation import Evaluation

MOST = 2000
"""Issues that are looked into, the least probable labels first."""
LARGE = 10**7
"""Probabilities from which on what confident learning makes of them is kept."""
_WITNESSED = ("near_named", "near_label", "alike_named", "alike_label", "near_percentile", "alike_percentile")
VERSION = 3
"""Raised when evidence is gathered in another way: what was kept is then not found."""


def label_issues(
    comparison: Comparison | Evaluation,
    train: Dataset | None = None,
    *,
    neighbours: int = 10,
    seed: int = 0,
    cache: bool = True,
) -> LabelIssues:
    """Return the labels that sure answers contradict, and for each what it probably is.

    Doubted are labels of images whose probability of another class (the mean over the models) reaches what is usual
    for that class's own images: confident learning. Each is then called

    - *unlike anything in training*, when it is farther from its neighbours than 99 % of the right answers: from the
      k-th nearest in the penultimate layer of the best model, or from the sixth most similar pixel by pixel;
    - *probably a wrong label*, when two thirds of the models name the same class, and its neighbours in the penultimate
      layer and the most similar images have that class and not the label;
    - *real confusion* otherwise.

    Wrong answers that are not sure are listed too when they are unlike anything in training.

    Parameters
    ----------
    comparison : Comparison or Evaluation
        Of models that were not trained on these images. With one model there is no agreement to look at.
    train : Dataset, optional
        The training data, labelled. Without it neighbours are sought among the other images of the data.
    neighbours : int
        Neighbours in the penultimate layer that vote, the farthest of which gives the distance.
    seed : int
        For the draws from large data: at most 20,000 images are searched.
    cache : bool
        Keep embeddings and evidence by content.

    Returns
    -------
    LabelIssues

    References
    ----------
    Northcutt, Jiang & Chuang (2021), Confident learning: estimating uncertainty in dataset labels. JAIR 70. Sun et al.
    (2022), Out-of-distribution detection with deep nearest neighbors. ICML. Northcutt, Athalye & Mueller (2021),
    Pervasive label errors in test sets destabilize machine learning benchmarks. NeurIPS, on such lists for ten test
    sets.

    Examples
    --------
    >>> issues = label_issues(compare(runs), train)  # doctest: +SKIP
    >>> issues.verdict(), issues.of_kind("wrong_label")  # doctest: +SKIP
    >>> issues.to_csv("issues.csv")  # doctest: +SKIP
    """
    runs = comparison.runs if isinstance(comparison, Comparison) else (comparison,)
    names = comparison.names if isinstance(comparison, Comparison) else (comparison.name,)
    y_true: NDArray[np.int64] = runs[0].samples["y_true"]
    doubts, notes = _doubts(runs, names, cache)
    sure = doubts.issues(y_true)
    found = int(sure.sum())
    candidates = _candidates(doubts, y_true, sure)
    listed = int(sure[candidates].sum())
    if found > listed:
        notes = (*notes, f"Of {found:,} doubted labels the {listed:,} with the least probable label are listed.")
    witnessed = _kept_witnesses(runs, names, train, candidates, doubts, neighbours, seed, cache)
    evidence = Evidence(
        margin=_margins(doubts)[candidates],
        votes=_votes(runs, doubts.named, candidates),
        n_models=len(runs),
        mixed=mixed_up(y_true, doubts.named, runs[0].n_classes)[candidates],
        **{name: getattr(witnessed, name) for name in _WITNESSED},
    )
    kinds, scores = issue_kinds(evidence), issue_scores(evidence)
    order = np.lexsort((candidates, -scores, ~sure[candidates], kinds))
    order = order[sure[candidates[order]] | (kinds[order] == KINDS.index("unlike_training"))]
    rows = candidates[order]
    sample_names = runs[0].data.sample_names
    return LabelIssues(
        indices=frozen(runs[0].samples["index"][rows]),
        label=frozen(y_true[rows]),
        named=frozen(doubts.named[rows]),
        confidence=frozen(doubts.confidence[rows]),
        p_label=frozen(doubts.p_label[rows]),
        sure=frozen(sure[rows]),
        kinds=frozen(kinds[order]),
        scores=frozen(scores[order]),
        evidence=_ordered(evidence, order),
        distance=frozen(witnessed.distance[order]),
        neighbours=frozen(witnessed.neighbours[order]),
        reference="test" if train is None else "train",
        n=len(y_true),
        found=found,
        estimated_share=doubts.share(y_true),
        joint=frozen(doubts.joint),
        class_names=runs[0].class_names,
        model_names=tuple(names),
        sample_names=None if sample_names is None else tuple(sample_names[row] for row in rows),
        notes=(*notes, *witnessed.notes),
        data_digest=runs[0].data.digest,
        seed=seed,
    )


def _doubts(runs: tuple[Evaluation, ...], names: tuple[str, ...], cache: bool) -> tuple[Doubts, tuple[str, ...]]:
    """Return what the models' mean probability doubts, and what is to be said about that."""
    y_true = runs[0].samples["y_true"]
    probas = [run.proba for run in runs if run.proba is not None]
    alone = ("One model was given: no other could agree or disagree with it.",) if len(runs) == 1 else ()
    if len(probas) == len(runs):
        return _kept_doubts(runs, probas, cache), alone
    lead = best_first(runs)[0]
    y_pred, confidence, p_label = (runs[lead].samples[name] for name in ("y_pred", "confidence", "p_true"))
    found = confident_errors(y_true, y_pred, confidence, p_label, runs[lead].n_classes)
    only = (f"Not all probabilities were kept: labels are doubted by {names[lead]} alone.",) if len(runs) > 1 else ()
    return found, (*alone, *only)


def _kept_doubts(runs: tuple[Evaluation, ...], probas: list[NDArray[np.float32]], cache: bool) -> Doubts:
    """Return what confident learning says, from the cache where it reads many probabilities."""
    y_true = runs[0].samples["y_true"]
    if not cache or sum(proba.size for proba in probas) < LARGE:
        return confident_learning(y_true, probas)
    columns = ("y_true", "y_pred", "confidence", "p_true", "entropy")
    key = store.content_key(
        result="doubts",
        method=VERSION,
        classes=runs[0].n_classes,
        answers=[[store.array_digest(run.samples[name]) for name in columns] for run in runs],
    )
    kept = store.load("label_issues", key)
    if kept is not None:
        return Doubts(**kept.arrays)
    found = confident_learning(y_true, probas)
    arrays = {name: getattr(found, name) for name in Doubts.__dataclass_fields__}
    store.save("label_issues", key, store.Entry(meta={}, arrays=arrays))
    return found


def _candidates(doubts: Doubts, y_true: NDArray[np.int64], sure: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rows to look into, ascending: doubted labels, then other wrong answers, the surest first."""
    found = np.flatnonzero(sure)
    found = found[np.argsort(_margins(doubts)[found], kind="stable")][:MOST]
    others = np.flatnonzero((doubts.named != y_true) & ~sure)
    others = others[np.argsort(-doubts.confidence[others], kind="stable")][: MOST - len(found)]
    return np.sort(np.concatenate([found, others]))


def _margins(doubts: Doubts) -> NDArray[np.float64]:
    return normalized_margin(doubts.p_label, doubts.confidence)


def _votes(runs: tuple[Evaluation, ...], named: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.int64]:
    votes = np.zeros(len(candidates), dtype=np.int64)
    for run in runs:
        votes += run.samples["y_pred"][candidates] == named[candidates]
    return votes


def _kept_witnesses(
    runs: tuple[Evaluation, ...],
    names: tuple[str, ...],
    train: Dataset | None,
    candidates: NDArray[np.int64],
    doubts: Doubts,
    neighbours: int,
    seed: int,
    cache: bool,
) -> Witnesses:
    """Return what neighbours say, from the cache where the same was asked before."""
    order = best_first(runs)
    key = store.content_key(
        result="label issues",
        method=VERSION,
        models=[_digest(runs[place]) for place in order],
        answers=[store.array_digest(runs[place].samples["y_pred"]) for place in order],
        data=runs[0].data.digest,
        train=None if train is None else train.digest,
        candidates=store.array_digest(candidates),
        named=store.array_digest(doubts.named[candidates]),
        labels=store.array_digest(runs[0].samples["y_true"]),
        neighbours=neighbours,
        seed=seed,
        names=list(names),
    )
    kept = store.load("label_issues", key) if cache else None
    if kept is not None:
        return Witnesses.from_entry(kept)
    found = witnesses(
        [(names[place], runs[place]) for place in order], train, candidates, doubts.named, neighbours, seed, cache
    )
    if cache:
        store.save("label_issues", key, found.to_entry())
    return found


def _digest(run: Evaluation) -> list[Any]:
    preprocessing = getattr(run.model, "preprocessing", None)
    return [getattr(run.model, "digest", run.name), None if preprocessing is None else preprocessing.to_dict()]


def _ordered(evidence: Evidence, order: NDArray[np.int64]) -> Evidence:
    return Evidence(
        n_models=evidence.n_models,
        **{
            name: frozen(getattr(evidence, name)[order]) for name in Evidence.__dataclass_fields__ if name != "n_models"
        },
    )
