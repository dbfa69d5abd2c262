"""Answers to unlabelled images that are good enough to be labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from diag.metrics.pseudo_labels import Tail


@dataclass(frozen=True, slots=True, eq=False)
class PseudoLabels:
    """Confident answers to unlabelled images, and how often such answers are wrong.

    Parameters
    ----------
    y_pred : ndarray of int64, shape (n,)
        The model's class of every unlabelled image.
    confidence : ndarray of float64, shape (n,)
        Its probability.
    expected_error : ndarray of float64, shape (n,)
        The error rate to expect at this confidence, 0..1, from labelled images.
    tail : Tail or None
        The labelled images from the threshold on; None where no threshold keeps the error below `max_error`.
    max_error : float
        What was asked for.
    class_names : tuple of str
    sample_names : tuple of str, optional
        Of the unlabelled images.
    n_labelled : int
        Labelled images that the threshold comes from.
    needed : int
        Labelled images without an error that `max_error` takes at least.
    warnings : tuple of str
        Why the threshold may not hold for these images, one sentence each.
    model_name, model_digest, data_digest, labelled_digest : str
    """

    y_pred: NDArray[np.int64]
    confidence: NDArray[np.float64]
    expected_error: NDArray[np.float64]
    tail: Tail | None
    max_error: float
    class_names: tuple[str, ...]
    sample_names: tuple[str, ...] | None
    n_labelled: int
    needed: int
    warnings: tuple[str, ...]
    model_name: str
    model_digest: str
    data_digest: str
    labelled_digest: str

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.indices)

    @property
    def threshold(self) -> float:
        """The lowest confidence of a candidate; NaN where there is none."""
        return float("nan") if self.tail is None else self.tail.threshold

    @property
    def indices(self) -> NDArray[np.int64]:
        """The candidates, surest first, ties by number."""
        chosen = np.flatnonzero(self.confidence >= self.threshold)  # nothing is at least NaN
        return chosen[np.argsort(-self.confidence[chosen], kind="stable")]

    def frame(self) -> pd.DataFrame:
        """Return one row a candidate, surest first.

        Returns
        -------
        DataFrame
            ``index`` (in the unlabelled data), ``name`` (of its file or row; empty where there is none), ``label``
            (class number), ``class`` (its name), ``confidence`` and ``expected_error``, 0..1.
        """
        import pandas as pd

        rows = self.indices
        names = np.asarray(self.sample_names or [""] * len(self.y_pred), dtype=object)
        return pd.DataFrame(
            {
                "index": rows,
                "name": names[rows],
                "label": self.y_pred[rows],
                "class": np.asarray(self.class_names, dtype=object)[self.y_pred[rows]],
                "confidence": self.confidence[rows],
                "expected_error": self.expected_error[rows],
            }
        )

    def per_class(self) -> pd.DataFrame:
        """Return how many candidates each class has.

        Returns
        -------
        DataFrame
            Index ``class``: ``candidates``, ``predicted`` (of all unlabelled images), and the class's ``share`` and
            ``predicted_share`` of both, NaN where there is nothing to share.
        """
        import pandas as pd

        k = len(self.class_names)
        chosen = np.bincount(self.y_pred[self.indices], minlength=k)
        every = np.bincount(self.y_pred, minlength=k)
        nothing = np.full(k, np.nan)
        return pd.DataFrame(
            {
                "candidates": chosen,
                "predicted": every,
                "share": chosen / chosen.sum() if chosen.sum() else nothing,
                "predicted_share": every / every.sum() if every.sum() else nothing,
            },
            index=pd.Index(self.class_names, name="class"),
        )

    def sentence(self) -> str:
        """Return how many candidates there are, and how often such answers are wrong."""
        if self.tail is None:
            more = (
                f"{self.needed:,} labelled images without an error would be needed; there are {self.n_labelled:,}."
                if self.n_labelled < self.needed
                else f"Even among the surest of {self.n_labelled:,} labelled images the bound of the error is higher."
            )
            return f"No threshold of confidence keeps the error below {self.max_error:.2%}. {more}"
        return (
            f"{len(self):,} of {len(self.y_pred):,} images have a confidence of at least {self.threshold:.4f}: of "
            f"{self.tail.n:,} such labelled images {self.tail.errors:,} are wrong, so that at most "
            f"{self.tail.bound:.2%} are to be expected wrong (one-sided 95%, corrected for the thresholds tried)."
        )
