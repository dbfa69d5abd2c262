"""What convolution layers answer to an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Activations(Mapping[str, "NDArray[np.float32]"]):
    """The outputs of layers: a mapping from a layer's name to an array of shape (n, h', w', filters).

    Parameters
    ----------
    layers : mapping of str to ndarray of float32
        In the order of the model; read-only.
    indices : ndarray of int64, shape (n,)
        Which samples of the data set they are.
    images : ndarray, shape (n, h, w, c)
        The images as the data has them; read-only.
    model_name, model_digest : str
    """

    layers: Mapping[str, NDArray[np.float32]]
    indices: NDArray[np.int64]
    images: NDArray[Any]
    model_name: str
    model_digest: str

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """Return one layer's output."""
        return self.layers[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the layers' names."""
        return iter(self.layers)

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self.layers)

    def frame(self) -> pd.DataFrame:
        """Return one row a layer, image and filter: ``layer``, ``index``, ``filter``, ``mean``, ``max``, ``active``.

        ``active`` is the share of positions with a value above zero.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for name, values in self.layers.items():
            flat = values.reshape(len(values), -1, values.shape[-1])
            for image, number in enumerate(self.indices):
                rows.extend(
                    {
                        "layer": name,
                        "index": int(number),
                        "filter": channel,
                        "mean": float(flat[image, :, channel].mean()),
                        "max": float(flat[image, :, channel].max()),
                        "active": float((flat[image, :, channel] > 0).mean()),
                    }
                    for channel in range(values.shape[-1])
                )
        return pd.DataFrame(rows, columns=["layer", "index", "filter", "mean", "max", "active"])
