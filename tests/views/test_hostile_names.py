"""Names from files are hostile text: in the report and the page of maps nothing of them runs, fetches or is lost."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import diag
from diag.io.datasets import assemble
from diag.io.sources import Parts, Request
from diag.views.html import embedded_json, environment
from diag.views.junit import junit_xml
from diag.views.maps_page import maps_html
from diag.views.shown import shown, shown_values
from tests.fakes import save_model
from tests.hostile import counting_server, hostile_names, watched_page

SIDES = (9, 9, 1)


@pytest.fixture(scope="module")
def site():
    with counting_server() as (address, asked):
        yield address, asked


def hostile_data(names, n=80):
    """Return images whose classes, files, columns and values have these names; some images are there twice."""
    rng = np.random.default_rng(0)
    k = len(names)
    labels = np.arange(n) % k
    images = rng.integers(0, 60, (n, *SIDES), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row, label // 9 * 3 : label // 9 * 3 + 3, label % 9] += 150
    images[-4:] = images[:4]
    parts = Parts(
        name=names[0],
        images=images,
        labels=labels,
        content="hostile",
        class_names=tuple(names),
        notes=tuple(names),
        sample_names=tuple(names[row % k] for row in range(n)),
        metadata={name: np.array([names[(row // 7) % k] for row in range(n)], dtype=object) for name in names[:9]},
    )
    return assemble(parts, names[2], Request("test"))


def hostile_runs(names, folder):
    """Evaluate three networks, one with a convolution; titles, layers, cards and histories have hostile names."""
    from diag._lazy import import_keras

    layers = import_keras().layers
    data = hostile_data(names)
    stacks = [
        [layers.Conv2D(2, 3, name="datum.x"), layers.Flatten(), layers.Dense(len(names))],
        [layers.Flatten(name="toString"), layers.Dense(len(names), name="constructor")],
        [layers.Flatten(), layers.Dense(len(names))],
    ]
    (folder / "log.csv").write_text("epoch,loss,<img src=x>,constructor,__proto__,image\n0,1,1,1,1,1\n1,0.5,2,1,1,1\n")
    found = []
    for place, (stack, title) in enumerate(zip(stacks, (names[1], "__proto__", names[13]), strict=True)):
        save_model(folder / f"m{place}.keras", stack, SIDES, seed=place)
        given_by_hand = diag.Preprocessing(scale=1 / 255, invert=False, transpose=False) if place else None
        model = diag.load_model(folder / f"m{place}.keras", preprocessing=given_by_hand)
        card = dataclasses.replace(
            model.card, title=title, description=names[place], history=folder / "log.csv", results={names[1]: 0.5}
        )
        found.append(diag.evaluate(dataclasses.replace(model, card=card, name=title), data))
    return found


@pytest.fixture(scope="module")
def runs(site, tmp_path_factory):
    return hostile_runs(hostile_names(site[0]), tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def written(runs, tmp_path_factory):
    return diag.report(runs, tmp_path_factory.mktemp("report") / "report.html", explain=1, background=2)


DRAWN = """() => [...document.querySelectorAll('.page:not([hidden]) figure[data-chart]')]
  .filter((each) => each.checkVisibility()).every((each) => each.querySelector('svg, .message'))"""
WIDER = "document.documentElement.scrollWidth - window.innerWidth"
FOUND = """() => ({
  broken: [...document.querySelectorAll('figure .message')].map((each) => each.textContent),
  images: [...document.images].map((each) => each.src.slice(0, 5)),
  links: [...document.links].map((each) => each.getAttribute('href')),
  ticks: [...document.querySelectorAll('figure text')].map((each) => each.textContent),
  names: [...document.querySelectorAll('main *')].filter((each) => !each.firstElementChild)
    .map((each) => each.textContent),
})"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 420])
def test_nothing_of_a_name_runs_or_is_fetched_in_the_report(written, runs, site, chromium, width):
    wider = {}
    with watched_page(chromium, width) as (page, told):
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{written.as_uri()}#roc=constructor&curve=__proto__&model=toString&zoom=<img>&find=valueOf")
        for link in page.locator("nav a[data-page]").all():
            link.click()
            page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            page.wait_for_function(DRAWN)  # what is out of sight is drawn when there is time
            wider[link.get_attribute("data-page")] = page.evaluate(WIDER)
        found = page.evaluate(FOUND)
        title = page.title()
    assert told == []
    assert site[1] == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert found["broken"] == []
    assert set(found["images"]) <= {"data:"}
    assert all(re.fullmatch(r"#(page=)?[\w-]*", link) for link in found["links"])
    assert len(wider) == 6
    assert max(wider.values()) <= 0, wider
    ticks = {text.rstrip("\u00a0") for text in found["ticks"]}
    assert {"constructor", "__proto__", "datum.x", "(no name)", "(no name) (2)", "cat", "cat (2)"} <= ticks
    assert {"{{7*7}} ${7*7} $x^2$", "gpj. exe x", "nul and surrogate"} <= set(found["names"])
    texts = [text.replace("\u00a0", " ") for text in found["names"] if "\n" not in text]
    assert [text for text in texts if text.strip() and not text.isprintable()] == []
    assert title.startswith("diag: ")


@pytest.mark.browser
def test_tables_are_downloaded_without_formulas(written, chromium, tmp_path):
    with watched_page(chromium) as (page, told):
        page.goto(f"{written.as_uri()}#page=model")
        with page.expect_download() as caught:
            page.locator("#classes button.csv").click()
        caught.value.save_as(tmp_path / "classes.csv")
        name = caught.value.suggested_filename
    rows = list(csv.reader((tmp_path / "classes.csv").read_text(encoding="utf-8-sig").splitlines()))
    classes = [row[0] for row in rows[1:]]
    assert told == []
    assert len(set(classes)) == len(classes) == 20
    assert "constructor" in classes
    assert any(text.startswith("'=HYPERLINK") for text in classes)
    assert not any(text.startswith(("=", "+", "-", "@")) for row in rows for text in row if not is_number(text))
    assert re.fullmatch(r"\w[\w-]*\.csv", name)


class Attributes(HTMLParser):
    """Collects the names of elements and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.names, self.tags = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}


def is_number(text):
    return re.fullmatch(r"-?[\d.]+(e-?\d+)?", text) is not None


def test_the_texts_of_the_file_are_the_templates_own(written):
    html = written.read_text(encoding="utf-8")
    assert html.count("<script") == 3
    assert html.count("</script>") == 3
    outside = re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL)
    parser = Attributes()
    parser.feed(html)
    assert not [name for name in parser.names if name.startswith("on")]  # no handler in any element
    assert parser.tags.isdisjoint({"img", "iframe", "object", "embed", "base", "link"})
    assert "<img" not in outside
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]", outside)
    assert max(map(len, re.findall(r"\S+", re.sub(r"<[^>]*>|&\w+;|&#\d+;", " ", outside)))) <= 210


@pytest.mark.browser
def test_the_page_of_maps_is_as_safe(runs, site, chromium, tmp_path):
    found = [diag.explain(run.model, run.data, [0, 13], 3, "predicted") for run in runs[:2]]
    (tmp_path / "map.html").write_text(maps_html(found), encoding="utf-8")
    with watched_page(chromium, 420) as (page, told):
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto((tmp_path / "map.html").as_uri())
        page.locator("#under").fill("40")
        assert page.evaluate("document.documentElement.style.getPropertyValue('--under')") == "0.4"  # our script runs
        assert page.evaluate(WIDER) <= 0
        assert page.evaluate("[...document.images].every((each) => each.naturalWidth > 0)")
        assert "</script><script>alert(2)" in page.title()
    assert told == []
    assert site[1] == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def test_junit_is_xml_whatever_the_names_are(runs):
    old, new = runs[:2]
    held = diag.gate(diag.compare([old, new]), ["accuracy drops 0.01pp"])
    suite = ET.fromstring(junit_xml(held))  # noqa: S314 - our own
    assert "</script>" in suite[0].get("name")
    assert all(line.isprintable() for text in suite.itertext() for line in text.split("\n"))


@given(st.dictionaries(st.text(max_size=5), st.lists(st.text(st.characters(), max_size=20), max_size=3), max_size=3))
def test_embedded_json_is_json_that_ends_no_script(value):
    text = embedded_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert text.isascii()
    assert json.loads(text) == shown_values(value)
    assert shown_values(shown_values(value)) == shown_values(value)


@given(st.text(st.characters(), max_size=300))
def test_a_shown_text_is_printable_and_short_of_no_letter(text):
    told = shown(text)
    assert told.isprintable()
    assert len(told) <= 4_000
    if text.isascii() and text.isprintable() and len(text) <= 200:
        assert told == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_page_shows_a_text_as_text(text):
    page = environment().from_string('<p title="{{ text }}">{{ text }}</p>').render(text=text)
    parsed = ET.fromstring(page)  # noqa: S314 - our own
    assert (parsed.text or "") == parsed.get("title") == shown(text)
