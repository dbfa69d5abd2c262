"""ROC, precision-recall, top-k, coverage and costs of runs, against scikit-learn and by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import label_binarize

import diag
from diag.errors import CheckNotApplicable, InvalidInputError
from diag.results import discrimination as module
from diag.results.discrimination import discrimination
from tests.fakes import build_run


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_CACHE_DIR", str(tmp_path / "cache"))


def drawn(n=600, k=4, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    proba = rng.dirichlet(np.ones(k), n) + 0.5 * np.eye(k)[y_true] * rng.random((n, 1))
    return build_run(y_true, proba / proba.sum(axis=1, keepdims=True))


def test_areas_equal_scikit_learn():
    run = drawn()
    found = diag.discrimination(run)
    y_true, proba = run.samples["y_true"], run.proba
    hot = label_binarize(y_true, classes=range(4))
    classes = found.class_frame().sort_values("class_number")
    np.testing.assert_allclose(classes["auc"], roc_auc_score(hot, proba, average=None))
    np.testing.assert_allclose(classes["average_precision"], average_precision_score(hot, proba, average=None))
    figures = found.figures()
    for average in ("macro", "micro"):
        expected = roc_auc_score(y_true, proba, multi_class="ovr", average=average)
        assert figures[f"{average}_auc"] == pytest.approx(expected)
        expected = average_precision_score(hot, proba, average=average)
        assert figures[f"{average}_average_precision"] == pytest.approx(expected)
        assert figures[f"{average}_auc_low"] < figures[f"{average}_auc"] < figures[f"{average}_auc_high"]
    assert (classes["auc_low"] < classes["auc"]).all()


def test_intervals_of_averages_are_the_bootstraps():
    # Percentiles over 120 resamples of the images, a different way to the same interval.
    run = drawn(400)
    y_true, proba = run.samples["y_true"], run.proba
    hot = np.eye(4, dtype=int)[y_true]
    rng = np.random.default_rng(1)
    again = []
    for _ in range(120):
        rows = rng.integers(0, 400, 400)
        again.append(
            [score(hot[rows], proba[rows], average=average) for score in (roc_auc_score, average_precision_score)
             for average in ("macro", "micro")]
        )  # fmt: skip
    low, high = np.quantile(again, [0.025, 0.975], axis=0)
    figures = discrimination(run).figures()
    names = ["macro_auc", "micro_auc", "macro_average_precision", "micro_average_precision"]
    for name, one, two in zip(names, low, high, strict=True):
        assert figures[f"{name}_low"] == pytest.approx(one, abs=0.3 * (two - one))
        assert figures[f"{name}_high"] == pytest.approx(two, abs=0.3 * (two - one))


def test_curves_of_classes_and_averages():
    found = discrimination(drawn())
    for which in (0, 3, "macro", "micro"):
        roc, pr = found.roc_frame(which), found.precision_recall_frame(which)
        area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
        average = found.figures().get(f"{which}_auc")
        expected = average or found.class_frame().set_index("class_number").loc[which, "auc"]
        assert area == pytest.approx(expected, abs=0.01)
        assert pr["recall"].iloc[-1] == 1
        assert pr["precision"].between(0, 1).all()
        assert len(roc) <= 202
    for wrong in (4, -1, "mean"):
        with pytest.raises(InvalidInputError, match="which: expected a class from 0 to 3"):
            found.roc_frame(wrong)


def test_what_has_no_area_is_nan_and_last():
    # Class 2 is never true: no ROC; the macro average is over the other two.
    rng = np.random.default_rng(0)
    run = build_run(rng.integers(0, 2, 50), rng.dirichlet(np.ones(3), 50))
    found = discrimination(run)
    frame = found.class_frame()
    assert frame["class_number"].iloc[-1] == 2
    assert np.isnan(frame["auc"].iloc[-1])
    assert found.figures()["macro_auc"] == pytest.approx(frame["auc"].iloc[:2].mean())
    assert np.isnan(found.roc_frame(2)["true_positive_rate"].iloc[-1])


def test_without_probabilities_ranks_and_confidences_still_speak():
    found = discrimination(dataclasses.replace(drawn(), proba=None))
    assert np.isnan(found.figures()["macro_auc"])
    assert np.isfinite(found.figures()["aurc"])
    assert found.top_k_frame()["accuracy"].iloc[-1] == 1
    assert found.coverage_frame()["coverage"].iloc[-1] == 1
    assert "expected all probabilities" in found.notes[0]
    for which in (0, "macro"):
        with pytest.raises(CheckNotApplicable):
            found.roc_frame(which)


def test_images_that_are_all_alike_have_no_interval():
    # Three equal images: every resample gives the same areas, which says nothing about others.
    found = discrimination(build_run([0, 0, 1], np.full((3, 2), 0.5)))
    figures = found.figures()
    for name in ("macro_auc", "micro_auc"):
        assert np.isfinite(figures[name])
        assert np.isnan([figures[f"{name}_low"], figures[f"{name}_high"]]).all()
    frame = found.class_frame().sort_values("class_number")
    assert np.isnan(frame["average_precision_low"].iloc[1])  # one image of the class


def test_it_is_kept_by_content(monkeypatch):
    run = drawn()
    first = discrimination(run)
    monkeypatch.setattr(module, "_measured", lambda *_: pytest.fail("measured again"))
    second = discrimination(run)
    assert second.figures() == first.figures()
    np.testing.assert_array_equal(second.roc_frame("micro"), first.roc_frame("micro"))
    assert not second.areas.flags.writeable


@pytest.mark.parametrize(
    "run",
    [
        build_run(np.zeros(0, int), np.zeros((0, 3))),
        build_run([0], [[0.3, 0.7]]),
        build_run([0, 0, 0], np.ones((3, 1))),
        build_run(np.arange(30) % 3, np.eye(3)[np.arange(30) % 3]),
        build_run(np.arange(30) % 3, np.eye(4)[np.zeros(30, int)]),
    ],
    ids=["none", "one image", "one class", "perfect", "constant"],
)
def test_odd_runs(run):
    found = discrimination(run)
    assert len(found.class_frame()) == run.n_classes
    assert found.averages_frame().shape == (2, 6)
    for which in (0, "macro", "micro"):
        found.roc_frame(which)
        found.precision_recall_frame(which)
    assert diag.expected_cost(run).frame().shape[0] == 1


def test_under_equal_costs_the_cost_is_the_error_rate():
    run = drawn()
    found = diag.expected_cost(run)
    figures = found.figures()
    assert figures["cost"] == pytest.approx(1 - run.figures()["accuracy"])
    assert figures["changed"] == 0
    assert len(found.changed_samples()) == 0
    assert "changes nothing" in found.sentence()
    with pytest.raises(CheckNotApplicable, match="expected two classes"):
        found.threshold_frame()


def test_a_miss_that_costs_ten_times_as_much():
    # Probabilities of class 1 are true. Saying 1 from p = 1/11 on is best (Elkan), and cheaper than from .5 on.
    rng = np.random.default_rng(0)
    p = rng.random(3000)
    run = build_run((rng.random(3000) < p).astype(int), np.stack([1 - p, p], axis=1))
    found = diag.expected_cost(run, [[0, 1], [10, 0]])
    figures = found.figures()
    assert figures["indifferent_threshold"] == pytest.approx(1 / 11)
    assert figures["changed"] == ((p >= 1 / 11) & (p <= 0.5)).sum()
    assert figures["difference_high"] < 0
    assert figures["threshold"] == pytest.approx(1 / 11, abs=0.06)
    assert figures["threshold_cost"] <= figures["minimal_cost"] + 1e-9
    assert figures["threshold_cost"] <= figures["cross_validated_cost"]
    curve = found.threshold_frame()
    assert curve["cost"].iloc[0] == pytest.approx((run.samples["y_true"] == 0).mean())
    assert curve["cost"].min() == pytest.approx(figures["threshold_cost"], abs=0.01)
    assert "which is less" in found.sentence()
    changed = found.changed_samples()
    assert run.samples["y_true"][changed[0]] == 0  # the costliest change: a new false alarm
    assert len(changed) == figures["changed"]


def test_costs_that_are_all_alike_have_no_interval():
    text = diag.expected_cost(build_run([0, 0, 0], np.tile([0.2, 0.8], (3, 1)))).sentence()
    assert text.endswith("a decision costs 1 on average. Deciding by expected cost changes nothing.")


def test_costs_without_probabilities_or_of_another_shape():
    run = dataclasses.replace(drawn(), proba=None)
    found = diag.expected_cost(run)
    assert np.isfinite(found.figures()["cost"])
    assert np.isnan(found.figures()["minimal_cost"])
    assert "need all probabilities" in found.notes[0]
    with pytest.raises(InvalidInputError, match=r"shape \(4, 4\)"):
        diag.expected_cost(run, [[0, 1], [1, 0]])
