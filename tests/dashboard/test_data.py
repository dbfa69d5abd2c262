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


def test_points_of_the_map_come_from_the_url_and_can_be_forgotten(comparison):
    app = opened("data", part="map", points="7.a.2s.zzzz.<b>.-1")  # 7, 10 and 100; the rest is no image
    assert not app.exception
    assert "Chosen in the map: 3 images" in texts(app).replace("**", "")
    shown = {button.label for button in app.button if button.label.startswith("Explain")}
    assert shown == {"Explain 7", "Explain 10", "Explain 100"}
    next(button for button in app.button if button.label == "Forget the points").click().run()
    assert "Chosen in the map" not in texts(app)
    assert "points" not in app.query_params


def test_few_points_are_written_into_the_url(monkeypatch):
    import diag_state

    state = {}
    monkeypatch.setattr(diag_state.st, "session_state", state)
    state["selection"] = {}
    diag_state.put_images("points", [0, 35, 36, 1295])
    assert diag_state.get("points") == "0.z.10.zz"
    del state["images-points"]  # as after a reload
    assert diag_state.get_images("points", 1000) == [0, 35, 36]
    diag_state.put_images("points", list(range(101)))
    assert diag_state.get("points") == ""
    assert diag_state.get_images("points", 1000) == list(range(101))


@pytest.mark.parametrize(
    "url", [{"part": "nowhere"}, {"part": "slices", "slice": "99999"}, {"part": "map", "mapclass": "<b>"}]
)
def test_nonsense_in_the_url_does_no_harm(url):
    assert not opened("data", **url).exception
