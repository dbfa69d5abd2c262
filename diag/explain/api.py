"""`diag.explain`: one call, whatever the method behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import InvalidInputError, UnsupportedModelError
from diag.explain.background import draw_background
from diag.io import store
from diag.io.datasets import Dataset
from diag.io.preprocessing import from_layout
from diag.results.attribution import Attribution

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from diag.io.models import Model

METHOD = "shap.DeepExplainer"


def explain(
    model: Model,
    data_or_images: Dataset | NDArray[Any],
    indices: Sequence[int] | NDArray[Any] | None = None,
    background: int | NDArray[Any] = 100,
    outputs: Literal["all"] | Sequence[int] = "all",
    seed: int = 0,
    *,
    cache: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Attribution:
    """Return how much each pixel added to each class's probability (SHAP values, DeepExplainer).

    Parameters
    ----------
    model : Model
        A Keras network.
    data_or_images : Dataset or ndarray, shape (n, h, w, c)
        Images in the data's own units.
    indices : sequence of int, optional
        Which images; all when left out.
    background : int or ndarray, shape (m, h, w, c)
        How many references to draw (from the training split where there is one), or the references.
    outputs : "all" or sequence of int
        Which classes to return.
    seed : int
        Seeds the draw of references.
    cache : bool
        Look the result up by content, and keep it.
    progress : callable, optional
        Gets (images done, images in all).

    Returns
    -------
    Attribution
        With the additivity error of each image.

    Raises
    ------
    UnsupportedModelError
        For a scikit-learn model, or a network with a layer that DeepExplainer has no rule for (it is named).
    InvalidInputError
        If an index or output does not exist.

    References
    ----------
    Lundberg & Lee (2017), arXiv:1705.07874, section 4.2.
    """
    if not model.is_keras:
        raise UnsupportedModelError(
            f"{model.name}: expected a Keras network. Received: a scikit-learn {model.file.class_name}. "
            "shap.DeepExplainer explains networks only."
        )
    source = data_or_images.images if isinstance(data_or_images, Dataset) else np.asarray(data_or_images)
    if len(source.shape) != 4:
        raise InvalidInputError(f"expected images (n, h, w, c). Received: shape {tuple(source.shape)}.")
    chosen = _indices(indices, len(source))
    model, _ = model.resolve(source)
    wanted = _outputs(outputs, model.n_classes)
    # One sigmoid unit is two classes: its map is computed once and mirrored.
    picked = None if len(wanted) == model.n_classes or model.file.n_outputs == 1 else list(wanted)
    data = data_or_images if isinstance(data_or_images, Dataset) else source
    references, note = draw_background(background, data, seed)
    images = np.asarray(source[chosen])
    key = store.content_key(
        method=METHOD,
        model=model.digest,
        preprocessing=model.preprocessing.to_dict(),
        images=store.array_digest(images),
        references=store.array_digest(references),
        outputs=picked,
        versions=store.versions(),
    )
    kept = store.load("attributions", key) if cache else None
    if kept is None or "values" not in kept.arrays:
        kept = store.Entry(meta={}, arrays=_compute(model, images, references, picked, progress))
        if cache:
            store.save("attributions", key, kept)
    return _attribution(model, kept.arrays, images, chosen, wanted, picked is None, len(references), seed, note)


def _compute(
    model: Model,
    images: NDArray[Any],
    references: NDArray[Any],
    picked: list[int] | None,
    progress: Callable[[int, int], None] | None,
) -> dict[str, NDArray[Any]]:
    from diag.explain.deepexplainer import shap_values

    network = model.keras
    inputs = model.prepare(images)
    values, base = shap_values(network, inputs, model.prepare(references), picked, progress)
    predictions = np.asarray(network(inputs, training=False), dtype=np.float32).reshape(len(inputs), -1)
    predictions = predictions if picked is None else predictions[:, picked]
    return {"values": values, "base_values": base, "predictions": predictions}


def _attribution(
    model: Model,
    arrays: Any,
    images: NDArray[Any],
    chosen: NDArray[np.int64],
    wanted: tuple[int, ...],
    complete: bool,
    n_background: int,
    seed: int,
    note: str,
) -> Attribution:
    layout = model.preprocessing.layout or "channels_last"
    shape = model.preprocessing.input_image_shape(images.shape[1:])
    values, base, predictions = arrays["values"], arrays["base_values"], arrays["predictions"]
    if len(base) == 1 and model.n_classes == 2:  # one sigmoid: what speaks for one class speaks against the other
        values = np.concatenate([-values, values], axis=-1)
        base = np.concatenate([1 - base, base])
        predictions = np.concatenate([1 - predictions, predictions], axis=1)
    picked = list(wanted) if complete else list(range(len(wanted)))
    return Attribution(
        values=_frozen(from_layout(values, layout, shape)[..., picked]),
        base_values=_frozen(np.tile(base[picked], (len(chosen), 1))),
        predictions=_frozen(predictions[:, picked]),
        images=_frozen(from_layout(model.prepare(images), layout, shape)),
        indices=_frozen(chosen),
        outputs=_frozen(np.tile(np.asarray(wanted, np.int64), (len(chosen), 1))),
        class_names=tuple(model.class_names),
        y_pred=_frozen(predictions.argmax(axis=1)),
        method=METHOD,
        n_background=n_background,
        seed=seed,
        background_note=note,
        model_name=model.name,
        model_digest=model.digest,
    )


def _indices(indices: Sequence[int] | NDArray[Any] | None, n: int) -> NDArray[np.int64]:
    chosen = np.arange(n) if indices is None else np.asarray(indices, dtype=np.int64).reshape(-1)
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= n):
        raise InvalidInputError(f"indices: expected 0..{n - 1}. Received: {chosen.min()}..{chosen.max()}.")
    return chosen


def _outputs(outputs: Literal["all"] | Sequence[int], k: int) -> tuple[int, ...]:
    if isinstance(outputs, str):
        if outputs != "all":
            raise InvalidInputError(f"outputs: expected 'all' or class numbers. Received: {outputs!r}.")
        return tuple(range(k))
    chosen = tuple(int(number) for number in outputs)
    if not chosen or min(chosen) < 0 or max(chosen) >= k:
        raise InvalidInputError(f"outputs: expected class numbers in 0..{k - 1}. Received: {list(outputs)}.")
    return chosen


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
