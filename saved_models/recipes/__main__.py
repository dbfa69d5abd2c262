"""Train the models of the notebooks: ``python -m saved_models.recipes --data mnist --only sd``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from diag._lazy import import_tensorflow
from diag.errors import DiagError
from saved_models.recipes import NOTEBOOKS, recipes, shipped
from saved_models.recipes.data import load_parts
from saved_models.recipes.recipe import write_card

HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    """Train what was asked for: a line an epoch, and one a model."""
    parser = argparse.ArgumentParser(prog="python -m saved_models.recipes", description=__doc__)
    parser.add_argument(
        "--data", default="digits", metavar="NAME", help="digits, mnist, or a file in the layout of Keras's mnist.npz"
    )
    parser.add_argument("--only", metavar="NAME", help=f"a notebook ({', '.join(NOTEBOOKS)}) or a model's name")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: saved_models/digits or saved_models/mnist")
    arguments = parser.parse_args()
    name = "digits" if arguments.data == "digits" else "mnist"
    known = recipes(name)
    named = [recipe for recipe in known if arguments.only in (recipe.notebook, recipe.name)]
    chosen = shipped(name) if arguments.only is None else named
    if not chosen:
        names = ", ".join([*NOTEBOOKS, *(recipe.name for recipe in known)])
        parser.error(f"--only: expected one of {names}. Received: {arguments.only}.")
    out = arguments.out or HERE / name
    out.mkdir(parents=True, exist_ok=True)
    import_tensorflow().config.experimental.enable_op_determinism()
    try:
        parts = load_parts(arguments.data)
        for recipe in chosen:
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


if __name__ == "__main__":
    main()
