"""SHAP values by `shap.DeepExplainer`, with its limits told in one line.

References
----------
Lundberg & Lee (2017), A unified approach to interpreting model predictions. arXiv:1705.07874, section 4.2.
Shrikumar, Greenside & Kundaje (2017), Learning important features through propagating activation differences.
arXiv:1704.02685.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from diag._lazy import import_keras, import_shap
from diag.errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

_LOCK = threading.Lock()  # DeepExplainer swaps TensorFlow's gradients for all threads while it runs
_PICKER = "diag_picked_outputs"
_MISSING = re.compile(r"no entry for: (?:shap_)?(\w+)")

# TensorFlow operations that DeepExplainer has no rule for, and what in Keras makes them.
_MADE_BY = {
    "LeakyRelu": ("LeakyReLU", "leaky_relu"),
    "Neg": ("PReLU", "LayerNormalization", "GroupNormalization"),
    "DepthwiseConv2dNative": ("DepthwiseConv2D", "SeparableConv2D"),
    "TensorListStack": ("LSTM", "GRU", "SimpleRNN", "Bidirectional"),
    "Erf": ("gelu",),
    "Erfc": ("gelu",),
}
# What it is known to walk through; the first layer that is not of these is named when it gives no operation.
_KNOWN_LAYERS = (
    "InputLayer", "Dense", "Conv1D", "Conv2D", "BatchNormalization", "MaxPooling2D", "AveragePooling2D",
    "GlobalAveragePooling2D", "Flatten", "Reshape", "Dropout", "SpatialDropout2D", "Activation", "ReLU", "Softmax",
    "Add", "Concatenate", "ZeroPadding2D", "Rescaling",
)  # fmt: skip
_KNOWN_ACTIVATIONS = ("", "linear", "relu", "sigmoid", "softmax", "tanh", "softplus", "elu")


def shap_values(
    model: Any,
    inputs: NDArray[np.float32],
    references: NDArray[np.float32],
    outputs: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return SHAP values of outputs for each input.

    Parameters
    ----------
    model : keras.Model
        With one input and one output of shape (n, k).
    inputs, references : ndarray of float32, shape (n, ...) and (m, ...)
        As the model takes them.
    outputs : sequence of int, optional
        Which outputs, k of them; all when left out. Time grows with their number.
    progress : callable, optional
        Gets (images done, images in all).

    Returns
    -------
    values : ndarray of float32, shape (n, ..., k)
    base_values : ndarray of float64, shape (k,)
        Mean output over the references.

    Raises
    ------
    UnsupportedModelError
        If DeepExplainer cannot walk through one of the layers; the message names it.
    """
    shap = import_shap()
    flat = _flat_output(model, outputs)
    values = []
    with _LOCK, warnings.catch_warnings(), _quiet_tensorflow():
        # Functional models warn that DeepExplainer wraps their input in a list.
        warnings.simplefilter("ignore")
        try:
            explainer = shap.DeepExplainer(flat, references)
            for row in range(len(inputs)):
                values.append(np.asarray(explainer.shap_values(inputs[row : row + 1], check_additivity=False)))
                if progress is not None:
                    progress(row + 1, len(inputs))
        except Exception as error:  # the boundary to shap, which raises many kinds
            raise UnsupportedModelError(_refusal(model, error)) from error
        base = np.asarray(explainer.expected_value, dtype=np.float64).reshape(-1)
    k = len(base)
    stacked = np.concatenate(values) if values else np.zeros((0, *inputs.shape[1:], k))
    if stacked.ndim == inputs.ndim and k == 1:
        stacked = stacked[..., None]
    return stacked.astype(np.float32), base


@contextlib.contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """Drop TensorFlow's advice on retracing: DeepExplainer makes one graph an output, and that is as it should be."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _flat_output(model: Any, outputs: Sequence[int] | None) -> Any:
    """Return the model as DeepExplainer wants it: a functional model with an output of shape (n, k)."""
    keras = import_keras()
    output = model.outputs[0]
    if len(output.shape) != 2:
        output = keras.layers.Flatten(name=f"{_PICKER}_flat")(output)
    if outputs is not None:
        # A linear layer that picks outputs: DeepExplainer walks through it exactly, and only the picked ones cost time.
        picker = keras.layers.Dense(len(outputs), use_bias=False, trainable=False, name=_PICKER)
        output = picker(output)
        picker.set_weights([np.eye(picker.kernel.shape[0], dtype=np.float32)[:, list(outputs)]])
    return keras.Model(model.inputs[0], output)


def _refusal(model: Any, error: Exception) -> str:
    text = " ".join(str(error).split())
    found = _MISSING.search(text)
    operation = found.group(1) if found else None
    layer = _layer_of(model, operation)
    if layer is not None:
        kind = ", ".join(name for name in (type(layer).__name__, _activation(layer), operation) if name)
        where = f"layer {layer.name!r} ({kind})"
    elif operation:
        where = f"operation {operation}"
    else:
        where = f"{type(error).__name__}: {text[:160]}"
    return f"shap.DeepExplainer cannot explain this model, it stopped at: {where}. Use --no-explain, or another model."


def _layer_of(model: Any, operation: str | None) -> Any:
    """Return the layer that makes a TensorFlow operation, else the first that is not known to work; None if all are."""
    layers = _walk(model)
    wanted = _MADE_BY.get(operation or "", ())
    for layer in layers:
        if type(layer).__name__ in wanted or _activation(layer) in wanted:
            return layer
    for layer in layers:
        if type(layer).__name__ not in _KNOWN_LAYERS or _activation(layer) not in _KNOWN_ACTIVATIONS:
            return layer
    return None


def _activation(layer: Any) -> str:
    return getattr(getattr(layer, "activation", None), "__name__", "")


def _walk(model: Any) -> list[Any]:
    layers = []
    for layer in model.layers:
        layers.extend(_walk(layer) if hasattr(layer, "layers") else [layer])
    return layers
