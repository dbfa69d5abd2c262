"""The counts and sums that every metric comes from. They are made from a batch and can be merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from diag.errors import InvalidInputError
from diag.metrics.confusion import confusion_counts
from diag.metrics.reliability import equal_width_bins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

N_BINS = 15
TOP = 3


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Sufficient statistics of a set of samples; ``merge`` of two parts equals the summary of the whole.

    Parameters
    ----------
    confusion : ndarray of int64, shape (k, k)
        Counts; rows are true classes, columns predicted classes.
    top : int
        Samples whose true class is among the three most probable.
    loss, brier : float
        Sums over samples.
    bin_count, bin_correct, bin_confidence : ndarray, shape (15,)
        For equal-width bins of confidence (0, 1/15], ...: samples, right samples, sum of confidences.
    """

    confusion: NDArray[np.int64]
    top: int
    loss: float
    brier: float
    bin_count: NDArray[np.int64]
    bin_correct: NDArray[np.int64]
    bin_confidence: NDArray[np.float64]

    @classmethod
    def from_samples(cls, samples: Mapping[str, NDArray[Any]], n_classes: int) -> Self:
        """Return the summary of per-sample columns (see `diag.metrics.samples.COLUMNS`)."""
        correct = samples["y_true"] == samples["y_pred"]
        confidence = samples["confidence"]
        bins = equal_width_bins(confidence, N_BINS)
        return cls(
            confusion=confusion_counts(samples["y_true"], samples["y_pred"], n_classes),
            top=int((samples["rank"] <= TOP).sum()),
            loss=float(samples["loss"].sum()),
            brier=float(samples["brier"].sum()),
            bin_count=np.bincount(bins, minlength=N_BINS),
            bin_correct=np.bincount(bins[correct], minlength=N_BINS),
            bin_confidence=np.bincount(bins, weights=confidence, minlength=N_BINS).astype(np.float64),
        )

    def merge(self, other: Self) -> Self:
        """Return the summary of both parts together.

        Raises
        ------
        InvalidInputError
            If the parts have different numbers of classes.
        """
        if self.confusion.shape != other.confusion.shape:
            raise InvalidInputError(
                f"expected parts with the same classes. Received: {len(self.confusion)} and {len(other.confusion)}."
            )
        return type(self)(
            confusion=self.confusion + other.confusion,
            top=self.top + other.top,
            loss=self.loss + other.loss,
            brier=self.brier + other.brier,
            bin_count=self.bin_count + other.bin_count,
            bin_correct=self.bin_correct + other.bin_correct,
            bin_confidence=self.bin_confidence + other.bin_confidence,
        )

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """Number of samples whose predicted class is the true one."""
        return int(np.trace(self.confusion))
