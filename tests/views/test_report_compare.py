"""The report's page *Compare*: its figures are the library's, and what is clicked opens its images."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

import diag
from diag.results.agreement import agreement
from diag.views.report_compare import compare_page
from diag.views.report_pages import PageContext, navigation
from tests.fakes import build_run
from tests.views.test_report import SHIPPED, page, payload_of  # noqa: F401 - `page` is a fixture

CONTEXT = PageContext(None, 0, lambda *_: None, cache=False, checks=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A report of three shipped models without maps and checks, and its comparison."""
    data = diag.load_dataset("digits")
    names = ("cnn_lungu.keras", "logistic_l2.skops", "dense.keras")
    runs = [diag.evaluate(diag.load_model(SHIPPED / name), data) for name in names]
    out = tmp_path_factory.mktemp("compare") / "report.html"
    return diag.report(runs, out, explain=0, checks=False), diag.compare(runs)


def random_runs(k, n, m, seed=0):
    """Return runs of models that are right with some chance, on labels of k classes."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    runs = []
    for number in range(m):
        proba = rng.random((n, k)) + 0.1
        proba[np.arange(n), y_true] += rng.random(n) * k * 0.2 * (number + 1)
        runs.append(build_run(y_true, proba / proba.sum(axis=1, keepdims=True), f"model {number}"))
    return diag.compare(runs)


def test_the_page_says_what_the_library_says(written):
    path, comparison = written
    section = payload_of(path.read_text(encoding="utf-8"))["pages"]["compare"]
    rows = comparison.pairs().to_dict("records")
    assert len(section["pairs"]) == len(rows) == 3
    for pair, row in zip(section["pairs"], rows, strict=True):
        assert [pair[key] for key in ("name_a", "name_b", "only_a", "only_b", "relation")] == [
            row[key] for key in ("a", "b", "only_a", "only_b", "relation")
        ]
        assert pair["sentence"] == comparison.sentence(row["a"], row["b"])
        shown = {each["metric"]: (each["difference"], each["low"], each["high"]) for each in pair["metrics"]}
        frame = comparison.differences()
        for each in frame[(frame["a"] == row["a"]) & (frame["b"] == row["b"])].to_dict("records"):
            low, high = each["low"], each["high"]
            if each["metric"] == "accuracy":  # one interval for one figure: that of the pairs
                low, high = row["difference_low"], row["difference_high"]
            assert shown[each["metric"]] == (each["difference"], low, high)
    first = next(pair for pair in section["pairs"] if pair["key"] == section["first"])
    assert {first["name_a"], first["name_b"]} == set(comparison.table().index[:2])  # the two best
    assert [row["count"] for row in section["sets"]] == agreement(comparison).overlap()["count"].tolist()


def test_a_single_model_has_no_such_page():
    comparison = random_runs(3, 30, 1)
    assert compare_page(comparison, CONTEXT) is None
    assert [entry["key"] for entry in navigation([])] == ["overview", "model"]


@pytest.mark.parametrize(
    ("k", "n", "m"), [(1, 1, 2), (2, 1, 2), (2, 40, 2), (100, 300, 3), (1000, 2000, 2), (5, 60, 12)]
)
def test_from_one_image_to_many_models_and_classes(k, n, m):
    section = compare_page(random_runs(k, n, m), CONTEXT)
    assert section.content["matrix"] == (k <= 24)
    assert len(section.payload["pairs"]) == m * (m - 1) // 2
    assert sum(pair["detailed"] for pair in section.payload["pairs"]) == min(45, m * (m - 1) // 2)
    matrices = [name for name in section.charts if name.startswith("matrix-")]
    assert bool(matrices) == section.content["matrix"]
    assert all(isinstance(chart.to_dict(), dict) for chart in section.charts.values())
    assert all(0 <= index < n for index in section.samples)


@pytest.mark.browser
def test_a_cell_of_the_table_opens_its_images_in_both_models(written, page):  # noqa: F811
    path, comparison = written
    page.goto(f"{path.as_uri()}#page=compare&pair=0-1")
    names = comparison.names[0], comparison.names[1]
    row = comparison.pair(*names)
    page.get_by_text(comparison.sentence(*names)).wait_for()
    page.locator(".quadrants .only_b button").click()
    shown = page.locator(".quadrant-images")
    shown.get_by_text(f"Only {names[1]} is right: {row['only_b']} image").wait_for()
    assert "quadrant=only_b" in page.url
    expected = comparison.quadrant(*names, "only_b")
    labels = shown.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.getAttribute('aria-label'))")
    assert {int(re.match(r"image (\d+)", label)[1]) for label in labels} == set(expected.tolist())
    assert shown.locator(".card").first.get_by_text(names[0]).count() == 1  # what each of the two says
    assert shown.locator(".card").first.get_by_text(names[1]).count() == 1
    page.reload()  # the URL holds the selection
    shown.get_by_text(f"Only {names[1]} is right: {row['only_b']} image").wait_for()
    page.locator(".choose-pair select").nth(1).select_option("2")
    page.get_by_text(comparison.sentence(comparison.names[0], comparison.names[2])).wait_for()
    assert "pair=0-2" in page.url
    assert page.problems == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1500])
def test_every_chart_is_drawn_and_tables_download(written, page, width):  # noqa: F811
    path, _ = written
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{path.as_uri()}#page=compare")
    for figure in page.locator("#compare figure.chart").all():
        figure.scroll_into_view_if_needed()
        figure.locator("svg").wait_for()
    wide, shown = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= shown
    page.locator(".metrics .csv").click(trial=True)
    with page.expect_download() as download:
        page.locator(".metrics .csv").click()
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("Figure,unit,")
    assert lines[0].endswith(",difference,low,high")
    assert len(lines) == 5
    assert page.problems == []


def downloaded(page, button):  # noqa: F811
    with page.expect_download() as download:
        button.click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.browser
def test_csv_has_both_ends_of_every_interval_and_names_only(written, page):  # noqa: F811
    path, comparison = written
    page.goto(f"{path.as_uri()}#page=compare")
    page.locator(".all-pairs table").wait_for()
    for line, row in zip(
        downloaded(page, page.locator(".all-pairs .csv")), comparison.pairs().to_dict("records"), strict=True
    ):
        assert (line["A"], line["B"]) == (row["a"], row["b"])
        for name, key in (("difference_points", "difference"), ("low_points", "difference_low"),
                          ("high_points", "difference_high")):  # fmt: skip
            assert float(line[name]) == pytest.approx(100 * row[key])
    ensembles = downloaded(page, page.locator(".ensemble-table .csv"))
    assert {"accuracy_low", "accuracy_high", "difference_points", "low_points", "high_points"} <= set(ensembles[0])
    page.goto(f"{path.as_uri()}#page=overview")
    results = {line["Model"]: line for line in downloaded(page, page.locator("#results .csv"))}
    assert set(results) == set(comparison.names)  # without "tied"
    for name, row in comparison.table().iterrows():
        for key in ("accuracy", "accuracy_low", "accuracy_high", "log_loss"):
            assert float(results[name][key]) == pytest.approx(row[key])
    page.goto(f"{path.as_uri()}#page=model&model=0")
    article = page.locator("article:not([hidden])")
    article.locator("[data-section=classes] .csv").wait_for()
    classes = downloaded(page, article.locator("[data-section=classes] .csv"))
    for line, row in zip(classes, comparison.runs[0].per_class().to_dict("records"), strict=True):
        assert float(line["recall_low"]) == pytest.approx(row["recall_low"])
        assert float(line["f1_high"]) == pytest.approx(row["f1_high"])
    assert page.problems == []


@pytest.mark.browser
def test_the_same_model_twice_changes_places(written, page):  # noqa: F811
    path, comparison = written
    page.goto(f"{path.as_uri()}#page=compare&pair=0-2")
    boxes = page.locator(".choose-pair select")
    boxes.nth(0).select_option("2")
    assert [box.input_value() for box in boxes.all()] == ["2", "0"]
    row = comparison.pair(comparison.names[0], comparison.names[2])
    page.locator(".quadrants .only_a").get_by_text(f"{row['only_b']:,}", exact=True).wait_for()
    boxes.nth(1).select_option("2")
    assert [box.input_value() for box in boxes.all()] == ["0", "2"]
    page.locator(".quadrants .only_a").get_by_text(f"{row['only_a']:,}", exact=True).wait_for()
    assert page.problems == []
