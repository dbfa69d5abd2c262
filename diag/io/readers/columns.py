"""What each column of a table is: label, Id, pixel, path of a file, part of the data, or something else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import DataError
from diag.io.pictures import ENDINGS
from diag.io.sources import Request
from diag.printable import printable

_LABEL_NAMES = ("label", "class", "category", "target", "y", "labels", "emotion", "class_name", "class_id")
_ID_NAMES = ("id", "imageid", "image_id", "index", "")
_PATH_NAMES = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "img_path",
    "images", "image_name", "image_id", "id",
)  # fmt: skip
_SPLIT_NAMES = ("split", "usage", "subset", "set", "partition", "data_set", "dataset")
_SPLITS = {
    "test": ("test", "testing", "privatetest", "val", "valid", "validation", "publictest", "dev"),
    "train": ("train", "training"),
}
_MAX_CLASSES = 1_000


@dataclass(frozen=True, slots=True)
class Roles:
    """Numbers of columns by what they are, and what had to be assumed."""

    labels: tuple[int, ...] = ()  # one, or several that are one-hot
    ident: int | None = None
    pixels: tuple[int, ...] = ()
    path: int | None = None
    text: int | None = None  # all pixels of an image as one text
    split: int | None = None
    others: tuple[int, ...] = ()
    assumed: tuple[str, ...] = ()


def roles(table: Any, header: list[str] | None, request: Request, where: str) -> Roles:
    """Return what each column of a table is.

    Raises
    ------
    DataError
        If no columns look like images, or no column is the label that was asked for.
    """
    wished = None
    if request.label_column is not None:
        wished = _wished(request.label_column, header, table.num_columns, where)
    names = [name.lower() for name in header] if header else []
    label = wished if wished is not None else _first(names, _LABEL_NAMES)
    path, text = _path_column(table, names, label), _pixel_text(table)
    if path is None and text is None:
        return _pixel_roles(table, header, label, request, where)
    split = _split_column(table, names)
    ident = None if text is None else _first(names, _ID_NAMES, label)
    rest = [column for column in range(table.num_columns) if column not in (label, path, text, split, ident)]
    if label is None and len(rest) == 1 and wished is None and path is not None and not header:
        label, rest = rest[0], []
    if label is None and len(rest) == 1 and (path is not None or text is not None):
        label, rest = rest[0], []
    return Roles(() if label is None else (label,), ident, (), path, text, split, tuple(rest))


def means_something(name: str) -> bool:
    """Return whether a column's name, in small letters, says that it is a label, an Id, a path or a part."""
    return name in {*_LABEL_NAMES, *_ID_NAMES, *_PATH_NAMES, *_SPLIT_NAMES}


def _first(names: list[str], known: Sequence[str], but: int | None = None) -> int | None:
    return next((names.index(name) for name in known if name in names and names.index(name) != but), None)


def _wished(wish: str | int, header: list[str] | None, count: int, where: str) -> int:
    if isinstance(wish, int):
        if not -count <= wish < count:
            raise DataError(
                f"{where}: expected a label column from 0 to {count - 1}. Received: {wish}. Correct --label-column."
            )
        return wish % count
    if header is None or wish not in header:
        listed = printable(", ".join((header or ["no header"])[:8]))
        raise DataError(
            f"{where}: expected a column of the file: {listed}. Received: no column named {wish!r}. "
            "Correct --label-column (label_column=)."
        )
    return header.index(wish)


def is_text(column: Any) -> bool:
    """Return whether a column holds texts."""
    import pyarrow as pa

    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _head(table: Any, place: int, count: int = 20) -> list[str]:
    return [value for value in table.column(place).slice(0, count).to_pylist() if isinstance(value, str)]


def _path_column(table: Any, names: list[str], label: int | None) -> int | None:
    """Return the column with names of image files: by their endings, or by the column's name in a narrow table."""
    texts = [place for place in range(table.num_columns) if place != label and is_text(table.column(place))]
    named = [place for place in texts if (head := _head(table, place)) and _all_end(head)]
    ordered = [names.index(name) for name in _PATH_NAMES if name in names]
    found = next((place for place in ordered if place in named), named[0] if named else None)
    if found is None and table.num_columns <= 16:  # names without an ending, as in some of Kaggle's tables
        found = next((place for place in ordered if place in texts and names[place] not in _SPLIT_NAMES), None)
    return found


def _all_end(values: list[str]) -> bool:
    return all(value.strip().lower().endswith(ENDINGS) for value in values)


def _pixel_text(table: Any) -> int | None:
    """Return the column that holds all pixels of an image as numbers with spaces between, as in FER2013."""
    for place in range(table.num_columns):
        if is_text(table.column(place)) and (head := _head(table, place, 3)):
            words = [value.split() for value in head]
            if all(len(row) >= 16 and all(re.fullmatch(r"[\d.]+", word) for word in row[:16]) for row in words):
                return place
    return None


def _split_column(table: Any, names: list[str]) -> int | None:
    place = _first(names, _SPLIT_NAMES)
    if place is None or not is_text(table.column(place)):
        return None
    known = {name for names_of in _SPLITS.values() for name in names_of}
    return place if all(str(value).lower() in known for value in set(table.column(place).to_pylist())) else None


def rows_of_split(values: Sequence[str], split: str, where: str) -> tuple[NDArray[np.bool_], str]:
    """Return which rows a column such as ``split`` gives to a part, and what they are called there.

    Raises
    ------
    DataError
        If there are none.
    """
    lower = np.array([str(value).lower() for value in values])
    found = next((name for name in _SPLITS.get(split, (split,)) if (lower == name).any()), None)
    if found is None:
        raise DataError(
            f"{where}: expected rows of the {split} split; there are no rows of a {split} split. "
            f"Received: {', '.join(sorted(set(lower)))}. Correct --split (split=)."
        )
    return lower == found, found


def _pixel_roles(table: Any, header: list[str] | None, label: int | None, request: Request, where: str) -> Roles:
    """Return the roles in a table with a column a pixel."""
    names = [name.lower() for name in header] if header else []
    ident, split = _first(names, _ID_NAMES, label), _split_column(table, names)
    rest = [place for place in range(table.num_columns) if place not in (label, ident, split)]
    if header and not is_image(len(rest), request.size):
        family = _family(header, rest, request.size)
        if family is not None:
            return _of_family(table, header, label, ident, split, family, rest)
    hot = () if label is not None else _one_hot(table, rest, request.size)
    if hot:
        return Roles(hot, ident, tuple(place for place in rest if place not in hot), split=split)
    if label is not None or is_image(len(rest), request.size):
        return Roles(() if label is None else (label,), ident, tuple(rest), split=split)
    if is_image(len(rest) - 1, request.size):
        label, assumed = _end_column(table, rest[0], rest[-1])
        return Roles((label,), ident, tuple(place for place in rest if place != label), split=split, assumed=assumed)
    if ident is None and is_image(len(rest) - 2, request.size) and _counts(table, rest[0]):
        label, assumed = _end_column(table, rest[1], rest[-1])
        pixels = tuple(place for place in rest[1:] if place != label)
        said = f"Column {rest[0]} has another value in every row: it was taken for an Id."
        return Roles((label,), rest[0], pixels, split=split, assumed=(said, *assumed))
    raise DataError(
        f"{where}: expected a column a pixel of square images. "
        f"Received: {len(rest)} columns are no square image with or without a label. "
        "Pass --label-column and --resize HxW (label_column=, size=)."
    )


def is_image(pixels: int, size: tuple[int, int] | None) -> bool:
    """Return whether so many columns can be an image: of `size`, or a square, in grey or colour."""
    if size is not None and pixels in (size[0] * size[1], 3 * size[0] * size[1]):
        return True
    return any(round((pixels / channels) ** 0.5) ** 2 * channels == pixels and pixels >= 16 for channels in (1, 3))


def _family(header: list[str], places: list[int], size: tuple[int, int] | None) -> tuple[int, ...] | None:
    """Return the columns whose names differ in their numbers only, such as pixel0, pixel1 ..., if they are an image."""
    families: dict[str, list[int]] = {}
    for place in places:
        families.setdefault(re.sub(r"\d+", "#", header[place]), []).append(place)
    largest = max(families.values(), key=len, default=[])
    return tuple(largest) if is_image(len(largest), size) else None


def _of_family(
    table: Any, header: list[str], label: int | None, ident: int | None, split: int | None,
    pixels: tuple[int, ...], rest: list[int],
) -> Roles:  # fmt: skip
    """Return the roles where names tell which columns are pixels."""
    others = tuple(place for place in rest if place not in pixels)
    assumed: tuple[str, ...] = ()
    labels: tuple[int, ...] = () if label is None else (label,)
    if label is None and len(others) > 1 and _are_one_hot(table, others):
        labels = others
    elif label is None and others:
        texts = [place for place in others if is_text(table.column(place))]
        likely = texts or [place for place in others if looks_like_labels(table.column(place).to_pylist())]
        if len(likely) == 1:
            labels = (likely[0],)
            if len(others) > 1:
                assumed = (f"Column {header[likely[0]]!r} was taken for the label. If not, pass --label-column.",)
    return Roles(
        labels, ident, pixels, split=split, others=tuple(p for p in others if p not in labels), assumed=assumed
    )


def _one_hot(table: Any, rest: list[int], size: tuple[int, int] | None) -> tuple[int, ...]:
    """Return the one-hot columns at the end, or the beginning, of a table without telling names."""
    for count in range(2, min(len(rest) - 15, _MAX_CLASSES)):
        if is_image(len(rest) - count, size):
            for part in (rest[-count:], rest[:count]):
                if _are_one_hot(table, part):
                    return tuple(part)
    return ()


def _are_one_hot(table: Any, places: Sequence[int]) -> bool:
    """Return whether columns hold a single 1 in each row, and not always in the same column."""
    total, used = np.zeros(len(table)), 0
    for place in places:
        column = table.column(place)
        if is_text(column) or column.null_count:
            return False
        values = np.asarray(column.to_numpy(), dtype=float)
        if not np.isin(values, (0, 1)).all():
            return False
        total += values
        used += bool(values.any())
    return used > 1 and bool((total == 1).all())


def _counts(table: Any, place: int) -> bool:
    """Return whether a column can be an Id: another text or whole number in every row."""
    values = table.column(place).to_pylist()
    whole = all(isinstance(value, str) or (value is not None and float(value).is_integer()) for value in values)
    return whole and len(set(values)) == len(values)


def _end_column(table: Any, first: int, last: int) -> tuple[int, tuple[str, ...]]:
    """Return which of two columns holds the labels: texts or whole numbers, and the less like a pixel of the two."""
    values = {column: table.column(column).to_pylist() for column in (first, last)}
    likely = [column for column in (last, first) if looks_like_labels(values[column])] or [last]
    chosen = min(likely, key=lambda column: _unlike_labels(values[column]))  # the last of two equals
    if len(likely) == 1 or any(len(set(values[column])) == 1 for column in likely):
        return chosen, ()
    return chosen, (
        f"Columns {first} and {last} could both be labels; column {chosen} was taken. "
        "If that is wrong, pass --label-column (label_column=).",
    )


def looks_like_labels(values: list[Any]) -> bool:
    """Return whether values can be labels: texts, or whole numbers from 0 to 999."""
    return all(
        isinstance(value, str) or (value is not None and float(value).is_integer() and 0 <= value < _MAX_CLASSES)
        for value in values
    )


def _unlike_labels(values: list[Any]) -> tuple[bool, bool, bool, int]:
    """Return what speaks against labels, the strongest first.

    One value only; numbers with gaps between them; one value in more than nine of ten rows, as in the corner of an
    image; many different values.
    """
    counts = Counter(values)
    numbers = [value for value in counts if not isinstance(value, str)]
    gaps = bool(numbers) and max(numbers) - min(numbers) + 1 != len(numbers)
    return len(counts) == 1, gaps, max(counts.values()) > 0.9 * len(values), len(counts)
