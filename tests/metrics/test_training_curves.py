"""What curves show, on curves short enough to see it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import CheckNotApplicable
from diag.metrics import training_curves as curves


def drawn(**columns):
    return curves.training_curves({name: np.asarray(values, dtype=float) for name, values in columns.items()})


def test_the_best_epoch_is_that_of_the_loss_and_else_of_the_accuracy():
    assert drawn(val_loss=[3, 1, 2], val_accuracy=[0.1, 0.2, 0.9]).best == 1
    assert drawn(loss=[1, 1, 1], val_accuracy=[0.1, 0.9, 0.9]).best == 1
    with pytest.raises(CheckNotApplicable, match="no validation figures"):
        _ = drawn(loss=[1, 2]).best


def test_a_loss_that_stops_being_a_number_is_found_and_a_gap_is_not():
    assert drawn(loss=[2, np.nan, 1]).broken is None
    assert drawn(loss=[2, 1, np.nan], val_loss=[1, np.inf, np.nan]).broken == 1
    assert drawn(loss=[np.nan, np.nan]).broken is None
    assert drawn(loss=[np.nan, np.nan]).loss is None


NA = np.nan


def test_validation_at_some_epochs_only_is_no_fault():
    # Keras with validation_freq=2: a gap in the validation figures is neither a broken loss nor their absence
    fifth = drawn(loss=[2, 1.5, 1, 0.8, 0.7], val_loss=[NA, 1.1, NA, 0.9, NA], val_accuracy=[NA, 0.5, NA, 0.7, NA])
    assert (fifth.broken, fifth.best) == (None, 3)
    first = drawn(loss=[2, 1.5, 1, 0.8], val_loss=[1.9, NA, 0.9, NA])
    assert (first.broken, first.best) == (None, 2)
    assert drawn(loss=[2, 1, NA, NA], val_loss=[NA, 1, NA, NA]).broken == 2  # the training loss says so
    assert drawn(loss=[2, 1, 1, 1], val_loss=[1, 0.9, NA, NA]).broken == 2  # was there every epoch before
    assert drawn(loss=[2, 1, 1, 1, 1], val_loss=[NA, 1, NA, np.inf, NA]).broken == 3
    assert drawn(val_loss=[NA, NA]).val_loss is None


def test_figures_are_those_of_validated_epochs():
    found = drawn(
        loss=[2.0, 1.5, 1.0, 0.8, 0.7], accuracy=[0.2, 0.4, 0.6, 0.8, 0.9],
        val_loss=[NA, 0.6, NA, 0.9, NA], val_accuracy=[NA, 0.4, NA, 0.5, NA],
    )  # fmt: skip
    assert curves.loss_rise(found) == pytest.approx(1.5)  # 0.9 / 0.6
    signs = curves.overfitting_signs(found)
    assert (signs["epoch"], signs["gap"]) == (2, 0.0)  # epoch 2 is the best one, 0.4 - 0.4; epoch 4 has 0.3
    assert curves.accuracy_gap(found, -1) == pytest.approx(0.3)
    assert np.isnan(curves.accuracy_gap(found, 0))
    assert curves.given_away(found, 4, 1) == pytest.approx((-0.1, 1.5))  # epoch 5 counts with the figures of epoch 4
    assert curves.underfitting_signs(found)["improving"]  # the best is one of the last two validated
    assert curves.matching_epoch(found, 0.9, 0.5, np.full(10, 0.5)) == 3


def test_gap_and_rise():
    found = drawn(accuracy=[0.6, 0.9, 1.0], val_accuracy=[0.6, 0.8, 0.8], val_loss=[1.0, 0.4, 0.8])
    signs = curves.overfitting_signs(found)
    assert signs["epoch"] == 2  # the gap is 0.1 at the best epoch and 0.2 at the last
    assert signs["gap"] == pytest.approx(0.1)
    assert signs["rise"] == pytest.approx(2.0)
    assert curves.accuracy_gap(found, -1) == pytest.approx(0.2)
    assert not curves.is_overfitted({"gap": 0.09, "rise": 2.0})
    assert curves.is_overfitted({"gap": 0.09, "rise": 2.1})
    assert curves.is_overfitted({"gap": 0.11, "rise": 1.0})


def test_fall_and_what_was_given_away():
    found = drawn(loss=[1.0, 0.8, 0.6], accuracy=[0.1, 0.2, 0.3], val_loss=[1, 0.5, 0.75], val_accuracy=[0.1, 0.6, 0.5])
    signs = curves.underfitting_signs(found)
    assert signs["fall"] == pytest.approx(0.2)  # 0.2 of 1.0 before 0.25 of 0.8
    assert signs["accuracy"] == 0.5
    assert curves.given_away(found, 2, 1) == pytest.approx((0.1, 1.5))


def test_spikes_and_drops_of_the_learning_rate():
    assert curves.spikes(drawn(loss=[1, 0.1, 0.2, 0.1])) == []  # doubled, and far below where it came from
    assert curves.spikes(drawn(loss=[1, 0.9, 0.8, 2.0, 0.7, 1.9])) == [3, 5]
    assert curves.spikes(drawn(val_loss=[1])) == []
    assert curves.rate_drops(drawn(loss=[1, 1], learning_rate=[0.1, 0.099])) == []
    assert curves.rate_drops(drawn(loss=[1, 1, 1], lr=[0.1, 0.05, 0.025])) == [1, 2]


def test_an_epoch_matches_when_loss_and_accuracy_do_and_no_other_does():
    found = drawn(val_loss=[1.0, 0.5, 0.4], val_accuracy=[0.5, 0.9, 0.9])
    p_true = np.full(100, 0.6)
    assert curves.matching_epoch(found, 0.5005, 0.9, p_true) == 1
    assert curves.matching_epoch(found, 0.45, 0.9, p_true) is None
    assert curves.matching_epoch(found, 0.5, 0.8, p_true) is None
    assert curves.matching_epoch(found, 0.5, 0.9, np.empty(0)) is None
    twice = drawn(val_loss=[0.5, 0.5], val_accuracy=[0.9, 0.9])
    assert curves.matching_epoch(twice, 0.5, 0.9, p_true) is None


values = st.lists(st.floats(0.001, 10) | st.just(np.nan), min_size=1, max_size=12)


@given(values, values)
@settings(max_examples=60, deadline=None)
def test_any_history_is_survived(loss, val_loss):
    n = min(len(loss), len(val_loss))
    found = drawn(loss=loss[:n], val_loss=val_loss[:n], lr=loss[:n])
    if found.val_loss is not None:
        assert 0 <= found.best < n
        assert curves.loss_rise(found) >= 1
    assert all(0 < epoch < n for epoch in [*curves.spikes(found), *curves.rate_drops(found)])
