"""Confidence that is higher or lower than the share of right answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.metrics.calibration import expected_calibration_error, reliability_curve
from diag.metrics.samples import sample_columns
from diag.metrics.summaries import Summary
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

OVER = 0.05
"""Mean confidence above accuracy that makes a warning; the shipped models have at most 0.042."""
UNDER = 0.3
"""Mean confidence below accuracy that makes a warning. Strong regularisation alone gives 0.25 (shipped logistic L2)."""
FACTOR = 3.0
"""Temperature, or one over it, that makes a warning where the gap alone does not; the shipped models have 0.43 to 2."""
NOTED = 0.02
ALPHA = 0.001
FEWEST = 50
FITTED = 5000
"""Images that the temperature is fitted on, at most."""


def run(case: Case) -> Iterator[Finding]:
    """Test the mean of confidence minus correctness against 0 (z test), and fit the temperature that mends it."""
    result = case.run
    if len(result) < FEWEST:
        raise CheckNotApplicable(f"Fewer than {FEWEST} images say little about confidence.")
    difference = result.samples["confidence"] - result.correct_mask
    gap = float(difference.mean())
    p_value = _z_test(difference)
    if p_value >= ALPHA or abs(gap) < NOTED:
        return
    over = gap > 0
    summary = result.counts()
    ece = expected_calibration_error(summary)
    temperature, mended = _mended(case)
    accuracy = float(result.correct_mask.mean())
    wrong = np.flatnonzero(~result.correct_mask if over else result.correct_mask)
    order = np.argsort(result.samples["confidence"][wrong] * (-1 if over else 1), kind="stable")
    yield CHECK.finding(
        "warning" if _severe(gap, temperature) else "note",
        f"The model is too {'sure' if over else 'unsure'}: mean confidence {accuracy + gap:.1%}, accuracy "
        f"{accuracy:.1%} (p = {p_value:.2g}); expected calibration error {ece:.3f}.",
        f"Divide the logits by a temperature of {temperature:.2f}: the calibration error becomes {mended:.3f} "
        "(cross-fitted); the classes stay.",
        measured={"gap": gap, "ece": ece, "temperature": temperature, "ece_scaled": mended, "p_value": p_value},
        samples=[int(row) for row in wrong[order]],
        evidence=[_reliability(summary)],
    )


def _severe(gap: float, temperature: float) -> bool:
    if gap > 0:
        return gap >= OVER or temperature >= FACTOR
    return gap <= -UNDER or (gap <= -OVER and temperature <= 1 / FACTOR)


def _z_test(difference: NDArray[np.float64]) -> float:
    from scipy.stats import norm

    deviation = float(difference.std(ddof=1))
    if deviation == 0:
        return 1.0 if difference[0] == 0 else 0.0
    return float(2 * norm.sf(abs(difference.mean()) / deviation * len(difference) ** 0.5))


def _mended(case: Case) -> tuple[float, float]:
    """Return the temperature fitted on all images, and the calibration error when each half has the other's."""
    rng = case.rng("temperature")
    rows = np.arange(len(case.run))
    if len(rows) > FITTED:
        rows = np.sort(rng.choice(len(rows), FITTED, replace=False))
    kept = case.run.proba
    if kept is None:
        rows, proba = case.rows, case.proba
    else:
        proba = kept[rows]
    logs = np.log(np.clip(proba.astype(np.float64), 1e-12, 1))
    labels = case.run.samples["y_true"][rows]
    half = rng.permutation(len(rows)) % 2 == 0
    scaled = np.empty_like(logs)
    for part in (half, ~half):
        scaled[part] = tempered(logs[part], fitted_temperature(logs[~part], labels[~part]))
    summary = Summary.from_samples(sample_columns(labels, scaled), logs.shape[1])
    return fitted_temperature(logs, labels), expected_calibration_error(summary)


def tempered(logs: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return softmax of `logs` (n, k) over a temperature.

    Examples
    --------
    >>> tempered(np.log([[0.9, 0.1]]), 2.0).round(3).tolist()  # odds of 9 become odds of 3
    [[0.75, 0.25]]
    """
    scaled = logs / temperature
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    total: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return total


def fitted_temperature(logs: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the temperature, 0.05 to 20, with the least log loss.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, section 4.2. arXiv:1706.04599
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        p_true = tempered(logs, float(np.exp(log_temperature)))[rows, labels]
        return float(-np.log(np.clip(p_true, 1e-12, 1)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded").x))


def _reliability(summary: Summary) -> Evidence:
    curve = reliability_curve(summary)
    rows = tuple(
        {"confidence": float(confidence), "accuracy": float(accuracy), "images": int(count)}
        for confidence, accuracy, count in zip(curve["confidence"], curve["accuracy"], curve["count"], strict=True)
        if count
    )
    return Evidence("Share of right answers by stated confidence", rows, "line", x="confidence", y="accuracy")


CHECK = Check("DG206", "Confidence off", run)
