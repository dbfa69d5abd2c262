"""What a recipe is: a file to be made, what is said of it, and who trains it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from diag.io.preprocessing import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from saved_models.recipes.data import Parts

    Scores = dict[str, float]

SCALED = {"scale": "1/255"}
AS_STORED = {"scale": 1}


class Trainer(Protocol):
    """Trains one model and writes it, with its history if there is one, into a folder."""

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Return what the card lists under ``[results]``."""
        ...


@dataclass(frozen=True)
class Recipe:
    """A model of a notebook.

    Parameters
    ----------
    file : str
        Name of the model file.
    title, description : str
        For the card.
    trainer : Trainer
    preprocessing : mapping
        The card's table ``[preprocessing]``; training sees the images through it, too.
    history : {"hist", "log"}, optional
        A pickled dict of lists, or a table by `keras.callbacks.CSVLogger`.
    noted : float, optional
        The accuracy that the notebook wrote down.
    noted_on : {"test", "validation"}
        For which images.
    """

    file: str
    title: str
    description: str
    trainer: Trainer
    preprocessing: Mapping[str, Any] = field(default_factory=lambda: SCALED)
    history: str | None = None
    noted: float | None = None
    noted_on: str = "test"

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.file.split(".", 1)[0]

    @property
    def notebook(self) -> str:
        """The notebook's name: the first word of the file's."""
        return self.name.split("_", 1)[0]

    @property
    def is_ensemble(self) -> bool:
        """Whether the file is a definition, which has no card."""
        return self.file.endswith(".ensemble.toml")

    def inputs(self, images: NDArray[np.uint8], native_shape: tuple[int | None, ...]) -> NDArray[np.float32]:
        """Return images (n, h, w, 1) of 0..255 as a network of this input shape takes them."""
        said = Preprocessing.from_dict(self.preprocessing).closed()
        return said.resolve(native_shape, images)[0].apply(images)


def write_card(recipe: Recipe, source: str, scores: Scores, out: Path) -> None:
    """Write the model card beside the model."""
    lines = [f'title = "{recipe.title}"', f'description = "{recipe.description}"']
    if recipe.history:
        lines.append(f'history = "{recipe.name}.{recipe.history}"')
    lines += ['class_names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]', ""]
    lines += ["[data]", f'source = "{source}"', 'split = "test"', "", "[preprocessing]"]
    lines += [f"{key} = {_toml(value)}" for key, value in recipe.preprocessing.items()]
    lines += ["", "[results]", *(f"{key} = {_figure(value)}" for key, value in scores.items())]
    (out / f"{recipe.name}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _figure(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}"
