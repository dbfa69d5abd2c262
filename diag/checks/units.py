"""What every unit of a network answers to the sample: one pass, shared by the checks that look inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_tensorflow
from diag.checks.steps import LIMITS, cost, execute, layers, places
from diag.explain.graph import trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.checks.steps import Place

BATCH_NUMBERS = 2**25
"""Numbers that all layers together compute in one batch, about."""
TOTAL_NUMBERS = 2**29
"""Numbers that all layers together compute in all: bounds the images that a large network is asked about."""
MIN_IMAGES = 32
"""A large network is asked about at least so many images."""
AT_LIMIT = 0.01
"""So close to a limit, in parts of the range, a value counts as saturated: a sigmoid's slope is 0.01 there, of 0.25."""


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """What one step of the network answered, unit by unit; a channel of a convolution is one unit.

    Parameters
    ----------
    place : Place
    images : int
        How many images were looked at.
    fired : ndarray of int64, shape (units,)
        Images in which the unit was above zero anywhere.
    low, high, mean, var : ndarray of float64, shape (units,)
        Of its values over images and positions.
    at_low, at_high : ndarray of float64, shape (units,)
        Share of its values within `AT_LIMIT` of the activation's limits; zero for activations without limits.
    finite : ndarray of bool, shape (images,)
        Images for which it holds neither NaN nor infinity.
    """

    place: Place
    images: int
    fired: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    var: NDArray[np.float64]
    at_low: NDArray[np.float64]
    at_high: NDArray[np.float64]
    finite: NDArray[np.bool_]

    @property
    def spread(self) -> float:
        """Standard deviation of a unit's values over images and positions, root mean square over the units."""
        return float(np.sqrt(self.var.mean())) if len(self.var) else 0.0


def observe(network: Any, inputs: NDArray[np.float32]) -> tuple[Units, ...]:
    """Return what every step of a network answers, in the order of execution; the first row is the input itself.

    Steps whose output is no batch of floating-point numbers have no units.

    Parameters
    ----------
    network : keras.Model
        Of one input and one output. It is called in inference mode and not changed.
    inputs : ndarray of float32, shape (n, ...)
        As the network takes them. A large network is asked about the first ones only.

    Raises
    ------
    UnsupportedModelError
        If the network is no graph of layers, or fails on these images.
    """
    graph, tf, numbers = trace(network), import_tensorflow(), cost(network)
    first = any(getattr(layer, "data_format", None) == "channels_first" for layer in layers(network))
    n = int(min(len(inputs), max(MIN_IMAGES, TOTAL_NUMBERS // numbers)))
    size = int(network.inputs[0].shape[0] or np.clip(BATCH_NUMBERS // numbers, 1, 64))
    tallies = [_Tally() for _ in range(len(graph.steps) + 1)]
    for start in range(0, n, size):
        part = inputs[start : min(n, start + size)]
        for place, step, value in execute(network, graph, part):
            tallies[place].add(tf, value, step.kind if step else "", first)
    return tuple(tally.units(place) for tally, place in zip(tallies, places(graph), strict=True))


@dataclass(slots=True)
class _Tally:
    """Sums over batches."""

    images: int = 0
    count: int = 0
    parts: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(self, tf: Any, values: Any, kind: str, channels_first: bool) -> None:
        """Take one batch, shape (m, ..., units)."""
        if not values.dtype.is_floating or values.shape.rank < 2 or not int(tf.size(values)):
            return
        values = tf.cast(values, tf.float32)
        if channels_first and values.shape.rank > 3:
            values = tf.transpose(values, [0, *range(2, values.shape.rank), 1])
        m, units = int(values.shape[0]), int(values.shape[-1])
        values = tf.reshape(values, [m, -1, units])
        mean, var = tf.nn.moments(values, [0, 1])
        found = {
            "fired": tf.math.count_nonzero(tf.reduce_max(values, 1) > 0, 0),
            "low": tf.reduce_min(values, [0, 1]),
            "high": tf.reduce_max(values, [0, 1]),
            "mean": mean,
            "var": var,
            "finite": tf.reduce_all(tf.math.is_finite(values), [1, 2]),
            "at_low": tf.zeros(units),
            "at_high": tf.zeros(units),
        }
        if kind in LIMITS:
            low, high = LIMITS[kind]
            near = AT_LIMIT * (high - low)
            found["at_low"] = tf.reduce_mean(tf.cast(values <= low + near, tf.float32), [0, 1])
            found["at_high"] = tf.reduce_mean(tf.cast(values >= high - near, tf.float32), [0, 1])
        self._merge({key: np.asarray(value) for key, value in found.items()}, m, m * int(values.shape[1]))

    def _merge(self, new: dict[str, NDArray[Any]], images: int, count: int) -> None:
        new = {key: value.astype(np.float64) if value.dtype.kind == "f" else value for key, value in new.items()}
        old, self.parts = self.parts, new
        if old:
            share = count / (self.count + count)
            with np.errstate(invalid="ignore", over="ignore"):
                gap = new["mean"] - old["mean"]  # Chan, Golub and LeVeque 1979: the variance of two parts together
                new["var"] = (1 - share) * old["var"] + share * new["var"] + share * (1 - share) * gap**2
                for key in ("mean", "at_low", "at_high"):
                    new[key] = (1 - share) * old[key] + share * new[key]
            new["fired"] = old["fired"] + new["fired"]
            new["low"], new["high"] = np.minimum(old["low"], new["low"]), np.maximum(old["high"], new["high"])
            new["finite"] = np.concatenate([old["finite"], new["finite"]])
        self.images += images
        self.count += count

    def units(self, place: Place) -> Units:
        """Return the frozen result."""
        empty = {key: np.zeros(0) for key in ("fired", "low", "high", "mean", "var", "at_low", "at_high", "finite")}
        parts = self.parts or empty
        for value in parts.values():
            value.flags.writeable = False
        return Units(place, self.images, **parts)
