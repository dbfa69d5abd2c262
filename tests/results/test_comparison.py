"""Comparison: relations, sentences, differences, ranks and optimism of models made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import CheckNotApplicable, InvalidInputError
from diag.io import store
from diag.metrics.comparison import paired_difference_interval
from diag.results import Comparison, resampling
from diag.results.verdict import pair_sentence
from tests.fakes import build_run


def models(rights, k=2, level=0.05, margin=0.005):
    """Return a comparison of models given as text: 1 where an image (of class 0) is right, 0 where not."""
    runs = []
    for name, right in rights.items():
        proba = np.full((len(right), k), 0.1 / max(k - 1, 1))
        proba[np.arange(len(right)), np.where(np.array(list(right)) == "1", 0, 1)] = 0.9
        runs.append(build_run(np.zeros(len(right), int), proba / proba.sum(axis=1, keepdims=True), name))
    return Comparison.from_runs(runs, level, margin)


def random_comparison(n, k, m, seed, right=0.8):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    runs = []
    for number in range(m):
        y_pred = np.where(rng.random(n) < right - 0.05 * number, y_true, rng.integers(0, k, n))
        proba = 0.5 * rng.dirichlet(np.ones(k), n)
        proba[np.arange(n), y_pred] += 0.5
        runs.append(build_run(y_true, proba, f"m{number}"))
    return Comparison.from_runs(runs)


def test_pairs_by_hand():
    comparison = models({"a": "1" * 95 + "0" * 5, "b": "1" * 89 + "0" * 11})
    pair = comparison.pairs().iloc[0]
    assert [pair[name] for name in ("both_right", "only_a", "only_b", "both_wrong")] == [89, 6, 0, 5]
    assert pair["difference"] == pytest.approx(0.06)
    assert pair["p_value"] == pair["p_adjusted"] == 0.03125  # 2 (1/2)^6
    assert pair["relation"] == "better"
    low, high = paired_difference_interval(100, 6, 0)[1:]
    assert (pair["difference_low"], pair["difference_high"]) == (low, high)
    assert comparison.pair("b", "a")["relation"] == "worse"
    assert comparison.pair("b", "a")["difference_low"] == -high
    assert comparison.pair("b", "a")["only_b"] == 6


def test_sentences():
    # 6 against 0 of 100: Agresti-Min 6/102 -+ 1.96 sqrt(7 - 36/102) / 102.
    comparison = models({"a": "1" * 95 + "0" * 5, "b": "1" * 89 + "0" * 11})
    said = "a is better than b by 6.0 points (95% 0.9 to 10.8, p = 0.031)."
    assert comparison.sentence("a", "b") == comparison.sentence("b", "a") == said
    equal = models({"a": "1" * 3000, "b": "1" * 3000})
    said = "a and b are equivalent within 0.5 points (90% interval -0.1 to 0.1)."
    assert equal.sentence("a", "b") == "a and b give the same class to every image. " + said
    few = models({"a": "1" * 790 + "0" * 10, "b": "1" * 785 + "0" * 15})
    assert few.pairs().iloc[0]["relation"] == "undecided"
    assert few.sentence("a", "b").startswith(
        "The data cannot separate a and b (p = 0.062): 800 images cannot reliably show a difference under 1.0 points; "
        "for the 0.6 observed, about "
    )
    assert few.sentence("a", "b").endswith(" would be needed.")
    # Agresti-Min at 99.9 %: 60/102 -+ 3.2905 sqrt(61 - 3600/102) / 102.
    strict = models({"a": "1" * 100, "b": "1" * 40 + "0" * 60}, level=0.001)
    assert "by 60.0 points (99.9% 42.5 to 75.2, " in strict.sentence("a", "b")
    assert "both have equally many right" in models({"a": "10" * 50, "b": "01" * 50}).sentence("a", "b")
    assert models({"a": "1", "b": "0"}).sentence("a", "b").endswith(": 1 image cannot show any difference.")


def test_a_slight_difference_is_called_so():
    # 300 against 100 of 100,000: surely better, and surely by less than half a point.
    pair = {**models({"a": "10", "b": "01"}).pairs().iloc[0], "relation": "better", "p_adjusted": 1e-9}
    pair |= {"difference": 0.002, "difference_low": 0.0016, "difference_high": 0.0024}
    pair |= {"p_equivalent": 1e-9}
    said = "a is better than b by 0.20 points (95% 0.16 to 0.24, p < 0.0001), which is less than 0.5 points."
    assert pair_sentence(pair, 100_000, 0.05, 0.005) == said


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.data())
def test_sentences_do_not_contradict_themselves(n, data):
    only_a = data.draw(st.integers(0, n))
    only_b = data.draw(st.integers(0, n - only_a))
    a = "1" * only_a + "0" * only_b + "1" * (n - only_a - only_b)
    b = "0" * only_a + "1" * only_b + "1" * (n - only_a - only_b)
    comparison = models({"a": a, "b": b}, margin=0.05)
    pair = comparison.pair("a", "b")
    said = comparison.sentence("a", "b")
    assert ("better" in said) == (pair["p_adjusted"] < 0.05)
    if "better" in said:
        assert pair["difference_low"] > 0 or pair["difference_high"] < 0
    elif "equivalent" in said:
        assert pair["equivalent_low"] > -0.05
        assert pair["equivalent_high"] < 0.05
    else:
        assert "cannot separate" in said
        assert "interval" not in said


def test_verdict_of_many():
    best, same, bad, worse = "1" * 200, "1" * 199 + "0", "1" * 170 + "0" * 30, "1" * 160 + "0" * 40
    comparison = models({"bad": bad, "best": best, "same": same, "worse": worse})
    said = comparison.verdict()
    assert said.startswith("best: 100.0% of 200 images right (95% interval 98.1% to 100.0%). It is better than ")
    assert "bad and worse; the data cannot separate it from same: 200 images cannot reliably show " in said
    assert "(McNemar's exact test, Holm, 5%)" in said
    table = comparison.table()
    assert table.index.tolist() == ["best", "same", "bad", "worse"]
    assert table["tied"].tolist() == [False, True, False, False]


def test_verdict_names_equivalence_and_optimism():
    comparison = models({"a": "1" * 3000, "b": "1" * 3000})
    assert (
        "No other has a higher accuracy; it is equivalent to b within 0.5 points (90% interval -0.1 to 0.1)"
        in comparison.verdict()
    )
    rng = np.random.default_rng(0)
    noise = {f"m{i}": "".join(rng.choice(["0", "1"], 100, p=[0.2, 0.8])) for i in range(6)}
    comparison = models(noise)
    found = comparison.optimism()
    assert found.optimism > 0.01
    assert found.sentence() in comparison.verdict()
    assert found.best == comparison.table().index[0]
    assert found.chosen.sum() == pytest.approx(1)
    assert "do not choose by this table alone" in comparison.verdict()


def test_no_optimism_without_a_choice():
    comparison = models({"a": "1" * 60 + "0" * 40})
    assert comparison.optimism().optimism == pytest.approx(0, abs=0.003)
    assert "Chosen" not in comparison.verdict()
    assert "flattered noticeably" in models({"a": "1" * 100, "b": "0" * 100}).optimism().sentence()


def test_differences_of_four_figures():
    comparison = random_comparison(150, 3, 3, 0)
    frame = comparison.differences()
    assert len(frame) == 12
    for row in frame.to_dict("records"):
        a, b = comparison.run(row["a"]).figures(), comparison.run(row["b"]).figures()
        assert row["value_a"] == pytest.approx(a[row["metric"]])
        assert row["difference"] == pytest.approx(a[row["metric"]] - b[row["metric"]])
        assert row["low"] <= row["difference"] <= row["high"]
        worse = row["high"] < 0 if row["metric"] != "log_loss" else row["low"] > 0
        assert (row["favours"] == row["b"]) == worse
    assert comparison.differences().equals(frame)
    assert not comparison.differences(seed=1).equals(frame)
    assert len(models({"a": "1"}).differences()) == 0


def test_a_smaller_log_loss_is_the_better_one():
    frame = models({"a": "1" * 100, "b": "1" * 50 + "0" * 50}).differences().set_index("metric")
    assert frame["difference"]["log_loss"] < 0
    assert set(frame["favours"]) == {"a"}


def test_long_resampling_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(resampling, "KEPT_FROM", 0)
    first = random_comparison(60, 3, 2, 0).differences()
    (kept,) = (tmp_path / "comparisons").iterdir()
    monkeypatch.setattr(resampling.bootstrap, "resampled_figures", None)  # not computed again
    assert random_comparison(60, 3, 2, 0).differences().equals(first)
    np.save(kept / "ends.npy", np.zeros(3))
    monkeypatch.undo()
    monkeypatch.setenv("DIAG_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(resampling, "KEPT_FROM", 0)
    assert random_comparison(60, 3, 2, 0).differences().equals(first)  # a damaged entry is no error
    assert store.clear()


def test_fewer_resamples_are_noted(monkeypatch):
    comparison = random_comparison(60, 3, 2, 0)
    assert comparison.notes() == []
    monkeypatch.setattr(resampling.bootstrap, "BOUND", 1000)
    assert "come from 500 resamples instead of 2,000, as there are 60 images" in comparison.notes()[0]


def test_class_differences():
    comparison = random_comparison(100, 4, 2, 0)
    frame = comparison.class_differences("m0", "m1")
    a, b = (comparison.run(name).per_class()["recall"].to_numpy() for name in ("m0", "m1"))
    np.testing.assert_allclose(frame["difference"], a - b)
    assert frame["number"].tolist() == [0, 1, 2, 3]
    assert (frame["significant"] == (frame["p_adjusted"] < 0.05)).all()
    turned = comparison.class_differences("m1", "m0")
    np.testing.assert_allclose(turned["difference"], b - a)


def test_quadrants():
    comparison = random_comparison(80, 3, 2, 0)
    cells = {
        which: comparison.quadrant("m0", "m1", which) for which in ("both_right", "only_a", "only_b", "both_wrong")
    }
    assert sorted(np.concatenate(list(cells.values()))) == list(range(80))
    pair = comparison.pairs().iloc[0]
    assert all(len(indices) == pair[which] for which, indices in cells.items())
    sure = sum(run.samples["confidence"] for run in comparison.runs)
    assert (np.diff(sure[cells["both_right"]]) <= 0).all()
    assert cells["only_a"].tolist() == comparison.quadrant("m1", "m0", "only_b").tolist()
    with pytest.raises(InvalidInputError, match="both_right"):
        comparison.quadrant("m0", "m1", "neither")


def test_ranks():
    # Two classes; a is right on all, b on half of each, c on none: ranks 1, 2, 3 in both classes.
    y_true = [0, 0, 1, 1]
    runs = [
        build_run(y_true, np.eye(2)[np.array(y_true)], "a"),
        build_run(y_true, np.eye(2)[[0, 1, 1, 0]], "b"),
        build_run(y_true, np.eye(2)[[1, 1, 0, 0]], "c"),
    ]
    ranks = Comparison.from_runs(runs).ranks()
    assert ranks.average.tolist() == [1, 2, 3]
    assert ranks.n_classes == 2
    assert ranks.critical_difference == pytest.approx(2.3437 * np.sqrt(12 / 12), abs=1e-3)
    assert ranks.cliques == (("a", "b", "c"),)
    assert ranks.frame()["model"].tolist() == ["a", "b", "c"]
    assert ranks.best_share.sum() == pytest.approx(1)
    assert "do not differ more than by chance" in ranks.sentence()
    assert "tell models apart" in random_comparison(4000, 10, 4, 0).ranks().sentence()
    with pytest.raises(CheckNotApplicable, match="2 classes"):
        models({"a": "1", "b": "0"}).ranks()


def test_what_is_refused():
    comparison = models({"a": "10", "b": "01"})
    for call in (
        lambda: comparison.pair("a", "a"),
        lambda: comparison.sentence("a", "c"),
        lambda: models({"a": "1"}).class_differences(),
        lambda: Comparison.from_runs(comparison.runs, level=95),
    ):
        with pytest.raises(InvalidInputError, match="Received"):
            call()


@pytest.mark.parametrize(("n", "k", "m"), [(1, 1, 1), (1, 1, 2), (3, 1, 3), (2, 50, 2), (300, 2, 4)])
def test_edges_survive(n, k, m):
    comparison = random_comparison(n, k, m, 0)
    assert comparison.verdict()
    assert len(comparison.table()) == m
    assert len(comparison.pairs()) == m * (m - 1) // 2
    assert len(comparison.differences()) == 4 * len(comparison.pairs())
    assert comparison.optimism().optimism >= 0
    for pair in comparison.pairs().to_dict("records"):
        assert comparison.sentence(pair["a"], pair["b"]).endswith(".")
        assert len(comparison.class_differences(pair["a"], pair["b"])) == k


def test_models_that_answer_alike_are_named():
    comparison = models({"a": "1100", "b": "1100", "c": "1010"})
    assert comparison.sentence("a", "b").startswith(
        "a and b give the same class to every image. The data cannot separate"
    )
    assert "same class" not in comparison.sentence("a", "c")
    assert "a and b give the same class to every image." in comparison.notes()
    comparison.runs[1].model.digest = comparison.runs[0].model.digest
    assert comparison.sentence("a", "b") == "a and b are the same file."


def test_the_verdict_names_the_most_frequent_class_where_that_would_do():
    # 98 of 100 samples are of class 0; 97 right, Wilson from 91.5 %: no better than always answering 0.
    y_true = np.r_[np.zeros(98, int), 1, 1]
    proba = np.tile([0.9, 0.1], (100, 1))
    proba[0] = 0.1, 0.9
    run = build_run(y_true, proba, "m", class_names=("ok", "broken"))
    assert Comparison.from_runs([run]).verdict().endswith(" Always answering ok would have 98.0% right.")
    even = build_run([0, 1] * 50, np.tile([[0.9, 0.1], [0.1, 0.9]], (50, 1)), "m")
    assert "Always" not in Comparison.from_runs([even]).verdict()
    alone = build_run([0, 0], [[0.9, 0.1]] * 2, "m")  # one class only: nothing to compare with
    assert "Always" not in Comparison.from_runs([alone]).verdict()
