"""The commands of ``diag``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from diag.cli.options import (
    BACKGROUND,
    CACHE,
    MODEL,
    MODELS,
    SEED,
    data_options,
    evaluate_all,
    image_options,
    open_data,
    open_models,
    path_type,
    stages,
)

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")


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
    help="Images to explain with SHAP.",
)
@click.option("--no-explain", is_flag=True, help="No SHAP maps.")
@BACKGROUND
@SEED
@CACHE
@_JSON
def report(
    models: tuple[Path, ...],
    out: Path,
    n_explain: int,
    no_explain: bool,
    background: int,
    seed: int,
    cache: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write one self-contained, interactive HTML file about one or more MODELS on the same data."""
    from diag.cli.output import check_folder, print_json, print_verdict
    from diag.engines.local import compare
    from diag.views.report import report as write_report

    check_folder(out)
    with stages() as stage:
        runs = evaluate_all(models, given, cache, stage)
        explain = 0 if no_explain else n_explain
        path = write_report(runs, out, explain, background=background, seed=seed, progress=stage, cache=cache)
    comparison = compare(runs)
    if as_json:
        print_json(comparison, report=path)
    else:
        print_verdict(comparison)
        click.echo(str(path))


@click.command()
@MODELS
@data_options
@CACHE
@_JSON
def evaluate(models: tuple[Path, ...], cache: bool, as_json: bool, **given: Any) -> None:
    """Print the figures of one or more MODELS: accuracy with its interval, losses, calibration, size, speed."""
    from diag.cli.output import print_json, print_table, print_verdict
    from diag.engines.local import compare

    with stages() as stage:
        comparison = compare(evaluate_all(models, given, cache, stage))
    if as_json:
        print_json(comparison)
    else:
        print_table(comparison)
        print_verdict(comparison)


@click.command()
@MODEL
@data_options
@click.option(
    "--index",
    "indices",
    type=click.IntRange(0),
    multiple=True,
    required=True,
    help="Which image; may be repeated.",
)
@click.option(
    "--out", type=path_type(dir_okay=False), default=Path("map.png"), show_default=True, help="The file to write."
)
@BACKGROUND
@SEED
@CACHE
def explain(
    model: Path, indices: tuple[int, ...], out: Path, background: int, seed: int, cache: bool, **given: Any
) -> None:
    """Draw SHAP maps of images of the data: a row an image, a column a class, red for, blue against."""
    from diag.cli.output import check_folder
    from diag.explain.api import explain as run_explain
    from diag.io.store import write_aside
    from diag.views.figures import attribution_figure

    check_folder(out)
    opened = open_models([model], given)
    data = open_data(opened, given)
    with stages() as stage:
        attribution = run_explain(
            opened[0],
            data,
            indices,
            background,
            seed=seed,
            cache=cache,
            progress=partial(stage, "Explain"),
        )
    write_aside(out, attribution_figure(attribution))
    error = float(attribution.additivity_error.max())
    click.echo(f"{attribution.method}: {attribution.background_note} Largest additivity error {error:.1e}.")
    if attribution.warning():
        click.echo(f"warning: {attribution.warning()}", err=True)
    click.echo(str(out))


@click.command()
@MODEL
@_JSON
def inspect(model: Path, as_json: bool) -> None:
    """Print what a model file holds - layers, shapes, parameters, Keras version - without running anything in it."""
    from diag.cli.output import print_model_file
    from diag.io.audit import audit

    print_model_file(audit(model), as_json)


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
    from diag.cli.output import check_folder
    from diag.engines.local import predict as run_predict
    from diag.io.store import write_aside

    check_folder(out)
    opened = open_models([model], given)[0]
    data = open_data([opened], given)
    proba = run_predict(opened, data)
    write_aside(
        out,
        submission(
            opened.class_names,
            proba.argmax(axis=1).tolist(),
            data.sample_names,
            id_column,
            label_column,
            id_start,
        ),
    )
    click.echo(f"{len(proba):,} predictions by {opened.name}.")
    click.echo(str(out))


def submission(
    class_names: tuple[str, ...],
    predicted: list[int],
    sample_names: tuple[str, ...] | None,
    id_column: str,
    label_column: str,
    id_start: int,
) -> str:
    """Return a CSV with one row an image: its Id (the data's own where it has one) and the predicted class."""
    import csv
    import io

    names = sample_names or [str(id_start + row) for row in range(len(predicted))]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([id_column, label_column])
    writer.writerows(zip(names, (class_names[number] for number in predicted), strict=True))
    return buffer.getvalue()


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
    help="Images to explain with SHAP.",
)
@CACHE
def demo(folder: Path | None, out: Path, n_explain: int, cache: bool) -> None:
    """Write the comparison report of the shipped models on the built-in digits. Needs no network."""
    from diag.cli.output import check_folder, print_table, print_verdict, shipped_models
    from diag.engines.local import compare
    from diag.views.report import report as write_report

    check_folder(out)
    with stages() as stage:
        runs = evaluate_all(shipped_models(folder), {}, cache, stage)
        path = write_report(runs, out, n_explain, progress=stage, cache=cache)
    comparison = compare(runs)
    print_table(comparison)
    print_verdict(comparison)
    click.echo("\nOpen the report in a browser:")
    click.echo(str(path.resolve()))
    click.echo("\nThe same as a dashboard, every number clickable down to images:")
    click.echo("streamlit run dashboard/app.py")


@click.group()
def cache() -> None:
    """Show or clear the results that are kept."""


@cache.command("info")
def cache_info() -> None:
    """Print where the cache lies and how large it is."""
    from diag.io import store

    entries, size = store.usage()
    click.echo(f"{store.cache_folder()}: {entries:,} results, {size / 1e6:.1f} MB")


@cache.command("clear")
def cache_clear() -> None:
    """Delete all kept results."""
    from diag.io import store

    click.echo(f"{store.clear():,} results deleted from {store.cache_folder()}")


COMMANDS: tuple[click.Command, ...] = (report, evaluate, explain, inspect, predict, demo, cache)
