"""TFRecord files and the tf.Example messages in them, read as data, without TensorFlow.

References
----------
TensorFlow guide "TFRecord and tf.train.Example": a record is its length (64 bits), the masked CRC-32C of the length,
the data, and the masked CRC-32C of the data. Protocol Buffers, "Encoding": varints, tags and length-delimited fields.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected
_MASK = 0xA282EAD8
_HEADER = 12
_FOOTER = 4
_MOST_CHECKED = 64 * 2**20  # bytes whose checksum is made; half a million scalars
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value = list[bytes] | NDArray[Any]


def _table() -> tuple[int, ...]:
    entries = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (_POLYNOMIAL if entry & 1 else 0)
        entries.append(entry)
    return tuple(entries)


_CRC = _table()


def masked_crc(data: bytes) -> int:
    """Return the CRC-32C of some bytes, masked as in a TFRecord.

    Examples
    --------
    >>> hex(masked_crc(b""))  # the CRC-32C of nothing is 0, so this is the mask
    '0xa282ead8'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


class CutOffError(ValueError):
    """A file ends within a record, as one does that is still being written."""


def records(
    file: Any, length: int, checked: int | None = None, longest: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield where each record's data begin, and the data.

    Parameters
    ----------
    file : binary file
        At its beginning.
    length : int
        Bytes in it.
    checked : int, optional
        Hold the data against their checksum, and pass over records of more bytes than this. Without it all are
        yielded, and their checksums not looked at.
    longest : int, optional
        Bytes of a record; a longer one is an error.

    Raises
    ------
    CutOffError
        If a record is cut off.
    ValueError
        If a checksum is wrong, a record too long, or more than 64 MiB are to be held against their checksums.
    """
    place = held = 0
    while place < length:
        head = file.read(_HEADER)
        if len(head) < _HEADER:
            raise CutOffError(f"cut off at byte {place:,}")
        size, crc = struct.unpack("<QI", head)
        if masked_crc(head[:8]) != crc:
            raise ValueError(f"no record at byte {place:,}")
        place += _HEADER
        if place + size + _FOOTER > length:
            raise CutOffError(f"the record at byte {place:,} is cut off")
        if longest is not None and size > longest:
            raise ValueError(f"the record at byte {place:,} has {size:,} bytes, more than {longest:,}")
        if checked is not None and size > checked:
            file.seek(size + _FOOTER, 1)
        else:
            data, foot = file.read(size), file.read(_FOOTER)
            held += size if checked is not None else 0
            if held > _MOST_CHECKED:
                raise ValueError(f"it has more than {_MOST_CHECKED:,} bytes of small records")
            if checked is not None and struct.pack("<I", masked_crc(data)) != foot:
                raise ValueError(f"the checksum of the record at byte {place:,} is wrong")
            yield place, data
        place += size + _FOOTER


def example(data: bytes) -> dict[str, Value]:
    """Return the features of a tf.Example: lists of bytes, float32 arrays or int64 arrays.

    Raises
    ------
    ValueError
        If it is no such message.
    """
    features: dict[str, Value] = {}
    for number, kind, body in fields(data):
        if number != 1 or kind != BYTES:
            continue
        for entry_number, entry_kind, entry in fields(body):
            if entry_number == 1 and entry_kind == BYTES:
                pair = {at: value for at, wire, value in fields(entry) if wire == BYTES}
                features[bytes(pair.get(1, b"")).decode("utf-8", "replace")] = _feature(pair.get(2, b""))
    return features


def _feature(data: bytes) -> Value:
    for number, kind, body in fields(data):
        if kind != BYTES:
            continue
        values = [(wire, value) for at, wire, value in fields(body) if at == 1]
        if number == 1:
            return [value for wire, value in values if wire == BYTES]
        if number == 2:
            packed = b"".join(value for wire, value in values if wire in (BYTES, FIXED32))
            return np.frombuffer(packed, dtype="<f4")
        if number == 3:
            listed = [_varints(value) if wire == BYTES else [value] for wire, value in values]
            return np.array([item for part in listed for item in part], dtype=np.uint64).view(np.int64)
    return []


def fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield number, wire type and value of each field of a message: an int for a varint, else its bytes."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            yield tag >> 3, kind, value
            continue
        if kind == BYTES:
            size, place = _varint(data, place)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"no protocol buffer: wire type {kind}")
        if place + size > len(data):
            raise ValueError("a message is cut off")
        yield tag >> 3, kind, data[place : place + size]
        place += size


def _varints(data: bytes) -> list[int]:
    values, place = [], 0
    while place < len(data):
        value, place = _varint(data, place)
        values.append(value)
    return values


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for step in range(10):
        if place + step >= len(data):
            break
        byte = data[place + step]
        value |= (byte & 0x7F) << 7 * step
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place + step + 1
    raise ValueError("a number is cut off")
