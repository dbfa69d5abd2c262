"""Summaries merge, and the figures from them agree with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from diag.errors import InvalidInputError
from diag.metrics.calibration import expected_calibration_error, reliability_curve
from diag.metrics.classification import overall_figures, per_class_figures
from diag.metrics.confusion import confusion_counts, normalize_confusion
from diag.metrics.samples import sample_columns
from diag.metrics.summaries import N_BINS, Summary


def drawn(n, k, seed=0):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(k), n)
    return rng.integers(0, k, n), proba


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 99), st.data())
def test_parts_merge_to_the_whole(n, k, seed, data):
    y_true, proba = drawn(n, k, seed)
    cut = data.draw(st.integers(0, n))
    whole = Summary.from_samples(sample_columns(y_true, proba), k)
    parts = [
        Summary.from_samples(sample_columns(y_true[rows], proba[rows]), k) for rows in (slice(0, cut), slice(cut, n))
    ]
    merged = parts[0].merge(parts[1])
    assert (merged.confusion == whole.confusion).all()
    assert (merged.bin_count == whole.bin_count).all()
    assert overall_figures(merged) == pytest.approx(overall_figures(whole))


def test_parts_of_different_classes_do_not_merge():
    one, two = (Summary.from_samples(sample_columns(*drawn(4, k)), k) for k in (2, 3))
    with pytest.raises(InvalidInputError, match="2 and 3"):
        one.merge(two)


def test_confusion_equals_scikit_learn():
    y_true, proba = drawn(200, 4)
    y_pred = proba.argmax(axis=1)
    counts = confusion_counts(y_true, y_pred, 4)
    assert (counts == sk.confusion_matrix(y_true, y_pred, labels=range(4))).all()
    for normalize in ("true", "pred", "all"):
        expected = sk.confusion_matrix(y_true, y_pred, labels=range(4), normalize=normalize)
        np.testing.assert_allclose(normalize_confusion(counts, normalize), expected)


def test_a_class_without_samples_has_no_share():
    counts = np.array([[0, 0], [1, 3]])
    assert np.isnan(normalize_confusion(counts, "true")[0]).all()
    assert normalize_confusion(counts, "pred").tolist() == [[0, 0], [1, 1]]
    with pytest.raises(InvalidInputError, match="'columns'"):
        normalize_confusion(counts, "columns")


def test_per_class_equals_scikit_learn():
    y_true, proba = drawn(300, 4, 3)
    y_pred = proba.argmax(axis=1)
    figures = per_class_figures(confusion_counts(y_true, y_pred, 4))
    precision, recall, f1, support = sk.precision_recall_fscore_support(y_true, y_pred, labels=range(4))
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1), ("support", support)):
        np.testing.assert_allclose(figures[name], expected)
    for name in ("precision", "recall", "f1"):
        assert (figures[f"{name}_low"] < figures[name]).all()
        assert (figures[name] < figures[f"{name}_high"]).all()


def test_undefined_per_class_figures_are_nan():
    # Class 1 is never true and never predicted; class 2 is true but never predicted.
    figures = per_class_figures(np.array([[2, 0, 0], [0, 0, 0], [1, 0, 0]]))
    assert np.isnan(figures["recall"][1])
    assert np.isnan(figures["precision"][[1, 2]]).all()
    assert np.isnan(figures["f1"][1])
    assert figures["recall"][2] == 0
    assert figures["f1"][2] == 0


def test_calibration_error_by_hand():
    # Four samples at .9, three of them right: |3 - 3.6| / 5. One at .6, wrong: |0 - .6| / 5.
    proba = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]])
    summary = Summary.from_samples(sample_columns(np.array([0, 0, 0, 1, 1]), proba), 2)
    assert expected_calibration_error(summary) == pytest.approx((0.6 + 0.6) / 5)
    curve = reliability_curve(summary)
    assert curve["count"].sum() == 5
    assert curve["accuracy"][int(np.ceil(0.9 * N_BINS)) - 1] == 0.75
    assert np.isnan(curve["accuracy"][0])


def test_no_samples_give_nan_not_zero():
    figures = overall_figures(Summary.from_samples(sample_columns(np.zeros(0, int), np.zeros((0, 3))), 3))
    assert figures["n"] == 0
    assert all(np.isnan(value) for name, value in figures.items() if name != "n")


def test_brier_equals_scikit_learn():
    y_true, proba = drawn(100, 3, 5)
    figures = overall_figures(Summary.from_samples(sample_columns(y_true, proba), 3))
    expected = sk.brier_score_loss(y_true, proba, labels=[0, 1, 2], scale_by_half=False)
    assert figures["brier"] == pytest.approx(expected)
