"""Confident learning by hand and against cleanlab; kinds of issues by hand; invariants."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import InvalidInputError
from diag.metrics import label_issues as module
from diag.metrics.issue_kinds import KINDS, Evidence, issue_kinds, issue_scores
from diag.metrics.label_issues import confident_errors, confident_learning, mixed_up, normalized_margin
from diag.metrics.nearest import nearest, percentiles

# Three classes by hand. Thresholds: class 0 (0.8 + 0.6 + 0.1) / 3 = 0.5, class 1 (0.9 + 0.5) / 2 = 0.7, class 2 1.0.
Y = np.array([0, 0, 0, 1, 1, 2])
PROBA = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.75, 0.15], [0.1, 0.9, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
)


def random_case(seed, k=4, n=120, noise=0.1):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) * 1.5
    logits[np.arange(n), y] += 2
    proba = np.exp(logits)
    flip = rng.random(n) < noise
    y[flip] = rng.integers(0, k, flip.sum())
    return y, proba / proba.sum(axis=1, keepdims=True)


def evidence(m=1, **changes):
    one, nothing = np.ones(m), np.full(m, np.nan)
    parts = {
        "margin": 0 * one, "votes": np.full(m, 1), "n_models": 1, "near_named": nothing, "near_label": nothing,
        "alike_named": nothing, "alike_label": nothing, "near_percentile": nothing, "alike_percentile": nothing,
        "mixed": np.zeros(m, bool),
    }  # fmt: skip
    return Evidence(
        **(parts | {name: value * one if isinstance(value, float) else value for name, value in changes.items()})
    )


def test_three_classes_by_hand():
    found = confident_learning(Y, [PROBA])
    np.testing.assert_allclose(found.thresholds, [0.5, 0.7, 1.0])
    # Row 4 reaches the threshold of class 0 (0.5) and not that of its own class, but its label is as probable.
    assert found.guess.tolist() == [0, 0, 1, 1, 0, 2]
    assert found.joint.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert found.issues(Y).tolist() == [False, False, True, False, False, False]
    assert found.share(Y) == pytest.approx((3 * 1 / 3 + 2 * 1 / 2 + 1 * 0) / 6)  # rows are brought to 3, 2 and 1 images
    assert normalized_margin(found.p_label, found.confidence)[2] == pytest.approx((0.1 - 0.75 + 1) / 2)


@pytest.mark.parametrize("seed", range(12))
def test_the_same_issues_thresholds_joint_and_scores_as_cleanlab(seed):
    count, filters, rank = (pytest.importorskip(f"cleanlab.{name}") for name in ("count", "filter", "rank"))
    y, proba = random_case(seed, k=2 + seed % 6, n=40 + 20 * seed)
    found = confident_learning(y, [proba])
    np.testing.assert_allclose(found.thresholds, count.get_confident_thresholds(y, proba))
    joint = found.joint.copy()
    np.fill_diagonal(joint, np.maximum(1, np.diag(joint)))  # cleanlab's joint has at least 1 there
    np.testing.assert_array_equal(joint, count.compute_confident_joint(y, proba, calibrate=False))
    theirs = filters.find_label_issues(y, proba, filter_by="confident_learning", n_jobs=1)
    np.testing.assert_array_equal(found.issues(y), theirs)
    np.testing.assert_allclose(found.p_label, rank.get_label_quality_scores(y, proba))
    y_many, proba_many = np.tile(y, 30), np.tile(proba, (30, 1))  # cleanlab rounds each row to whole images
    estimated = count.estimate_joint(y_many, proba_many)
    share = confident_learning(y_many, [proba_many]).share(y_many)
    assert share == pytest.approx(1 - np.trace(estimated), abs=proba.shape[1] / len(y_many))
    wrong = found.named != y  # elsewhere cleanlab's margin is to the second class
    margins = rank.get_label_quality_scores(y, proba, method="normalized_margin")
    np.testing.assert_allclose(normalized_margin(found.p_label, found.confidence)[wrong], margins[wrong])


def test_the_share_weighs_each_label_by_its_images_not_by_its_guesses():
    # 80 images of class 0 of which none reaches a threshold, 20 of class 1 of which 15 and 5 are guessed 1 and 0.
    y = np.repeat([0, 1], [80, 20])
    some = confident_errors(y, y, np.ones(100), np.ones(100), 2)
    found = dataclasses.replace(some, joint=np.array([[0, 0], [5, 15]]))
    assert found.share(y) == pytest.approx(0.05)  # 20 * 5 / 20 of 100; the counts alone would give 5 / 20
    # 10 of 100 guesses of class 0 and 1 of 2 of class 1 are off: 80 * 0.1 + 20 * 0.5 of 100
    found = dataclasses.replace(some, joint=np.array([[90, 10], [1, 1]]))
    assert found.share(y) == pytest.approx(0.18)


def test_several_models_are_averaged_and_blocks_change_nothing(monkeypatch):
    y, proba = random_case(1)
    other = random_case(2)[1]
    together = confident_learning(y, [proba, other])
    monkeypatch.setattr(module, "BLOCK", 7)
    np.testing.assert_array_equal(together.guess, confident_learning(y, [(proba + other) / 2]).guess)


def test_columns_alone_see_the_same_issues_where_the_predicted_class_is_guessed():
    y, proba = random_case(3)
    whole = confident_learning(y, [proba])
    columns = confident_errors(y, proba.argmax(1), proba.max(1), proba[np.arange(len(y)), y], 4)
    assert not (columns.issues(y) & ~whole.issues(y)).any()
    np.testing.assert_array_equal(columns.issues(y), whole.issues(y) & (whole.guess == whole.named))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000))
def test_permuting_samples_permutes_the_issues(seed):
    y, proba = random_case(seed, n=40)
    order = np.random.default_rng(seed).permutation(len(y))
    np.testing.assert_array_equal(
        confident_learning(y[order], [proba[order]]).issues(y[order]), confident_learning(y, [proba]).issues(y)[order]
    )


def test_edges_one_class_a_class_without_samples_a_constant_model_no_samples():
    assert not confident_learning(np.zeros(3, int), [np.ones((3, 1))]).issues(np.zeros(3, int)).any()
    y = np.array([0, 0, 1])
    found = confident_learning(y, [np.tile([0.5, 0.25, 0.25], (3, 1))])
    assert found.thresholds[2] == np.inf
    assert found.issues(y).tolist() == [False, False, True]  # as sure as of its own images: it is always as sure
    empty = confident_learning(np.zeros(0, int), [np.ones((0, 2))])
    assert np.isnan(empty.share(np.zeros(0, int)))
    with pytest.raises(InvalidInputError, match="Received"):
        confident_learning(y, [np.ones((2, 3))])


def test_a_class_that_is_called_another_is_mixed_up():
    y, named = np.array([0, 0, 0, 1, 1, 1]), np.array([1, 1, 0, 1, 0, 1])
    assert mixed_up(y, named, 2).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "confusion"),  # one model, no neighbours: nobody speaks against the label
        ({"votes": np.array([2]), "n_models": 2}, "wrong_label"),
        ({"votes": np.array([1]), "n_models": 2}, "confusion"),
        ({"votes": np.array([2]), "n_models": 3}, "wrong_label"),  # two thirds are enough
        ({"near_named": 0.6, "near_label": 0.2}, "wrong_label"),
        ({"near_named": 0.5, "near_label": 0.2}, "confusion"),
        ({"near_named": 0.7, "near_label": 0.3}, "confusion"),
        ({"near_named": 1.0, "near_label": 0.0, "alike_named": 0.5, "alike_label": 0.5}, "confusion"),
        ({"near_named": 1.0, "near_label": 0.0, "mixed": np.array([True])}, "confusion"),
        ({"near_named": 1.0, "near_label": 0.0, "near_percentile": 99.0}, "wrong_label"),
        ({"near_named": 1.0, "near_label": 0.0, "near_percentile": 99.5}, "unlike_training"),
        ({"near_percentile": 50.0, "alike_percentile": 100.0}, "unlike_training"),
    ],
)
def test_kinds_by_hand(changes, kind):
    assert KINDS[issue_kinds(evidence(**changes))[0]] == kind


def test_scores_are_means_of_what_is_known():
    assert issue_scores(evidence(margin=0.2))[0] == pytest.approx(0.8)
    known = evidence(margin=0.0, votes=np.array([1]), n_models=4, near_named=0.7, near_label=0.1, alike_named=0.5,
                     alike_label=0.5)  # fmt: skip
    assert issue_scores(known)[0] == pytest.approx((1 + 0.25 + 0.8 + 0.5) / 4)


def test_nearest_rows_against_scipy_and_oneself_left_out():
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = nearest(rows, rows, 4, own=np.arange(300))
    by_scipy = cdist(rows, rows)
    np.fill_diagonal(by_scipy, np.inf)
    np.testing.assert_array_equal(found.numbers, np.argsort(by_scipy, axis=1)[:, :4])
    np.testing.assert_allclose(found.farthest, np.sort(by_scipy, axis=1)[:, 3], atol=1e-6)
    labels = rng.integers(0, 2, 300)
    by_hand = (labels[found.numbers] == labels[:, None]).mean(axis=1)
    np.testing.assert_allclose(found.shares(labels, labels), by_hand)


def test_fewer_rows_than_neighbours_and_none():
    rows = np.eye(2, dtype=np.float32)
    assert nearest(rows, rows, 5, own=np.arange(2)).numbers.tolist() == [[1], [0]]
    nobody = nearest(rows, rows[:0], 5)
    assert np.isnan(nobody.farthest).all()
    assert np.isnan(nobody.shares(np.zeros(0, int), np.zeros(2, int))).all()
    assert np.isnan(percentiles(np.ones(2), np.zeros(0))).all()
