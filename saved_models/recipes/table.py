"""Print what the models reach beside what the notebooks wrote down: ``python -m saved_models.recipes.table``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diag
from diag.errors import DiagError, ModelLoadError
from saved_models.recipes import recipes
from saved_models.recipes.data import harder_validation, load_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from saved_models.recipes.data import Parts
    from saved_models.recipes.recipe import Recipe

HERE = Path(__file__).resolve().parents[1]
HEAD = ("model", "notebook's", "measured on", "ours, likewise", "difference, points", "MNIST test", "95 % interval")


def main() -> None:
    """Evaluate every model that is there, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m saved_models.recipes.table", description=__doc__)
    parser.add_argument(
        "--data", default="mnist", metavar="NAME", help="digits, mnist, or a file in the layout of Keras's mnist.npz"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="default: saved_models/digits or saved_models/mnist")
    arguments = parser.parse_args()
    name = "digits" if arguments.data == "digits" else "mnist"
    try:
        folder = arguments.models or HERE / name
        there = [recipe for recipe in recipes(name) if (folder / recipe.file).exists()]
        if not there:
            raise ModelLoadError(
                f"{folder}: expected a folder with models of the recipes. Received: none of them there. "
                "Train some first: python -m saved_models.recipes."
            )
        parts = load_parts(arguments.data)
        print(f"| {' | '.join(HEAD).replace('MNIST', parts.source)} |")
        print("|---" * len(HEAD) + "|")
        for recipe in there:
            print(f"| {' | '.join(row(recipe, folder, parts))} |", flush=True)
    except DiagError as error:
        parser.exit(1, f"Error: {error}\n")


def row(recipe: Recipe, folder: Path, parts: Parts) -> Iterator[str]:
    """Return the cells of a model, all measured now."""
    model = diag.load_model(folder / recipe.file)
    figures = accuracy(model, parts.test)
    likewise, kind = figures, "test"
    if recipe.notebook == "harder":
        likewise, kind = accuracy(model, harder_validation(parts)), "harder, validation"
    elif recipe.noted_on == "validation":
        likewise, kind = accuracy(model, parts.validation), "validation"
    noted = recipe.noted if parts.source == "mnist" else None  # the notebooks saw MNIST
    yield f"`{recipe.file}`"
    yield "–" if noted is None else f"{noted:.4f}"
    yield kind
    yield f"{likewise['accuracy']:.4f}"
    yield "–" if noted is None else f"{(likewise['accuracy'] - noted) * 100:+.2f}".replace("-", "−")
    yield f"{figures['accuracy']:.4f}"
    yield f"{figures['accuracy_low']:.4f} to {figures['accuracy_high']:.4f}"


def accuracy(model: Any, part: Any) -> dict[str, Any]:
    """Return a model's accuracy with its interval, as every other part of diag gives it."""
    return diag.evaluate(model, diag.load_dataset(part)).figures()


if __name__ == "__main__":
    main()
