"""The accuracy of a model that was chosen as the best, by hand and in a simulation whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from diag.metrics.optimism import chosen_accuracy, resampled_accuracies, shares_of_best


def test_resampled_accuracies_are_those_of_drawn_samples():
    # Mean x, standard deviation sqrt(x (1 - x) / n), and the correlation of the two rows, here by drawing samples.
    rng = np.random.default_rng(0)
    correct = rng.random((2, 200)) < 0.7
    found = resampled_accuracies(correct, np.random.default_rng(1), 20_000)
    share = correct.mean(axis=1)
    np.testing.assert_allclose(found.mean(axis=0), share, atol=0.002)
    np.testing.assert_allclose(found.std(axis=0), np.sqrt(share * (1 - share) / 200), rtol=0.03)
    drawn = np.array([correct[:, rng.integers(0, 200, 200)].mean(axis=1) for _ in range(5000)])
    assert np.corrcoef(found.T)[0, 1] == pytest.approx(np.corrcoef(drawn.T)[0, 1], abs=0.05)


def test_more_models_than_a_byte_has_bits():
    correct = np.random.default_rng(0).random((20, 50)) < 0.5
    found = resampled_accuracies(correct, np.random.default_rng(0), 3000)
    np.testing.assert_allclose(found.mean(axis=0), correct.mean(axis=1), atol=0.01)


def test_shares_of_best():
    np.testing.assert_allclose(shares_of_best(np.array([[0.5, 0.5, 0.4], [0.1, 0.2, 0.3]])), [[0.5, 0.5, 0], [0, 0, 1]])


def test_chosen_accuracy_by_hand():
    # a has images 0 and 1, b has 2 and 3. Of six halves, {0, 1} chooses a, which has none of the others right, {2, 3}
    # likewise b; in the other four both tie with one of two, and have one of the other two: 4/6 * 1/2 = 1/3.
    correct = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)
    assert chosen_accuracy(correct, np.random.default_rng(0), 20_000) == pytest.approx(1 / 3, abs=0.01)


def test_a_much_better_model_is_not_flattered():
    # It is chosen on every half, and its accuracy on the others is that on all, on average.
    correct = np.array([[1] * 90 + [0] * 11, [0] * 90 + [1] * 11], bool)
    assert chosen_accuracy(correct, np.random.default_rng(0), 20_000) == pytest.approx(90 / 101, abs=0.002)


def test_without_a_choice_nothing_is_taken_away():
    assert chosen_accuracy(np.array([[True, False, True, True]]), np.random.default_rng(0)) == 0.75
    assert chosen_accuracy(np.array([[True], [False]]), np.random.default_rng(0)) == 1
    assert np.isnan(chosen_accuracy(np.ones((2, 0), bool), np.random.default_rng(0)))


def test_no_samples():
    assert np.isnan(resampled_accuracies(np.ones((2, 0), bool), np.random.default_rng(0), 4)).all()


def test_equally_good_models():
    # 8 models that are right for 80 % of all images: the best of a test set of 300 has more, corrected 80 % on average.
    rng = np.random.default_rng(0)
    best, corrected = [], []
    for _ in range(300):
        correct = rng.random((8, 300)) < 0.8
        observed = correct.mean(axis=1)
        best.append(observed.max())
        corrected.append(chosen_accuracy(correct, rng, 300))
    assert np.mean(best) > 0.825
    assert np.mean(corrected) == pytest.approx(0.8, abs=0.004)
