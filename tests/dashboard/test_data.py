"""The data page by Streamlit's AppTest, on the shipped models: each part says what the library says."""

from __future__ import annotations

from pathlib import Path

import pytest

import diag
from diag.engines.label_issues import label_issues
from diag.engines.near_duplicates import near_duplicates
from tests.dashboard.test_pages import opened, texts

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals


@pytest.fixture(scope="module")
def comparison():
    data = diag.load_dataset("digits")
    paths = [ROOT / "saved_models" / "digits" / name for name in ("dense.keras", "logistic_l2.skops")]
    return diag.compare([diag.evaluate(diag.load_model(path), data) for path in paths])


def test_slices_and_the_images_of_one(comparison):
    app = opened("data", part="slices", slice="0")
    assert not app.exception
    found = diag.find_slices(comparison)
    assert found.verdict() in texts(app)
    shown = app.dataframe[0].value
    assert shown["slice"].tolist() == list(found.labels[: len(shown)])
    assert f"{found.labels[0]}: {found.columns['n'][0]} images" in texts(app).replace("**", "")
    assert len(app.get("image")) or len(app.get("imgs"))
    assert app.query_params["slice"] == "0"
    other = next(option for option in app.selectbox[0].options if "Logistic" in option)
    app.selectbox[0].set_value(other).run()
    assert diag.find_slices(comparison, model=other).verdict() in texts(app)


def test_labels_and_duplicates(comparison):
    train = diag.load_dataset("digits", "train")
    app = opened("data", part="labels")
    assert not app.exception
    assert label_issues(comparison, train).verdict() in texts(app)
    app.segmented_control[0].set_value("duplicates").run()
    assert not app.exception
    assert near_duplicates(comparison, train).verdict() in texts(app)


def test_the_map_by_class_and_answer(comparison):
    app = opened("data", part="map", mapclass="3", mapanswer="wrong", color="class")
    assert not app.exception
    best = comparison.run(str(comparison.table().index[0]))
    wrong = int((~best.correct_mask & (best.samples["y_true"] == 3)).sum())
    assert f"Chosen in the map: {wrong} images" in texts(app).replace("**", "")
    assert diag.embedding_map(best).note in texts(app)
    assert app.query_params["mapclass"] == "3"


@pytest.mark.parametrize(
    "url", [{"part": "nowhere"}, {"part": "slices", "slice": "99999"}, {"part": "map", "mapclass": "<b>"}]
)
def test_nonsense_in_the_url_does_no_harm(url):
    assert not opened("data", **url).exception
