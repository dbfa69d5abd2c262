"""Labels that the model and the neighbouring images both contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.metrics.label_issues import confident_errors, mixed_up
from diag.metrics.neighbours import NEIGHBOURS, nearest
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding
    from diag.results.evaluation import Evaluation

FEWEST = 100
VOTES = 4
"""Of the six nearest images so many must have the class that the model names, and one at most the label's."""
SHARE = 0.01
"""Doubted labels, as a share of the images, that make a warning; MNIST networks on clean labels doubt 0.002."""
SURE = 0.005
"""The lower end of that share (one-sided, 99 %) must lie above this. Networks that are wrong on a quarter of clean
MNIST images have 0.004."""


def run(case: Case) -> Iterator[Finding]:
    """Confident learning, confirmed by the labels of the nearest images."""
    result = case.run
    if result.proba is None:
        raise CheckNotApplicable("There are too many classes to keep all probabilities.")
    if len(result) < FEWEST or len(np.unique(result.samples["y_true"])) < 2:
        raise CheckNotApplicable(f"Fewer than {FEWEST} images, or one class only, say little about labels.")
    prints = case.prints
    y_true = result.samples["y_true"][prints.rows]
    named, doubted = _doubted(result, prints.rows)
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


def _doubted(result: Evaluation, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the class that the model names, and whether it is as sure of it as it is of that class's own images."""
    y_true, y_pred, confidence, p_true = (
        result.samples[name][rows] for name in ("y_true", "y_pred", "confidence", "p_true")
    )
    found = confident_errors(y_true, y_pred, confidence, p_true, result.n_classes)
    return y_pred, found.issues(y_true) & ~mixed_up(y_true, y_pred, result.n_classes)


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
