"""CSV files: a column a pixel, all pixels of an image in one column, or paths of image files; labels anywhere."""

from __future__ import annotations

import csv as text_csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from diag.errors import DataError
from diag.io.readers.columns import is_text, means_something
from diag.io.readers.siblings import part_files
from diag.io.readers.table import parts_of_table
from diag.io.sources import Parts, Request, file_digest, tick
from diag.io.unpacking import DAMAGE, opened_data
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_MISSING = ("", "na", "n/a", "#n/a", "null", "nan")
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", " ": "spaces"}
_MAX_CELL = 2**24
_START, _LINES = 2**16, 3  # bytes and lines that are looked at first
_NUMBER = 8  # bytes of a value
_MAX_LINE = 16 * 2**20
_BLOCK = 16 * 2**20  # bytes that are parsed at once, which a row has to fit into
_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"), (b"\x00\x00\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"), (b"PK\x03\x04", "a zip archive or an Excel file"), (b"\x80\x04", "a pickle"),
)  # fmt: skip


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
        If it is no CSV in UTF-8, its rows differ in length, it is empty, or it has too many columns.
    """
    start = _start(path)
    delimiter = _delimiter(start.partition("\n")[0])
    first, second = _first_rows(start, delimiter, path)
    _refuse_columns(len(first), path)
    header = _header(first, second)
    decimal = "," if delimiter == ";" and any(re.fullmatch(r"-?\d+,\d+", cell.strip()) for cell in second) else "."
    notes = () if delimiter == "," else (f"Columns are separated by {_DELIMITERS[delimiter]}.",)
    table = _table(path, header, len(first), delimiter, decimal)
    if header is not None:
        _refuse_doubled(header, path)
    return table, header, notes


def _start(path: Path) -> str:
    """Return the first two lines and more of a file as text; raise if it is no text in UTF-8."""
    size, most = path.stat().st_size, Limits.current().memory_bytes // 2
    if size > most:
        raise DataError(
            f"{printable(path.name, 80)}: expected a table of at most {most:,} bytes. Received: {size:,}. "
            f"Save the images as .npz or .parquet. {raise_hint('memory_bytes', 4 * size)}"
        )
    with opened_data(path) as file:
        try:
            data = b"".join(_pieces(file, path))
        except DAMAGE as error:
            raise _broken(path, printable(str(error), 120)) from error
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if mark is not None:
        raise _broken(path, f"text in {mark}")
    if b"\0" in data:
        raise _broken(path, "bytes that are no text (zeros among them)")
    try:
        return data[: data.rfind(b"\n") + 1 or None].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _broken(path, f"text in another encoding, perhaps Latin-1 (byte {error.start:,})") from error


def _pieces(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the beginning of a file up to its third line, as far as that may be a table's row."""
    length = lines = 0
    marks: Counter[bytes] = Counter()
    while lines < _LINES and (piece := file.read(_START)):
        yield piece
        if not lines:
            marks.update({mark: piece.partition(b"\n")[0].count(mark) for mark in (b",", b";", b"\t")})
            _refuse_columns(max(marks.values()) + 1, path)
        length, lines = length + len(piece), lines + piece.count(b"\n")
        if length > (lines + 1) * _MAX_LINE:
            raise _broken(path, f"a line of over {_MAX_LINE:,} bytes")


def _broken(path: Path, what: str) -> DataError:
    return DataError(f"{printable(path.name, 80)}: expected a CSV in UTF-8. Received: {what}. Save it as CSV UTF-8.")


def _delimiter(line: str) -> str:
    """Return what separates the columns: of comma, semicolon and tab the most frequent in the first line."""
    line = re.sub(r'"[^"]*"', "", line)
    counts = {delimiter: line.count(delimiter) for delimiter in ("\t", ";", ",")}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    decimals = len(re.findall(r"\d,\d", line)) if counts[";"] else 0
    if counts[";"] and counts[","] <= max(decimals, counts[";"]):  # decimal commas between semicolons
        return ";"
    if counts[best] == 0 and len(line.split(" ")) > 16:
        return " "
    return best if counts[best] else ","


def _first_rows(start: str, delimiter: str, path: Path) -> tuple[list[str], list[str]]:
    limit = text_csv.field_size_limit(_MAX_CELL)
    try:
        rows = text_csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)
        first = next(rows, [])
        return first, next(rows, first)
    except text_csv.Error as error:
        raise _broken(path, printable(str(error), 120)) from error
    finally:
        text_csv.field_size_limit(limit)


def _refuse_columns(count: int, path: Path) -> None:
    most = Limits.current().columns
    if count > most:
        raise DataError(
            f"{printable(path.name, 80)}: expected at most {most:,} columns. Received: {count:,}. "
            f"{raise_hint('columns', 4 * count)}"
        )


def _refuse_doubled(header: list[str], path: Path) -> None:
    """Raise if two columns that mean something have one name: it is not known which of them is meant."""
    counts = Counter(name.lower() for name in header if name)
    doubled = next((name for name, count in counts.items() if count > 1 and means_something(name)), None)
    if doubled is not None:
        raise DataError(
            f"{printable(path.name, 80)}: expected different names of columns. Received: {counts[doubled]} columns "
            f"named {printable(doubled, 60)!r}. Rename or drop one."
        )


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


def _table(path: Path, header: list[str] | None, n_columns: int, delimiter: str, decimal: str) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    name = printable(path.name, 80)
    if n_columns < 2:
        raise DataError(
            f"{name}: expected pixel columns separated by commas, semicolons or tabs. Received: {n_columns} column(s). "
            "Save one row an image, with a column a pixel."
        )
    names = [str(column) for column in range(n_columns)]
    reading = csv.ReadOptions(column_names=names, skip_rows=int(header is not None), block_size=_BLOCK)
    converting = csv.ConvertOptions(strings_can_be_null=True, decimal_point=decimal)
    parsing = csv.ParseOptions(delimiter=delimiter)
    try:
        with opened_data(path) as file:
            rows = io.BufferedReader(_Rows(file, n_columns, name), _BLOCK)
            table = csv.read_csv(rows, read_options=reading, parse_options=parsing, convert_options=converting)
    except DataError:
        raise
    except (pa.ArrowException, *DAMAGE, ValueError) as error:
        raise DataError(
            f"{name}: expected rows of equal length. Received: {printable(str(error).splitlines()[0], 160)}. "
            "Repair or drop that row."
        ) from error
    if not len(table):
        raise DataError(f"{name}: expected at least one row. Received: none. Save one row an image.")
    if any(pa.types.is_binary(column.type) for column in table.columns):
        raise _broken(path, "text in another encoding, perhaps Latin-1")
    if header is not None:
        _refuse_second_header(table, header, name)
    return table


class _Rows(io.RawIOBase):
    """A stream of rows that ends in an error where the table that is made of them would be too large."""

    def __init__(self, file: BinaryIO, n_columns: int, name: str) -> None:
        self.file, self.n_columns, self.name, self.lines = file, n_columns, name, 0
        self.most = Limits.current().memory_bytes // 2

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.file.read(len(buffer))
        self.lines += piece.count(b"\n")
        size = self.lines * self.n_columns * _NUMBER
        if size > self.most:
            raise DataError(
                f"{self.name}: expected a table of at most {self.most:,} bytes in memory. Received: more than "
                f"{self.lines:,} rows of {self.n_columns:,} columns. Save the images as .npz or .parquet. "
                f"{raise_hint('memory_bytes', 4 * size)}"
            )
        buffer[: len(piece)] = piece
        tick()
        return len(piece)


def _refuse_second_header(table: Any, header: list[str], name: str) -> None:
    """Raise if the header stands among the rows again, as when files were put one behind the other."""
    from pyarrow import compute

    place = next((place for place, text in enumerate(header) if text and is_text(table.column(place))), None)
    if place is None:
        return
    row = compute.index(table.column(place), header[place]).as_py()
    if row >= 0 and all(str(column[row]) == text for column, text in zip(table.columns, header, strict=True)):
        raise DataError(f"{name}: expected one header. Received: it again in row {row} (from 0). Drop that row.")


def _is_number(cell: str) -> bool:
    """Return whether a cell is a number, or stands for a missing one."""
    try:
        float(cell.replace(",", ".", 1) if re.fullmatch(r"-?\d+,\d+", cell.strip()) else cell)
    except ValueError:
        return cell.strip().lower() in _MISSING
    return True
