"""Kernels and activations of convolution layers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_keras
from diag.detection import settle
from diag.errors import InvalidInputError, UnsupportedModelError
from diag.io import store
from diag.io.datasets import Dataset
from diag.results.activations import Activations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from diag.io.models import Model

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")


def kernels(model: Model, *, cache: bool = True) -> Mapping[str, NDArray[np.float32]]:
    """Return the kernels of every 2-D convolution layer.

    Parameters
    ----------
    model : Model
    cache : bool
        Look the result up by content, and keep it.

    Returns
    -------
    mapping of str to ndarray of float32, shape (kh, kw, in, out)
        In the order of the model. A depthwise kernel has shape (kh, kw, in, multiplier).

    Raises
    ------
    UnsupportedModelError
        For a scikit-learn model.
    """
    key = store.content_key(model=model.digest, versions=store.versions(("keras",)))
    kept = store.load("kernels", key) if cache else None
    if kept is None:
        found = {name: _kernel(layer) for name, layer in _convolutions(model.keras)}
        kept = _numbered(found)
        if cache:
            store.save("kernels", key, kept)
    return MappingProxyType(_named(kept))


def activations(
    model: Model,
    images: Dataset | NDArray[Any],
    layers: Sequence[str] | None = None,
    *,
    indices: Sequence[int] | NDArray[Any] | None = None,
    cache: bool = True,
) -> Activations:
    """Return what layers answer to images, in inference mode.

    Parameters
    ----------
    model : Model
    images : Dataset or ndarray, shape (n, h, w, c)
        In the data's own units; the model's preprocessing is applied, so that the network sees what it saw in training.
    layers : sequence of str, optional
        Names of layers; every 2-D convolution when left out.
    indices : sequence of int, optional
        Which images; all when left out.
    cache : bool
        Look the result up by content, and keep it.

    Returns
    -------
    Activations
        name -> (n, h', w', filters) float32, channels last whatever the layer's order.

    Raises
    ------
    InvalidInputError
        If there is no layer of that name.
    UnsupportedModelError
        For a scikit-learn model.
    """
    model.require_one_input()
    source = images.images if isinstance(images, Dataset) else np.asarray(images)
    chosen = np.arange(len(source)) if indices is None else np.asarray(indices, dtype=np.int64).reshape(-1)
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= len(source)):
        raise InvalidInputError(f"indices: expected 0..{len(source) - 1}. Received: {chosen.min()}..{chosen.max()}.")
    if isinstance(images, Dataset):
        model, _, _ = settle(model, images, cache=cache)
    elif not model.settled:
        model, _ = model.resolve(source)
    inputs = model.prepare(np.asarray(source[chosen]))
    key = store.content_key(
        model=model.digest,
        inputs=store.array_digest(inputs),
        layers=None if layers is None else list(layers),
        versions=store.versions(("keras", "tensorflow")),
    )
    kept = store.load("activations", key) if cache else None
    if kept is None:
        kept = _numbered(_outputs(model.keras, inputs, layers))
        if cache:
            store.save("activations", key, kept)
    return Activations(
        layers=MappingProxyType(_named(kept)),
        indices=chosen,
        model_name=model.name,
        model_digest=model.digest,
    )


def _outputs(network: Any, inputs: NDArray[np.float32], names: Sequence[str] | None) -> dict[str, NDArray[np.float32]]:
    """Run the network once and collect the outputs of the wanted layers, nested ones included."""
    keras = import_keras()
    every = dict(_walk(network))
    if names is None:
        wanted = [name for name, layer in every.items() if type(layer).__name__ in CONVOLUTIONS]
    else:
        wanted = list(names)
        missing = [name for name in wanted if name not in every]
        if missing:
            raise InvalidInputError(f"layers: expected some of {', '.join(every)}. Received: {missing[0]!r}.")
    collected: dict[str, NDArray[np.float32]] = {}
    if not wanted:
        return collected
    for prefix, model, feed in _stages(network, inputs):
        local = {name: layer for name, layer in _direct(model, prefix) if name in wanted}
        if not local:
            continue
        probe = keras.Model(model.inputs[0], [layer.output for layer in local.values()])
        outputs = probe(feed, training=False)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        for (name, layer), output in zip(local.items(), outputs, strict=True):
            collected[name] = _channels_last(np.asarray(output, dtype=np.float32), layer)
    return {name: collected[name] for name in wanted if name in collected}


def _stages(network: Any, inputs: Any, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Return (name prefix, model, its input) for a model and, recursively, the models used as its layers."""
    stages = [(prefix, network, inputs)]
    keras = import_keras()
    for layer in network.layers:
        if not hasattr(layer, "layers"):
            continue
        try:
            probe = keras.Model(network.inputs[0], layer.input)
        except (ValueError, AttributeError) as error:
            raise UnsupportedModelError(
                f"layer {prefix}{layer.name!r}: expected a nested model that is used once. {error}"
            ) from error
        stages.extend(_stages(layer, probe(inputs, training=False), f"{prefix}{layer.name}/"))
    return stages


def _walk(network: Any, prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for layer in network.layers:
        if hasattr(layer, "layers"):
            found.extend(_walk(layer, f"{prefix}{layer.name}/"))
        else:
            found.append((f"{prefix}{layer.name}", layer))
    return found


def _direct(network: Any, prefix: str) -> list[tuple[str, Any]]:
    return [(f"{prefix}{layer.name}", layer) for layer in network.layers if not hasattr(layer, "layers")]


def _convolutions(network: Any) -> list[tuple[str, Any]]:
    return [(name, layer) for name, layer in _walk(network) if type(layer).__name__ in CONVOLUTIONS]


def _kernel(layer: Any) -> NDArray[np.float32]:
    weights = [np.asarray(weight) for weight in layer.get_weights()]
    kernel = next(weight for weight in weights if weight.ndim == 4)
    if type(layer).__name__ == "Conv2DTranspose":  # Keras keeps (kh, kw, out, in) there
        kernel = np.swapaxes(kernel, 2, 3)
    return np.ascontiguousarray(kernel, dtype=np.float32)


def _channels_last(output: NDArray[np.float32], layer: Any) -> NDArray[np.float32]:
    if output.ndim == 4 and getattr(layer, "data_format", "channels_last") == "channels_first":
        output = np.moveaxis(output, 1, -1)
    return np.ascontiguousarray(output)


def _numbered(found: Mapping[str, NDArray[np.float32]]) -> store.Entry:
    """Return an entry whose files are numbered: a layer's name may hold characters that no file name may."""
    arrays = {f"{place:04d}": array for place, array in enumerate(found.values())}
    for array in arrays.values():
        array.flags.writeable = False
    return store.Entry(meta={"names": list(found)}, arrays=arrays)


def _named(entry: store.Entry) -> dict[str, NDArray[np.float32]]:
    return {name: entry.arrays[f"{place:04d}"] for place, name in enumerate(entry.meta["names"])}
