"""What a model file becomes when it is asked for predictions."""

from __future__ import annotations

import importlib
import math
import threading
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from diag.errors import DiagError, ModelLoadError, UnsafeModelError, UnsupportedModelError
from diag.io.ends import image_input
from diag.io.extra_inputs import fed
from diag.io.weight_files import opened_as_audited
from diag.printable import printable
from diag.worker import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from diag.io.model_file import ModelFile
    from diag.io.store import Entry

    Progress = Callable[[int, int], None]

OPERATIONS: dict[str, str] = {
    "activations": "diag.filters.network:activations",
    "as_saved": "diag.checks.network_answers:as_saved",
    "batch_statistics": "diag.checks.network_answers:batch_statistics",
    "converted": "diag.io.convert:converted",
    "duplicate_filters": "diag.checks.network_weights:duplicate_filters",
    "ends": "diag.io.network_ends:ends",
    "features": "diag.filters.network:features",
    "kernels": "diag.filters.network:kernels",
    "maps": "diag.explain.network:maps",
    "reinitialised_maps": "diag.explain.network:reinitialised_maps",
    "structure": "diag.checks.network:structure",
    "units": "diag.checks.units:observe",
    "weight_statistics": "diag.checks.network_weights:weight_statistics",
}
"""What can be asked of a network itself, beside its answers: short name -> ``module:function``.

Such a function takes (network, arrays by name, options, progress) and returns an `Entry`. Options and the entry's
``meta`` are what JSON holds, so that it can run in another process.
"""


def operation(name: str) -> Callable[..., Entry]:
    """Return the function behind a name of `OPERATIONS`."""
    module, _, function = OPERATIONS[name].partition(":")
    found: Callable[..., Entry] = getattr(importlib.import_module(module), function)
    return found


class Backend(Protocol):
    """What a model file becomes: prepared input in, the model's own output out."""

    def prepare(self) -> None:
        """Load the model, if it is not loaded; nothing has to call this first."""
        ...

    @property
    def model(self) -> Any:
        """The `keras.Model`, in this process."""
        ...

    def predict(
        self, inputs: NDArray[np.float32], extra: Mapping[str, NDArray[Any]] | None = None
    ) -> NDArray[np.float32]:
        """Return the output for one batch, shape (n, outputs); `extra` holds further inputs by name."""
        ...

    def run(
        self,
        name: str,
        arrays: Mapping[str, NDArray[Any]],
        options: Mapping[str, Any],
        progress: Progress | None = None,
    ) -> Entry:
        """Return what an operation of `OPERATIONS` finds out about the network."""
        ...


class KerasBackend:
    """A Keras model that is loaded on first use. Inference mode always: dropout is off."""

    def __init__(self, file: ModelFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._model: Any = None
        self._call: Any = None

    @property
    def model(self) -> Any:
        """The `keras.Model`, loaded once (thread-safe)."""
        with self._lock:
            if self._model is None:
                from diag.io.keras_files import load_keras

                self._model = load_keras(self._file.path, self._file)
            return self._model

    def prepare(self) -> None:
        """Load the model, if it is not loaded."""
        _ = self.model

    def predict(
        self, inputs: NDArray[np.float32], extra: Mapping[str, NDArray[Any]] | None = None
    ) -> NDArray[np.float32]:
        """Return the output for one batch, in parts where it is large; a fixed batch size is met by padding.

        Raises
        ------
        UnsupportedModelError
            If the network fails, or cannot be computed for such inputs.
        """
        model = self.model
        arrays = [inputs]
        if len(model.inputs) > 1:
            arrays = fed(self._file.inputs, image_input(self._file), inputs, extra, self._file.path.name)
        try:
            return self._answered(arrays, model.inputs[0].shape[0])
        except DiagError:
            raise
        except Exception as error:  # the boundary to Keras and TensorFlow, which raise many kinds
            _refuse_memory(error)
            raise UnsupportedModelError(
                f"{self._file.path.name}: expected a network that answers for inputs of "
                f"{'x'.join(map(str, inputs.shape[1:]))}. Received: {type(error).__name__}: "
                f"{printable(str(error).split('Exception encountered:')[-1], 200)}. diag inspect shows its layers."
            ) from error

    def _answered(self, arrays: list[NDArray[Any]], fixed: int | None) -> NDArray[np.float32]:
        call, parts = self._graph(), []
        step = fixed or max(1, _PART // _widest(self.model))
        for start in range(0, max(len(arrays[0]), 1), step):
            cut = [array[start : start + step] for array in arrays]
            count = len(cut[0])
            if fixed is not None:
                cut = [np.pad(part, [(0, fixed - count)] + [(0, 0)] * (part.ndim - 1)) for part in cut]
            answers = np.asarray(call(*cut))
            if answers.ndim == 0 or len(answers) != len(cut[0]):
                rows = "one number" if answers.ndim == 0 else f"{len(answers):,}"
                raise UnsupportedModelError(
                    f"{self._file.path.name}: expected one answer for each of {len(cut[0])} images. Received: {rows}. "
                    "Rebuild the network so that it keeps the first axis, and save it again."
                )
            parts.append(answers[:count])
        return np.concatenate(parts)

    def run(
        self,
        name: str,
        arrays: Mapping[str, NDArray[Any]],
        options: Mapping[str, Any],
        progress: Progress | None = None,
    ) -> Entry:
        """Return what an operation of `OPERATIONS` finds out about the network.

        Raises
        ------
        UnsupportedModelError
            If TensorFlow cannot compute it for this network.
        """
        try:
            return operation(name)(self.model, arrays, options, progress)
        except DiagError:
            raise
        except Exception as error:
            if not type(error).__module__.startswith("tensorflow."):
                raise
            _refuse_memory(error)
            raise UnsupportedModelError(
                f"{self._file.path.name}: expected a network whose {name.replace('_', ' ')} can be computed. Received: "
                f"{type(error).__name__}: {printable(str(error), 200)}. diag inspect shows its layers."
            ) from error

    def _graph(self) -> Any:
        """Return the model's call as one graph with an open batch axis: compiled once, not once a batch size."""
        from diag._lazy import import_tensorflow

        tf = import_tensorflow()
        model = self.model
        with self._lock:
            if self._call is None:
                specs = [tf.TensorSpec(tensor.shape, tf.float32) for tensor in model.inputs]
                self._call = tf.function(
                    lambda *batch: model(batch[0] if len(batch) == 1 else list(batch), training=False),
                    input_signature=specs,
                )
            return self._call


def _refuse_memory(error: Exception) -> None:
    """Raise `MemoryError` where TensorFlow got no more memory: who set the limit says so."""
    if type(error).__name__ == "ResourceExhaustedError" and inside():
        raise MemoryError from error


_PART = 2**25
"""Numbers that the widest layer gives for one part of a batch: 128 MiB, of which a network holds several at once."""


def _widest(model: Any) -> int:
    """Return how many numbers the widest layer gives for one image, as far as Keras knows."""
    inner: list[Any] = [getattr(layer, "output", None) for layer in model.layers if not hasattr(layer, "layers")]
    shapes = [tensor.shape[1:] for tensor in inner if hasattr(tensor, "shape")]
    own = max((math.prod(size for size in shape if size is not None) for shape in shapes), default=1)
    return max(1, own, *(_widest(layer) for layer in model.layers if hasattr(layer, "layers")))


_SLIGHTLY_LESS = np.float32(1 - 1e-6)
"""Outlives that a row is divided by its sum, and is far below every figure that is shown."""


class SklearnBackend:
    """A scikit-learn estimator saved with skops, loaded on first use."""

    def __init__(self, file: ModelFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._estimator: Any = None

    @property
    def estimator(self) -> Any:
        """The estimator. Types that skops does not know as harmless are refused, never loaded."""
        with self._lock:
            if self._estimator is None:
                self._estimator = _load_skops(self._file)
            return self._estimator

    @property
    def model(self) -> Any:
        """Refuse: an estimator is no network."""
        raise UnsupportedModelError(f"{self._file.path.name}: expected a Keras network. Received: an estimator.")

    def prepare(self) -> None:
        """Load the estimator, if it is not loaded."""
        _ = self.estimator

    def predict(
        self, inputs: NDArray[np.float32], extra: Mapping[str, NDArray[Any]] | None = None
    ) -> NDArray[np.float32]:
        """Return `predict_proba` of one batch; an estimator has no further inputs."""
        estimator = self.estimator
        if not hasattr(estimator, "predict_proba"):
            raise UnsupportedModelError(
                f"{self._file.path.name}: expected an estimator with predict_proba. Received: "
                f"{type(estimator).__name__}. Wrap it in CalibratedClassifierCV and save it again."
            )
        try:
            proba = np.array(estimator.predict_proba(inputs), dtype=np.float32)
            return _led_by_the_answer(proba, estimator, inputs)
        except DiagError:
            raise
        except Exception as error:
            raise UnsupportedModelError(
                f"{self._file.path.name}: expected an estimator that answers for {inputs.shape[1:]} numbers an image. "
                f"Received: {type(error).__name__}: {printable(str(error), 200)}. Train it for such images."
            ) from error

    def run(
        self,
        name: str,
        arrays: Mapping[str, NDArray[Any]],
        options: Mapping[str, Any],
        progress: Progress | None = None,
    ) -> Entry:
        """Refuse: an estimator is no network."""
        raise UnsupportedModelError(f"{self._file.path.name}: expected a Keras network. Received: an estimator.")


def _led_by_the_answer(proba: NDArray[np.float32], estimator: Any, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities (n, k); where several are highest, the class that ``predict`` gives stays so, alone.

    Estimators of a class against the rest, such as `sklearn.linear_model.SGDClassifier`, answer by scores, of which
    several may have a sigmoid of 1: equal probabilities, of which the first is no answer.
    """
    if proba.ndim != 2 or not hasattr(estimator, "classes_"):
        return proba
    highest = proba == proba.max(axis=1, keepdims=True)
    tied = np.flatnonzero(highest.sum(axis=1) > 1)
    if not len(tied):
        return proba
    answers = np.asarray(estimator.predict(inputs[tied]))[:, None] == np.asarray(estimator.classes_)
    led = (answers & highest[tied]).any(axis=1)
    proba[tied[led]] = np.where(highest[tied[led]] & ~answers[led], proba[tied[led]] * _SLIGHTLY_LESS, proba[tied[led]])
    return proba


def _load_skops(file: ModelFile) -> Any:
    from skops import io as skops_io
    from skops.io.exceptions import UntrustedTypesFoundException

    path = file.path
    with opened_as_audited(file) as handle:
        data = handle.read()
    try:
        return skops_io.loads(data, trusted=skops_io.get_untrusted_types(data=data) if file.trusted else [])
    except UntrustedTypesFoundException as error:
        raise UnsafeModelError(
            f"{path.name}: holds types that are not known to be harmless, so it was not loaded: {error}"
        ) from error
    except Exception as error:
        raise ModelLoadError(
            f"{path.name}: expected a scikit-learn estimator saved with skops.io.dump. "
            f"Received: {type(error).__name__}: {printable(str(error), 200)}. Save it again."
        ) from error
