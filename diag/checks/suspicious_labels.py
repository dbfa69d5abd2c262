"""Labels that the model and the neighbouring images both contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.metrics.neighbours import NEIGHBOURS, nearest
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

FEWEST = 100
VOTES = 4
"""Of the six nearest images so many must have the class that the model names, and one at most the label's."""
SHARE = 0.01
"""Doubted labels, as a share of the images, that make a warning; MNIST networks on clean labels doubt 0.002."""
SURE = 0.005
"""The lower end of that share (one-sided, 99 %) must lie above this. Networks that are wrong on a quarter of clean
MNIST images have 0.004."""
LOST_CLASS = 0.5
"""When more than this share of a class is called one other class, the class is mixed up, not its labels wrong."""


def run(case: Case) -> Iterator[Finding]:
    """Confident learning, confirmed by the labels of the nearest images."""
    result = case.run
    if result.proba is None:
        raise CheckNotApplicable("There are too many classes to keep all probabilities.")
    if len(result) < FEWEST or len(np.unique(result.samples["y_true"])) < 2:
        raise CheckNotApplicable(f"Fewer than {FEWEST} images, or one class only, say little about labels.")
    prints = case.prints
    y_true = result.samples["y_true"][prints.rows]
    named, doubted = _doubted(result.proba[prints.rows], y_true)
    if not doubted.any():
        return
    confirmed = _confirmed(prints.greys, y_true, named, np.flatnonzero(doubted))
    if len(confirmed) == 0:
        return
    n = len(prints.rows)
    order = np.argsort(-result.samples["margin"][prints.rows[confirmed]], kind="stable")
    confirmed = confirmed[order]
    share, low = len(confirmed) / n, _lower(len(confirmed), n)
    severe = share >= SHARE and low > SURE
    rows = prints.rows[confirmed]
    yield CHECK.finding(
        "warning" if severe else "note",
        f"{len(confirmed):,} of {n:,} labels ({share:.2%}) are contradicted both by the model, "
        "surely, and by the most similar images.",
        "Look at these images and mend their labels: the accuracy counts them as errors of the model."
        if severe
        else "Look at these images first when you check labels; so few are found in clean data too.",
        measured={"images": len(confirmed), "share": share, "share_low": low, "doubted_by_model": int(doubted.sum())},
        samples=[int(row) for row in rows],
        evidence=[
            Evidence(
                "Doubtful labels, the surest first",
                tuple(
                    {
                        "image": int(row),
                        "label": result.class_names[result.samples["y_true"][row]],
                        "model": result.class_names[result.samples["y_pred"][row]],
                        "confidence": float(result.samples["confidence"][row]),
                    }
                    for row in rows[:100]
                ),
            )
        ],
    )


def _doubted(proba: NDArray[np.float32], y_true: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the class that the model names, and whether it is as sure of it as it is of that class's own images.

    References
    ----------
    Northcutt et al. (2021), Confident learning: estimating uncertainty in dataset labels. JAIR 70, 1373-1411, eq. 1-2.
    """
    k = proba.shape[1]
    counts = np.bincount(y_true, minlength=k)
    own = np.bincount(y_true, weights=proba[np.arange(len(y_true)), y_true], minlength=k)
    threshold = np.divide(own, counts, out=np.full(k, np.inf), where=counts > 0)
    named: NDArray[np.int64] = proba.argmax(axis=1)
    doubted = (named != y_true) & (proba.max(axis=1) >= threshold[named])
    called = np.zeros((k, k))
    np.add.at(called, (y_true, named), 1)
    mixed = called / np.maximum(1, counts)[:, None] > LOST_CLASS
    return named, doubted & ~mixed[y_true, named]


def _confirmed(
    greys: NDArray[np.float32], y_true: NDArray[np.int64], named: NDArray[np.int64], doubted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return those doubted labels that the nearest images contradict as well."""
    if min(greys.shape[1:]) < 3 or len(greys) <= 2 * NEIGHBOURS:
        raise CheckNotApplicable("The images are too few or too small to be compared with each other.")
    found = nearest(greys[doubted], greys, own=doubted)
    labels = y_true[found.numbers]
    votes, own = ((labels == wished[doubted][:, None]).sum(axis=1) for wished in (named, y_true))
    kept: NDArray[np.int64] = doubted[(votes >= VOTES) & (own <= 1) & np.isfinite(found.distances[:, 0])]
    return kept


def _lower(found: int, n: int) -> float:
    """Return the lower end of the one-sided 99 % interval of a proportion (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    return float(beta.ppf(0.01, found, n - found + 1)) if found else 0.0


CHECK = Check("DG504", "Suspicious labels", run)
