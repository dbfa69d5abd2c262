"""The report's data page: its numbers are the library's, parts fail alone, and a lasso in a browser shows images."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import diag
from diag.engines.label_issues import label_issues
from diag.engines.near_duplicates import near_duplicates
from diag.errors import DataError
from diag.views import report_data
from diag.views.report_data import data_page
from diag.views.report_pages import PageContext
from tests.fakes import CHROMIUM_FLAGS, build_run

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"


def context(checks=True, stage=lambda *_: None, train=None):
    return PageContext(train, 0, stage, True, checks)


@pytest.fixture(scope="module")
def comparison():
    """Two shipped models on digits; ten labels are wrong, five images are there twice, labelled otherwise."""
    digits = diag.load_dataset("digits")
    rows = np.r_[0:400, 0:5]
    images, labels = np.asarray(digits.images[rows])[..., 0], np.array(digits.labels[rows])
    labels[100:110] = (labels[100:110] + 5) % 10
    labels[400:] = (labels[400:] + 1) % 10
    data = diag.load_dataset((images, labels))
    paths = (SHIPPED / "cnn_lungu.keras", SHIPPED / "dense.keras")
    return diag.compare([diag.evaluate(diag.load_model(path), data) for path in paths])


@pytest.fixture(scope="module")
def page_of(comparison):
    stages = []
    page = data_page(comparison, context(stage=lambda *told: stages.append(told)))
    return page, stages


def test_slices_are_the_librarys(comparison, page_of):
    page, stages = page_of
    found = diag.find_slices(comparison)
    frame = found.frame(tried=True)
    for row in page.payload["slices"]:
        assert (row["slice"], row["n"]) == (frame["slice"][row["row"]], frame["n"][row["row"]])
        assert row["p_adjusted"] == frame["p_adjusted"][row["row"]]
        assert row["items"] == found.indices(row["row"])[:60].tolist()
        mask = found.mask(row["row"])
        assert row["models"] == [run.correct_mask[mask].mean() for run in comparison.runs]
    assert page.content["slices"]["verdict"] == found.verdict()
    assert [name for name, *_ in stages] == ["Data: slices", "Data: label issues", "Data: duplicates",
                                             "Data: embedding map", "Data"]  # fmt: skip


def test_issues_and_duplicates_are_the_librarys(comparison, page_of):
    page, _ = page_of
    issues, twins = label_issues(comparison), near_duplicates(comparison)
    shown = {kind["kind"]: kind for kind in page.payload["issues"]["kinds"]}
    assert {kind: each["total"] for kind, each in shown.items()} == {
        kind: len(issues.of_kind(kind)) for kind in issues.counts() if len(issues.of_kind(kind))
    }
    frame = issues.frame().set_index("index")
    for kind in shown.values():
        assert kind["sentences"] == frame.loc[kind["items"], "sentence"].tolist()
    assert page.payload["issues"]["csv"]["columns"] == issues.frame().columns.tolist()
    rows = page.payload["duplicates"]["rows"]
    assert len(rows) == len(twins) >= 5
    equal = {tuple(row["images"]) for row in rows if row["said"] == "pixel for pixel"}
    assert {(400 + place, place) for place in range(5)} <= equal
    assert all(row["labels"] for row in rows if tuple(row["images"]) in equal)


def test_points_of_the_map(comparison, page_of):
    page, _ = page_of
    found = page.payload["map"]
    assert found["index"] == list(range(405))
    for text, run in zip(found["wrong"], comparison.runs, strict=True):
        assert [each == "1" for each in text] == (~run.correct_mask).tolist()
    slices = diag.find_slices(comparison)
    for place, text in enumerate(found["slices"]):
        assert [each == "1" for each in text] == slices.mask(place).tolist()
    assert min(found["x"]) == min(found["y"]) == 0
    assert max(found["width"], found["height"]) == 1000
    original = diag.embedding_map(comparison).xy
    whole = np.stack([found["x"], found["y"]], axis=1)
    for axis in (0, 1):
        assert np.corrcoef(whole[:, axis], original[:, axis])[0, 1] > 0.999
    assert set(page.samples) == set(range(405))


def test_without_checks_there_is_the_balance_only(comparison):
    page = data_page(comparison, context(checks=False))
    assert list(page.charts) == ["balance"]
    assert "slices" not in page.payload
    assert page.samples == ()


def test_a_part_that_fails_says_so_and_the_rest_is_there(comparison, monkeypatch):
    monkeypatch.setattr(
        report_data, "find_slices", lambda *_, **__: (_ for _ in ()).throw(DataError("no <b>slices</b>"))
    )
    page = data_page(comparison, context())
    assert page.content["messages"] == {"Slices": "no <b>slices</b>"}
    assert page.payload["map"]["index"]


@pytest.mark.parametrize("k", [1, 2])
def test_one_image(k):
    run = build_run([0], [[1.0] if k == 1 else [0.2, 0.8]])
    page = data_page(diag.compare([run]), context(checks=False))
    assert page.charts["balance"].to_dict()


@pytest.fixture(scope="module")
def written(comparison, page_of, tmp_path_factory):
    """The report with this page alone."""
    from diag.views import report as home

    folder = tmp_path_factory.mktemp("data-page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home, "PAGES", {"data": ("Data", lambda *_: page_of[0])})
        return diag.report(comparison.runs, folder / "report.html", explain=0, checks=False)


def test_the_report_holds_the_page(written):
    html = written.read_text(encoding="utf-8")
    payload = json.loads(re.search(r'<script type="application/json" id="payload">(.*?)</script>', html, re.DOTALL)[1])
    assert payload["pages"]["data"]["map"]["width"] <= 1000
    assert "data.slices" in payload["charts"]
    assert 'data-page="data"' in html
    assert html.count("<script>") == 2


@pytest.mark.browser
def test_a_lasso_shows_images_and_stays_in_the_url(written, page_of, chromium):
    from playwright.sync_api import sync_playwright

    problems = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_context(offline=True, viewport={"width": 1200, "height": 900}).new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"{written.as_uri()}#page=data")
        canvas = page.locator(".map-box canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        corners = [
            (0.02, 0.02),
            (0.5, 0.02),
            (0.98, 0.02),
            (0.98, 0.98),
            (0.5, 0.98),
            (0.02, 0.98),
        ]  # around everything
        for place, (x, y) in enumerate(corners):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if place == 0:
                page.mouse.down()
        page.mouse.up()
        images = page.locator(".map-images")
        images.get_by_text("Chosen: inside the line: 405 images").wait_for()
        wrong = [text.count("1") for text in page_of[0].payload["map"]["wrong"]]
        for count in wrong:
            assert re.search(rf"\b{count}\b", images.locator("p").first.inner_text())
        assert images.locator(".tile").count() == 60
        assert "lasso=" in page.url
        page.reload()  # the URL shows the same view again
        images.get_by_text("Chosen: inside the line: 405 images").wait_for()
        page.get_by_label("Answers", exact=True).last.select_option("wrong")
        best = page_of[0].payload["best"]
        images.get_by_text(re.compile(f"wrong in .*: {wrong[best]} images")).wait_for()
        page.locator(".slices-table tbody tr").first.click()
        first = page_of[0].payload["slices"][0]
        page.locator(".slice-images").get_by_text(f"{first['slice']}: {first['n']} images").wait_for()
        assert page.locator(".issue-kinds .issue").count() > 0
        assert page.locator(".twins").count() >= 5
        browser.close()
    assert problems == []
