"""Ensembles of classifiers: by hand, invariants, brute force, and the patterns of Kuncheva et al. (2003)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import InvalidInputError
from diag.io.joining import average, normalized_weights, vote_probabilities
from diag.metrics.ensembles import (
    combined,
    confidence_support,
    fold_winners,
    greedy_picks,
    majority_vote,
    mean_support,
    oracle,
    pick_weights,
    stratified_folds,
)


def members(seed, m, n=25, k=4):
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.full(k, 0.6), n).astype(np.float32) for _ in range(m)], rng.integers(0, k, n)


drawn = st.tuples(st.integers(0, 1000), st.integers(2, 5))


@given(drawn)
@settings(max_examples=40, deadline=None)
def test_identical_members_are_the_model(case):
    (proba, *_), _ = members(*case)
    assert np.allclose(average([proba] * 3, [0.2, 5, 1]), proba, atol=1e-6)
    assert np.array_equal(vote_probabilities([proba] * 3).argmax(axis=1), proba.argmax(axis=1))


@given(drawn)
@settings(max_examples=40, deadline=None)
def test_averages_are_probabilities_and_the_order_of_members_does_not_matter(case):
    probas, _ = members(*case)
    weights = np.arange(1, len(probas) + 1)
    mean, turned = average(probas, weights), average(probas[::-1], weights[::-1])
    assert np.allclose(mean, turned, atol=1e-6)
    assert np.allclose(mean, np.average(probas, axis=0, weights=weights), atol=1e-6)
    for joined in (mean, vote_probabilities(probas)):
        assert np.allclose(joined.sum(axis=1), 1, atol=1e-5)
        assert (joined >= 0).all()


@given(drawn)
@settings(max_examples=40, deadline=None)
def test_a_vote_is_that_of_counting_by_hand(case):
    probas, _ = members(*case)
    predictions = np.stack([proba.argmax(axis=1) for proba in probas])
    given_ = majority_vote(predictions, mean_support(probas, predictions))
    mean = np.mean(probas, axis=0, dtype=np.float64)
    for sample, answer in enumerate(given_):
        counts = np.bincount(predictions[:, sample], minlength=4)
        tied = np.flatnonzero(counts == counts.max())
        assert answer == tied[np.argmax(mean[sample, tied])]
    assert np.array_equal(given_, vote_probabilities(probas).argmax(axis=1))
    order = list(range(len(probas)))[::-1]
    again = majority_vote(predictions[order], mean_support([probas[at] for at in order], predictions[order]))
    assert np.array_equal(again, given_)


def test_ties_without_probabilities_go_to_the_surer_voters_then_to_the_lower_class():
    predictions = np.array([[2, 2], [1, 1], [1, 0], [2, 3]])
    confidence = np.array([[0.9, 0.5], [0.6, 0.5], [0.6, 0.5], [0.5, 0.5]])
    # First sample: two votes each, 0.9 + 0.5 for class 2 against 0.6 + 0.6. Second: one each, all as sure.
    assert majority_vote(predictions, confidence_support(predictions, confidence)).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    # Kuncheva, Whitaker, Shipp & Duin (2003): three classifiers that are 60 % right vote 90 % or 40 % right.
    [({"110": 3, "101": 3, "011": 3, "000": 1}, 0.9), ({"111": 4, "100": 2, "010": 2, "001": 2}, 0.4)],
)
def test_the_best_and_the_worst_vote(pattern, expected):
    right = np.array([[int(bit) for bit in bits] for bits, count in pattern.items() for _ in range(count)]).T
    assert right.mean(axis=1).tolist() == [0.6, 0.6, 0.6]
    assert majority_vote(right, np.zeros(right.shape)).mean() == expected
    assert oracle(right == 1).mean() == (0.9 if expected == 0.9 else 1.0)


@given(drawn)
@settings(max_examples=30, deadline=None)
def test_combined_is_the_average_row_by_row(case):
    probas, y_true = members(*case)
    m = len(probas)
    combos = np.vstack([np.full(m, 1 / m), np.eye(m), normalized_weights(list(range(m)), m)])
    rows = np.array([3, 4, 20])
    y_pred, p_true = combined(probas, y_true, combos, rows)
    for weights, given_, truth in zip(combos, y_pred, p_true, strict=True):
        mean = average([p for p, w in zip(probas, weights, strict=True) if w], weights[weights > 0])
        assert np.array_equal(given_, mean[rows].argmax(axis=1))
        assert np.array_equal(truth, mean[rows, y_true[rows]])
    right = np.stack([proba.argmax(axis=1) == y_true for proba in probas])
    assert oracle(right).mean() >= right.mean(axis=1).max()


def test_greedy_selection_is_that_of_trying_everything_each_round():
    rng = np.random.default_rng(3)
    p_true = rng.uniform(0.05, 1, (4, 60))
    picks: list[int] = []
    losses = []
    for _ in range(6):
        tried = [-np.log(p_true[[*picks, extra]].mean(axis=0)).mean() for extra in range(4)]
        picks.append(int(np.argmin(tried)))
        losses.append(min(tried))
    assert greedy_picks(p_true, rounds=6) == tuple(picks[: int(np.argmin(losses)) + 1])
    # No pair of weights on a grid is much better than what it finds with two members.
    pair = p_true[:2]
    found = pick_weights(greedy_picks(pair), 2)
    grid = [(w, 1 - w) for w in np.linspace(0, 1, 101)]
    best = min(-np.log(np.dot(weights, pair)).mean() for weights in grid)
    assert -np.log(found @ pair).mean() <= best + 1e-3


def test_greedy_selection_begins_with_the_best_and_keeps_a_perfect_one_alone():
    assert greedy_picks(np.array([[1.0, 1.0], [0.5, 0.9]])) == (0,)
    assert greedy_picks(np.array([[0.2, 0.2], [0.5, 0.9]]))[0] == 1
    assert pick_weights((0, 1, 1), 3).tolist() == pytest.approx([1 / 3, 2 / 3, 0])


def test_folds_spread_every_class_evenly_and_are_seeded():
    y_true = np.repeat([0, 1, 2], [20, 7, 3])
    folds = stratified_folds(y_true, 5, np.random.default_rng(0))
    for label in (0, 1, 2):
        counts = np.bincount(folds[y_true == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.array_equal(folds, stratified_folds(y_true, 5, np.random.default_rng(0)))
    assert not np.array_equal(folds, stratified_folds(y_true, 5, np.random.default_rng(1)))


def test_the_winner_of_a_fold_is_chosen_on_all_others():
    rng = np.random.default_rng(5)
    scores, folds = rng.integers(0, 2, (6, 40)), rng.integers(0, 4, 40)
    for fold, winner in enumerate(fold_winners(scores, folds)):
        assert winner == np.argmax(scores[:, folds != fold].mean(axis=1))


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [1, np.nan], [1, np.inf], [1, 2, 3], ["a", 1], [1, 10**400]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(InvalidInputError, match="expected 2 numbers, none below 0, one above"):
        normalized_weights(weights, 2)


def test_half_a_vote_never_overturns_one():
    sure, other = np.array([0.0, 1.0, 0.0]), np.array([0.34, 0.33, 0.33])
    for crowd in product((sure, other), repeat=5):
        votes = np.bincount([int(each.argmax()) for each in crowd], minlength=3)
        assert vote_probabilities([each[None] for each in crowd]).argmax() == votes.argmax()
