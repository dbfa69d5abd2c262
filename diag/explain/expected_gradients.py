"""Expected gradients: for networks with layers that DeepSHAP has no rule for. Any differentiable network will do.

The map is an estimate: the mean, over references and points on the way from them to the image, of the gradient times
the difference. It adds up to the output only on average, which the additivity error shows.

References
----------
Erion, Janizek, Sturmfels, Lundberg & Lee (2021), Improving performance of deep learning models with axiomatic
attribution priors and expected gradients, Nature Machine Intelligence 3, 620-631, equation 3. arXiv:1906.10670.
Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks, arXiv:1703.01365.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_tensorflow
from diag.errors import UnsupportedModelError
from diag.explain.bounds import MAX_MEMORY, require_memory, require_room
from diag.explain.deepshap import Maps
from diag.explain.graph import Graph, run_graph, shapes_of, trace
from diag.explain.heads import Head, Target, without_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SAMPLES = 200
"""Points an image, at least; each reference is used equally often."""
BATCH = 64
"""Points that go through the network at a time, where memory allows."""
BACKWARD = 2
"""Copies of all that a network computes that are alive on the way back, for the estimate of memory."""


class ExpectedGradients:
    """Expected gradients of one network. Safe to use from several threads.

    Parameters
    ----------
    network : keras.Model
        With one input and one output (n, o). It is not changed.
    activation : str, optional
        The last layer's activation as the file has it: "linear" for logits.
    """

    def __init__(self, network: Any, activation: str | None = None) -> None:
        try:
            graph, self.head = without_head(trace(network), network, activation)
            self._graph: Graph | None = graph
            self._values: Callable[[Any], Any] = lambda batch: run_graph(graph, batch)[graph.target]
        except UnsupportedModelError:  # a model with code of its own: its output is all there is
            self._graph = None
            self.head = Head("probabilities", math.prod(int(size) for size in network.outputs[0].shape[1:]))
            self._values = lambda batch: network(batch, training=False)
        tf = import_tensorflow()
        self._gradient = tf.function(self._pull, reduce_retracing=True, autograph=False)
        self._last = tf.function(lambda batch: self._flat(batch), reduce_retracing=True, autograph=False)

    def _flat(self, batch: Any) -> Any:
        tf = import_tensorflow()
        return tf.reshape(tf.cast(self._values(batch), tf.float32), (tf.shape(batch)[0], -1))

    def _pull(self, batch: Any, number: Any, logit: Any) -> Any:
        """Return the gradient of one class's output in each point."""
        tf = import_tensorflow()
        z = self._flat(batch)
        if self.head.kind == "softmax":
            outputs = tf.where(logit, z, tf.nn.softmax(z))
        elif self.head.kind in ("sigmoid", "probability"):
            one = tf.where(logit, z, tf.sigmoid(z)) if self.head.kind == "sigmoid" else z
            outputs = tf.concat([-one, one], axis=1)
        elif self.head.kind == "sigmoids":
            shares = tf.sigmoid(z)
            outputs = tf.where(logit, z, shares / tf.reduce_sum(shares, axis=1, keepdims=True))
        else:
            outputs = z
        (gradient,) = tf.gradients(tf.reduce_sum(tf.gather(outputs, number, axis=1)), batch)
        return gradient

    def maps(
        self,
        inputs: NDArray[np.float32],
        references: NDArray[np.float32],
        classes: NDArray[np.int64],
        target: Target = "probability",
        *,
        seed: int = 0,
        weights: NDArray[np.float64] | None = None,
        max_memory: float = MAX_MEMORY,
        progress: Callable[[int, int], None] | None = None,
    ) -> Maps:
        """Return attributions of inputs against references; arguments as in `DeepShap.maps`.

        Raises
        ------
        UnsupportedModelError
            If logits are asked for and the network does not end in softmax or sigmoid.
        InvalidInputError
            If maps, or one point on its way through the network, need more than `max_memory`.
        """
        tf = import_tensorflow()
        if target == "logit" and self.head.kind.startswith("probab"):
            raise UnsupportedModelError("target='logit': expected a network that ends in softmax, sigmoid or logits.")
        m, (n, k) = len(references), classes.shape
        require_room(n, k, inputs.shape[1:], max_memory)
        batch = self._batch(inputs.shape[1:], max_memory)
        share = np.full(m, 1 / m) if weights is None else weights
        rng = np.random.default_rng(seed)
        repeats = math.ceil(SAMPLES / m)
        values = np.zeros((*inputs.shape, k), np.float32)
        errors = np.zeros(n)
        for row in range(n):
            drawn = np.tile(rng.permutation(m), repeats)
            way = (rng.permutation(len(drawn)) + rng.random(len(drawn))) / len(drawn)
            totals, squares = np.zeros((2, k, *inputs.shape[1:]))
            for start in range(0, len(drawn), batch):
                part = drawn[start : start + batch]
                alpha = way[start : start + batch].reshape(-1, *[1] * (inputs.ndim - 1)).astype(np.float32)
                delta = inputs[row] - references[part]
                points = tf.constant(references[part] + alpha * delta)
                factor = (share[part] * m).reshape(alpha.shape)
                for place, number in enumerate(classes[row]):
                    gradient = self._gradient(points, tf.constant(int(number)), tf.constant(target == "logit"))
                    each = gradient.numpy() * delta * factor
                    totals[place] += each.sum(axis=0)
                    squares[place] += np.square(each).sum(axis=0)
            mean = totals / len(drawn)
            values[row] = np.moveaxis(mean, 0, -1)
            variance = np.maximum(squares / len(drawn) - mean**2, 0) / max(len(drawn) - 1, 1)
            peak = np.abs(mean).max()
            errors[row] = np.sqrt(variance.reshape(k, -1).mean(axis=1)).max() / peak if peak > 0 else 0.0
            if progress is not None:
                progress(row + 1, n)
        base = share @ self._outputs(references, target, batch)
        return Maps(
            values=values,
            base_values=base[classes],
            predictions=np.take_along_axis(self._outputs(inputs, target, batch), classes, axis=1),
            n_used=np.full(n, m, np.int64),
            relative_error=errors,
        )

    def _batch(self, shape: tuple[int, ...], max_memory: float) -> int:
        """Return how many points go through the network at a time: all that it computes is kept for the way back."""
        if self._graph is None:
            return BATCH
        found = shapes_of(self._graph, (None, *shape))
        needed = BACKWARD * sum(4 * math.prod(size or 1 for size in each[1:]) for each in found.values())
        require_memory(needed, max_memory, "one point on the way to an image")
        return int(np.clip(max_memory // needed, 1, BATCH))

    def _outputs(self, batch: NDArray[np.float32], target: Target, size: int) -> NDArray[np.float64]:
        tf = import_tensorflow()
        parts = [self._last(tf.constant(batch[at : at + size])).numpy() for at in range(0, len(batch), size)]
        return self.head.outputs(np.concatenate(parts), target)
