"""The model card: a small TOML file ``NAME.toml`` beside ``NAME.h5`` that says what the model file does not."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from diag.errors import InvalidInputError
from diag.io.opening import open_regular
from diag.io.preprocessing import Preprocessing
from diag.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_BYTES = 4 * 2**20
_DEEP_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){40}""")
_LONG_NUMBER = re.compile(r"0[xob][0-9A-Fa-f_]{100,}")  # TOML has 64 bits; Python would refuse to print it
_TOP = ("title", "description", "class_names", "output", "history", "data", "preprocessing", "results")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a person said of a model. Every field may be empty.

    Parameters
    ----------
    title : str, optional
        Shown instead of the file's name.
    description : str
        One sentence.
    class_names : tuple of str, optional
        In the order of the model's outputs.
    history : Path, optional
        The training history, absolute.
    source, split : str, optional
        The data to evaluate on, as `diag.load_dataset` takes it; a relative path is relative to the card.
    preprocessing : Preprocessing
    pinned : bool
        Whether the card has a table ``[preprocessing]``: what that leaves out is not wanted, and nothing is detected.
    results : mapping of str to float
        Figures that the author wrote down; shown as such, never used.
    output : str, optional
        Which of the model's outputs is meant, by name.
    """

    title: str | None = None
    description: str = ""
    class_names: tuple[str, ...] | None = None
    history: Path | None = None
    source: str | None = None
    split: str | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    pinned: bool = False
    results: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    output: str | None = None


def card_path(model_path: Path) -> Path:
    """Return where the card of a model file lies, whether or not there is one."""
    return model_path.with_suffix(".toml")


def load_card(model_path: Path) -> ModelCard:
    """Read the card beside a model file; an empty card when there is none.

    Raises
    ------
    InvalidInputError
        If the card is not TOML, or has an unknown key or a value of the wrong kind.
    """
    path = card_path(model_path)
    if not os.path.lexists(path):
        return ModelCard()
    return _read(read_toml(path, "a model card", MAX_BYTES), path)


def read_toml(path: Path, what: str, most: int) -> dict[str, Any]:
    """Read a small TOML file, which may be anything: only a regular file of at most `most` bytes is read.

    Raises
    ------
    InvalidInputError
        If it cannot be read, is larger, or is no TOML.
    """
    with open_regular(path, what.split(" ", 1)[1], InvalidInputError) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise InvalidInputError(
            f"{path.name}: expected {what} of at most {most:,} bytes. Received: more. Is it the right file?"
        )
    try:
        text = raw.decode("utf-8")
        if _DEEP_KEY.search(text):  # tomllib keeps each beginning of such a key: gigabytes for some kB
            raise RecursionError
        if _LONG_NUMBER.search(text):
            raise ValueError("a number of more than a hundred digits")
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        reason = "values that lie too deep in one another" if isinstance(error, RecursionError) else str(error)
        raise InvalidInputError(
            f"{path.name}: expected {what} in TOML. Received: {reason}. Correct that place, or remove the file."
        ) from error


def _read(values: Mapping[str, Any], path: Path) -> ModelCard:
    _known(values, _TOP, path.name)
    for key in ("data", "preprocessing", "results"):
        if not isinstance(values.get(key, {}), dict):
            raise InvalidInputError(
                f"{path.name}: expected a table [{key}]. Received: {_said(values[key])}. Write [{key}] on a line "
                "of its own, and key = value below."
            )
    for key in ("title", "description", "history", "output"):
        _text(values.get(key), f"{path.name}: {key}")
    data = values.get("data", {})
    _known(data, ("source", "split"), f"{path.name}: [data]")
    names = _names(values.get("class_names"), path.name)
    return ModelCard(
        title=None if values.get("title") is None else printable(values["title"]),
        description=printable(values.get("description", "")),
        class_names=names,
        history=_history(values.get("history"), path),
        source=_source(_text(data.get("source"), f"{path.name}: data.source"), path.parent),
        split=_text(data.get("split"), f"{path.name}: data.split"),
        preprocessing=Preprocessing.from_dict(values.get("preprocessing", {}), f"{path.name}: preprocessing"),
        pinned="preprocessing" in values,
        output=values.get("output"),
        results=MappingProxyType(
            {key: float(value) for key, value in values.get("results", {}).items() if isinstance(value, int | float)}
        ),
    )


def _known(values: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    unknown = sorted(set(values) - set(keys))
    if unknown:
        raise InvalidInputError(
            f"{where}: expected keys of {', '.join(keys)}. Received: the unknown key {unknown[0]!r}. Correct it."
        )


def _text(value: Any, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InvalidInputError(f"{where}: expected a text in quotes. Received: {_said(value)}. Put quotes around it.")


def _names(values: Any, where: str) -> tuple[str, ...] | None:
    """Return class names: a list of texts or whole numbers, all different as they are shown."""
    if values is None:
        return None
    plain = isinstance(values, list) and all(isinstance(each, str | int) for each in values)
    names = tuple(printable(str(each)) for each in values) if plain else ()
    if not names or not all(names) or len(set(names)) < len(names):
        raise InvalidInputError(
            f"{where}: class_names: expected a list of different names. Received: {_said(values)}. "
            'Write class_names = ["cat", "dog"], one name an output.'
        )
    return names


def _said(value: Any) -> str:
    return printable(repr(value), 120)


def _history(text: str | None, path: Path) -> Path | None:
    """Return the path of a history; a card, which may be a stranger's, names none outside of its own folder."""
    if text is None:
        return None
    if "\0" in text or not lies_in(path.parent / text, path.parent):
        raise InvalidInputError(
            f"{path.name}: history: expected a file in the card's folder or below. Received: {_said(text)}. "
            "Put the file there."
        )
    return path.parent / text


def lies_in(path: Path, folder: Path) -> bool:
    """Return whether a path leads into a folder or below it, links followed.

    Examples
    --------
    >>> lies_in(Path("models/a/../b.npz"), Path("models")), lies_in(Path("models/../b.npz"), Path("models"))
    (True, False)
    """
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _source(source: str | None, folder: Path) -> str | None:
    """Return a relative path of the card as a path that can be opened; names of built-in sets stay names."""
    path, mark, inside = (source or "").replace("\0", " ").partition("::")
    if path and (folder / path).exists():
        return str(folder / path) + mark + inside
    return source


def card_text(card: ModelCard, folder: Path, comments: Sequence[str] = ()) -> str:
    """Return a card as TOML that `load_card` reads back to the same.

    Parameters
    ----------
    card : ModelCard
    folder : Path
        Where the card will lie: paths are written as seen from there.
    comments : sequence of str
        Lines that stand above ``[preprocessing]``.
    """
    top = {
        "title": card.title,
        "description": card.description or None,
        "class_names": None if card.class_names is None else list(card.class_names),
        "output": card.output,
        "history": None if card.history is None else _seen_from(str(card.history), folder),
    }
    data = {"source": None if card.source is None else _seen_from(card.source, folder), "split": card.split}
    steps = {key: _toml_value(key, value, card.preprocessing) for key, value in card.preprocessing.to_dict().items()}
    lines = [f"{key} = {toml_value(value)}" for key, value in top.items() if value is not None]
    for name, table in (("data", data), ("preprocessing", steps), ("results", dict(card.results))):
        rows = [f"{key} = {toml_value(value)}" for key, value in table.items() if value is not None]
        if name == "preprocessing":
            if not card.pinned:
                continue
            lines += ["", *(f"# {printable(line)}" for line in comments), "[preprocessing]", *rows]
        elif rows:
            lines += ["", f"[{name}]", *rows]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Return a text, number, yes or no, or list of these, in TOML; JSON writes them alike, but for one character.

    Raises
    ------
    InvalidInputError
        For the name of a file whose bytes are no text.
    """
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InvalidInputError(
            f"expected names in UTF-8. Received: {printable(text, 80)}, with bytes that are none. Rename the file."
        )
    return text


def _toml_value(key: str, value: Any, preprocessing: Preprocessing) -> Any:
    """Return a field as a person writes it: 1/255 rather than 0.00392."""
    if isinstance(value, float) and not isinstance(value, bool):
        text = preprocessing.written()[key]
        return text if "/" in text else value
    return list(value) if isinstance(value, tuple) else value


def _seen_from(source: str, folder: Path) -> str:
    """Return a path as seen from a folder; names of built-in sets stay names. What follows ``::`` is kept."""
    path, mark, inside = source.partition("::")
    if not Path(path).exists():
        return source
    return os.path.relpath(Path(path).resolve(), folder.resolve()) + mark + inside
