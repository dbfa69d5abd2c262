"""What names of arrays and files say: ``x_test`` holds the images of the test part, ``y_test`` their labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["images", "labels", "names"]

_IMAGES = {"x", "image", "images", "img", "imgs", "data", "features", "pixels", "input", "inputs"}
_LABELS = {"y", "label", "labels", "target", "targets", "class", "classes", "category", "categories"}
_SPLITS = {
    **dict.fromkeys(("test", "testing", "t10k"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("train", "training"), "train"),
}
_FILLING = {"set", "idx1", "idx3", "ubyte", "orig", "arr"}
_WORD = re.compile(r"t10k|idx\d|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_GLUED = re.compile(r"([xy])(train|test|val)|(train|test|val)([xy])")


@dataclass(frozen=True, slots=True)
class Key:
    """A name taken apart: what it holds, of which part, and the words that say neither."""

    name: str
    kind: Kind | None
    split: str | None
    rest: tuple[str, ...]


def key(name: str) -> Key:
    """Take the name of an array or file apart.

    Examples
    --------
    >>> key("train_set_x").kind, key("train_set_x").split, key("yTest").kind, key("t10k-images-idx3-ubyte").split
    ('images', 'train', 'labels', 'test')
    """
    words: list[str] = []
    for word in (found.lower() for found in _WORD.findall(name)):
        glued = _GLUED.fullmatch(word)
        words += [part for part in glued.groups() if part] if glued else [word]
    split = next((_SPLITS[word] for word in words if word in _SPLITS), None)
    rest = tuple(word for word in words if word not in _SPLITS and word not in _FILLING | _IMAGES | _LABELS)
    return Key(name, _kind(words), split, rest)


def _kind(words: list[str]) -> Kind | None:
    found = set(words)
    if found & {"names", "list"} and found & _LABELS:
        return "names"
    if found & {"names", "name", "ids", "id", "path", "paths", "weights"}:
        return None
    return "labels" if found & _LABELS else "images" if found & _IMAGES else None


def of_split(keys: Iterable[Key], kind: Kind, split: str) -> list[Key]:
    """Return the keys of a kind for a split: the split's own; for test also validation, then those of no part."""
    wanted = [item for item in keys if item.kind == kind]
    order = {"test": ("test", "val", None), "train": ("train",), "all": (None,)}.get(split, (split,))
    return next((found for part in order if (found := [item for item in wanted if item.split == part])), [])


def partner(of: Key, keys: Iterable[Key], kind: Kind, split: str | None) -> Key | None:
    """Return the key of another kind or split whose other words are those of `of`, if it is the only one."""
    found = [item for item in keys if item.kind == kind and item.split == split and item.name != of.name]
    alike = [item for item in found if item.rest == of.rest] or [item for item in found if not item.rest]
    return alike[0] if len({item.name.lower() for item in alike}) == 1 else None
