"""What neighbours say about images: in the penultimate layer of a network, and pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import UnsupportedModelError
from diag.explain.background import stratified
from diag.filters.embedding import MOST, embed
from diag.io import store
from diag.io.pairing import match_classes
from diag.metrics import neighbours as pixels
from diag.metrics.nearest import Nearest, nearest, percentiles
from diag.metrics.pixels import PIXEL_BUDGET, SIDE, grey, shrink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results.evaluation import Evaluation

USUAL = 2000
"""Right answers whose distances say what is usual, at most."""
ALIKE = 500
"""Of them, those that are compared pixel by pixel, about."""
FEWEST = 50
"""With fewer right answers or images to search, distances are not judged."""
TELLING = 0.8
"""Similar images are heard when so large a share of the right answers have a majority of their own class among them:
0.98 for MNIST, 0.3 for photographs."""


@dataclass(frozen=True, slots=True, eq=False)
class Witnesses:
    """What neighbours say about m images; NaN where nothing is known. All but two arrays have shape (m,).

    `neighbours` has shape (m, k) and numbers of the data searched; see `diag.metrics.issue_kinds.Evidence`.
    """

    near_named: NDArray[np.float64]
    near_label: NDArray[np.float64]
    alike_named: NDArray[np.float64]
    alike_label: NDArray[np.float64]
    distance: NDArray[np.float64]
    near_percentile: NDArray[np.float64]
    alike_percentile: NDArray[np.float64]
    neighbours: NDArray[np.int64]
    notes: tuple[str, ...]

    def to_entry(self) -> store.Entry:
        """Return it as the cache keeps it."""
        arrays = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "notes"}
        return store.Entry(meta={"notes": list(self.notes)}, arrays=arrays)

    @classmethod
    def from_entry(cls, entry: store.Entry) -> Witnesses:
        """Return what `to_entry` made an entry of."""
        return cls(notes=tuple(entry.meta["notes"]), **entry.arrays)


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """Which images are asked about, and among which others: rows of the data, and of the data searched."""

    asked: NDArray[np.int64]
    usual: NDArray[np.int64]
    among: NDArray[np.int64]
    labels: NDArray[np.int64]  # of all images of the data searched
    own: bool  # whether the data searched is the data asked about

    @property
    def rows(self) -> NDArray[np.int64]:
        return np.concatenate([self.asked, self.usual])

    def itself(self, rows: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return the place in `among` of each of `rows`, -1 for none; None where no image can be there."""
        if not self.own:
            return None
        places = np.full(len(self.labels), -1)
        places[among] = np.arange(len(among))
        found: NDArray[np.int64] = places[rows]
        return found


def witnesses(
    runs: Sequence[tuple[str, Evaluation]],
    train: Dataset | None,
    asked: NDArray[np.int64],
    named: NDArray[np.int64],
    k: int,
    seed: int,
    cache: bool,
) -> Witnesses:
    """Return what the neighbours of some images say.

    Parameters
    ----------
    runs : sequence of (name, Evaluation)
        The first whose network has an embedding is asked.
    train : Dataset, optional
        Where neighbours are sought; the other images of the data when left out.
    asked : ndarray of int64, shape (m,)
        Rows of the evaluation.
    named : ndarray of int64, shape (n,)
        The class suggested for every image.
    k : int
        Neighbours in the penultimate layer.
    seed : int
    cache : bool
    """
    run = runs[0][1]
    y_true, data = run.samples["y_true"], run.data
    if not len(asked):
        return _silent(0, ())
    question = _question(run, train, asked, named, seed)
    where = data if train is None else train
    searched = "Neighbours were sought among the training images"
    otherwise = "No training data was given: neighbours were sought among the other images of the data"
    note = otherwise if train is None else searched
    some = f", {len(question.among):,} of {len(question.labels):,}, drawn by class (seed {seed})"
    note += (some if len(question.among) < len(question.labels) else "") + "."
    near, near_notes = _near(runs, data, where, question, y_true, named, k, cache)
    alike, alike_notes = _alike(data, where, question, y_true, named)
    empty = _silent(len(asked), ())
    return Witnesses(
        near_named=near.get("named", empty.near_named),
        near_label=near.get("label", empty.near_label),
        alike_named=alike.get("named", empty.alike_named),
        alike_label=alike.get("label", empty.alike_label),
        distance=near.get("distance", empty.distance),
        near_percentile=near.get("percentile", empty.near_percentile),
        alike_percentile=alike.get("percentile", empty.alike_percentile),
        neighbours=near.get("neighbours", empty.neighbours),
        notes=(note, *near_notes, *alike_notes),
    )


def _question(
    run: Evaluation, train: Dataset | None, asked: NDArray[np.int64], named: NDArray[np.int64], seed: int
) -> _Question:
    y_true = run.samples["y_true"]
    right = np.flatnonzero(named == y_true)
    if len(right) > USUAL:
        right = np.sort(np.random.default_rng(seed).choice(right, USUAL, replace=False))
    labels = y_true if train is None else match_classes(run.model, train)[1]
    among = np.arange(len(labels))
    if len(among) > MOST:
        among = stratified(labels, MOST, seed, len(labels))
    return _Question(asked, right, among, labels, train is None)


def _near(
    runs: Sequence[tuple[str, Evaluation]],
    data: Dataset,
    where: Dataset,
    question: _Question,
    y_true: NDArray[np.int64],
    named: NDArray[np.int64],
    k: int,
    cache: bool,
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Return what the nearest images in the penultimate layer say, with notes."""
    refused: list[str] = []
    for name, run in runs:
        try:
            queries, among, layer = _features(run.model, data, where, question, cache)
        except UnsupportedModelError as error:
            refused.append(str(error))
            continue
        found = nearest(queries, among, k, question.itself(question.rows, question.among))
        m, labels = len(question.asked), question.labels[question.among]
        first = Nearest(found.numbers[:m], found.distances[:m])
        shares, own = (first.shares(labels, wished[question.asked]) for wished in (named, y_true))
        far = found.farthest
        enough = _enough(question.usual, among)
        notes = [f"The penultimate layer is that of {name}: {layer}"]
        if not enough:
            notes.append("There are too few images to say which distance is usual.")
        return {
            "named": shares,
            "label": own,
            "distance": far[:m],
            "percentile": percentiles(far[:m], far[m:] if enough else far[:0]),
            "neighbours": question.among[first.numbers],
        }, tuple(notes)
    return {}, (f"No model has an embedding: {refused[0]}",)


def _features(
    model: Model, data: Dataset, where: Dataset, question: _Question, cache: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], str]:
    """Return unit features of the images asked about and of those searched, and what they are."""
    inside = [question.rows, question.among] if question.own else [question.rows]
    wanted = None if len(data) <= MOST else np.unique(np.concatenate(inside))
    mine = embed(model, data, wanted, cache)
    if question.own:
        units = mine.unit()
        return units[mine.rows(question.rows)], units[mine.rows(question.among)], mine.note
    theirs = embed(model, where, None if len(where) <= MOST else question.among, cache)
    return mine.unit()[mine.rows(question.rows)], theirs.unit()[theirs.rows(question.among)], mine.note


def _alike(
    data: Dataset, where: Dataset, question: _Question, y_true: NDArray[np.int64], named: NDArray[np.int64]
) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Return what the most similar images say, pixel by pixel, where that tells anything in this data."""
    shapes = [tuple(each.images.shape[1:]) for each in (data, where)]
    room = PIXEL_BUDGET // max(1, int(np.prod(shapes[1])))
    if shapes[0] != shapes[1] or min(shapes[0][:2]) < 3 or min(room, len(question.among)) <= 2 * pixels.NEIGHBOURS:
        return {}, ("The images are too few, too small or of different sizes to be compared pixel by pixel.",)
    among, usual = question.among, question.usual[:: max(1, len(question.usual) // ALIKE)]
    if len(among) > room:
        among = np.sort(np.random.default_rng(0).choice(among, room, replace=False))
    drawn = _drawn(question, usual, among)
    rows = np.concatenate([question.asked, usual])
    found = pixels.nearest(small_greys(data, rows), small_greys(where, among), question.itself(rows, among))
    labels = question.labels[among[found.numbers]]
    own = (labels == y_true[rows][:, None]).mean(axis=1)
    m, far = len(question.asked), found.distances[:, -1]
    known = {"percentile": percentiles(far[:m], far[m:] if _enough(usual, among) else far[:0])}
    telling = float((own[m:] > 0.5).mean()) if len(usual) else 0.0
    if telling < TELLING:
        return known, (
            f"The labels of the most similar images were not asked: of the right answers only {telling:.0%} have a "
            "majority of their own class among them.",
            *drawn,
        )
    shares = (labels[:m] == named[question.asked][:, None]).mean(axis=1)
    blank = ~np.isfinite(far[:m])
    return {**known, "named": np.where(blank, np.nan, shares), "label": np.where(blank, np.nan, own[:m])}, drawn


def _drawn(question: _Question, usual: NDArray[np.int64], among: NDArray[np.int64]) -> tuple[str, ...]:
    """Return what to say of images that were left out of the comparison pixel by pixel."""
    said = []
    if len(among) < len(question.among):
        said.append(f"among {len(among):,} of the {len(question.among):,} images searched, drawn at random (seed 0)")
    if len(usual) < len(question.usual):
        said.append(f"with {len(usual):,} of {len(question.usual):,} right answers, taken evenly, to say what is usual")
    return (f"Images were compared pixel by pixel {', and '.join(said)}.",) if said else ()


def _enough(usual: NDArray[Any], among: NDArray[Any]) -> bool:
    return len(usual) >= FEWEST and len(among) >= FEWEST


def small_greys(data: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return some images grey, at most 32 high and wide, shape (m, h, w)."""
    parts = [
        grey(shrink(np.asarray(data.images[rows[start : start + 256]]), SIDE)) for start in range(0, len(rows), 256)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, 1, 1), np.float32)


def _silent(m: int, notes: tuple[str, ...]) -> Witnesses:
    unknown = np.full(m, np.nan)
    return Witnesses(
        near_named=unknown,
        near_label=unknown,
        alike_named=unknown,
        alike_label=unknown,
        distance=unknown,
        near_percentile=unknown,
        alike_percentile=unknown,
        neighbours=np.zeros((m, 0), np.int64),
        notes=notes,
    )
