"""Arrays inside results are read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in C order and read-only: itself where it is in that order, else a copy.

    Examples
    --------
    >>> frozen(np.arange(3)).flags.writeable
    False
    """
    array = np.asarray(array, order="C")
    array.flags.writeable = False
    return array
