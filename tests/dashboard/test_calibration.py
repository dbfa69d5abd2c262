"""The page *Calibration* by Streamlit's AppTest, on the shipped models."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import diag

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals


def opened(**url):
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=120)
    for key, value in {"models": "dense.keras|logistic_l2.skops", "model": "Dense", **url}.items():
        app.query_params[key] = value
    app.run()
    return app.switch_page("app_pages/calibration.py").run()


def texts(app):
    kinds = (app.markdown, app.caption, app.subheader, app.warning, app.error)
    return " ".join(item.value for kind in kinds for item in kind).replace("\\", "").replace("**", "")


@pytest.fixture(scope="module")
def dense():
    model = diag.load_model(ROOT / "saved_models" / "digits" / "dense.keras")
    return diag.evaluate(model, diag.load_dataset("digits"), progress=False)


def test_figures_and_the_images_of_a_bin_are_the_librarys(dense):
    app = opened(bin="19")
    assert not app.exception
    assert not app.error
    found = diag.calibration(dense)
    assert found.sentence() in texts(app)
    assert app.dataframe[0].value.loc["Dense", "ece"] == found.figures()["ece"]
    count = len(found.bin_samples(19))
    assert f"Dense: 95 to 100 % sure and wrong: {count} image" in texts(app)
    assert app.query_params["bin"] == "19"
    mass = opened(bin="0", bins="mass")
    assert f"{len(found.bin_samples(0, True, 'mass')):,} image" in texts(mass)


@pytest.mark.parametrize("part", ["temperature", "curves", "coverage"])
def test_every_part_runs(part, dense):
    app = opened(part=part)
    assert not app.exception
    assert not app.error
    shown = app.dataframe[0].value
    if part == "curves":
        assert shown["auc"].tolist() == diag.discrimination(dense).class_frame()["auc"].tolist()
    elif part == "temperature":
        assert shown.loc["Dense", "temperature"] == diag.calibration(dense).figures()["temperature"]
    else:
        assert shown.loc["Dense", "aurc"] == diag.discrimination(dense).figures()["aurc"]


def test_a_curve_of_a_class_is_in_the_url():
    app = opened(part="curves", roc="3")
    assert not app.exception
    assert app.query_params["roc"] == "3"
    assert app.selectbox[-1].value == "3"
    app.selectbox[-1].select("micro").run()
    assert app.query_params["roc"] == "micro"


def test_costs(dense):
    app = opened(part="costs")
    assert not app.exception
    expected = diag.expected_cost(dense)
    assert app.dataframe[-1].value.loc["Dense", "cost"] == expected.figures()["cost"]
    assert expected.sentence().split(":")[1] in texts(app)
    assert np.isclose(expected.figures()["cost"], 1 - dense.figures()["accuracy"])


def test_thresholds_in_words(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "dashboard"))
    words = importlib.import_module("diag_calibration").threshold_text
    assert [words(value) for value in (0.25, 1.0, np.inf, np.nan)] == ["0.250", "1.000", "never", "–"]


@pytest.mark.parametrize("url", [{"bin": "99"}, {"bin": "<b>", "bins": "no"}, {"roc": "77"}])
def test_nonsense_in_the_url_does_no_harm(url):
    assert not opened(**{"part": "curves" if "roc" in url else "reliability", **url}).exception
