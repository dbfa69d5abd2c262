"""The weights of a model file that was audited: opened once, and only if its bytes are those that were looked at."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO

from diag.errors import ModelLoadError
from diag.io.opening import open_regular
from diag.io.zips import DAMAGE, damaged, opened_zip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO
    from zipfile import ZipFile, ZipInfo

    from diag.io.model_file import ModelFile

os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")  # no filter plug-ins: a file may name one to be loaded
WEIGHTS = "model.weights.h5"


def digest_of(file: BinaryIO) -> str:
    """Return the SHA-256 of an open file, from its beginning, where it stands again afterwards."""
    file.seek(0)
    found = hashlib.sha256()
    while piece := file.read(2**20):
        found.update(piece)
    file.seek(0)
    return found.hexdigest()


@contextlib.contextmanager
def opened_hdf5(file: BinaryIO | IO[bytes]) -> Iterator[Any]:
    """Open HDF5 for reading, from a file that is open already."""
    import h5py

    with h5py.File(file, "r") as opened:
        yield opened


@contextlib.contextmanager
def opened_as_audited(file: ModelFile) -> Iterator[BinaryIO]:
    """Open a model file, if its bytes are still those that were audited.

    Raises
    ------
    ModelLoadError
        If they are not.
    """
    with open_regular(file.path, "model file") as handle:
        if digest_of(handle) != file.bytes_digest:
            raise ModelLoadError(
                f"{file.path.name}: expected the file as it was when it was opened. Received: another one, written "
                "since. Load it again."
            )
        yield handle


@contextlib.contextmanager
def opened_weights(file: ModelFile) -> Iterator[Any]:
    """Open the weights of a model file that was audited.

    Parameters
    ----------
    file : ModelFile
        ``"keras"`` or ``"hdf5"``.

    Yields
    ------
    h5py.File or dict
        An empty dictionary where an archive holds no weights.

    Raises
    ------
    ModelLoadError
        If the file is another one than was audited.
    """
    name = file.path.name
    with opened_as_audited(file) as handle:
        if file.format == "hdf5":
            with opened_hdf5(handle) as opened:
                yield opened
            return
        with opened_zip(handle, name, ModelLoadError) as archive:
            if WEIGHTS not in archive.namelist():
                yield {}
                return
            with unpacked(archive, archive.getinfo(WEIGHTS), name) as inner, opened_hdf5(inner) as opened:
                yield opened


@contextlib.contextmanager
def unpacked(archive: ZipFile, info: ZipInfo, name: str) -> Iterator[IO[bytes]]:
    """Unpack one member of an archive into a file without a name; it takes no memory.

    Raises
    ------
    ModelLoadError
        If it is damaged, or not as large as the archive's directory says.
    """
    with tempfile.TemporaryFile() as target:
        try:
            with archive.open(info) as source:
                shutil.copyfileobj(source, target, 2**20)  # `zipfile` reads no more than the directory says
        except DAMAGE as found:
            raise damaged(name, found, ModelLoadError) from found
        if target.tell() != info.file_size:
            raise ModelLoadError(
                f"{name}: expected {info.filename} of {info.file_size:,} bytes, as the archive says. "
                f"Received: {target.tell():,}. The file is damaged: fetch it again."
            )
        target.seek(0)
        yield target
