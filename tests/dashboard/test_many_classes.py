"""The confusion page with a hundred classes: what is zoomed to, what is listed, what opens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import diag
from tests.fakes import save_model

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
K, N = 100, 1500
pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network that says which pixel is brightest, and images that have it wrong within fives of classes."""
    from diag._lazy import import_keras

    layers = import_keras().layers
    folder = tmp_path_factory.mktemp("hundred")
    body = [layers.Rescaling(1 / 32), layers.Flatten(), layers.Activation("softmax")]
    save_model(folder / "pixel.keras", body, (10, 10, 1))
    names = json.dumps([f"kind {number // 5}-{number % 5}" for number in range(K)])
    (folder / "pixel.toml").write_text(f"class_names = {names}\n[preprocessing]\nscale = 1\n")
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, K, N)
    y_pred = np.where(rng.random(N) < 0.7, y_true, y_true // 5 * 5 + rng.integers(0, 5, N))
    images = np.zeros((N, K), np.uint8)
    images[np.arange(N), y_pred] = rng.integers(200, 255, N)
    np.savez(folder / "data.npz", x_test=images.reshape(N, 10, 10), y_test=y_true)
    return folder


def opened(files, monkeypatch, page="confusion", **url):
    monkeypatch.setattr("sys.argv", ["app.py", "--models", str(files / "pixel.keras")])
    app = AppTest.from_file(str(APP), default_timeout=120)
    for key, value in {"data": str(files / "data.npz"), **url}.items():
        app.query_params[key] = value
    app.run()
    return app.switch_page(f"app_pages/{page}.py").run()


def texts(app):
    kinds = (app.markdown, app.caption, app.subheader, app.warning, app.error)
    return " ".join(item.value for kind in kinds for item in kind).replace("\\", "")


def test_blocks_and_the_list(files, monkeypatch):
    app = opened(files, monkeypatch)
    assert not app.exception
    run = diag.evaluate(diag.load_model(files / "pixel.keras"), diag.load_dataset(files / "data.npz"))
    everything = run.top_confusions(None)
    assert app.dataframe[0].value["count"].tolist() == everything["count"].tolist()
    assert f"Confusions: {len(everything)}" in texts(app).replace("**", "")


def test_a_class_is_found_and_zoomed_to(files, monkeypatch):
    app = opened(files, monkeypatch)
    find = next(box for box in app.selectbox if box.label == "Find a class")
    find.select("kind 7-2").run()
    assert not app.exception
    shown = app.dataframe[0].value
    assert len(shown)
    assert ((shown["true_class"] == "kind 7-2") | (shown["predicted_class"] == "kind 7-2")).all()
    start, stop, *_ = map(int, app.query_params["zoom"].split("-"))
    assert stop - start == 16
    back = next(button for button in app.button if button.label == "All 100 classes")
    back.click().run()
    assert "zoom" not in app.query_params


@pytest.mark.parametrize("zoom", ["0-16-0-16", "9-2-0-1", "0-999999-0-4", "x", "0-100-3-4"])
def test_any_window_in_the_url_is_drawn(files, monkeypatch, zoom):
    assert not opened(files, monkeypatch, zoom=zoom, cell="35-36", view="errors").exception


@pytest.mark.parametrize("page", ["errors", "overview"])
def test_other_pages_stand_a_hundred_classes(files, monkeypatch, page):
    assert not opened(files, monkeypatch, page).exception


def test_errors_show_the_classes_with_the_most_or_the_one_chosen(files, monkeypatch):
    app = opened(files, monkeypatch, "errors", sort="loss")
    assert "8 of " in texts(app)
    find = next(box for box in app.selectbox if box.label == "Class")
    find.select("kind 7-2").run()
    assert not app.exception
    run = diag.evaluate(diag.load_model(files / "pixel.keras"), diag.load_dataset(files / "data.npz"))
    count = int(((run.samples["y_true"] == 37) & ~run.correct_mask).sum())
    assert sum(button.label.startswith("Explain") for button in app.button) == count


def test_same_answers_with_different_evidence(monkeypatch):
    shipped = APP.parents[1] / "saved_models" / "digits"
    monkeypatch.setattr("sys.argv", ["app.py", "--models", str(shipped)])
    app = AppTest.from_file(str(APP), default_timeout=120)
    for key, value in {"models": "dense.keras|dense_dropout.h5|logistic_l2.skops", "list": "evidence"}.items():
        app.query_params[key] = value
    app.run()
    app.switch_page("app_pages/errors.py").run()
    assert not app.exception
    ask = next(button for button in app.button if button.label == "Explain 100 images")
    ask.click().run()
    assert not app.exception
    data = diag.load_dataset("digits")
    first, second = (diag.evaluate(diag.load_model(shipped / f), data) for f in ("dense.keras", "dense_dropout.h5"))
    found = diag.different_evidence(first, second, 100)
    assert found.note in texts(app)
    assert app.dataframe[-1].value["disagreement"].tolist() == found.disagreement.tolist()
    next(box for box in app.selectbox if box.label == "Of").select(str(app.selectbox[0].options[-1])).run()
    assert "two networks" in " ".join(item.value for item in app.info)
