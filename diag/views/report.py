"""Results become one self-contained HTML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.engines.local import compare
from diag.errors import InvalidInputError
from diag.io.store import content_key, kept_text, versions, write_aside
from diag.results.evaluation import Evaluation
from diag.views.policy import content_policy
from diag.views.report_evidence import filters
from diag.views.report_maps import explanations
from diag.views.report_payload import build_payload
from diag.views.report_text import overview
from diag.views.report_trust import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Stage = Callable[[str, int, int], None]

TEMPLATES = Path(__file__).parent / "templates"


def report(
    runs: Sequence[Evaluation] | Evaluation,
    out: str | Path = "report.html",
    explain: int = 20,
    *,
    background: int | str = 100,
    seed: int = 0,
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
        How many images to explain in each Keras model: one right answer a class (at most half), then the most
        confident errors. 0: none.
    background : int or str
        References for maps, as `explain` takes them: a number, or ``"kmeans:N"``.
    seed : int
        Seeds the draw of references.
    progress : callable, optional
        Gets (stage, done, total).
    cache : bool
        Use and keep attributions and activations by content.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInputError
        If runs are on different samples, or the folder of `out` does not exist.
    """
    comparison = compare([runs] if isinstance(runs, Evaluation) else runs)
    path = Path(out)
    if not path.resolve().parent.is_dir():
        raise InvalidInputError(f"out={path}: expected a folder that exists. Received: {path.parent}. Create it first.")
    stage = progress or (lambda name, done, total: None)
    maps = explanations(comparison.runs, explain, background, seed, stage, cache)
    evidence = [
        {**found, **checks(run, explain, seed, stage, cache), **filters(run, comparison.runs, stage, cache)}
        for run, found in zip(comparison.runs, maps, strict=True)
    ]
    stage("Write the report", 0, 1)
    payload = build_payload(comparison, evidence)
    page = overview(comparison, seed, explain, background)
    for model, found in zip(page["models"], evidence, strict=True):
        model["checked"] = "trust" in found
    html = render(page, payload)
    write_aside(path, html)
    stage("Write the report", 1, 1)
    return path


def render(page: dict[str, Any], payload: dict[str, Any]) -> str:
    """Return the HTML of a page's texts and its data, with a policy that admits our own scripts and styles only."""
    import jinja2

    sheet = payload.pop("sheet_css")
    style = _file("report.css") + sheet
    scripts = {"library": _library(), "script": _file("report.js")}
    policy = content_policy(style, scripts.values())
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= FORMATS
    template = environment.get_template("report.html.j2")
    return template.render(page=page, policy=policy, style=style, payload=embedded_json(payload), **scripts)


def embedded_json(value: Any) -> str:
    """Return JSON that can stand inside a script element: no ``<``, and nothing that ends a line in old scripts."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _percent(value: float, digits: int = 1) -> str:
    return "–" if value != value else f"{value * 100:.{digits}f}%"


def _decimal(value: float, digits: int = 3) -> str:
    return "–" if value != value else f"{value:,.{digits}f}"


def _size(value: float) -> str:
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.0f} kB"


def _p_value(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


FORMATS = {"percent": _percent, "decimal": _decimal, "filesize": _size, "p_value": _p_value}


def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


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
