"""How far stated probabilities can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.metrics.summaries import Summary


def reliability_curve(summary: Summary) -> dict[str, NDArray[Any]]:
    """Return, for each bin of confidence, ``count``, mean ``confidence`` and ``accuracy`` (NaN where empty)."""
    count = summary.bin_count.astype(float)
    empty = np.full(len(count), np.nan)
    return {
        "count": summary.bin_count,
        "confidence": np.divide(summary.bin_confidence, count, out=empty.copy(), where=count > 0),
        "accuracy": np.divide(summary.bin_correct, count, out=empty.copy(), where=count > 0),
    }


def expected_calibration_error(summary: Summary) -> float:
    """Return the expected calibration error over 15 equal-width bins of the top confidence, 0..1.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, eq. 3. arXiv:1706.04599
    """
    if not summary.n:
        return float("nan")
    return float(np.abs(summary.bin_correct - summary.bin_confidence).sum() / summary.n)
