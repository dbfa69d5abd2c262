"""Agreement and ensembles of a comparison: by hand, invariants, and what they say when they do not apply."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from diag.errors import CheckNotApplicable, InvalidInputError
from diag.io.joining import average, vote_probabilities
from diag.metrics.comparison import holm_adjust, mcnemar_exact
from diag.results import combining
from diag.results.agreement import agreement
from diag.results.comparison import Comparison
from diag.results.ensembles import ensembles
from tests.fakes import build_run

ONE_HOT = np.eye(3)


def simulated(m=3, n=200, k=4, seed=0, noise=1.0):
    """Return a comparison of models that see the same noisy evidence, each with noise of its own."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    evidence = rng.normal(size=(n, k))
    evidence[np.arange(n), y_true] += 2.0
    runs = []
    for number in range(m):
        logits = evidence + rng.normal(size=(n, k)) * (noise + 0.2 * number)
        proba = np.exp(logits)
        runs.append(build_run(y_true, proba / proba.sum(axis=1, keepdims=True), name=f"m{number}"))
    return Comparison.from_runs(runs)


def by_answers(y_true, *answers, confidence=0.8):
    """Return a comparison of models that give these classes."""
    runs = []
    for number, classes in enumerate(answers):
        proba = np.full((len(y_true), 3), (1 - confidence) / 2)
        proba[np.arange(len(y_true)), classes] = confidence
        runs.append(build_run(y_true, proba, name=f"m{number}"))
    return Comparison.from_runs(runs)


def test_agreement_by_hand():
    #                 truth 0 0 0 1 1 2
    found = agreement(by_answers([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0], [0, 1, 1, 1, 1, 0]))
    (pair,) = found.pairs().to_dict("records")
    assert pair["same_answer"] == pytest.approx(5 / 6)
    assert pair["kappa"] == pytest.approx(cohen_kappa_score([0, 0, 1, 1, 1, 0], [0, 1, 1, 1, 1, 0]))
    assert (pair["double_fault"], pair["disagreement"]) == pytest.approx((2 / 6, 1 / 6))
    assert pair["q_statistic"] == 1  # the first is never wrong alone
    rows = found.overlap().to_dict("records")
    assert [(row["key"], row["models"], row["count"], row["same_class"]) for row in rows] == [
        ("0-1", "m0, m1", 2, 2),
        ("1", "m1", 1, 1),
    ]
    assert found.indices("0-1").tolist() == [2, 5]
    assert (found.all_right, found.n, found.n_sets) == (3, 6, 2)
    assert found.matrix("kappa").loc["m0", "m1"] == pair["kappa"]
    with pytest.raises(InvalidInputError, match="Received: 'kapa'"):
        found.matrix("kapa")
    with pytest.raises(InvalidInputError, match="Received: '0'"):
        found.indices("0")


def test_images_of_a_set_come_surest_first():
    sure = [[0.1, 0.9], [0.4, 0.6], [0.2, 0.8]]
    found = agreement(Comparison.from_runs([build_run([0, 0, 0], sure), build_run([0, 0, 0], sure, name="twin")]))
    assert found.indices("0-1").tolist() == [0, 2, 1]
    assert found.fleiss_kappa != found.fleiss_kappa  # only one class is ever said: undefined


def test_one_model_has_nothing_to_agree_with():
    alone = Comparison.from_runs([build_run([0, 1], [[1, 0], [0, 1]])])
    with pytest.raises(CheckNotApplicable, match="2 to 60 models"):
        agreement(alone)
    with pytest.raises(CheckNotApplicable, match="at least two models"):
        ensembles(alone)


def test_every_row_is_what_the_probabilities_give():
    comparison = simulated()
    probas, y_true = [run.proba for run in comparison.runs], comparison.runs[0].samples["y_true"]
    frame = ensembles(comparison).frame().set_index("key")
    for key, members in (("average", [0, 1, 2]), ("subset 0-1", [0, 1]), ("subset 1-2", [1, 2])):
        mean = average([probas[number] for number in members])
        assert frame.loc[key, "accuracy"] == (mean.argmax(axis=1) == y_true).mean()
        expected = -np.log(mean[np.arange(len(y_true)), y_true].astype(float)).mean()
        assert frame.loc[key, "log_loss"] == pytest.approx(expected)
    assert frame.loc["vote", "accuracy"] == (vote_probabilities(probas).argmax(axis=1) == y_true).mean()
    right = np.stack([run.correct_mask for run in comparison.runs])
    assert frame.loc["oracle", "accuracy"] == right.any(axis=0).mean()
    assert frame.loc["oracle", "accuracy"] >= frame.loc["member 0", "accuracy"]
    assert frame["log_loss"].isna()[["vote", "oracle"]].all()


def test_members_are_those_of_the_comparisons_table_and_tests_are_adjusted_over_all_ensembles():
    comparison = simulated(m=4, seed=2)
    found = ensembles(comparison)
    frame, table = found.frame(), comparison.table()
    members = frame[frame["kind"] == "member"]
    assert members["name"].tolist() == table.index.tolist()
    for column in ("accuracy", "accuracy_low", "accuracy_high", "log_loss"):
        assert members[column].to_numpy() == pytest.approx(table[column].to_numpy())
    assert found.best_member == table.index[0]
    tested = frame[~frame["kind"].isin(["member", "oracle"])]
    expected = [mcnemar_exact(row.mends, row.breaks) for row in tested.itertuples()]
    assert tested["p_value"].tolist() == pytest.approx(expected)
    assert tested["p_adjusted"].tolist() == pytest.approx(holm_adjust(expected).tolist())
    assert frame.loc[~frame.index.isin(tested.index), "p_adjusted"].isna().all()
    assert len(frame) == 4 + 1 + 1 + 2 + 10 + 1  # members, average, vote, two choices, ten smaller subsets, oracle


def test_mended_and_broken_images_are_counted_and_ranked_by_the_best_models_confidence():
    comparison = simulated(seed=4)
    found = ensembles(comparison)
    best = comparison.run(found.best_member)
    row = found.frame().set_index("key").loc["average"]
    mended, broken = found.mended("average"), found.broken("average")
    assert (len(mended), len(broken)) == (row["mends"], row["breaks"])
    assert not best.correct_mask[mended].any()
    assert best.correct_mask[broken].all()
    for indices in (mended, broken):
        assert (np.diff(best.samples["confidence"][indices]) <= 0).all()
    with pytest.raises(InvalidInputError, match="such as 'average'"):
        found.mended("all")


def test_choices_are_judged_on_images_that_had_no_part_in_them():
    # Twenty useless models: the best of their averages looks better than chance on the images it was chosen on.
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 2, 150)
    naive, honest = [], []
    for seed in range(12):
        draw = np.random.default_rng([seed, 7])
        runs = [build_run(y_true, draw.dirichlet([1, 1], 150), name=f"m{number}") for number in range(6)]
        row = ensembles(Comparison.from_runs(runs), seed=seed).frame().set_index("key").loc["best"]
        naive.append(row["naive_accuracy"])
        honest.append(row["accuracy"])
    assert np.mean(naive) > 0.55
    assert abs(np.mean(honest) - 0.5) < 0.04


def test_greedy_selection_has_weights_and_is_seeded():
    comparison = simulated(m=3, seed=6)
    found, again = ensembles(comparison, seed=1), ensembles(comparison, seed=1)
    weights = found.greedy()
    assert weights["weight"].sum() == pytest.approx(1)
    assert weights["weight"].is_monotonic_decreasing
    assert weights["folds"].between(0, 5).all()
    assert found.frame().equals(again.frame())


def test_identical_models_gain_nothing():
    run = simulated(m=1).runs[0]
    found = ensembles(Comparison.from_runs([run, run, run]))
    frame = found.frame()
    assert frame["accuracy"].nunique() == 1
    assert (frame["mends"] == 0).all()
    assert (frame["breaks"] == 0).all()
    assert found.oracle == frame["accuracy"].iloc[0]


def test_order_of_models_does_not_matter():
    comparison = simulated(seed=8)
    turned = Comparison.from_runs(comparison.runs[::-1])
    one, other = (ensembles(each).frame().set_index("name") for each in (comparison, turned))
    for name in ("m0", "average of all", "vote of all", "oracle: any model right"):
        assert one.loc[name, "accuracy"] == other.loc[name, "accuracy"]


def test_without_probabilities_there_is_a_vote_only():
    comparison = simulated()
    runs = [replace(run, proba=None) for run in comparison.runs]
    found = ensembles(Comparison.from_runs(runs))
    assert found.frame()["kind"].tolist() == ["member"] * 3 + ["vote", "oracle"]
    with pytest.raises(CheckNotApplicable, match=r"too many to be kept for m0\. Votes can be had"):
        found.greedy()
    assert any("whose voters are surer" in note for note in found.notes)


def test_few_images_are_not_chosen_on():
    found = ensembles(simulated(n=12))
    assert not {"greedy", "best"} & set(found.frame()["kind"])
    with pytest.raises(CheckNotApplicable, match="needs 20 images"):
        found.greedy()
    assert len(ensembles(simulated(n=1)).frame()) > 3


def test_many_models_are_averaged_in_pairs_and_all():
    frame = ensembles(simulated(m=8, n=80)).frame()
    subsets = frame[frame["kind"] == "subset"]
    assert len(subsets) == 6  # pairs of four
    assert (subsets["n_members"] == 2).all()
    assert set(frame["kind"]) == {"member", "average", "vote", "greedy", "best", "subset", "oracle"}


def test_very_many_images_are_sampled_by_class_and_large_work_is_kept(monkeypatch, empty_cache):
    comparison = simulated(n=600)
    monkeypatch.setattr(combining, "BUDGET", 20_000)
    monkeypatch.setattr(combining, "SMALL", 0)
    found = ensembles(comparison)
    assert 100 < len(found) < 300
    assert f"Figures are of {len(found)} of the 600 images" in found.notes[0]
    y_true = comparison.runs[0].samples["y_true"]
    shares = np.bincount(y_true[found.index], minlength=4) / len(found)
    assert np.abs(shares - np.bincount(y_true, minlength=4) / 600).max() < 0.02
    assert len(list((empty_cache / "ensembles").iterdir())) == 1
    again = ensembles(comparison)
    assert found.frame().equals(again.frame())
    assert len(list((empty_cache / "ensembles").iterdir())) == 1


@pytest.mark.parametrize("k", [1, 2, 50])
def test_degenerate_classes_and_perfect_and_constant_models(k):
    y_true = np.arange(40) % k
    perfect, constant = np.eye(k)[y_true], np.tile(np.eye(k)[0], (40, 1))
    comparison = Comparison.from_runs([build_run(y_true, perfect), build_run(y_true, constant, name="constant")])
    found = ensembles(comparison)
    assert found.oracle == 1
    assert agreement(comparison).overlap()["count"].sum() == (y_true != 0).sum()
    assert len(found.frame()) >= 5
