"""What the commands print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from diag.cli.terminal import cell, echo
from diag.errors import DataError
from diag.io.model_folders import MODEL_ENDINGS, in_folder
from diag.io.store import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diag.io.audit import ModelFile
    from diag.results.attribution import Attribution
    from diag.results.comparison import Comparison
    from diag.results.diagnosis import Diagnosis
    from diag.results.faithfulness import Faithfulness


def print_table(comparison: Comparison) -> None:
    """Print the results table, best first; what the data cannot separate from the first is marked."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model", overflow="fold")
    heads = ("accuracy", "95% interval", "balanced", "macro F1", "top-3", "log loss", "Brier", "ECE", "parameters")
    for name in (*heads, "images/s"):
        table.add_column(name, justify="right")
    frame = comparison.table()
    for model, row in frame.iterrows():
        table.add_row(
            cell(model),
            ("~ " if row["tied"] else "") + f"{row['accuracy']:.2%}",
            f"{row['accuracy_low']:.2%} to {row['accuracy_high']:.2%}",
            f"{row['balanced_accuracy']:.2%}",
            f"{row['macro_f1']:.3f}",
            f"{row['top3_accuracy']:.2%}",
            f"{row['log_loss']:.3f}",
            f"{row['brier']:.3f}",
            f"{row['ece']:.3f}",
            f"{int(row['n_params']):,}",
            f"{row['images_per_second']:,.0f}",
        )
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else 140, highlight=False).print(table)
    if frame["tied"].any():
        echo("~ the data cannot separate it from the first")


def print_pairs(comparison: Comparison) -> None:
    """Print a sentence on each pair of the best model with another; of two models the verdict is that sentence."""
    best, *others = (str(name) for name in comparison.table().index)
    for name in others if len(others) > 1 else ():
        echo(comparison.sentence(best, name))


def print_verdict(comparison: Comparison, findings: Sequence[Diagnosis] | None = None) -> None:
    """Print the data, what was assumed, the verdict, and how much the checks found in each model."""
    from diag.io.overview import title_of

    data = comparison.runs[0].data
    echo(f"\n{title_of(data)}: {len(data):,} images, {comparison.runs[0].n_classes} classes")
    warned = {text for run in comparison.runs if run.detection is not None for text in run.detection.warnings()}
    for note in comparison.notes():
        echo(f"{'warning' if any(note.endswith(text) for text in warned) else 'note'}: {note}")
    echo(comparison.verdict())
    for name, found in zip(comparison.names, findings or (), strict=False):
        worst = f" First: {found.findings[0].title}." if found.findings else ""
        echo(f"findings on {name}: {found.verdict()}{worst}")


def print_json(comparison: Comparison, report: Path | None = None, findings: Sequence[Diagnosis] | None = None) -> None:
    """Print all figures as one JSON object; what is undefined is null."""
    models = []
    tied = comparison.table()["tied"]
    for name, run in zip(comparison.names, comparison.runs, strict=True):
        models.append(
            {
                **run.figures(),
                "model": name,
                "tied": bool(tied[name]),
                "path": str(run.model.path),
                "digest": run.model.digest,
                "class_names": list(run.class_names),
                "confusion": run.counts().confusion.tolist(),
                "per_class": run.per_class().reset_index().to_dict("records"),
                "notes": list(run.notes),
                "preprocessing": run.model.preprocessing.to_dict(),
                "detection": None if run.detection is None else run.detection.to_dict(),
                "from_cache": run.from_cache,
                "versions": dict(run.versions),
            }
        )
    data = comparison.runs[0].data
    values: dict[str, Any] = {
        "verdict": comparison.verdict(),
        "data": {"name": data.name, "split": data.split, "n": len(data), "digest": data.digest},
        "models": models,
        "pairs": comparison.pairs().to_dict("records"),
        "differences": comparison.differences().to_dict("records"),
    }
    if len(comparison.runs) > 1:
        found = comparison.optimism()
        values["optimism"] = {
            "model": found.best,
            "observed": found.observed,
            "expected": found.expected,
            "optimism": found.optimism,
        }
    if report is not None:
        values["report"] = str(report)
    if findings is not None:
        values["findings"] = [each.to_dict() for each in findings]
    click.echo(json.dumps(plain(values), indent=2, allow_nan=False))


def map_bytes(found: Sequence[Attribution], ending: str) -> bytes:
    """Return attributions as a picture, a page or arrays."""
    from diag.views.figures import attribution_figure
    from diag.views.maps_page import maps_html, maps_npz

    if ending == ".html":
        return maps_html(found).encode()
    return maps_npz(found[0]) if ending == ".npz" else attribution_figure(found).png


def print_trust(found: Sequence[Faithfulness], as_json: bool) -> None:
    """Print for each model how far its maps can be trusted."""
    if as_json:
        rows = [
            {
                "model": each.model_name,
                "verdict": each.verdict(),
                "passed": each.passed,
                "differences": each.differences().to_dict("records"),
                "sanity": each.sanity_frame().to_dict("records"),
            }
            for each in found
        ]
        click.echo(json.dumps(plain({"models": rows}), indent=2))
        return
    for each in found:
        echo(f"{each.model_name}: {each.verdict()}")


_LISTS = ("notes", "would_run", "inputs_by_name", "outputs_by_name")


def print_model_file(file: ModelFile, as_json: bool) -> None:
    """Print what a model file holds."""
    frame = file.frame()
    head: dict[str, Any] = {
        "file": str(file.path),
        "format": file.format,
        "size": file.file_size,
        "sha256": file.digest,
        "class": file.class_name,
        "keras_version": file.keras_version,
        "backend": file.backend,
        "input_shape": None if file.input_shape is None else list(file.input_shape),
        "outputs": file.n_outputs,
        "activation": file.activation,
        "inputs_by_name": [end.name for end in file.inputs] if len(file.inputs) > 1 else [],
        "outputs_by_name": [end.name for end in file.outputs] if len(file.outputs) > 1 else [],
        "parameters": file.n_params,
        "notes": list(file.notes),
        "would_run": list(file.code),
        "refused": file.refusal,
    }
    if as_json:
        click.echo(json.dumps(plain({**head, "layers": frame.to_dict("records")}), indent=2))
        return
    for key, value in head.items():
        if value not in (None, []):
            shown = f"{value:,}" if isinstance(value, int) else "; ".join(value) if key in _LISTS else value
            echo(f"{key + ':':15}{shown}")
    echo()
    echo(frame.to_string(index=False, na_rep="-"))


def shipped_models(folder: Path | None) -> list[Path]:
    """Return the model files of a folder, or the shipped ones.

    Raises
    ------
    DataError
        If there are none.
    """
    place = folder or Path(__file__).resolve().parents[2] / "saved_models" / "digits"
    files = in_folder(place) if place.is_dir() else []
    if not files:
        advice = "pass a folder with model files." if folder else "clone the repository, or pass --models FOLDER."
        raise DataError(
            f"{place}: expected model files ({', '.join(MODEL_ENDINGS)}). Received: none. To go on, {advice}"
        )
    return files
