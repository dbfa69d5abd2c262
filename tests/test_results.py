"""Evaluation and Comparison over probabilities made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import InvalidInputError
from diag.results import Comparison
from tests.fakes import build_run


@pytest.fixture
def run(make_run):
    #            true  pred  confidence
    proba = [
        [0.9, 0.1],  # 0  0  .9
        [0.6, 0.4],  # 0  0  .6
        [0.3, 0.7],  # 0  1  .7  wrong
        [0.8, 0.2],  # 1  0  .8  wrong
        [0.95, 0.05],  # 1  0  .95 wrong
        [0.2, 0.8],  # 1  1  .8
    ]
    return make_run([0, 0, 0, 1, 1, 1], proba, class_names=("cat", "dog"))


def test_summary(run):
    row = run.summary().loc["model"]
    assert row["n"] == 6
    assert row["accuracy"] == 0.5
    assert row["images_per_second"] == 12
    assert row["n_params"] == 7
    assert run.summary().index.name == "model"


def test_confusion_matrix(run):
    matrix = run.confusion_matrix()
    assert matrix.loc["cat"].tolist() == [2, 1]
    assert matrix.loc["dog"].tolist() == [2, 1]
    assert matrix.index.name == "true"
    assert matrix.columns.name == "predicted"
    assert run.confusion_matrix("true").loc["dog", "cat"] == pytest.approx(2 / 3)


def test_errors_are_the_worst_first(run):
    errors = run.errors()
    assert errors["index"].tolist() == [2, 4, 3]
    assert errors["class"].tolist() == ["cat", "dog", "dog"]
    assert run.errors(per_class=1)["index"].tolist() == [2, 4]
    assert run.errors(group="predicted")["class"].tolist() == ["cat", "cat", "dog"]
    assert run.errors(by="loss")["index"].tolist() == [2, 4, 3]


def test_correct(run):
    assert run.correct(order="most_confident")["index"].tolist() == [0, 1, 5]
    assert run.correct(order="least_confident")["index"].tolist() == [1, 0, 5]
    first, again = (run.correct(order="random", seed=4)["index"].tolist() for _ in range(2))
    assert first == again


def test_cell(run):
    assert run.cell(1, 0).tolist() == [4, 3]
    assert run.cell(0, 1).tolist() == [2]


@pytest.mark.parametrize(
    "call",
    [
        lambda run: run.errors(by="beauty"),
        lambda run: run.errors(group="neither"),
        lambda run: run.errors(per_class=0),
        lambda run: run.correct(order="best"),
        lambda run: run.confusion_matrix("rows"),
    ],
)
def test_refusals_name_what_came(run, call):
    with pytest.raises(InvalidInputError, match="Received"):
        call(run)


def test_frames_are_copies(run):
    frame = run.frame()
    frame["confidence"] = 0
    assert run.frame()["confidence"].max() == 0.95


def test_no_errors_give_an_empty_frame(make_run):
    assert len(make_run([0], [[1.0, 0.0]]).errors()) == 0


def test_comparison_by_hand(make_run):
    right, wrong = [0.9, 0.1], [0.2, 0.8]
    a = make_run([0] * 5, [right, right, right, wrong, right], "a")
    b = make_run([0] * 5, [right, wrong, wrong, wrong, right], "b")
    comparison = Comparison.from_runs([a, b])
    pair = comparison.pairs().iloc[0]
    assert [pair[name] for name in ("both_right", "only_a", "only_b", "both_wrong")] == [2, 2, 0, 1]
    assert pair["difference"] == pytest.approx(0.4)
    assert pair["p_value"] == 0.5  # 2 * (1/2)^2
    disagreements = comparison.disagreements()
    assert disagreements["index"].tolist() == [1, 2]
    assert set(disagreements["right"]) == {"a"}
    assert comparison.agreement().loc["a", "b"] == pytest.approx(3 / 5)
    assert "cannot separate it from b" in comparison.verdict()


def test_verdict_separates(make_run):
    # 40 images that only a has right: p = 2^-39; the interval is 40/52 -+ 1.96 sqrt(41 - 1600/52) / 52.
    a = make_run([0] * 50, [[0.9, 0.1]] * 50, "a")
    b = make_run([0] * 50, [[0.1, 0.9]] * 40 + [[0.9, 0.1]] * 10, "b")
    assert (
        Comparison.from_runs([b, a])
        .verdict()
        .endswith("It is better than b by 80.0 points (95% 64.9 to 89.0, p < 0.0001; McNemar's exact test, 5%).")
    )
    assert "interval" in Comparison.from_runs([a]).verdict()


def test_comparison_refuses_other_samples(make_run):
    a, b = make_run([0], [[1, 0]], digest="x"), make_run([0], [[1, 0]], digest="y")
    with pytest.raises(InvalidInputError, match="same samples"):
        Comparison.from_runs([a, b])
    with pytest.raises(InvalidInputError, match="at least one"):
        Comparison.from_runs([])


def test_comparison_of_other_classes_on_the_same_data_says_so():
    few, more = build_run([0, 1], np.eye(2), name="few"), build_run([0, 1], np.eye(3)[:2], name="more")
    with pytest.raises(InvalidInputError, match=r"few with 2 \(0, 1\) and more with 3 \(0, 1, 2\)"):
        Comparison.from_runs([few, more])


def test_equal_names_are_told_apart(make_run):
    runs = [make_run([0], [[1, 0]], "m") for _ in range(3)]
    assert len(set(Comparison.from_runs(runs).names)) == 3


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(2, 5), st.integers(0, 1000), st.integers(1, 4))
def test_errors_and_correct_split_the_samples(n, k, seed, per_class):
    rng = np.random.default_rng(seed)
    run = build_run(rng.integers(0, k, n), rng.dirichlet(np.ones(k), n))
    wrong, right = run.errors(per_class=None), run.correct(per_class=None)
    assert sorted([*wrong["index"], *right["index"]]) == list(range(n))
    assert (run.errors(per_class=per_class).groupby("class").size() <= per_class).all()
    cells = sum(len(run.cell(i, j)) for i in range(k) for j in range(k))
    assert cells == n
