"""Train the models of the notebooks: ``python -m saved_models.recipes --data mnist --only sd``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from diag._lazy import import_tensorflow
from diag.errors import DiagError
from saved_models.recipes import NOTEBOOKS, recipes, shipped
from saved_models.recipes.data import load_parts
from saved_models.recipes.recipe import write_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saved_models.recipes.recipe import Recipe

HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    """Train what was asked for: a line an epoch, and one a model."""
    parser = argparse.ArgumentParser(prog="python -m saved_models.recipes", description=__doc__)
    parser.add_argument(
        "--data", default="digits", metavar="NAME", help="digits, mnist, or a file in the layout of Keras's mnist.npz"
    )
    parser.add_argument("--only", metavar="NAME", help=f"a notebook ({', '.join(NOTEBOOKS)}) or a model's name")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: where they are shipped, else build/models/DATA"
    )
    parser.add_argument("--keep", action="store_true", help="leave models that are there already")
    arguments = parser.parse_args()
    name = "digits" if arguments.data == "digits" else "mnist"
    known = recipes(name)
    named = [recipe for recipe in known if arguments.only in (recipe.notebook, recipe.name)]
    chosen = shipped(name) if arguments.only is None else named
    if not chosen:
        names = ", ".join([*NOTEBOOKS, *(recipe.name for recipe in known)])
        parser.error(f"--only: expected one of {names}. Received: {arguments.only}.")
    out = arguments.out or default_folder(arguments.data, chosen)
    import_tensorflow().config.experimental.enable_op_determinism()
    try:
        parts = load_parts(arguments.data)
        out.mkdir(parents=True, exist_ok=True)
        print(f"Models are written to {out}.", flush=True)
        for recipe in chosen:
            if arguments.keep and (out / recipe.file).exists():
                print(f"{recipe.file:36} is there", flush=True)
                continue
            started = time.perf_counter()
            scores = recipe.trainer.train(recipe, parts, out)
            if not recipe.is_ensemble:
                write_card(recipe, parts.source, scores, out)
            size = (out / recipe.file).stat().st_size
            accuracies = "  ".join(
                f"{part} {scores[f'{part}_accuracy']:.4f}" for part in ("train", "validation", "test")
            )
            print(
                f"{recipe.file:36} {accuracies}  {size / 1e3:,.0f} kB  {time.perf_counter() - started:.0f} s",
                flush=True,
            )
    except DiagError as error:
        parser.exit(1, f"Error: {error}\n")


def default_folder(data: str, chosen: Sequence[Recipe]) -> Path:
    """Return where models are written: the shipped folder if they are its own, else ``build/models/`` and the data."""
    if data in ("digits", "mnist"):
        own = {recipe.name for recipe in shipped(data)}
        if all(recipe.name in own for recipe in chosen):
            return HERE / data
    return HERE.parent / "build" / "models" / Path(data).stem


if __name__ == "__main__":
    main()
