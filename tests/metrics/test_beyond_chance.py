"""Balanced accuracy against chance: by hand, against Fisher's exact test, and on answers that mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact
from sklearn.metrics import balanced_accuracy_score

from diag.metrics import beyond_chance
from diag.metrics.beyond_chance import balanced_accuracy_test


def test_by_hand():
    # Of four samples of three classes: recall 1, 1/2, 0; answers 0 0 1 1 dealt anew give (1/2 + 1/2 + 0) / 3.
    found = balanced_accuracy_test(np.array([0, 1, 1, 2]), np.array([0, 1, 0, 1]), np.random.default_rng(0))
    assert found.value == pytest.approx(0.5)
    assert found.chance == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_two_classes_are_fishers_exact_test(seed):
    rng = np.random.default_rng(seed)
    y_true = (rng.random(120) < 0.15).astype(int)
    y_pred = np.where(rng.random(120) < 0.3, y_true, rng.random(120) < 0.2).astype(int)
    found = balanced_accuracy_test(y_true, y_pred, rng)
    table = [[np.sum((y_true == a) & (y_pred == b)) for b in (0, 1)] for a in (0, 1)]
    assert found.p_value == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    assert found.value == pytest.approx(balanced_accuracy_score(y_true, y_pred))


def test_the_permutation_test_agrees_with_the_exact_one():
    rng = np.random.default_rng(1)
    y_true = (np.arange(60) < 12).astype(int)
    y_pred = np.where(rng.random(60) < 0.2, y_true, rng.random(60) < 0.2).astype(int)
    exact = balanced_accuracy_test(y_true, y_pred, rng).p_value
    more = balanced_accuracy_test(np.append(y_true, 2), np.append(y_pred, 2), rng)  # a third class: drawn
    assert 0.01 < exact < 0.99
    assert more.p_value < exact  # one more right answer


def test_answers_without_meaning_are_seldom_above_chance(monkeypatch):
    monkeypatch.setattr(beyond_chance, "DRAWS", (199, 199))
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        y_true, y_pred = rng.choice(3, 80, p=[0.8, 0.15, 0.05]), rng.choice(3, 80, p=[0.7, 0.2, 0.1])
        p_values.append(balanced_accuracy_test(y_true, y_pred, rng).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.1


def test_one_answer_for_all_is_chance():
    found = balanced_accuracy_test(np.array([0, 0, 1]), np.zeros(3, int), np.random.default_rng(0))
    assert (found.value, found.chance, found.p_value, found.clear) == (0.5, 0.5, 1.0, False)
