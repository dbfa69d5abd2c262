"""Images on which two models agree, and look at different things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.attribution import Attribution


@dataclass(frozen=True, slots=True, eq=False)
class DifferentEvidence:
    """Images with the same answer of two models, those whose maps differ most first.

    Parameters
    ----------
    indices : ndarray of int64, shape (n,)
        Positions in the data set.
    y_true, answer : ndarray of int64, shape (n,)
        The true class, and the class that both models give.
    disagreement : ndarray of float64, shape (n,)
        1 - cosine similarity of the two maps of the answer, 0 to 2; see `diag.disagreement`. Decreasing.
    confidence : ndarray of float64, shape (n, 2)
        Of the first and the second model.
    maps : (Attribution, Attribution)
        The maps of the answer, in the same order.
    class_names : tuple of str
    names : (str, str)
        The models.
    n_same : int
        Images of the data with the same answer, of which these were looked at.
    note : str
        How they were chosen.
    """

    indices: NDArray[np.int64]
    y_true: NDArray[np.int64]
    answer: NDArray[np.int64]
    disagreement: NDArray[np.float64]
    confidence: NDArray[np.float64]
    maps: tuple[Attribution, Attribution]
    class_names: tuple[str, ...]
    names: tuple[str, str]
    n_same: int
    note: str

    def __len__(self) -> int:
        """Return the number of images that were looked at."""
        return len(self.indices)

    def frame(self) -> pd.DataFrame:
        """Return one row an image.

        Returns
        -------
        DataFrame
            ``index``, ``true_class``, ``class`` (the answer of both), ``right``, ``disagreement``, ``confidence_a``,
            ``confidence_b``; the largest disagreement first.
        """
        import pandas as pd

        names = np.asarray(self.class_names, dtype=object)
        return pd.DataFrame(
            {
                "index": self.indices,
                "true_class": names[self.y_true],
                "class": names[self.answer],
                "right": self.y_true == self.answer,
                "disagreement": self.disagreement,
                "confidence_a": self.confidence[:, 0],
                "confidence_b": self.confidence[:, 1],
            }
        )
