"""Images as rows of a CSV: a column a pixel, a label in the first, the last or a named column, or none."""

from __future__ import annotations

import csv as text_csv
import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError
from diag.io.sources import Parts, Request, file_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LABEL_NAMES = ("label", "class", "category", "target", "y", "labels")
_ID_NAMES = ("id", "imageid", "image_id", "index", "")


def matches(source: Any) -> bool:
    """Return whether `source` is an existing ``.csv`` or ``.csv.gz``."""
    return isinstance(source, str) and source.lower().endswith((".csv", ".csv.gz")) and Path(source).is_file()


def read(source: Any, request: Request) -> Parts:
    """Read it, and say which header, label column and size were found."""
    path = Path(source)
    if request.split == "train":
        raise DataError(f"{path.name}: a CSV has no training split. Pass the training file as data of its own.")
    first, second = _first_rows(path)
    header = [cell.strip() for cell in first] if _is_header(first, second) else None
    table = _table(path, header is not None, len(first))
    label = _label_column(header, first if header is None else second, table, request, path)
    ident = _id_column(header, label)
    pixels = [column for column in range(len(first)) if column not in (label, ident)]
    matrix = _matrix(table, pixels, header, path)
    notes = (
        f"{path.name}: {'a header' if header else 'no header'}, {_described(label, header)}, "
        f"{len(pixels)} pixel columns with values {matrix.min(initial=0):g} to {matrix.max(initial=0):g}.",
        "No missing values.",
    )
    labels = None if label is None else _labels(table, label, path, header)
    names = None if ident is None else tuple(str(value) for value in table.column(ident).to_pylist())
    return Parts(path.name.split(".")[0], matrix, labels, file_digest(path), notes=notes, sample_names=names)


def _first_rows(path: Path) -> tuple[list[str], list[str]]:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            rows = text_csv.reader(file)
            first = next(rows, [])
            return first, next(rows, first)
    except (OSError, EOFError, UnicodeDecodeError, text_csv.Error) as error:
        raise DataError(f"{path.name}: expected a CSV in UTF-8. {error}") from error


def _is_header(first: list[str], second: list[str]) -> bool:
    """Return whether the first row names columns: texts stand where the second row has numbers."""
    if not first:
        return False
    texts = sum(not _is_number(cell) for cell in first)
    return texts > 1 or (texts == 1 and sum(not _is_number(cell) for cell in second) == 0)


def _table(path: Path, header: bool, n_columns: int) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    if n_columns < 2:
        raise DataError(f"{path.name}: expected pixel columns separated by commas. Received: {n_columns} column(s).")
    names = [str(column) for column in range(n_columns)]
    reading = csv.ReadOptions(column_names=names, skip_rows=int(header))
    try:
        table = csv.read_csv(path, read_options=reading, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path.name}: expected rows of equal length. {str(error).splitlines()[0][:160]}") from error
    if not len(table):
        raise DataError(f"{path.name}: expected at least one row. Received: none.")
    return table


def _label_column(header: list[str] | None, row: list[str], table: Any, request: Request, path: Path) -> int | None:
    """Return the label's column: the one asked for, one with a telling name, or the odd one out of a square number."""
    count, wish = len(row), request.label_column
    if isinstance(wish, int):
        if not -count <= wish < count:
            raise DataError(f"{path.name}: expected a label column from 0 to {count - 1}. Received: {wish}.")
        return wish % count
    if wish is not None:
        if header is None or wish not in header:
            raise DataError(
                f"{path.name}: no column named {wish!r}. Columns: {', '.join((header or ['no header'])[:8])}."
            )
        return header.index(wish)
    if header is not None:
        lower = [name.lower() for name in header]
        return next((lower.index(name) for name in _LABEL_NAMES if name in lower), None)
    if _is_image(count, request.size):
        return None
    if not _is_image(count - 1, request.size):
        raise DataError(
            f"{path.name}: {count} columns are no square image with or without a label. "
            "Pass --label-column and --resize HxW (label_column=, size=)."
        )
    ends = [_looks_like_labels(table.column(column)) for column in (0, count - 1)]
    return 0 if ends[0] and not ends[1] else count - 1 if ends[1] and not ends[0] else _fewer_values(table, count)


def _fewer_values(table: Any, count: int) -> int:
    """Return the end that has fewer different values, but more than one: pixels have many, corners only one.

    The last column when that does not decide.
    """
    kinds = {column: len(table.column(column).unique()) for column in (count - 1, 0)}
    varied = {column: kind for column, kind in kinds.items() if kind > 1} or kinds
    return min(varied, key=lambda column: varied[column])


def _looks_like_labels(column: Any) -> bool:
    values = column.to_pylist()
    return all(
        isinstance(value, str) or (value is not None and float(value).is_integer() and 0 <= value < 1000)
        for value in values
    )


def _is_image(pixels: int, size: tuple[int, int] | None) -> bool:
    if size is not None:
        return pixels in (size[0] * size[1], 3 * size[0] * size[1])
    return any(round((pixels / channels) ** 0.5) ** 2 * channels == pixels and pixels >= 16 for channels in (1, 3))


def _id_column(header: list[str] | None, label: int | None) -> int | None:
    if header is None:
        return None
    return next((place for place, name in enumerate(header) if name.lower() in _ID_NAMES and place != label), None)


def _matrix(table: Any, pixels: list[int], header: list[str] | None, path: Path) -> NDArray[Any]:
    """Return the pixels: uint8 where all are whole numbers 0..255, else float32."""
    import pyarrow as pa

    columns = []
    for place in pixels:
        column = table.column(place)
        name = header[place] if header else str(place)
        if column.null_count:
            row = next(number for number, value in enumerate(column.to_pylist()) if value is None)
            total = sum(table.column(other).null_count for other in pixels)
            raise DataError(
                f"{path.name}: {total:,} pixel values are missing, the first in row {row} (from 0), column {name}. "
                "Fill or drop these rows first."
            )
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise DataError(
                f"{path.name}: column {name} holds texts, not pixels. Is it the label? Pass --label-column."
            )
        columns.append(column.to_numpy())
    whole = all(column.dtype.kind in "iu" and column.min() >= 0 and column.max() <= 255 for column in columns)
    whole = whole or all(
        (column == np.floor(column)).all() and column.min() >= 0 and column.max() <= 255 for column in columns
    )
    return np.stack([column.astype(np.uint8 if whole else np.float32) for column in columns], axis=1)


def _labels(table: Any, label: int, path: Path, header: list[str] | None) -> NDArray[Any]:
    column = table.column(label)
    if column.null_count:
        name = header[label] if header else str(label)
        raise DataError(
            f"{path.name}: {column.null_count:,} labels are missing in column {name}. Drop these rows first."
        )
    return np.asarray(column.to_pylist())


def _described(label: int | None, header: list[str] | None) -> str:
    if label is None:
        return "no label column"
    return f"label in column {label}" + (f" ({header[label]})" if header else "")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.strip() == ""
    return True
