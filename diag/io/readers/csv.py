"""Images as rows of a CSV: a column a pixel, a label in the first, the last or a named column, or none."""

from __future__ import annotations

import csv as text_csv
import gzip
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError
from diag.io.sources import Parts, Request, file_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LABEL_NAMES = ("label", "class", "category", "target", "y", "labels")
_MISSING = ("", "na", "n/a", "#n/a", "null", "nan")
_ID_NAMES = ("id", "imageid", "image_id", "index", "")


def matches(source: Any) -> bool:
    """Return whether `source` is an existing ``.csv`` or ``.csv.gz``."""
    return isinstance(source, str) and source.lower().endswith((".csv", ".csv.gz")) and Path(source).is_file()


def read(source: Any, request: Request) -> Parts:
    """Read it, and say which header, label column and size were found."""
    path = Path(source)
    if request.split not in ("test", "all"):
        raise DataError(
            f"{path.name}: a CSV has no {request.split} split. Pass the file of that part as data of its own."
        )
    first, second = _first_rows(path)
    header = _header(first, second)
    table = _table(path, header is not None, len(first))
    label, assumed = _label_column(header, table, request, path)
    ident = _id_column(header, label)
    pixels = [column for column in range(len(first)) if column not in (label, ident)]
    matrix = _matrix(table, pixels, header, path)
    notes = (
        f"{path.name}: {'a header' if header else 'no header'}, {_described(label, header)}, "
        f"{len(pixels)} pixel columns with values {matrix.min(initial=0):g} to {matrix.max(initial=0):g}.",
        "No missing values.",
        *assumed,
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


def _header(first: list[str], second: list[str]) -> list[str] | None:
    """Return the names of the columns if the first row holds some, else None.

    Names stand where the second row has numbers; or they are the column numbers 0, 1, 2 ... that pandas writes, which
    no row of pixels can be.
    """
    names = [cell.strip() for cell in first]
    texts = [not _is_number(cell) for cell in names]
    if first is second:  # a single row: names, or an image with at most an id and a label in words
        named = sum(texts) > 2
    else:  # class names such as 7 and A mix numbers and texts too, but the pixels beside them repeat
        named = any(text and _is_number(cell) for text, cell in zip(texts, second, strict=False))
        named = named and (sum(texts) > 2 or len(set(names)) == len(names))
    numbers = names[1:] if names[:1] == [""] else names
    counted = len(numbers) > 256 and numbers == [str(column) for column in range(len(numbers))]
    return names if named or counted else None


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


def _label_column(
    header: list[str] | None, table: Any, request: Request, path: Path
) -> tuple[int | None, tuple[str, ...]]:
    """Return the label's column and what had to be assumed for it.

    It is the one asked for, the one with a telling name, or the first or last column where it is the odd one out of a
    square number.
    """
    count = table.num_columns
    if request.label_column is not None:
        return _wished(request.label_column, header, count, path), ()
    if header is not None:
        lower = [name.lower() for name in header]
        named = next((lower.index(name) for name in _LABEL_NAMES if name in lower), None)
        if named is not None:
            return named, ()
    ident = _id_column(header, None)
    rest = [column for column in range(count) if column != ident]
    if _is_image(len(rest), request.size):
        return None, ()
    if not _is_image(len(rest) - 1, request.size):
        raise DataError(
            f"{path.name}: {len(rest)} columns are no square image with or without a label. "
            "Pass --label-column and --resize HxW (label_column=, size=)."
        )
    return _end_column(table, rest[0], rest[-1])


def _wished(wish: str | int, header: list[str] | None, count: int, path: Path) -> int:
    if isinstance(wish, int):
        if not -count <= wish < count:
            raise DataError(f"{path.name}: expected a label column from 0 to {count - 1}. Received: {wish}.")
        return wish % count
    if header is None or wish not in header:
        raise DataError(f"{path.name}: no column named {wish!r}. Columns: {', '.join((header or ['no header'])[:8])}.")
    return header.index(wish)


def _end_column(table: Any, first: int, last: int) -> tuple[int, tuple[str, ...]]:
    """Return which of two columns holds the labels: texts or whole numbers, and the less like a pixel of the two."""
    values = {column: table.column(column).to_pylist() for column in (first, last)}
    likely = [column for column in (last, first) if _looks_like_labels(values[column])] or [last]
    chosen = min(likely, key=lambda column: _unlike_labels(values[column]))  # the last of two equals
    if len(likely) == 1 or any(len(set(values[column])) == 1 for column in likely):
        return chosen, ()
    return chosen, (
        f"Columns {first} and {last} could both be labels; column {chosen} was taken. "
        "If that is wrong, pass --label-column (label_column=).",
    )


def _looks_like_labels(values: list[Any]) -> bool:
    return all(
        isinstance(value, str) or (value is not None and float(value).is_integer() and 0 <= value < 1000)
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
    with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is refused next
        matrix = np.stack([column.astype(np.uint8 if whole else np.float32) for column in columns], axis=1)
    if not whole and not np.isfinite(matrix).all():
        row, place = np.argwhere(~np.isfinite(matrix))[0]
        name = header[pixels[place]] if header else str(pixels[place])
        raise DataError(f"{path.name}: expected numbers. Received: {columns[place][row]} in row {row}, column {name}.")
    return matrix


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
    """Return whether a cell is a number, or stands for a missing one."""
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() in _MISSING
    return True
