"""Charts of a comparison: their rows are its figures, bounded, and carry what a click needs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diag.errors import InvalidInputError
from diag.results import Comparison
from diag.views import comparison_charts as charts
from tests.fakes import build_run

HOSTILE = '</script><img src=x>"]'


def compared(k, m, n=400, seed=0, names=None):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    runs = []
    for number in range(m):
        y_pred = np.where(rng.random(n) < 0.95 - 0.03 * number, y_true, rng.integers(0, k, n))
        proba = np.full((n, k), 0.2 / k)
        proba[np.arange(n), y_pred] += 0.8
        name = names[number] if names else f"model {number}"
        runs.append(build_run(y_true, proba, name, class_names=[f"class {i}" for i in range(k)]))
    return Comparison.from_runs(runs)


def tables(chart):
    return list(chart.to_dict()["datasets"].values())


def table(chart, column):
    (found,) = [rows for rows in tables(chart) if rows and column in rows[0]]
    return found


def test_differences_are_those_of_the_pairs_better_model_first():
    comparison = compared(4, 3)
    rows = table(charts.difference_chart(comparison), "pair")
    assert len(rows) == 3
    order = comparison.table().index.tolist()
    for row in rows:
        assert order.index(row["a"]) < order.index(row["b"])
        pair = comparison.pair(row["a"], row["b"])
        assert (row["difference"], row["low"]) == (pair["difference"], pair["difference_low"])
        places = sorted(comparison.names.index(row[name]) for name in "ab")
        assert row["pair"] == f"{places[0]}-{places[1]}"
        assert (row["verdict"] == "told apart") == (pair["relation"] in ("better", "worse"))


def test_other_figures_have_bootstrap_intervals():
    comparison = compared(4, 2)
    frame = comparison.differences().set_index("metric")
    for metric in ("balanced_accuracy", "macro_f1", "log_loss"):
        (row,) = table(charts.difference_chart(comparison, metric), "pair")
        assert abs(row["difference"]) == abs(frame["difference"][metric])
        assert row["high"] - row["low"] == pytest.approx(frame["high"][metric] - frame["low"][metric])
    with pytest.raises(InvalidInputError, match="macro_f1"):
        charts.difference_chart(comparison, "beauty")


def test_with_many_models_the_best_is_compared():
    comparison = compared(4, 6)
    rows = table(charts.difference_chart(comparison), "pair")
    assert {row["a"] for row in rows} == {comparison.table().index[0]}
    assert len(rows) == 5


def test_labels_that_are_cut_stay_different():
    comparison = compared(3, 3, names=[f"a very long name of a model, number {i}" for i in range(3)])
    rows = table(charts.difference_chart(comparison), "pair")
    assert len({row["label"] for row in rows}) == 3


def test_ranks_are_drawn():
    comparison = compared(8, 4)
    ranks = comparison.ranks()
    chart = charts.critical_difference_chart(ranks)
    rows = table(chart, "average_rank")
    assert sorted(row["average_rank"] for row in rows) == sorted(ranks.average)
    bars = [rows for rows in tables(chart) if rows and "group" in rows[0]]
    assert [row["group"] for rows in bars for row in rows] == [", ".join(group) for group in ranks.cliques]


def test_classes_have_largest_difference_first():
    comparison = compared(100, 2, 3000)
    rows = table(charts.class_difference_chart(comparison, *comparison.names), "y_true")
    assert len(rows) == 40
    sizes = [abs(row["difference"]) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    frame = comparison.class_differences().set_index("number")
    assert all(row["difference"] == frame["difference"][row["y_true"]] for row in rows)


def test_matrix_is_the_difference_of_two():
    comparison = compared(4, 2)
    a, b = (run.counts().confusion for run in comparison.runs)
    rows = table(charts.confusion_difference_chart(comparison, *comparison.names), "y_pred")
    assert len(rows) == 16
    for row in rows:
        cell = row["y_true"], row["y_pred"]
        assert row["difference"] == (a - b)[cell]
        assert row["gain"] == row["difference"] * (1 if cell[0] == cell[1] else -1)


@pytest.mark.parametrize("chart", ["difference", "class_difference", "confusion_difference"])
def test_marks_can_be_clicked(chart):
    comparison = compared(3, 2)
    names = () if chart == "difference" else comparison.names
    (pick,) = getattr(charts, f"{chart}_chart")(comparison, *names).to_dict()["params"]
    fields = {"difference": ["pair"], "class_difference": ["y_true"], "confusion_difference": ["y_true", "y_pred"]}
    assert pick["name"] == "pick"
    assert pick["select"]["fields"] == fields[chart]


@pytest.mark.parametrize(("k", "m", "n"), [(1, 2, 1), (2, 2, 50), (10, 12, 200), (1000, 3, 4000)])
def test_rows_are_bounded(k, m, n):
    comparison = compared(k, m, n)
    made = [
        charts.difference_chart(comparison),
        charts.class_difference_chart(comparison, *comparison.names[:2]),
        charts.confusion_difference_chart(comparison, *comparison.names[:2]),
    ]
    if k > 1:
        made.append(charts.critical_difference_chart(comparison.ranks()))
    assert all(len(rows) <= 5000 for chart in made for rows in tables(chart))


def test_hostile_names_stay_text():
    # Vega's expression on the axis holds the names as a JSON list and nothing else of theirs.
    comparison = compared(3, 3, names=[HOSTILE, '"+alert(1)+"', "b"])
    spec = charts.critical_difference_chart(comparison.ranks()).to_dict()
    (expression,) = {layer["encoding"]["y"]["axis"]["labelExpr"] for layer in spec["layer"]}
    labels = json.loads(expression.removesuffix("[datum.value + 1]"))
    assert labels[0].startswith("critical difference")
    assert {label.rsplit(maxsplit=1)[0] for label in labels[1:]} == set(comparison.names)
    assert charts.difference_chart(comparison).to_dict()
    assert charts.confusion_difference_chart(comparison, *comparison.names[:2]).to_dict()
