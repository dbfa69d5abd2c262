"""The file ``NAME.ensemble.toml``: which model files answer as one, and how."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.errors import InvalidInputError, ModelLoadError
from diag.io.ensembles import ENDING, made
from diag.io.modelcard import read_toml, toml_value
from diag.io.models import load_model
from diag.io.out_files import check_output, write_output
from diag.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from diag.io.ensembles import EnsembleModel
    from diag.io.preprocessing import Preprocessing

MAX_BYTES = 64 * 1024
_KEYS = ("title", "how", "members", "weights")


def save_ensemble(model: EnsembleModel, path: Path, *, force: bool = False) -> Path:
    """Write the definition of an ensemble.

    Raises
    ------
    InvalidInputError
        If the name does not end in ``.ensemble.toml``, a file is there and `force` is not given, or a member lies
        outside the definition's folder.
    """
    check_definition(path, force=force)
    return write_output(path, definition_text(model, path.parent))


def check_definition(path: Path, *, force: bool = False) -> None:
    """Refuse a name that is none of a definition, or that is taken.

    Raises
    ------
    InvalidInputError
    """
    if not path.name.endswith(ENDING) or path.name == ENDING:
        raise InvalidInputError(f"expected a file NAME{ENDING}. Received: {path.name}. Change the ending.")
    check_output(path, "the definition")
    if path.exists() and not force:
        raise InvalidInputError(
            f"{path.name}: expected a new file. Received: one that is there. Choose another name, or replace it "
            "(--force; force=True)."
        )


def definition_text(model: EnsembleModel, folder: Path) -> str:
    """Return the TOML that defines an ensemble, as it lies in `folder`.

    Raises
    ------
    InvalidInputError
        If a member is no file in that folder or below.
    """
    home = folder.resolve()
    paths = []
    for member in model.members:
        place = member.path.resolve()
        if not place.is_relative_to(home):
            raise InvalidInputError(
                f"expected members in the folder of the definition or below it, {folder}. Received: {member.path}. "
                "Write the definition beside them."
            )
        paths.append(Path(os.path.relpath(place, home)).as_posix())
    rows: dict[str, Any] = {"title": model.name, "how": model.how, "members": paths}
    if model.how == "weighted":
        rows["weights"] = list(model.weights)
    return "\n".join(f"{key} = {toml_value(value)}" for key, value in rows.items()) + "\n"


def load_ensemble(
    path: Path,
    preprocessing: Preprocessing | None = None,
    class_names: tuple[str, ...] | None = None,
    *,
    trust: bool = False,
) -> EnsembleModel:
    """Read the definition of an ensemble, and its members with their model cards.

    Parameters
    ----------
    path : Path
        A file ``NAME.ensemble.toml``.
    preprocessing : Preprocessing, optional
        Its fields replace those of every member's card.
    class_names : tuple of str, optional
        Replace those of every member's card.
    trust : bool
        As `load_model` takes it, for every member.

    Raises
    ------
    ModelLoadError
        If the file is not there, or a member cannot be read.
    InvalidInputError
        If it is no definition, or a member lies outside its folder, or is an ensemble itself.
    """
    values = _read(path)
    members = [
        load_model(place, preprocessing=preprocessing, class_names=class_names, trust=trust)
        for place in _places(values, path)
    ]
    try:
        return made(tuple(members), values.get("how", "average"), values.get("weights"), values.get("title"), path)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path.name}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        raise ModelLoadError(f"{str(path)!r}: no such model file. Check the path.")
    values = read_toml(path, "the definition of an ensemble", MAX_BYTES)
    unknown = sorted(set(values) - set(_KEYS))
    if unknown:
        raise InvalidInputError(
            f"{path.name}: expected keys of {', '.join(_KEYS)}. Received: the unknown key {unknown[0]!r}. Correct it."
        )
    for key in ("title", "how"):
        if not isinstance(values.get(key, ""), str):
            raise InvalidInputError(
                f"{path.name}: {key}: expected a text in quotes. Received: {values[key]!r}. Put quotes around it."
            )
    weights = values.get("weights", [])
    if not isinstance(weights, list) or any(
        isinstance(each, bool) or not isinstance(each, int | float) for each in weights
    ):
        raise InvalidInputError(
            f"{path.name}: weights: expected a list of numbers. Received: {weights!r}. Write one number a member."
        )
    return values


def _places(values: Mapping[str, Any], path: Path) -> list[Path]:
    """Return the members' paths; none leads out of the definition's folder, and none to another definition."""
    listed = values.get("members")
    if not isinstance(listed, list) or not all(isinstance(each, str) and each for each in listed):
        came = "none" if listed is None else repr(listed)
        raise InvalidInputError(
            f"{path.name}: members: expected a list of model files. Received: {came}. "
            'Write members = ["a.keras", "b.h5"].'
        )
    home = path.parent.resolve()
    places = []
    for each in listed:
        shown = printable(each)[:200]
        if each.endswith(ENDING):
            raise InvalidInputError(
                f"{path.name}: expected single models. Received: {shown}, an ensemble. Name its members instead."
            )
        place = Path("/" if "\0" in each or Path(each).is_absolute() else os.path.realpath(home / each))
        if not place.is_relative_to(home):
            raise InvalidInputError(
                f"{path.name}: expected members in its own folder or below. Received: {shown}. Move the file there."
            )
        places.append(path.parent / each)
    return places
