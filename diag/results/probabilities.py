"""The probabilities of an evaluation, as many as a costly step may look at, and the key of what comes from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import CheckNotApplicable
from diag.io import store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.results.evaluation import Evaluation

MOST_NUMBERS = 10_000_000
"""Steps over all probabilities look at so many numbers at most: 10,000 samples of 1,000 classes."""
_KEYED = ("y_true", "y_pred", "confidence", "p_true", "margin", "entropy", "brier", "rank")


def sampled_rows(run: Evaluation, seed: int = 0) -> NDArray[np.int64]:
    """Return the rows of the samples that costly steps look at: all, or a random part that is the same for each model.

    The part is stratified: each class has the same share of it as of all samples (to one sample), and every sample has
    the same chance of being in it.

    Raises
    ------
    CheckNotApplicable
        If the probabilities were not kept.
    """
    if run.proba is None:
        raise CheckNotApplicable(
            f"{run.name}: expected all probabilities of {len(run):,} images and {run.n_classes:,} classes. Received: "
            "only each image's own figures, as so many are not kept. Evaluate fewer images."
        )
    most = max(1, MOST_NUMBERS // max(run.n_classes, 1))
    if len(run) <= most:
        return np.arange(len(run))
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(run)), run.samples["y_true"]))
    places = ((np.arange(most) + rng.random()) * (len(run) / most)).astype(np.int64)
    return np.sort(order[np.minimum(places, len(run) - 1)])


def sampled(run: Evaluation, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of `sampled_rows`, their true classes, and their probabilities (m, k)."""
    rows = sampled_rows(run, seed)
    proba = np.asarray(run.proba if len(rows) == len(run) else np.asarray(run.proba)[rows])
    return rows, run.samples["y_true"][rows], proba


def sampling_note(run: Evaluation, used: int, what: str) -> tuple[str, ...]:
    """Return the sentence that says that not all samples were used, if so."""
    return () if used >= len(run) else (f"{what}: from a random {used:,} of the {len(run):,} images.",)


def content(run: Evaluation, **more: Any) -> str:
    """Return the key of what comes from a run's answers, whatever model and data gave them."""
    columns = [store.array_digest(run.samples[name]) for name in _KEYED]
    kept = None if run.proba is None else list(run.proba.shape)
    return store.content_key(columns=columns, classes=run.n_classes, kept=kept, **more)
