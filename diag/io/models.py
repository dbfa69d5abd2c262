"""Saved models, read lazily: what a file says at once, the network itself when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError, ModelLoadError, UnsupportedModelError
from diag.io.architectures import load_architecture
from diag.io.backends import Backend
from diag.io.batches import affordable
from diag.io.ends import image_input, several_outputs, with_output
from diag.io.extra_inputs import rows_of
from diag.io.isolated import audit, backend_of
from diag.io.layouts import guess_layout, image_shape, require_shape
from diag.io.model_file import ModelFile
from diag.io.modelcard import ModelCard, load_card
from diag.io.network_ends import ends_of
from diag.io.outputs import HEAD_NOTES, output_head, to_probabilities
from diag.io.preprocessing import Preprocessing
from diag.io.trust import judged, refuse_options_of_one
from diag.printable import name_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from diag.io.store import Entry

_RESCALING = ("Rescaling", "Normalization")


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A saved classifier, ready to be asked.

    Parameters
    ----------
    file : ModelFile
        What the file says of itself, read without running anything in it.
    card : ModelCard
        What a person said of it.
    preprocessing : Preprocessing
        The card's, with the caller's wishes on top. Open fields are filled in when data is known.
    name : str
        The card's title, else the file's name without its ending.
    settled : bool
        Whether the preprocessing has been fixed for certain data: nothing is detected or assumed any more.
    label_rule : str, optional
        How the data's labels become class numbers, one of `diag.io.pairing.RULES`; found by `diag.detection`.
    """

    file: ModelFile
    card: ModelCard
    preprocessing: Preprocessing
    name: str
    _backend: Backend = field(repr=False)
    settled: bool = False
    label_rule: str | None = None

    def __post_init__(self) -> None:
        """Make the name such that it can be shown."""
        object.__setattr__(self, "name", name_text(self.name))

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes."""
        return self.file.digest

    @property
    def n_params(self) -> int:
        """Number of parameters, trainable or not."""
        return self.file.n_params

    @property
    def is_keras(self) -> bool:
        """Whether there is a Keras network behind it."""
        return self.file.format in ("keras", "hdf5")

    @property
    def members(self) -> tuple[Model, ...]:
        """The models of an ensemble; none in a single model."""
        return ()

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return "a Keras network" if self.is_keras else f"a scikit-learn {self.file.class_name}"

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages that make its predictions."""
        return ("keras", "tensorflow") if self.is_keras else ("scikit-learn", "skops")

    @property
    def keras(self) -> Any:
        """The `keras.Model`, in this process; importing TensorFlow and building it happens on first use.

        What diag itself computes does not need it: predictions and `run` happen in another process.

        Raises
        ------
        UnsupportedModelError
            For a scikit-learn estimator or an ensemble.
        """
        if self.is_keras:
            return self._backend.model
        raise UnsupportedModelError(
            f"{self.name}: expected a Keras network. Received: {self.kind}, which has no layers to look into."
        )

    def run(
        self,
        operation: str,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        options: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Entry:
        """Return what one of `diag.io.backends.OPERATIONS` finds out about the network itself.

        Raises
        ------
        UnsupportedModelError
            For a scikit-learn estimator or an ensemble.
        """
        if not self.is_keras:
            raise UnsupportedModelError(
                f"{self.name}: expected a Keras network. Received: {self.kind}, which has no layers to look into."
            )
        return self._backend.run(operation, arrays or {}, options or {}, progress)

    def require_one_input(self) -> None:
        """Refuse a network with several inputs, which maps and activations cannot look into.

        Raises
        ------
        UnsupportedModelError
            Naming its inputs.
        """
        if len(self.file.inputs) > 1:
            names = ", ".join(end.name for end in self.file.inputs)
            raise UnsupportedModelError(
                f"{self.name}: expected a network with one input. Received: one that takes {names}. "
                "It can be evaluated and compared, not looked into."
            )

    @property
    def native_shape(self) -> tuple[int | None, ...]:
        """The input as the model takes it, without the batch axis: ``(28, 28, 1)``, ``(1, 28, 28)``, ``(784,)``."""
        if self.file.input_shape is not None:
            return self.file.input_shape
        if len(self.file.inputs) > 1 and self.file.inputs[image_input(self.file)].shape is not None:
            return self.file.inputs[image_input(self.file)].shape or ()
        if self.is_keras:
            return tuple(ends_of(self._backend)["inputs"][image_input(self.file)][1:])
        raise UnsupportedModelError(
            f"{self.name}: the file does not say how many numbers it takes. Fit the estimator on an array, and save it."
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that the model takes."""
        layout = self.preprocessing.layout or guess_layout(self.native_shape)
        return image_shape(self.native_shape, layout, None, self.preprocessing.resize)

    @property
    def n_classes(self) -> int:
        """Number of classes; a single sigmoid unit makes two."""
        outputs = self.file.n_outputs
        if outputs is None:
            outputs = self._classes_of(ends_of(self._backend)["outputs"][0][1:]) if self.is_keras else self._probed()
        return 2 if outputs == 1 else outputs

    @property
    def class_names(self) -> tuple[str, ...]:
        """The card's class names, else the numbers of the outputs.

        Raises
        ------
        InvalidInputError
            If the card names another number of classes than the model has.
        """
        names = self.card.class_names
        if names is None:
            return tuple(str(number) for number in range(self.n_classes))
        if len(names) != self.n_classes:
            raise InvalidInputError(
                f"class_names: expected {self.n_classes} names, one an output of {self.name}. Received: {len(names)} "
                "in the card. Name every class."
            )
        return names

    @property
    def rescales(self) -> bool:
        """Whether the network scales its input itself."""
        return any(layer.class_name in _RESCALING for layer in self.file.layers)

    def resolve(self, images: Any) -> tuple[Model, tuple[str, ...]]:
        """Return this model with its preprocessing fixed for these images, and what was assumed for it.

        `diag.detection.settle` does it where there are labels: it finds out instead of assuming.
        """
        try:
            preprocessing, notes = self.preprocessing.resolve(self.native_shape, images, rescales=self.rescales)
        except InvalidInputError as error:
            raise InvalidInputError(f"{self.name}: {error}") from error
        return replace(self, preprocessing=preprocessing, settled=True), (*notes, *self.output_notes())

    def output_notes(self) -> tuple[str, ...]:
        """Return one sentence for each thing that was found out about the file, or is done to the model's output."""
        notes = tuple(HEAD_NOTES[self._head()].split("|")) if self._head() in HEAD_NOTES else ()
        return (*self.file.notes, *notes)

    def prepare(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return images (n, h, w, c) as the model's own input.

        Raises
        ------
        InvalidInputError
            If they have another shape than the model takes.
        """
        inputs = self.preprocessing.apply(images)
        require_shape(self.file.input_shape, inputs.shape[1:], self.name)
        return inputs

    def predict_proba(self, images: Any, batch_size: int = 256) -> NDArray[np.float32]:
        """Return class probabilities.

        Parameters
        ----------
        images : array-like, shape (n, h, w, c)
            In the data's own units; preprocessing is applied here. Read in slices.
        batch_size : int
            Images a batch, at most: fewer where they are large.

        Returns
        -------
        ndarray of float32, shape (n, k)
            Rows sum to 1. One sigmoid unit becomes two columns; several sigmoids are divided by their sum;
            logits go through softmax.

        Raises
        ------
        InvalidInputError
            If images have another shape than the model takes, or the model returns NaN or infinity.
        """
        model = self if self.preprocessing.layout is not None else self.resolve(images)[0]
        batches = list(model.predict_batches(images, batch_size))
        if not batches:
            return np.zeros((0, self.n_classes), dtype=np.float32)
        return np.concatenate([proba for _, proba in batches])

    def predict_batches(self, images: Any, batch_size: int = 256) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (index of the first image, probabilities) batch by batch; nothing is kept."""
        if batch_size < 1:
            raise InvalidInputError(f"batch_size: expected at least 1. Received: {batch_size}.")
        head, batch_size = self._head(), affordable(batch_size, self.file, images)
        for start in range(0, len(images), batch_size):
            extra = rows_of(images, start, start + batch_size)
            raw = self._backend.predict(self.prepare(np.asarray(images[start : start + batch_size])), extra)
            yield start, self._probabilities(self._rows(raw), head, start)

    def raw_outputs(self, images: Any, batch_size: int = 256) -> NDArray[np.float32]:
        """Return the model's own outputs, shape (n, outputs), before anything is made of them; NaN included."""
        batch_size = affordable(batch_size, self.file, images)
        starts = range(0, len(images), batch_size)
        parts = [
            self._backend.predict(
                self.prepare(np.asarray(images[at : at + batch_size])), rows_of(images, at, at + batch_size)
            )
            for at in starts
        ]
        return np.concatenate([self._rows(part) for part in parts])

    def ask(self, inputs: NDArray[np.float32], extra: Mapping[str, NDArray[Any]] | None = None) -> NDArray[np.float32]:
        """Return the model's own outputs, shape (n, outputs), for inputs that are prepared already; NaN included."""
        return self._rows(self._backend.predict(inputs, extra))

    def read_outputs(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the model's own outputs (n, outputs) as probabilities (n, k); a row with NaN or infinity is NaN."""
        finite = np.isfinite(raw).all(axis=1)
        proba = to_probabilities(raw[finite], self._head())
        out = np.full((len(raw), proba.shape[1]), np.nan, dtype=np.float32)
        out[finite] = proba
        return out

    def _probabilities(self, raw: NDArray[np.float32], head: str, start: int) -> NDArray[np.float32]:
        finite = np.isfinite(raw).all(axis=1)
        if not finite.all():
            raise InvalidInputError(
                f"{self.name}: the model returned NaN or infinity for image {start + int(np.argmin(finite))}. "
                "Look for NaN in its weights, or a wrong scale of the input."
            )
        return to_probabilities(raw, head)

    def _head(self) -> str:
        return output_head(self.file.activation, self.file.n_outputs) if self.is_keras else "softmax"

    def _rows(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        return raw.reshape(len(raw), self._classes_of(raw.shape[1:]))

    def _classes_of(self, shape: Sequence[int | None]) -> int:
        """Return how many numbers one image's output (k,), (1, 1, k) or (k, 1, 1) holds; refuse what is no such row."""
        sizes = [int(size) for size in shape if size is not None and size != 1]
        if len(sizes) > 1:
            raise UnsupportedModelError(
                f"{self.name}: expected one row of classes for each image. Received: an output of "
                f"{'x'.join(map(str, sizes))} numbers, as for segmentation or sequences. Choose another output with "
                "--output NAME, if there is one."
            )
        return sizes[0] if sizes else 1

    def _probed(self) -> int:
        return int(self._backend.predict(np.zeros((1, *self._open_shape()), dtype=np.float32)).shape[-1])

    def _open_shape(self) -> tuple[int, ...]:
        return tuple(size or 32 for size in self.native_shape)


def load_model(
    path: str | Path,
    *,
    preprocessing: Preprocessing | None = None,
    class_names: tuple[str, ...] | None = None,
    output: str | None = None,
    architecture: str | Path | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    trust: bool = False,
) -> Model:
    """Read a saved classifier: Keras ``.keras``, ``.h5``, ``.hdf5``, scikit-learn ``.skops``, or an ensemble of these.

    The file is read as data first; TensorFlow is imported only when the network is needed.

    Parameters
    ----------
    path : str or Path
        The model file. A card ``NAME.toml`` beside it is read too. ``NAME.ensemble.toml`` defines an ensemble, see
        `diag.ensemble`; its members have the cards.
    preprocessing : Preprocessing, optional
        Its fields replace the card's.
    class_names : tuple of str, optional
        Replaces the card's.
    output : str, optional
        Which output of several is meant, by name; replaces the card's.
    architecture : str or Path, optional
        Of a file that holds weights only: the JSON file that ``model.to_json()`` gave, or ``module:function``, which
        is your own code and is run. Without it, a JSON file of the same name beside the weights is used.
    input_shape : tuple of int or None, optional
        Of one sample, where the file does not say it: ``(28, 28, 1)``.
    trust : bool
        Load the file even if that runs code of its own - Lambda layers, custom classes that you registered - by Keras
        itself, in this process. What would run is printed on standard error first. Never for files of strangers.

    Raises
    ------
    ModelLoadError
        If there is no such file or it is not a model; or it has several outputs and none is chosen.
    UnsafeModelError
        If loading it would run code of its own.
    InvalidInputError
        If the card is wrong.

    Examples
    --------
    >>> model = load_model("saved_models/digits/cnn_sd.h5")  # doctest: +SKIP
    >>> model.predict_proba(images).shape  # doctest: +SKIP
    (797, 10)
    """
    if str(path).endswith(".ensemble.toml"):
        from diag.io.ensemble_files import load_ensemble

        refuse_options_of_one(Path(path), output or architecture or input_shape)
        return load_ensemble(Path(path), preprocessing, class_names, trust=trust)
    given = load_architecture(architecture) if architecture is not None else None
    file = judged(audit(Path(path), architecture=given, input_shape=input_shape), trust=trust)
    card = load_card(file.path)
    if output is not None or card.output is not None:
        file = with_output(file, output or card.output)
    if file.output is None and len(file.outputs) > 1:
        raise ModelLoadError(several_outputs(file))
    if class_names is not None:
        card = replace(card, class_names=tuple(class_names))
    return Model(
        file=file,
        card=card,
        preprocessing=card.preprocessing.override(preprocessing) if preprocessing else card.preprocessing,
        name=card.title or file.path.stem,
        _backend=backend_of(file, given, input_shape),
    )
