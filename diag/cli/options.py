"""Options that several commands share, and what they become."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results.evaluation import Evaluation

    Stage = Callable[[str, int, int], None]


def path_type(**wishes: Any) -> Any:
    """Return click's type for paths, giving `pathlib.Path`."""
    factory: Any = click.Path
    return factory(path_type=Path, **wishes)


MODEL = click.argument("model", type=path_type())
MODELS = click.argument("models", nargs=-1, required=True, type=path_type())
DATA = click.option(
    "--data",
    metavar="SRC",
    help="digits, mnist, fashion_mnist, cifar10, cifar100, a .npz, a .csv or a folder.",
)
CACHE = click.option("--cache/--no-cache", default=True, show_default=True, help="Use results kept by content.")
SEED = click.option("--seed", type=int, default=0, show_default=True, help="Seeds everything that is drawn.")


class BackgroundType(click.ParamType):  # type: ignore[type-arg]
    """A number of references, or ``kmeans:N``."""

    name = "N|kmeans:N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number, or the text as it stands."""
        text = str(value)
        digits = text.removeprefix("kmeans:")
        if not digits.isdecimal() or int(digits) < 1:
            self.fail(f"expected a number of references or kmeans:N. Received: {text!r}.", param, ctx)
        return text if text != digits else int(digits)


BACKGROUND = click.option(
    "--background", type=BackgroundType(), default=100, show_default=True, help="Reference images for maps."
)
LABEL_COLUMN = click.option("--label-column", metavar="NAME", help="The CSV column with the labels (name or number).")
_IMAGES = (
    DATA,
    click.option("--split", help="Part of the data set: train or test.  [default: the card's, else test]"),
    click.option("--scale", metavar="X", help="Multiply pixels by X, e.g. 1/255."),
    click.option("--mean", metavar="X[,X,X]", help="Subtract after scaling; one number or one a channel."),
    click.option("--std", metavar="X[,X,X]", help="Divide by it after subtracting."),
    click.option("--resize", metavar="HxW", help="Bring images to this size."),
    click.option("--channels", type=click.Choice(["1", "3"]), help="Grey or colour."),
    click.option("--layout", metavar="NAME", help="channels_last, channels_first, no_channels or flat."),
    click.option("--invert", is_flag=True, default=None, help="White minus the pixel."),
)


def image_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --data, --split and the options that override a card's preprocessing."""
    for option in reversed(_IMAGES):
        function = option(function)
    return function


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `image_options` and --label-column."""
    return image_options(LABEL_COLUMN(function))


def open_models(paths: Sequence[Path], given: dict[str, Any]) -> list[Model]:
    """Return the models, with the command line's preprocessing over their cards'."""
    from diag.io.models import load_model
    from diag.io.preprocessing import Preprocessing

    values = {
        "scale": given.get("scale"),
        "mean": _listed(given.get("mean")),
        "std": _listed(given.get("std")),
        "resize": given.get("resize"),
        "channels": None if given.get("channels") is None else int(given["channels"]),
        "layout": given.get("layout"),
        "invert": given.get("invert"),
    }
    wishes = Preprocessing.from_dict(values, "option --")
    return [load_model(path, preprocessing=wishes) for path in paths]


def open_data(models: Sequence[Model], given: dict[str, Any]) -> Dataset:
    """Return the data that --data names, else the cards', else a built-in set that fits."""
    from diag.io.pairing import data_for
    from diag.io.preprocessing import Preprocessing

    size = Preprocessing.from_dict({"resize": given.get("resize")}, "option --").resize
    column = given.get("label_column")
    return data_for(
        models,
        given.get("data"),
        given.get("split"),
        size=size,
        label_column=int(column) if column is not None and column.lstrip("-").isdigit() else column,
    )


def evaluate_all(paths: Sequence[Path], given: dict[str, Any], cache: bool, stage: Stage) -> list[Evaluation]:
    """Return an evaluation of every model on the same data."""
    from diag.engines.local import evaluate

    models = open_models(paths, given)
    data = open_data(models, given)
    runs = []
    for model in models:
        name = f"Evaluate {model.name}"
        stage(name, 0, len(data))
        runs.append(evaluate(model, data, cache=cache, progress=partial(stage, name)))
        stage(name, len(data), len(data))
    return runs


@contextlib.contextmanager
def stages() -> Iterator[Stage]:
    """Give a function ``(stage, done, total)`` that draws one bar a stage on a terminal, and is quiet elsewhere."""
    import sys

    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


def _listed(text: str | None) -> Any:
    if text is None or "," not in text:
        return text
    return [part.strip() for part in text.split(",")]
