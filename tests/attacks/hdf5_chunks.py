"""HDF5 pieces that lie: one that unpacks to more than it may hold, and thousands that are one and the same."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.attacks.archives import repeated
from tests.attacks.hdf5 import WHERE
from tests.attacks.models import keras_file, legacy_file, weights
from tests.attacks.trap import Attack, Trap

MIB = 2**20


def _stream(size: int) -> bytes:
    """Return `size` zero bytes as zlib packs them; the sum at the end is not looked at before they are unpacked."""
    return b"\x78\xda" + repeated(bytes(MIB), size // MIB)[0] + bytes(4)


def grown(file: h5py.File, place: str, shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
    """Plant an array whose first piece unpacks to 3 GiB."""
    if place in file:
        del file[place]
    made = file.create_dataset(place, shape, "u1" if place == "x_test" else "f4", chunks=chunk, compression="gzip")
    made.id.write_direct_chunk((0,) * len(shape), _stream(3072 * MIB))


def one_piece_many_times(path: Path, place: str, rows: int, shape: tuple[int, ...]) -> None:
    """Plant an array of `rows` pieces of 1 MiB which all lie at the place of the first: 2 GiB in some 100 kB."""
    packed = zlib.compress(bytes(MIB - 64) + np.random.default_rng(0).bytes(64), 9)
    with h5py.File(path, "a") as file:
        if place in file:
            del file[place]
        made = file.create_dataset(place, (rows, *shape), "u1", chunks=(1, *shape), compression="gzip")
        for row in range(rows):
            made.id.write_direct_chunk((row, *(0 for _ in shape)), packed if row == 0 else b"123456789")
        infos = [made.id.get_chunk_info(number) for number in range(rows)]
    whole = bytearray(path.read_bytes())
    first = infos[0]
    for info in infos[1:]:
        key = struct.pack("<II", 9, 0) + struct.pack(f"<{len(shape) + 2}Q", *info.chunk_offset, 0)
        at = whole.find(key + struct.pack("<Q", info.byte_offset))
        if at >= 0:
            struct.pack_into("<I", whole, at, first.size)
            struct.pack_into("<Q", whole, at + len(key), first.byte_offset)
    path.write_bytes(whole)


def _grown_model(trap: Trap) -> Path:
    return legacy_file(
        trap.path("model.h5"), change=lambda file: grown(file, f"{WHERE}/kernel:0", (64, 16_384), (64, 16_384))
    )


def _grown_archive(trap: Trap) -> Path:
    inner = trap.path("inner")
    inner.write_bytes(weights())
    with h5py.File(inner, "a") as file:
        grown(file, "layers/dense/vars/0", (64, 16_384), (64, 16_384))
    made = keras_file(trap.path("model.keras"), weight_file=inner.read_bytes())
    inner.unlink()
    return made


def _images(trap: Trap) -> Path:
    path = trap.path("data.h5")
    with h5py.File(path, "w") as file:
        file["x_test"], file["y_test"] = np.zeros((4, 8, 8), "u1"), np.arange(4) % 2
    return path


def _grown_data(trap: Trap) -> Path:
    path = _images(trap)
    with h5py.File(path, "a") as file:
        del file["y_test"]
        file["y_test"] = np.arange(64) % 2
        grown(file, "x_test", (64, 256, 256), (64, 256, 256))
    return path


def _same_data(trap: Trap) -> Path:
    path = _images(trap)
    one_piece_many_times(path, "x_test", 2000, (1024, 1024))
    with h5py.File(path, "a") as file:
        del file["y_test"]
        file["y_test"] = np.arange(2000) % 2
    return path


def _same_model(trap: Trap) -> Path:
    path = legacy_file(trap.path("model.h5"))
    one_piece_many_times(path, "model_weights/more", 2000, (1024, 1024))
    return path


def _attack(name: str, tries: str, feed: str, build: Callable[[Trap], Path], harmless: bool = False) -> Attack:
    return Attack(f"hdf5_{name}", tries, "CVE-2026-0897", feed, build, harmless)


_GROWS, _SAME = "a piece of 4 MiB that unpacks to 3 GiB", "2,000 pieces of 1 MiB that are one and the same"
CHUNKS = (
    _attack("piece_grows", _GROWS, "model", _grown_model),
    _attack("piece_grows_keras", _GROWS, "model", _grown_archive),
    _attack("piece_grows_data", _GROWS, "data", _grown_data),
    _attack("same_piece", _SAME, "model", _same_model),
    _attack("same_piece_data", _SAME, "data", _same_data, harmless=True),
)
