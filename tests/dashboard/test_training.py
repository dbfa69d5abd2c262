"""The dashboard's page *Training*."""

from __future__ import annotations

import json

import pytest

import diag
from tests.dashboard.test_pages import ROOT, opened, texts

pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals
NAMES = ("dense.keras", "dense_dropout.h5", "logistic_l2.skops")


@pytest.fixture(scope="module")
def trained():
    data = diag.load_dataset("digits")
    models = [diag.load_model(ROOT / "saved_models" / "digits" / name) for name in NAMES]
    return diag.training(diag.compare([diag.evaluate(model, data) for model in models]))


def test_the_table_is_the_notebooks_and_the_signs_are_said(trained):
    app = opened("training", models="|".join(NAMES))
    assert not app.exception
    shown = app.dataframe[0].value
    assert shown["model"].tolist() == ["Dense with dropout", "Dense"]  # the better one on these images first
    expected = trained.frame().set_index("model").loc[shown["model"]]
    assert shown["best_epoch"].tolist() == expected["best_epoch"].tolist()
    assert shown["gap_best"].tolist() == expected["gap_best"].tolist()
    said = texts(app)
    assert "Nothing to note." in said
    assert "names no training history" in said


def test_the_metric_is_part_of_the_url():
    app = opened("training", models="|".join(NAMES), curve="accuracy")
    assert not app.exception
    assert app.query_params["curve"] == "accuracy"
    specs = [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]
    titles = [layer["encoding"]["y"].get("title") for spec in specs for layer in spec["layer"]]
    assert "accuracy" in titles
    assert "training − validation accuracy, points" in titles


def test_models_without_a_history_say_so():
    app = opened("training", models="logistic_l2.skops")
    assert not app.exception
    assert "names no training history" in app.info[0].value
    assert not app.dataframe
