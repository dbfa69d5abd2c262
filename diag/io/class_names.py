"""Names of class numbers: given by hand, or in a small JSON or text file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diag.errors import DataError
from diag.io.opening import open_regular
from diag.io.sources import stays_inside
from diag.printable import printable

FILES = ("class_names.json", "class_indices.json", "classes.json", "labels.txt", "classes.txt", "label.labels.txt")
_MAX_BYTES = 16 * 2**20


def class_names_from(given: str | Path | Sequence[str] | Mapping[Any, Any]) -> tuple[str, ...]:
    """Return class names in the order of their numbers.

    Parameters
    ----------
    given : sequence of str, mapping, str or Path
        Names; ``{0: "cat"}`` or ``{"cat": 0}``; a path to a JSON file with one of these, or to a text file with a name
        a line; or names in one text, separated by commas.

    Raises
    ------
    DataError
        If the file cannot be read, or a mapping does not number the classes 0, 1, 2 ...

    Examples
    --------
    >>> class_names_from({"dog": 1, "cat": 0})
    ('cat', 'dog')
    >>> class_names_from("cat, dog")
    ('cat', 'dog')
    """
    if isinstance(given, str | Path):
        path = Path(given)
        if path.suffix.lower() in (".json", ".txt"):
            return _from_file(path)
        return _names([name.strip() for name in str(given).split(",")], "class names")
    return _names(given, "class_names")


def _from_file(path: Path) -> tuple[str, ...]:
    name = printable(path.name)
    with open_regular(path, "file with class names", DataError) as file:
        raw = file.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise DataError(
            f"{name}: expected class names in at most {_MAX_BYTES:,} bytes. Received: more. Is it the right file?"
        )
    try:
        text = raw.decode("utf-8-sig")
        if path.suffix.lower() == ".txt":
            values: Any = [line.strip() for line in text.splitlines() if line.strip()]
        else:
            values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{name}: expected class names as JSON (.json) or one a line (.txt), in UTF-8. "
            f"Received: {printable(str(error), 120)}. Correct that place."
        ) from error
    return _names(values, name)


def _names(values: Any, where: str) -> tuple[str, ...]:
    if isinstance(values, Mapping):
        values = _listed(values, where)
    if not isinstance(values, Sequence) or isinstance(values, str | bytes) or not len(values):
        raise DataError(
            f"{where}: expected class names. Received: {printable(repr(values), 80)}. "
            'Write ["cat", "dog"], {"0": "cat", "1": "dog"} or {"cat": 0, "dog": 1}.'
        )
    # Keras's own list for ImageNet gives a pair a class: the WordNet number and the name.
    plain = [item[-1] if isinstance(item, list | tuple) and item else item for item in values]
    if not all(isinstance(item, str | int) for item in plain):
        raise DataError(
            f"{where}: expected class names as texts. Received: {printable(str(plain), 80)}. "
            'Write ["cat", "dog"], a text a class.'
        )
    names = tuple(printable(str(item)) for item in plain)
    if not all(names) or len(set(names)) < len(names):
        odd = next(name for place, name in enumerate(names) if not name or name in names[:place])
        raise DataError(
            f"{where}: expected a name for each class, all different. Received: {odd[:80]!r} "
            f"{'twice' if odd else 'as one of them'}. Give each class its own."
        )
    return names


def _listed(values: Mapping[Any, Any], where: str) -> list[Any]:
    """Return names by number, from numbers to names or from names to numbers."""
    keyed = {int(value): name for name, value in values.items() if isinstance(value, int)}
    if len(keyed) != len(values):
        keyed = {int(key): name for key, name in values.items() if str(key).isdecimal() and len(str(key)) < 20}
    if len(keyed) != len(values) or sorted(keyed) != list(range(len(values))):
        raise DataError(
            f"{where}: expected the numbers 0 to {len(values) - 1}, one a class name. Received: "
            f"{printable(str(dict(values)), 80)}. Number the classes without a gap."
        )
    return [keyed[number] for number in range(len(values))]


def class_names_beside(source: Any) -> tuple[Path, tuple[str, ...]] | None:
    """Return the file with class names that lies in a data folder, or beside a data file, and its names.

    Raises
    ------
    DataError
        If there is one, and it cannot be read.
    """
    if not isinstance(source, str | Path):
        return None
    path = Path(str(source).partition("::")[0])
    folder = path if path.is_dir() else path.parent if path.is_file() else None
    if folder is None:
        return None
    found = next(
        (folder / name for name in FILES if (folder / name).is_file() and stays_inside(folder / name, folder)), None
    )
    return None if found is None else (found, _from_file(found))
