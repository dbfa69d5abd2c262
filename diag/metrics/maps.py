"""Maps as arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def block_sums(maps: NDArray[Any], largest: int) -> tuple[NDArray[Any], int]:
    """Return maps (n, h, w) whose pixels are sums over f x f blocks, so that no side is over `largest`, and f.

    A sum keeps what additivity says: all pixels of a map still add up to the same number.

    Examples
    --------
    >>> sums, factor = block_sums(np.arange(8.0).reshape(1, 2, 4), 2)
    >>> sums.tolist(), factor
    ([[[10.0, 18.0]]], 2)
    """
    n, height, width = maps.shape
    factor = max(1, math.ceil(max(height, width) / largest))
    padded = np.pad(maps, ((0, 0), (0, -height % factor), (0, -width % factor)))
    rows, columns = padded.shape[1] // factor, padded.shape[2] // factor
    return padded.reshape(n, rows, factor, columns, factor).sum(axis=(2, 4)), factor
