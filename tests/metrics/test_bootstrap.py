"""The paired bootstrap against SciPy and scikit-learn, and the closed-form jackknife against leaving samples out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.metrics import accuracy_score, f1_score, recall_score

from diag.errors import InvalidInputError
from diag.metrics.bootstrap import (
    METRICS,
    bca_interval,
    figures,
    jackknife,
    resampled_figures,
    resamples_within_bound,
)
from diag.metrics.classification import overall_figures
from diag.metrics.samples import sample_columns
from diag.metrics.summaries import Summary


def answers(n, k, seed, right=0.8):
    """Return y_true, y_pred and losses of a made-up model."""
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    y_pred = np.where(rng.random(n) < right, y_true, rng.integers(0, k, n))
    return y_true, y_pred, rng.exponential(1, n)


def other(y_true, k, seed, right=0.7):
    rng = np.random.default_rng(seed)
    y_pred = np.where(rng.random(len(y_true)) < right, y_true, rng.integers(0, k, len(y_true)))
    return y_pred, rng.exponential(1, len(y_true))


def test_figures_by_hand():
    # Class 0: 2 images, 1 right; class 1: 1 image, right; class 2: never true, never predicted.
    # F1 of 0: 2 / (2 + 1) ; of 1: 2 / (1 + 2).
    found = figures(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1.0, 2.0, 3.0]), 3)
    np.testing.assert_allclose(found, [2 / 3, 0.75, 2 / 3, 2.0])
    # Class 2 is predicted once: it counts for macro F1 with 0, and has no recall for balanced accuracy.
    found = figures(np.array([0, 0, 1]), np.array([0, 2, 1]), np.zeros(3), 3)
    np.testing.assert_allclose(found, [2 / 3, 0.75, (2 / 3 + 1 + 0) / 3, 0])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 999))
def test_figures_as_in_scikit_learn_and_in_the_results_table(n, k, seed):
    y_true, y_pred, loss = answers(n, k, seed)
    found = dict(zip(METRICS, figures(y_true, y_pred, loss, k), strict=True))
    assert found["accuracy"] == pytest.approx(accuracy_score(y_true, y_pred))
    present = np.union1d(y_true, y_pred)
    assert found["macro_f1"] == pytest.approx(f1_score(y_true, y_pred, average="macro", labels=present))
    recalls = recall_score(y_true, y_pred, average=None, labels=np.unique(y_true), zero_division=0)
    assert found["balanced_accuracy"] == pytest.approx(recalls.mean())
    columns = sample_columns(y_true, np.eye(k)[y_pred])
    table = overall_figures(Summary.from_samples(columns, k))
    assert table["balanced_accuracy"] == pytest.approx(found["balanced_accuracy"])
    assert table["macro_f1"] == pytest.approx(found["macro_f1"])


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(1, 8), st.integers(0, 999))
def test_jackknife_is_leaving_out_each_sample(n, k, seed):
    # Few samples of many classes: classes that vanish with a sample are met often.
    y_true, y_pred, loss = answers(n, k, seed)
    expected = [figures(np.delete(y_true, i), np.delete(y_pred, i), np.delete(loss, i), k) for i in range(n)]
    np.testing.assert_allclose(jackknife(y_true, y_pred, loss, k), expected, atol=1e-12)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize(("n", "k"), [(60, 4), (40, 12)])
def test_interval_as_in_scipy(n, k, place):
    # SciPy's own resamples of the same statistic give the same interval: bias and acceleration agree.
    y_true, pred_a, loss_a = answers(n, k, 0)
    pred_b, loss_b = other(y_true, k, 1)

    def difference(rows):
        rows = np.asarray(rows)
        a = figures(y_true[rows], pred_a[rows], loss_a[rows], k)
        return (a - figures(y_true[rows], pred_b[rows], loss_b[rows], k))[place]

    expected = scipy_bootstrap(
        (np.arange(n),), difference, vectorized=False, n_resamples=500, method="BCa", rng=np.random.default_rng(2)
    )
    left_out = jackknife(y_true, pred_a, loss_a, k) - jackknife(y_true, pred_b, loss_b, k)
    found = bca_interval(difference(np.arange(n)), expected.bootstrap_distribution, left_out[:, place])
    # Equal differences of accuracies differ in their last digit, which SciPy counts as different.
    tolerance = 0.03 if METRICS[place] == "accuracy" else 1e-9
    np.testing.assert_allclose(found, expected.confidence_interval, atol=tolerance)


def test_own_resamples_as_scipys():
    y_true, pred_a, loss_a = answers(300, 5, 3)
    pred_b, loss_b = other(y_true, 5, 4)
    ours = resampled_figures(y_true, [pred_a, pred_b], [loss_a, loss_b], 5, np.random.default_rng(0), 4000)

    def difference(rows):
        return figures(y_true[rows], pred_a[rows], loss_a[rows], 5) - figures(
            y_true[rows], pred_b[rows], loss_b[rows], 5
        )

    rng = np.random.default_rng(1)
    theirs = np.array([difference(rng.integers(0, 300, 300)) for _ in range(4000)])
    mine = ours[:, 0] - ours[:, 1]
    np.testing.assert_allclose(mine.mean(axis=0), theirs.mean(axis=0), atol=4 * theirs.std() / np.sqrt(4000) + 2e-3)
    np.testing.assert_allclose(mine.std(axis=0), theirs.std(axis=0), rtol=0.06)


def test_resamples_are_whole_test_sets_and_seeded():
    y_true, y_pred, loss = answers(50, 3, 0)
    draw = [resampled_figures(y_true, [y_pred], [loss], 3, np.random.default_rng(7), 200) for _ in range(2)]
    np.testing.assert_array_equal(*draw)
    counts = draw[0][:, 0, 0] * 50
    np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
    right = np.mean(y_true == y_pred)
    assert counts.std() == pytest.approx(np.sqrt(50 * right * (1 - right)), rel=0.2)


def test_models_share_their_resamples():
    y_true, y_pred, loss = answers(80, 3, 0)
    found = resampled_figures(y_true, [y_pred, y_pred], [loss, loss], 3, np.random.default_rng(0), 50)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


def test_all_models_of_one_class_right():
    y_true = np.zeros(4, int)
    found = resampled_figures(y_true, [y_true], [np.zeros(4)], 1, np.random.default_rng(0), 10)
    np.testing.assert_allclose(found[:, 0], [[1, 1, 1, 0]] * 10)


def test_interval_edges():
    assert np.isnan(bca_interval(0.0, np.zeros(10), np.zeros(5))).all()  # no resample differs
    assert np.isnan(bca_interval(float("nan"), np.arange(10.0), np.arange(5.0))).all()
    low, high = bca_interval(0.5, np.array([0.4, 0.5, 0.6, np.nan]), np.full(3, np.nan))  # one sample: no jackknife
    assert 0.4 <= low <= high <= 0.6
    low, high = bca_interval(2.0, np.arange(1.0, 2.0, 0.01), np.array([0.0, 1.0]))  # above all resamples
    assert low <= high
    with pytest.raises(InvalidInputError, match="confidence"):
        bca_interval(0.0, np.arange(9.0), np.arange(9.0), 95)


def test_jackknife_of_one_sample_has_nothing_left():
    assert np.isnan(jackknife(np.array([0]), np.array([0]), np.array([0.1]), 2)).all()


def test_work_is_bounded():
    assert resamples_within_bound(800, 7) == 2000
    assert resamples_within_bound(20_000, 7) == 857
    assert resamples_within_bound(100_000, 10) == 500
