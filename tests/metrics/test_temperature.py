"""Temperature scaling: planted temperatures are found, by hand and against SciPy's minimiser."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from diag.errors import CheckNotApplicable
from diag.metrics.temperature import (
    HIGHEST,
    LOWEST,
    cross_fit_temperature,
    fit_temperature,
    log_probabilities,
    saturation,
    scaled,
    stratified_folds,
)


def planted(n, k, temperature, seed=0):
    """Return labels drawn from softmax(z), and probabilities softmax(z T): over-confident by T."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, k))
    y_true = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return y_true, softmax(logits * temperature, axis=1)


@pytest.mark.parametrize(("k", "temperature"), [(2, 2.0), (10, 0.5), (10, 3.0)])
def test_a_planted_temperature_is_found(k, temperature):
    fit = cross_fit_temperature(*planted(4000, k, temperature))
    assert fit.temperature == pytest.approx(temperature, rel=0.08)
    assert min(fit.fold_temperatures) <= fit.temperature <= max(fit.fold_temperatures)
    assert not fit.at_edge


def test_the_minimum_equals_scipys():
    y_true, proba = planted(300, 5, 1.7, 3)
    logs = np.log(proba)

    def loss(temperature):
        return -log_softmax(logs / temperature, axis=1)[np.arange(300), y_true].mean()

    expected = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-6}).x
    assert fit_temperature(y_true, log_probabilities(proba)) == pytest.approx(expected, rel=1e-3)


def test_scaling_held_out_samples_lowers_log_loss():
    y_true, proba = planted(2000, 4, 2.5, 1)
    before = -np.log(proba[np.arange(2000), y_true]).mean()
    fit = cross_fit_temperature(y_true, proba)
    assert fit.loss.mean() < before - 0.05
    assert fit.brier.mean() < (np.square(proba).sum(axis=1) - 2 * proba[np.arange(2000), y_true] + 1).mean()
    assert abs(fit.confidence.mean() - (proba.argmax(axis=1) == y_true).mean()) < 0.02


@given(st.integers(2, 6), st.floats(0.2, 5), st.integers(0, 20))
def test_scaling_keeps_the_order_of_classes(k, temperature, seed):
    proba = np.random.default_rng(seed).dirichlet(np.ones(k), 5)
    after = scaled(proba, temperature)
    np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-5)
    assert (after.argmax(axis=1) == proba.argmax(axis=1)).all()
    np.testing.assert_allclose(scaled(proba, 1.0), proba, atol=1e-5)


def test_models_without_a_best_temperature():
    labels = np.arange(30) % 3
    right = np.eye(3)[labels] * 0.7 + 0.1
    assert cross_fit_temperature(labels, right).temperature == pytest.approx(LOWEST)  # bolder is always better
    assert cross_fit_temperature(labels, right).at_edge
    wrong = np.eye(3)[(labels + 1) % 3] * 0.7 + 0.1
    assert cross_fit_temperature(labels, wrong).temperature == pytest.approx(HIGHEST, rel=1e-3)
    assert cross_fit_temperature(labels, wrong).at_edge
    sure = np.full((30, 3), 1e-14) + np.eye(3)[labels]  # its log loss is 0 to the last digit, and falls on
    assert cross_fit_temperature(labels, sure).at_edge
    assert cross_fit_temperature(labels, np.full((30, 3), 1 / 3)).temperature == 1  # all are equally good


@pytest.mark.parametrize("wrong", [0, 10, 200])
def test_only_zeros_and_ones_say_nothing_of_a_temperature(wrong):
    # 200 answers of a model that only says 0 and 1: the logits behind them could be any.
    labels = np.arange(200) % 10
    proba = np.eye(10)[np.where(np.arange(200) < wrong, (labels + 1) % 10, labels)]
    with pytest.raises(CheckNotApplicable, match="Received: only 0 and 1 in 100 % of the images"):
        cross_fit_temperature(labels, proba)


def test_wrong_answers_whose_true_class_has_no_probability_decide_no_temperature():
    # 100 soft right answers, 30 soft wrong ones, 40 wrong ones with 0 for the true class: 40 of 70 are lost.
    labels = np.zeros(170, int)
    proba = np.repeat([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.0, 0.5, 0.5]], [100, 30, 40], axis=0)
    assert saturation(labels, log_probabilities(proba)) == (0, pytest.approx(4 / 7))
    with pytest.raises(CheckNotApplicable, match=r"Received: 0 in 57\.14 % of the wrong answers"):
        cross_fit_temperature(labels, proba)
    proba[:, 0] += 1e-30
    assert cross_fit_temperature(labels, proba).temperature > 1


def test_too_few_samples_or_classes():
    with pytest.raises(CheckNotApplicable, match="Received: 9 and 3"):
        cross_fit_temperature(np.zeros(9, int), np.full((9, 3), 1 / 3))
    with pytest.raises(CheckNotApplicable, match="Received: 20 and 1"):
        cross_fit_temperature(np.zeros(20, int), np.ones((20, 1)))


def test_folds_are_stratified_and_seeded():
    y_true = np.array([0] * 50 + [1] * 10)
    folds = stratified_folds(y_true, 5, 1)
    assert np.bincount(folds[:50]).tolist() == [10] * 5
    assert np.bincount(folds[50:]).tolist() == [2] * 5
    assert (folds == stratified_folds(y_true, 5, 1)).all()
    assert (folds != stratified_folds(y_true, 5, 2)).any()
