"""The cache: results kept by the content they came from, in the user's cache folder.

An entry is a folder ``KIND/KEY`` with ``meta.json``, at most one ``samples.parquet`` and ``.npy`` arrays. It is
written beside its place and renamed, so that a reader never meets half an entry and two writers cannot mix.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from diag.arrays import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

MAPPED_BYTES = 32 * 2**20
"""Arrays from this size on stay in their file; what of them is used is read when it is used."""

FORMAT = 1
"""Raised when the meaning of stored entries changes: older ones are then not found."""


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
    if not folder.is_dir():
        return None

    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        arrays = {path.stem: frozen(_array(path)) for path in sorted(folder.glob("*.npy"))}
        samples: dict[str, NDArray[Any]] = {}
        if (folder / "samples.parquet").exists():
            from pyarrow import parquet

            table = parquet.read_table(folder / "samples.parquet")
            samples = {name: frozen(table[name].to_numpy()) for name in table.column_names}
    except (OSError, ValueError, EOFError):  # pyarrow's errors are OSError and ValueError too
        return None
    return Entry(meta=meta, samples=samples, arrays=arrays)


def save(kind: str, key: str, entry: Entry) -> None:
    """Write an entry. A cache that cannot be written (full disk, read-only home) is no error: nothing is kept."""
    import numpy as np

    parent = cache_folder() / kind
    with suppress(OSError):
        parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=parent))
        try:
            for name, array in entry.arrays.items():
                np.save(aside / f"{name}.npy", array, allow_pickle=False)
            if entry.samples:
                import pyarrow as pa
                from pyarrow import parquet

                parquet.write_table(pa.table(dict(entry.samples)), aside / "samples.parquet")
            (aside / "meta.json").write_text(json.dumps(dict(entry.meta)), encoding="utf-8")
            place = parent / key
            if place.exists():
                shutil.rmtree(place, ignore_errors=True)
            aside.rename(place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


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
    root = cache_folder()
    files = [path for path in root.rglob("*") if path.is_file()] if root.is_dir() else []
    entries = {path.parent for path in files}
    return len(entries), sum(path.stat().st_size for path in files)


def clear() -> int:
    """Delete all entries and return how many there were. Only folders that diag itself makes are touched."""
    count, _ = usage()
    for kind in KINDS:
        shutil.rmtree(cache_folder() / kind, ignore_errors=True)
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
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
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


def _array(path: Path) -> NDArray[Any]:
    import numpy as np

    mode: Literal["r"] | None = "r" if path.stat().st_size >= MAPPED_BYTES else None
    return np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))
