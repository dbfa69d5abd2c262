"""A data set as a picture: the embedding of a network in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.evaluation import Evaluation


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingMap:
    """Two numbers an image, such that images near each other in the network's last features are near each other.

    Parameters
    ----------
    xy : ndarray of float32, shape (m, 2)
        Read-only, in the method's own units.
    indices : ndarray of int64, shape (m,)
        Which samples of the data set they are, ascending.
    total : int
        Samples in the data set.
    method : str
        "pca" or "umap".
    explained : tuple of float
        For PCA, the share of the variance on each axis, 0..1; NaN for UMAP.
    trustworthiness : float
        0..1: how far neighbours in the picture are neighbours in the features; NaN with fewer than 10 samples.
    layer : str
        Whose output the features are.
    note : str
        What was drawn, and how far it can be believed.
    model_name, model_digest, data_digest : str
    seed : int
    """

    xy: NDArray[np.float32]
    indices: NDArray[np.int64]
    total: int
    method: str
    explained: tuple[float, float]
    trustworthiness: float
    layer: str
    note: str
    model_name: str
    model_digest: str
    data_digest: str
    seed: int

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.indices)

    def frame(self, run: Evaluation | None = None) -> pd.DataFrame:
        """Return one row a sample: ``index``, ``x``, ``y``; with a run also ``true_class`` and ``right``.

        Parameters
        ----------
        run : Evaluation, optional
            Of any model on the same data.
        """
        import pandas as pd

        frame = pd.DataFrame({"index": self.indices, "x": self.xy[:, 0], "y": self.xy[:, 1]})
        if run is not None:
            names = pd.Series(list(run.class_names), dtype=object)
            frame["true_class"] = names.to_numpy()[run.samples["y_true"][self.indices]]
            frame["right"] = run.correct_mask[self.indices]
        return frame
