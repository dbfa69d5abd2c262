"""Class folders and parts such as train/ and test/, wherever the files lie: on disk or in an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from diag.errors import DataError
from diag.io.pictures import ENDINGS
from diag.printable import printable

_SPLITS = {"test": ("test", "val", "validation", "valid"), "train": ("train", "training")}


class Tree(Protocol):
    """Folders and image files, named by their path from the root with ``/``; the root is the empty text."""

    def folders(self, at: str) -> list[str]:
        """Return the folders right inside `at`, sorted by name."""
        ...

    def images(self, at: str) -> list[str]:
        """Return the image files right inside `at`, sorted by name."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Which files are read, from which folder on they are named, and which class each is of."""

    base: str
    files: tuple[str, ...]
    labels: list[int] | None
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...]


def arranged(tree: Tree, split: str, name: str) -> Arrangement:
    """Return the images of a split and their classes: the names of their folders, numbered in sorted order.

    Class numbers are the same in every part. A single folder around everything is looked through.

    Raises
    ------
    DataError
        If there are no images, or no such part.
    """
    top = _inside(tree)
    parts = _parts(tree, top)
    roots, notes = _chosen(tree, top, parts, split, name)
    classes = sorted({last(folder) for root in list(parts.values()) or roots for folder in tree.folders(root)})
    numbers = {folder: number for number, folder in enumerate(classes)}
    pairs = [
        (path, numbers[last(folder)]) for root in roots for folder in tree.folders(root) for path in tree.images(folder)
    ]
    base = roots[0] if len(roots) == 1 else top
    if pairs:
        notes = (*notes, f"{len(pairs)} images in {len(classes)} class folders.", *_left_out(tree, roots))
        return Arrangement(base, tuple(path for path, _ in pairs), [row for _, row in pairs], tuple(classes), notes)
    files = tuple(path for root in roots for path in tree.images(root))
    if not files:
        raise DataError(
            f"{name}: expected images ({', '.join(ENDINGS)}) in class folders. Received: none. "
            "Pass the folder above the classes."
        )
    return Arrangement(
        base, files, None, None, (*notes, "There are no class folders with images: the images are unlabelled.")
    )


def last(path: str) -> str:
    """Return the last part of a path in a tree."""
    return path.rpartition("/")[2]


def _inside(tree: Tree) -> str:
    """Return the folder that holds classes or parts: the root, or the single folder in it that has folders itself."""
    at = ""
    for _ in range(4):
        folders = tree.folders(at)
        alone = len(folders) == 1 and not tree.images(at) and not tree.images(folders[0])
        if not alone or not tree.folders(folders[0]) or _is_part(last(folders[0])):
            break
        at = folders[0]
    return at


def _is_part(name: str) -> bool:
    return any(name.lower() in names for names in _SPLITS.values())


def _parts(tree: Tree, top: str) -> dict[str, str]:
    """Return the folders of the parts by name, if there is nothing but parts such as train/ and test/."""
    every = {last(path).lower(): path for path in tree.folders(top)}
    return every if all(_is_part(name) for name in every) else {}


def _chosen(
    tree: Tree, top: str, parts: dict[str, str], split: str, name: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the folders to read for a split, and a note that says which part it was."""
    if not parts:
        if split not in ("test", "all"):
            names = ", ".join(printable(last(path)) for path in tree.folders(top)[:8])
            raise DataError(f"{name}: expected a sub-folder {split}/. Received: {names or 'none'}. Correct --split.")
        return (top,), ()
    if split == "all":
        folders = tuple(sorted(parts.values()))
        return folders, (f"The parts {', '.join(last(folder) for folder in folders)} were read.",)
    for part in _SPLITS.get(split, (split,)):
        if part in parts:
            return (parts[part],), (f"The part {last(parts[part])}/ was read.",)
    raise DataError(f"{name}: expected a sub-folder {split}/. Received: {', '.join(parts)}. Correct --split.")


def _left_out(tree: Tree, roots: tuple[str, ...]) -> tuple[str, ...]:
    """Return a note on images beside the class folders and on folders inside them: neither is read."""
    loose = sum(len(tree.images(root)) for root in roots)
    inner = sum(len(tree.folders(folder)) for root in roots for folder in tree.folders(root))
    found = [f"{loose} images beside the class folders"] * bool(loose) + [f"{inner} folders inside them"] * bool(inner)
    return (f"Not read: {' and '.join(found)}.",) if found else ()
