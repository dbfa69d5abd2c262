"""A network's answers in other modes than inference: the operations `batch_statistics` and `as_saved`.

They run where the network lives, and leave it as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_tensorflow
from diag.checks.steps import execute
from diag.errors import UnsupportedModelError
from diag.explain.graph import trace
from diag.io.store import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from diag.explain.graph import Step

    Progress = Callable[[int, int], None]


def batch_statistics(
    network: Any, arrays: Mapping[str, NDArray[Any]], options: Mapping[str, Any], progress: Progress | None
) -> Entry:
    """Return outputs with batch statistics in place of moving ones; all else is in inference mode.

    The layers of batch normalisation are not called for it, so that their moving statistics stay as they are.

    Parameters
    ----------
    network : keras.Model
    arrays : mapping
        ``inputs``, float32, shape (n, ...): images as the network takes them.
    options : mapping
        ``batch``: images that are normalised together, at most, where the network's batch size is open.
    progress : callable, optional
        Gets (images done, in all).

    Returns
    -------
    Entry
        ``arrays["outputs"]``, float32, shape (n, outputs).
    """
    inputs = arrays["inputs"]
    graph, parts, done = trace(network), [], 0
    for part in np.array_split(inputs, -(-len(inputs) // (network.inputs[0].shape[0] or options["batch"]))):
        *_, (_, _, value) = execute(network, graph, part, _by_batch)
        parts.append(np.asarray(value, dtype=np.float32).reshape(len(part), -1))
        done += len(part)
        if progress is not None:
            progress(done, len(inputs))
    return Entry(meta={}, arrays={"outputs": np.concatenate(parts)})


def _by_batch(step: Step, values: list[Any]) -> list[Any]:
    """Compute a step; batch normalisation with the mean and variance of this batch (Ioffe and Szegedy 2015, alg. 1)."""
    if step.kind != "BatchNormalization":
        return step.call(values)
    tf, layer, (x,) = import_tensorflow(), step.operation, values
    own = {axis % x.shape.rank for axis in (layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis])}
    shape = [size if axis in own else 1 for axis, size in enumerate(x.shape)]
    mean, variance = tf.nn.moments(
        tf.cast(x, tf.float32), [axis for axis in range(x.shape.rank) if axis not in own], keepdims=True
    )
    out = (tf.cast(x, tf.float32) - mean) * tf.math.rsqrt(variance + layer.epsilon)
    if layer.scale:
        out *= tf.reshape(tf.cast(layer.gamma.value, tf.float32), shape)
    if layer.center:
        out += tf.reshape(tf.cast(layer.beta.value, tf.float32), shape)
    return [tf.cast(out, x.dtype)]


def as_saved(
    network: Any, arrays: Mapping[str, NDArray[Any]], options: Mapping[str, Any], progress: Progress | None
) -> Entry:
    """Return the outputs with what the file itself switches on, several times; the network keeps its state.

    Parameters
    ----------
    network : keras.Model
    arrays : mapping
        ``inputs``, float32, shape (n, ...): images as the network takes them.
    options : mapping
        ``times``: how often; twice when left out.
    progress : callable, optional
        Gets (runs done, in all).

    Returns
    -------
    Entry
        ``arrays["outputs"]``, float32, shape (times, n, outputs).

    Raises
    ------
    UnsupportedModelError
        If the network has several inputs.
    """
    if len(network.inputs) != 1:
        raise UnsupportedModelError(f"expected a network with one input. Received: {len(network.inputs)} inputs.")
    times = options.get("times", 2)
    found = []
    for done, outputs in enumerate(_runs(network, arrays["inputs"], times), 1):
        found.append(outputs)
        if progress is not None:
            progress(done, times)
    return Entry(meta={}, arrays={"outputs": np.stack(found)})


def _runs(network: Any, inputs: NDArray[np.float32], times: int) -> Iterator[NDArray[np.float32]]:
    trainable = [variable.value for variable in network.trainable_variables]
    states = [variable.value for variable in network.non_trainable_variables]

    def call(batch: NDArray[np.float32]) -> Any:
        outputs, states[:] = network.stateless_call(trainable, list(states), batch)
        return outputs

    for _ in range(times):
        yield _answers(network.inputs[0].shape[0], inputs, call)


def _answers(size: int | None, inputs: NDArray[np.float32], call: Callable[..., Any]) -> NDArray[np.float32]:
    """Return outputs (n, outputs); a fixed batch size is met by repeating the images."""
    size = size or len(inputs)
    parts = [call(np.resize(inputs[at : at + size], (size, *inputs.shape[1:]))) for at in range(0, len(inputs), size)]
    outputs = np.concatenate([np.asarray(part, dtype=np.float32).reshape(size, -1) for part in parts])
    return outputs[: len(inputs)]
