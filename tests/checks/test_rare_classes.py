"""Uneven data: an answer that is the majority's is no constant one, and accuracy does not say what is rare."""

from __future__ import annotations

import numpy as np
import pytest

from diag.checks import constant_prediction, linear_baseline, majority_class, never_predicted
from tests.checks.cases import found, make_case, one_hot, only, reason

N, RARE = 1000, 20


def labels():
    """Return 2 % positives."""
    return (np.arange(N) < RARE).astype(int)


def unsure(y, positive, negative, seed=0):
    """Return probabilities (n, 2) of a model that always answers 0: drawn from these ranges of P(1), by label."""
    rng = np.random.default_rng(seed)
    rare = np.where(y == 1, rng.uniform(*positive, len(y)), rng.uniform(*negative, len(y)))
    return np.column_stack([1 - rare, rare])


def test_a_rare_class_that_the_probabilities_find_needs_another_threshold():
    case = make_case(labels(), unsure(labels(), (0.2, 0.45), (0.0, 0.25)))
    finding = only(constant_prediction.CHECK, case)
    assert (finding.severity, finding.title) == ("warning", "Only the most frequent class")
    assert "1 (20 images) is never predicted" in finding.message
    assert "balanced accuracy is 50.0%, by chance 50.0%" in finding.message
    assert "does tell" in finding.message
    assert finding.measured["roc_auc"] > 0.9
    assert "threshold" in finding.remedy
    assert "scale" not in finding.remedy
    assert finding.samples == tuple(range(RARE))


def test_a_rare_class_that_the_probabilities_miss_too_is_told_otherwise():
    finding = only(constant_prediction.CHECK, make_case(labels(), unsure(labels(), (0.0, 0.3), (0.0, 0.3))))
    assert finding.severity == "warning"
    assert "does not tell" in finding.message
    assert "threshold" not in finding.remedy


def test_probabilities_that_do_not_depend_on_the_image_are_critical_however_rare_a_class_is():
    for n_rare in (20, 9):  # 98 % and 99.1 % of the labels are of the class that is named
        y = (np.arange(N) < n_rare).astype(int)
        finding = only(constant_prediction.CHECK, make_case(y, np.tile([0.99, 0.01], (N, 1))))
        assert (finding.severity, finding.title) == ("critical", "Constant prediction")
        assert "do not depend on the image" in finding.message


def test_two_images_of_a_rare_class_prove_nothing():
    y = (np.arange(100) < 2).astype(int)
    case = make_case(y, unsure(y, (0.0, 0.3), (0.0, 0.3)))
    assert found(constant_prediction.CHECK, case) == []  # 0.98**100 = 0.13
    finding = only(majority_class.CHECK, case)
    assert finding.severity == "warning"
    assert "so few images" in finding.message


def test_a_constant_answer_on_even_data_stays_critical():
    y = np.arange(200) % 2
    rng = np.random.default_rng(0)
    proba = np.column_stack([1 - rng.uniform(0, 0.4, 200), rng.uniform(0, 0.4, 200)])
    finding = only(constant_prediction.CHECK, make_case(y, proba / proba.sum(axis=1, keepdims=True)))
    assert (finding.severity, finding.title) == ("critical", "Constant prediction")


def test_a_model_that_finds_rare_images_is_not_called_constant_nor_useless():
    # 12 of 20 positives found, 40 of 980 negatives called positive: accuracy 95.2 % under 98 %, balanced 77.96 %.
    y = labels()
    y_pred = y.copy()
    y_pred[:8] = 0
    y_pred[100:140] = 1
    case = make_case(y, one_hot(y_pred, 2))
    assert found(constant_prediction.CHECK, case) == found(never_predicted.CHECK, case) == []
    finding = only(majority_class.CHECK, case)
    assert finding.severity == "note"
    assert finding.measured["balanced_accuracy"] == pytest.approx((12 / 20 + 940 / 980) / 2)
    assert "balanced accuracy is 78.0%, by chance 50.0%" in finding.message


def test_a_careful_model_that_names_the_rare_class_seldom_is_not_called_constant():
    # 8 of 20 positives found and no false alarm: 99.2 % of the images are called 0.
    y = labels()
    y_pred = np.where(np.arange(N) < 8, 1, 0)
    assert found(constant_prediction.CHECK, make_case(y, one_hot(y_pred, 2))) == []


def test_rare_answers_that_are_right_by_chance_only_are_told():
    y = labels()
    y_pred = np.where((np.arange(N) >= 500) & (np.arange(N) < 506), 1, 0)  # six, all wrong
    finding = only(constant_prediction.CHECK, make_case(y, one_hot(y_pred, 2)))
    assert finding.severity == "warning"
    assert "no more often than by chance" in finding.message


def test_one_rare_class_of_five_that_is_never_predicted_is_named_and_nothing_else_is_said():
    y = np.concatenate([np.full(20, 4), np.arange(1980) % 4])
    case = make_case(y, one_hot(np.where(y == 4, 0, y), 5))
    finding = only(never_predicted.CHECK, case)
    assert finding.severity == "warning"
    assert "4 (20 images)" in finding.message
    assert found(constant_prediction.CHECK, case) == found(majority_class.CHECK, case) == []


def test_useless_answers_stay_critical_for_the_majority_class():
    y = labels()
    y_pred = np.random.default_rng(0).permutation(np.arange(N) < 100).astype(int)
    finding = only(majority_class.CHECK, make_case(y, one_hot(y_pred, 2)))
    assert finding.severity == "critical"
    assert finding.measured["balanced_accuracy"] < 0.6


def test_a_linear_model_that_names_one_class_is_no_rival():
    y = (np.arange(300) < 3).astype(int)
    case = make_case(y, one_hot(np.zeros(300, int), 2))
    case.__dict__["linear"] = linear_baseline.LinearAnswers(np.arange(300), np.zeros(300, int), 240, False)
    assert "DG203" in reason(linear_baseline.CHECK, case)
