"""Findings in the report: charts by hand, the page's words and pictures, and what a browser makes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import diag
from diag.checks.base import Check
from diag.checks.registry import CHECKS
from diag.errors import InvalidInputError
from diag.results.diagnosis import Diagnosis, Evidence, Finding, Outcome
from diag.views.findings import (
    MAX_BARS,
    MAX_SERIES,
    MAX_TABLE_ROWS,
    SYMBOLS,
    evidence_caption,
    evidence_chart,
    evidence_table,
    figure_text,
    measured_figures,
    number_text,
    training_labels,
)
from tests.fakes import CHROMIUM_FLAGS, save_model

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"
HOSTILE = "</script><script>alert(1)</script>{{ 7*7 }}"


def evidence(rows, mark="bar", x="images", y="class", colour=None):
    return Evidence("Images a class", tuple(rows), mark, x, y, colour)


def drawn(each):
    """Return a chart's specification and its rows."""
    spec = evidence_chart(each).to_dict()
    (rows,) = spec["datasets"].values()
    return spec, rows


def diagnosis(run, findings, outcomes=()):
    return Diagnosis(run.name, run.model.digest, run.data.name, run.data.digest, tuple(findings),
                     tuple(outcomes), 400, 0, MappingProxyType({}))  # fmt: skip


def finding(severity="warning", code="DG999", **more):
    values = {"message": "7 of 9 images.", "remedy": "Look at them.", **more}
    return Finding(code, values.pop("title", "Something odd"), severity, **values)


# ---- numbers ----


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.0, "0"), (7, "7"), (1797, "1,797"), (1e6, "1,000,000"), (0.123456, "0.1235"), (-2.5, "-2.5"),
        (3.21e-7, "3.2e-07"), (999.96, "1,000"), (float("nan"), "–"), (float("inf"), "–"), (None, "–"), (True, "yes"),
        ("1/255", "1/255"), ([1, 0.5], "1, 0.5"),
    ],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert number_text(value) == text


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15))
def test_a_number_keeps_three_digits_of_its_value(value):
    text = number_text(value)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=6e-2 if abs(value) < 1e-4 else 6e-4)


def test_shares_are_in_per_cent_and_other_numbers_are_not():
    assert figure_text("accuracy_without", 0.91234) == "91.2%"
    assert figure_text("share", 1.0) == "100.0%"
    assert figure_text("share", 1) == "1"  # a count that happens to be called so
    assert figure_text("share", 12.5) == "12.5"
    assert figure_text("p_value", 0.5) == "0.5"
    given = finding(measured={"best_epoch": 7, "recall": 0.25, "class": "cat"})
    assert measured_figures(given) == [("best epoch", "7"), ("recall", "25.0%"), ("class", "cat")]


# ---- tables and charts ----


def test_a_table_says_how_many_rows_it_leaves_out():
    rows = [{"layer": f"conv_{number}", "mean_scale": number / 7, "share": 0.25} for number in range(65)]
    table = evidence_table(evidence(rows, "table", "", ""))
    assert table["head"] == [("layer", False), ("mean scale", True), ("share", True)]
    assert table["rows"][1] == ["conv_1", "0.1429", "25.0%"]
    assert len(table["rows"]) == MAX_TABLE_ROWS == 60
    assert table["more"] == 5
    assert evidence_table(Evidence("Nothing", ())) == {"head": [], "rows": [], "more": 0}


def test_bars_run_along_the_names_in_their_order():
    spec, rows = drawn(evidence([{"class": "b.x[0]", "images": 3}, {"class": "a", "images": 5}]))
    assert rows == [{"c0": "b.x[0]", "c1": 3}, {"c0": "a", "c1": 5}]  # no name of a class or column is a path
    assert (spec["encoding"]["x"]["field"], spec["encoding"]["x"]["type"]) == ("c1", "quantitative")
    assert (spec["encoding"]["y"]["field"], spec["encoding"]["y"]["type"]) == ("c0", "nominal")
    assert spec["encoding"]["y"]["sort"] is None
    assert spec["encoding"]["x"]["scale"]["zero"] is True
    assert spec["encoding"]["x"]["title"] == "images"
    assert spec["width"] == "container"


def test_bars_of_several_series_stand_side_by_side():
    rows = [{"class": name, "images": 3, "of": of} for name in "ab" for of in ("labels", "predictions")]
    spec, _ = drawn(evidence(rows, colour="of"))
    assert spec["encoding"]["yOffset"]["field"] == spec["encoding"]["color"]["field"] == "c2"
    assert spec["encoding"]["color"]["scale"]["domain"] == ["labels", "predictions"]
    upright, _ = drawn(evidence(rows, x="class", y="images", colour="of"))
    assert "xOffset" in upright["encoding"]
    assert spec["height"] > upright["height"] // 4


def test_long_names_stand_on_the_upright_axis():
    rows = [{"layer": f"block_{number}/conv2d", "scale": number / 3} for number in range(5)]
    spec, _ = drawn(evidence(rows, x="layer", y="scale"))
    assert spec["encoding"]["y"]["field"] == "c0"
    assert spec["encoding"]["x"]["type"] == "quantitative"


def test_bars_of_two_numbers_take_the_first_for_names():
    spec, _ = drawn(evidence([{"bin": 0.1, "images": 3}, {"bin": 0.2, "images": 4}], x="bin", y="images"))
    assert spec["encoding"]["x"]["type"] == "ordinal"
    assert spec["encoding"]["y"]["type"] == "quantitative"


def test_lines_and_points():
    rows = [
        {"epoch": epoch, "loss": 1 / epoch, "split": split} for epoch in (1, 2) for split in ("train", "validation")
    ]
    spec, _ = drawn(evidence(rows, "line", "epoch", "loss", "split"))
    assert spec["mark"]["type"] == "line"
    assert spec["encoding"]["x"]["axis"]["format"] == ",d"
    assert spec["encoding"]["color"]["scale"]["domain"] == ["train", "validation"]
    assert "yOffset" not in spec["encoding"]
    spec, rows = drawn(evidence([{"a": 0.5, "accuracy": 0.9}, {"a": 1.5, "accuracy": None}], "point", "a", "accuracy"))
    assert spec["mark"]["type"] == "point"
    assert spec["encoding"]["y"]["axis"]["format"] == "~%"
    assert rows[1] == {"c0": 1.5, "c1": None}  # drawn by nobody, and in the table as a dash


@pytest.mark.parametrize("mark", ["table", "bar", "line", "point"])
def test_what_has_no_picture_is_a_table(mark):
    assert evidence_chart(Evidence("No rows", (), mark, "x", "y")) is None
    assert evidence_chart(Evidence("No such column", ({"a": 1},), mark, "a", "b")) is None
    assert evidence_chart(Evidence("A table", ({"a": 1, "b": 2},), "table", "a", "b")) is None
    assert evidence_caption(Evidence("A table", ({"a": 1, "b": 2},), "table", "a", "b")) == "A table"


def test_many_bars_and_many_series_are_cut_and_say_so():
    many = evidence([{"class": f"class {number}", "images": number} for number in range(100)])
    assert len(drawn(many)[1]) == MAX_BARS == 40
    assert evidence_caption(many) == "Images a class (the first 40 of 100)"
    several = evidence(
        [{"class": "a", "images": number, "of": f"s{number}"} for number in range(12)], "line", "images", "class", "of"
    )
    assert len(drawn(several)[1]) == MAX_SERIES == 10
    assert evidence_caption(several) == "Images a class (the first 10 of 12 series)"
    assert drawn(many)[0]["height"] <= 720


names = st.text(max_size=12)
numbers = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(names | numbers, names | numbers, names), min_size=1, max_size=20),
    st.sampled_from(["bar", "line", "point", "table"]),
    st.lists(names, min_size=3, max_size=3, unique=True),
    st.booleans(),
)
def test_any_rows_give_a_valid_chart_and_a_table(rows, mark, columns, coloured):
    one, two, three = columns
    each = Evidence(
        "Anything",
        tuple(dict(zip(columns, row, strict=True)) for row in rows),
        mark,
        one,
        two,
        three if coloured else None,
    )
    chart = evidence_chart(each)
    if mark == "table":
        assert chart is None
    else:
        spec = chart.to_dict()  # Altair checks it against Vega-Lite's schema
        json.dumps(spec, allow_nan=False)
        assert len(next(iter(spec["datasets"].values()))) <= len(rows)
    assert len(evidence_table(each)["rows"]) == len(rows)


# ---- the report ----


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a function that makes an evaluation of a small model on random images with k classes."""
    from diag._lazy import import_keras

    layers = import_keras().layers
    folder = tmp_path_factory.mktemp("findings")

    def make(k, n, shape=(6, 6, 1), name="m"):
        path = folder / f"{name}{k}.keras"
        save_model(path, [layers.Flatten(), layers.Dense(k, "softmax")], shape, seed=k)
        rng = np.random.default_rng(k)
        data = diag.load_dataset((rng.integers(0, 256, (n, *shape), dtype=np.uint8), rng.integers(0, k, n)))
        return diag.evaluate(diag.load_model(path), data)

    return make


def page_of(path):
    html = path.read_text(encoding="utf-8")
    payload = json.loads(re.search(r'<script type="application/json" id="payload">(.*?)</script>', html, re.DOTALL)[1])
    return html, payload, html[html.index('<section id="findings">') : html.index('<section id="results">')]


def plenty(run):
    """Return findings of each severity and mark, with images and their training images, in hostile words."""
    rows = tuple({"class": HOSTILE if number == 1 else f"c{number}", "images": number} for number in range(5))
    return diagnosis(
        run,
        [
            finding("critical", "DG101", samples=range(15), evidence=(evidence(rows), evidence(rows, "table"))),
            finding("warning", "DG502", title=HOSTILE, message=f"{HOSTILE} 14 of 20.", remedy=f"Do {HOSTILE}.",
                    samples=(3, 4), train_samples=(8, 2), measured={HOSTILE: 0.123456789, "layer": HOSTILE}),
            finding("note", "DG605", evidence=(evidence(rows, "line", "images", "class"),
                                               evidence(rows, "point", "images", "class"))),
        ],
        [
            Outcome("DG101", "A", "found"), Outcome("DG106", "B <b>", "passed"),
            Outcome("DG401", "C", "skipped", f"Not known {HOSTILE}."),
        ],
    )  # fmt: skip


def test_findings_stand_after_the_verdict_the_most_severe_first(made, tmp_path):
    run = made(3, 20)
    train = diag.load_dataset((np.arange(10 * 36, dtype=np.uint8).reshape(10, 6, 6), np.arange(10) % 3))
    out = diag.report(run, tmp_path / "r.html", explain=0, checks=[plenty(run)], train=train)
    html, payload, section = page_of(out)
    assert html.index('class="verdict"') < html.index('<section id="findings">') < html.index("<h2>Data</h2>")
    order = [section.index(f"{SYMBOLS[severity]} {severity}<") for severity in ("critical", "warning", "note")]
    assert order == sorted(order)
    assert section.count('<details class="finding') == 3
    assert "1 critical, 1 warning, 1 note (2 checks ran, 1 did not apply)." in section
    assert "docs/checks.md#dg502" in section
    assert "1 check passed, 1 did not apply" in section
    # Words of files are words.
    assert "<script>alert" not in section
    assert section.count("alert(1)") >= 5
    assert "{{ 7*7 }}" in section
    assert html.count("<script>") == 2
    assert "B &lt;b&gt;" in section
    # The numbers, short, and every chart that a figure asks for.
    assert "<dd>0.1235</dd>" in section
    asked = re.findall(r'data-chart="(finding[^"]*)"', section)
    assert asked == ["finding-0-0-0", "finding-0-2-0", "finding-0-2-1"]
    assert set(asked) < set(payload["charts"])
    assert section.count("As a table") == 3
    # Images: at most twelve, once in the file; the training images in a sheet of their own.
    assert payload["models"][0]["findings"][0] == {"samples": list(range(12)), "train": []}
    assert payload["models"][0]["findings"][1] == {"samples": [3, 4], "train": [8, 2]}
    assert "(12 of 15)" in section
    assert payload["training"]["index"] == [8, 2]
    assert payload["training"]["labels"] == [run.class_names[2], run.class_names[2]]
    assert len(re.findall(r"\.training\{background-image", html)) == 1


def test_the_sheet_of_training_images_holds_their_pixels(made, tmp_path):
    import base64
    import io

    from PIL import Image

    run = made(3, 20)
    train = diag.load_dataset((np.arange(10 * 36, dtype=np.uint8).reshape(10, 6, 6), np.arange(10) % 3))
    html, payload, _ = page_of(diag.report(run, tmp_path / "r.html", explain=0, checks=[plenty(run)], train=train))
    uri = re.search(r"\.training\{background-image:url\(data:image/png;base64,([^)]*)\)", html)[1]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri))))
    assert (payload["training"]["width"], payload["training"]["columns"]) == (6, 2)
    np.testing.assert_array_equal(sheet[:, :6], train.images[8][..., 0])
    np.testing.assert_array_equal(sheet[:, 6:], train.images[2][..., 0])


def test_nothing_found_is_one_calm_line(made, tmp_path):
    run = made(3, 20)
    well = diagnosis(run, [], [Outcome("DG101", "A", "passed"), Outcome("DG102", "B", "passed")])
    _, payload, section = page_of(diag.report(run, tmp_path / "r.html", explain=0, checks=[well]))
    assert "Nothing found (2 checks ran)." in section
    assert "2 checks passed, 0 did not apply" in section
    assert '<details class="finding' not in section
    assert payload["models"][0]["findings"] == []
    assert payload["training"] == {"index": []}


def test_several_models_are_a_matrix_of_severities_and_their_findings(made, tmp_path):
    runs = [made(3, 20), made(3, 20, name="other")]
    found = [diagnosis(runs[0], [finding("note"), finding("note")]), diagnosis(runs[1], [finding("critical")])]
    _, payload, section = page_of(diag.report(runs, tmp_path / "r.html", explain=0, checks=found))
    rows = dict(re.findall(r"<summary><b>(.*?)</b>(.*?)</summary>", section))
    counts = {name: re.findall(r"(\d+) (critical|warnings?|notes?)<", row) for name, row in rows.items()}
    assert counts == {
        "m3": [("0", "critical"), ("0", "warnings"), ("2", "notes")],
        "other3": [("1", "critical"), ("0", "warnings"), ("0", "notes")],
    }
    assert 'data-finding="finding-1-0"' in section  # the place among the models of the payload, whatever the order
    assert [len(model["findings"]) for model in payload["models"]] == [2, 1]


@pytest.mark.parametrize(("n", "first", "second"), [(4, "findings", "results"), (5, "results", "findings")])
def test_of_more_than_four_models_the_results_stand_before_the_findings(n, first, second, made, tmp_path):
    runs = [made(3, 20, name=name) for name in "abcde"[:n]]
    found = [diagnosis(run, [finding("note")]) for run in runs]
    html = diag.report(runs, tmp_path / "r.html", explain=0, checks=found).read_text(encoding="utf-8")
    assert html.count('<section id="results">') == html.count('<section id="findings">') == 1
    assert html.index(f'<section id="{first}">') < html.index(f'<section id="{second}">')


def test_a_hundred_classes(made, tmp_path):
    run = made(100, 150)
    rows = [{"class": f"a rather long name of a class, {number}", "recall": number / 100} for number in range(100)]
    each = finding(evidence=(evidence(rows, x="recall"), evidence(rows, "table")))
    _, payload, section = page_of(diag.report(run, tmp_path / "r.html", explain=0, checks=[diagnosis(run, [each])]))
    assert "(the first 40 of 100)" in section
    assert section.count("40 more rows are in") == 2
    (values,) = payload["charts"]["finding-0-0-0"]["datasets"].values()
    assert len(values) == 40


def test_findings_can_be_left_out_and_must_be_of_these_models(made, tmp_path):
    run, other = made(3, 20), made(2, 20)
    html = diag.report(run, tmp_path / "r.html", explain=0, checks=False).read_text(encoding="utf-8")
    assert 'id="findings"' not in html
    assert 'href="#findings"' not in html
    for wrong in ([], [plenty(other)], [plenty(run), plenty(run)]):
        with pytest.raises(InvalidInputError, match="one diagnosis a run"):
            diag.report(run, tmp_path / "r.html", explain=0, checks=wrong)


def test_checks_run_with_progress_and_see_all_models_and_the_training_data(made, tmp_path, monkeypatch):
    seen = []

    def look(case):
        seen.append((len(case.rivals), len(case.train)))
        yield check.finding("note", "Seen.", "Nothing.")

    check = Check("DG999", "Looks", look)
    monkeypatch.setattr("diag.checks.api.CHECKS", (check,))
    runs = [made(3, 20), made(3, 20, name="other")]
    train = diag.load_dataset((np.zeros((5, 6, 6), np.uint8), np.zeros(5, np.int64)))
    stages = []
    out = diag.report(runs, tmp_path / "r.html", explain=0, train=train, cache=False,
                      progress=lambda *stage: stages.append(stage))  # fmt: skip
    assert seen == [(2, 5), (2, 5)]
    assert ("Check m3", 0, 1) in stages
    assert ("Check other3", 1, 1) in stages
    assert page_of(out)[2].count("Looks") >= 2


def test_what_stops_the_checks_does_not_stop_the_report(made, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise InvalidInputError("no digest today")

    monkeypatch.setattr("diag.views.report_findings.diagnose", refuse)
    run = made(3, 20)
    _, _, section = page_of(diag.report(run, tmp_path / "r.html", explain=0))
    assert f"(0 checks ran, {len(CHECKS)} did not apply)" in section
    assert section.count("no digest today") == len(CHECKS)


def test_classes_of_training_images_are_named_as_the_model_names_them(made):
    run = made(3, 20)
    images = np.zeros((4, 6, 6), np.uint8)
    assert training_labels(run.model, diag.load_dataset((images, np.array([0, 1, 2, 1]))), [3, 0]) == ["1", "0"]
    unknown = diag.load_dataset((images, np.array([0, 1, 2, 7])))
    assert training_labels(run.model, unknown, [3]) == ["7"]  # no class of this model: the data's own name


# ---- the command line ----


@pytest.mark.parametrize("given", [["--train", "digits"], ["--no-checks"], []])
def test_the_command_hands_training_data_to_the_checks_and_prints_findings(given, tmp_path, monkeypatch, empty_cache):
    from click.testing import CliRunner

    from diag.cli import cli

    def look(case):
        yield check.finding("warning", f"{len(case.train)} training images.", "Nothing.")

    check = Check("DG999", "Looks", look)
    monkeypatch.setattr("diag.checks.api.CHECKS", (check,))
    out = tmp_path / "r.html"
    command = ["report", str(SHIPPED / "logistic_l2.skops"), "--explain", "0", "--out", str(out), *given]
    values = json.loads(CliRunner().invoke(cli, [*command, "--json"], catch_exceptions=False).stdout)
    printed = CliRunner().invoke(cli, command, catch_exceptions=False).stdout
    if given == ["--no-checks"]:
        assert "findings" not in values
        assert "findings on" not in printed
    elif given:
        assert values["findings"][0]["findings"][0]["message"] == "1000 training images."
        assert "1 warning (1 check ran). First: Looks." in printed
        assert "--train digits" in out.read_text(encoding="utf-8")
    else:
        assert values["findings"][0]["findings"] == []
        assert values["findings"][0]["outcomes"][0]["status"] == "skipped"


# ---- in a browser ----


@pytest.mark.browser
@pytest.mark.parametrize("width", [420, 1400])
def test_a_finding_folds_out_to_charts_and_images(made, tmp_path, chromium, width):
    from playwright.sync_api import sync_playwright

    run = made(3, 20)
    train = diag.load_dataset((np.arange(10 * 36, dtype=np.uint8).reshape(10, 6, 6), np.arange(10) % 3))
    out = diag.report(run, tmp_path / "r.html", explain=0, checks=[plenty(run)], train=train)
    problems = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_context(offline=True, viewport={"width": width, "height": 900}).new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(out.as_uri())
        first, second, third = page.locator("details.finding").all()
        assert not first.locator(".proof").is_visible()
        first.locator(":scope > summary").press("Enter")  # the keyboard opens it
        first.locator("figure svg").wait_for()
        assert first.locator(".samples .tile").count() == 12
        second.locator(":scope > summary").click()
        second.locator(".samples .tile").first.wait_for()
        assert second.locator(".samples .tile").count() == 4
        second.locator(".samples button").first.click()
        page.locator("#zoom .training").wait_for()
        assert "training #8: 2" in page.locator("#zoom").inner_text()
        page.locator("#zoom form button").click()
        third.locator(":scope > summary").click()
        third.locator("figure svg").nth(1).wait_for()
        page.locator("details.others summary").click()
        wide, shown = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        browser.close()
    assert wide <= shown
    assert problems == []


def test_without_scripts_a_finding_still_opens_with_its_words_and_tables(made, tmp_path):
    run = made(3, 20)
    _, _, section = page_of(diag.report(run, tmp_path / "r.html", explain=0, checks=[plenty(run)]))
    proof = section.split('<div class="proof">')[1]
    assert "Look at them." in proof  # the remedy, before any script has run
    assert re.search(r"<td>c4</td><td class=\"n\">4</td>", proof)


def test_findings_are_kept_by_content_and_found_again_from_another_folder(tmp_path, monkeypatch, empty_cache):
    import shutil

    from diag.checks.api import kept_diagnosis

    for name in ("logistic_l2.skops", "logistic_l2.toml"):
        shutil.copy(SHIPPED / name, tmp_path)
    card = tmp_path / "logistic_l2.toml"
    text = card.read_text(encoding="utf-8")
    (tmp_path / "log.csv").write_text("epoch,loss\n0,2.0\n1,1.5\n")
    card.write_text(f'history = "log.csv"\n{text}', encoding="utf-8")
    monkeypatch.setattr("diag.checks.api.CHECKS", CHECKS[:1])
    monkeypatch.chdir(tmp_path)
    data = diag.load_dataset("digits")
    other = shutil.copytree(tmp_path, tmp_path / "other")
    near, far = diag.load_model("logistic_l2.skops"), diag.load_model(other / "logistic_l2.skops")
    assert near.card.history != far.card.history
    assert kept_diagnosis(near, data) is None
    found = diag.diagnose(near, data)
    assert kept_diagnosis(far, data).to_dict() == found.to_dict()
    (other / "log.csv").write_text("epoch,loss\n0,2.0\n1,2.5\n")
    assert kept_diagnosis(far, data) is None  # another history: another diagnosis
