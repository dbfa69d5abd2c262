"""Temperature scaling: one number that makes all probabilities bolder or more careful."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.errors import CheckNotApplicable
from diag.metrics.samples import EPSILON

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST, HIGHEST = 0.05, 20.0
"""Temperatures are looked for between these. One at the edge means that there is no best one."""
N_FOLDS = 5
SATURATED = 0.9
"""With a larger share of samples whose probabilities are only 0 and 1, no temperature is fitted."""
_ROUNDS = 60
_ROUNDING = 1e-4
_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class TemperatureFit:
    """A temperature, and what it does to samples that it was not fitted on.

    Parameters
    ----------
    temperature : float
        Fitted on all samples: above 1 the model was over-confident.
    fold_temperatures : tuple of float
        Fitted without each fold; how much they differ says how well the temperature is known.
    confidence, loss, brier : ndarray of float64, shape (n,)
        Of each sample after scaling with the temperature that was fitted without its fold.
    """

    temperature: float
    fold_temperatures: tuple[float, ...]
    confidence: NDArray[np.float64]
    loss: NDArray[np.float64]
    brier: NDArray[np.float64]

    @property
    def at_edge(self) -> bool:
        """Whether the log loss goes on falling to an edge of the temperatures that are looked at."""
        return not LOWEST * 1.001 < self.temperature < HIGHEST / 1.001


def log_probabilities(proba: NDArray[Any]) -> NDArray[np.float32]:
    """Return ln p as float32, finite also where p is 0.

    With two classes p is kept above float32's epsilon: one of the two is 1 minus the other, and knows no smaller step.
    """
    return np.log(np.maximum(np.asarray(proba, dtype=np.float32), _least(proba.shape[1])))


def fit_temperature(y_true: NDArray[Any], log_proba: NDArray[np.float32], start: float = 1.0) -> float:
    """Return the temperature T with the least log loss of softmax(ln p / T), between `LOWEST` and `HIGHEST`.

    The log loss is convex in 1 / T: Newton's steps, kept between bounds that close in. Where all temperatures are
    equally good (all classes equally probable in every sample) it is 1; where the log loss falls without end, as when
    all answers are right, it is at an edge.

    Parameters
    ----------
    y_true : ndarray of int, shape (n,)
    log_proba : ndarray of float32, shape (n, k)
    start : float
        First guess.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, section 4.2, eq. 9. arXiv:1706.04599
    """
    low, high = 1 / HIGHEST, 1 / LOWEST
    sharpness = float(np.clip(1 / start, low, high))
    if not len(y_true):
        return 1.0
    for attempt in range(_ROUNDS):
        slope, bend = _slope(y_true, log_proba, sharpness)
        if bend < 1e-12 and abs(slope) < 1e-9:
            return LOWEST if attempt or np.ptp(log_proba, axis=1).any() else 1.0
        if slope > 0:
            high = sharpness
        else:
            low = sharpness
        step = sharpness - slope / bend if bend > 0 else np.nan
        new = step if low < step < high else float(np.sqrt(low * high))
        if abs(new - sharpness) < 1e-6 * sharpness:
            return float(1 / new)
        sharpness = new
    return float(1 / sharpness)


def cross_fit_temperature(y_true: NDArray[Any], proba: NDArray[Any], seed: int = 0) -> TemperatureFit:
    """Fit a temperature, and scale each sample with one that was fitted on the other four fifths of the samples.

    Parameters
    ----------
    y_true : ndarray of int, shape (n,)
    proba : ndarray of float, shape (n, k)
    seed : int
        Of the folds, which have the same share of every class.

    Raises
    ------
    CheckNotApplicable
        With fewer than 10 samples, or fewer than 2 classes; or where the answer would be that of the smallest number
        that takes the place of 0 (see `saturation`).
    """
    n, k = proba.shape
    if n < 2 * N_FOLDS or k < 2:
        raise CheckNotApplicable(
            f"temperature scaling: expected at least {2 * N_FOLDS} samples and 2 classes. Received: {n} and {k}."
        )
    log_proba = log_probabilities(proba)
    _refuse_saturated(y_true, log_proba)
    temperature = fit_temperature(y_true, log_proba)
    folds = stratified_folds(y_true, N_FOLDS, seed)
    after = np.empty((3, n))
    found = []
    for fold in range(N_FOLDS):
        kept, held = folds != fold, np.flatnonzero(folds == fold)
        found.append(fit_temperature(y_true[kept], log_proba[kept], temperature))
        after[:, held] = _scaled_columns(y_true[held], log_proba[held], found[-1])
    return TemperatureFit(temperature, tuple(found), *(frozen(row) for row in after))


def saturation(y_true: NDArray[Any], log_proba: NDArray[np.float32]) -> tuple[float, float]:
    """Return the share of samples with no probability but 0 and 1, and of the wrong answers whose true class has 0.

    0 is what is no larger than the least of `log_probabilities`. NaN for the second where no answer is wrong. Such a
    probability does not say how sure the model was: the logits behind it could be any.

    Examples
    --------
    >>> proba = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    >>> saturation(np.array([0, 1, 0, 2]), log_probabilities(proba))  # rows 1 and 2; rows 2 and 4 are wrong
    (0.5, 0.5)
    """
    zero = log_proba <= np.log(_least(log_proba.shape[1])) + _ROUNDING
    rows = np.arange(len(log_proba))
    wrong = log_proba.argmax(axis=1) != y_true
    lost = zero[rows, y_true][wrong]
    certain = zero.sum(axis=1) >= log_proba.shape[1] - 1
    return float(certain.mean()), float(lost.mean()) if len(lost) else float("nan")


def _refuse_saturated(y_true: NDArray[Any], log_proba: NDArray[np.float32]) -> None:
    certain, lost = saturation(y_true, log_proba)
    if certain > SATURATED:
        raise CheckNotApplicable(
            "temperature scaling: expected probabilities between 0 and 1. Received: only 0 and 1 in "
            f"{100 * certain:.4g} % of the images, which do not say how sure the model was. Use a model that gives "
            "probabilities."
        )
    if lost > 0.5:
        raise CheckNotApplicable(
            "temperature scaling: expected true classes with a probability above 0. Received: 0 in "
            f"{100 * lost:.4g} % of the wrong answers, so that the temperature would follow from how 0 is rounded. Use "
            "probabilities that keep small values."
        )


def _least(n_classes: int) -> np.float32:
    return np.float32(EPSILON if n_classes <= 2 else np.finfo(np.float32).tiny)


def scaled(proba: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Return softmax(ln p / T), shape (n, k).

    Examples
    --------
    >>> scaled(np.array([[0.8, 0.2]]), 2.0).round(4).tolist()  # sqrt(.8) : sqrt(.2) is 2 : 1
    [[0.6667, 0.3333]]
    """
    return _softmax(log_probabilities(proba), 1 / temperature).astype(np.float64)


def stratified_folds(y_true: NDArray[Any], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return each sample's fold, 0 to n_folds - 1, drawn so that every fold has the same share of each class.

    Examples
    --------
    >>> folds = stratified_folds(np.array([0] * 6 + [1] * 3), 3, 0)
    >>> np.bincount(folds[:6]).tolist(), np.bincount(folds[6:]).tolist()
    ([2, 2, 2], [1, 1, 1])
    """
    order = np.lexsort((np.random.default_rng(seed).random(len(y_true)), y_true))
    folds = np.empty(len(y_true), dtype=np.int64)
    folds[order] = np.arange(len(y_true)) % n_folds
    return folds


def _slope(y_true: NDArray[Any], log_proba: NDArray[np.float32], sharpness: float) -> tuple[float, float]:
    """Return the first and second derivative of the mean log loss with respect to 1 / T."""
    slope = bend = 0.0
    for start, stop in _parts(log_proba):
        part = log_proba[start:stop]
        weights = _softmax(part, sharpness)
        mean = np.einsum("ij,ij->i", weights, part)
        part_true = part[np.arange(len(part)), y_true[start:stop]]
        slope += float((mean - part_true).sum(dtype=np.float64))
        weights *= np.square(part - mean[:, None])
        bend += float(weights.sum(dtype=np.float64))
    return slope / len(log_proba), bend / len(log_proba)


def _scaled_columns(
    y_true: NDArray[Any], log_proba: NDArray[np.float32], temperature: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return confidence, loss and Brier score of each sample at a temperature."""
    columns: list[NDArray[Any]] = []
    for start, stop in _parts(log_proba):
        q = _softmax(log_proba[start:stop], 1 / temperature).astype(np.float64)
        p_true = q[np.arange(len(q)), y_true[start:stop]]
        loss = -np.log(np.clip(p_true, EPSILON, 1.0)) + 0.0
        columns.append(np.stack([q.max(axis=1), loss, np.square(q).sum(axis=1) - 2 * p_true + 1.0]))
    confidence, losses, brier = np.concatenate(columns, axis=1) if columns else np.zeros((3, 0))
    return confidence, losses, brier


def _softmax(log_proba: NDArray[np.float32], sharpness: float) -> NDArray[np.float32]:
    scores = log_proba * np.float32(sharpness)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def _parts(rows: NDArray[Any]) -> list[tuple[int, int]]:
    step = max(1, _CHUNK // max(rows.shape[1], 1))
    return [(start, min(start + step, len(rows))) for start in range(0, len(rows), step)]
