"""The report's page *Calibration*: its figures are the library's, and what is clicked opens its images."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import diag
from diag.io.store import plain
from diag.views.report_calibration import calibration_page
from diag.views.report_pages import PageContext
from tests.fakes import build_run
from tests.views.test_report import SHIPPED, page, payload_of  # noqa: F401 - `page` is a fixture

CONTEXT = PageContext(None, 0, lambda *_: None, cache=False, checks=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report of two shipped models without maps and checks, and its comparison."""
    data = diag.load_dataset("digits")
    runs = [diag.evaluate(diag.load_model(SHIPPED / name), data) for name in ("cnn_lungu.keras", "logistic_l2.skops")]
    out = tmp_path_factory.mktemp("calibration") / "report.html"
    return diag.report(runs, out, explain=0, checks=False), diag.compare(runs)


def random_runs(k, n, m=2, seed=0):
    """Return runs of models that know something, on labels of k classes."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    runs = []
    for number in range(m):
        proba = rng.random((n, k)) + 0.1
        proba[np.arange(n), y_true] += rng.random(n) * k * 0.3
        runs.append(build_run(y_true, proba / proba.sum(axis=1, keepdims=True), f"model {number}"))
    return diag.compare(runs)


def test_the_page_says_what_the_library_says(written):
    path, comparison = written
    html = path.read_text(encoding="utf-8")
    section = payload_of(html)["pages"]["calibration"]
    for shown, run in zip(section["models"], comparison.runs, strict=True):
        found, ranked = diag.calibration(run), diag.discrimination(run)
        for name, value in {**found.figures(), **ranked.figures()}.items():
            assert shown[name] == (pytest.approx(value, rel=1e-5) if np.isfinite(value) else None)
        assert sum(each["n_wrong"] + each["n_right"] for each in shown["bins"].values()) == len(run)
        for place, each in shown["bins"].items():
            assert each["n_wrong"] == len(found.bin_samples(int(place)))
            assert each["wrong"] == found.bin_samples(int(place))[:60].tolist()
        assert [row["class_number"] for row in shown["classes"]] == ranked.class_frame()["class_number"].tolist()
    best = comparison.run(str(comparison.table().index[0]))
    assert diag.calibration(best).sentence() in html
    assert section["models"][section["first"]]["name"] == best.name
    assert section["costs"][0]["cost"] == pytest.approx(1 - comparison.runs[0].figures()["accuracy"], rel=1e-5)
    assert [key for key, _ in section["curves"]["options"]][:3] == ["macro", "micro", "0"]


@pytest.mark.parametrize(
    ("k", "n", "m"), [(1, 1, 1), (2, 1, 1), (2, 60, 2), (3, 40, 12), (100, 500, 2), (1000, 1500, 1)]
)
def test_from_one_image_to_many_classes_and_models(k, n, m):
    made = calibration_page(random_runs(k, n, m), CONTEXT)
    assert made.content["searchable"] == (k > 30)
    assert made.content["two"] == (k == 2)
    assert len(made.payload["curves"]["options"]) == 2 + (k if k <= 30 else 20)
    for chart in made.charts.values():
        spec = chart.to_dict()
        assert sum(len(rows) for rows in spec["datasets"].values()) <= 5000
    assert all(0 <= index < n for index in made.samples)
    assert len(json.dumps(plain(dict(made.payload)), allow_nan=False)) < 2_000_000


def test_a_threshold_that_no_probability_should_reach_is_never():
    # The negatives have 1, the positives .3: saying the second class never costs least.
    score = np.repeat([1.0, 0.3], [30, 10])
    run = build_run(np.repeat([0, 1], [30, 10]), np.stack([1 - score, score], axis=1))
    made = calibration_page(diag.compare([run, dataclasses.replace(run)]), CONTEXT)
    (first, _) = plain(made.payload["costs"])
    assert (first["never"], first["threshold"], first["threshold_cost"]) == (True, None, 0.25)
    assert not made.payload["sampled"]
    assert made.charts["cost"].to_dict()


def test_very_many_probabilities_show_the_brier_score_of_the_parts(monkeypatch):
    monkeypatch.setattr("diag.results.probabilities.MOST_NUMBERS", 300)
    made = calibration_page(random_runs(3, 400), CONTEXT)
    assert made.payload["sampled"]
    for model in made.payload["models"]:
        assert model["brier_of_parts"] != model["brier"]


def test_without_probabilities_the_page_says_what_is_missing():
    comparison = random_runs(3, 50)
    bare = diag.compare([dataclasses.replace(run, proba=None) for run in comparison.runs])
    made = calibration_page(bare, CONTEXT)
    assert made.payload["curves"] is None
    assert not made.content["temperature"]
    assert "expected all probabilities" in made.content["notes"][0]
    assert "reliability" in made.charts
    assert "roc" not in made.charts


@pytest.mark.browser
def test_a_bin_opens_its_images_and_a_class_its_curves(written, page):  # noqa: F811
    path, comparison = written
    run = comparison.runs[0]
    found = diag.calibration(run)
    page.goto(path.as_uri() + "#page=calibration&model=0")
    root = page.locator("#calibration")
    root.locator(".bin-table tbody tr").first.click()
    wrong = len(found.bin_samples(19))
    root.locator(".bin-wrong").get_by_text(f"{run.name}: 95 to 100 % sure and wrong: {wrong} image").wait_for()
    assert root.locator(".bin-wrong .tile").count() == min(wrong, 60)
    assert "bin=19" in page.url
    root.locator("#reliability-bins .mark-rect path").first.wait_for(state="attached")
    root.locator("#reliability .mark-symbol path").first.wait_for(state="attached")
    root.locator(".reliability-tools select").select_option("1")
    other = len(diag.calibration(comparison.runs[1]).bin_samples(19))
    root.locator(".bin-wrong").get_by_text(f"95 to 100 % sure and wrong: {other} image").wait_for()
    root.locator(".class-table tbody tr").first.click()
    assert root.locator(".curve-tools select").input_value() not in ("macro", "micro")
    root.locator("#roc .mark-line path").first.wait_for(state="attached")
    assert page.problems == []


@pytest.mark.browser
def test_a_click_on_a_bar_opens_its_bin(written, page):  # noqa: F811
    path, _ = written
    page.goto(path.as_uri() + "#page=calibration&model=0")
    bars = page.locator("#reliability-bins .mark-rect path")
    bars.last.wait_for(state="attached")
    bars.last.click(force=True)
    page.locator("#calibration .bin-wrong h3").wait_for()
    assert "bin=" in page.url


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_page(written, page, width):  # noqa: F811
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(written[0].as_uri() + "#page=calibration&bin=19")
    page.locator("#calibration #roc svg").wait_for(state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.problems == []
