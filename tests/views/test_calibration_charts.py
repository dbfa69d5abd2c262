"""Charts of calibration, ranking and costs: values with few rows, the same figures, what can be clicked."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import softmax

import diag
from diag.views import calibration_charts as charts
from diag.views import theme
from tests.fakes import build_run


@pytest.fixture(scope="module")
def models():
    """Three models of five classes: bold, fair, and one that knows nothing, as calibrations and discriminations."""
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(700, 5))
    y_true = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((700, 1))).argmax(axis=1)
    probabilities = {
        "bold": softmax(2 * logits, axis=1),
        "fair": softmax(logits, axis=1),
        "none": np.full((700, 5), 0.2),
    }
    runs = {name: build_run(y_true, proba, name=name) for name, proba in probabilities.items()}
    return (
        {name: diag.calibration(run, cache=False) for name, run in runs.items()},
        {name: diag.discrimination(run, cache=False) for name, run in runs.items()},
    )


def rows_of(chart):
    spec = chart.to_dict()
    sets = list(spec["datasets"].values())
    assert sum(map(len, sets)) <= 5000
    json.dumps(spec, allow_nan=False)
    return sets


def params(chart):
    return {param["name"]: param["select"]["fields"] for param in chart.to_dict()["params"]}


@pytest.mark.parametrize("kind", ["width", "mass"])
def test_reliability_shows_every_model_and_the_chosen_one_in_front(models, kind):
    calibrated, _ = models
    chart = charts.reliability_chart(calibrated, "fair", kind)
    (rows,) = rows_of(chart)  # one set of rows, so that the report can exchange them for another model in front
    assert {row["model"] for row in rows if row["chosen"]} == {"fair"}
    assert {row["model"] for row in rows} == set(calibrated)
    own = [row for row in rows if row["chosen"]]
    frame = calibrated["fair"].bins_frame(kind)
    assert [row["accuracy"] for row in own] == pytest.approx(frame["accuracy"].dropna().tolist())
    assert sum(row["count"] for row in own) == 700
    if kind == "width":
        assert own[-1]["sure"] == "95 to 100 % sure"
    assert params(chart) == {"bin": ["bin"]}
    assert params(charts.bins_chart(calibrated, "fair", kind)) == {"bin": ["bin"]}


def test_before_and_after_a_temperature(models):
    calibrated, _ = models
    (rows,) = rows_of(charts.temperature_chart(calibrated, "bold"))
    after = [row for row in rows if row["chosen"] and row["when"] == "after"]
    assert sum(row["count"] for row in after) == 700
    (change,) = rows_of(charts.temperature_change_chart(calibrated))
    shown = {(row["model"], row["when"]): row["ece"] for row in change}
    assert shown["bold", "before"] == calibrated["bold"].figures()["ece_before"]
    assert shown["bold", "after"] == calibrated["bold"].figures()["ece_after"]


@pytest.mark.parametrize("which", [0, "macro", "micro"])
def test_curves_have_few_points_of_every_model(models, which):
    _, ranked = models
    roc, pr = charts.curve_rows(ranked, which)
    assert set(roc["model"]) == set(pr["model"]) == set(ranked)
    assert (roc.groupby("model").size() <= 202).all()
    (rows,) = rows_of(charts.roc_chart(roc, list(ranked)))
    assert max(row["y"] for row in rows) == 1
    rows_of(charts.precision_recall_chart(pr, list(ranked)))
    if which == 0:
        share = float((ranked["fair"].run.samples["y_true"] == 0).mean())
        assert pr["share"].unique().tolist() == [round(share, 5)]


def test_coverage_and_top_k(models):
    _, ranked = models
    (rows,) = rows_of(charts.coverage_chart(ranked))
    assert min(row["count"] for row in rows) >= charts.FEWEST
    assert next(row for row in rows if row["model"] == "none")["coverage"] == 1  # all equally sure: all or none
    (rows,) = rows_of(charts.top_k_chart(ranked))
    assert [row["accuracy"] for row in rows if row["model"] == "bold"][-1] == 1


def test_costs_by_threshold_of_two_classes():
    rng = np.random.default_rng(0)
    p = rng.random(400)
    run = build_run((rng.random(400) < p).astype(int), np.stack([1 - p, p], axis=1), class_names=["well", "ill"])
    found = diag.expected_cost(run, [[0, 1], [8, 0]])
    chart = charts.cost_chart({"model": found})
    lines, best = rows_of(chart)
    assert best[0]["cost"] == pytest.approx(found.figures()["threshold_cost"])
    assert len(lines) == 201
    assert "say ill from this probability on" in json.dumps(chart.to_dict())


def test_more_than_ten_models_leave_room_for_the_chosen_one():
    names = [f"m{number}" for number in range(14)]
    assert charts.shown_models(names, "m13") == ["m13", *names[:9]]
    assert charts.shown_models(names, "m2") == names[:10]
    assert len(theme.MODELS) >= charts.MOST_MODELS


def test_a_run_of_one_image_is_drawn():
    run = build_run([0], [[0.3, 0.7]])
    calibrated, ranked = {"one": diag.calibration(run, cache=False)}, {"one": diag.discrimination(run, cache=False)}
    rows_of(charts.reliability_chart(calibrated, "one"))
    rows_of(charts.bins_chart(calibrated, "one"))
    rows_of(charts.coverage_chart(ranked))
    assert charts.temperature_rows(calibrated, "one").empty
    roc, pr = charts.curve_rows(ranked, "macro")
    charts.roc_chart(roc, ["one"]).to_dict()
    charts.precision_recall_chart(pr, ["one"]).to_dict()
