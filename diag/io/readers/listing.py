"""Image files that a table names, such as a CSV of paths and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diag.errors import DataError
from diag.io.pictures import ENDINGS, Files, pictures
from diag.io.sources import Request, files_digest
from diag.printable import printable

_INSIDE = ("", "images", "imgs", "data", "train", "test")


def listed_images(
    values: list[Any], folder: Path, where: str, request: Request
) -> tuple[Any, dict[str, int], tuple[str, ...], str, tuple[str, ...]]:
    """Return images by their paths: the source, sizes, notes, digest and names.

    Paths begin at `folder`, or at a folder inside it such as images/, whichever holds the first; names without an
    ending get the ending that exists there.

    Raises
    ------
    DataError
        If a path is missing, or a file does not exist.
    """
    absent = [row for row, value in enumerate(values) if not isinstance(value, str) or not value.strip()]
    if absent:
        raise DataError(
            f"{where}: expected a path in every row. Received: {len(absent):,} paths are missing, the first in row "
            f"{absent[0]} (from 0). Drop these rows first."
        )
    if not values:
        raise DataError(f"{where}: expected at least one row. Received: none. Save one row an image.")
    names = [value.strip().replace("\\", "/") for value in values]
    base, ending = _base(names[0], folder, where)
    root = base.absolute()  # a relative path that goes up is opened by no worker
    paths = tuple(root / f"{name}{ending}" for name in names)
    try:
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise DataError(
                f"{where}: expected paths of images, which begin at the table's folder. Received: {len(missing):,} of "
                f"{len(paths):,} files do not exist, the first is {printable(str(missing[0]), 120)}. Correct the paths."
            )
        notes = _notes(paths, base, folder, where, confined=request.confined)
        images, sizes, more, done = pictures(Files(paths), request)
        digest = files_digest(root, paths) + done
    except OSError as error:  # a name too long, or a file that may not be read
        raise DataError(
            f"{where}: expected images that can be read. Received: {printable(str(error), 160)}. Correct the paths."
        ) from error
    except ValueError as error:  # a zero byte in a name
        raise DataError(
            f"{where}: expected paths of files. Received: {printable(str(error), 80)}. Correct the paths."
        ) from error
    return images, sizes, (*notes, *more), digest, tuple(printable(name) for name in names)


def _base(name: str, folder: Path, where: str) -> tuple[Path, str]:
    """Return the folder in which the first name is a file, and what its ending lacks."""
    stem = where.split(".")[0]
    endings = ("",) if name.lower().endswith(ENDINGS) else ("", *ENDINGS)
    try:
        for inside in (*_INSIDE, stem):
            for ending in endings:
                if (folder / inside / f"{name}{ending}").is_file():
                    return folder / inside, ending
    except (OSError, ValueError):  # said by the caller, who looks for every file
        pass
    return folder, ""


def _notes(paths: tuple[Path, ...], base: Path, folder: Path, where: str, *, confined: bool) -> tuple[str, ...]:
    inside = folder.resolve()
    outside = [path for path in paths if not path.resolve().is_relative_to(inside)]
    said = [f"Paths begin at {base.name}/."] if base != folder else []
    if outside and confined:
        raise DataError(
            f"{where}: expected paths inside the table's folder. Received: {len(outside):,} outside of it, the first "
            f"is {printable(str(outside[0]), 120)}. Put the images beside the table. If you know it, pass "
            "confined=False to load_dataset."
        )
    if outside:
        said.append(f"{len(outside):,} of the files lie outside of the table's folder.")
    return tuple(said)
