"""``metadata.csv`` beside class folders: further columns about the images, joined by their file names."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError
from diag.io.opening import open_regular
from diag.io.sources import stays_inside
from diag.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

NAME = "metadata.csv"
KEYS = ("file_name", "filename", "file", "filepath", "path", "image", "image_path", "name")
"""Heads of the column that names the image, the first that is there."""
MAX_BYTES, MAX_COLUMNS, MAX_CELLS = 64 * 2**20, 50, 5_000_000


def metadata_beside(
    root: Path, base: Path, paths: Sequence[Path]
) -> tuple[Mapping[str, NDArray[Any]] | None, tuple[str, ...], str]:
    """Return the columns of ``metadata.csv``, one value an image, a note on them, and the file's text for the digest.

    Parameters
    ----------
    root, base : Path
        The folder that was named, and the one that the images' names begin at; both may hold the table.
    paths : sequence of Path
        The images.

    Returns
    -------
    tuple
        Columns by name (None without a table that fits), at most one note, and the table's text. An image without a
        row has an empty text, NaN in a column of numbers.
    """
    tables = (folder / NAME for folder in dict.fromkeys((base, root)))
    found = next((table for table in tables if table.is_file() and stays_inside(table, root)), None)
    if found is None:
        return None, (), ""
    try:
        with open_regular(found, "table", DataError) as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig") if len(data) <= MAX_BYTES else ""
    except (OSError, UnicodeDecodeError, DataError) as error:
        return None, (f"{NAME} was not used: it cannot be read ({printable(str(error))[:80]}).",), ""
    rows, problem = _rows(text) if len(data) <= MAX_BYTES else ([], f"it is larger than {MAX_BYTES // 2**20} MB")
    if problem:
        return None, (f"{NAME} was not used: {problem}.",), ""
    head, body = rows[0], rows[1:]
    key = next(head.index(name) for name in KEYS if name in head)
    numbers = _matched([row[key] for row in body], found.parent, paths)
    hits = sum(number is not None for number in numbers)
    if not hits:
        first = printable(body[0][key])[:60] if body else "nothing"
        return None, (f"{NAME} was not used: it names none of the images. Its first row names {first!r}.",), ""
    places = [place for place in range(len(head)) if place != key][:MAX_COLUMNS]
    columns = {
        printable(head[place]): _column(["" if n is None else body[n][place] for n in numbers]) for place in places
    }
    said = f"{NAME}: {', '.join(columns)} of {hits:,} of {len(paths):,} images."
    return columns, (said,), text


def _rows(text: str) -> tuple[list[list[str]], str]:
    """Return head and rows, or why they cannot be used."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    if text.count(delimiter) > MAX_CELLS:
        return [], f"it has more than {MAX_CELLS:,} cells"
    if "\0" in text:
        return [], "it holds bytes that are no text"
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    except csv.Error as error:
        return [], printable(str(error))
    if not rows or not any(name in rows[0] for name in KEYS):
        return [], f"expected a head with a column {', '.join(KEYS[:3])} or path. Received: {printable(first)[:60]!r}"
    if len(set(rows[0])) < len(rows[0]):
        return [], "expected different names of columns"
    uneven = next((number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])), None)
    return rows, "" if uneven is None else f"row {uneven} has {len(rows[uneven - 1])} values, the head {len(rows[0])}"


def _matched(names: list[str], folder: Path, paths: Sequence[Path]) -> list[int | None]:
    """Return for each image the row that names it: one path ends with the other, and no other image fits."""
    rows = {_parts(name): number for number, name in enumerate(names)}
    ends: dict[tuple[str, ...], int | None] = {}
    for parts, number in rows.items():
        for start in range(1, len(parts)):
            ends[parts[start:]] = None if parts[start:] in ends else number
    found: list[int | None] = []
    for path in paths:
        whole = path.relative_to(folder).parts if path.is_relative_to(folder) else path.parts
        fits = [rows[whole[start:]] for start in range(len(whole)) if whole[start:] in rows]
        found.append(fits[0] if fits else ends.get(whole))
    times = Counter(found)
    return [number if times[number] == 1 else None for number in found]


def _parts(name: str) -> tuple[str, ...]:
    return tuple(name.replace("\\", "/").strip("/").split("/"))


def _column(texts: list[str]) -> NDArray[Any]:
    """Return numbers where every text that is not empty is one, else texts."""
    try:
        column = np.array([float(text) if text else np.nan for text in texts], dtype=np.float64)
    except ValueError:
        column = np.array([printable(text) for text in texts], dtype=object)
    return column
