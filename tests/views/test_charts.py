"""Charts are values: their rows and fields, and the limit on both."""

from __future__ import annotations

import re

import numpy as np
import pytest
import vl_convert

from diag.errors import DataError
from diag.io.datasets import load_dataset
from diag.results import Comparison
from diag.views import charts
from tests.fakes import build_run


def drawn(k, n, seed=0):
    rng = np.random.default_rng(seed)
    return build_run(rng.integers(0, k, n), rng.dirichlet(np.ones(k), n), class_names=[f"class {i}" for i in range(k)])


def rows(chart):
    datasets = chart.to_dict()["datasets"]
    return [row for values in datasets.values() for row in values]


def test_confusion_rows_are_the_matrix():
    run = build_run([0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]], class_names=["cat", "dog"])
    found = {(row["y_true"], row["y_pred"]): (row["count"], row["share"]) for row in rows(charts.confusion_chart(run))}
    assert found == {(0, 0): (1, 0.5), (0, 1): (1, 0.5), (1, 0): (0, 0.0), (1, 1): (1, 1.0)}
    blank = rows(charts.confusion_chart(run, None, blank_diagonal=True))
    assert {(row["true_class"], row["predicted_class"]) for row in blank} == {("cat", "dog"), ("dog", "cat")}


def test_two_matrices_side_by_side_have_colours_of_their_own():
    # Of class 0 three right and one wrong, of class 1 two wrong: the errors alone span the second one's colours.
    run = build_run([0, 0, 0, 0, 1, 1], np.eye(2)[[0, 0, 0, 1, 0, 0]])
    spec = charts.confusion_pair_chart(run).to_dict()
    assert spec["resolve"]["scale"]["color"] == "independent"
    shares, errors = (part["layer"][0]["encoding"]["color"] for part in spec["hconcat"])
    assert (shares["field"], shares["scale"]["domain"]) == ("share", [0, 1.0])
    assert (errors["field"], errors["scale"]["domain"]) == ("count", [0, 2.0])
    counts = [row["count"] for row in spec["datasets"][spec["hconcat"][1]["data"]["name"]]]
    assert sorted(counts) == [1, 2]
    assert [param["name"] for param in spec["params"]] == ["cell"]


def test_few_errors_are_not_none_in_per_cent():
    # Of class 0 one image in 400 is wrong (0.25 %), of class 1 none.
    y_true = np.repeat([0, 1], 400)
    run = build_run(y_true, np.eye(2)[np.where(np.arange(800) == 7, 1, y_true)])
    svg = vl_convert.vegalite_to_svg(charts.confusion_chart(run).to_dict())
    said = re.findall(r">([^<]*%)</text>", svg)
    assert sorted(said) == ["&gt;99%", "&lt;1%", "100%"]


def test_class_balance_is_that_of_the_data():
    data = load_dataset((np.zeros((4, 2, 2), np.uint8), np.array([1, 0, 1, 1])), class_names=["cat", "dog"])
    found = {row["class"]: (row["images"], row["share"]) for row in rows(charts.class_balance_chart(data))}
    assert found == {"cat": (1, 0.25), "dog": (3, 0.75)}
    with pytest.raises(DataError, match="expected labels"):
        charts.class_balance_chart(load_dataset(np.zeros((4, 2, 2), np.uint8)))


def test_cells_can_be_clicked():
    spec = charts.confusion_chart(drawn(3, 30)).to_dict()
    (cell,) = spec["params"]
    assert cell["name"] == "cell"
    assert cell["select"]["fields"] == ["y_true", "y_pred"]


@pytest.mark.parametrize("k", [1, 2, 10, 100, 1000])
def test_never_more_than_5000_rows(k):
    run = drawn(k, 3000)
    comparison = Comparison.from_runs([run])
    made = [
        charts.confusion_chart(run),
        charts.confusion_chart(run, None, blank_diagonal=True),
        charts.accuracy_chart(comparison),
        charts.per_class_chart(run),
        charts.confidence_histogram(run),
        charts.class_balance_chart(run.data, run.class_names, run.samples["y_true"]),
    ]
    assert all(len(rows(chart)) <= 5000 for chart in made)


def test_many_classes_are_those_with_most_errors():
    # Class 5 of 100 is wrong ten times, all others never.
    y_true = np.repeat(np.arange(100), 10)
    y_pred = np.where(y_true == 5, 7, y_true)
    run = build_run(y_true, np.eye(100)[y_pred])
    chart = charts.confusion_chart(run, max_classes=2)
    assert {row["y_true"] for row in rows(chart)} == {5, 7}
    assert "the 2 of 100 classes with most errors" in str(chart.to_dict()["title"])


def test_histogram_counts_every_sample():
    run = drawn(4, 500)
    counted = rows(charts.confidence_histogram(run))
    for answer, mask in (("right", run.correct_mask), ("wrong", ~run.correct_mask)):
        assert sum(row["images"] for row in counted if row["answer"] == answer) == mask.sum()
