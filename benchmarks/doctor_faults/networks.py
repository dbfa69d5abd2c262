"""Small networks, their training, and the surgery that faults need."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

KINDS = ("cnn-bn", "cnn", "mlp", "mlp-bn", "cnn-tanh", "mlp-sigmoid")
BATCH = 32


def build(kind: str, shape: tuple[int, ...], k: int, *, head: str | None = "softmax", dropout: float = 0.2) -> Any:
    """Return an untrained network.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    shape : tuple of int
        The input without the batch axis: (h, w, c), or (pixels,) for an mlp.
    k : int
        Outputs.
    head : str or None
        Activation of the last layer.
    dropout : float
        Before the last hidden layer.
    """
    import keras
    from keras import layers

    stem = _convolutions(kind) if kind.startswith("cnn") else _dense_stem(kind, flat=len(shape) == 1)
    tail = [layers.Dropout(dropout), layers.Dense(32, activation=_activation(kind))]
    return keras.Sequential([keras.Input(shape), *stem, *tail, layers.Dense(k, activation=head)])


def _activation(kind: str) -> str:
    return {"cnn-tanh": "tanh", "mlp-sigmoid": "sigmoid"}.get(kind, "relu")


def _convolutions(kind: str) -> list[Any]:
    from keras import layers

    stem: list[Any] = []
    for filters in (8, 16):
        if kind == "cnn-bn":
            stem += [layers.Conv2D(filters, 3), layers.BatchNormalization(momentum=0.9), layers.ReLU()]
        else:
            stem.append(layers.Conv2D(filters, 5, activation=_activation(kind)))
        stem.append(layers.MaxPooling2D())
    return [*stem, layers.Flatten()]


def _dense_stem(kind: str, flat: bool) -> list[Any]:
    from keras import layers

    stem: list[Any] = [] if flat else [layers.Flatten()]
    if kind == "mlp-bn":
        return [*stem, layers.Dense(64), layers.BatchNormalization(momentum=0.9), layers.ReLU()]
    return [*stem, layers.Dense(64, activation=_activation(kind))]


def fit(
    network: Any,
    x: NDArray[Any],
    y: NDArray[np.int64],
    *,
    validation: tuple[NDArray[Any], NDArray[np.int64]] | None = None,
    epochs: int = 10,
    rate: float = 2e-3,
    loss: str | Any = "sparse_categorical_crossentropy",
    callbacks: Iterable[Any] = (),
    restore: bool = True,
) -> dict[str, list[float]]:
    """Train on inputs as the network takes them; return the history. With `validation` the best epoch is kept."""
    import keras

    keras.utils.set_random_seed(0)
    network.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    given = list(callbacks)
    if validation is not None and restore:
        given.append(keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True))
    fitted = network.fit(x, y, batch_size=BATCH, epochs=epochs, validation_data=validation, callbacks=given, verbose=0)
    return {key: [float(value) for value in values] for key, values in fitted.history.items()}


def save(network: Any, path: Path) -> Path:
    """Save a network, without Keras's advice against HDF5; nothing of the training is saved with it."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network.save(path)
    finally:
        logger.setLevel(level)
    return path


def load(path: Path) -> Any:
    """Return a saved network without its training."""
    import keras

    return keras.models.load_model(path, compile=False)


def rewire(network: Any, call: Callable[[Any, Any], Any], layers: Iterable[Any] | None = None) -> Any:
    """Return a functional network of the same layers in a row, each called by `call(layer, tensor)`."""
    import keras

    tensor = inputs = keras.Input(network.input_shape[1:])
    for layer in network.layers if layers is None else layers:
        tensor = call(layer, tensor)
    return keras.Model(inputs, tensor)


def with_head(network: Any, kernel: NDArray[Any], bias: NDArray[Any], activation: str | None = "softmax") -> Any:
    """Return the network with another last layer."""
    from keras import layers

    head = layers.Dense(len(bias), activation=activation, name="head")
    changed = rewire(network, lambda layer, tensor: layer(tensor), [*network.layers[:-1], head])
    head.set_weights([kernel, bias])
    return changed


def head_weights(network: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return kernel and bias of the last layer."""
    kernel, bias = network.layers[-1].get_weights()
    return kernel, bias


def of_type(network: Any, *names: str) -> list[Any]:
    """Return the layers of some classes, in order."""
    return [layer for layer in network.layers if type(layer).__name__ in names]


def hidden(network: Any) -> list[Any]:
    """Return the layers with a kernel, except the last."""
    return of_type(network, "Conv2D", "Dense")[:-1]


def change(layer: Any, edit: Callable[[list[NDArray[Any]]], None]) -> None:
    """Edit a layer's weights in place; `edit` gets copies in Keras's order."""
    weights = [np.array(array) for array in layer.get_weights()]
    edit(weights)
    layer.set_weights(weights)
