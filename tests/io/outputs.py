"""What a network gives, and what it should give by the definition."""

from __future__ import annotations

import numpy as np


def output(model, *x):
    """Return a network's output for one array, or for several inputs."""
    arrays = [np.asarray(one, np.float32) for one in x]
    return np.asarray(model(arrays[0] if len(arrays) == 1 else arrays, training=False))


def close(found, expected):
    """Demand equality up to float32's rounding over a few layers."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
