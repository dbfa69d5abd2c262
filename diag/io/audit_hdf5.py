"""What in a damaged HDF5 file would hang or crash the HDF5 library, beyond the reach of an exception.

Texts lie in global heaps. The library walks a heap from object to object by the sizes written in it; an object
that claims a length of zero stops it on the spot, for ever. And a type that holds lists of lists, which one
changed byte can make of a text, makes it follow pointers that are not there. So both are looked at first.
"""

from __future__ import annotations

import math
import mmap
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_START = b"GCOL\x01"  # signature and version of a heap; three reserved bytes and its size follow
MAX_ATTRIBUTE = 64 * 2**20
_HEADER = 16  # bytes of a heap's header, and of an object's: index, references, reserved, size


def damaged_heap(data: bytes | mmap.mmap) -> int | None:
    """Return where the first global heap begins that cannot be walked to its end, or None.

    Parameters
    ----------
    data : bytes or mmap
        A whole HDF5 file with lengths of 8 bytes, which is all that Keras and h5py write.

    References
    ----------
    HDF5 File Format Specification 3.0, section III.E, "Disk Format: Level 1E - Global Heap".
    """
    start = data.find(_START)
    while start >= 0:
        if start + _HEADER <= len(data):
            (size,) = struct.unpack_from("<Q", data, start + 8)
            # One that claims to be longer than the file is an error that the library finds by itself.
            if start + size <= len(data) and not _is_walkable(data, start + _HEADER, start + size):
                return start
        start = data.find(_START, start + 1)
    return None


def _is_walkable(data: bytes | mmap.mmap, place: int, end: int) -> bool:
    while place + _HEADER <= end:
        index, _, _, size = struct.unpack_from("<HHIQ", data, place)
        # The free rest (index 0) counts its own header; other objects do not, and are padded to 8 bytes.
        step = size if index == 0 else _HEADER + -(-size // 8) * 8
        if step == 0 or place + step > end:
            return False
        place += step
    return True


def damaged_heap_of(path: Path) -> int | None:
    """Return `damaged_heap` of a file, which is mapped, not read into memory."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
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
        size = math.prod(attribute.shape or ()) * kind.get_size()
        if size > MAX_ATTRIBUTE:
            raise ValueError(f"Attribute {name} claims {size:,} bytes.")


def _refuse_strange(kind: Any, name: str) -> None:
    from h5py import h5t

    # Opaque: how Keras 3 stores bfloat16. Not here: lists of any length, references, records.
    if kind.get_class() not in (h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.ENUM, h5t.OPAQUE, h5t.BITFIELD):
        raise ValueError(f"{name} holds neither numbers nor texts.")
