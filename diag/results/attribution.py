"""What an explanation returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_shap

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """How much each pixel added to each output, against a background.

    Parameters
    ----------
    values : ndarray of float32, shape (n, h, w, c, k)
        In units of the output (probability), in the geometry that the model sees (after resizing).
    base_values : ndarray of float64, shape (k,)
        Mean output over the background.
    predictions : ndarray of float32, shape (n, k)
        The output for each image.
    images : ndarray of float32, shape (n, h, w, c)
        The images as the model sees them, in channels-last order.
    indices : ndarray of int64, shape (n,)
        Which samples of the data set they are.
    outputs : tuple of int
        The class numbers of the last axis.
    class_names : tuple of str
        Names of `outputs`.
    method : str
        Which method made it.
    n_background, seed : int
        Number of references, and the seed that drew them.
    background_note : str
        Where the references came from.
    model_name, model_digest : str
    """

    values: NDArray[np.float32]
    base_values: NDArray[np.float64]
    predictions: NDArray[np.float32]
    images: NDArray[np.float32]
    indices: NDArray[np.int64]
    outputs: tuple[int, ...]
    class_names: tuple[str, ...]
    method: str
    n_background: int
    seed: int
    background_note: str
    model_name: str
    model_digest: str

    @property
    def additivity_error(self) -> NDArray[np.float64]:
        """Largest |base value + sum of the map - output| over outputs, for each image, shape (n,)."""
        total = self.base_values + self.values.sum(axis=(1, 2, 3), dtype=np.float64)
        error = np.abs(total - self.predictions)
        return error.max(axis=1) if error.shape[1] else np.zeros(len(error))

    @property
    def tolerance(self) -> float:
        """From which additivity error on a map is called inexact: one point of probability."""
        return 0.01

    def warning(self) -> str | None:
        """Return a sentence if maps do not add up to the output, else None."""
        inexact = int((self.additivity_error > self.tolerance).sum())
        if not inexact:
            return None
        return (
            f"{inexact} of {len(self)} maps do not add up to the model's output (additivity error above "
            f"{self.tolerance:g}, at most {float(self.additivity_error.max()):.2g}): {self.method} is inexact for "
            "a layer of this model, do not rely on them."
        )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.values)

    def frame(self) -> pd.DataFrame:
        """Return one row an image and output: ``index``, ``class``, ``output``, ``base_value``, ``sum``, ``error``."""
        import pandas as pd

        n, k = self.predictions.shape
        total = self.values.sum(axis=(1, 2, 3), dtype=np.float64)
        return pd.DataFrame(
            {
                "index": np.repeat(self.indices, k),
                "class": list(self.class_names) * n,
                "output": self.predictions.ravel(),
                "base_value": np.tile(self.base_values, n),
                "sum": total.ravel(),
                "error": np.abs(self.base_values + total - self.predictions).ravel(),
            }
        )

    def to_shap(self) -> Any:
        """Return a `shap.Explanation` with the same values, base values and images."""
        shap = import_shap()
        return shap.Explanation(
            values=self.values.copy(),
            base_values=np.tile(self.base_values, (len(self), 1)),
            data=self.images.copy(),
            output_names=list(self.class_names),
        )
