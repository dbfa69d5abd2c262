"""Finding duplicates: equal pixels, then perceptual hashes, then a close comparison, then the penultimate layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.errors import UnsupportedModelError
from diag.explain.background import stratified
from diag.filters.embedding import embed
from diag.io import store
from diag.io.pairing import match_classes
from diag.metrics.altered_copies import ALPHA, MIRRORS, Copy, altered_copies, centred, hashed_candidates
from diag.metrics.nearest import percentiles
from diag.metrics.neighbours import NEIGHBOURS
from diag.metrics.phash import hamming, perceptual_hashes
from diag.metrics.pixels import Prints, prints
from diag.results.comparison import Comparison, best_first
from diag.results.duplicates import WAYS, Duplicates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.results.evaluation import Evaluation

MOST, MOST_TRAIN = 20_000, 60_000
"""Images of the data and of the training data that are compared."""
MOST_CLOSE = 1000
"""Images with a close hash and a high correlation that are compared with all others, for each of the two searches."""
PAIRS = 1e7
"""With fewer pairs of images than this all are compared, without a look at hashes."""
CONFIRMED = 1.0
"""So many false pairs may be expected by chance among all images where the penultimate layer confirms a pair that is
not mirrored; otherwise `altered_copies.ALPHA`, 0.01. Of 2,000 clean MNIST images with 20,000 others one has a pair with
less than 10, none with less than 1; of copies with 15 grey levels of noise 98 in 100 have less than 1, 91 less than
0.01."""
NEAR = 5.0
"""The penultimate layer confirms pairs that are nearer than all but this percentage of pairs of one predicted class."""
UNRELATED = 1000
"""Images whose distances to each other say how unlikely a close pair is; as many pairs say which cosine is usual."""
VERSION = 1
"""Raised when pairs are found in another way: what was kept is then not found."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Pairs as they are found: rows of the data, and of the data searched."""

    image: NDArray[np.int64]
    other: NDArray[np.int64]
    way: NDArray[np.int64]
    correlation: NDArray[np.float64]
    expected: NDArray[np.float64]
    hash_distance: NDArray[np.int64]


def near_duplicates(
    run: Evaluation | Comparison, train: Dataset | None = None, *, seed: int = 0, cache: bool = True
) -> Duplicates:
    """Return pairs of images that are equal or nearly: within the data, and between it and the training data.

    Equal are images with the same pixels at 8 bits. Nearly equal are those with a close perceptual hash (of the image,
    of the image moved to its centre, mirrored, upside down) and a correlation of at least 0.97 at the best shift, whose
    nearest image is so much closer than the sixth nearest that fewer than 0.01 such pairs are expected by chance among
    all images - or fewer than 1, where the penultimate layer confirms a pair that is not mirrored.

    Parameters
    ----------
    run : Evaluation or Comparison
        Of several models the best one's penultimate layer is asked: the first of `Comparison.table`.
    train : Dataset, optional
        The training data.
    seed : int
        For the draws from large data: at most 20,000 images and 60,000 training images are compared.
    cache : bool
        Keep what was found by content.

    Returns
    -------
    Duplicates

    References
    ----------
    Barz & Denzler (2020), Do we train on test data? Purging CIFAR of near-duplicates. Journal of Imaging 6(6), 41: 3 %
    of CIFAR-10's and 10 % of CIFAR-100's test images have duplicates in the training set. Zauner (2010) for the hash,
    Facco et al. (2017) for the chance.

    Examples
    --------
    >>> found = near_duplicates(run, train)  # doctest: +SKIP
    >>> found.verdict(), found.leaked()  # doctest: +SKIP
    """
    first = _searched(run)
    key = store.content_key(
        result="near duplicates",
        method=VERSION,
        data=first.data.digest,
        train=None if train is None else train.digest,
        model=[getattr(first.model, "digest", first.name), _preprocessing(first)],
        answers=store.array_digest(first.samples["y_pred"]),
        seed=seed,
    )
    kept = store.load("near_duplicates", key) if cache else None
    if kept is None:
        kept = _found(first, train, seed, cache)
        if cache:
            store.save("near_duplicates", key, kept)
    return _result(first, train, kept, seed)


def _searched(run: Evaluation | Comparison) -> Evaluation:
    if not isinstance(run, Comparison):
        return run
    return run.runs[best_first(run.runs)[0]]


def _found(run: Evaluation, train: Dataset | None, seed: int, cache: bool) -> store.Entry:
    """Return the pairs as the cache keeps them."""
    rng = np.random.default_rng(seed)
    test, notes = _prints(run.data, MOST, "images", seed)
    inside, more = _within(test, rng)
    notes += more
    across, trained = _none(), None
    if train is not None:
        trained, more = _prints(train, MOST_TRAIN, "training images", seed)
        notes += more
        across, more = _between(test, trained, rng)
        notes += more
    pairs = {name: np.concatenate([getattr(each, name) for each in (inside, across)]) for name in _Pairs.__slots__}
    pairs["in_train"] = np.repeat([False, True], [len(inside.image), len(across.image)])
    cosines, more = _cosines(run, train, pairs, test, rng, cache)
    order = np.lexsort((pairs["image"], pairs["expected"], pairs["way"] > 0, ~pairs["in_train"]))
    with np.errstate(invalid="ignore"):
        confirmed = (cosines["cosine_percentile"] <= NEAR) & (pairs["way"] == WAYS.index("as it is"))
    believed = (pairs["expected"] < ALPHA) | confirmed
    order = order[believed[order]]
    columns = {name: values[order] for name, values in (pairs | cosines).items()}
    columns["group"] = _grouped(columns["image"], columns["other"], columns["in_train"])
    looked_at = {"n": len(test.rows), "n_train": 0 if trained is None else len(trained.rows)}
    return store.Entry(meta={"notes": [*notes, *more], **looked_at}, arrays=columns)


def _result(run: Evaluation, train: Dataset | None, kept: store.Entry, seed: int) -> Duplicates:
    columns = {name: frozen(np.asarray(values)) for name, values in kept.arrays.items()}
    mine = _named(run.class_names, run.samples["y_true"])
    label, across = mine[columns["image"]], columns["in_train"]
    other = np.full(len(label), None, dtype=object)
    other[~across] = mine[columns["other"][~across]]
    if train is not None and train.labels is not None and across.any():
        other[across] = _named(run.class_names, match_classes(run.model, train)[1])[columns["other"][across]]
    return Duplicates(
        **columns,
        label=frozen(label),
        other_label=frozen(other),
        n=int(kept.meta["n"]),
        n_train=int(kept.meta["n_train"]),
        sample_names=run.data.sample_names,
        notes=tuple(kept.meta["notes"]),
        model_name=run.name,
        data_digest=run.data.digest,
        seed=seed,
    )


def _prints(data: Dataset, most: int, what: str, seed: int) -> tuple[Prints, tuple[str, ...]]:
    """Return the small images of a data set, at most so many, and a note where they are fewer than all."""
    rows = np.arange(len(data))
    if len(data) > most:
        rows = stratified(data.labels, most, seed, len(data))
    some = prints(data if len(rows) == len(data) else data.subset(rows), np.random.default_rng(seed))
    if len(some.rows) == len(data):
        return some, ()
    found = Prints(rows[some.rows], len(data), some.digests, some.greys)
    return found, (f"{len(found.rows):,} of {len(data):,} {what}, drawn at random (seed {seed}), were compared.",)


def _within(test: Prints, rng: np.random.Generator) -> tuple[_Pairs, tuple[str, ...]]:
    """Return pairs of test images, each image with the first that it is like."""
    _, first, codes = np.unique(test.digests, return_index=True, return_inverse=True)
    original = first[codes]
    copies = np.flatnonzero(original != np.arange(len(original)))
    equal = _equal(test.rows[copies], test.rows[original[copies]])
    unique = np.sort(first)
    greys = test.greys[unique]
    if not _comparable(greys, greys):
        return equal, ("The images are too few or too small to look for altered copies.",)
    candidates, notes = _candidates(greys, greys, rng, np.arange(len(greys)))
    found = altered_copies(
        greys[candidates], greys, _unrelated(greys, rng), own=candidates, tried=len(greys), alpha=CONFIRMED
    )
    once: dict[tuple[int, int], Copy] = {}
    for copy in found:
        image = int(candidates[copy.query])
        first_, second = min(image, copy.number), max(image, copy.number)
        once.setdefault((second, first_), replace(copy, query=second, number=first_))
    return _joined(equal, _near(list(once.values()), greys, greys, unique, unique, test.rows, test.rows)), notes


def _between(test: Prints, train: Prints, rng: np.random.Generator) -> tuple[_Pairs, tuple[str, ...]]:
    """Return pairs of a test image and a training image."""
    unique, first = np.unique(train.digests, return_index=True)
    at = np.minimum(np.searchsorted(unique, test.digests), len(unique) - 1)
    same = unique[at] == test.digests
    equal = _equal(test.rows[same], train.rows[first[at[same]]])
    new, searched = np.flatnonzero(~same), np.sort(first)
    greys, among = test.greys[new], train.greys[searched]
    if not _comparable(greys, among):
        return equal, ("Training and test images are too few, too small or of different sizes for altered copies.",)
    candidates, notes = _candidates(greys, among, rng)
    others = _unrelated(greys, rng)
    copies = altered_copies(greys[candidates], among, others, tried=len(greys), alpha=CONFIRMED)
    found = [replace(copy, query=int(candidates[copy.query])) for copy in copies]
    return _joined(equal, _near(found, greys, among, new, searched, test.rows, train.rows)), notes


def _comparable(queries: NDArray[np.float32], among: NDArray[np.float32]) -> bool:
    same = queries.shape[1:] == among.shape[1:] and min(queries.shape[1:]) >= 8
    return same and len(queries) > 0 and len(among) >= 5 * NEIGHBOURS


def _candidates(
    greys: NDArray[np.float32],
    among: NDArray[np.float32],
    rng: np.random.Generator,
    own: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the images to compare with all others: all of a few, those with a close hash of many."""
    if len(greys) * len(among) <= PAIRS:
        return np.arange(len(greys)), ()
    found = hashed_candidates(greys, among, own)
    if len(found) <= MOST_CLOSE:
        return found, ()
    kept = np.sort(rng.choice(found, MOST_CLOSE, replace=False))
    return kept, (f"{MOST_CLOSE:,} of {len(found):,} images that are much like another one were looked into.",)


def _unrelated(greys: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    if len(greys) <= UNRELATED:
        return greys
    return greys[np.sort(rng.choice(len(greys), UNRELATED, replace=False))]


def _equal(image: NDArray[np.int64], other: NDArray[np.int64]) -> _Pairs:
    zeros = np.zeros(len(image), np.int64)
    return _Pairs(image, other, zeros, np.ones(len(image)), np.zeros(len(image)), zeros)


def _none() -> _Pairs:
    return _equal(np.zeros(0, np.int64), np.zeros(0, np.int64))


def _near(
    found: list[Copy],
    greys: NDArray[np.float32],
    among: NDArray[np.float32],
    places: NDArray[np.int64],
    searched: NDArray[np.int64],
    rows: NDArray[np.int64],
    other_rows: NDArray[np.int64],
) -> _Pairs:
    """Return pairs with their hashes' distances. Places in `greys` and `among` become rows of the data sets."""
    if not found:
        return _none()
    image, other = (np.array([getattr(copy, part) for copy in found]) for part in ("query", "number"))
    turned = np.stack([greys[copy.query][:: MIRRORS[copy.how][0], :: MIRRORS[copy.how][1]] for copy in found])
    apart = [
        hamming(perceptual_hashes(one), perceptual_hashes(two))
        for one, two in ((turned, among[other]), (centred(turned), centred(among[other])))
    ]
    return _Pairs(
        image=rows[places[image]],
        other=other_rows[searched[other]],
        way=np.array([WAYS.index(copy.how) for copy in found], dtype=np.int64),
        correlation=np.array([copy.correlation for copy in found]),
        expected=np.array([copy.expected for copy in found]),
        hash_distance=np.minimum(*apart).astype(np.int64),
    )


def _joined(one: _Pairs, two: _Pairs) -> _Pairs:
    return _Pairs(*(np.concatenate([getattr(one, name), getattr(two, name)]) for name in _Pairs.__slots__))


def _cosines(
    run: Evaluation,
    train: Dataset | None,
    pairs: dict[str, NDArray[Any]],
    test: Prints,
    rng: np.random.Generator,
    cache: bool,
) -> tuple[dict[str, NDArray[np.float64]], tuple[str, ...]]:
    """Return each pair's distance in the penultimate layer, and how many unrelated pairs are nearer."""
    p = len(pairs["image"])
    unknown = {"cosine_distance": np.full(p, np.nan), "cosine_percentile": np.full(p, np.nan)}
    if not p:
        return unknown, ()
    across = pairs["in_train"]
    one, two = _alike_pairs(run.samples["y_pred"], test.rows, rng)
    wanted = np.unique(np.concatenate([pairs["image"], pairs["other"][~across], one, two]))
    try:
        mine = embed(run.model, run.data, wanted, cache)
        theirs = None if train is None or not across.any() else embed(
            run.model, train, np.unique(pairs["other"][across]), cache
        )  # fmt: skip
    except UnsupportedModelError as error:
        return unknown, (f"No features to confirm the pairs with: {error}",)
    units = mine.unit()
    a, b = units[mine.rows(pairs["image"])], np.empty((p, units.shape[1]), np.float32)
    b[~across] = units[mine.rows(pairs["other"][~across])]
    if theirs is not None:
        b[across] = theirs.unit()[theirs.rows(pairs["other"][across])]
    apart, usual = _apart(a, b), _apart(units[mine.rows(one)], units[mine.rows(two)])
    percentile = percentiles(apart, usual)
    return {"cosine_distance": apart, "cosine_percentile": percentile}, (
        f"Cosines are those of {run.name}: {mine.note}",
    )


def _alike_pairs(
    y_pred: NDArray[np.int64], rows: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return two different images of the same predicted class for each of `UNRELATED` pairs, or fewer."""
    order = rng.permutation(rows)
    order = order[np.argsort(y_pred[order], kind="stable")]
    one, two = order[:-1], order[1:]
    same = np.flatnonzero(y_pred[one] == y_pred[two])
    kept = same if len(same) <= UNRELATED else rng.choice(same, UNRELATED, replace=False)
    return one[kept], two[kept]


def _apart(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = np.square(a.astype(np.float64) - b).sum(axis=1) / 2
    return distances


def _grouped(image: NDArray[np.int64], other: NDArray[np.int64], in_train: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of each pair's group: images connected by pairs, the group with most pairs first."""
    if not len(image):
        return np.zeros(0, np.int64)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shift = int(max(image.max(), other.max())) + 1
    nodes, codes = np.unique(np.concatenate([image, other + shift * in_train]), return_inverse=True)
    one, two = codes[: len(image)], codes[len(image) :]
    links = coo_array((np.ones(len(one)), (one, two)), shape=(len(nodes), len(nodes)))
    component = connected_components(links, directed=False)[1][one]
    sizes = np.bincount(component)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    numbers: NDArray[np.int64] = rank[component]
    return numbers


def _named(names: tuple[str, ...], numbers: NDArray[np.int64]) -> NDArray[np.object_]:
    found: NDArray[np.object_] = np.asarray(names, dtype=object)[numbers]
    return found


def _preprocessing(run: Evaluation) -> Any:
    given = getattr(run.model, "preprocessing", None)
    return None if given is None else given.to_dict()
