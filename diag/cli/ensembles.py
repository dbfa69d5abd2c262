"""Commands about several models as one, and about labels that a model gives."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diag.cli.options import (
    CACHE,
    CLASS_NAMES,
    DATA,
    LABEL_COLUMN,
    MODEL,
    MODELS,
    SPLIT,
    TEXT,
    open_data,
    open_models,
    path_type,
    stages,
)
from diag.cli.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diag.io.datasets import Dataset
    from diag.results.comparison import Comparison
    from diag.results.evaluation import Evaluation
    from diag.results.pseudo_labels import PseudoLabels

_JSON = click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")


@click.command()
@MODELS
@click.option(
    "--how",
    type=click.Choice(["average", "weighted", "vote"]),
    default="average",
    show_default=True,
    help="How the members' answers become one.",
)
@click.option("--weights", metavar="X,X", help="One number a model, for --how weighted.")
@click.option("--name", help="Shown for the ensemble.")
@click.option(
    "--out",
    type=path_type(dir_okay=False),
    help="The definition to write, NAME.ensemble.toml, in a folder that holds all MODELS.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
@DATA
@SPLIT
@LABEL_COLUMN
@CLASS_NAMES
@CACHE
@_JSON
def ensemble(
    models: tuple[Path, ...],
    how: str,
    weights: str | None,
    name: str | None,
    out: Path | None,
    force: bool,
    cache: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Make one model of several MODELS: write its definition, and judge it on --data."""
    from diag.engines.local import compare, evaluate
    from diag.io.ensemble_files import check_definition
    from diag.io.ensembles import ensemble as make
    from diag.io.out_files import check_output

    if out is None and given["data"] is None:
        raise click.UsageError("name a file to write with --out, or data to judge the ensemble on with --data.")
    if out is not None:
        check_output(out, inputs=(*models, given["data"]))
        check_definition(out, force=force)
    ways: Any = how
    opened = open_models(models, given)
    together = make(opened, ways, _numbers(weights), name)
    written = None if out is None else together.save(out, force=force)
    if given["data"] is not None:
        data = open_data(opened, given)
        with stages() as stage:
            runs = [
                evaluate(each, data, cache=cache, progress=partial(stage, f"Evaluate {each.name}"))
                for each in (*opened, together)
            ]
        _print_ensemble(compare(runs[:-1]), runs[-1], written, as_json)
    if written is not None and not (as_json and given["data"] is not None):
        echo(str(written))


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"expected numbers such as 0.7,0.3. Received: {text!r}.", param_hint="--weights"
        ) from None


def _print_ensemble(members: Comparison, run: Evaluation, written: Path | None, as_json: bool) -> None:
    """Print the ensemble beside its best member and the oracle."""
    import json

    from diag.io.store import plain
    from diag.metrics.comparison import mcnemar_exact

    name = str(members.table().index[0])
    best = members.run(name)
    mends = int((run.correct_mask & ~best.correct_mask).sum())
    breaks = int((best.correct_mask & ~run.correct_mask).sum())
    figures = {"ensemble": run.figures(), "best_member": {**best.figures(), "model": name}}
    p_value = mcnemar_exact(mends, breaks)
    share = _oracle(members)
    if as_json:
        values = {**figures, "oracle": share, "mends": mends, "breaks": breaks, "p_value": p_value,
                  "definition": None if written is None else str(written)}  # fmt: skip
        click.echo(json.dumps(plain(values), indent=2, allow_nan=False))
        return
    for title, row in (("ensemble", figures["ensemble"]), ("best member", figures["best_member"])):
        echo(
            f"{title + ':':13}{row['accuracy']:.2%} ({row['accuracy_low']:.2%} to {row['accuracy_high']:.2%}), "
            f"log loss {row['log_loss']:.3f}  {row['model']}"
        )
    echo(f"{'oracle:':13}{share:.2%}  any member right")
    echo(f"It mends {mends:,} and breaks {breaks:,} answers of the best member (McNemar's exact p = {p_value:.3g}).")


def _oracle(comparison: Comparison) -> float:
    import numpy as np

    from diag.metrics.ensembles import oracle

    return float(oracle(np.stack([run.correct_mask for run in comparison.runs])).mean())


@click.command("pseudo-label")
@MODEL
@click.option(
    "--data", type=TEXT, metavar="SRC", required=True, help="The unlabelled images, in any form that diag reads."
)
@click.option(
    "--calibrate",
    type=TEXT,
    metavar="SRC",
    required=True,
    help="Labelled images that the model was not trained on.",
)
@click.option(
    "--max-error",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="The share of wrong labels that is allowed.",
)
@click.option(
    "--out",
    type=path_type(dir_okay=False),
    default=Path("candidates.csv"),
    show_default=True,
    help="The file to write.",
)
@SPLIT
@LABEL_COLUMN
@CLASS_NAMES
@CACHE
@_JSON
def pseudo_label(
    model: Path,
    data: str,
    calibrate: str,
    max_error: float,
    out: Path,
    split: str | None,
    cache: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write a CSV of unlabelled images that MODEL is sure enough of to label, with the error rate to expect."""
    from diag.engines.local import evaluate
    from diag.engines.pseudo_labels import pseudo_labels
    from diag.io.csv_out import write_csv
    from diag.io.out_files import check_output

    check_output(out, endings=(".csv",), inputs=(model, data, calibrate))
    opened = open_models([model], given)[0]
    labelled = open_data([opened], {**given, "data": calibrate})
    unlabelled = _unlabelled(data, split, labelled)
    with stages() as stage:
        run = evaluate(opened, labelled, cache=cache, progress=partial(stage, "Evaluate"))
        found = pseudo_labels(opened, unlabelled, run, max_error, progress=partial(stage, "Label"))
    write_csv(out, found.frame())
    _print_labels(found, out, as_json)


def _unlabelled(source: str, split: str | None, like: Dataset) -> Dataset:
    """Return the images to label; those that differ in size are brought to the size of the labelled ones."""
    from diag.io.datasets import load_dataset

    return load_dataset(source, split or "test", stretch=(like.images.shape[1], like.images.shape[2]))


def _print_labels(found: PseudoLabels, out: Path, as_json: bool) -> None:
    import json

    from diag.io.store import plain

    table = found.per_class().reset_index()
    if as_json:
        values = {
            "candidates": len(found),
            "of": len(found.y_pred),
            "threshold": found.threshold,
            "error_bound": None if found.tail is None else found.tail.bound,
            "max_error": found.max_error,
            "classes": table.to_dict("records"),
            "sentence": found.sentence(),
            "warnings": list(found.warnings),
            "csv": str(out),
        }
        click.echo(json.dumps(plain(values), indent=2, allow_nan=False))
        return
    echo(found.sentence())
    if len(found):
        echo(_classes(table.to_dict("records")))
    for warning in found.warnings:
        echo(f"warning: {warning}", err=True)
    echo(str(out))


MAX_CLASSES = 20


def _classes(rows: Sequence[Any]) -> str:
    shown = [f"{row['class']} {row['candidates']:,} of {row['predicted']:,}" for row in rows[:MAX_CLASSES]]
    more = f", and {len(rows) - MAX_CLASSES} more classes" if len(rows) > MAX_CLASSES else ""
    return f"candidates a class: {', '.join(shown)}{more}"
