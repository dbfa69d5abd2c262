"""Images in a grid, each with what it is and what a model takes it for: a picture for a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.io.arguments import require, whole_number
from diag.io.datasets import Dataset
from diag.io.overview import counted, title_of
from diag.results.evaluation import Evaluation
from diag.views.charts import confusion_rows
from diag.views.formats import probability
from diag.views.images import thumbnails
from diag.views.picture import FAINT, INK, PAPER, Picture, fitting, font_of, picture_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

SIDE = 144
"""Pixels of the longer side of an image, at most, drawn twice as large as shown; smaller ones by a whole factor."""
MOST_IMAGES = 200
MOST_CLASSES = 20
COLUMNS = 10
_LINE, _GAP, _EDGE, _LABELS, _WIDE, _LEAST = 30, 18, 24, 190, 200, 900
_SOURCE = "a data set or an evaluation: diag.load_dataset(...), or diag.evaluate(model, data)"
_EMPTY = (246, 247, 248)
_RIGHT, _WRONG = (0, 114, 178), (191, 84, 0)
"""Of `theme`, the orange darker: small letters on white."""


Line = tuple[str, str, tuple[int, int, int]]
"""What stands in a line below an image: a name, which may be cut; a number, which may not; the colour."""


@dataclass(frozen=True, slots=True)
class _Tile:
    """An image's number in the data, and the lines below it."""

    index: int
    lines: tuple[Line, ...]


def image_grid(
    source: Dataset | Evaluation,
    rows: pd.DataFrame | Sequence[int] | NDArray[Any] | None = None,
    *,
    columns: int = COLUMNS,
) -> Picture:
    """Return images in the order given, with their class, or with what a model takes them for.

    Parameters
    ----------
    source : Dataset or Evaluation
        Of a data set, images have their class below; of a run, the predicted class with its probability, blue where it
        is right and orange where it is wrong, and then the true class.
    rows : DataFrame or sequence of int, optional
        A frame with a column ``index``, such as ``run.errors(n=25)``, or numbers of images; the first 50 when left out.
    columns : int
        Images side by side.

    Returns
    -------
    Picture
        At most 200 images; what was left out is said.

    Raises
    ------
    InvalidInputError
        If `source` is another thing, a number is not that of an image, or a frame has no ``index``.

    Examples
    --------
    >>> image_grid(run, run.errors(n=25))  # doctest: +SKIP
    """
    require(source, (Dataset, Evaluation), "image_grid", _SOURCE)
    columns = whole_number("columns", columns)
    indices = _indices(source, range(min(50, len(source))) if rows is None else rows)
    shown = indices[:MOST_IMAGES]
    tiles = [_Tile(int(index), _caption(source, int(index))) for index in shown]
    note = _note(source)
    if len(indices) > len(shown):
        note = f"The first {len(shown)} of {len(indices):,} images. {note}"
    lines = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    return _drawn(source, lines, note=note, alt=f"{counted(len(shown), 'image')} of {_title(source)}")


def class_grid(
    source: Dataset | Evaluation,
    rows: pd.DataFrame | None = None,
    *,
    per_class: int | None = None,
    seed: int = 0,
) -> Picture:
    """Return images class by class, a row a class.

    Parameters
    ----------
    source : Dataset or Evaluation
        As in `image_grid`.
    rows : DataFrame, optional
        A frame with the columns ``class`` and ``index``, such as ``run.errors(per_class=10)`` or ``run.correct()``;
        images of each class drawn at random when left out.
    per_class : int, optional
        Images a class, at most: 1 to 20. When left out, up to 20 of a frame; 10 where they are drawn at random.
    seed : int
        For the images drawn.

    Returns
    -------
    Picture
        At most 20 classes: with more, those with the most rows, or the first ones where they were drawn. A class
        without images has no row. What was left out is said.

    Raises
    ------
    InvalidInputError
        If `source` is another thing, the images have no labels, or the frame lacks a column or has another class.

    Examples
    --------
    >>> class_grid(run, run.errors(per_class=10))  # doctest: +SKIP
    """
    require(source, (Dataset, Evaluation), "class_grid", _SOURCE)
    usual = COLUMNS if rows is None else 2 * COLUMNS
    per_class = usual if per_class is None else whole_number("per_class", per_class, 1, 2 * COLUMNS)
    names, labels = _classes(source)
    if rows is None:
        members = _members(labels, len(names), per_class, whole_number("seed", seed, 0))
    else:
        members = _grouped(source, rows, names)
    filled = [place for place, found in enumerate(members) if len(found)]
    most = filled if rows is None else sorted(filled, key=lambda place: -len(members[place]))
    chosen = sorted(most[:MOST_CLASSES])
    lines = [
        [_Tile(int(index), _caption(source, int(index), names[place])) for index in members[place][:per_class]]
        for place in chosen
    ]
    note = f"{_grouping(source, rows)} {_note(source, in_rows=True)}".strip()
    drawn, given = sum(map(len, lines)), sum(len(members[place]) for place in chosen)
    if drawn < given:
        note = f"{drawn} of {given:,} images, at most {per_class} of each class. {note}"
    if len(chosen) < len(filled):
        which = "the first" if rows is None else "those with the most images"
        note = f"{len(chosen)} of {len(filled):,} classes, {which}. {note}"
    if len(filled) < len(names):
        note = f"{note} Classes without images are left out."
    return _drawn(
        source,
        lines,
        labels=[names[place] for place in chosen],
        note=note,
        alt=f"{counted(drawn, 'image')} of {_title(source)}, a row a class",
    )


def confusion_grid(run: Evaluation, *, max_classes: int = 12) -> Picture:
    """Return the confusion matrix in images: true classes across, predicted ones down, the surest image in each cell.

    Parameters
    ----------
    run : Evaluation
    max_classes : int
        With more classes, those with the most errors are shown; at most 20.

    Returns
    -------
    Picture
        Below each image the number of images in its cell and the probability of the predicted class. A cell without
        images is blank.

    Raises
    ------
    InvalidInputError
        If `run` is another thing, or `max_classes` no such number.
    """
    require(run, Evaluation, "confusion_grid", "an evaluation: diag.evaluate(model, data)")
    max_classes = whole_number("max_classes", max_classes, 1, MOST_CLASSES)
    _, classes, total = confusion_rows(run, max_classes)
    counts = run.counts().confusion
    lines: list[list[_Tile | None]] = []
    for predicted in classes:
        line: list[_Tile | None] = []
        for true in classes:
            found = run.cell(true, predicted)
            if not len(found):
                line.append(None)
                continue
            place = int(found[0])
            colour = _RIGHT if true == predicted else _WRONG
            sure = probability(float(run.samples["confidence"][place]))
            line.append(_Tile(place, ((f"{counts[true, predicted]:,}", "", INK), ("", sure, colour))))
        lines.append(line)
    names = [run.class_names[number] for number in classes]
    note = (
        "True classes across, predicted classes down; of each cell the surest image. Below it: how many images "
        "the cell has, and the probability of the predicted class."
    )
    if total > len(classes):
        note = f"The {len(classes)} of {total:,} classes with the most errors. {note}"
    return _drawn(
        run,
        lines,
        labels=names,
        heads=names,
        corner="pred. \\ true",
        note=note,
        alt=f"The confusion matrix of {_title(run)} in images",
    )


def _drawn(
    source: Dataset | Evaluation,
    lines: Sequence[Sequence[_Tile | None]],
    *,
    note: str,
    alt: str,
    labels: Sequence[str] = (),
    heads: Sequence[str] = (),
    corner: str = "",
) -> Picture:
    """Return rows of images with the names of rows and columns, and a note below."""
    from PIL import Image, ImageDraw

    tiles = [tile for line in lines for tile in line if tile is not None]
    if not tiles:
        lines, labels, heads, corner, note = (), (), (), "", "No images."
    pictures = _enlarged(source, [tile.index for tile in tiles])
    height, width = pictures.shape[1:3]
    font, small = font_of(24), font_of(22)
    wanted = [font.getlength(_joined(name, number)) for tile in tiles for name, number, _ in tile.lines]
    wanted += [font.getlength(head) for head in heads]
    cell = max(width, min(_WIDE, int(max(wanted, default=0)) + 2))
    under = _LINE * max((len(tile.lines) for tile in tiles), default=0)
    named = max(map(font.getlength, [*labels, corner]), default=0)
    left = _EDGE + (min(_LABELS, int(named) + 2) + _GAP if labels else 0)
    top, step = _EDGE + (_LINE + 10 if heads else 0), height + under + _GAP
    across = max((len(line) for line in lines), default=0)
    full = max(left + across * (cell + _GAP) - _GAP + _EDGE, _LEAST)
    said = _wrapped(note, small, full - 2 * _EDGE)
    page = Image.new("RGB", (full, top + len(lines) * step + len(said) * _LINE + _GAP + _EDGE), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_EDGE, _EDGE), fitting(corner, font, left - _EDGE), fill=FAINT, font=font)
    for column, head in enumerate(heads):
        draw.text((left + column * (cell + _GAP), _EDGE), fitting(head, font, cell), fill=INK, font=font)
    places = iter(pictures)
    for row, line in enumerate(lines):
        y = top + row * step
        if labels:
            draw.text((_EDGE, y + height // 2 - 14), fitting(labels[row], font, left - _EDGE - _GAP), INK, font)
        for column, tile in enumerate(line):
            x = left + column * (cell + _GAP)
            if tile is None:
                draw.rectangle((x, y, x + width - 1, y + height - 1), fill=_EMPTY)
                continue
            page.paste(Image.fromarray(next(places)), (x, y))
            for place, (name, number, colour) in enumerate(tile.lines):
                room = cell - font.getlength(f" {number}") if number else cell
                name = fitting(name, font, room) if name else ""
                draw.text((x, y + height + 3 + place * _LINE), _joined(name, number), colour, font)
    for place, text in enumerate(said):
        draw.text((_EDGE, page.height - _EDGE - (len(said) - place) * _LINE), text, FAINT, small)
    return picture_of(page, f"{alt}. {note}")


def _joined(name: str, number: str) -> str:
    return f"{name} {number}" if name and number else name or number


def _wrapped(text: str, font: Any, width: float) -> list[str]:
    """Return a text in lines that are no wider than so many pixels."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(fitting(word, font, width))
    return lines


def _enlarged(source: Dataset | Evaluation, indices: list[int]) -> NDArray[np.uint8]:
    """Return images (n, h, w, 3), the longer side `SIDE` or less by a whole factor, in the order asked for."""
    if not indices:
        return np.zeros((0, SIDE, SIDE, 3), np.uint8)
    images = source.data.images if isinstance(source, Evaluation) else source.images
    shown = thumbnails(np.asarray(images[np.asarray(indices)]), SIDE)
    factor = max(1, SIDE // max(shown.shape[1:3]))
    shown = shown.repeat(factor, axis=1).repeat(factor, axis=2)
    return np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:3], 3)))


def _caption(source: Dataset | Evaluation, index: int, row: str | None = None) -> tuple[Line, ...]:
    """Return the lines below an image; a class that is the row's name is not said again."""
    if not isinstance(source, Evaluation):
        named = row is None and source.labels is not None
        return (
            ((source.class_names[int(source.labels[index])], "", INK),) if named and source.labels is not None else ()
        )
    true, predicted = (source.class_names[int(source.samples[key][index])] for key in ("y_true", "y_pred"))
    sure = probability(float(source.samples["confidence"][index]))
    first = ("" if predicted == row else predicted, sure, _RIGHT if true == predicted else _WRONG)
    return (first,) if true in (predicted, row) else (first, (f"true {true}", "", FAINT))


def _note(source: Dataset | Evaluation, *, in_rows: bool = False) -> str:
    """Return what stands below the images, in words."""
    if not isinstance(source, Evaluation):
        return "" if in_rows or source.labels is None else "Below each image: its class."
    other = ", where it is another," if in_rows else ""
    return f"Below each image: the predicted class{other} and its probability; blue is right, orange is wrong."


def _grouping(source: Dataset | Evaluation, rows: pd.DataFrame | None) -> str:
    """Return what a row of `class_grid` is."""
    if isinstance(source, Evaluation) and rows is not None and len(rows):
        names = np.asarray(source.class_names, dtype=object)
        for key, said in (("y_true", "true"), ("y_pred", "predicted")):
            if (names[source.samples[key][rows["index"]]] == rows["class"].to_numpy(dtype=object)).all():
                return f"A row a {said} class."
    return "A row a class."


def _title(source: Dataset | Evaluation) -> str:
    if isinstance(source, Evaluation):
        return f"{source.name} on {source.data.name}"
    return title_of(source)


def _classes(source: Dataset | Evaluation) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the names of classes, and the class of each image."""
    labels = source.samples["y_true"] if isinstance(source, Evaluation) else source.labels
    if labels is None:
        raise InvalidInputError("class_grid: expected labelled images. Received: none with labels. Use image_grid.")
    return source.class_names, labels


def _grouped(source: Dataset | Evaluation, rows: Any, names: tuple[str, ...]) -> list[NDArray[np.int64]]:
    """Return the images that a frame names of each class."""
    columns = getattr(rows, "columns", None)
    if columns is None or not {"class", "index"} <= set(columns):
        came = type(rows).__name__ if columns is None else ", ".join(map(str, columns[:8])) or "no columns"
        raise InvalidInputError(
            f"class_grid: expected a frame with the columns class and index, such as run.errors(). Received: {came}. "
            "Use image_grid for numbers of images."
        )
    indices, given = _indices(source, rows), rows["class"].to_numpy(dtype=object)
    if other := set(given) - set(names):
        raise InvalidInputError(
            f"class_grid: expected names of classes: {', '.join(names[:8])}. Received: {other.pop()!r}. Write names."
        )
    return [indices[given == name] for name in names]


def _members(labels: NDArray[np.int64], k: int, per_class: int, seed: int) -> list[NDArray[np.int64]]:
    """Return images of each class, drawn at random, in the order of their numbers."""
    drawn = np.random.default_rng(seed).permutation(len(labels))
    return [np.sort(drawn[labels[drawn] == number][:per_class]) for number in range(k)]


def _indices(source: Dataset | Evaluation, rows: Any) -> NDArray[np.int64]:
    """Return the numbers of images that a frame or a sequence names."""
    if hasattr(rows, "columns") and "index" not in rows.columns:
        raise InvalidInputError(
            "expected a frame with a column index, such as run.errors(). Received: "
            f"{', '.join(map(str, rows.columns[:8])) or 'no columns'}. Pass run.frame(), or numbers of images."
        )
    given = np.asarray(rows["index"] if hasattr(rows, "columns") else rows)
    n = len(source)
    whole = given.ndim == 1 and (not given.size or given.dtype.kind in "iu")
    if not whole or (given.size and (given.min() < 0 or given.max() >= n)):
        raise InvalidInputError(
            f"expected numbers of images, 0 to {n - 1}, or a frame with a column index. Received: "
            f"{f'{given.min()} to {given.max()}' if whole else f'{given.dtype} of shape {given.shape}'}. "
            "Pass run.errors(), or [3, 14]."
        )
    return given.astype(np.int64)
