"""``diag doctor``: what is wrong with models and data."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diag.cli.options import CACHE, MODELS, SEED, TRAIN, data_options, open_data, open_models, open_train, stages
from diag.cli.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results.diagnosis import Diagnosis
    from diag.results.evaluation import Evaluation

EXIT_CODES = {"critical": 4, "warning": 3, "note": 0, None: 0}


@click.command()
@MODELS
@data_options
@TRAIN
@click.option("--n", type=click.IntRange(2), default=400, show_default=True, help="Images that costly checks look at.")
@click.option("--all", "show_all", is_flag=True, help="Also list the checks that passed or did not apply.")
@SEED
@CACHE
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(
    models: tuple[Path, ...],
    train: str | None,
    n: int,
    show_all: bool,
    seed: int,
    cache: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Look for what is wrong with MODELS, their data, and the two together.

    Exit status: 0 nothing or notes, 3 warnings, 4 something critical (1 an error, 2 wrong usage).
    """
    from diag.checks.api import diagnose

    opened = open_models(models, given)
    data = open_data(opened, given)
    trained_on = open_train(train, given, data)
    found = []
    with stages() as stage:
        rivals = _evaluated(opened, data, cache) if len(opened) > 1 else []
        for model in opened:
            progress = partial(stage, f"Check {model.name}")
            run = next((each for each in rivals if each.model.digest == model.digest), None)
            found.append(
                diagnose(
                    model, data, trained_on, run=run, rivals=rivals, n=n, seed=seed, progress=progress, cache=cache
                )
            )
    print_diagnoses(found, as_json, show_all)
    click.get_current_context().exit(max(EXIT_CODES[each.worst] for each in found))


def _evaluated(models: Sequence[Model], data: Dataset, cache: bool) -> list[Evaluation]:
    """Return the evaluations of those models that can be evaluated: a sick one has its own findings."""
    from diag.engines.local import evaluate
    from diag.errors import DiagError

    runs = []
    for model in models:
        try:
            runs.append(evaluate(model, data, cache=cache, progress=False))
        except DiagError:
            continue
    return runs


def print_diagnoses(found: Sequence[Diagnosis], as_json: bool, show_all: bool) -> None:
    """Print the findings, most severe first, as text or JSON."""
    import json

    from diag.io.store import plain

    if as_json:
        click.echo(json.dumps(plain({"models": [each.to_dict() for each in found]}), indent=2, allow_nan=False))
        return
    colours = {"critical": "red", "warning": "yellow", "note": "blue"}
    for place, each in enumerate(found):
        if place:
            echo()
        echo((each.model_name, {"bold": True}), f": {each.verdict()}")
        for finding in each.findings:
            label = (f"\n{finding.severity:8}", {"fg": colours[finding.severity], "bold": True})
            echo(label, f" {finding.code} ", (finding.title, {"bold": True}))
            echo(f"  {finding.message}")
            if finding.samples:
                shown = ", ".join(str(sample) for sample in finding.samples[:10])
                more = f" and {len(finding.samples) - 10} more" if len(finding.samples) > 10 else ""
                echo(f"  Images: {shown}{more}.")
            echo(f"  To do: {finding.remedy}")
            echo(f"  {finding.anchor}")
        if show_all:
            echo()
            for outcome in each.outcomes:
                echo(f"  {outcome.code} {outcome.status:8}{outcome.title}. {outcome.reason}".rstrip())
