"""A table becomes images: a column a pixel, all pixels in one column, or the paths of image files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import DataError
from diag.io.labels import label_array
from diag.io.readers.columns import Roles, is_text, roles, rows_of_split
from diag.io.readers.listing import listed_images
from diag.io.sources import Parts, Request
from diag.printable import printable

_TEXT_ROWS = 1_000


def parts_of_table(
    table: Any,
    header: list[str] | None,
    request: Request,
    where: str,
    content: str,
    folder: Path,
    notes: tuple[str, ...] = (),
) -> Parts:
    """Return the images and labels of a table, and say what each column was taken for.

    Parameters
    ----------
    table : pyarrow.Table
        With columns named by anything.
    header : list of str, optional
        The columns' names, if they have some.
    where : str
        What the source is called.
    content : str
        Its digest.
    folder : Path
        Where paths in it begin.

    Raises
    ------
    DataError
        If no columns look like images, values or files are missing, or there is no such split.
    """
    found = roles(table, header, request, where)
    said = f"{where}: {'a header' if header else 'no header'}, {_described(found, header)}"
    if found.split is not None and request.split != "all":
        mask, name = rows_of_split(table.column(found.split).to_pylist(), request.split, where)
        table, content = table.filter(mask), f"{content}|{name}"
        notes = (*notes, f"The {len(table):,} rows of {name} were taken (column {_name(found.split, header)}).")
    elif request.split not in ("test", "all") and key_split(where) != request.split:
        raise DataError(f"{where}: there is no {request.split} split. Pass the file of that part as data of its own.")
    parted = found.split is not None
    labels = _labels(table, found.labels, where, header)
    content = f"{content}|{found.labels}"
    ident = None if found.ident is None else tuple(str(value) for value in table.column(found.ident).to_pylist())
    metadata = {_name(place, header): _values(table.column(place)) for place in found.others} or None
    stem = where.split(".")[0]
    if found.path is not None:
        values = table.column(found.path).to_pylist()
        images, sizes, more, digest, names = listed_images(values, folder, where, request)
        notes = (f"{said}, files in column {_name(found.path, header)}.", *notes, *more)
        content = f"{content}|{digest}"
        return Parts(stem, images, labels, content, None, notes, names, metadata, sizes, parted=parted)
    if found.text is not None:
        matrix = _from_texts(table.column(found.text), where)
    else:
        matrix = _matrix(table, found.pixels, header, where)
    low, high = (matrix.min(initial=0), matrix.max(initial=0)) if matrix.size else (0, 0)
    said += f", {matrix.shape[1]} pixel columns with values {low:g} to {high:g}."
    notes = (said, "No missing values.", *notes, *found.assumed)
    return Parts(stem, matrix, labels, content, None, notes, ident, metadata, parted=parted)


def key_split(where: str) -> str | None:
    """Return the split that a file is named after."""
    from diag.io.readers.keys import key

    return key(where).split


def _name(place: int, header: list[str] | None) -> str:
    return printable(header[place]) if header else str(place)


def _described(found: Roles, header: list[str] | None) -> str:
    if not found.labels:
        return "no label column"
    if len(found.labels) > 1:
        return f"one-hot labels in columns {found.labels[0]} to {found.labels[-1]}"
    place = found.labels[0]
    return f"label in column {place}" + (f" ({printable(header[place])})" if header else "")


def _labels(table: Any, places: tuple[int, ...], where: str, header: list[str] | None) -> NDArray[Any] | None:
    for place in places:
        missing = table.column(place).null_count
        if missing:
            name = _name(place, header)
            raise DataError(
                f"{where}: expected a label in every row. Received: {missing:,} labels are missing in column {name}. "
                "Drop these rows first."
            )
    if not places:
        return None
    columns = [label_array(table.column(place).to_pylist(), where) for place in places]
    return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)


def _values(column: Any) -> NDArray[Any]:
    return np.asarray(column.to_pandas())


def _matrix(table: Any, pixels: tuple[int, ...], header: list[str] | None, where: str) -> NDArray[Any]:
    """Return the pixels: uint8 where all are whole numbers 0..255, else float32."""
    import pyarrow as pa

    columns = []
    for place in pixels:
        column = table.column(place)
        name = _name(place, header)
        if column.null_count:
            row = next(number for number, value in enumerate(column.to_pylist()) if value is None)
            total = sum(table.column(other).null_count for other in pixels)
            raise DataError(
                f"{where}: expected a number for every pixel. Received: {total:,} pixel values are missing, the first "
                f"in row {row} (from 0), column {name}. Fill or drop these rows first."
            )
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise _texts_for_pixels(column, name, where)
        columns.append(column.to_numpy())
    if not columns:
        raise DataError(
            f"{where}: expected columns with pixels, or with paths of images. Received: neither. Pass another table."
        )
    whole = all(column.dtype.kind in "iu" and _in_bytes(column) for column in columns)
    whole = whole or all((column == np.floor(column)).all() and _in_bytes(column) for column in columns)
    with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is refused next
        matrix = np.stack([column.astype(np.uint8 if whole else np.float32) for column in columns], axis=1)
    if not whole and not np.isfinite(matrix).all():
        row, place = np.argwhere(~np.isfinite(matrix))[0]
        name = _name(pixels[place], header)
        raise DataError(
            f"{where}: expected numbers. Received: {columns[place][row]} in row {row}, column {name}. "
            "Correct or drop that row."
        )
    return matrix


def _texts_for_pixels(column: Any, name: str, where: str) -> DataError:
    """Return the error for a column of texts where pixels are expected; it names the first that is no number."""
    values = column.slice(0, _TEXT_ROWS * 100).to_pylist()
    for row, value in enumerate(values):
        if isinstance(value, str) and not re.fullmatch(r"\s*[-+]?[\d.]+(?:[eE][-+]?\d+)?\s*", value):
            comma = re.fullmatch(r"\s*-?\d+,\d+\s*", value)
            todo = "Write decimal points instead of commas." if comma else "Is it the label? Pass --label-column."
            said = f"{printable(value, 40)!r} in row {row} (from 0), column {name}"
            return DataError(
                f"{where}: expected numbers. Column {name} holds texts, not pixels. Received: {said}. {todo}"
            )
    return DataError(
        f"{where}: expected numbers. Received: column {name} holds texts, not pixels. Is it the label? "
        "Pass --label-column."
    )


def _in_bytes(column: NDArray[Any]) -> bool:
    return not len(column) or bool(column.min() >= 0 and column.max() <= 255)


def _from_texts(column: Any, where: str) -> NDArray[Any]:
    """Return the pixels of texts such as ``"70 80 82"``: uint8 where all are whole numbers 0..255, else float32."""
    import pyarrow as pa
    from pyarrow import compute

    if column.null_count or not is_text(column):
        raise DataError(
            f"{where}: expected an image in every row. Received: {column.null_count:,} images are missing. "
            "Drop these rows first."
        )
    parts: list[NDArray[Any]] = []
    width = len(column[0].as_py().split()) if len(column) else 0
    for start in range(0, len(column), _TEXT_ROWS):
        trimmed = compute.utf8_trim_whitespace(column.slice(start, _TEXT_ROWS).combine_chunks())
        words = compute.split_pattern(trimmed, " ")
        if compute.unique(compute.list_value_length(words)).to_pylist() != [width]:
            raise DataError(
                f"{where}: expected {width} pixels in every row. Received: rows of other lengths. Drop them first."
            )
        flat = words.flatten()
        try:
            numbers = flat.cast(pa.uint8())
        except pa.ArrowInvalid:
            numbers = _as_floats(flat, where)
        parts.append(numbers.to_numpy(zero_copy_only=False).reshape(-1, width))
    return np.concatenate(parts) if parts else np.empty((0, width), np.uint8)


def _as_floats(flat: Any, where: str) -> Any:
    import pyarrow as pa

    try:
        return flat.cast(pa.float32())
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{where}: expected pixels as numbers. Received: {printable(str(error))[:120]}. Correct that row."
        ) from error
