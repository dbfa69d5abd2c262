"""What an HDF5 file of weights holds, seen as a whole before any of it is read.

A file may claim far more than it stores, point into other files, or name filters that are programs. So every group and
data set is looked at, and whatever is not plain numbers within the file is refused.

References
----------
The HDF Group, "HDF5 File Format Specification", version 3.0: links (IV.A.2.g), filters (IV.A.2.l), layouts (IV.A.2.i).
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

from diag.errors import ModelLoadError, UnsafeModelError
from diag.io.audit_hdf5 import refuse_strange_types
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

if TYPE_CHECKING:
    from collections.abc import Iterator

Shapes = dict[str, tuple[int, ...]]
_DEEPEST = 40
_SMALL = 2**20
"""Bytes up to which an array may claim what it likes; all together may not."""
_LARGE = 2**29
"""Bytes that all arrays together may claim if they are stored as tightly as `Limits.ratio` allows."""
_TIGHT = 50
"""How many times less than `Limits.ratio` arrays may claim that are together larger: weights do not shrink so far."""
_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_PIECE = 2**22


def dataset_shapes(file: Any, name: str, stored: int) -> Shapes:
    """Return the shapes of all data sets of an open HDF5 file by path.

    Parameters
    ----------
    file : h5py.File
    name : str
        For messages.
    stored : int
        Bytes that the file takes where it lies, packed or not.

    Raises
    ------
    UnsafeModelError
        If something points out of the file, lies in it twice, claims more than it stores, or needs an unknown filter.
    ModelLoadError
        If there is too much of it.
    """
    walk = _Walk(name, stored)
    walk.group(file, "", 0)
    walk.refuse_total()
    walk.unpack()
    return walk.shapes


class _Walk:
    def __init__(self, name: str, stored: int) -> None:
        self.name, self.stored = name, stored
        self.limits = Limits.current()
        self.shapes: Shapes = {}
        self.claimed = self.members = 0
        self.seen: set[int] = set()
        self.packed: list[tuple[Any, str, list[int], int]] = []

    def group(self, group: Any, prefix: str, depth: int) -> None:
        """Look at a group and all that is in it."""
        import h5py

        self._once(group, prefix or "/")
        refuse_strange_types(group)
        for key in group:
            path = f"{prefix}{key}"
            self.members += 1
            if depth > _DEEPEST:
                raise self._refused(f"{_shown(path)} lies more than {_DEEPEST} groups deep")
            if self.members > self.limits.members:
                raise self._too_many()
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise self._refused(f"weight {_shown(path)} is a link, perhaps out of the file")
            item = group[key]
            if isinstance(item, h5py.Group):
                self.group(item, f"{path}/", depth + 1)
            elif isinstance(item, h5py.Dataset):
                self._dataset(item, path)
            else:
                raise self._refused(f"{_shown(path)} is neither a group nor an array")

    def _dataset(self, item: Any, path: str) -> None:
        if item.is_virtual or item.external:
            raise self._refused(f"weight {_shown(path)} lies in another file")
        self._once(item, path)
        refuse_strange_types(item)
        if item.shape is None:
            return
        kept = min(item.id.get_storage_size(), self.stored)  # pieces may be stored as one
        self.claimed += item.nbytes
        if item.nbytes > _SMALL and item.nbytes > self.limits.ratio * kept:
            raise self._claims(f"weight {_shown(path)}", item.nbytes, kept, self.limits.ratio)
        place = item.id.get_offset()
        if place is not None and item.chunks is None and place + item.nbytes > max(_size_of(item.file), self.stored):
            raise self._refused(f"weight {_shown(path)} reaches beyond the end of the file")
        if item.chunks is not None:
            self._chunks(item, path)
        self.shapes[path] = tuple(int(size) for size in item.shape)

    def _chunks(self, item: Any, path: str) -> None:
        """Look at what is unpacked: by which filters, in pieces of what size, and that no piece grows beyond it."""
        filters = _filters(item)
        size = math.prod(item.chunks) * item.dtype.itemsize
        if size > max(_SMALL, 2 * item.nbytes):
            raise self._refused(f"weight {_shown(path)} is cut into pieces of {size:,} bytes, larger than itself")
        packing = [code for code in filters if code in (_DEFLATE, _LZF)]
        last = [code for code in filters if code != _FLETCHER32][-1:]
        if set(filters) - {_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF} or len(set(filters)) != len(filters):
            raise self._refused(f"weight {_shown(path)} is packed by filters {filters}, of which some are not known")
        if len(packing) > 1 or (packing and last != packing):
            raise self._refused(f"weight {_shown(path)} is packed by filters in an unusual order, {filters}")
        if packing:
            self.packed.append((item, path, filters, size))

    def unpack(self) -> None:
        """Look at each packed piece; called when all that is claimed is known to be possible."""
        total = 0
        for item, path, filters, size in self.packed:
            for offset, kept in _pieces(item):
                self.members, total = self.members + 1, total + kept
                if self.members > self.limits.members:
                    raise self._too_many()
                if kept > size + size // 8 + 1024 or total > max(self.stored, _size_of(item.file)):
                    raise self._refused(f"a piece of weight {_shown(path)} is stored in {kept:,} bytes for {size:,}")
                if _DEFLATE in filters and _grows(item, offset, filters, size):
                    raise self._refused(f"a piece of weight {_shown(path)} unpacks to more than its {size:,} bytes")

    def refuse_total(self) -> None:
        """Raise if all arrays together claim more than what is stored could be."""
        tight = max(1, self.limits.ratio // _TIGHT)
        for border, ratio in ((_SMALL, self.limits.ratio), (_LARGE, tight)):
            if self.claimed > border and self.claimed > ratio * self.stored:
                raise self._claims("all weights together", self.claimed, self.stored, ratio)

    def _once(self, node: Any, path: str) -> None:
        """Refuse what has two names, or holds itself."""
        import h5py

        place = h5py.h5o.get_info(node.id).addr
        if place in self.seen:
            raise self._refused(f"{_shown(path.rstrip('/') or path)} is in the file twice over")
        self.seen.add(place)

    def _claims(self, what: str, claimed: int, kept: int, ratio: int) -> UnsafeModelError:
        factor = -(-claimed // max(kept, 1)) * (self.limits.ratio // ratio)
        return UnsafeModelError(
            f"{self.name}: {what}: claims {claimed:,} bytes and stores {kept:,}: refused, at most {ratio:,} times as "
            f"much is allowed. {raise_hint('ratio', factor)}"
        )

    def _too_many(self) -> ModelLoadError:
        return ModelLoadError(
            f"{self.name}: expected at most {self.limits.members:,} groups, arrays and pieces of arrays. Received: "
            f"more. {raise_hint('members', 10 * self.limits.members)}"
        )

    def _refused(self, what: str) -> UnsafeModelError:
        return UnsafeModelError(f"{self.name}: {what}: refused. Save the model again with model.save.")


def _shown(path: str) -> str:
    return printable(path, 80)


def _size_of(file: Any) -> int:
    return int(file.id.get_filesize())


def _filters(item: Any) -> list[int]:
    plist = item.id.get_create_plist()
    return [int(plist.get_filter(number)[0]) for number in range(plist.get_nfilters())]


def _pieces(item: Any) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield where each stored piece of an array begins, and in how many bytes it is stored."""
    found: list[tuple[tuple[int, ...], int]] = []
    item.id.chunk_iter(lambda piece: found.append((piece.chunk_offset, piece.size)))
    yield from found


def _grows(item: Any, offset: tuple[int, ...], filters: list[int], size: int) -> bool:
    """Return whether a deflated piece unpacks to more than `size` bytes, which the library would follow to the end."""
    mask, packed = item.id.read_direct_chunk(offset)
    if mask & (1 << filters.index(_DEFLATE)):  # this piece is not packed
        return len(packed) > size + 4
    stream, total, rest = zlib.decompressobj(), 0, packed
    while rest and total <= size:
        total += len(stream.decompress(rest, _PIECE))
        rest = stream.unconsumed_tail
    return total > size
