"""Names of class numbers: given by hand, or in a small JSON or text file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diag.errors import DataError
from diag.io.sources import printable

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
        return tuple(name.strip() for name in str(given).split(","))
    return _names(given, "class_names")


def _from_file(path: Path) -> tuple[str, ...]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{printable(path.name)}: expected class names. Received: {path.stat().st_size:,} bytes.")
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".txt":
            values: Any = [line.strip() for line in text.splitlines() if line.strip()]
        else:
            values = json.loads(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        reason = printable(str(error))[:120]
        raise DataError(f"{printable(path.name)}: expected class names as JSON or one a line. {reason}") from error
    return _names(values, printable(path.name))


def _names(values: Any, where: str) -> tuple[str, ...]:
    if isinstance(values, Mapping):
        values = _listed(values, where)
    if not isinstance(values, Sequence) or isinstance(values, str | bytes) or not len(values):
        raise DataError(f'{where}: expected a list of class names, {{"0": "cat"}} or {{"cat": 0}}.')
    # Keras's own list for ImageNet gives a pair a class: the WordNet number and the name.
    plain = [item[-1] if isinstance(item, list | tuple) and item else item for item in values]
    if not all(isinstance(item, str | int) for item in plain):
        raise DataError(f"{where}: expected class names as texts. Received: {printable(str(plain))[:80]}.")
    return tuple(printable(str(item)) for item in plain)


def _listed(values: Mapping[Any, Any], where: str) -> list[Any]:
    """Return names by number, from numbers to names or from names to numbers."""
    keyed = {int(value): name for name, value in values.items() if isinstance(value, int)}
    if len(keyed) != len(values):
        keyed = {int(key): name for key, name in values.items() if str(key).isdecimal()}
    if len(keyed) != len(values) or sorted(keyed) != list(range(len(values))):
        raise DataError(f"{where}: expected the numbers 0 to {len(values) - 1}, one a class name.")
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
    found = next((folder / name for name in FILES if (folder / name).is_file()), None)
    return None if found is None else (found, _from_file(found))
