"""Bins, bands and calibration errors: by hand, by simulation, against scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from diag.metrics.classwise import ClassBins, brier_parts, classwise_calibration_error
from diag.metrics.intervals import clopper_pearson_interval
from diag.metrics.reliability import (
    binned_calibration_error,
    calibrated_errors,
    calibration_error_interval,
    calibration_p_value,
    debiased_squared_error,
    equal_mass_bins,
    equal_width_bins,
    overconfidence_interval,
    reliability_bins,
)


def calibrated(n, seed=0, low=0.5):
    """Return confidences and right answers of a model whose confidences are true."""
    rng = np.random.default_rng(seed)
    confidence = low + (1 - low) * rng.random(n)
    return confidence, rng.random(n) < confidence


def test_bins_of_equal_mass_hold_equally_many_and_split_no_ties():
    bins, edges = equal_mass_bins(np.arange(100) / 100, 5)
    assert np.bincount(bins).tolist() == [20] * 5
    assert edges.tolist() == [0, 0.19, 0.39, 0.59, 0.79, 0.99]
    bins, edges = equal_mass_bins(np.array([0.3] + [1.0] * 9), 5)
    assert bins.tolist() == [0] + [0] * 9 or len(set(bins[1:])) == 1
    assert equal_mass_bins(np.full(7, 0.5), 3)[0].tolist() == [0] * 7
    assert equal_mass_bins(np.zeros(0), 3)[0].tolist() == []


def test_a_reliability_diagram_equals_scikit_learn():
    confidence, correct = calibrated(500, 1, low=0)
    rows = reliability_bins(confidence, correct, equal_width_bins(confidence, 10), np.linspace(0, 1, 11))
    accuracy, mean = calibration_curve(correct, confidence, n_bins=10)
    np.testing.assert_allclose(rows["accuracy"], accuracy)
    np.testing.assert_allclose(rows["confidence"], mean)
    assert rows["count"].sum() == 500
    assert rows["wrong"].sum() == (~correct).sum()


def test_the_consistency_band_is_the_binomial_where_all_confidences_are_equal():
    # 50 answers at .8: of a calibrated model, between binom(50, .8)'s 2.5 % and 97.5 % points are right.
    confidence = np.full(50, 0.8)
    rows = reliability_bins(confidence, np.ones(50, bool), np.zeros(50, np.int64), np.array([0.0, 1.0]))
    expected = binom.ppf([0.025, 0.975], 50, 0.8) / 50
    assert rows["expected_low"][0] == pytest.approx(expected[0], abs=0.021)
    assert rows["expected_high"][0] == pytest.approx(expected[1], abs=0.021)
    assert rows["accuracy"][0] > rows["expected_high"][0]


def test_the_band_holds_calibrated_bins_at_its_rate():
    # 200 calibrated data sets of 10 bins: about 95 % of the accuracies lie in the band (discreteness adds a little).
    held = []
    for seed in range(60):
        confidence, correct = calibrated(400, seed)
        rows = reliability_bins(confidence, correct, equal_width_bins(confidence, 20), np.linspace(0, 1, 21), seed)
        full = rows["count"] > 0
        held.append(
            (rows["expected_low"] <= rows["accuracy"])[full] & (rows["accuracy"] <= rows["expected_high"])[full]
        )
    assert 0.93 < np.concatenate(held).mean() < 0.985


@pytest.mark.parametrize(("x", "n"), [(0, 10), (3, 10), (10, 10), (1, 1), (81, 263)])
def test_clopper_pearson_equals_scipy(x, n):
    low, high = clopper_pearson_interval(x, n)
    expected = binomtest(x, n).proportion_ci(0.95, "exact")
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert np.isnan(clopper_pearson_interval(0, 0)).all()


def test_the_debiased_error_by_hand():
    # Bin 0: 4 at .75, 2 right: .25^2 - .25/3. Bin 1: 2 at .9, both right: .1^2 - 0. Bin 2: one sample, left out.
    confidence = np.array([0.75] * 4 + [0.9] * 2 + [0.95])
    correct = np.array([1, 1, 0, 0, 1, 1, 0], dtype=bool)
    bins = np.array([0, 0, 0, 0, 1, 1, 2])
    expected = (4 * (0.0625 - 0.25 / 3) + 2 * 0.01) / 6
    assert debiased_squared_error(confidence, correct, bins) == pytest.approx(expected)
    # Ten answers, all wrong, each alone in its bin: nothing can be told, which is not "no miscalibration".
    assert np.isnan(debiased_squared_error(np.linspace(0.8, 0.95, 10), np.zeros(10, bool), np.arange(10)))


def test_debiasing_takes_off_what_chance_adds():
    # Calibrated models: the squared error is 0. Mean over 300 of the debiased estimate is a tenth of the plug-in's.
    plugin, debiased = [], []
    for seed in range(300):
        confidence, correct = calibrated(300, seed)
        bins, _ = equal_mass_bins(confidence, 15)
        count = np.bincount(bins)
        gap = np.bincount(bins, weights=correct - confidence) / count
        plugin.append((count * gap**2).sum() / 300)
        debiased.append(debiased_squared_error(confidence, correct, bins))
    assert abs(np.mean(debiased)) < 0.1 * np.mean(plugin)


def test_a_calibrated_model_shows_the_error_that_chance_gives():
    confidence, correct = calibrated(500, 3)
    bins = equal_width_bins(confidence, 15)
    drawn = calibrated_errors(confidence, bins)
    measured = np.mean([binned_calibration_error(*calibrated(500, seed), bins) for seed in (3,)])
    assert drawn.mean() == pytest.approx(0.038, abs=0.006)  # about sqrt(2/pi) sum sqrt(n_b a(1-a)) / n, 8 bins used
    assert (drawn >= measured).mean() > 0.05
    wrong = ~correct
    assert (drawn >= binned_calibration_error(confidence, wrong, bins)).mean() == 0


def test_the_intervals_of_the_error_cover():
    # Accuracy is .1 below each confidence, so that the error is .1; 60 data sets of 1,000: about 95 % hold it.
    rng = np.random.default_rng(5)
    held = zero = 0
    for seed in range(60):
        confidence = 0.5 + 0.5 * rng.random(1000)
        bins = equal_width_bins(confidence, 15)
        low, high = calibration_error_interval(confidence, rng.random(1000) < confidence - 0.1, bins, seed)
        held += low <= 0.1 <= high
        zero += calibration_error_interval(confidence, rng.random(1000) < confidence, bins, seed)[0] == 0
    assert held >= 52
    assert zero >= 54  # and those of calibrated models reach 0


def test_answers_without_an_error_leave_room_for_chance():
    # 50 at .99, all right. Mean gap -.01; the exact interval of 50 of 50 starts at .025 ** (1 / 50) = .9289.
    confidence, correct, bins = np.full(50, 0.99), np.ones(50, bool), np.full(50, 14)
    gap, low, high = overconfidence_interval(confidence, correct)
    assert (gap, low, high) == pytest.approx((-0.01, -0.01, 0.99 - 0.025 ** (1 / 50)))
    by_chance = calibrated_errors(confidence, bins)
    # P(50 right) = .605: the gap .01 is the least there is, so that every calibrated model shows as much.
    assert calibration_p_value(0.01, by_chance) == 1
    assert calibration_error_interval(confidence, correct, bins) == pytest.approx((0, 0.99 - 0.025 ** (1 / 50)))
    # One right answer at 1: error 0, but the accuracy may be as low as .025.
    one = np.ones(1)
    assert calibration_error_interval(one, one > 0, np.zeros(1, int)) == pytest.approx((0, 0.975))


@given(st.integers(1, 60), st.floats(0, 0.6), st.integers(0, 30))
def test_the_interval_of_the_error_reaches_zero_where_its_test_says_so(n, gap, seed):
    rng = np.random.default_rng(seed)
    confidence = rng.beta(9, 1, n)
    correct = rng.random(n) < confidence - gap
    bins = equal_width_bins(confidence, 15)
    low, high = calibration_error_interval(confidence, correct, bins, seed)
    error = binned_calibration_error(confidence, correct, bins)
    p_value = calibration_p_value(error, calibrated_errors(confidence, bins, seed))
    assert low == 0 if p_value > 0.025 else low >= 0
    assert low <= error + 1e-9
    assert high >= max(abs(end) for end in overconfidence_interval(confidence, correct)) - 1e-12


@pytest.mark.parametrize("n", [50, 100, 300])
def test_high_true_confidences_raise_few_alarms(n):
    # Confidences of Beta(99, 1), all true: over- or under-confidence is claimed in at most 5 % of 300 data sets (and
    # 3.3 % of chance for the count), and the interval of the calibration error holds 0 in 95 %.
    claimed, held = 0, 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        confidence = rng.beta(99, 1, n)
        correct = rng.random(n) < confidence
        _, low, high = overconfidence_interval(confidence, correct)
        claimed += low > 0 or high < 0
        if seed < 60:
            low, high = calibration_error_interval(confidence, correct, equal_width_bins(confidence, 15), seed)
            held += low == 0
    assert claimed <= 0.05 * 300 + 10
    assert held >= 54


def test_nothing_to_measure_is_nan():
    none, bins = np.zeros(0), np.zeros(0, np.int64)
    assert np.isnan(binned_calibration_error(none, none.astype(bool), bins))
    assert np.isnan(debiased_squared_error(none, none.astype(bool), bins))
    assert np.isnan(calibration_error_interval(none, none.astype(bool), bins)).all()
    assert len(calibrated_errors(none, bins)) == 0
    assert np.isnan(calibration_p_value(0.0, np.zeros(0)))
    assert np.isnan(overconfidence_interval(none, none.astype(bool))).all()


def test_classwise_error_by_hand():
    # Class 0 states .9 (true), .9 (not): bin error |1 - 1.8| = .8, and .2 (true): |1 - .2| = .8; 1.6 / 3.
    proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]])
    bins = ClassBins.from_probabilities(np.array([0, 1, 0]), proba)
    np.testing.assert_allclose(classwise_calibration_error(bins), [1.6 / 3, 1.6 / 3])


@given(st.integers(1, 80), st.integers(1, 6), st.integers(0, 99))
def test_the_parts_of_the_brier_score_add_up_to_scikit_learns(n, k, seed):
    rng = np.random.default_rng(seed)
    y_true, proba = rng.integers(0, k, n), rng.dirichlet(np.ones(k), n)
    parts = brier_parts(ClassBins.from_probabilities(y_true, proba))
    if k > 1:
        expected = brier_score_loss(y_true, proba, labels=list(range(k)), scale_by_half=False)
        assert parts["brier"] == pytest.approx(expected)
    total = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within"]
    assert parts["brier"] == pytest.approx(total)
    assert min(parts["reliability"], parts["resolution"], parts["uncertainty"]) >= -1e-12


def test_murphys_parts_by_hand():
    # One probability a bin: nothing within bins. Class 1 at .2 (0 of 2) and .8 (1 of 2): reliability per class
    # (2 * .04 + 2 * .09) / 4, resolution (2 * .0625 + 2 * .0625) / 4, uncertainty .25 * .75; both classes alike.
    proba = np.array([[0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.2, 0.8]])
    parts = brier_parts(ClassBins.from_probabilities(np.array([0, 0, 1, 0]), proba))
    assert parts["reliability"] == pytest.approx(2 * 0.065)
    assert parts["resolution"] == pytest.approx(2 * 0.0625)
    assert parts["uncertainty"] == pytest.approx(2 * 0.1875)
    assert parts["within"] == pytest.approx(0)
