"""Finding slices: data is divided by columns, by class and by clusters, and every group is tested."""

from __future__ import annotations

from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.engines.groupings import GROUPS_OF, groupings_of
from diag.errors import InvalidInputError
from diag.metrics.comparison import holm_adjust
from diag.metrics.groupings import MOST_VALUES, Grouping, crossed
from diag.metrics.slices import containers, group_tests, shrunken_differences
from diag.results.comparison import Comparison
from diag.results.slices import Slices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from diag.results.embedding import Embedding
    from diag.results.evaluation import Evaluation

MOST_GROUPS = 5000
"""Pairs of columns are crossed while there are no more groups than this."""
MOST_COMPARED = 200
"""Significant groups that are looked at for one holding another."""
_TESTED = ("group", "n", "errors", "expected_errors", "p_value")


def find_slices(
    run: Evaluation | Comparison,
    embedding: Embedding | NDArray[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    by: Sequence[str] = GROUPS_OF,
    model: str | None = None,
    depth: int = 2,
    min_size: int = 20,
    alpha: float = 0.05,
    seed: int = 0,
    cache: bool = True,
) -> Slices:
    """Return the groups of samples in which a model is worse than elsewhere, more than their classes explain.

    Groups are the classes, the values of metadata columns, quarters of numbers, pairs of two of these, and clusters of
    the embedding, in all images and inside each class. They are formed without a look at right and wrong; then every
    group is tested against all other samples and against those of the same classes (exact, one-sided; the larger
    p-value counts; a class itself is tested against the other classes). Holm's correction is for all groups tried.

    Parameters
    ----------
    run : Evaluation or Comparison
        Of several models, the best one's errors are searched; the others' accuracy is given beside it.
    embedding : Embedding or ndarray of shape (n, d), optional
        Features to cluster; those of the searched model when left out.
    metadata : mapping of str to array of shape (n,), or DataFrame, optional
        Columns; those of the data set when left out.
    by : sequence of str
        Which groups are formed: of "class", "metadata", "image" (brightness and contrast) and "cluster".
    model : str, optional
        Of several models, the name of the one to search instead of the best.
    depth : int
        1: no pairs of columns. 2: pairs, at most 5,000 groups.
    min_size : int
        Smaller groups are not tried.
    alpha : float
        The probability of one false slice or more, when no group is really worse.
    seed : int
        For clusters, and for the sample of very large data.
    cache : bool
        Keep embeddings, clusters, brightness and contrast by content.

    Returns
    -------
    Slices

    Raises
    ------
    InvalidInputError
        If columns or features are not one row a sample, or an argument is out of range.

    References
    ----------
    Chung et al. (2019), Slice Finder: automated data slicing for model validation. ICDE. Sagadeeva & Boehm (2021),
    SliceLine: fast, linear-algebra-based slice finding for ML model debugging. SIGMOD. Eyuboglu et al. (2022), Domino:
    discovering systematic errors with cross-modal embeddings. ICLR.

    Examples
    --------
    >>> found = find_slices(run, metadata={"camera": cameras})  # doctest: +SKIP
    >>> found.frame()[["slice", "n", "accuracy", "rest", "p_adjusted"]]  # doctest: +SKIP
    >>> found.indices("camera = B")[:10]  # doctest: +SKIP
    """
    _check(by, depth, min_size, alpha)
    searched, runs = _order(run, model)
    groupings, notes = groupings_of(searched, embedding, metadata, by=by, min_size=min_size, seed=seed, cache=cache)
    tried, left_out = _with_pairs(groupings, depth)
    if left_out:
        notes = (*notes, f"{left_out:,} pairs of columns were left out: more than {MOST_GROUPS:,} groups.")
    right = {name: frozen(each.correct_mask) for name, each in runs.items()}
    labels, kinds, members, columns, variance = _tested(searched, tried, min_size)
    found = Slices(
        labels=labels,
        kinds=kinds,
        members=members,
        codes=MappingProxyType({each.name: each.codes for each in groupings}),
        columns=MappingProxyType(columns),
        right=MappingProxyType(right),
        confidence=searched.samples["confidence"],
        alpha=alpha,
        min_size=min_size,
        variance=variance,
        notes=notes,
        model_digest=getattr(searched.model, "digest", ""),
        data_digest=searched.data.digest,
        seed=seed,
    )
    return _nested(found)


def _check(by: Sequence[str], depth: int, min_size: int, alpha: float) -> None:
    unknown = [kind for kind in by if kind not in GROUPS_OF]
    if unknown:
        raise InvalidInputError(f"by: expected of {', '.join(GROUPS_OF)}. Received: {unknown[0]!r}.")
    if depth not in (1, 2):
        raise InvalidInputError(f"depth: expected 1 or 2. Received: {depth}.")
    if min_size < 2 or not 0 < alpha < 1:
        raise InvalidInputError(f"expected min_size of at least 2 and alpha in 0..1. Received: {min_size}, {alpha}.")


def _order(run: Evaluation | Comparison, model: str | None) -> tuple[Evaluation, dict[str, Evaluation]]:
    """Return the model to search, and all models by name, that one first."""
    if not isinstance(run, Comparison):
        return run, {run.name: run}
    best = model or str(run.table().index[0])
    others = {name: each for name, each in zip(run.names, run.runs, strict=True) if name != best}
    return run.run(best), {best: run.run(best)} | others


def _with_pairs(groupings: list[Grouping], depth: int) -> tuple[list[tuple[Grouping, tuple[Grouping, ...]]], int]:
    """Return what is tried: each grouping with the ones that it is made of; and how many pairs are left out."""
    tried: list[tuple[Grouping, tuple[Grouping, ...]]] = [(each, (each,)) for each in groupings]
    if depth == 1:
        return tried, 0
    columns = [each for each in groupings if each.kind != "cluster" and 2 <= len(each) <= MOST_VALUES]
    columns.sort(key=lambda each: ("metadata", "class", "image").index(each.kind))
    total, left_out = sum(len(each) for each in groupings), 0
    for pair in combinations(columns, 2):
        total += len(pair[0]) * len(pair[1])
        if total > MOST_GROUPS:
            left_out += 1
            continue
        tried.append((crossed(*pair), pair))
    return tried, left_out


def _tested(
    run: Evaluation, tried: list[tuple[Grouping, tuple[Grouping, ...]]], min_size: int
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Any, ...], dict[str, NDArray[Any]], float]:
    """Return labels, kinds, members and figures of all groups, and the variance of true differences."""
    strata, wrong = run.samples["y_true"], ~run.correct_mask
    parts: dict[str, list[Any]] = {name: [] for name in _TESTED}
    labels: list[str] = []
    kinds: list[str] = []
    members: list[tuple[tuple[str, int], ...]] = []
    for grouping, made_of in tried:
        within = np.zeros_like(strata) if grouping.kind == "class" else strata
        found = group_tests(grouping.codes, len(grouping), within, wrong, min_size)
        for name in _TESTED:
            parts[name].append(found[name])
        for code in found["group"].tolist():
            labels.append(grouping.labels[code])
            kinds.append(grouping.kind)
            pair = divmod(code, len(made_of[-1])) if len(made_of) == 2 else (code,)
            members.append(tuple((each.name, int(part)) for each, part in zip(made_of, pair, strict=True)))
    columns = {name: np.concatenate(parts[name]) if parts[name] else np.zeros(0) for name in _TESTED[1:]}
    shrunken, variance = shrunken_differences(columns["errors"], columns["n"], float(wrong.mean()))
    columns |= {"shrunken": shrunken, "p_adjusted": holm_adjust(columns["p_value"].tolist())}
    return tuple(labels), tuple(kinds), tuple(members), columns, variance


def _nested(found: Slices) -> Slices:
    """Return the slices in their order, each with the more general one that holds it."""
    from dataclasses import replace

    significant = found.significant
    columns = found.columns
    order = np.lexsort((columns["p_value"], columns["shrunken"], ~significant))
    count = min(int(significant.sum()), MOST_COMPARED)
    masks = [found.mask(int(row)) for row in order[:count]]
    inside = np.full(len(found), -1, dtype=np.int64)
    inside[:count] = containers(np.array(masks)) if count else -1
    kept = {name: frozen(column[order]) for name, column in columns.items()}
    return replace(
        found,
        labels=tuple(found.labels[row] for row in order),
        kinds=tuple(found.kinds[row] for row in order),
        members=tuple(found.members[row] for row in order),
        columns=MappingProxyType(kept | {"inside": frozen(inside)}),
    )
