"""DeepSHAP on a Keras model's own graph: DeepLIFT rescale multipliers, averaged over background references.

Activations of images and references are computed once each; only multipliers differ from pair to pair, and they go
backward for all outputs of one image and many references at a time.

References
----------
Lundberg & Lee (2017), A unified approach to interpreting model predictions, arXiv:1705.07874, section 4.2.
Shrikumar, Greenside & Kundaje (2017), Learning important features through propagating activation differences,
arXiv:1704.02685.
Chen, Lundberg & Lee (2021), Explaining a series of models by propagating Shapley values, arXiv:2105.00108.
"""

from __future__ import annotations

import functools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_tensorflow
from diag.errors import UnsupportedModelError
from diag.explain import registry  # noqa: F401  (registers the rules)
from diag.explain.bounds import MAX_MEMORY, require_memory, require_room
from diag.explain.graph import Step, trace
from diag.explain.heads import NEGLIGIBLE, Seeds, Target, seeds, without_head
from diag.explain.rules import Multiplier, Pairs, Rule, can_fuse, fusing, rule_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WORTHWHILE = 4e9
"""Bytes in the way of compiled steps, over all pairs of a run, from which on compiling the way back pays."""
POOLING = 10
"""How much more compiling is worth for a byte of max pooling than for one of an element-wise step."""
STOPS_EARLY = 0.3
"""Share of the references that a run with a tolerance is taken to need."""
RANKS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16])
"""Rows of a pair are filled up to the next of these, so that few shapes are compiled."""
THREADS = 2
"""Images that are worked on at a time: one prepares its next step while another computes."""
WIDTH = 32
"""References that go backward at a time, where memory allows."""
FEWEST = 32
"""References before a standard error is believed; it must then stay small for one more batch. Few decide many a map."""
WORKSPACE = 6
"""Copies of the largest tensor that are alive at a time on the way back, for the estimate of memory."""
MULTIPLIERS = 4
"""Copies of a pair's multipliers (classes, values) that are alive at a time, for the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """What the engine returns: arrays over n images and k outputs.

    Parameters
    ----------
    values : ndarray of float32, shape (n, ..., k)
    base_values, predictions : ndarray of float64, shape (n, k)
    n_used : ndarray of int64, shape (n,)
        References used for each image.
    relative_error : ndarray of float64, shape (n,)
        Standard error of the worst of an image's maps as a share of their largest value; 0 if all references were used.
    """

    values: NDArray[np.float32]
    base_values: NDArray[np.float64]
    predictions: NDArray[np.float64]
    n_used: NDArray[np.int64]
    relative_error: NDArray[np.float64]


class DeepShap:
    """The engine for one network and one shape of input. Safe to use from several threads.

    Parameters
    ----------
    network : keras.Model
        A graph of layers with one input and one output (n, o). It is not changed.
    shape : tuple of int
        Shape of one input, without the batch axis.
    activation : str, optional
        The last layer's activation as the file has it, used where the graph does not end in one: "linear" for logits.

    Raises
    ------
    UnsupportedModelError
        If a layer has no rule; the message names it.
    """

    def __init__(self, network: Any, shape: tuple[int, ...], activation: str | None = None) -> None:
        tf = import_tensorflow()
        graph = trace(network)
        self._rules = {step: _required(step) for step in graph.steps}
        self._graph, self.head = without_head(graph, network, activation)
        self._saved = sorted({n for step in self._graph.steps if self._rules[step].needs_inputs for n in step.sources})
        self._shapes: dict[int, tuple[int, ...]] = {}
        spec = tf.TensorSpec((None, *shape), tf.float32)
        self._forward = tf.function(self._run, input_signature=[spec]).get_concrete_function()
        signature = self._signature(shape)
        self.plain = tf.function(self._pull, input_signature=signature, autograph=False)
        self.fused = tf.function(self._pull_fused, input_signature=signature, autograph=False)
        sizes = [4 * math.prod(shape) for shape in self._shapes.values()]
        self.pair_bytes = sum(4 * math.prod(self._shapes[number]) for number in self._saved) + WORKSPACE * max(sizes)
        self.row_bytes = WORKSPACE * max(sizes)
        self.fusible_bytes = sum(
            4 * math.prod(self._shapes[step.sources[0]]) * (POOLING if step.kind.startswith("MaxPool") else 1)
            for step in self._graph.steps
            if self._rules[step].needs_inputs
        )

    def _run(self, batch: Any) -> tuple[list[Any], Any]:
        """Return the tensors that rules look at, and the last values (n, o)."""
        tf = import_tensorflow()
        values = {self._graph.source: batch}
        for step in self._graph.steps:
            results = step.call([values[number] for number in step.sources])
            values.update(zip(step.targets, results, strict=True))
        self._shapes.update({number: tuple(value.shape[1:]) for number, value in values.items()})
        z = values[self._graph.target]
        saved = [tf.cast(values[number], tf.float32) for number in self._saved]
        return saved, tf.reshape(tf.cast(z, tf.float32), (tf.shape(z)[0], -1))

    def head_bytes(self, k: int) -> int:
        """Return what the multipliers of `k` classes take for one pair, and what is made of them."""
        return MULTIPLIERS * 8 * k * self.head.n_values

    def activations(self, batch: Any) -> tuple[list[Any], Any]:
        """Return the tensors that rules look at, and the last values, of a batch.

        A single image is computed twice over: libraries multiply one row by another routine than several, and its last
        bits must be those that it has among others. Where logits are nearly equal a map hangs on them.
        """
        if len(batch) > 1:
            return self._forward(batch)  # type: ignore[no-any-return]
        tf = import_tensorflow()
        saved, last = self._forward(tf.repeat(batch, 2, axis=0))
        return [tensor[:1] for tensor in saved], last[:1]

    def _signature(self, shape: tuple[int, ...]) -> list[Any]:
        """Return the specifications of what `_pull` takes: one graph for all numbers of references and outputs."""
        tf = import_tensorflow()
        image, reference = (tf.TensorSpec((count, *shape), tf.float32) for count in (1, None))
        x_saved, r_saved = (
            [tf.TensorSpec((count, *self._shapes[number]), tf.float32) for number in self._saved] for count in (1, None)
        )
        chosen = tf.TensorSpec((None,), tf.int64)
        rows = tf.TensorSpec((None, None, self.head.n_values), tf.float32)
        mix = tf.TensorSpec((None, None, None), tf.float32)
        return [image, reference, x_saved, r_saved, chosen, rows, mix]

    def _pull(self, x: Any, r: Any, x_saved: Any, r_saved: Any, chosen: Any, rows: Any, mix: Any) -> tuple[Any, Any]:
        """Return the sum and the sum of squares over references of each output's map, shape (k, pixels).

        `rows` (j, q, o) are the seeds of the references `chosen` (j,), `mix` (j, k, q) makes outputs of them.
        """
        tf = import_tensorflow()
        r_saved = [tf.gather(tensor, chosen) for tensor in r_saved]
        places = {number: place for place, number in enumerate(self._saved)}
        target = self._shapes[self._graph.target]
        start = tf.reshape(rows, tf.concat([tf.shape(rows)[:2], target], 0))
        start.set_shape((None, None, *target))
        found: dict[int, list[Multiplier]] = {self._graph.target: [Multiplier(start)]}
        for step in reversed(self._graph.steps):
            if not any(number in found for number in step.targets):
                continue
            rule = self._rules[step]
            multipliers = [self._total(found.pop(number, []), number, start) for number in step.targets]
            looked_at = [places[number] for number in step.sources] if rule.needs_inputs else []
            pairs = Pairs(
                x=[x_saved[place] for place in looked_at],
                r=[r_saved[place] for place in looked_at],
                shapes=[self._shapes[number] for number in step.sources],
            )
            for number, multiplier in zip(step.sources, rule.backward(step, pairs, multipliers), strict=True):
                found.setdefault(number, []).append(multiplier)
        last = self._total(found.get(self._graph.source, []), self._graph.source, start).dense()
        maps = last * (x - tf.gather(r, chosen))[:, None]
        maps = tf.reshape(maps, tf.concat([tf.shape(maps)[:2], [-1]], 0))
        each = tf.matmul(mix, maps)
        return tf.reduce_sum(each, axis=0), tf.reduce_sum(tf.square(each), axis=0)

    def _pull_fused(self, x: Any, r: Any, x_saved: Any, r_saved: Any, chosen: Any, rows: Any, mix: Any) -> Any:
        with fusing():
            return self._pull(x, r, x_saved, r_saved, chosen, rows, mix)

    def _total(self, parts: list[Multiplier], number: int, like: Any) -> Multiplier:
        tf = import_tensorflow()
        if len(parts) == 1:
            return parts[0]
        if parts:
            return Multiplier(tf.add_n([part.dense() for part in parts]))
        return Multiplier(tf.zeros(tf.concat([tf.shape(like)[:2], self._shapes[number]], 0)))

    def maps(
        self,
        inputs: NDArray[np.float32],
        references: NDArray[np.float32],
        classes: NDArray[np.int64] | None = None,
        target: Target = "probability",
        *,
        tolerance: float | None = None,
        seed: int = 0,
        weights: NDArray[np.float64] | None = None,
        max_memory: float = MAX_MEMORY,
        progress: Callable[[int, int], None] | None = None,
    ) -> Maps:
        """Return attributions of inputs against references.

        Parameters
        ----------
        inputs, references : ndarray of float32, shape (n, ...) and (m, ...)
            As the network takes them.
        classes : ndarray of int64, shape (n, k), optional
            Which classes of each input; all when left out.
        target : "probability" or "logit"
            What is explained. A logit is what goes into softmax or sigmoid.
        tolerance : float, optional
            Use references in random order until an image's `relative_error` is below this.
        seed : int
            Seeds that order.
        weights : ndarray of float64, shape (m,), optional
            Share of each reference in the mean; they sum to 1. Not together with a tolerance.
        max_memory : float
            Bytes over the model itself that may be used, about.
        progress : callable, optional
            Gets (pairs done, pairs in all).

        Raises
        ------
        UnsupportedModelError
            If logits are asked for and the network does not end in softmax or sigmoid.
        InvalidInputError
            If maps, or one image against one reference, need more than `max_memory`.
        """
        if target == "logit" and self.head.kind.startswith("probab"):
            raise UnsupportedModelError("target='logit': expected a network that ends in softmax, sigmoid or logits.")
        k = self.head.n_classes if classes is None else classes.shape[1]
        require_room(len(inputs), k, inputs.shape[1:], max_memory)
        needed = self.pair_bytes + self.row_bytes + self.head_bytes(k)
        require_memory(needed, max_memory, "one image against one reference")
        share = np.full(len(references), 1 / len(references)) if weights is None else weights
        run = _Run(self, inputs, references, share, classes, target, max_memory, progress)
        return run.result(tolerance if weights is None else None, seed)


def _required(step: Step) -> Rule:
    rule = rule_of(step)
    if rule is None:
        raise UnsupportedModelError(
            f"DeepSHAP has no rule for {step}. Use method='expected_gradients', which needs none, "
            "or register one in diag.explain.rules.RULES."
        )
    return rule


class _Run:
    """One call of `DeepShap.maps`."""

    def __init__(
        self,
        engine: DeepShap,
        inputs: NDArray[np.float32],
        references: NDArray[np.float32],
        share: NDArray[np.float64],
        classes: NDArray[np.int64] | None,
        target: Target,
        max_memory: float,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.engine, self.target, self.progress = engine, target, progress
        self.inputs, self.references, self.share = inputs, references, share
        self.memory = max_memory
        self.fused = self.spread = False
        self.negligible = NEGLIGIBLE
        every = np.tile(np.arange(engine.head.n_classes), (len(inputs), 1))
        self.classes = every if classes is None else classes
        n, k = self.classes.shape
        pixels = int(np.prod(inputs.shape[1:]))
        self.sums = np.zeros((n, k, pixels))
        self.squares = np.zeros((n, k, pixels))
        self.used = np.zeros(n, np.int64)
        # Half of the memory holds activations of references, the rest is for the way back.
        each = max(engine.pair_bytes, THREADS * engine.head_bytes(k))
        self.block = int(np.clip(max_memory / 2 // each, 1, len(references)))

    def result(self, tolerance: float | None, seed: int) -> Maps:
        """Go through the references block by block, and through the images in each."""
        m, n = len(self.references), len(self.inputs)
        order = np.arange(m)
        pairs = n * m * (1 if tolerance is None else STOPS_EARLY)
        self.fused = pairs * self.engine.fusible_bytes > WORTHWHILE and can_fuse()
        if tolerance is not None:  # what is left out stays far below the error that is asked for
            order = np.random.default_rng(seed).permutation(m)
            self.negligible, self.spread = max(NEGLIGIBLE, tolerance / 1000), True
        z, errors, start = [], np.zeros(n), 0
        open_rows = np.arange(n)
        with ThreadPoolExecutor(THREADS) as pool:
            while start < m and len(open_rows):
                size = self.block if tolerance is None else min(self.block, max(FEWEST, start // 3 // WIDTH * WIDTH))
                part = order[start : start + size]
                saved, last = self.engine.activations(_tensor(self.references[part]))
                z.append(last.numpy())
                for row in pool.map(functools.partial(self._add, part=part, saved=saved, z=z[-1]), open_rows):
                    self.used[row] += len(part)
                    if self.progress is not None:
                        self.progress(int(self.used.sum()), n * m)
                start += len(part)
                if tolerance is not None:
                    before = errors[open_rows] <= tolerance if start > FEWEST else np.zeros(len(open_rows), bool)
                    errors[open_rows] = [self._error(int(row), m) for row in open_rows]
                    open_rows = open_rows[~before | (errors[open_rows] > tolerance)]
        if self.progress is not None and self.used.sum() < n * m:
            self.progress(n * m, n * m)
        return self._maps(order[:start], z, errors)

    def _add(self, row: int, part: NDArray[np.int64], saved: Any, z: NDArray[np.float32]) -> int:
        """Add the maps of one image against some references; return the image."""
        engine = self.engine
        x = _tensor(self.inputs[row : row + 1])
        x_saved, last = engine.activations(x)
        found = seeds(engine.head.multipliers(last.numpy()[0], z, self.classes[row], self.target), self.negligible)
        chunks, r = self._chunks(found), _tensor(self.references[part])
        # Two images at a time meet the compiler with different shapes.
        for chosen, rank in chunks[:: -1 if row % 2 else 1]:
            # For the compiler all chunks are of few shapes: filled up with pairs that add nothing.
            filled = np.resize(chosen, self._width(rank)) if self.fused else chosen
            factor = self.share[part[filled]] * len(self.references)
            mix = (found.mix[filled][..., :rank] * factor[:, None, None]).astype(np.float32)
            mix[len(chosen) :] = 0
            sums, squares = (engine.fused if self.fused else engine.plain)(
                x, r, x_saved, saved, _tensor(filled), _tensor(found.rows[filled, :rank]), _tensor(mix)
            )
            self.sums[row] += sums.numpy()
            if self.spread:
                self.squares[row] += squares.numpy()
        return row

    def _chunks(self, found: Seeds) -> list[tuple[NDArray[np.int64], int]]:
        """Return which references go backward together, with how many rows each: most rows first, none without any."""
        ranks = np.minimum(RANKS[np.minimum(np.searchsorted(RANKS, found.ranks), len(RANKS) - 1)], found.rows.shape[1])
        ranks = np.maximum(ranks, found.ranks)
        order = np.argsort(-ranks, kind="stable")[: int((ranks > 0).sum())]
        chunks, start = [], 0
        while start < len(order):
            rank = int(ranks[order[start]])
            chunks.append((order[start : start + self._width(rank)], rank))
            start += len(chunks[-1][0])
        return chunks

    def _width(self, rank: int) -> int:
        """Return how many references go backward at a time, with `rank` rows each."""
        engine = self.engine
        fits = self.memory / 2 / THREADS / (engine.pair_bytes + rank * engine.row_bytes)
        return min(WIDTH, 1 << int(math.log2(max(1.0, fits))))

    def _error(self, row: int, m: int) -> float:
        """Return the standard error of the mean over references, drawn without replacement, relative to its peak."""
        n = self.used[row]
        if n >= m:
            return 0.0
        mean = self.sums[row] / n
        variance = np.maximum(self.squares[row] / n - mean**2, 0) * n / (n - 1) / n * (1 - n / m)
        peak = np.abs(mean).max()
        return float(np.sqrt(variance.mean(axis=1)).max() / peak) if peak > 0 else 0.0

    def _maps(self, order: NDArray[np.int64], z: list[NDArray[np.float32]], errors: NDArray[np.float64]) -> Maps:
        """Return the result; base values are the mean over those references that an image was held against."""
        head, (n, k), shape = self.engine.head, self.classes.shape, self.inputs.shape[1:]
        predictions = head.outputs(self._last(self.inputs), self.target)
        outputs = head.outputs(np.concatenate(z), self.target) if z else np.zeros((0, head.n_classes))
        share = self.share[order, None]
        means = (outputs * share).cumsum(axis=0)[self.used - 1] / share.cumsum(axis=0)[self.used - 1]
        self.sums /= np.maximum(self.used, 1)[:, None, None]
        values = np.moveaxis(self.sums, 1, -1).astype(np.float32, order="C")
        return Maps(
            values=values.reshape(n, *shape, k),
            base_values=np.take_along_axis(means.reshape(n, -1), self.classes, axis=1),
            predictions=np.take_along_axis(predictions, self.classes, axis=1),
            n_used=self.used,
            relative_error=errors,
        )

    def _last(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        step = max(1, self.block)
        parts = [
            self.engine.activations(_tensor(batch[at : at + step]))[1].numpy() for at in range(0, len(batch), step)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.engine.head.n_values), np.float32)


def _tensor(array: NDArray[np.generic]) -> Any:
    return import_tensorflow().constant(array)
