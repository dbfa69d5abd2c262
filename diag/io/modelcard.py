"""The model card: a small TOML file ``NAME.toml`` beside ``NAME.h5`` that says what the model file does not."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from diag.errors import InvalidInputError
from diag.io.preprocessing import Preprocessing
from diag.io.sources import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ModelCard()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInputError(f"{path.name}: expected a model card in TOML. {error}") from error
    return _read(values, path)


def _read(values: Mapping[str, Any], path: Path) -> ModelCard:
    unknown = sorted(set(values) - set(_TOP))
    if unknown:
        raise InvalidInputError(f"{path.name}: unknown key {unknown[0]!r}. Known keys: {', '.join(_TOP)}.")
    for key in ("data", "preprocessing", "results"):
        if not isinstance(values.get(key, {}), dict):
            raise InvalidInputError(f"{path.name}: expected a table [{key}]. Received: {values[key]!r}.")
    for key in ("title", "description", "history", "output"):
        _text(values.get(key), f"{path.name}: {key}")
    names = values.get("class_names")
    if names is not None and not (isinstance(names, list) and names and len(set(map(str, names))) == len(names)):
        raise InvalidInputError(f"{path.name}: class_names: expected a list of different names. Received: {names!r}.")
    data = values.get("data", {})
    history = values.get("history")
    return ModelCard(
        title=None if values.get("title") is None else printable(values["title"]),
        description=values.get("description", ""),
        class_names=None if names is None else tuple(printable(str(name)) for name in names),
        history=None if history is None else path.parent / history,
        source=_source(_text(data.get("source"), f"{path.name}: data.source"), path.parent),
        split=_text(data.get("split"), f"{path.name}: data.split"),
        preprocessing=Preprocessing.from_dict(values.get("preprocessing", {}), f"{path.name}: preprocessing"),
        pinned="preprocessing" in values,
        output=values.get("output"),
        results=MappingProxyType(
            {key: float(value) for key, value in values.get("results", {}).items() if isinstance(value, int | float)}
        ),
    )


def _text(value: Any, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InvalidInputError(f"{where}: expected a text in quotes. Received: {value!r}.")


def _source(source: str | None, folder: Path) -> str | None:
    """Return a relative path of the card as a path that can be opened; names of built-in sets stay names."""
    path, mark, inside = (source or "").partition("::")
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
    lines = [f"{key} = {_toml(value)}" for key, value in top.items() if value is not None]
    for name, table in (("data", data), ("preprocessing", steps), ("results", dict(card.results))):
        rows = [f"{key} = {_toml(value)}" for key, value in table.items() if value is not None]
        if name == "preprocessing":
            if not card.pinned:
                continue
            lines += ["", *(f"# {printable(line)}" for line in comments), "[preprocessing]", *rows]
        elif rows:
            lines += ["", f"[{name}]", *rows]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Return a text, number, yes or no, or list of these, in TOML; JSON writes them alike."""
    return json.dumps(value, ensure_ascii=False)


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
