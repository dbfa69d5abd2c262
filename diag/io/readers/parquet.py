"""Parquet files: encoded images as Hugging Face stores them, arrays, or a column a pixel; one or a folder of shards."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import DataError
from diag.io.labels import label_array
from diag.io.opening import open_regular
from diag.io.pictures import pictures
from diag.io.readers.keys import key
from diag.io.readers.siblings import is_folder_of, shards, shards_of_split
from diag.io.readers.table import parts_of_table
from diag.io.sources import Parts, Request, StoredArray, file_digest, tick
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

_ENDINGS = (".parquet", ".pq")
_FIRST_NAMES = ("label", "labels", "fine_label", "class", "target", "y")
_MAX_GROUP = 2**31
_MAX_ROWS = 2**31
_SMALL = 16 * 2**20
_ROWS, _FEW_ROWS = 1_024, 4  # that are decoded at once, at most and at least
_AT_ONCE = 2**28  # bytes that these may take
_A_VALUE = 8  # bytes of a number, at most


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """One column of several files, read by row groups; the last group is kept."""

    paths: tuple[Path, ...]
    groups: tuple[tuple[int, int], ...]  # file and number of each row group
    ends: tuple[int, ...]
    name: str
    part: str | None
    kept: dict[int, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def group(self, number: int) -> Any:
        """Return the values of a row group."""
        values = self.kept.get(number)
        if values is None:
            file, group = self.groups[number]
            with _opened(self.paths[file]) as parquet:
                name = f"{self.name}.{self.part}" if self.part else self.name
                values = _decoded(parquet, [name], self.paths[file], group).column(0).combine_chunks()
            start = self.ends[number - 1] if number else 0
            if len(values) != self.ends[number] - start:
                raise DataError(
                    f"{self.paths[file].name}: a row group holds {len(values)} rows, not as many as it says. "
                    "Write the file again."
                )
            values = values.field(self.part) if self.part else values
            self.kept.clear()
            self.kept[number] = values
        return values

    def by_group(self, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.intp], Any]]:
        """Yield for each row group the places in `rows` that lie in it, and their values."""
        numbers = np.searchsorted(np.asarray(self.ends), rows, side="right")
        for number in np.unique(numbers):
            places = np.flatnonzero(numbers == number)
            start = self.ends[number - 1] if number else 0
            yield places, self.group(int(number)).take(_indices(rows[places] - start))


def _indices(rows: NDArray[np.int64]) -> Any:
    import pyarrow as pa

    return pa.array(rows, type=pa.int64())


@dataclass(frozen=True, slots=True, eq=False)
class _Blobs:
    """Encoded images in a column."""

    column: _Column

    def __len__(self) -> int:
        return len(self.column)

    def name(self, row: int) -> str:
        return f"{self.column.paths[0].name}, row {row}"

    def read(self, rows: NDArray[np.int64]) -> Iterator[bytes]:
        found: list[bytes | None] = [None] * len(rows)
        for places, values in self.column.by_group(rows):
            for place, value in zip(places, values.to_pylist(), strict=True):
                found[place] = value
        for row, value in zip(rows, found, strict=True):
            if value is None:
                raise DataError(f"{self.name(int(row))}: expected the bytes of an image. Received: none, only a path.")
            yield value


@dataclass(frozen=True, slots=True, eq=False)
class _Arrays:
    """Images that are lists of numbers in a column."""

    column: _Column
    shape: tuple[int, ...]
    dtype: Any

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        out = np.empty((len(rows), *self.shape), dtype=self.dtype)
        for places, values in self.column.by_group(rows):
            flat = _flat(values)
            if values.null_count or len(flat) != len(places) * math.prod(self.shape):
                raise DataError(
                    f"{self.column.paths[0].name}: expected arrays of one shape in {self.column.name}. "
                    "Received: arrays of several. Write rows of one length."
                )
            out[places] = flat.to_numpy(zero_copy_only=False).reshape(len(places), *self.shape)
        return out


def _flat(values: Any) -> Any:
    import pyarrow as pa

    while pa.types.is_list(values.type) or pa.types.is_large_list(values.type) or _is_fixed(values.type):
        values = values.flatten()
    return values


def _is_fixed(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_fixed_size_list(kind))


def matches(source: Any) -> bool:
    """Return whether `source` is a Parquet file by its name, or a folder of them."""
    if not isinstance(source, str):
        return False
    return is_folder_of(source, _ENDINGS) or (not Path(source).is_dir() and bool(shards(source, _ENDINGS)))


def read(source: Any, request: Request) -> Parts:
    """Read labels and further columns; images are read by row groups when they are asked for."""
    paths, notes = shards_of_split(source, request.split, _ENDINGS)
    where = paths[0].name if len(paths) == 1 else Path(source).resolve().name
    content = "|".join(file_digest(path) for path in paths)
    with _opened(paths[0]) as parquet:
        schema = parquet.schema_arrow
    image = _image_column(schema)
    if image is None:
        table = _table(paths, schema.names)
        return parts_of_table(table, list(schema.names), request, where, content, Path(source).parent, notes)
    label = _label_column(schema, request.label_column, image, where)
    column = _column(paths, image, "bytes" if _is_struct(schema.field(image).type) else None)
    if not len(column):
        raise DataError(f"{where}: expected at least one row. Received: none. Pass a file that has some.")
    others = [name for name in schema.names if name not in (image, label) and _is_scalar(schema.field(name).type)]
    table = _table(paths, [*([label] if label else []), *others])
    images, sizes, more, done = _images(column, schema.field(image).type, request)
    found = f"{where}: {len(column)} rows, images in {image!r}, " + (f"label in {label!r}." if label else "no label.")
    return Parts(
        name=printable(Path(where).stem),
        images=images,
        labels=None if label is None else _values(table, label, where),
        content=f"{content}|{image}|{label}{done}",
        class_names=_class_names(schema, label),
        notes=(printable(found), *notes, *more),
        metadata={name: _values(table, name, None) for name in others} or None,
        sizes=sizes,
    )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a Parquet file; everything that may be wrong with it is one `DataError`."""
    from pyarrow import parquet

    with open_regular(path, "data file", DataError) as stream:
        try:
            with parquet.ParquetFile(stream) as file:
                _refuse_claims(file.metadata, path)
                yield file
        except DataError:
            raise
        except _errors() as error:
            raise DataError(
                f"{printable(path.name, 80)}: expected a Parquet file. Received: one that cannot be read "
                f"({printable(str(error), 160)}). Copy or download it again."
            ) from error


def _refuse_claims(metadata: Any, path: Path) -> None:
    """Raise if a file claims far more values than it holds: a run of equal ones takes a few bytes."""
    name, limits, size = printable(path.name, 80), Limits.current(), path.stat().st_size
    if metadata.num_columns > limits.columns:
        raise DataError(
            f"{name}: expected at most {limits.columns:,} columns. Received: {metadata.num_columns:,}. "
            f"{raise_hint('columns', metadata.num_columns)}"
        )
    # Of groups only: pyarrow ends the whole process when it is asked for one column and that is damaged.
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(max(0, group.num_rows) for group in groups))
    claimed = max(rows * metadata.num_columns * _A_VALUE, sum(max(0, group.total_byte_size) for group in groups))
    if claimed > _SMALL and claimed > limits.ratio * size:
        raise DataError(
            f"{name}: expected at most {limits.ratio:,} times what is stored. Received: {claimed:,} bytes of values "
            f"in a file of {size:,}. {raise_hint('ratio', -(-claimed // max(1, size)))}"
        )


def _decoded(parquet: Any, columns: list[str], path: Path, group: int | None = None) -> Any:
    """Return columns as a table: of one row group, or of all; decoded some rows at a time, up to a limit."""
    import pyarrow as pa

    groups = range(parquet.metadata.num_row_groups) if group is None else [group]
    most, total = Limits.current().memory_bytes // 2, 0  # the rest is for what is made of it
    # Every row may hold the longest value that is stored, which a dictionary has only once.
    longest = max((parquet.metadata.row_group(number).total_byte_size for number in groups), default=0)
    rows = max(_FEW_ROWS, min(_ROWS, _AT_ONCE // max(1, longest)))
    batches = []
    for batch in parquet.iter_batches(rows, row_groups=list(groups), columns=columns):
        total += batch.nbytes
        if total > most:
            raise DataError(
                f"{printable(path.name, 80)}: expected columns of at most {most:,} bytes. Received: more in "
                f"{printable(', '.join(columns), 80)}. Write smaller row groups. {raise_hint('memory_bytes', 4 * most)}"
            )
        batches.append(batch)
        tick()
    return pa.Table.from_batches(batches) if batches else parquet.schema_arrow.empty_table().select(columns)


def _errors() -> tuple[type[BaseException], ...]:
    import pyarrow as pa

    return (pa.ArrowException, OSError, ValueError, LookupError, RuntimeError, MemoryError, OverflowError, TypeError)


def _image_column(schema: Any) -> str | None:
    """Return the column with images: encoded ones before arrays, a telling name before others."""
    encoded = [name for name in schema.names if _is_encoded(schema.field(name).type)]
    arrays = [name for name in schema.names if _depth(schema.field(name).type)]
    for names in (encoded, arrays):
        telling = [name for name in names if key(name).kind == "images"]
        if names and (telling or names is encoded or len(names) == 1):
            return str((telling or names)[0])
    return None


def _is_encoded(kind: Any) -> bool:
    import pyarrow as pa

    if _is_struct(kind):
        return any(kind.field(i).name == "bytes" and _is_encoded(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_struct(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind))


def _depth(kind: Any) -> int:
    """Return how many lists lie around numbers; 0 if it is no list of numbers."""
    import pyarrow as pa

    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth if pa.types.is_integer(kind) or pa.types.is_floating(kind) else 0


def _is_scalar(kind: Any) -> bool:
    import pyarrow as pa

    plain = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_temporal)
    return any(check(kind) for check in plain) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)


def _label_column(schema: Any, wished: str | int | None, image: str, where: str) -> str | None:
    names = [str(name) for name in schema.names]
    if isinstance(wished, int) and -len(names) <= wished < len(names):
        wished = names[wished]
    if wished is not None:
        if wished not in names:
            raise DataError(
                f"{where}: expected a column of the file; no column {wished!r}. "
                f"Received: {printable(', '.join(names))[:160]}. Correct --label-column (label_column=)."
            )
        return str(wished)
    telling = [name for name in names if name != image and key(name).kind == "labels"]
    return next((name for name in _FIRST_NAMES if name in telling), telling[0] if telling else None)


def _column(paths: list[Path], name: str, part: str | None) -> _Column:
    groups, ends, end = [], [], 0
    for number, path in enumerate(paths):
        with _opened(path) as parquet:
            metadata = parquet.metadata
            for group in range(metadata.num_row_groups):
                # Of all columns: pyarrow ends the whole process when it is asked for one column and that is damaged.
                size = metadata.row_group(group).total_byte_size
                if size > _MAX_GROUP:
                    raise DataError(f"{path.name}: a row group of {size:,} bytes. Write it with a row_group_size.")
                rows = metadata.row_group(group).num_rows
                if not 0 <= rows <= _MAX_ROWS:
                    raise DataError(f"{path.name}: a row group claims {rows:,} rows. Write the file again.")
                if not rows:
                    continue
                end += rows
                groups.append((number, group))
                ends.append(end)
    return _Column(tuple(paths), tuple(groups), tuple(ends), name, part)


def _table(paths: list[Path], names: list[str]) -> Any:
    import pyarrow as pa

    tables = []
    for path in paths:
        with _opened(path) as parquet:
            missing = next((name for name in names if name not in parquet.schema_arrow.names), None)
            if missing is not None:
                raise DataError(f"{path.name}: expected a column {missing!r}, as in {paths[0].name}. Received: none.")
            tables.append(_decoded(parquet, names, path))
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except _errors() as error:
        raise DataError(f"{paths[0].name}: the files' columns differ. {printable(str(error))[:120]}") from error


def _values(table: Any, name: str, where: str | None) -> NDArray[Any]:
    """Return a column as an array; with `where`, as labels, of which none may be missing."""
    column = table.column(name)
    if where is not None and column.null_count:
        raise DataError(
            f"{where}: expected a label in every row. Received: {column.null_count:,} labels are missing in {name!r}. "
            "Drop these rows first."
        )
    return np.asarray(column.to_pandas()) if where is None else label_array(column.to_pylist(), where)


def _class_names(schema: Any, label: str | None) -> tuple[str, ...] | None:
    """Return the names that Hugging Face's datasets write into the schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    listed = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    return tuple(names) if listed else None


def _images(column: _Column, kind: Any, request: Request) -> tuple[Any, dict[str, int] | None, tuple[str, ...], str]:
    if _is_encoded(kind):
        return pictures(_Blobs(column), request)
    missing = column.group(0).null_count
    if missing:
        raise DataError(
            f"{column.paths[0].name}: expected an image in every row. Received: {missing:,} that are missing in "
            f"{column.name!r}. Drop these rows first."
        )
    try:
        sample = np.asarray(column.group(0)[0].as_py(), dtype=float)
    except (ValueError, TypeError) as error:  # rows of different lengths, or a missing number
        raise DataError(
            f"{column.paths[0].name}: expected arrays of one shape in {column.name}. Received: arrays of several. "
            "Write rows of one length."
        ) from error
    dtype = np.dtype(_flat(column.group(0)).type.to_pandas_dtype())
    shape = sample.shape
    return StoredArray((len(column), *shape), dtype, _Arrays(column, shape, dtype)), None, (), ""
