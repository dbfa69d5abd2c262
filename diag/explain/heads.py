"""From the last layer's values to what is explained: probabilities or logits of classes, and multipliers between them.

References
----------
Lundberg & Lee (2017), arXiv:1705.07874, section 4.2. The quotient in softmax gets Shapley values, its exponential the
rescale rule, each class measured from the largest: as `shap.DeepExplainer` decomposes it.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag._lazy import import_tensorflow
from diag.errors import InvalidInputError
from diag.explain.graph import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

Target = Literal["probability", "logit"]
Kind = Literal["softmax", "sigmoids", "sigmoid", "probability", "probabilities"]

SMALL = 1e-6
NEGLIGIBLE = 8e-6
"""Share of a pair's multipliers that may be left out, summed over all pairs of an image."""

NOT_FINITE = (
    "The maps of these images are NaN or infinite. Look for NaN in the model's weights ('diag doctor' lists them), or "
    "for a wrong scale of the input."
)


@dataclass(frozen=True, slots=True)
class Head:
    """What stands between a network's last values z (n, o) and class probabilities (n, k).

    ``softmax``: exp(z), divided by the sum. ``sigmoids``: one a class, divided by their sum. ``sigmoid``: one unit that
    makes two classes. ``probabilities``: z is what is explained, there are no logits.
    ``probability``: the same, one value that makes two classes.
    """

    kind: Kind
    n_values: int

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return 2 if self.kind in ("sigmoid", "probability") else self.n_values

    def outputs(self, z: NDArray[np.float32], target: Target) -> NDArray[np.float64]:
        """Return what is explained, shape (n, k)."""
        values = z.astype(np.float64)
        if self.kind in ("sigmoid", "probability"):
            values = _sigmoid(values) if self.kind == "sigmoid" and target == "probability" else values
            return np.concatenate([(-values if target == "logit" else 1 - values), values], axis=1)
        if target == "logit" or self.kind == "probabilities":
            return values
        powers = _powers(values, self.kind)[0]
        total = powers.sum(axis=1, keepdims=True)
        return np.asarray(powers / np.where(total > 0, total, 1))

    def multipliers(
        self, x: NDArray[np.float32], r: NDArray[np.float32], classes: NDArray[np.int64], target: Target
    ) -> NDArray[np.float64]:
        """Return multipliers of z for each class, shape (m, len(classes), o).

        Parameters
        ----------
        x : ndarray, shape (o,)
            Values of the image.
        r : ndarray, shape (m, o)
            Values of the references.
        classes : ndarray of int
            Which classes.
        target : "probability" or "logit"
            What is explained.
        """
        zx, zr = x.astype(np.float64)[None], r.astype(np.float64)
        if self.kind in ("sigmoid", "probability"):
            rise = np.ones_like(zr)
            if self.kind == "sigmoid" and target == "probability":
                rise = _slope(_sigmoid(zx), _sigmoid(zr), zx - zr, _sigmoid_slope(zr))
            return np.where(classes == 1, 1.0, -1.0)[None, :, None] * rise[:, None]
        if target == "logit" or self.kind == "probabilities":
            return np.tile(np.eye(self.n_values)[classes], (len(r), 1, 1))
        if self.kind == "softmax":
            own, shared, rise = _softmax_parts(zx[0], zr)
        else:
            (ex, _), (er, derivative) = _powers(zx, self.kind), _powers(zr, self.kind)
            sx, sr = ex.sum(axis=1, keepdims=True), er.sum(axis=1, keepdims=True)
            own = np.tile((1 / sx + 1 / sr) / 2, (1, self.n_values))
            shared, rise = -(ex + er) / (2 * sx * sr), _slope(ex, er, zx - zr, derivative)
        found = shared[:, classes, None] * np.ones((1, 1, self.n_values))
        found[:, np.arange(len(classes)), classes] += own[:, classes]
        return np.asarray(found * rise[:, None])


def _softmax_parts(
    x: NDArray[np.float64], r: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return what a class's exponential and the sum of all add to its probability, and the exponentials' slopes.

    All in float32 with TensorFlow's own operations, quotients as they stand, differences below 1e-7 dropped: once a
    network is surer than that, rounding decides how softmax's quotient is shared out, and it must do so as in shap.
    """
    own, shared, rise = _softmax_graph()(np.tile(x, (len(r), 1)).astype(np.float32), r.astype(np.float32))
    return own.numpy().astype(float), shared.numpy().astype(float), rise.numpy().astype(float)


@functools.cache
def _softmax_graph() -> Any:
    tf = import_tensorflow()
    spec = tf.TensorSpec((None, None), tf.float32)

    def parts(zx: Any, zr: Any) -> tuple[Any, Any, Any]:
        centred = tf.concat([zx, zr], 0)
        centred -= tf.reduce_max(centred, axis=-1, keepdims=True)
        powers = tf.exp(centred)
        total = tf.reduce_sum(powers, axis=-1, keepdims=True)
        (cx, cr), (ex, er), (sx, sr), (px, pr) = (
            tf.split(each, 2) for each in (centred, powers, total, powers / total)
        )
        mixed, other = ex / sr, er / sx
        own = _quotient(0.5 * (px - other + mixed - pr), ex - er, SMALL / 10, 0.0)
        shared = _quotient(0.5 * (px - mixed + other - pr), sx - sr, SMALL / 10, 0.0)
        rise = _quotient(ex - er, cx - cr, SMALL, er)
        return own, shared, _quotient(rise * (cx - cr), zx - zr, SMALL, rise)

    return tf.function(parts, input_signature=[spec, spec], autograph=False)


def _quotient(numerator: Any, delta: Any, small: float, otherwise: Any) -> Any:
    tf = import_tensorflow()
    same = tf.abs(delta) < small
    return tf.where(same, otherwise, numerator / tf.where(same, tf.ones_like(delta), delta))


def without_head(graph: Graph, network: Any, activation: str | None) -> tuple[Graph, Head]:
    """Return a graph without the softmax or sigmoid at its end, and what stands there.

    Parameters
    ----------
    graph : Graph
    network : keras.Model
        Whose graph it is.
    activation : str, optional
        The last layer's activation as the file has it: "linear" says that softmax or sigmoid is still to come,
        "probability" that one output is the second class's.
    """
    sizes = [int(size) for size in network.outputs[0].shape[1:]]
    width = math.prod(sizes)
    last = graph.steps[-1] if graph.steps else None
    kind = last.kind.lower() if last else ""
    whole = sizes[-1:] == [width] and getattr(last.operation if last else None, "axis", -1) in (-1, len(sizes))
    if last is not None and ((kind == "softmax" and whole and width > 1) or kind == "sigmoid"):
        found: Kind = "softmax" if kind == "softmax" else "sigmoid" if width == 1 else "sigmoids"
        return Graph(graph.source, last.sources[0], graph.steps[:-1]), Head(found, width)
    if activation == "linear":
        return graph, Head("sigmoid" if width == 1 else "softmax", width)
    return graph, Head("probability" if activation == "probability" and width == 1 else "probabilities", width)


def _powers(z: NDArray[np.float64], kind: Kind) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what is divided by its sum, and its derivative."""
    if kind == "softmax":
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        return powers, powers
    return _sigmoid(z), _sigmoid_slope(z)


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -500, 500))))


def _sigmoid_slope(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_sigmoid(z) * _sigmoid(-z))


def _slope(
    x: NDArray[np.float64], r: NDArray[np.float64], delta: NDArray[np.float64], derivative: NDArray[np.float64]
) -> NDArray[np.float64]:
    same = np.abs(delta) < SMALL
    return np.where(same, derivative, (x - r) / np.where(same, 1, delta))


@dataclass(frozen=True, slots=True, eq=False)
class Seeds:
    """The multipliers of each pair as a product of two thin matrices: `mix` (m, k, q) @ `rows` (m, q, o).

    Only `ranks` (m,) of the q rows of each pair are not zero; 0 means that the pair adds nothing.
    """

    rows: NDArray[np.float32]
    mix: NDArray[np.float32]
    ranks: NDArray[np.int64]


def seeds(multipliers: NDArray[np.float64], negligible: float = NEGLIGIBLE) -> Seeds:
    """Return multipliers (m, k, o) with as few rows as they need.

    A pair of images that a network is sure of differs in few classes: its k multipliers are mixtures of few rows, and
    what goes backward through the network is these rows instead of k. Probabilities sum to one, which alone saves a
    row. Rows are left out by their singular values while those of all pairs together stay below `negligible` of the
    total.
    """
    m, k, o = multipliers.shape
    if not np.isfinite(multipliers).all():
        raise InvalidInputError(NOT_FINITE)
    if not multipliers.any():
        return Seeds(np.zeros((m, 1, o), np.float32), np.zeros((m, k, 1), np.float32), np.zeros(m, np.int64))
    u, size, v = np.linalg.svd(multipliers, full_matrices=False)
    order = np.sort(size, axis=None)
    dropped = np.searchsorted(np.cumsum(order), negligible * order.sum())
    kept = size >= order[min(dropped, len(order) - 1)]
    most = int(kept.sum(axis=1).max())
    rows = (size[..., None] * v * kept[..., None])[:, :most]
    return Seeds(rows.astype(np.float32), (u * kept[:, None])[..., :most].astype(np.float32), kept.sum(axis=1))
