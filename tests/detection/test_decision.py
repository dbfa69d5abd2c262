"""Choosing and testing, on answers made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.detection.conventions import Convention, Units, conventions
from diag.detection.decision import decide, sign_flip_p
from diag.detection.scores import Score, stratified_order
from diag.io.preprocessing import Preprocessing

N = 200


def score(n_right, loss_right=0.1, loss_wrong=2.0, start=0, wrong=9):
    """Return a score with `n_right` right answers (class 0) from `start` on; wrong ones say `wrong`."""
    correct = np.zeros(N, dtype=bool)
    correct[np.arange(start, start + n_right) % N] = True
    return Score(correct, np.where(correct, loss_right, loss_wrong), np.where(correct, 0, wrong))


def test_a_score_by_hand():
    proba = np.array([[0.5, 0.5], [0.25, 0.75], [np.nan, 0.1]], np.float32)
    found = Score.of(proba, np.array([0, 0, 0]))
    assert found.correct.tolist() == [True, False, False]
    assert found.predicted.tolist() == [0, 1, -1]
    np.testing.assert_allclose(found.loss[:2], [np.log(2), np.log(4)], rtol=1e-6)
    assert found.loss[2] == pytest.approx(-np.log(np.finfo(np.float32).eps))  # NaN is as wrong as can be


def test_more_right_answers_win():
    # 40 images right only with the second, none only with the first: p = 2 * 0.5**40, doubled for two tests.
    found = decide([score(140), score(180)], [(0,), (1,)])
    assert (found.best, found.status, found.ties) == (1, "decided", ())
    assert found.p_values == (pytest.approx(4 * 0.5**40), None)
    assert found.agreement == (0.8, 1.0)


def test_the_log_loss_decides_where_accuracy_cannot():
    found = decide([score(180, loss_right=0.9), score(180)], [(0,), (1,)])
    assert (found.best, found.status) == (1, "decided")
    assert found.p_values[0] < 0.01


def test_a_slightly_smaller_log_loss_decides_nothing():
    # Surer answers, none wrong: what inputs that are too large do.
    found = decide([score(200, loss_right=0.01), score(200, loss_right=0.0)], [(0,), (1,)])
    assert (found.best, found.status, found.p_values) == (0, "equivalent", (None, None))


def test_a_smaller_log_loss_with_fewer_right_answers_does_not_beat_the_usual():
    usual, surer = score(172, loss_right=0.4), score(170, loss_right=0.25, start=0)
    assert decide([usual, surer], [(0,), (1,)]).best == 0
    assert decide([usual, surer], [(1,), (0,)]).best == 1
    much_surer = score(170, loss_right=0.02, loss_wrong=0.9)
    assert decide([score(172, loss_right=0.8, loss_wrong=3.0), much_surer], [(0,), (1,)]).best == 1


def test_two_that_are_as_good_and_say_other_things_are_undecided():
    found = decide([score(150), score(150, start=50, wrong=3)], [(0,), (1,)])
    assert (found.best, found.status, found.ties) == (0, "undecided", (1,))
    assert found.p_values == (None, 1.0)


@settings(deadline=None)
@given(st.permutations(range(4)))
def test_the_order_of_candidates_does_not_matter(order):
    scores = [score(150), score(190), score(189, loss_right=0.11), score(60)]
    unusual = [(0,), (1,), (2,), (3,)]
    shuffled = decide([scores[place] for place in order], [unusual[place] for place in order])
    assert order[shuffled.best] == 1
    assert shuffled.status == "decided"


def test_sign_flips():
    rng = np.random.default_rng(0)
    assert sign_flip_p(np.full(40, 0.3), rng) == 1 / 2000
    # Three equal differences: 2 of the 8 ways to flip are as far from 0, p = 1/4.
    assert sign_flip_p(np.ones(3), rng) == pytest.approx(0.25, abs=0.03)
    assert sign_flip_p(np.array([1.0, -1.0]), rng) == 1.0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 20))
def test_every_beginning_has_as_many_of_each_class_as_can_be(labels, seed):
    labels = np.asarray(labels)
    order = stratified_order(labels, seed)
    assert sorted(order.tolist()) == list(range(len(labels)))
    sizes = np.bincount(labels, minlength=5)
    for n in (1, len(labels) // 2, len(labels)):
        counts = np.bincount(labels[order[:n]], minlength=5)
        open_classes = counts[counts < sizes]
        assert open_classes.size == 0 or counts.max() - open_classes.min() <= 1


@pytest.mark.parametrize(
    ("values", "units"),
    [
        (np.array([0, 90], np.uint8), (0, 255)),
        (np.array([0, 1], np.uint8), (0, 1)),
        (np.array([0.0, 0.4]), (0, 1)),
        (np.array([0.0, 15.0]), (0, 16)),
        (np.array([-0.5, 0.5]), (-0.5, 0.5)),
        (np.array([-1.0, 0.2]), (-1, 1)),
        (np.array([0, 60_000], np.uint16), (0, 65_535)),
    ],
)
def test_the_range_of_pixels(values, units):
    assert Units.of(values) == Units(*map(float, units), known=True)
    assert not Units.of(np.array([-3.0, 4.0])).known


@pytest.mark.parametrize("units", [Units(0.0, 255.0, True), Units(-1.0, 1.0, True), Units(0.0, 16.0, True)])
@pytest.mark.parametrize("negative", [False, True])
def test_conventions_by_their_formula(units, negative):
    # Black, grey and white in the data's units are 0, 1/4 and 1 (or 1, 3/4 and 0) before mean and deviation.
    pixels = units.low + (units.high - units.low) * np.array([0, 0.25, 1])
    images = np.repeat(pixels.reshape(1, 1, 3, 1), 3, axis=3)
    share = np.array([1, 0.75, 0]) if negative else np.array([0, 0.25, 1])
    for convention in (
        Convention("0 to 1", 1.0),
        Convention("-1 to 1", 2.0, 1.0),
        Convention("own", 255.0, (10.0, 20.0, 30.0), (2.0, 3.0, 4.0)),
    ):
        steps = Preprocessing(**convention.fields(units, negative, reverse=False))
        expected = (share[:, None] * convention.white - np.asarray(convention.mean)) / np.asarray(convention.std)
        expected = np.broadcast_to(expected, (3, 3))
        np.testing.assert_allclose(steps.apply(images.astype(np.float64))[0, 0], expected, atol=2e-3)


def test_what_is_tried_first_is_usual():
    images = np.random.default_rng(0).integers(0, 255, (5, 8, 8, 3), dtype=np.uint8)
    names = [each.name for each in conventions(images, Units.of(images), (8, 8, 3), rescales=False)]
    assert names[:2] == ["0 to 1", "0 to 255"]
    assert len(set(names)) == len(names)
    assert conventions(images, Units.of(images), (8, 8, 3), rescales=True)[0].name == "0 to 255"
    known = [each.name for each in conventions(images[..., :1], Units.of(images), (28, 28, 1), rescales=False)]
    assert "MNIST's mean and standard deviation" in known


def test_a_few_lucky_right_answers_do_not_beat_the_usual_one():
    # 2 more right answers of 200, none fewer: two standard errors are 2 * sqrt(2) / 200 = 1.4 points; 1 point is less.
    usual, other = score(196), score(198)
    assert decide([usual, other], [(0,), (1,)]).best == 0
    # 8 more: two standard errors are 2 * sqrt(8) / 200 = 2.8 points, the difference is 4.
    assert decide([score(190), other], [(0,), (1,)]).best == 1
