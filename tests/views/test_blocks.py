"""The block view of many classes: its numbers against the matrix, and in a browser from the overview to the images."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest

import diag
from diag.metrics.confusion_order import class_order
from diag.views.blocks import block_chart, block_payload, block_rows, window_tree
from tests.fakes import CHROMIUM_FLAGS, save_model

K, N = 100, 3000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network that says which pixel is brightest, and images whose errors stay within fives of classes."""
    from diag._lazy import import_keras

    layers = import_keras().layers
    folder = tmp_path_factory.mktemp("hundred")
    body = [layers.Rescaling(1 / 32), layers.Flatten(), layers.Activation("softmax")]
    save_model(folder / "pixel.keras", body, (10, 10, 1))
    names = [f"kind <b>{number // 5}</b>-{number % 5}" for number in range(K)]
    (folder / "pixel.toml").write_text(f"class_names = {json.dumps(names)}\n[preprocessing]\nscale = 1\n")
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, K, N)
    y_pred = np.where(rng.random(N) < 0.7, y_true, y_true // 5 * 5 + rng.integers(0, 5, N))
    images = np.zeros((N, K), np.uint8)
    images[np.arange(N), y_pred] = rng.integers(200, 255, N)
    data = diag.load_dataset((images.reshape(N, 10, 10, 1), y_true))
    return diag.evaluate(diag.load_model(folder / "pixel.keras"), data)


def test_windows_lead_from_the_whole_to_single_classes():
    order = class_order(np.eye(4000, dtype=int))
    tree = window_tree(order)
    assert set(map(len, tree.values())) <= set(range(2, 62))
    for key, edges in tree.items():
        start, stop = map(int, key.split("-"))
        assert (edges[0], edges[-1]) == (start, stop)
        for low, high in pairwise(edges):
            assert high - low <= 60 or f"{low}-{high}" in tree


def test_blocks_add_up_to_the_matrix(run):
    counts = run.counts().confusion
    order = class_order(counts)
    frame, n_rows, n_columns = block_rows(run, order, (0, K), (0, K))
    assert n_rows <= 60
    assert n_columns <= 60
    assert frame["images"].sum() == N
    assert frame["errors"].sum() == (~run.correct_mask).sum()
    one, _, _ = block_rows(run, order, (0, 5), (0, 5))
    part = counts[np.ix_(order.order[:5], order.order[:5])]
    assert one["images"].sum() == part.sum()
    assert one["errors"].sum() == part.sum() - np.trace(part)


def test_payload_and_chart(run):
    found = block_payload(run)
    assert sorted(found["order"]) == list(range(K))
    assert found["top"][0]["count"] == run.top_confusions(1)["count"][0]
    json.dumps(found, allow_nan=False)
    spec = block_chart(run, class_order(run.counts().confusion), by="errors").to_dict()
    assert len(next(iter(spec["datasets"].values()))) <= 3600
    assert "$schema" in spec


def test_the_libraries_list_is_the_payloads(run):
    top = run.top_confusions(5)
    counts = run.counts().confusion
    assert [counts[row.y_true, row.y_pred] for row in top.itertuples()] == top["count"].tolist()
    assert top["true_class"].tolist() == [run.class_names[number] for number in top["y_true"]]
    np.fill_diagonal(counts := counts.copy(), 0)
    assert top["count"].tolist() == sorted(counts.ravel().tolist(), reverse=True)[:5]


@pytest.mark.browser
@pytest.mark.parametrize("width", [420, 1400])
def test_from_the_overview_to_the_images_of_a_cell(run, tmp_path, chromium, width):
    from playwright.sync_api import expect, sync_playwright

    path = tmp_path / "report.html"
    diag.report(run, path, explain=0, checks=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 900})
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path.as_uri() + "#page=model")
        canvas = page.locator("article:not([hidden]) .blocks canvas")
        canvas.focus()
        for key in ("ArrowDown", "ArrowRight", "Enter"):  # the block beside the first one's right answers
            canvas.press(key)
        expect(page.locator(".crumbs button")).to_have_text(f"All {K} classes")
        row, _, column, _ = map(int, re.search(r"zoom=(\d+)-(\d+)-(\d+)-(\d+)", page.url).groups())
        for key in ("ArrowDown", "ArrowRight", "Enter"):
            canvas.press(key)
        order = class_order(run.counts().confusion).order
        true, predicted = order[row + 1], order[column + 1]
        assert f"cell={true}-{predicted}" in page.url
        count = len(run.cell(true, predicted))
        shown = page.locator("article:not([hidden]) .cell-images")
        expect(shown.locator("h3")).to_contain_text(f": {count} image")
        expect(shown.locator(".tile")).to_have_count(min(count, 60))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        canvas.press("Backspace")
        expect(page.locator(".crumbs button")).to_have_count(0)
        name = run.class_names[7]
        finder = page.locator("article:not([hidden])").get_by_label("Find a class")
        finder.fill(name)
        finder.press("Enter")
        expect(page.get_by_role("heading", name=f"Confusions of {name}")).to_be_visible()
        finder.fill("no such class")
        finder.press("Enter")
        expect(page.get_by_text("no class contains 'no such class'")).to_be_visible()
        finder.fill(name.upper()[3:])  # a part of it, in another case
        finder.press("Enter")
        expect(finder).to_have_value(name)
        line = page.locator(".top-confusions tbody tr").first
        line.click()
        expect(shown.locator("h3")).to_contain_text(line.locator("td").nth(2).inner_text())
        assert problems == []
        browser.close()
