"""Images as a network sees them just before it decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """What the classifying layer of a network gets, one row an image.

    Parameters
    ----------
    features : ndarray of float32, shape (n, d)
        Read-only and finite.
    indices : ndarray of int64, shape (n,)
        Which images of the data set the rows are.
    total : int
        Images in the data set.
    layer : str
        The layer whose output the features are; ``"input"`` when it is the image itself, prepared for the model.
    note : str
        One or two sentences: what was taken, and what was done to it.
    model_name, model_digest, data_digest : str
        Where it comes from; `data_digest` is empty for bare arrays.
    """

    features: NDArray[np.float32]
    indices: NDArray[np.int64]
    total: int
    layer: str
    note: str
    model_name: str
    model_digest: str
    data_digest: str

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.indices)

    @property
    def complete(self) -> bool:
        """Whether every image of the data set is in it."""
        return len(self.indices) == self.total

    def unit(self) -> NDArray[np.float32]:
        """Return the features divided by their length, shape (n, d): dot products are cosines. Zero rows stay zero."""
        length = np.linalg.norm(self.features, axis=1, keepdims=True)
        rows: NDArray[np.float32] = np.divide(self.features, length, out=np.zeros_like(self.features), where=length > 0)
        return rows

    def rows(self, indices: Any) -> NDArray[np.int64]:
        """Return in which row each of some images stands, shape (m,).

        Raises
        ------
        InvalidInputError
            If an image is not in the embedding.
        """
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        order = np.argsort(self.indices, kind="stable")
        at = np.minimum(np.searchsorted(self.indices[order], wanted), max(0, len(order) - 1))
        found: NDArray[np.int64] = order[at] if len(order) else np.zeros(0, np.int64)
        missing = wanted[self.indices[found] != wanted] if len(order) else wanted
        if len(missing):
            raise InvalidInputError(
                f"expected images that are in the embedding ({len(self)} of {self.total}). Received: image "
                f"{missing[0]}. Pass indices= to embed."
            )
        return found

    def frame(self) -> pd.DataFrame:
        """Return one row an image: ``index``, then ``feature_0``, ``feature_1``, ..."""
        import pandas as pd

        frame = pd.DataFrame(self.features, columns=[f"feature_{place}" for place in range(self.features.shape[1])])
        frame.insert(0, "index", self.indices)
        return frame
