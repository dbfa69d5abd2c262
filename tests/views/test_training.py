"""Charts and the report's page of training: what they show, and that names stay text."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import vl_convert

from diag.io.histories import History
from diag.results.comparison import Comparison
from diag.results.training import training
from diag.views.report_pages import PageContext
from diag.views.report_training import training_page
from diag.views.training_charts import curve_chart, gap_chart, metric_label
from tests.fakes import build_run

HOSTILE = "<img src=x onerror=alert(1)>"
COLUMNS = {
    "loss": [3.0, 2.0, 1.0],
    "accuracy": [0.1, 0.5, 0.9],
    "val_loss": [3.0, 1.5, 2.0],
    "val_accuracy": [0.1, 0.6, 0.5],
}
CONTEXT = PageContext(None, 0, lambda *_: None, cache=False, checks=False)


def history(**columns):
    return History("h.csv", {name: np.asarray(values, dtype=float) for name, values in columns.items()})


def rows(chart):
    (values,) = chart.to_dict()["datasets"].values()
    return values


def comparison(tmp_path, histories):
    runs = []
    for name, columns in histories.items():
        run = build_run([0, 1], np.eye(2), name)
        path = None
        if columns is not None:
            path = tmp_path / f"{len(runs)}.json"
            path.write_text(json.dumps(columns), encoding="utf-8")
        run.model.card = SimpleNamespace(history=path)
        runs.append(run)
    return Comparison.from_runs(runs)


def test_curves_of_all_models_with_their_best_epoch():
    trained = training({"a": history(**COLUMNS), "b": history(loss=[1.0, 0.5])})
    found = rows(curve_chart(trained, "loss"))
    assert {(row["model"], row["split"]) for row in found} == {("a", "train"), ("a", "validation"), ("b", "train")}
    assert [row["epoch"] for row in found if row["best"] and row["split"] == "validation"] == [2]
    gaps = rows(gap_chart(trained))
    assert [row["points"] for row in gaps] == pytest.approx([0, -10, 40])
    assert {row["model"] for row in gaps} == {"a"}


@pytest.mark.parametrize("chart", [curve_chart, gap_chart])
def test_the_dot_is_explained_where_there_is_one(chart):
    def dots(trained):
        (layer,) = (layer for layer in chart(trained).to_dict()["layer"] if "shape" in layer["encoding"])
        return layer["encoding"]["shape"]

    told = dots(training({"a": history(**COLUMNS)}))
    assert told["scale"]["domain"] == ["best epoch"]
    assert told["legend"]["orient"] == "top"
    assert dots(training({"b": history(loss=[1.0, 0.5], accuracy=[0.5, 0.6])}))["legend"] is None
    svg = vl_convert.vegalite_to_svg(chart(training({"a": history(**COLUMNS)})).properties(width=300).to_dict())
    assert svg.count(">best epoch<") == 1


def test_a_model_has_the_same_colour_in_every_chart():
    trained = training({"a": history(loss=[1.0]), "b": history(**COLUMNS)})
    scales = [
        chart.to_dict()["layer"][1]["encoding"]["color"]["scale"]
        for chart in (curve_chart(trained), gap_chart(trained))
    ]
    assert dict(zip(scales[0]["domain"], scales[0]["range"], strict=True))["b"] == scales[1]["range"][0]


def test_a_loss_over_decades_is_logarithmic_and_shares_are_per_cent():
    def y(chart):
        return chart.to_dict()["layer"][0]["encoding"]["y"]

    wide = y(curve_chart(training({"a": history(loss=[10.0, 1.0, 0.01])})))
    assert wide["scale"]["type"] == "log"
    assert wide["axis"]["values"] == pytest.approx([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10])
    assert "type" not in y(curve_chart(training({"a": history(loss=[3.0, 0.0])})))["scale"]
    assert y(curve_chart(training({"a": history(**COLUMNS)}), "accuracy"))["axis"]["format"] == "%"
    assert metric_label("lr") == "learning rate"


def test_many_long_histories_stay_below_the_limit_of_rows():
    values = np.linspace(2, 1, 3000)
    trained = training({f"model {number}": history(loss=values, val_loss=values) for number in range(12)})
    assert len(rows(curve_chart(trained))) <= 5000


@pytest.mark.parametrize("columns", [{"loss": [1.0]}, {"val_accuracy": [0.5]}, {"lr": [0.1, 0.1]}, COLUMNS])
def test_any_history_has_a_page(tmp_path, columns):
    page = training_page(comparison(tmp_path, {"a": columns, "none": None}), CONTEXT)
    assert page.template == "pages/training.html.j2"
    assert [row["model"] for row in page.content["rows"]] == ["a"]
    assert page.content["notes"] == ["none: The model card names no training history."]
    assert page.content["first"] == page.payload["metrics"][0][0]
    assert f"curves-{page.content['first']}" in page.charts
    assert page.content["gap"] is ("gap" in page.charts)
    assert all(chart.to_dict() for chart in page.charts.values())


def test_without_a_history_the_page_is_a_message(tmp_path):
    page = training_page(comparison(tmp_path, {"a": None}), CONTEXT)
    assert page.template == "pages/message.html.j2"
    assert 'history = "cnn.hist"' in page.content["message"]


def test_names_from_files_stay_text_in_the_report(tmp_path):
    import diag

    found = comparison(tmp_path, {HOSTILE: {**COLUMNS, "learning_rate": [0.1, 0.1, 0.01]}})
    page = training_page(found, CONTEXT)
    import jinja2

    from diag.views.formats import FORMATS
    from diag.views.html import TEMPLATES
    from diag.views.report_pages import explained

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    environment.filters |= FORMATS
    environment.globals["explained"] = explained
    html = environment.get_template(page.template).render(section=page.content)
    assert "<img" not in html
    assert "&lt;img" in html
    assert "style=" not in html
    assert "The learning rate was lowered at epoch 3" in html
    assert diag.training(found).frame()["model"].tolist() == [HOSTILE]
