"""Same answer, different evidence: where two models agree although their maps do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.errors import CheckNotApplicable, InvalidInputError, UnsupportedModelError
from diag.explain.api import explain
from diag.explain.background import stratified
from diag.results.attribution import disagreement
from diag.results.comparison import Comparison
from diag.results.evidence import DifferentEvidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from diag.explain.background import Background
    from diag.results.attribution import Attribution
    from diag.results.evaluation import Evaluation

    Progress = Callable[[int, int], None]


def different_evidence(
    run_a: Evaluation,
    run_b: Evaluation,
    n: int = 100,
    background: Background = 20,
    seed: int = 0,
    *,
    cache: bool = True,
    progress: Progress | None = None,
) -> DifferentEvidence:
    """Return images on which two models give the same answer, those whose maps of that answer differ most first.

    An answer that two networks reach on different evidence is one of which at most one of them has a good reason.

    Parameters
    ----------
    run_a, run_b : Evaluation
        Of two Keras networks, on the same samples.
    n : int
        At most so many images are looked at: of those with the same answer the wrong ones in which the two are most
        confident together, at most half of `n` while there are right ones; the rest drawn from the right ones by class.
    background, seed
        As in `diag.explain`; the seed also draws the right answers.
    cache : bool
        Use and keep maps by content.
    progress : callable, optional
        Gets (work done, work in all).

    Raises
    ------
    CheckNotApplicable
        If no image has the same answer, or the maps of the two differ in size.
    UnsupportedModelError
        For a scikit-learn model.
    InvalidInputError
        If `n` is below 1, or the runs are on different samples.

    Examples
    --------
    >>> different_evidence(run_a, run_b).frame().head()  # doctest: +SKIP
    """
    if n < 1:
        raise InvalidInputError(f"different_evidence: expected n of at least 1. Received: {n}.")
    names = Comparison.from_runs([run_a, run_b]).names
    rows, n_same = candidates(run_a, run_b, n, seed)
    if not len(rows):
        raise CheckNotApplicable(
            f"{names[0]} and {names[1]} give no image the same class: there is nothing to compare."
        )
    maps = _maps((run_a, run_b), rows, background, seed, cache, progress)
    try:
        apart = disagreement(*maps)[:, 0]
    except InvalidInputError as error:
        raise CheckNotApplicable(
            f"The maps of {names[0]} and {names[1]} cannot be compared: their networks see images of different size."
        ) from error
    order = np.lexsort((rows, -apart))
    rows = rows[order]
    confidence = np.stack([run.samples["confidence"][rows] for run in (run_a, run_b)], axis=1)
    wrong = int((run_a.samples["y_true"][rows] != run_a.samples["y_pred"][rows]).sum())
    return DifferentEvidence(
        indices=frozen(run_a.samples["index"][rows]),
        y_true=frozen(run_a.samples["y_true"][rows]),
        answer=frozen(run_a.samples["y_pred"][rows]),
        disagreement=frozen(apart[order]),
        confidence=frozen(confidence),
        maps=(maps[0].take(order), maps[1].take(order)),
        class_names=run_a.class_names,
        names=(names[0], names[1]),
        n_same=n_same,
        note=f"{len(rows):,} of {n_same:,} images with the same answer were looked at: {wrong:,} wrong answers, the "
        f"most confident ones, and {len(rows) - wrong:,} right ones drawn by class (seed {seed}). "
        f"{maps[0].background_note}",
    )


def candidates(run_a: Evaluation, run_b: Evaluation, n: int, seed: int) -> tuple[NDArray[np.int64], int]:
    """Return the rows to look at, at most `n`, sorted, and how many rows have the same answer."""
    same = run_a.samples["y_pred"] == run_b.samples["y_pred"]
    right = np.flatnonzero(same & run_a.correct_mask)
    wrong = np.flatnonzero(same & ~run_a.correct_mask)
    sure = run_a.samples["confidence"][wrong] + run_b.samples["confidence"][wrong]
    n_right = min(len(right), max(n // 2, n - len(wrong)))
    chosen = wrong[np.argsort(-sure, kind="stable")[: n - n_right]]
    if n_right:
        drawn = stratified(run_a.samples["y_true"][right], n_right, seed, len(right))
        chosen = np.concatenate([chosen, right[drawn]])
    return np.sort(chosen), len(right) + len(wrong)


def _maps(
    runs: tuple[Evaluation, Evaluation],
    rows: NDArray[np.int64],
    background: Background,
    seed: int,
    cache: bool,
    progress: Progress | None,
) -> tuple[Attribution, Attribution]:
    """Return both models' maps of their answers, made in one way: an estimate for both where one needs it."""
    try:
        return _both(runs, rows, background, seed, cache, progress, "deepshap")
    except UnsupportedModelError:
        if not all(run.model.is_keras for run in runs):
            raise
        return _both(runs, rows, background, seed, cache, progress, "expected_gradients")


def _both(
    runs: tuple[Evaluation, Evaluation],
    rows: NDArray[np.int64],
    background: Background,
    seed: int,
    cache: bool,
    progress: Progress | None,
    method: Any,
) -> tuple[Attribution, Attribution]:
    found = []
    for place, run in enumerate(runs):

        def report(done: int, total: int, place: int = place) -> None:
            if progress is not None:
                progress(place * total + done, 2 * total)

        indices = run.samples["index"][rows]
        options: dict[str, Any] = {"method": method, "cache": cache, "progress": report}
        found.append(explain(run.model, run.data, indices, background, "predicted", seed, **options))
    return found[0], found[1]
