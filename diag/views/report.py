"""Results become one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.engines.local import compare
from diag.errors import InvalidInputError
from diag.io.out_files import write_output
from diag.io.store import content_key, kept_text, versions
from diag.results.evaluation import Evaluation
from diag.views.formats import FORMATS
from diag.views.html import embedded_json, environment
from diag.views.policy import content_policy
from diag.views.report_calibration import calibration_page
from diag.views.report_compare import compare_page
from diag.views.report_data import data_page
from diag.views.report_evidence import filters
from diag.views.report_findings import diagnoses, finding_charts, finding_samples, findings_page, training_sheet
from diag.views.report_maps import explanations, is_network, left_out, mapped
from diag.views.report_pages import (
    PageContext,
    build_pages,
    explained,
    navigation,
    page_charts,
    page_payload,
    script,
    style,
)
from diag.views.report_payload import build_payload
from diag.views.report_text import overview
from diag.views.report_training import training_page
from diag.views.report_trust import checks as map_checks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diag.io.datasets import Dataset
    from diag.results.comparison import Comparison
    from diag.results.diagnosis import Diagnosis

    Stage = Callable[[str, int, int], None]

PAGES = {
    "compare": ("Compare", compare_page),
    "calibration": ("Calibration", calibration_page),
    "data": ("Data", data_page),
    "training": ("Training", training_page),
}
"""The pages beside the overview and the models' own, by key: title and function."""


def report(
    runs: Sequence[Evaluation] | Evaluation,
    out: str | Path = "report.html",
    explain: int = 20,
    *,
    background: int | str = 100,
    seed: int = 0,
    checks: bool | Sequence[Diagnosis] = True,
    train: Dataset | None = None,
    progress: Stage | None = None,
    cache: bool = True,
) -> Path:
    """Write one HTML file about one or several models on the same data. It works offline, from ``file://``.

    Parameters
    ----------
    runs : Evaluation or sequence of Evaluation
    out : str or Path
        The file to write. It is written beside its place and renamed: never half a report.
    explain : int
        How many images to explain in each Keras model, of more than ten in the best: one right answer a class (at most
        half), then the most confident errors. 0: none.
    background : int or str
        References for maps, as `explain` takes them: a number, or ``"kmeans:N"``.
    seed : int
        Seeds the draw of references.
    checks : bool or sequence of Diagnosis
        Run the doctor's checks, or the findings that there are already, one a run. False: no findings.
    train : Dataset, optional
        The data that the models were trained on: for the checks of overfitting, duplicates and baselines.
    progress : callable, optional
        Gets (stage, done, total).
    cache : bool
        Use and keep findings, attributions and activations by content.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInputError
        If runs are on different samples, the folder of `out` does not exist, or `checks` are not one a run.
    """
    comparison = compare([runs] if isinstance(runs, Evaluation) else runs)
    path = Path(out)
    if not path.resolve().parent.is_dir():
        raise InvalidInputError(f"out={path}: expected a folder that exists. Received: {path.parent}. Create it first.")
    stage = progress or (lambda name, done, total: None)
    found = _findings(comparison.runs, checks, train, seed, stage, cache)
    evidence = [
        {**each, **filters(run, comparison.runs, stage, cache)}
        for run, each in zip(comparison.runs, _maps(comparison, explain, background, seed, stage, cache), strict=True)
    ]
    for each, diagnosis in zip(evidence, found, strict=False):
        each |= finding_samples(diagnosis)
    context = PageContext(train, seed, stage, cache, bool(found))
    pages = build_pages(comparison, context, PAGES)
    stage("Write the report", 0, 1)
    wanted = [index for each in pages for index in each.samples]
    payload = build_payload(comparison, evidence, finding_charts(found) | page_charts(pages), wanted)
    payload |= page_payload(pages)
    more = [index for each in pages for index in each.train_samples]
    rule, payload["training"] = training_sheet(found, train, comparison.runs[0].model, more)
    payload["sheet_css"] += rule
    page = overview(comparison, seed, explain, background, bool(found), train) | {
        "findings": findings_page(comparison, found),
        "pages": [{**each.content, "key": each.key, "title": each.title, "template": each.template} for each in pages],
        "nav": navigation(pages),
    }
    for model, each in zip(page["models"], evidence, strict=True):
        model["checked"] = "trust" in each
    html = render(page, payload)
    write_output(path, html)
    stage("Write the report", 1, 1)
    return path


def _maps(
    comparison: Comparison, explain: int, background: int | str, seed: int, stage: Stage, cache: bool
) -> list[dict[str, Any]]:
    """Return for each model its maps and how far to trust them, or why there are none."""
    runs = mapped(comparison) if explain else list(comparison.runs)
    found = explanations(runs, explain, background, seed, stage, cache)
    checked = {
        id(run): {**each, **map_checks(run, explain, seed, stage, cache)} for run, each in zip(runs, found, strict=True)
    }
    networks = sum(is_network(run) for run in comparison.runs)
    return [checked.get(id(run)) or left_out(run, networks) for run in comparison.runs]


def _findings(
    runs: Sequence[Evaluation],
    checks: bool | Sequence[Diagnosis],
    train: Dataset | None,
    seed: int,
    stage: Stage,
    cache: bool,
) -> list[Diagnosis]:
    """Return one diagnosis a run; none where they are not wanted."""
    if isinstance(checks, bool):
        return diagnoses(runs, train, seed=seed, progress=stage, cache=cache) if checks else []
    given = [diagnosis.model_digest for diagnosis in checks]
    if given != [run.model.digest for run in runs]:
        raise InvalidInputError(
            f"report: expected checks=True, False, or one diagnosis a run, in their order. Received: {len(given)} "
            f"for {len(runs)} runs. Pass [diag.diagnose(run.model, run.data, run=run) for run in runs]."
        )
    return list(checks)


def render(page: dict[str, Any], payload: dict[str, Any]) -> str:
    """Return the HTML of a page's texts and its data, with a policy that admits our own scripts only."""
    sheet = style() + payload.pop("sheet_css")
    scripts = {"library": _library(), "script": script()}
    policy = content_policy(scripts.values())
    templates = environment()
    templates.filters |= FORMATS
    templates.globals["explained"] = explained
    template = templates.get_template("report.html.j2")
    return template.render(page=page, policy=policy, style=sheet, payload=embedded_json(payload), **scripts)


def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that leaves only ``vegaEmbed`` behind.

    Bundling takes a second, so the bundle is kept by the version of the package that makes it.
    """
    key = content_key(bundle="vegaEmbed", versions=versions(("vl-convert-python",)))
    return kept_text(key, _bundle)


def _bundle() -> str:
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(function(){{{bundle}}})();".replace("</script", "<\\/script")
