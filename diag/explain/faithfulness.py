"""How far to trust maps of a model: deletion, insertion, and what is left of them when the weights are gone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.detection import settle
from diag.errors import InvalidInputError, UnsupportedModelError
from diag.explain.api import activation_options, explain
from diag.explain.background import draw_background
from diag.explain.bounds import MAX_MEMORY
from diag.explain.randomisation import MAX_STAGES, rank_correlation
from diag.io import store
from diag.io.arguments import image_numbers, whole_number
from diag.io.datasets import Dataset
from diag.io.layouts import from_layout
from diag.io.preprocessing import Preprocessing
from diag.results.faithfulness import BASELINES, KINDS, ORDERS, Faithfulness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from diag.io.models import Model
    from diag.results.attribution import Attribution

    Progress = Callable[[int, int], None]

MAX_SANITY_IMAGES = 8
_PAIRS = tuple((kind, order) for order in ORDERS for kind in KINDS)


def faithfulness(
    model: Model,
    data: Dataset,
    indices: Sequence[int] | NDArray[Any] | None = None,
    *,
    n: int = 20,
    background: int | NDArray[Any] = 50,
    seed: int = 0,
    steps: int = 20,
    n_random: int = 5,
    cache: bool = True,
    progress: Progress | None = None,
) -> Faithfulness:
    """Return how far maps of the predicted class can be trusted.

    Parameters
    ----------
    model : Model
        A Keras network. It is never changed.
    data : Dataset
    indices : sequence of int, optional
        Which images; when left out `n` are drawn, as many from each class as can be.
    n : int
        Images to draw.
    background : int or ndarray, shape (m, h, w, c)
        How many references to draw (from the training split where there is one), or the references. Their mean is
        what deleted pixels become.
    seed : int
        Seeds every draw.
    steps : int
        In how many equal steps pixels are replaced.
    n_random : int
        Random orders an image, whose curves are averaged.
    cache : bool
        Look the result up by content, and keep it.
    progress : callable, optional
        Gets (work done, work in all), in maps and curves.

    Returns
    -------
    Faithfulness

    Raises
    ------
    UnsupportedModelError
        For a scikit-learn model or an ensemble, or a network that `explain` has no maps of.
    InvalidInputError
        If there is no index or one does not exist, or a number is below 1.

    Notes
    -----
    Deletion: pixels are replaced by the mean reference, most supporting first (the map summed over channels), in the
    geometry that the model sees. Insertion: they are put back into it in that order. Equal pixels come in a random
    order. Random orders, and the Sobel magnitude of the grey image, are what a map has to beat.

    Randomisation: in a copy of the network, every weight array with two axes or more is drawn from a normal
    distribution of mean 0 and of the array's own standard deviation, layer after layer from the output down, each
    stage keeping what was drawn before (at most six stages, at most eight images). Arrays with one axis stay as they
    are: biases, and the scales and statistics of batch normalisation. The map of the class that the *original* network
    predicted is then compared by Spearman's rank correlation, over the pixels that either map marks: pixels that
    never vary are 0 in both and would only add agreement. A map that is flat for the re-initialised network has
    correlation 0, one that is flat from the start none. As a map of differences from references is a product with
    them, its strength without signs follows the image even if the weights are gone: the correlation with signs stands
    beside it.

    References
    ----------
    Petsiuk, Das & Saenko (2018), RISE: randomized input sampling for explanation of black-box models.
    arXiv:1806.07421 (deletion and insertion).
    Adebayo, Gilmer, Muelly et al. (2018), Sanity checks for saliency maps. arXiv:1810.03292, section 3.

    Examples
    --------
    >>> found = faithfulness(load_model("cnn.h5"), load_dataset("digits"))  # doctest: +SKIP
    >>> found.verdict()  # doctest: +SKIP
    """
    if not model.is_keras:
        raise UnsupportedModelError(
            f"{model.name}: expected a Keras network. Received: {model.kind}, "
            "whose weights cannot be drawn anew layer by layer. Pass a Keras model."
        )
    if not isinstance(data, Dataset):
        raise InvalidInputError(
            f"expected a Dataset. Received: {type(data).__name__}. Wrap arrays: load_dataset((images, labels))."
        )
    model.require_one_input()
    for name, value in {"n": n, "steps": steps, "n_random": n_random}.items():
        whole_number(name, value)
    whole_number("seed", seed, 0)
    chosen = stratified_indices(data, n, seed) if indices is None else image_numbers(indices, len(data))
    model, _, _ = settle(model, data, cache=cache)
    drawn = draw_background(background, data, seed, model.card.source)
    references, note = drawn.images, drawn.note
    tested = np.unique(np.linspace(0, len(chosen) - 1, MAX_SANITY_IMAGES).round().astype(int))
    n_curves = len(ORDERS) * (len(BASELINES) + n_random)
    report = _Reporting(progress, len(chosen) + n_curves + MAX_STAGES * len(tested))
    attribution = explain(
        model,
        data,
        chosen,
        references,
        outputs="predicted",
        seed=seed,
        cache=cache,
        progress=report.within(len(chosen)),
    )
    report.add(len(chosen))
    case = _Case(model, data, references, attribution, _predicted_maps(attribution, attribution.y_pred), seed, report)
    kept = _kept(case, tested, steps, n_random, cache)
    report.finish()
    return Faithfulness(
        fractions=kept.arrays["fractions"],
        probabilities=MappingProxyType({(kind, order): kept.arrays[f"{kind}-{order}"] for kind, order in _PAIRS}),
        layers=tuple(kept.meta["layers"]),
        correlations=kept.arrays["correlations"],
        signed_correlations=kept.arrays["signed_correlations"],
        indices=attribution.indices,
        y_pred=attribution.y_pred,
        method=attribution.method,
        background_note=note,
        model_name=model.name,
        model_digest=model.digest,
        data_name=data.name,
        data_digest=data.digest,
        seed=seed,
    )


def stratified_indices(data: Dataset, n: int, seed: int) -> NDArray[np.int64]:
    """Return the numbers of `n` images, drawn at random with as many from each class as can be; sorted.

    Data without labels is one class. All images when there are no more than `n`.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(data))
    labels = np.zeros(len(data), np.int64) if data.labels is None else np.asarray(data.labels)
    turns = np.empty(len(data), np.int64)
    for label in np.unique(labels):
        members = labels[drawn] == label
        turns[members] = np.arange(members.sum())
    # The first of every class, then the second of every class, until there are enough.
    return np.sort(drawn[np.argsort(turns, kind="stable")[:n]])


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """What is looked into: a model, images of a data set, and the maps (n, h, w) of their predicted classes."""

    model: Model
    data: Dataset
    references: NDArray[Any]
    attribution: Attribution
    maps: NDArray[np.float64]
    seed: int
    report: _Reporting


class _Reporting:
    """Hands the work done to a caller who asked for it."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def within(self, count: int) -> Progress:
        """Return what reports on a part of `count` pieces of work, whatever it counts in itself."""
        return lambda done, total: self._say(self._done + count * done // max(total, 1))

    def _say(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, self._total)

    def add(self, count: int) -> None:
        self._done += count
        self._say(self._done)

    def finish(self) -> None:
        self.add(self._total - self._done)  # there was less to do if the result was kept, or the network is small


def _predicted_maps(attribution: Attribution, classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each image's map of its class in `classes`, summed over channels, shape (n, h, w)."""
    column = (attribution.outputs == classes[:, None]).argmax(axis=1)
    values = attribution.values[np.arange(len(classes)), ..., column]
    return np.asarray(values.sum(axis=-1, dtype=np.float64))


def _kept(case: _Case, tested: NDArray[np.int64], steps: int, n_random: int, cache: bool) -> store.Entry:
    """Return curves and correlations from the cache, else made and kept."""
    key = store.content_key(
        result="faithfulness",
        method=case.attribution.method,
        model=case.model.digest,
        preprocessing=case.model.preprocessing.to_dict(),
        images=store.array_digest(case.attribution.images),
        maps=store.array_digest(case.maps),
        classes=case.attribution.y_pred.tolist(),
        references=store.array_digest(case.references),
        options=[case.seed, steps, n_random, MAX_STAGES, MAX_SANITY_IMAGES],
        versions=store.versions(),
    )
    entry = store.load("attributions", key) if cache else None
    if entry is None or "correlations" not in entry.arrays:
        arrays = _curves(case, steps, n_random)
        layers, correlations = _sanity(case, tested)
        arrays |= correlations
        for array in arrays.values():
            array.flags.writeable = False
        entry = store.Entry(meta={"layers": layers}, arrays=arrays)
        if cache:
            store.save("attributions", key, entry)
    return entry


@dataclass(frozen=True, slots=True, eq=False)
class _Replaced:
    """Images in which more and more pixels come from others: made when a batch is asked for, never all at once."""

    images: NDArray[np.float32]  # (n, h, w, c)
    others: NDArray[np.float32]  # (h, w, c) or (n, h, w, c)
    ranks: NDArray[np.int64]  # (n, h, w): when a pixel's turn comes
    counts: NDArray[np.int64]  # (steps + 1,): how many are replaced

    def __len__(self) -> int:
        return len(self.images) * len(self.counts)

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        image, step = np.divmod(np.arange(len(self))[part], len(self.counts))
        replaced = self.ranks[image] < self.counts[step][:, None, None]
        others = np.broadcast_to(self.others, self.images.shape)
        return np.where(replaced[..., None], others[image], self.images[image])


def _curves(case: _Case, steps: int, n_random: int) -> dict[str, NDArray[Any]]:
    """Return ``fractions`` and, for each kind and order, probabilities (n, steps + 1)."""
    images = case.attribution.images
    n, height, width, _ = images.shape
    counts = np.rint(np.linspace(0, height * width, steps + 1)).astype(np.int64)
    mean = _mean_reference(case)
    rng = np.random.default_rng(case.seed)
    ties = rng.random((n, height, width))
    orders = {"map": [_ranks(case.maps, ties)], "edges": [_ranks(edges(images), ties)]}
    orders["random"] = [_ranks(rng.random((n, height, width)), ties) for _ in range(n_random)]
    # Images are as the model sees them by now: only the order of axes is left to do.
    seen = replace(case.model, preprocessing=Preprocessing(layout=case.model.preprocessing.layout))
    found: dict[str, NDArray[Any]] = {"fractions": counts / (height * width)}
    for kind, order in _PAIRS:
        curves = []
        for ranks in orders[kind]:
            first, second = (images, mean) if order == "deletion" else (np.broadcast_to(mean, images.shape), images)
            proba = seen.predict_proba(_Replaced(first, second, ranks, counts))
            picked = proba.reshape(n, steps + 1, -1)[np.arange(n), :, case.attribution.y_pred]
            curves.append(picked.astype(np.float64))
            case.report.add(1)
        found[f"{kind}-{order}"] = np.mean(curves, axis=0)
    return found


def _ranks(scores: NDArray[np.float64], ties: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return when each pixel's turn comes (n, h, w): highest score first, equal ones by `ties`."""
    flat = len(scores), -1
    turn = np.lexsort((ties.reshape(flat), -scores.reshape(flat)), axis=1)
    return np.argsort(turn, axis=1).reshape(scores.shape)


def edges(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the Sobel magnitude of the channels' mean, shape (n, h, w), of images (n, h, w, c)."""
    from scipy.ndimage import sobel

    grey = images.mean(axis=-1, dtype=np.float64)
    # One image at a time: SciPy's filter smooths along every other axis, that of the images too.
    return np.stack([np.hypot(sobel(image, axis=0), sobel(image, axis=1)) for image in grey])


def _mean_reference(case: _Case) -> NDArray[np.float32]:
    """Return the mean reference as the model sees it, shape (h, w, c)."""
    preprocessing = case.model.preprocessing
    shape = preprocessing.input_image_shape(case.references.shape[1:])
    prepared = from_layout(case.model.prepare(case.references), preprocessing.layout or "channels_last", shape)
    return np.asarray(prepared.mean(axis=0, dtype=np.float64), dtype=np.float32)


def _sanity(case: _Case, tested: NDArray[np.int64]) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
    """Return the layer of each stage, and ``correlations`` and ``signed_correlations``, shape (stages, m)."""
    model, attribution = case.model, case.attribution
    numbers, classes, originals = attribution.indices[tested], attribution.y_pred[tested], case.maps[tested]
    images = np.asarray(case.data.images[numbers])
    arrays: dict[str, NDArray[Any]] = {"inputs": model.prepare(images), "classes": classes}
    arrays["references"] = model.prepare(case.references)
    options = {"method": "deepshap", "target": "probability", "tolerance": None, "max_memory": MAX_MEMORY}
    options |= {"seed": case.seed, "classes": np.unique(classes).tolist(), **activation_options(model)}
    found = model.run("reinitialised_maps", arrays, options, case.report.within(MAX_STAGES * len(tested)))
    layout = model.preprocessing.layout or "channels_last"
    shape = model.preprocessing.input_image_shape(images.shape[1:])
    strength, signed = [], []
    for values in found.arrays["values"]:
        others = from_layout(values, layout, shape).sum(axis=-1, dtype=np.float64)
        pairs = list(zip(originals, others, strict=True))
        strength.append([rank_correlation(np.abs(before), np.abs(after)) for before, after in pairs])
        signed.append([rank_correlation(before, after) for before, after in pairs])
    layers = list(found.meta["layers"])
    rows = {"correlations": strength, "signed_correlations": signed}
    return layers, {name: np.array(each, np.float64).reshape(len(layers), len(tested)) for name, each in rows.items()}
