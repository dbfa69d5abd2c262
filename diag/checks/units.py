"""What every unit of a network answers to the sample: one pass, shared by the checks that look inside.

`observe` is the operation ``units``, run where the network lives; `Units` is what the checks see of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_tensorflow
from diag.arrays import frozen
from diag.checks.budget import spent
from diag.checks.steps import LIMITS, Place, cost, execute, layers, places
from diag.explain.graph import trace
from diag.io.store import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from diag.explain.graph import Step

    Progress = Callable[[int, int], None]

BATCH_NUMBERS = 2**25
"""Numbers that all layers together compute in one batch, about."""
TOTAL_NUMBERS = 2**29
"""Numbers that all layers together compute in all: bounds the images that a large network is asked about."""
MIN_IMAGES = 32
"""A large network is asked about at least so many images."""
MOST_NUMBERS = 2**35
"""Numbers that may be computed for them. EfficientNetV2-L on images of 480 x 480 needs 2e10."""
AT_LIMIT = 0.01
"""So close to a limit, in parts of the range, a value counts as saturated: a sigmoid's slope is 0.01 there, of 0.25."""


_PARTS = ("fired", "low", "high", "mean", "var", "at_low", "at_high")


@dataclass(frozen=True, slots=True, eq=False)
class Moving:
    """What a layer of batch normalisation takes its input's mean and variance to be, a channel; and its epsilon."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    epsilon: float


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
    moving : Moving, optional
        Of batch normalisation.
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
    moving: Moving | None = None

    @property
    def spread(self) -> float:
        """Standard deviation of a unit's values over images and positions, root mean square over the units."""
        return float(np.sqrt(self.var.mean())) if len(self.var) else 0.0


def asked(n: int, numbers: int) -> int:
    """Return how many of `n` images a network is asked about that computes so many numbers for each.

    Raises
    ------
    CheckNotApplicable
        If even `MIN_IMAGES` would take more than `MOST_NUMBERS`.
    """
    chosen = int(min(n, max(MIN_IMAGES, TOTAL_NUMBERS // numbers)))
    spent("to look into the network", float(chosen) * numbers, MOST_NUMBERS, "numbers")
    return chosen


def observe(
    network: Any, arrays: Mapping[str, NDArray[Any]], options: Mapping[str, Any], progress: Progress | None
) -> Entry:
    """Return what every step of a network answers, in the order of execution; the first row is the input itself.

    Steps whose output is no batch of floating-point numbers have no units.

    Parameters
    ----------
    network : keras.Model
        Of one input and one output. It is called in inference mode and not changed.
    arrays : mapping
        ``inputs``, float32, shape (n, ...): images as the network takes them.
    options : mapping
        ``batch_numbers``: numbers that all layers together may compute in one batch, about.
    progress : callable, optional
        Gets (images done, in all).

    Returns
    -------
    Entry
        As `observed` reads it.

    Raises
    ------
    UnsupportedModelError
        If the network is no graph of layers, or fails on these images.
    """
    inputs = arrays["inputs"]
    graph, tf, numbers = trace(network), import_tensorflow(), cost(network)
    first = any(getattr(layer, "data_format", None) == "channels_first" for layer in layers(network))
    size = int(network.inputs[0].shape[0] or np.clip(options["batch_numbers"] // numbers, 1, 64))
    tallies = [_Tally() for _ in range(len(graph.steps) + 1)]
    for start in range(0, len(inputs), size):
        part = inputs[start : start + size]
        for place, step, value in execute(network, graph, part):
            tallies[place].add(tf, value, step.kind if step else "", first)
        if progress is not None:
            progress(start + len(part), len(inputs))
    moving = [_moving(place, step) for place, step in enumerate(graph.steps, 1) if step.kind == "BatchNormalization"]
    return _entry(tallies, places(graph), moving)


def _moving(place: int, step: Step) -> tuple[int, Moving]:
    layer = step.operation
    mean, variance = (np.asarray(each, dtype=np.float64) for each in (layer.moving_mean, layer.moving_variance))
    return place, Moving(mean, variance, float(layer.epsilon))


def _entry(tallies: list[_Tally], stands: list[Place], moving: list[tuple[int, Moving]]) -> Entry:
    """Return all tallies as one: the arrays of all steps behind one another, and how long each is."""
    arrays = {key: _joined([tally.parts.get(key) for tally in tallies]) for key in (*_PARTS, "finite")}
    arrays["moving_mean"] = _joined([each.mean for _, each in moving])
    arrays["moving_variance"] = _joined([each.variance for _, each in moving])
    return Entry(
        meta={
            "places": [[each.name, each.kind, each.carrier, each.source, each.hidden, each.gate] for each in stands],
            "images": [tally.images for tally in tallies],
            "units": [len(tally.parts.get("fired", ())) for tally in tallies],
            "moving": [[place, len(each.mean), each.epsilon] for place, each in moving],
        },
        arrays=arrays,
    )


def _joined(parts: list[NDArray[Any] | None]) -> NDArray[Any]:
    kept = [part for part in parts if part is not None]
    return np.concatenate(kept) if kept else np.zeros(0)


def observed(entry: Entry) -> tuple[Units, ...]:
    """Return what the operation ``units`` found out, a row for the input and each step."""
    meta = entry.meta
    parts = {key: _split(entry.arrays[key], meta["units"]) for key in _PARTS}
    parts["finite"] = _split(entry.arrays["finite"], meta["images"])
    widths = [width for _, width, _ in meta["moving"]]
    means, variances = (_split(entry.arrays[f"moving_{key}"], widths) for key in ("mean", "variance"))
    moving = {
        place: Moving(mean, variance, epsilon)
        for (place, _, epsilon), mean, variance in zip(meta["moving"], means, variances, strict=True)
    }
    return tuple(
        Units(Place(*stand), meta["images"][at], **{key: parts[key][at] for key in parts}, moving=moving.get(at))
        for at, stand in enumerate(meta["places"])
    )


def _split(joined: NDArray[Any], lengths: list[int]) -> list[NDArray[Any]]:
    """Return the parts of an array whose lengths are known, read-only."""
    ends = np.cumsum(lengths, dtype=np.int64).tolist()
    return [frozen(joined[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


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
