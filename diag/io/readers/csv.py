"""CSV files: a column a pixel, all pixels of an image in one column, or paths of image files; labels anywhere."""

from __future__ import annotations

import csv as text_csv
import gzip
import re
from pathlib import Path
from typing import Any

from diag.errors import DataError
from diag.io.readers.siblings import part_files
from diag.io.readers.table import parts_of_table
from diag.io.sources import Parts, Request, file_digest, printable

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_MISSING = ("", "na", "n/a", "#n/a", "null", "nan")
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", " ": "spaces"}
_MAX_CELL = 2**24


def matches(source: Any) -> bool:
    """Return whether `source` is an existing ``.csv`` or ``.tsv``, plain or gzipped."""
    return isinstance(source, str) and source.lower().endswith(ENDINGS) and Path(source).is_file()


def read(source: Any, request: Request) -> Parts:
    """Read it, and say which delimiter, header, label column and size were found."""
    path = Path(source)
    table, header, notes = table_of(path)
    try:
        return parts_of_table(table, header, request, printable(path.name), file_digest(path), path.parent, notes)
    except DataError:
        beside = [] if request.split in ("test", "all") else part_files(path, request.split, ENDINGS)
        if not beside or beside[0] == path:
            raise
    path = beside[0]
    table, header, notes = table_of(path)
    return parts_of_table(table, header, request, printable(path.name), file_digest(path), path.parent, notes)


def table_of(path: Path) -> tuple[Any, list[str] | None, tuple[str, ...]]:
    """Return a CSV as a pyarrow table, the names of its columns if it has some, and a note on an odd delimiter.

    Raises
    ------
    DataError
        If it is no CSV, its rows differ in length, or it is empty.
    """
    delimiter = _delimiter(path)
    first, second = _first_rows(path, delimiter)
    header = _header(first, second)
    decimal = "," if delimiter == ";" and any(re.fullmatch(r"-?\d+,\d+", cell.strip()) for cell in second) else "."
    notes = () if delimiter == "," else (f"Columns are separated by {_DELIMITERS[delimiter]}.",)
    return _table(path, header is not None, len(first), delimiter, decimal), header, notes


def _opened(path: Path) -> Any:
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")


def _delimiter(path: Path) -> str:
    """Return what separates the columns: of comma, semicolon and tab the most frequent in the first line."""
    try:
        with _opened(path) as file:
            line = re.sub(r'"[^"]*"', "", file.readline(_MAX_CELL))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise _broken(path, error) from error
    counts = {delimiter: line.count(delimiter) for delimiter in ("\t", ";", ",")}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    decimals = len(re.findall(r"\d,\d", line)) if counts[";"] else 0
    if counts[";"] and counts[","] <= max(decimals, counts[";"]):  # decimal commas between semicolons
        return ";"
    if counts[best] == 0 and len(line.split(" ")) > 16:
        return " "
    return best if counts[best] else ","


def _first_rows(path: Path, delimiter: str) -> tuple[list[str], list[str]]:
    limit = text_csv.field_size_limit(_MAX_CELL)
    try:
        with _opened(path) as file:
            rows = text_csv.reader(file, delimiter=delimiter)
            first = next(rows, [])
            return first, next(rows, first)
    except (OSError, EOFError, UnicodeDecodeError, text_csv.Error) as error:
        raise _broken(path, error) from error
    finally:
        text_csv.field_size_limit(limit)


def _broken(path: Path, error: Exception) -> DataError:
    return DataError(f"{path.name}: expected a CSV in UTF-8. {printable(str(error))[:160]}")


def _header(first: list[str], second: list[str]) -> list[str] | None:
    """Return the names of the columns if the first row holds some, else None.

    Names stand where the second row has numbers; or they are the column numbers 0, 1, 2 ... that pandas writes, which
    no row of pixels can be. In a narrow table, which cannot hold pixels, any row of different texts may be names if
    the next row shares none of them.
    """
    names = [cell.strip() for cell in first]
    texts = [not _is_number(cell) for cell in names]
    if first is second:  # a single row: names, or an image with at most an id and a label in words
        named = sum(texts) > 2
    else:  # class names such as 7 and A mix numbers and texts too, but the pixels beside them repeat
        named = any(text and _is_number(cell) for text, cell in zip(texts, second, strict=False))
        named = named and (sum(texts) > 2 or len(set(names)) == len(names))
        named = named or (len(names) < 17 and all(texts) and _no_path(names) and not set(names) & set(second))
    numbers = names[1:] if names[:1] == [""] else names
    counted = len(numbers) > 256 and numbers == [str(column) for column in range(len(numbers))]
    return names if named or counted else None


def _no_path(names: list[str]) -> bool:
    return not any("/" in name or re.search(r"\.\w{3,4}$", name) for name in names)


def _table(path: Path, header: bool, n_columns: int, delimiter: str, decimal: str) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    if n_columns < 2:
        raise DataError(
            f"{path.name}: expected pixel columns separated by commas, semicolons or tabs. "
            f"Received: {n_columns} column(s)."
        )
    names = [str(column) for column in range(n_columns)]
    reading = csv.ReadOptions(column_names=names, skip_rows=int(header))
    converting = csv.ConvertOptions(strings_can_be_null=True, decimal_point=decimal)
    try:
        table = csv.read_csv(
            path, read_options=reading, parse_options=csv.ParseOptions(delimiter=delimiter), convert_options=converting
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path.name}: expected rows of equal length. {str(error).splitlines()[0][:160]}") from error
    if not len(table):
        raise DataError(f"{path.name}: expected at least one row. Received: none.")
    return table


def _is_number(cell: str) -> bool:
    """Return whether a cell is a number, or stands for a missing one."""
    try:
        float(cell.replace(",", ".", 1) if re.fullmatch(r"-?\d+,\d+", cell.strip()) else cell)
    except ValueError:
        return cell.strip().lower() in _MISSING
    return True
