"""`diag.explain`: one call, whatever the method behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.arrays import frozen
from diag.detection import settle
from diag.errors import DataError, InvalidInputError, UnsupportedModelError
from diag.explain.background import References, draw_background
from diag.explain.bounds import MAX_MEMORY
from diag.explain.ensembles import averaged_maps, require_linear
from diag.io import store
from diag.io.arguments import image_numbers, whole_number
from diag.io.datasets import Dataset
from diag.io.ensembles import EnsembleModel
from diag.io.layouts import from_layout
from diag.io.outputs import output_head
from diag.io.pairing import match_classes
from diag.results.attribution import Attribution

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from diag.explain.background import Background
    from diag.io.models import Model

    Outputs = str | Sequence[int] | NDArray[Any]
    Progress = Callable[[int, int], None]

Method = Literal["deepshap", "expected_gradients"]
METHODS = {"deepshap": "DeepSHAP", "expected_gradients": "Expected gradients (an estimate)"}
TARGETS = ("probability", "logit")


def explain(
    model: Model,
    data_or_images: Dataset | NDArray[Any],
    indices: Sequence[int] | NDArray[Any] | None = None,
    background: Background = 100,
    outputs: Outputs = "all",
    seed: int = 0,
    *,
    target: Literal["probability", "logit"] = "probability",
    method: Method = "deepshap",
    tolerance: float | None = None,
    max_memory: float = MAX_MEMORY,
    cache: bool = True,
    progress: Progress | None = None,
) -> Attribution:
    """Return how much each pixel added to each class's probability, against reference images.

    Parameters
    ----------
    model : Model
        A Keras network, or an average of Keras networks: its maps are the mean of theirs.
    data_or_images : Dataset or ndarray, shape (n, h, w, c)
        Images in the data's own units.
    indices : sequence of int, optional
        Which images; all when left out.
    background : int, str, sequence of int or ndarray, shape (m, h, w, c)
        How many references to draw (by class, from the training split where there is one), ``"kmeans:N"``, numbers of
        images, or the references.
    outputs : str or sequence of int
        Which classes: ``"all"``, ``"predicted"``, ``"true+predicted"`` (of what is not an error: the predicted class
        and the second most probable), ``"top3"`` or another number, or class numbers. Time grows with their number.
    seed : int
        Seeds the draw of references, and their order.
    target : "probability" or "logit"
        What is explained. A logit is what goes into the last softmax or sigmoid.
    method : "deepshap" or "expected_gradients"
        DeepSHAP is exact in that maps add up; expected gradients is an estimate for any differentiable network.
    tolerance : float, optional
        Use references in random order until the standard error of an image's maps (root mean square over pixels)
        falls below this share of their largest value; `n_used` and `relative_error` say what was reached. DeepSHAP.
    max_memory : float
        Bytes over the model itself that may be used, about.
    cache : bool
        Look the result up by content, and keep it.
    progress : callable, optional
        Gets (work done, work in all).

    Returns
    -------
    Attribution
        With the additivity error of each image.

    Raises
    ------
    UnsupportedModelError
        For a scikit-learn model, or a network with a layer that DeepSHAP has no rule for (it is named).
    InvalidInputError
        If there is no image, or an index, output, seed, method, target or tolerance is not one of those above.

    References
    ----------
    Lundberg & Lee (2017), arXiv:1705.07874, section 4.2. Erion et al. (2021), arXiv:1906.10670 (expected gradients).

    Examples
    --------
    >>> maps = explain(model, load_dataset("digits"), [3, 8], outputs="true+predicted")  # doctest: +SKIP
    >>> maps.contrast().labels(0)  # doctest: +SKIP
    ('9 rather than 4',)
    """
    require_linear(model, target, tolerance) if model.members else _require_network(model)
    _check(method, target, tolerance, max_memory)
    seed = whole_number("seed", seed, 0)
    source = data_or_images.images if isinstance(data_or_images, Dataset) else np.asarray(data_or_images)
    if len(source.shape) != 4:
        raise InvalidInputError(f"expected images (n, h, w, c). Received: shape {tuple(source.shape)}.")
    chosen = image_numbers(indices, len(source))
    model = _settled(model, data_or_images, source, cache)
    names, labels = _labels(model, data_or_images, chosen)
    images = np.asarray(source[chosen])
    data = data_or_images if isinstance(data_or_images, Dataset) else source
    references = draw_background(background, data, seed, model.card.source)
    if isinstance(model, EnsembleModel):
        options = {"seed": seed, "method": method, "max_memory": max_memory, "cache": cache}
        return _of_ensemble(model, images, chosen, names, labels, outputs, references, background, options, progress)
    request = _Request(model, images, references, outputs, labels, target, method, tolerance, seed, max_memory)
    arrays = request.arrays(cache, progress)
    layout = model.preprocessing.layout or "channels_last"
    shape = model.preprocessing.input_image_shape(images.shape[1:])
    return Attribution(
        values=frozen(from_layout(arrays["values"], layout, shape)),
        base_values=frozen(arrays["base_values"]),
        predictions=frozen(arrays["predictions"].astype(np.float32)),
        images=frozen(from_layout(model.prepare(images), layout, shape)),
        indices=frozen(chosen),
        outputs=frozen(arrays["outputs"]),
        class_names=names,
        y_pred=frozen(arrays["y_pred"]),
        y_true=None if labels is None else frozen(labels),
        target=target,
        method=METHODS[method],
        n_background=len(references.images),
        seed=seed,
        background_note=references.note,
        n_used=frozen(arrays["n_used"]),
        relative_error=frozen(arrays["relative_error"]),
        model_name=model.name,
        model_digest=model.digest,
    )


def _require_network(model: Model) -> None:
    if not model.is_keras:
        raise UnsupportedModelError(
            f"{model.name}: expected a Keras network. Received: {model.kind}. Maps are made of networks only."
        )
    model.require_one_input()


def _of_ensemble(
    model: EnsembleModel,
    images: NDArray[Any],
    chosen: NDArray[np.int64],
    names: tuple[str, ...],
    labels: NDArray[np.int64] | None,
    outputs: Outputs,
    references: References,
    background: Background,
    options: dict[str, Any],
    progress: Progress | None,
) -> Attribution:
    """Return the weighted mean of the members' maps, against the same references."""
    proba = model.predict_proba(images)
    classes = classes_of(outputs, proba, labels)
    mean = averaged_maps(model, model.weights, images, classes, references, background, options, explain, progress)
    same: dict[str, Any] = {key: frozen(each) if isinstance(each, np.ndarray) else each for key, each in mean.items()}
    return Attribution(
        **same,
        predictions=frozen(np.take_along_axis(proba, classes, axis=1)),
        indices=frozen(chosen),
        outputs=frozen(classes),
        class_names=names,
        y_pred=frozen(proba.argmax(axis=1).astype(np.int64).reshape(len(proba))),
        y_true=None if labels is None else frozen(labels),
        target="probability",
        seed=options["seed"],
        background_note=references.note,
        model_name=model.name,
        model_digest=model.digest,
    )


def _settled(model: Model, data: Any, images: Any, cache: bool) -> Model:
    """Return the model as it is used on these images: found out where there are labels, assumed elsewhere."""
    if isinstance(data, Dataset):
        return settle(model, data, cache=cache)[0]
    return model if model.settled else model.resolve(images)[0]


def _check(method: str, target: str, tolerance: float | None, max_memory: float) -> None:
    if method not in METHODS:
        raise InvalidInputError(f"method: expected {' or '.join(METHODS)}. Received: {method!r}.")
    if target not in TARGETS:
        raise InvalidInputError(f"target: expected {' or '.join(TARGETS)}. Received: {target!r}.")
    if tolerance is not None and not 0 < tolerance < 1:
        raise InvalidInputError(f"tolerance: expected a share between 0 and 1. Received: {tolerance}.")
    if tolerance is not None and method != "deepshap":
        raise InvalidInputError("tolerance: expected method 'deepshap', which can stop early. Received: another one.")
    if not max_memory > 0:
        raise InvalidInputError(f"max_memory: expected a number of bytes above 0. Received: {max_memory}.")


def _labels(model: Model, data: Any, chosen: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
    """Return class names, and the images' labels as the model's class numbers where the data has labels that fit."""
    if not isinstance(data, Dataset) or data.labels is None:
        return tuple(model.class_names), None
    try:
        names, labels, _ = match_classes(model, data)
    except DataError:
        return tuple(model.class_names), None
    return tuple(names), labels[chosen]


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """What decides the numbers: the key of the cache is made of it."""

    model: Model
    images: NDArray[Any]
    references: References
    outputs: Outputs
    labels: NDArray[np.int64] | None
    target: Literal["probability", "logit"]
    method: Method
    tolerance: float | None
    seed: int
    max_memory: float

    def arrays(self, cache: bool, progress: Progress | None) -> Any:
        """Return arrays by name, from the cache if they are there."""
        needs_labels = self.outputs if isinstance(self.outputs, str) else ""
        seeded = self.tolerance is not None or self.method != "deepshap"
        key = store.content_key(
            method=METHODS[self.method],
            rules=RULES_VERSION,
            model=self.model.digest,
            preprocessing=self.model.preprocessing.to_dict(),
            images=store.array_digest(self.images),
            references=store.array_digest(self.references.images),
            weights=None if self.references.weights is None else store.array_digest(self.references.weights),
            outputs=self.outputs if isinstance(self.outputs, str) else [int(number) for number in self.outputs],
            labels=self.labels.tolist() if self.labels is not None and "true" in needs_labels else None,
            target=self.target,
            tolerance=self.tolerance,
            seed=self.seed if seeded else None,
            versions=store.versions(),
        )
        kept = store.load("attributions", key) if cache else None
        if kept is None or "relative_error" not in kept.arrays:
            kept = store.Entry(meta={}, arrays=self._compute(progress))
            if cache:
                store.save("attributions", key, kept)
        return kept.arrays

    def _compute(self, progress: Progress | None) -> dict[str, NDArray[Any]]:
        model = self.model
        proba = model.predict_proba(self.images)
        classes = classes_of(self.outputs, proba, self.labels)
        inputs, references = model.prepare(self.images), model.prepare(self.references.images)
        weights = self.references.weights
        arrays: dict[str, NDArray[Any]] = {"inputs": inputs, "references": references, "classes": classes}
        arrays |= {} if weights is None else {"weights": weights}
        options = {"method": self.method, "target": self.target, "tolerance": self.tolerance, "seed": self.seed}
        options |= {"max_memory": self.max_memory, **activation_options(model)}
        maps = model.run("maps", arrays, options, progress).arrays
        return {
            "values": maps["values"],
            "base_values": maps["base_values"],
            "predictions": maps["predictions"],
            "outputs": classes,
            "y_pred": proba.argmax(axis=1).astype(np.int64).reshape(len(proba)),
            "n_used": maps["n_used"],
            "relative_error": maps["relative_error"],
        }


def activation_options(model: Model) -> dict[str, Any]:
    """Return the last activation as the file has it, and whether the outputs have to tell what they are."""
    activation = model.file.activation
    return {"activation": activation, "look": output_head(activation, model.file.n_outputs) == "unknown"}


RULES_VERSION = 1
"""Raised when a rule changes the numbers: cached maps are then not found."""


def classes_of(outputs: Outputs, proba: NDArray[np.float32], labels: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the class numbers (n, k) that `outputs` asks for.

    Parameters
    ----------
    outputs : str or sequence of int
        As `explain` takes them.
    proba : ndarray, shape (n, classes)
    labels : ndarray of int64, shape (n,), optional

    Raises
    ------
    InvalidInputError
        If there is no such class or word, or no labels where they are asked for.
    """
    n, classes = proba.shape
    if not isinstance(outputs, str):
        chosen = np.asarray(outputs, dtype=np.int64).reshape(-1)
        if not len(chosen) or chosen.min() < 0 or chosen.max() >= classes:
            raise InvalidInputError(
                f"outputs: expected class numbers in 0..{classes - 1}. Received: "
                f"{[int(each) for each in chosen]}. Choose among these classes."
            )
        return np.tile(chosen, (n, 1))
    if outputs == "all":
        return np.tile(np.arange(classes), (n, 1))
    order = np.argsort(-proba, axis=1, kind="stable")
    if outputs == "predicted":
        return order[:, :1]
    if outputs == "true+predicted":
        if labels is None:
            raise InvalidInputError("outputs: 'true+predicted' expected labelled data. Received: no labels that fit.")
        second = order[:, min(1, classes - 1)]
        return np.stack([order[:, 0], np.where(labels == order[:, 0], second, labels)], axis=1)
    found = re.fullmatch(r"top(\d{1,6})", outputs)
    if found is None or int(found[1]) < 1:
        raise InvalidInputError(
            f"outputs: expected 'all', 'predicted', 'true+predicted', 'top3' or class numbers. Received: {outputs!r}. "
            "Choose one of these."
        )
    return order[:, : int(found[1])]
