"""One array a file, with images and labels in files beside each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diag.errors import DataError
from diag.io.pictures import ENDINGS
from diag.io.readers.keys import key, partner
from diag.io.readers.pairs import Pair, joined, joined_labels, labels_of, pairs_of
from diag.io.sources import Parts, Request, file_digest
from diag.printable import printable


@dataclass(frozen=True, slots=True)
class Files:
    """A format with one array a file: how its names end, and how the array is had."""

    endings: tuple[str, ...]
    array_of: Callable[[Path], Any]


def data_files(folder: Path, marks: tuple[str, ...]) -> list[Path]:
    """Return the files in a folder that are `marked`, sorted; none if it is no folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if marked(path, marks) and path.is_file())


def marked(path: Path, marks: tuple[str, ...]) -> bool:
    """Return whether a file's name ends in one of some endings; before a shard's number an ending counts as well.

    Examples
    --------
    >>> marked(Path("mnist-test.tfrecord-00000-of-00001"), (".tfrecord",)), marked(Path("a.csv"), (".tfrecord",))
    (True, False)
    """
    return not path.name.startswith(".") and _unnumbered(path.name.lower()).endswith(marks)


def _unnumbered(name: str) -> str:
    return re.sub(r"-\d+-of-\d+", "", name)


def shards(source: str, endings: tuple[str, ...]) -> list[Path]:
    """Return the files that a source consists of: itself, or what lies in a folder, up to two folders deeper.

    Folders inside are looked into only if they are few, so that class folders full of images are not listed.
    """
    root = Path(source)
    if not root.is_dir():
        return [root] if marked(root, endings) and root.is_file() else []
    found = data_files(root, endings)
    level = [root]
    for limit in (8, 4):
        level = [path for folder in level for path in sorted(folder.iterdir()) if path.is_dir()]
        if found or len(level) > limit:
            break
        found = [path for folder in level for path in data_files(folder, endings)]
    return found


def is_folder_of(source: str, marks: tuple[str, ...]) -> bool:
    """Return whether a source is a folder with such files, and not one of class folders with images."""
    root = Path(source)
    if not root.is_dir():
        return False
    level = [root]
    for _ in range(3):
        level = [path for folder in level[:3] for path in sorted(folder.iterdir()) if path.is_dir()]
        if any(marked(path, ENDINGS) for folder in level[:3] for path in folder.iterdir()):
            return False
    return bool(shards(source, marks))


def shards_of_split(source: str, split: str, endings: tuple[str, ...]) -> tuple[list[Path], tuple[str, ...]]:
    """Return the files of a split, by their names and those of their folders, and a note on them.

    Raises
    ------
    DataError
        If there is no such split.
    """
    root = Path(source)
    if not root.is_dir():
        paths = part_files(root, split, endings)
        several = re.search(r"-\d+-of-0*(\d+)", root.name)
        count = 1 if several is None else int(several[1])
        more = count > 1 and paths == [root]
        return paths, (f"{root.name} is one of {count} files: pass the folder to read all.",) if more else ()
    found = [(path, key(path.relative_to(root).as_posix()).split) for path in shards(source, endings)]
    parts = {part for _, part in found if part}
    order = {"test": ("test", "val"), "all": ()}.get(split, (split,))
    part = next((item for item in order if item in parts), None)
    if parts and part is None and split != "all":
        raise DataError(
            f"{root.name}: expected files of the {split} split; there is no {split} split. "
            f"Received: files of {', '.join(sorted(parts))}. Correct --split (split=)."
        )
    if not parts and split not in ("test", "all"):
        raise DataError(f"{root.name}: there is no {split} split: no file is named after one. Pass that part's files.")
    chosen = [path for path, own in found if part is None or own == part]
    return chosen, (f"{len(chosen)} files were read: {chosen[0].name} ...",) if len(chosen) > 1 else ()


def part_files(path: Path, split: str, endings: tuple[str, ...]) -> list[Path]:
    """Return the files of a split: the file itself, or for another split those beside it that are named alike.

    Raises
    ------
    DataError
        If there is none.
    """
    own = key(_bare(path, endings))
    if split in ("test", "all") or own.split == split:
        return [path]
    beside = [(found, key(_bare(found, endings))) for found in data_files(path.parent, endings)]
    alike = [found for found, item in beside if own.split and item.split == split and item.rest == own.rest]
    if not alike:
        raise DataError(
            f"{path.name}: expected a file of the {split} part. Received: there is no {split} split, nor a file of it. "
            "Pass the file of that part."
        )
    return alike


def parts_of_files(source: str, request: Request, files: Files) -> Parts:
    """Return the images and labels of a file, a pair of files with ``::`` between, or a folder.

    Raises
    ------
    DataError
        If there is no such split, or a file cannot be read.
    """
    first, _, second = source.partition("::")
    path = Path(first)
    if path.is_dir():
        paths = {_stem(found, files): found for found in data_files(path, files.endings)}
        shapes = {name: tuple(files.array_of(found).shape) for name, found in paths.items()}
        wish = request.label_column if isinstance(request.label_column, str) else None
        pairs, name = pairs_of(shapes, request.split, path.name, wish), path.resolve().name
    else:
        paths, pairs = _pair(path, second, request.split, files)
        name = _stem(path, files)
    used = [paths[item] for pair in pairs for item in (pair.images, pair.labels) if item]
    images = [files.array_of(paths[pair.images]) for pair in pairs]
    labels = [None if pair.labels is None else files.array_of(paths[pair.labels]) for pair in pairs]
    said = "; ".join(
        f"{paths[pair.images].name} {tuple(array.shape)} {array.dtype}, "
        + (f"labels {paths[pair.labels].name}" if pair.labels else "no labels beside it")
        for pair, array in zip(pairs, images, strict=True)
    )
    return Parts(
        name=printable(name),
        images=joined(images, path.name),
        labels=joined_labels(labels, path.name),
        content="|".join(file_digest(used_path) for used_path in used),
        notes=(f"{printable(said)}.",),
    )


def _pair(path: Path, second: str, split: str, files: Files) -> tuple[dict[str, Path], list[Pair]]:
    """Return the files by name, and which are read: the one named, or its counterpart in another split."""
    paths = {_stem(found, files): found for found in data_files(path.parent, files.endings)}
    name = _stem(path, files)
    paths[name] = path
    own = key(name)
    if split not in ("test", "all") and own.split != split:
        other = partner(own, [key(item) for item in paths], "images", split)
        if other is None:
            raise DataError(
                f"{path.name}: expected a file of the {split} part. Received: there is no {split} split beside it. "
                "Pass the file of that part."
            )
        name = other.name
    elif second:
        labels = next((found for found in (path.parent / second, Path(second)) if found.is_file()), None)
        if labels is None:
            raise DataError(
                f"{printable(second)}: expected a file of labels. Received: no such file, neither here nor beside "
                f"{path.name}. Check its path."
            )
        paths[second] = labels
        return paths, [Pair(name, second)]
    if key(name).kind == "labels" and len(files.array_of(paths[name]).shape) < 3:
        raise DataError(f"{path.name}: expected images. Received: labels, by its name. Pass the file of the images.")
    named = {item: found for item, found in paths.items() if item == name or key(item).kind == "labels"}
    shapes = {item: tuple(files.array_of(found).shape) for item, found in named.items()}
    return paths, [Pair(name, labels_of(name, shapes, where=path.name))]


def _stem(path: Path, files: Files) -> str:
    return _bare(path, files.endings)


def _bare(path: Path, endings: tuple[str, ...]) -> str:
    name = _unnumbered(path.name)
    ending = next((end for end in endings if name.lower().endswith(end)), "")
    return name[: len(name) - len(ending)]
