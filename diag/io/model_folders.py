"""Which files are meant where a folder of models is named, or everything in it by a shell's ``*``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL_ENDINGS = (".keras", ".h5", ".hdf5", ".skops", ".ensemble.toml")
"""How the names of models end. Cards, ``NAME.toml``, are no models."""
TEXTS = (".toml", ".hist", ".log", ".csv", ".json", ".txt", ".md")
"""How the names of cards, histories and notes end."""


def model_files(paths: Sequence[Path]) -> list[Path]:
    """Return the model files that paths name, in the order given.

    Parameters
    ----------
    paths : sequence of Path
        A folder stands for the models in it, ensembles included, sorted by name; folders in it are not looked into,
        and one without a model is returned as it is. A text that lies beside a model named with it and belongs to it -
        ``NAME.toml``, ``NAME.log``, ``NAME_training.csv``, a ``README.md`` - is left out, so that ``folder/*`` means
        the same as ``folder``. Everything else is returned as it is: whoever opens it says what is wrong with it.
    """
    found: list[Path] = []
    for path in paths:
        found += _listed(path) or [path]
    models = [path for path in found if is_model(path)]
    return [path for path in found if is_model(path) or not any(_belongs(path, model) for model in models)]


def _listed(path: Path) -> list[Path]:
    """Return the models in a folder; none where it is no folder or may not be read."""
    try:
        return in_folder(path) if path.is_dir() else []
    except (OSError, ValueError):  # such as a name too long for the system
        return []


def holds_no_model(path: Path) -> bool:
    """Return whether it is a folder without models, which is not one itself (a TensorFlow SavedModel) either."""
    try:
        return path.is_dir() and not in_folder(path) and not is_saved_model(path)
    except (OSError, ValueError):
        return False


def is_saved_model(folder: Path) -> bool:
    """Return whether a folder is a TensorFlow SavedModel."""
    return (folder / "saved_model.pb").is_file()


def in_folder(folder: Path) -> list[Path]:
    """Return the models in a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if is_model(path))


def is_model(path: Path) -> bool:
    """Return whether a file's name ends as those of models do."""
    return path.name.lower().endswith(MODEL_ENDINGS) and not path.name.startswith(".")


def _belongs(path: Path, model: Path) -> bool:
    """Return whether a file is a text about a model beside it, or about its folder."""
    if path.parent != model.parent:
        return False
    name, rest = stem(model), path.name[len(stem(model)) :]
    named = path.name.startswith(name) and rest.startswith((".", "_", "-")) and rest.lower().endswith(TEXTS)
    return named or path.name.lower() == "readme.md"


def stem(path: Path) -> str:
    """Return a model's name without its ending.

    Examples
    --------
    >>> stem(Path("all.ensemble.toml")), stem(Path("cnn.v2.h5"))
    ('all', 'cnn.v2')
    """
    ending = next((ending for ending in MODEL_ENDINGS if path.name.lower().endswith(ending)), path.suffix)
    return path.name[: len(path.name) - len(ending)]
