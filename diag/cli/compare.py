"""``diag compare``: the verdict on models, and a gate that says whether NEW may take the place of OLD."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diag.cli.options import CACHE, MODELS, SEED, data_options, evaluate_all, path_type, stages
from diag.cli.terminal import cell, echo, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diag.results.comparison import Comparison
    from diag.results.gate import Gate
    from diag.results.gate_grammar import Condition

FAILED = 3
SHOWN = 20


class WrongCondition(click.ClickException):
    """A condition that cannot be read: wrong usage, in one line."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the line as the command line prints all its errors."""
        click.echo(visible(f"error: {self.format_message()}"), err=True, file=file)


@click.command()
@MODELS
@data_options
@click.option(
    "--fail-if",
    "conditions",
    multiple=True,
    metavar="COND",
    help='Shut the gate when this comes true, e.g. "accuracy drops 0.5pp p<0.05"; may be repeated. Of two models: '
    "OLD NEW.",
)
@click.option("--allow-undefined", is_flag=True, help="Let a condition pass whose figure does not exist in this data.")
@click.option("--junit", type=path_type(dir_okay=False), help="Also write the conditions as JUnit XML.")
@click.option("--out", type=path_type(dir_okay=False), help="Also write the report (without maps and findings).")
@SEED
@CACHE
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, with all images that changed.")
def compare(
    models: tuple[Path, ...],
    conditions: tuple[str, ...],
    allow_undefined: bool,
    junit: Path | None,
    out: Path | None,
    seed: int,
    cache: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Compare MODELS on the same data; with --fail-if, hold the second (NEW) against the first (OLD).

    Exit status: 0 all conditions held, 3 one failed (1 an error, 2 wrong usage).
    """
    read = _read(conditions)
    if read and len(models) != 2:
        raise click.UsageError(f"--fail-if holds two models against each other: OLD NEW. Received: {len(models)}.")
    if len(models) < 2:
        raise click.UsageError("compare needs two models or more. For one there is: diag evaluate MODEL.")
    if junit is not None and not read:
        raise click.UsageError("--junit writes conditions: add --fail-if.")
    from diag.engines.local import compare as compare_runs
    from diag.io.out_files import check_output, write_output

    for place, option, endings in ((junit, "--junit", (".xml",)), (out, "--out", (".html", ".htm"))):
        if place is not None:
            check_output(place, option, endings=endings, inputs=(*models, given["data"]))
    if junit is not None and out is not None and junit.resolve() == out.resolve():
        raise click.UsageError("--junit and --out name one file. Give each its own.")
    with stages() as stage:
        comparison = compare_runs(evaluate_all(models, given, cache, stage))
        held = _gate(comparison, read, allow_undefined, seed) if len(comparison.runs) == 2 else None
        if out is not None:
            from diag.views.report import report

            report(comparison.runs, out, explain=0, checks=False, seed=seed, progress=stage, cache=cache)
    if held is not None and junit is not None:
        from diag.views.junit import junit_xml

        write_output(junit, junit_xml(held))
    if as_json:
        print_comparison_json(comparison, held, out)
    else:
        print_comparison(comparison, held)
        for place in (junit, out):
            if place is not None:
                echo(str(place))
    if held is not None and not held.passed:
        click.get_current_context().exit(FAILED)


def _read(texts: Sequence[str]) -> list[Condition]:
    """Return conditions, before anything is opened."""
    from diag.errors import InvalidInputError
    from diag.results.gate_grammar import parse

    try:
        return [parse(text) for text in texts]
    except InvalidInputError as error:
        raise WrongCondition(f"--fail-if: {error}") from error


def _gate(comparison: Comparison, conditions: Sequence[Condition], allow_undefined: bool, seed: int) -> Gate:
    from diag.errors import InvalidInputError
    from diag.results.gate import class_numbers, gate

    try:
        for each in conditions:
            class_numbers(each, comparison.runs[0].class_names)
    except InvalidInputError as error:
        raise WrongCondition(f"--fail-if: {error}") from error
    return gate(comparison, conditions, allow_undefined=allow_undefined, seed=seed)


def print_comparison(comparison: Comparison, held: Gate | None) -> None:
    """Print the figures, the verdict, the pairs, and of two models the conditions and the images that changed."""
    from diag.cli.output import print_table, print_verdict

    print_table(comparison)
    print_verdict(comparison)
    if held is None:
        _print_pairs(comparison)
        return
    if held.outcomes:
        echo()
        for each in held.outcomes:
            shut = each in held.failures
            mark = (f"{each.status:9}", {"fg": "red" if shut else "green", "bold": True})
            echo(mark, f" {each.condition}")
            echo(f"          {each.sentence}")
            if shut and len(each.indices):
                echo(f"          {_images(each.indices.tolist())}")
    _print_changed(held)
    if held.outcomes:
        echo(f"\n{held.verdict()}")


def _images(indices: list[int]) -> str:
    shown = ", ".join(str(index) for index in indices[:SHOWN])
    more = f" and {len(indices) - SHOWN:,} more" if len(indices) > SHOWN else ""
    return f"Images: {shown}{more}."


def _print_pairs(comparison: Comparison) -> None:
    """Print each pair's difference with its interval and adjusted p-value."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("A", "B"):
        table.add_column(name, overflow="fold")
    for name in ("only A right", "only B right", "A - B, points", "95% interval", "p (Holm)"):
        table.add_column(name, justify="right")
    for row in comparison.pairs().to_dict("records"):
        table.add_row(
            cell(row["a"]),
            cell(row["b"]),
            f"{row['only_a']:,}",
            f"{row['only_b']:,}",
            f"{100 * row['difference']:+.2f}",
            f"{100 * row['difference_low']:+.2f} to {100 * row['difference_high']:+.2f}",
            "< 0.0001" if row["p_adjusted"] < 1e-4 else f"{row['p_adjusted']:.4f}",
        )
    echo()
    Console(width=140, highlight=False).print(table)


def _print_changed(held: Gate) -> None:
    """Print how many images changed their answer, and the first of them."""
    from rich.console import Console
    from rich.table import Table

    frame = held.changed()
    counts = frame["change"].value_counts()
    said = ", ".join(f"{int(counts.get(kind, 0)):,} {kind}" for kind in ("broken", "mended", "still wrong"))
    echo(f"\n{len(frame):,} of {len(held.new):,} images have another answer: {said}.")
    if not len(frame):
        return
    named = bool(frame["name"].any())
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("index", justify="right")
    for name in (*(["name"] if named else []), "true", "old -> new", "confidence", ""):
        table.add_column(name, overflow="fold")
    for row in frame.head(SHOWN).to_dict("records"):
        cells = [
            str(row["index"]),
            *([str(row["name"])] if named else []),
            str(row["true"]),
            f"{row['old']} -> {row['new']}",
            f"{row['old_confidence']:.2f} -> {row['new_confidence']:.2f}",
            str(row["change"]),
        ]
        table.add_row(*map(cell, cells))
    Console(width=140, highlight=False).print(table)
    if len(frame) > SHOWN:
        echo(f"and {len(frame) - SHOWN:,} more: --json lists all.")


def print_comparison_json(comparison: Comparison, held: Gate | None, report: Path | None) -> None:
    """Print one JSON object; what is undefined is null."""
    import json

    from diag.io.store import plain

    first = comparison.runs[0].data
    values: dict[str, Any] = {
        "verdict": comparison.verdict(),
        "data": {"name": first.name, "split": first.split, "n": len(comparison.runs[0]), "digest": first.digest},
        "models": [
            {**run.figures(), "model": name, "path": str(run.model.path), "digest": run.model.digest}
            for name, run in zip(comparison.names, comparison.runs, strict=True)
        ],
        "pairs": comparison.pairs().to_dict("records"),
        "notes": comparison.notes(),
    }
    if held is not None:
        values["gate"] = {
            "passed": held.passed,
            "verdict": held.verdict(),
            "old": held.old_name,
            "new": held.new_name,
            "conditions": [each.to_dict() for each in held.outcomes],
        }
        values["changed"] = held.changed().to_dict("records")
    if report is not None:
        values["report"] = str(report)
    click.echo(json.dumps(plain(values), indent=2, allow_nan=False))
