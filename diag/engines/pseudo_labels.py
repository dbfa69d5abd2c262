"""`diag.pseudo_labels`: the answers of a model to unlabelled images that can serve as labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.arrays import frozen
from diag.errors import InvalidInputError
from diag.metrics.pseudo_labels import (
    confidence_shift,
    expected_errors,
    images_needed,
    reliable_tail,
    share_distance,
)
from diag.results.pseudo_labels import PseudoLabels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results.evaluation import Evaluation

    Progress = Callable[[int, int], None]

SHIFT = 0.1
"""Distance of distributions from which on a warning is given: a tenth of the images would have to move."""
SHIFT_LEVEL = 0.01
"""Level of the Kolmogorov-Smirnov test that stands beside it."""


def pseudo_labels(
    model: Model,
    unlabelled: Dataset,
    calibration_run: Evaluation,
    max_error: float = 0.01,
    *,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> PseudoLabels:
    """Return the answers to unlabelled images that are confident enough to be labels.

    Parameters
    ----------
    model : Model
        That of the evaluation; the images are prepared as they were there.
    unlabelled : Dataset
        Its labels, if it has some, are not looked at.
    calibration_run : Evaluation
        Of this model on labelled data that it was not trained on.
    max_error : float
        The error rate of the candidates must be below it, between 0 and 1.
    batch_size : int
        Images a batch.
    progress : callable, optional
        Gets (images done, images in all).

    Returns
    -------
    PseudoLabels
        Without candidates where no threshold of confidence keeps the error below `max_error`.

    Raises
    ------
    InvalidInputError
        If `max_error` is not between 0 and 1, the evaluation is another model's, or images have another size.

    References
    ----------
    Lee (2013), Pseudo-label: the simple and efficient semi-supervised learning method for deep neural networks.

    Examples
    --------
    >>> found = pseudo_labels(model, load_dataset("new/"), evaluate(model, labelled))  # doctest: +SKIP
    >>> found.frame()  # doctest: +SKIP
    """
    run = calibration_run
    if not 0 < max_error < 1:
        raise InvalidInputError(f"max_error: expected a share between 0 and 1, such as 0.01. Received: {max_error}.")
    if run.model.digest != model.digest:
        raise InvalidInputError(
            f"calibration_run: expected an evaluation of {model.name}. Received: one of {run.model.name}. Evaluate the "
            "model that labels."
        )
    here, there = tuple(unlabelled.images.shape[1:]), tuple(run.data.images.shape[1:])
    if here != there:
        raise InvalidInputError(
            f"{unlabelled.name}: expected images of {'x'.join(map(str, there))}, as the labelled ones. Received: "
            f"{'x'.join(map(str, here))}. Bring them to the same size."
        )
    y_pred, confidence = _answers(run.model, unlabelled, batch_size, progress)
    labelled, correct = run.samples["confidence"].astype(np.float64), run.correct_mask
    tail = reliable_tail(labelled, correct, max_error)
    chosen = confidence >= tail.threshold if tail is not None else np.zeros(len(confidence), dtype=bool)
    return PseudoLabels(
        y_pred=frozen(y_pred),
        confidence=frozen(confidence),
        expected_error=frozen(expected_errors(labelled, correct, confidence)),
        tail=tail,
        max_error=max_error,
        class_names=run.class_names,
        sample_names=unlabelled.sample_names,
        n_labelled=len(run),
        needed=images_needed(max_error),
        warnings=tuple(_warnings(run, unlabelled, y_pred, confidence, chosen)),
        model_name=model.name,
        model_digest=model.digest,
        data_digest=unlabelled.digest,
        labelled_digest=run.data.digest,
    )


def _answers(
    model: Model, data: Dataset, batch_size: int, progress: Progress | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the class and its probability for every image; probabilities of the others are not kept."""
    n = len(data)
    y_pred, confidence = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.float64)
    for start, proba in model.predict_batches(data.images, batch_size):
        part = slice(start, start + len(proba))
        y_pred[part] = proba.argmax(axis=1)
        confidence[part] = proba.max(axis=1)
        if progress is not None:
            progress(start + len(proba), n)
    return y_pred, confidence


def _warnings(
    run: Evaluation,
    unlabelled: Dataset,
    y_pred: NDArray[np.int64],
    confidence: NDArray[np.float64],
    chosen: NDArray[np.bool_],
) -> list[str]:
    """Return why the threshold may not hold for these images, or they may not be good to train on."""
    if not len(y_pred):
        return ["There are no unlabelled images."]
    k, found = run.n_classes, []
    if unlabelled.digest == run.data.digest:
        found.append("The unlabelled images are the labelled ones: the threshold was chosen on them.")
    distance, p_value = confidence_shift(confidence, run.samples["confidence"])
    if distance > SHIFT and p_value < SHIFT_LEVEL:
        found.append(
            f"The model is not as sure of the unlabelled images as of the labelled ones (Kolmogorov-Smirnov distance "
            f"{distance:.2f}): they may be of another kind, and then the expected error does not hold."
        )
    every = np.bincount(y_pred, minlength=k)
    moved = share_distance(every, np.bincount(run.samples["y_pred"], minlength=k))
    if moved > SHIFT + np.sqrt(k / min(len(y_pred), len(run))) / 2:  # so much is chance
        found.append(
            "Predicted classes have other shares among the unlabelled than among the labelled images "
            f"({moved:.0%} would have to move): expected errors may not hold."
        )
    picked = np.bincount(y_pred[chosen], minlength=k)
    apart = share_distance(picked, every)
    if picked.sum() and apart > SHIFT:
        shares = picked / picked.sum() - every / every.sum()
        rarest = run.class_names[int(np.argmin(shares))]
        found.append(
            f"Candidates have other class shares than all predictions ({apart:.0%} would have to move; {rarest} loses "
            "most): training on them shifts the balance of classes."
        )
    return found
