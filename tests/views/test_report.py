"""The report as a file: what is in it, what is not, and how it behaves in a browser with the network cut."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

import diag
from diag.errors import DataError, InvalidInputError
from diag.views import formats
from diag.views.html import embedded_json
from tests.fakes import CHROMIUM_FLAGS, save_model

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"


def payload_of(html):
    return json.loads(re.search(r'<script type="application/json" id="payload">(.*?)</script>', html, re.DOTALL)[1])


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A report of two shipped models with two explained images, and its runs."""
    data = diag.load_dataset("digits")
    runs = [diag.evaluate(diag.load_model(SHIPPED / name), data) for name in ("cnn_lungu.keras", "logistic_l2.skops")]
    out = tmp_path_factory.mktemp("report") / "report.html"
    return diag.report(runs, out, explain=2, background=5), runs


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A model and data whose names try to break out of the page, not square, in colour, with a constant classifier."""
    from diag._lazy import import_keras

    layers = import_keras().layers
    folder = tmp_path_factory.mktemp("hostile")
    save_model(folder / "m.keras", [layers.Flatten(), layers.Dense(3)], (5, 9, 3))
    names = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "{{ 7*7 }} & \u2028")
    (folder / "m.toml").write_text(f"title = {json.dumps(names[0])}\nclass_names = {json.dumps(list(names))}\n")
    rng = np.random.default_rng(0)
    data = diag.load_dataset((rng.integers(0, 256, (40, 5, 9, 3), dtype=np.uint8), rng.integers(0, 3, 40)))
    return diag.report(diag.evaluate(diag.load_model(folder / "m.keras"), data), folder / "r.html", explain=0)


def test_the_policy_admits_our_scripts_only(shipped):
    html = shipped[0].read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', html)[1].replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert len(digests) == 2
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digests[0]}' 'sha256-{digests[1]}'; style-src 'unsafe-inline'; "
        "img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_fetched(shipped):
    html = shipped[0].read_text(encoding="utf-8")
    outside = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", outside)
    assert "url(http" not in outside
    assert shipped[0].stat().st_size < 15_000_000


def test_the_figures_are_the_librarys(shipped):
    path, runs = shipped
    payload = payload_of(path.read_text(encoding="utf-8"))
    for model, run in zip(payload["models"], runs, strict=True):
        counts = run.counts().confusion
        assert all(counts[row, column] == count for row, column, count in model["cells"])
        assert sum(count for _, _, count in model["cells"]) == len(run)
        assert model["pred"] == run.samples["y_pred"].tolist()
        first = model["grids"]["errors"][0]
        expected = run.errors(per_class=10)
        assert first["items"] == expected[expected["class"] == first["name"]]["index"].tolist()
    assert diag.compare(runs).verdict().replace("'", "&#39;") in path.read_text(encoding="utf-8")


def test_maps_and_their_absence_are_there(shipped):
    network, linear = payload_of(shipped[0].read_text(encoding="utf-8"))["models"]
    assert len(network["explain"]["rows"]) == 2
    assert network["explain"]["columns"] == list(range(10))
    for row in network["explain"]["rows"]:
        names = row["why"].split(" rather than ")
        assert names[0] == str(row["pred"])
        # An error is held against the true class, a right answer against another one.
        assert (names[1] == str(row["true"])) == (row["pred"] != row["true"])
    assert network["trust"]["verdict"].startswith("Maps are")
    assert sum(entry["count"] for entry in network["trust"]["where"]) == 150
    assert {"deletion", "insertion", "sanity"} < set(network["charts"])
    assert "trust" not in linear
    assert [layer["name"] for layer in network["activations"][0]["layers"]]
    assert "expected a Keras network" in linear["explain_message"]
    assert "expected a Keras network" in linear["filters_message"]


def test_models_are_compared_on_one_scale():
    from diag.views.report_maps import explanations

    data = diag.load_dataset("digits")
    runs = [diag.evaluate(diag.load_model(SHIPPED / name), data) for name in ("cnn_lungu.keras", "dense.keras")]
    first, second = (found["explain"] for found in explanations(runs, 4, 5, 0, lambda *_: None, cache=True))
    assert [row["limit"] for row in first["rows"]] == [row["limit"] for row in second["rows"]]
    assert [row["index"] for row in first["rows"]] == [row["index"] for row in second["rows"]]
    assert all(row["apart"] is None for row in first["rows"])
    maps = [diag.explain(run.model, data, [row["index"] for row in first["rows"]], 5, list(range(10))) for run in runs]
    apart = diag.disagreement(*maps)
    for place, row in enumerate(second["rows"]):
        np.testing.assert_allclose(row["apart"][1:], apart[place], atol=5e-4)


def test_a_network_without_rules_gets_expected_gradients_and_the_page_says_so(tmp_path):
    from diag._lazy import import_keras

    layers = import_keras().layers
    save_model(tmp_path / "m.keras", [layers.Reshape((6, 5)), layers.LSTM(3), layers.Dense(2, "softmax")], (6, 5, 1))
    rng = np.random.default_rng(0)
    data = diag.load_dataset((rng.random((20, 6, 5, 1), dtype=np.float32), rng.integers(0, 2, 20)))
    out = diag.report(diag.evaluate(diag.load_model(tmp_path / "m.keras"), data), tmp_path / "r.html", 2, background=5)
    (model,) = payload_of(out.read_text(encoding="utf-8"))["models"]
    assert "no rule for layer 'lstm" in model["explain"]["note"]
    assert "estimate" in model["explain"]["note"]


def test_names_cannot_break_out(hostile):
    html = hostile.read_text(encoding="utf-8")
    assert html.count("<script>") == 2
    assert "<img src=x" not in html
    assert payload_of(html)["classes"][1] == "<img src=x onerror=alert(2)>"
    assert embedded_json("</script>\u2028") == '"\\u003c/script\\u003e"'


@pytest.mark.parametrize(("k", "n"), [(1, 1), (2, 1), (2, 30), (100, 400), (1000, 2500)])
def test_from_one_image_to_a_thousand_classes(tmp_path, k, n):
    from diag._lazy import import_keras

    layers = import_keras().layers
    save_model(
        tmp_path / "m.keras", [layers.Flatten(), layers.Dense(k, activation="softmax" if k > 1 else None)], (8, 6, 1)
    )
    rng = np.random.default_rng(0)
    data = diag.load_dataset((rng.random((n, 8, 6)), rng.integers(0, k, n)))
    out = diag.report(
        diag.evaluate(diag.load_model(tmp_path / "m.keras"), data), tmp_path / "r.html", explain=2, background=2
    )
    payload = payload_of(out.read_text(encoding="utf-8"))
    assert sum(count for _, _, count in payload["models"][0]["cells"]) == n
    assert out.stat().st_size < 15_000_000


def test_a_weight_that_is_not_a_number_does_not_stop_the_report(tmp_path):
    from diag._lazy import import_keras

    keras = import_keras()
    chosen = [keras.layers.Conv2D(2, 3), keras.layers.ReLU(), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    network = save_model(tmp_path / "m.keras", chosen, (6, 6, 1))
    kernel, bias = network.layers[0].get_weights()
    kernel[0, 0, 0, 0] = np.nan
    network.layers[0].set_weights([kernel, bias])
    network.save(tmp_path / "m.keras")
    rng = np.random.default_rng(0)
    data = diag.load_dataset((rng.random((30, 6, 6)), rng.integers(0, 3, 30)))
    model = diag.load_model(tmp_path / "m.keras")
    model.keras.layers[1].call = lambda inputs: keras.ops.nan_to_num(keras.ops.relu(inputs))  # as oneDNN's does
    run = diag.evaluate(model, data, cache=False)
    out = diag.report(run, tmp_path / "r.html", explain=2, background=2)
    assert "are NaN or infinite" in out.read_text(encoding="utf-8")


def test_no_half_written_report(tmp_path, shipped, monkeypatch):
    out = tmp_path / "report.html"
    out.write_text("the old one")
    monkeypatch.setattr("diag.views.report.render", lambda *_: (_ for _ in ()).throw(DataError("stop")))
    with pytest.raises(DataError):
        diag.report(shipped[1], out, explain=0)
    assert out.read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(InvalidInputError, match="folder that exists"):
        diag.report(shipped[1], tmp_path / "nowhere" / "r.html")


@pytest.fixture
def page(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        context = browser.new_context(offline=True, viewport={"width": 1300, "height": 900})
        page = context.new_page()
        page.problems = []
        page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        yield page
        browser.close()


@pytest.mark.browser
def test_a_click_on_a_cell_shows_its_images(shipped, page):
    path, runs = shipped
    counts = runs[0].counts().confusion.copy()
    np.fill_diagonal(counts, 0)
    true, predicted = np.unravel_index(counts.argmax(), counts.shape)
    page.goto(path.as_uri() + "#page=model")
    article = page.locator("article:not([hidden])")
    figure = article.locator("figure[data-chart=errors]")
    figure.scroll_into_view_if_needed()
    square = figure.get_by_label(re.compile(f"true: {true}; predicted: {predicted};")).first
    if square.count() == 0:  # the label text is Vega's; the cell's place is ours
        square = figure.locator(".mark-rect path").nth(cell_order(counts, true, predicted))
    square.click(force=True)
    shown = article.locator(".cell-images")
    shown.get_by_text(f"{true} taken for {predicted}: {counts.max()} image").wait_for()
    assert shown.locator(".tile").count() == counts.max()
    assert page.problems == []


def cell_order(counts, true, predicted):
    """Return a cell's place among the chart's squares: row by row, without the diagonal."""
    return int(true * (len(counts) - 1) + predicted - (predicted > true))


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1500])
def test_the_whole_page_draws_without_a_complaint(shipped, hostile, page, width):
    for path in (shipped[0], hostile):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(path.as_uri() + "#page=model")
        for figure in page.locator("article:not([hidden]) figure[data-chart]").all():
            figure.scroll_into_view_if_needed()
            figure.locator("svg").wait_for()
        page.locator("#theme").click()
        page.locator("article:not([hidden]) figure[data-chart=share] svg").wait_for()
        wide, shown = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= shown
        assert page.problems == []
    assert page.get_by_text("alert(1)").count() > 0  # shown as text


@pytest.mark.browser
def test_the_page_writes_probabilities_as_python_does(shipped, page):
    path, runs = shipped
    kept = payload_of(path.read_text(encoding="utf-8"))["models"][0]["conf"]
    exact = runs[0].samples["confidence"]
    assert ((exact > 0.99995) & (exact < 1)).any()  # which four digits would make 1
    assert [value == 1 for value in kept] == (exact == 1).tolist()
    values = [0, 0.0002, 0.0041, 0.0061, 0.504, 0.9904, 0.9949, 0.9952, 0.9994, 0.9996, 0.9999, 1]
    page.goto(path.as_uri())
    for digits in (0, 1):
        written = page.evaluate(f"{json.dumps(values)}.map((value) => report.sure(value, {digits}))")
        assert written == [formats.probability(value, digits) for value in values]
    assert page.problems == []
