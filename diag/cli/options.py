"""Options that several commands share, and what they become."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diag.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.io.preprocessing import Preprocessing
    from diag.results.evaluation import Evaluation

    Stage = Callable[[str, int, int], None]


def path_type(**wishes: Any) -> Any:
    """Return click's type for paths, giving `pathlib.Path`."""
    factory: Any = click.Path
    return factory(path_type=Path, **wishes)


class TextType(click.ParamType):  # type: ignore[type-arg]
    """A text that says something."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; refuse an empty one, which a variable of a script leaves that was never set."""
        text = str(value)
        if not text.strip():
            self.fail("expected a text. Received: an empty one. Name something, or leave the option out.", param, ctx)
        return text


def _files(ctx: click.Context, param: click.Parameter, paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the model files that MODELS names: a folder stands for those in it. Say what of them is left out."""
    from diag.cli.terminal import echo
    from diag.errors import ModelLoadError
    from diag.io.model_folders import MODEL_ENDINGS, holds_no_model, model_files

    for path in paths:
        if holds_no_model(path):
            raise ModelLoadError(
                f"{path}: expected a folder with models. Received: one in which no name ends in "
                f"{', '.join(MODEL_ENDINGS)}. Name the folder that holds them; folders in it are not looked into."
            )
    found = model_files(paths)
    beside = [path.name for path in paths if path not in found and not path.is_dir()]
    if beside:
        more = f" and {len(beside) - 3} more" if len(beside) > 3 else ""
        echo(f"note: no models, but beside them and named after them: {', '.join(beside[:3])}{more}.", err=True)
    return tuple(found)


TEXT = TextType()
MODEL = click.argument("model", type=path_type())
MODELS = click.argument("models", nargs=-1, required=True, type=path_type(), callback=_files)
DATA = click.option(
    "--data",
    type=TEXT,
    metavar="SRC",
    help="digits, mnist, fashion_mnist, cifar10, cifar100; a folder or .zip of class folders; a .npz, .npy, .csv, "
    ".parquet, .tfrecord, idx or .h5 file (file.h5::images,labels names the arrays).",
)
CACHE = click.option("--cache/--no-cache", default=True, show_default=True, help="Use results kept by content.")
SEED = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seeds everything that is drawn."
)


class BackgroundType(click.ParamType):  # type: ignore[type-arg]
    """A number of references, or ``kmeans:N``."""

    name = "N|kmeans:N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number, or the text as it stands."""
        text = str(value)
        digits = text.removeprefix("kmeans:")
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 10) or int(digits) < 1:
            self.fail(f"expected a number of references or kmeans:N. Received: {text!r}.", param, ctx)
        return text if text != digits else int(digits)


BACKGROUND = click.option(
    "--background", type=BackgroundType(), default=100, show_default=True, help="Reference images for maps."
)
TRAIN = click.option(
    "--train", type=TEXT, metavar="SRC", help="The training data: for overfitting, duplicates, baselines."
)
LABEL_COLUMN = click.option(
    "--label-column", type=TEXT, metavar="NAME", help="The column with the labels (name or number)."
)
CLASS_NAMES = click.option(
    "--class-names", type=TEXT, metavar="FILE|A,B", help="Names in class order: a JSON file, or a,b,c."
)
OUTPUT = click.option("--output", type=TEXT, metavar="NAME", help="Which output of a model that has several.")
ARCHITECTURE = click.option(
    "--architecture",
    type=TEXT,
    metavar="SRC",
    help="For files of weights only: model.json, or module:function, which is your own code and is run.",
)
SPLIT = click.option(
    "--split", type=TEXT, help="Part of the data set: train or test.  [default: the card's, else test]"
)
INPUT_SHAPE = click.option("--input-shape", metavar="HxWxC", help="What the model takes, where its file does not say.")
TRUST = click.option(
    "--trust",
    is_flag=True,
    help="Load models even if that runs code in them (listed first), such as Lambda layers. Not for strangers' files.",
)
_IMAGES = (
    TRUST,
    OUTPUT,
    ARCHITECTURE,
    INPUT_SHAPE,
    DATA,
    SPLIT,
    click.option("--scale", metavar="X", help="Multiply pixels by X, e.g. 1/255."),
    click.option("--mean", metavar="X[,X,X]", help="Subtract after scaling; one number or one a channel."),
    click.option("--std", metavar="X[,X,X]", help="Divide by it after subtracting."),
    click.option("--resize", metavar="HxW", help="Bring images to this size."),
    click.option("--channels", type=click.Choice(["1", "3"]), help="Grey or colour."),
    click.option("--layout", metavar="NAME", help="channels_last, channels_first, no_channels, flat, ..."),
    click.option("--invert/--no-invert", default=None, help="White minus the pixel."),
    click.option("--standardize", type=click.Choice(["image"]), help="Each image less its mean, by its deviation."),
    click.option(
        "--channel-order", type=click.Choice(["rgb", "bgr"]), help="The order of colours that the model takes."
    ),
    click.option("--transpose/--no-transpose", default=None, help="Rows and columns change places."),
    click.option(
        "--fit", type=click.Choice(["stretch", "crop", "pad", "center"]), help="How images reach the model's size."
    ),
)


def image_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --data, --split and the options that override a card's preprocessing."""
    for option in reversed(_IMAGES):
        function = option(function)
    return function


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `image_options`, --label-column and --class-names."""
    return image_options(LABEL_COLUMN(CLASS_NAMES(function)))


def open_models(paths: Sequence[Path], given: dict[str, Any]) -> list[Model]:
    """Return the models, with the command line's preprocessing over their cards'."""
    from diag.io.models import load_model

    wishes = preprocessing_of(given)
    loading = loading_options(given)
    return [load_model(path, preprocessing=wishes, **loading) for path in paths]


def loading_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return what --output, --architecture and --input-shape say, as `load_model` takes it."""
    shape = given.get("input_shape")
    sizes: tuple[int | None, ...] | None = None
    if shape is not None:
        parts = shape.lower().replace("×", "x").replace(",", "x").split("x")
        if not all(_is_size(part.strip()) or part.strip() in ("?", "none") for part in parts):
            raise click.BadParameter(f"expected HxWxC, such as 28x28x1. Received: {shape}.", param_hint="--input-shape")
        sizes = tuple(int(part) if _is_size(part.strip()) else None for part in parts)
    return {"output": given.get("output"), "architecture": given.get("architecture"), "input_shape": sizes,
            "trust": bool(given.get("trust"))}  # fmt: skip


def preprocessing_of(given: dict[str, Any]) -> Preprocessing:
    """Return what the options say of preprocessing."""
    from diag.io.preprocessing import Preprocessing

    values = {
        "scale": given.get("scale"),
        "mean": _listed(given.get("mean")),
        "std": _listed(given.get("std")),
        "resize": given.get("resize"),
        "channels": None if given.get("channels") is None else int(given["channels"]),
        "layout": given.get("layout"),
        **{key: given.get(key) for key in ("invert", "standardize", "channel_order", "transpose", "fit")},
    }
    return Preprocessing.from_dict(values, "--")


def open_data(models: Sequence[Model], given: dict[str, Any]) -> Dataset:
    """Return the data that --data names, else the cards', else a built-in set that fits."""
    from diag.io.pairing import data_for

    return data_for(models, given.get("data"), given.get("split"), **_reading(given))


def open_train(source: str | None, given: dict[str, Any], like: Dataset) -> Dataset | None:
    """Return the training part of a source, read as the data is; one without parts is read whole.

    Images that differ in size are brought to the size of those in `like`.
    """
    from diag.errors import DataError
    from diag.io.datasets import load_dataset

    if source is None:
        return None
    options = {**_reading(given), "stretch": (like.images.shape[1], like.images.shape[2])}
    try:
        found = load_dataset(source, "train", **options)
    except DataError:
        found = load_dataset(source, "all", **options)
    if found.images.shape[1:] != like.images.shape[1:]:
        wanted, came = ("x".join(map(str, each.images.shape[1:])) for each in (like, found))
        raise DataError(
            f"--train {found.name}: expected images of {wanted}, as --data has. Received: {came}. Pass the data that "
            "the models were trained on, in the same form."
        )
    return found


def _reading(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the options say about how data is read."""
    from diag.io.preprocessing import Preprocessing

    column = given.get("label_column")
    return {
        "size": Preprocessing.from_dict({"resize": given.get("resize")}, "--").resize,
        "label_column": int(column) if column is not None and _is_size(column.removeprefix("-")) else column,
        "class_names": given.get("class_names"),
    }


def evaluate_all(paths: Sequence[Path], given: dict[str, Any], cache: bool, stage: Stage) -> list[Evaluation]:
    """Return an evaluation of every model on the same data."""
    from diag.engines.local import evaluate

    models = open_models(paths, given)
    data = open_data(models, given)
    _require_same_classes(models)
    runs = []
    for model in models:
        name = f"Evaluate {model.name}"
        stage(name, 0, len(data))
        runs.append(evaluate(model, data, cache=cache, progress=partial(stage, name)))
        stage(name, len(data), len(data))
    return runs


def _require_same_classes(models: Sequence[Model]) -> None:
    """Refuse models that tell different numbers of classes, before any of them is asked."""
    from diag.errors import InvalidInputError

    first = models[0]
    for model in models[1:]:
        if model.n_classes != first.n_classes:
            raise InvalidInputError(
                f"expected models of the same classes. Received: {first.name} with {first.n_classes} and {model.name} "
                f"with {model.n_classes}. Evaluate them one by one."
            )


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

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(printable(stage, 80), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _listed(text: str | None) -> Any:
    if text is None or "," not in text:
        return text
    return [part.strip() for part in text.split(",")]
