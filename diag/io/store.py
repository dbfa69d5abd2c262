"""The cache: results kept by the content they came from, in the user's cache folder.

An entry is a folder ``KIND/KEY`` with ``meta.json``, at most one ``samples.parquet`` and ``.npy`` arrays. It is
written beside its place and renamed, so that a reader never meets half an entry and two writers cannot mix;
``meta.json`` has the length and checksum of every file, so that a damaged one is as good as none.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import io
import json
import logging
import math
import os
import platform
import shutil
import tempfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.arrays import frozen
from diag.worker.processes import runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

MAPPED_BYTES = 32 * 2**20
"""Arrays from this size on stay in their file; what of them is used is read when it is used."""

FORMAT = 2
"""Raised when the meaning of stored entries changes: older ones are then not found."""

_SAMPLES, _ASIDE, _HEAD = "samples.parquet", ".writing-", 4096
_said: list[OSError] = []


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One cached result: a table of equally long columns, further arrays, and plain values."""

    meta: Mapping[str, Any]
    samples: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def cache_folder() -> Path:
    """Return the cache's folder: ``$DIAG_CACHE_DIR``, else the user's cache folder of the system."""
    chosen = os.environ.get("DIAG_CACHE_DIR")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("diag", appauthor=False)


def content_key(**parts: Any) -> str:
    """Return the key of what `parts` describe: equal parts, equal key.

    Parameters
    ----------
    **parts
        Plain values (numbers, texts, lists, dicts) that JSON can hold.
    """
    text = json.dumps({"format": FORMAT, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def array_digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's shape, dtype and values."""
    import numpy as np

    digest = hashlib.sha256(f"{array.shape}{array.dtype.str}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def versions(
    names: Iterable[str] = ("tensorflow", "keras", "scikit-learn", "numpy", "shap"),
) -> dict[str, str]:
    """Return installed versions without importing the packages; a package that is absent is left out."""
    found = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def load(kind: str, key: str) -> Entry | None:
    """Return the entry, or None if there is none or it is damaged."""
    folder = cache_folder() / kind / key
    try:
        described = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        files, meta = described["files"], described["meta"]
        if described["check"] != _check_of(files, meta):
            return None
        arrays = {Path(name).stem: frozen(_array(folder / name, files[name])) for name in files if name != _SAMPLES}
        samples = _columns(folder / _SAMPLES, files[_SAMPLES]) if _SAMPLES in files else {}
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
        return None  # pyarrow's errors are OSError and ValueError too
    return Entry(meta=meta, samples=samples, arrays=arrays)


def _columns(path: Path, written: list[int]) -> dict[str, NDArray[Any]]:
    from pyarrow import BufferReader, parquet

    # Threads of pyarrow that are still starting when Python ends would abort the process.
    table = parquet.read_table(BufferReader(_whole(path, written)), use_threads=False, pre_buffer=False)
    return {name: frozen(table[name].to_numpy()) for name in table.column_names}


def _array(path: Path, written: list[int]) -> NDArray[Any]:
    """Return an array; a large one stays in its file, where only its length and head are compared."""
    import numpy as np

    if written[0] < MAPPED_BYTES:
        return np.asarray(np.load(io.BytesIO(_whole(path, written)), allow_pickle=False))
    with path.open("rb") as file:
        if (os.fstat(file.fileno()).st_size, zlib.crc32(file.read(_HEAD))) != (written[0], written[2]):
            raise ValueError("not the file that was written")
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _whole(path: Path, written: list[int]) -> bytes:
    data = path.read_bytes()
    if [len(data), zlib.crc32(data)] != written[:2]:
        raise ValueError("not the bytes that were written")
    return data


def _described(path: Path) -> list[int]:
    """Return a file's length, and the checksums of all its bytes and of its head."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        whole = zlib.crc32(head)
        while part := file.read(2**20):
            whole = zlib.crc32(part, whole)
        return [file.tell(), whole, zlib.crc32(head)]


def _check_of(files: Any, meta: Any) -> str:
    return hashlib.sha256(json.dumps([files, meta], sort_keys=True).encode()).hexdigest()[:16]


def save(kind: str, key: str, entry: Entry) -> None:
    """Write an entry. A cache that cannot be written (full disk, read-only home) is no error: nothing is kept.

    That is said once, in one line, as a warning of the logger ``diag``.
    """
    try:
        _save(cache_folder() / kind, key, entry)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG) and not _said:
            _said.append(error)
            logging.getLogger("diag").warning(
                "Results are not kept in %s: %s. Free some space, or set DIAG_CACHE_DIR to another folder.",
                cache_folder(),
                error.strerror,
            )


def _save(parent: Path, key: str, entry: Entry) -> None:
    """Write an entry aside and rename it into its place; what was there is renamed away first."""
    import numpy as np

    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    aside = Path(tempfile.mkdtemp(prefix=f"{_ASIDE}{_writer()}-", dir=parent))
    try:
        for name, array in entry.arrays.items():
            np.save(aside / f"{name}.npy", array, allow_pickle=False)
        if entry.samples:
            import pyarrow as pa
            from pyarrow import parquet

            parquet.write_table(pa.table(dict(entry.samples)), aside / _SAMPLES)
        names = [*(f"{name}.npy" for name in entry.arrays), *([_SAMPLES] if entry.samples else [])]
        files = {name: _described(aside / name) for name in names}
        meta = json.loads(json.dumps(dict(entry.meta)))
        described = {"files": files, "meta": meta, "check": _check_of(files, meta)}
        (aside / "meta.json").write_text(json.dumps(described), encoding="utf-8")
        place = parent / key
        with suppress(FileNotFoundError):
            place.rename(aside.with_name(f"{aside.name}.old"))
        try:
            aside.rename(place)
        except OSError:
            if not place.is_dir():  # else another process kept the same result just now
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(aside.with_name(f"{aside.name}.old"), ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove what writers left that were killed."""
    for left in parent.glob(f"{_ASIDE}{_machine()}-*"):
        if not _is_written(left.name.removeprefix(_ASIDE)):
            shutil.rmtree(left, ignore_errors=True)


def _writer() -> str:
    return f"{_machine()}-{os.getpid()}"


def _machine() -> str:
    """Return a short name of this machine: a folder may be shared with others, whose processes cannot be seen."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_written(name: str) -> bool:
    """Return whether the writer that a name begins with, one of this machine, still runs."""
    owner = name.split("-")[1]
    return not owner.isdecimal() or runs(int(owner))


def save_and_map(kind: str, key: str, entry: Entry) -> Entry:
    """Write an entry and return it with its large arrays in their files; as it was if it could not be written."""
    save(kind, key, entry)
    if max((array.nbytes for array in entry.arrays.values()), default=0) < MAPPED_BYTES:
        return entry
    return load(kind, key) or entry


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: NumPy scalars become Python's, NaN and infinity become None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def kept_text(key: str, make: Callable[[], str]) -> str:
    """Return a text that is slow to make and always the same for `key`: from the cache, else made and kept."""
    path = cache_folder() / "assets" / key / "text"
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    text = make()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, text)
    return text


def usage() -> tuple[int, int]:
    """Return (number of entries, bytes) in the cache."""
    entries, size = 0, 0
    for folder, _, names in os.walk(cache_folder()):  # which passes over what is deleted meanwhile
        entries += bool(names) and not Path(folder).name.startswith(_ASIDE)
        for name in names:
            with suppress(FileNotFoundError):
                size += (Path(folder) / name).stat().st_size
    return entries, size


def clear() -> int:
    """Delete all entries and return how many there were. Only folders that diag itself makes are touched.

    A kind of entries is renamed away first: whoever reads meanwhile finds all of an entry or nothing.
    """
    count, _ = usage()
    root = cache_folder()
    for kind in KINDS:
        with suppress(OSError):
            (root / kind).rename(root / f".cleared-{kind}-{os.getpid()}")
    for left in root.glob(".cleared-*"):
        shutil.rmtree(left, ignore_errors=True)
    return count


KINDS = (
    "comparisons", "calibrations",
    "evaluations", "detections", "attributions", "activations", "kernels",
    "assets", "diagnoses", "embeddings", "ensembles", "slices", "embedding_maps",
    "label_issues", "near_duplicates",
)  # fmt: skip


def write_aside(path: Path, text: str | bytes) -> None:
    """Write a file beside its place and rename it: the old file or the whole new one, never a part.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written.
    """
    path = Path(path)
    start = f".{path.name}.{_machine()}-"
    for left in path.parent.glob(f"{glob.escape(start)}*.partial"):
        if not _is_written(left.name.removeprefix(f".{path.name}.")):
            left.unlink(missing_ok=True)  # its writer was killed
    handle, name = tempfile.mkstemp(prefix=f"{start}{os.getpid()}-", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8") if isinstance(text, str) else text)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
