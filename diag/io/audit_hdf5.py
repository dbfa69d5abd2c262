"""What in a damaged HDF5 file would hang or crash the HDF5 library, beyond the reach of an exception.

Texts lie in global heaps. The library walks a heap from object to object by the sizes written in it; an object
that claims a length of zero stops it on the spot, for ever. The names of a group lie in a local heap, with a list
of free places; if the list runs in a circle, the library follows it until memory is full. And a type that holds
lists of lists, which one changed byte can make of a text, makes it follow pointers that are not there. So all
three are looked at first.
"""

from __future__ import annotations

import math
import mmap
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_GLOBAL = b"GCOL\x01"  # signature and version of a global heap; three reserved bytes and its size follow
_LOCAL = b"HEAP\x00"  # of a local heap; three reserved bytes, the data's size, first free place, address follow
_NO_MORE = 1  # ends the list of free places
MAX_ATTRIBUTE = 64 * 2**20  # bytes
MAX_ENTRIES = 200_000  # of an attribute that is a list
_HEADER = 16  # bytes of a heap's header, and of an object's: index, references, reserved, size


def damaged_heap(data: bytes | mmap.mmap) -> int | None:
    """Return where the first heap begins that cannot be walked to its end, or None.

    Parameters
    ----------
    data : bytes or mmap
        A whole HDF5 file with lengths of 8 bytes, which is all that Keras and h5py write.

    References
    ----------
    HDF5 File Format Specification 3.0, sections III.D "Local Heaps" and III.E "Global Heap".
    """
    for start in _places(data, _GLOBAL, _HEADER):
        (size,) = struct.unpack_from("<Q", data, start + 8)
        # One that claims to be longer than the file is an error that the library finds by itself.
        if start + size <= len(data) and not _is_walkable(data, start + _HEADER, start + size):
            return start
    for start in _places(data, _LOCAL, 32):
        size, free, address = struct.unpack_from("<QQQ", data, start + 8)
        if not _ends(data, free, address, size):
            return start
    return None


def _places(data: bytes | mmap.mmap, signature: bytes, length: int) -> Iterator[int]:
    start = data.find(signature)
    while 0 <= start <= len(data) - length:
        yield start
        start = data.find(signature, start + 1)


def _ends(data: bytes | mmap.mmap, free: int, address: int, size: int) -> bool:
    """Return whether a list of free places comes to an end; one out of bounds is found by the library."""
    seen = set()
    while free != _NO_MORE and free < size and address + free + 8 <= len(data):
        if free in seen:
            return False
        seen.add(free)
        (free,) = struct.unpack_from("<Q", data, address + free)
    return True


def _is_walkable(data: bytes | mmap.mmap, place: int, end: int) -> bool:
    while place + _HEADER <= end:
        index, _, _, size = struct.unpack_from("<HHIQ", data, place)
        # The free rest (index 0) counts its own header; other objects do not, and are padded to 8 bytes.
        step = size if index == 0 else _HEADER + -(-size // 8) * 8
        if step == 0 or place + step > end:
            return False
        place += step
    return True


def damaged_heap_of(file: IO[bytes]) -> int | None:
    """Return `damaged_heap` of an open file, which is mapped, not read into memory."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return damaged_heap(data)


def refuse_strange_types(node: Any) -> None:
    """Look at the types of a group's or data set's attributes, and of the data; nothing is read.

    Raises
    ------
    ValueError
        If something is neither numbers nor texts, or an attribute claims to be very large.
    """
    import h5py

    if isinstance(node, h5py.Dataset):
        _refuse_strange(node.id.get_type(), node.name)
    for name in node.attrs:
        attribute = h5py.h5a.open(node.id, name.encode())
        kind = attribute.get_type()
        _refuse_strange(kind, name)
        count = math.prod(attribute.shape or ())
        if count > MAX_ENTRIES or count * kind.get_size() > MAX_ATTRIBUTE:
            raise ValueError(f"Attribute {name} claims {count:,} entries of {kind.get_size():,} bytes.")


def _refuse_strange(kind: Any, name: str) -> None:
    from h5py import h5t

    # Opaque: how Keras 3 stores bfloat16. Not here: lists of any length, references, records.
    if kind.get_class() not in (h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.ENUM, h5t.OPAQUE, h5t.BITFIELD):
        raise ValueError(f"{name} holds neither numbers nor texts.")
