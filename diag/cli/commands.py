"""The commands of ``diag``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from diag.cli.card import init
from diag.cli.compare import compare
from diag.cli.doctor import doctor
from diag.cli.ensembles import ensemble, pseudo_label
from diag.cli.files import convert, inspect
from diag.cli.labels import labels
from diag.cli.options import (
    BACKGROUND,
    CACHE,
    MODEL,
    MODELS,
    SEED,
    TRAIN,
    data_options,
    evaluate_all,
    image_options,
    open_data,
    open_models,
    open_train,
    path_type,
    stages,
)
from diag.cli.terminal import echo

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
_NO_CHECKS = click.option("--no-checks", is_flag=True, help="No findings: the doctor's checks are not run.")


@click.command()
@MODELS
@data_options
@click.option(
    "--out", type=path_type(dir_okay=False), default=Path("report.html"), show_default=True, help="The file to write."
)
@click.option(
    "--explain",
    "n_explain",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    metavar="N",
    help="Images to explain with maps.",
)
@click.option("--no-explain", is_flag=True, help="No maps.")
@TRAIN
@_NO_CHECKS
@BACKGROUND
@SEED
@CACHE
@_JSON
def report(
    models: tuple[Path, ...],
    out: Path,
    n_explain: int,
    no_explain: bool,
    train: str | None,
    no_checks: bool,
    background: int | str,
    seed: int,
    cache: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write one self-contained, interactive HTML file about one or more MODELS on the same data."""
    from diag.cli.output import print_json, print_verdict
    from diag.engines.local import compare
    from diag.io.out_files import check_output
    from diag.views.report import report as write_report
    from diag.views.report_findings import diagnoses

    check_output(out, endings=(".html", ".htm"), inputs=(*models, given["data"], train))
    with stages() as stage:
        runs = evaluate_all(models, given, cache, stage)
        trained_on = open_train(train, given, runs[0].data)
        options: dict[str, Any] = {"train": trained_on, "seed": seed, "progress": stage, "cache": cache}
        found = None if no_checks else diagnoses(runs, **options)
        explain = 0 if no_explain else n_explain
        path = write_report(runs, out, explain, background=background, checks=found or False, **options)
    comparison = compare(runs)
    if as_json:
        print_json(comparison, report=path, findings=found)
    else:
        print_verdict(comparison, found)
        echo(str(path))


@click.command()
@MODELS
@data_options
@CACHE
@_JSON
def evaluate(models: tuple[Path, ...], cache: bool, as_json: bool, **given: Any) -> None:
    """Print the figures of one or more MODELS, which one is better, and whether the data can tell."""
    from diag.cli.output import print_json, print_pairs, print_table, print_verdict
    from diag.engines.local import compare

    with stages() as stage:
        comparison = compare(evaluate_all(models, given, cache, stage))
    if as_json:
        print_json(comparison)
    else:
        print_table(comparison)
        print_verdict(comparison)
        print_pairs(comparison)


@click.command()
@MODELS
@data_options
@click.option(
    "--index",
    "indices",
    type=click.IntRange(0, 2**62),
    multiple=True,
    required=True,
    help="Which image; may be repeated.",
)
@click.option(
    "--out",
    type=path_type(dir_okay=False),
    default=Path("map.png"),
    show_default=True,
    help="The file to write: .png, .html, or .npz with the arrays (of one model).",
)
@click.option(
    "--outputs",
    default="all",
    show_default=True,
    metavar="WHICH",
    help="Classes: all, predicted, true+predicted, top3, or numbers such as 3,8.",
)
@click.option(
    "--target",
    type=click.Choice(["probability", "logit"]),
    default="probability",
    show_default=True,
    help="What is explained; a logit is what goes into the last softmax or sigmoid.",
)
@click.option(
    "--method",
    type=click.Choice(["deepshap", "expected_gradients"]),
    default="deepshap",
    show_default=True,
    help="Expected gradients are an estimate, for networks with layers that DeepSHAP has no rule for.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Stop adding references when a map's standard error is below this share of its peak, e.g. 0.05.",
)
@click.option("--max-memory", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, help="In GB.")
@BACKGROUND
@SEED
@CACHE
def explain(
    models: tuple[Path, ...],
    indices: tuple[int, ...],
    out: Path,
    outputs: str,
    max_memory: float,
    **given: Any,
) -> None:
    """Draw SHAP maps of images: a row an image and MODEL, why this class rather than that, then a column a class."""
    from diag.cli.output import map_bytes
    from diag.explain.api import explain as run_explain
    from diag.io.out_files import check_output, write_output

    if out.suffix not in (".png", ".html", ".npz"):
        raise click.BadParameter(f"expected a file .png, .html or .npz. Received: {out.name}.", param_hint="--out")
    if out.suffix == ".npz" and len(models) > 1:
        raise click.UsageError("a .npz holds the maps of one model: write a file for each.")
    check_output(out, inputs=(*models, given["data"]))
    opened = open_models(models, given)
    data = open_data(opened, given)
    options = {name: given[name] for name in ("background", "seed", "target", "method", "tolerance", "cache")}
    numbers = outputs.split(",")
    listed = all(number.isascii() and number.isdecimal() and len(number) < 10 for number in numbers)
    wanted = [int(number) for number in numbers] if listed else outputs
    found = []
    with stages() as stage:
        for model in opened:
            progress = partial(stage, f"Explain {model.name}")
            options |= {"outputs": wanted, "max_memory": max_memory * 1e9, "progress": progress}
            found.append(run_explain(model, data, indices, **options))
    write_output(out, map_bytes(found, out.suffix))
    for attribution in found:
        error = float(attribution.additivity_error.max())
        name = f"{attribution.model_name}: " if len(found) > 1 else ""
        echo(f"{name}{attribution.method}: {attribution.background_note} Largest additivity error {error:.1e}.")
        if given["tolerance"] is not None:
            echo(tolerance_line(attribution))
        if attribution.warning():
            echo(f"warning: {attribution.warning()}", err=True)
    echo(str(out))


def tolerance_line(attribution: Any) -> str:
    """Return how many references were used, and the error reached."""
    low, high = int(attribution.n_used.min()), int(attribution.n_used.max())
    used = str(low) if low == high else f"{low} to {high}"
    worst = float(attribution.relative_error.max())
    return f"{used} of {attribution.n_background} references used; standard error at most {worst:.1%} of a map's peak."


@click.command()
@MODELS
@data_options
@click.option("--n", type=click.IntRange(1), default=20, show_default=True, help="Images to check with.")
@click.option("--background", type=click.IntRange(1), default=50, show_default=True, help="Reference images for maps.")
@SEED
@CACHE
@_JSON
def trust(
    models: tuple[Path, ...], n: int, background: int, seed: int, cache: bool, as_json: bool, **given: Any
) -> None:
    """Say how far maps of MODELS can be trusted: deletion, insertion, and re-initialised weights."""
    from diag.cli.output import print_trust
    from diag.explain.faithfulness import faithfulness

    opened = open_models(models, given)
    data = open_data(opened, given)
    with stages() as stage:
        found = [
            faithfulness(
                model, data, n=n, background=background, seed=seed, cache=cache,
                progress=partial(stage, f"Check {model.name}"),
            )
            for model in opened
        ]  # fmt: skip
    print_trust(found, as_json)


@click.command()
@MODEL
@image_options
@click.option(
    "--out",
    type=path_type(dir_okay=False),
    default=Path("Submission.csv"),
    show_default=True,
    help="The file to write.",
)
@click.option("--id-column", default="Id", show_default=True, help="Header of the first column.")
@click.option("--label-column", default="Category", show_default=True, help="Header of the predicted class.")
@click.option(
    "--id-start",
    type=int,
    default=0,
    show_default=True,
    help="The first image's Id, when the data has no Ids.",
)
def predict(model: Path, out: Path, id_column: str, label_column: str, id_start: int, **given: Any) -> None:
    """Write the predicted class of every image of unlabelled data to a CSV."""
    from diag.engines.submission import submission
    from diag.io.out_files import check_output

    check_output(out, endings=(".csv",), inputs=(model, given["data"]))
    opened = open_models([model], given)[0]
    data = open_data([opened], given)
    rows = submission(opened, data, out, id_column=id_column, label_column=label_column, id_start=id_start)
    for note in rows.attrs["notes"]:
        echo(f"note: {note}")
    echo(f"{len(rows):,} predictions by {opened.name}.")
    echo(str(out))


@click.command()
@click.option("--models", "folder", type=path_type(), help="Another folder of models.")
@click.option(
    "--out",
    type=path_type(dir_okay=False),
    default=Path("demo-report.html"),
    show_default=True,
    help="The file to write.",
)
@click.option(
    "--explain",
    "n_explain",
    type=click.IntRange(0),
    default=12,
    show_default=True,
    metavar="N",
    help="Images to explain with maps.",
)
@_NO_CHECKS
@CACHE
def demo(folder: Path | None, out: Path, n_explain: int, no_checks: bool, cache: bool) -> None:
    """Write the comparison report of the shipped models on the built-in digits. Needs no network."""
    from diag.cli.output import print_table, print_verdict, shipped_models
    from diag.engines.local import compare
    from diag.io.datasets import load_dataset
    from diag.io.out_files import check_output
    from diag.views.report import report as write_report
    from diag.views.report_findings import diagnoses

    check_output(out, endings=(".html", ".htm"))
    with stages() as stage:
        runs = evaluate_all(shipped_models(folder), {}, cache, stage)
        train = load_dataset("digits", "train") if folder is None else None  # what the shipped models were trained on
        found = None if no_checks else diagnoses(runs, train, progress=stage, cache=cache)
        path = write_report(runs, out, n_explain, checks=found or False, train=train, progress=stage, cache=cache)
    comparison = compare(runs)
    print_table(comparison)
    print_verdict(comparison, found)
    echo("\nOpen the report in a browser:")
    echo(str(path.resolve()))
    echo("\nThe same as a dashboard, every number clickable down to images:")
    echo("streamlit run dashboard/app.py")


@click.group()
def cache() -> None:
    """Show or clear the results that are kept."""


@cache.command("info")
def cache_info() -> None:
    """Print where the cache lies and how large it is."""
    from diag.io import store

    entries, size = store.usage()
    echo(f"{store.cache_folder()}: {entries:,} results, {size / 1e6:.1f} MB")


@cache.command("clear")
def cache_clear() -> None:
    """Delete all kept results."""
    from diag.io import store

    echo(f"{store.clear():,} results deleted from {store.cache_folder()}")


COMMANDS: tuple[click.Command, ...] = (
    report, doctor, evaluate, compare, labels, ensemble, pseudo_label, explain, trust, inspect, convert, predict,
    init, demo, cache,
)  # fmt: skip
