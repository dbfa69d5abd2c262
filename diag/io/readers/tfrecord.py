"""TFRecord files of tf.Example messages, plain or gzipped, one or a folder of shards."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import DataError
from diag.io.opening import open_regular
from diag.io.pictures import header, pictures
from diag.io.protobuf import Value, example, masked_crc, records
from diag.io.readers.siblings import is_folder_of, shards, shards_of_split
from diag.io.sources import Parts, Request, StoredArray, file_digest, tick
from diag.io.unpacking import DAMAGE, opened_data, read_up_to
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

_ENDINGS = (".tfrecord", ".tfrecords", ".tfrec", ".tfrecord.gz", ".tfrecords.gz")
_IMAGES = (
    "image/encoded", "image", "image_raw", "image/raw", "image/image_raw", "img", "image_bytes", "x", "data",
    "pixels", "feature", "features",
)  # fmt: skip
_LABELS = (
    "image/class/label", "label", "labels", "image/label", "class", "class_label", "y", "target", "image/class/text",
)  # fmt: skip
_NAMES = ("image/class/text", "class_name", "label_name")
_LONGEST = 2**28  # bytes of a record
_SIZES = (("image/height", "height", "rows"), ("image/width", "width", "cols"))


@dataclass(frozen=True, slots=True, eq=False)
class _Shard:
    """A file, or what a gzipped one holds."""

    path: Path
    content: bytes | None

    def opened(self) -> Any:
        return open_regular(self.path, "data file", DataError) if self.content is None else io.BytesIO(self.content)

    def length(self) -> int:
        return self.path.stat().st_size if self.content is None else len(self.content)


@dataclass(frozen=True, slots=True, eq=False)
class _Records:
    """Where each record lies, and which of its features is the image."""

    shards: tuple[_Shard, ...]
    places: NDArray[np.int64]  # (n, 3): shard, offset, length
    image: str

    def __len__(self) -> int:
        return len(self.places)

    def name(self, row: int) -> str:
        return f"{printable(self.shards[int(self.places[row][0])].path.name, 80)}: record {row}"

    def read(self, rows: NDArray[np.int64]) -> Iterator[bytes]:
        for value in self.features(rows):
            yield value[0] if isinstance(value, list) and value else b""

    def features(self, rows: NDArray[np.int64]) -> Iterator[Value]:
        files: dict[int, Any] = {}
        try:
            for row in rows:
                shard, offset, length = (int(value) for value in self.places[row])
                file = files.get(shard) or files.setdefault(shard, self.shards[shard].opened())
                file.seek(offset)
                yield example(file.read(length)).get(self.image, [])
        except (OSError, ValueError) as error:
            raise DataError(
                f"a record cannot be read again. {printable(str(error))}. The file has changed: load it again."
            ) from error
        finally:
            for file in files.values():
                file.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Pixels:
    """Images that are kept as plain pixels in a feature."""

    records: _Records
    shape: tuple[int, ...]
    dtype: Any

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        out = np.empty((len(rows), *self.shape), dtype=self.dtype)
        for place, value in enumerate(self.records.features(rows)):
            flat = np.frombuffer(value[0], dtype=self.dtype) if isinstance(value, list) and value else np.asarray(value)
            if flat.size != math.prod(self.shape):
                raise DataError(f"{self.records.name(int(rows[place]))}: expected {self.shape}. Received: {flat.size}.")
            out[place] = flat.reshape(self.shape)
        return out


def matches(source: Any) -> bool:
    """Return whether `source` is a TFRecord file by its name, or a folder of them."""
    if not isinstance(source, str):
        return False
    return is_folder_of(source, _ENDINGS) or (not Path(source).is_dir() and bool(shards(source, _ENDINGS)))


def read(source: Any, request: Request) -> Parts:
    """Walk through the records for their labels; images are decoded when they are asked for."""
    paths, notes = shards_of_split(source, request.split, _ENDINGS)
    opened = tuple(_shard(path) for path in paths)
    where = paths[0].name if len(paths) == 1 else Path(source).resolve().name
    image, label, name = "", None, None
    first: Mapping[str, Value] = {}
    most = Limits.current().files
    places: list[tuple[int, int, int]] = []
    labels: list[Any] = []
    names: dict[Any, str] = {}
    for number, shard, (offset, data) in _walked(opened):
        features = _example(data, shard.path)
        if not places:
            first = features
            image, label, name = _keys(features, request.label_column, where)
        if image not in features:
            raise DataError(
                f"{shard.path.name}: record {len(places)} has no feature {image!r}, which the first one has. "
                "Write all records alike."
            )
        places.append((number, offset, len(data)))
        if len(places) > most:
            raise DataError(
                f"{where}: expected at most {most:,} records. Received: more. {raise_hint('files', 10 * most)}"
            )
        if label is not None:
            labels.append(_label(features.get(label, []), shard.path, len(places) - 1))
            if name is not None:
                names[labels[-1]] = _text(features.get(name, []))
    if not places:
        raise DataError(f"{where}: expected records. Received: none. Pass a file that has some.")
    blobs = _Records(opened, np.array(places, dtype=np.int64), image)
    images, sizes, more, done = _images(blobs, first, request)
    found = f"{where}: {len(places)} records, image in {image!r}, " + (f"label in {label!r}." if label else "no label.")
    return Parts(
        name=printable(where.partition(".tfrec")[0]),
        images=images,
        labels=labels if label is not None else None,
        content="|".join(file_digest(path) for path in paths) + f"|{image}|{label}{done}",
        class_names=_class_names(names),
        notes=(printable(found), *notes, *more),
        sizes=sizes,
    )


def _shard(path: Path) -> _Shard:
    with opened_data(path) as file:
        if isinstance(file, io.BufferedReader) and isinstance(file.raw, io.FileIO):
            return _Shard(path, None)
        try:
            return _Shard(path, read_up_to(file, Limits.current().memory_bytes))
        except DAMAGE as error:
            raise DataError(
                f"{printable(path.name, 80)}: expected a TFRecord file. Received: {printable(str(error), 120)}. "
                "Copy or download it again."
            ) from error


def _walked(opened: tuple[_Shard, ...]) -> Iterator[tuple[int, _Shard, tuple[int, bytes]]]:
    for number, shard in enumerate(opened):
        try:
            with shard.opened() as file:
                for record in records(file, shard.length(), longest=_LONGEST):
                    yield number, shard, record
                    tick()
        except (OSError, ValueError, struct.error) as error:
            raise DataError(
                f"{shard.path.name}: expected a TFRecord file. Received: {printable(str(error))}. Copy it again."
            ) from error


def _example(data: bytes, path: Path) -> dict[str, Value]:
    try:
        return example(data)
    except ValueError as error:
        raise DataError(
            f"{path.name}: expected records of tf.Example. Received: {printable(str(error))}. Write it anew."
        ) from error


def _keys(features: Mapping[str, Value], wished: str | int | None, where: str) -> tuple[str, str | None, str | None]:
    """Return the features with the image, the label and the label's name."""
    image = next((key for key in _IMAGES if key in features and len(features[key])), None)
    if image is None:
        image = next((key for key, value in features.items() if isinstance(value, list) and value and _is(value)), None)
    if image is None:
        listed = printable(", ".join(features))[:160]
        raise DataError(
            f"{where}: expected a feature such as image/encoded or image_raw. Received: {listed or 'none'}. "
            "Write the image under one of these names."
        )
    if wished is not None and wished not in features:
        raise DataError(
            f"{where}: expected a feature of the records; no feature {wished!r}. "
            f"Received: {printable(', '.join(features))[:160]}. Correct --label-column."
        )
    label = str(wished) if wished is not None else next((key for key in _LABELS if key in features), None)
    name = next((key for key in _NAMES if key in features and key != label), None)
    return image, label, name


def _is(value: list[bytes]) -> bool:
    """Return whether a feature holds an encoded picture."""
    try:
        header(value[0])
    except DataError:
        return False
    return True


def _label(value: Value, path: Path, row: int) -> Any:
    if not len(value):
        raise DataError(f"{path.name}: expected a label in every record. Received: none in record {row}.")
    if isinstance(value, list):
        return value[0].decode("utf-8", "replace")
    return value[0].item() if len(value) == 1 else value


def _text(value: Value) -> str:
    return value[0].decode("utf-8", "replace") if isinstance(value, list) and value else ""


def _class_names(names: dict[Any, str]) -> tuple[str, ...] | None:
    """Return names by number, if every label has one and is a small number."""
    if not names or not all(isinstance(number, int) and 0 <= number < 100_000 for number in names):
        return None
    return tuple(names.get(number) or str(number) for number in range(max(names) + 1))


def _images(
    blobs: _Records, first: Mapping[str, Value], request: Request
) -> tuple[Any, dict[str, int] | None, tuple[str, ...], str]:
    value = first[blobs.image]
    if isinstance(value, list) and _is(value):
        return pictures(blobs, request)
    _refuse_damaged(blobs)
    length = len(value[0]) if isinstance(value, list) else len(value)
    shape = _stated(first, length)
    dtype = np.dtype(np.uint8) if isinstance(value, list) else value.dtype
    if shape is None:
        shape = (length,)
    elif isinstance(value, list) and length == 4 * math.prod(shape):
        dtype = np.dtype("<f4")
    return StoredArray((len(blobs), *shape), dtype, _Pixels(blobs, shape, dtype)), None, (), ""


def _refuse_damaged(blobs: _Records) -> None:
    """Raise if the first record is not what was written: its image may be a damaged picture, and no plain pixels."""
    number, offset, length = (int(value) for value in blobs.places[0])
    shard = blobs.shards[number]
    with shard.opened() as file:
        file.seek(offset)
        data, foot = file.read(length), file.read(4)
    if struct.pack("<I", masked_crc(data)) != foot:
        raise DataError(
            f"{printable(shard.path.name, 80)}: expected records as they were written. Received: a damaged one at byte "
            f"{offset:,}. Copy or download the file again."
        )


def _stated(features: Mapping[str, Value], length: int) -> tuple[int, ...] | None:
    """Return (h, w, c) if a record states height and width, and its image has as many values, or bytes of floats."""
    found = []
    for keys in _SIZES:
        value = next((features[key] for key in keys if key in features), None)
        if isinstance(value, np.ndarray) and value.dtype.kind == "i" and len(value) == 1 and 0 < value[0] < 2**16:
            found.append(int(value[0]))
    if len(found) != 2:
        return None
    channels = [count for count in (1, 3, 4, 12) if count * found[0] * found[1] == length]
    return (*found, {12: 3, 4: 1}.get(channels[0], channels[0])) if channels else None
