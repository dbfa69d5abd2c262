"""``diag labels``: labels that are probably wrong, and what else sure errors are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diag.cli.options import CACHE, MODELS, SEED, TRAIN, data_options, evaluate_all, open_train, path_type, stages
from diag.cli.terminal import echo


@click.command()
@MODELS
@data_options
@TRAIN
@click.option(
    "--out", type=path_type(dir_okay=False), default=Path("issues.csv"), show_default=True, help="The file to write."
)
@SEED
@CACHE
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def labels(
    models: tuple[Path, ...],
    train: str | None,
    out: Path,
    seed: int,
    cache: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """List the labels that sure answers of MODELS contradict, as a CSV with what speaks for each.

    Each is probably a wrong label, real confusion, or unlike anything in training.
    """
    from diag.engines.label_issues import label_issues
    from diag.engines.local import compare
    from diag.io.out_files import check_output

    check_output(out, endings=(".csv",), inputs=(*models, given["data"], train))
    with stages() as stage:
        comparison = compare(evaluate_all(models, given, cache, stage))
        trained_on = open_train(train, given, comparison.runs[0].data)
        issues = label_issues(comparison, trained_on, seed=seed, cache=cache)
    issues.to_csv(out)
    if as_json:
        _print_json(issues, out)
        return
    echo(issues.verdict())
    for note in issues.notes:
        echo(note)
    echo(str(out))


def _print_json(issues: Any, out: Path) -> None:
    import json

    from diag.io.store import plain

    counts = {
        "n": issues.n,
        "doubted": issues.found,
        **issues.counts(),
        "estimated_share": issues.estimated_share,
        "models": list(issues.model_names),
        "notes": list(issues.notes),
        "out": str(out),
    }
    click.echo(json.dumps(plain(counts), indent=2, allow_nan=False))
