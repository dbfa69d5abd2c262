"""The report's findings: what the checks say of each model, with numbers, charts and images."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.api import diagnose
from diag.checks.registry import CHECKS
from diag.errors import DiagError
from diag.io import store
from diag.results.diagnosis import Diagnosis, Outcome
from diag.views.findings import (
    SYMBOLS,
    drawable,
    evidence_caption,
    evidence_chart,
    evidence_table,
    measured_figures,
    severity_counts,
    training_labels,
)
from diag.views.images import data_uri, tile_sheet
from diag.views.report_payload import pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results.comparison import Comparison
    from diag.results.diagnosis import Evidence, Finding
    from diag.results.evaluation import Evaluation

    Stage = Callable[[str, int, int], None]

MAX_SHOWN = 12
"""Images that a finding shows."""
MAX_TRAINING = 240
"""Training images in the file, over all findings."""


def diagnoses(
    runs: Sequence[Evaluation],
    train: Dataset | None = None,
    *,
    seed: int = 0,
    progress: Stage | None = None,
    cache: bool = True,
) -> list[Diagnosis]:
    """Run all checks on models that are shown together.

    Parameters
    ----------
    runs : sequence of Evaluation
    train : Dataset, optional
        The data that the models were trained on.
    seed : int
        Seeds every draw.
    progress : callable, optional
        Gets (stage, done, total).
    cache : bool
        Use and keep findings by content.

    Returns
    -------
    list of Diagnosis
        One a run. Where the checks could not begin, each of them has an outcome that says why.
    """
    stage = progress or (lambda name, done, total: None)
    found = []
    for run in runs:
        progress_of = partial(stage, f"Check {run.name}")
        options: dict[str, Any] = {"rivals": runs, "seed": seed, "progress": progress_of, "cache": cache}
        try:
            found.append(diagnose(run.model, run.data, train, run=run, **options))
        except DiagError as error:
            found.append(_unchecked(run, str(error), seed))
    return found


def _unchecked(run: Evaluation, reason: str, seed: int) -> Diagnosis:
    return Diagnosis(
        model_name=run.name,
        model_digest=run.model.digest,
        data_name=run.data.name,
        data_digest=run.data.digest,
        findings=(),
        outcomes=tuple(Outcome(check.code, check.title, "skipped", reason) for check in CHECKS),
        n=0,
        seed=seed,
        versions=MappingProxyType(store.versions()),
    )


def findings_page(comparison: Comparison, found: Sequence[Diagnosis]) -> list[dict[str, Any]]:
    """Return what the template says of each model's findings, the best model first; nothing without checks."""
    if not found:
        return []
    places = [comparison.names.index(str(name)) for name in comparison.table().index]
    return [
        {
            "name": comparison.names[place],
            "verdict": found[place].verdict(),
            "worst": found[place].worst,
            "counts": severity_counts(found[place]),
            "first": found[place].findings[0].title if found[place].findings else "",
            "findings": [
                _finding(finding, f"finding-{place}-{number}") for number, finding in enumerate(found[place].findings)
            ],
            "others": [each for each in found[place].outcomes if each.status != "found"],
        }
        for place in places
    ]


def _finding(finding: Finding, key: str) -> dict[str, Any]:
    return {
        "key": key,
        **{name: getattr(finding, name) for name in ("code", "title", "severity", "message", "remedy", "anchor")},
        "symbol": SYMBOLS[finding.severity],
        "measured": measured_figures(finding),
        "evidence": [_evidence(each, f"{key}-{number}") for number, each in enumerate(finding.evidence) if each.rows],
        "shown": min(len(finding.samples), MAX_SHOWN),
        "n_samples": len(finding.samples),
        "paired": bool(finding.train_samples),
    }


def _evidence(evidence: Evidence, key: str) -> dict[str, Any]:
    return {
        "key": key if drawable(evidence) else "",
        "caption": evidence_caption(evidence),
        "table": evidence_table(evidence),
    }


def finding_charts(found: Sequence[Diagnosis]) -> dict[str, Any]:
    """Return the charts of all findings, by the keys that `findings_page` gives them."""
    charts = {}
    for place, diagnosis in enumerate(found):
        for number, finding in enumerate(diagnosis.findings):
            for order, evidence in enumerate(finding.evidence):
                if drawable(evidence):
                    charts[f"finding-{place}-{number}-{order}"] = evidence_chart(evidence)
    return charts


def finding_samples(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return which images each finding of a model shows, each with its training image where there is one."""
    rows = [
        {"samples": list(each.samples[:MAX_SHOWN]), "train": list(each.train_samples[:MAX_SHOWN])}
        for each in diagnosis.findings
    ]
    return {"findings": rows}


def training_sheet(
    found: Sequence[Diagnosis], train: Dataset | None, model: Model, more: Sequence[int] = ()
) -> tuple[str, dict[str, Any]]:
    """Return the training images that findings show, and `more`, as one style sheet, and where each stands in it.

    Classes are named as the model names them.

    Returns
    -------
    str
        The rule for ``.training``; empty without such images.
    dict
        ``columns``, ``width``, ``height``, ``count``, ``index`` (their numbers in the training data) and ``labels``.
    """
    wanted = dict.fromkeys(
        number for each in found for finding in each.findings for number in finding.train_samples[:MAX_SHOWN]
    )
    wanted.update(dict.fromkeys(more))
    if train is None or not wanted:
        return "", {"index": []}
    chosen = np.array([number for number in wanted if 0 <= number < len(train)][:MAX_TRAINING], dtype=np.int64)
    if not len(chosen):
        return "", {"index": []}
    tiles = pictures(train.images, chosen)
    sheet = tile_sheet(tiles, columns=40, lossy=tiles.shape[-1] == 3)
    labels = training_labels(model, train, chosen.tolist())
    rule = f"\n.training{{background-image:url({data_uri(sheet.data, sheet.mime)})}}\n"
    return rule, {
        "columns": sheet.columns, "width": sheet.width, "height": sheet.height, "count": sheet.count,
        "index": chosen.tolist(), "labels": labels,
    }  # fmt: skip
