"""A model that is not better than a linear one."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import Check
from diag.checks.budget import piece
from diag.errors import CheckNotApplicable
from diag.metrics.pixels import shrink
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.io.sources import ImageSource
    from diag.results.diagnosis import Finding

FITTED = 5000
"""Training images that the linear model is fitted on, at most."""
TESTED = 2000
"""Test images that the two are compared on, at most."""
READ = 2**31
"""Numbers of the images that are read for it, about: 5,000 images of 378 x 378."""
COMPONENTS = 100
FOLDS = 5
MAX_CLASSES = 200
PENALTY = 0.1
"""C of the logistic regression on standardised pixels; on the shipped digits 0.01 to 1 differ by half a point."""
ALPHA = 0.001
WORSE = 0.05
"""Lost accuracy that makes a warning when the linear model was fitted on the training data."""
WORSE_HERE = 0.1
"""The same when it was fitted on the test data: it knows their distribution, which favours it (by up to 0.08 on
the shipped models, whose test digits were written by other people than the training digits)."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearAnswers:
    """What a linear model says of some of the test images.

    Parameters
    ----------
    rows : ndarray of int64, shape (m,)
        Numbers of the test images.
    y_pred : ndarray of int64, shape (m,)
    fitted : int
        Images that it was fitted on, in each fold.
    from_train : bool
        Fitted on the training data; otherwise cross-validated on the test data.
    """

    rows: NDArray[np.int64]
    y_pred: NDArray[np.int64]
    fitted: int
    from_train: bool


def linear_answers(case: Case) -> LinearAnswers:
    """Return the answers of multinomial logistic regression on the pixels."""
    result = case.run
    if result.n_classes > MAX_CLASSES:
        raise CheckNotApplicable(f"A linear model is not fitted for more than {MAX_CLASSES} classes.")
    affordable = max(10 * FOLDS, READ // math.prod(result.data.images.shape[1:]))
    rows = _draw(len(result), min(TESTED, affordable), case.rng("linear test"))
    tested = _features(result.data.images, rows)
    try:
        labels, images = case.train_labels, case.train.images
    except CheckNotApplicable:
        return _cross_validated(tested, result.samples["y_true"][rows], rows, case.rng("folds"))
    chosen = _draw(len(labels), min(FITTED, affordable), case.rng("linear train"))
    features = _features(images, chosen)
    if features.shape[1] != tested.shape[1]:
        raise CheckNotApplicable("Training and test images have different sizes.")
    return LinearAnswers(rows, _fit(features, labels[chosen]).predict(tested), len(chosen), True)


def _draw(n: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def _features(images: ImageSource, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    size = piece(256, math.prod(images.shape[1:]))
    parts = [shrink(np.asarray(images[rows[start : start + size]]), 32) for start in range(0, len(rows), size)]
    small = np.concatenate(parts)
    return small.reshape(len(small), -1)


def _cross_validated(
    features: NDArray[np.float32], labels: NDArray[np.int64], rows: NDArray[np.int64], rng: np.random.Generator
) -> LinearAnswers:
    if len(rows) < 10 * FOLDS:
        raise CheckNotApplicable(f"{len(rows)} images are too few to fit a linear model on.")
    fold = rng.permutation(len(rows)) % FOLDS
    predicted = np.empty(len(rows), dtype=np.int64)
    for number in range(FOLDS):
        held = fold == number
        predicted[held] = _fit(features[~held], labels[~held]).predict(features[held])
    return LinearAnswers(rows, predicted, int((fold != 0).sum()), False)


def _fit(features: NDArray[np.float32], labels: NDArray[np.int64]) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if len(np.unique(labels)) < 2:
        raise CheckNotApplicable("The data has one class only.")
    if not np.ptp(features, axis=0).any():
        raise CheckNotApplicable("The images are all alike.")
    components = min(COMPONENTS, *features.shape)
    steps = [StandardScaler()]
    if features.shape[1] > components:
        steps.append(
            PCA(components, svd_solver="covariance_eigh" if features.shape[1] <= 1024 else "randomized", random_state=0)
        )
    model = make_pipeline(*steps, LogisticRegression(C=PENALTY, max_iter=200))
    # One thread: the products are small, and threads that wait for each other on a busy machine take ten times as long.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)


def run(case: Case) -> Iterator[Finding]:
    """Compare both on the same test images: one-sided exact McNemar test that the linear one is better."""
    from scipy.stats import binomtest

    linear = case.linear
    if len(np.unique(linear.y_pred)) == 1:
        raise CheckNotApplicable("The linear model names one class for all images: DG203 compares with that.")
    y_true, right = case.run.samples["y_true"][linear.rows], case.run.correct_mask[linear.rows]
    linear_right = linear.y_pred == y_true
    ours, theirs = int((right & ~linear_right).sum()), int((linear_right & ~right).sum())
    if ours + theirs == 0:
        p_better = p_worse = 1.0
    else:
        p_worse = float(binomtest(theirs, ours + theirs, alternative="greater").pvalue)
        p_better = float(binomtest(ours, ours + theirs, alternative="greater").pvalue)
    accuracy, other = float(right.mean()), float(linear_right.mean())
    lost = other - accuracy
    if p_better < 0.05 or (lost <= 0 and accuracy == 1):
        return
    severe = p_worse < ALPHA and lost >= (WORSE if linear.from_train else WORSE_HERE)
    how = f"fitted on {linear.fitted:,} " + (
        "training images" if linear.from_train else f"of the test images, {FOLDS}-fold cross-validated"
    )
    verdict = "better" if p_worse < ALPHA else "as good"
    only = np.flatnonzero(linear_right & ~right)
    yield CHECK.finding(
        "warning" if severe else "note",
        f"A linear model on the pixels is {verdict}: {other:.1%} against {accuracy:.1%} on the same {len(y_true):,} "
        f"images ({theirs} right by it alone, {ours} by the model alone; p = {p_worse:.2g}); it was {how}.",
        _remedy(p_worse < ALPHA, linear.from_train),
        measured={
            "accuracy": accuracy,
            "linear_accuracy": other,
            "only_model": ours,
            "only_linear": theirs,
            "p_value": p_worse,
            "fitted_on": linear.fitted,
        },
        samples=[int(row) for row in linear.rows[only]],
        evidence=[
            Evidence(
                "Images right by",
                (
                    {"right": "both", "images": int((right & linear_right).sum())},
                    {"right": "the model alone", "images": ours},
                    {"right": "the linear model alone", "images": theirs},
                    {"right": "neither", "images": int((~right & ~linear_right).sum())},
                ),
                "bar",
                x="images",
                y="right",
            )
        ],
    )


def _remedy(better: bool, from_train: bool) -> str:
    if not better:
        return "Take the linear model, or find out what keeps the larger one from learning more."
    if from_train:
        return "Check preprocessing and labels, then train longer or with another learning rate."
    return "Check preprocessing and labels; if they are right, these images differ from those of the training."


CHECK = Check("DG204", "Not better than a linear model", run)
