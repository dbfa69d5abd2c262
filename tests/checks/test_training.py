"""DG401, DG402, DG403."""

from __future__ import annotations

import numpy as np
import pytest

from diag.checks import last_epoch, overfitting, underfitting
from diag.checks.curves import curves
from diag.checks.linear_baseline import LinearAnswers
from tests.checks.cases import found, make_case, one_hot, only, reason


def answers(n, accuracy, k=4):
    """Return (y_true, probabilities) with that share of right answers."""
    y = np.arange(n) % k
    return y, one_hot(np.where(np.arange(n) < round(accuracy * n), y, (y + 1) % k), k)


def history(train, val, loss=None, val_loss=None):
    n = len(train)
    loss = np.linspace(1, 0.1, n) if loss is None else loss
    val_loss = np.linspace(1, 0.2, n) if val_loss is None else val_loss
    return {"loss": loss, "accuracy": train, "val_loss": val_loss, "val_accuracy": val}


# DG401


def test_a_large_gap_between_training_and_test_images_is_a_warning():
    finding = only(overfitting.CHECK, make_case(*answers(500, 0.7), training=answers(500, 1.0)))
    assert finding.severity == "warning"
    assert finding.measured["gap"] == pytest.approx(0.3)
    # Agresti & Caffo: (501/502)(1/502)/502 and (351/502)(151/502)/502
    spread = np.sqrt((501 / 502 * 1 / 502 + 351 / 502 * 151 / 502) / 502)
    assert finding.measured["gap_low"] == pytest.approx(0.3 - 2.326 * spread)


def test_an_ordinary_gap_is_a_note_and_a_small_one_nothing():
    assert only(overfitting.CHECK, make_case(*answers(800, 0.92), training=answers(1000, 0.99))).severity == "note"
    assert found(overfitting.CHECK, make_case(*answers(800, 0.96), training=answers(1000, 0.99))) == []
    few = make_case(*answers(20, 0.9), training=answers(20, 1.0))  # ten points, on 20 images
    assert found(overfitting.CHECK, few) == []


def test_curves_that_part_are_a_warning():
    apart = history([0.6, 0.9, 1.0], [0.6, 0.7, 0.7])
    finding = only(overfitting.CHECK, make_case(*answers(100, 0.7), history=apart))
    assert finding.severity == "warning"
    assert finding.measured["curve_gap"] == pytest.approx(0.3)
    assert {row["part"] for row in finding.evidence[0].rows} == {"training", "validation"}


def test_the_better_of_last_and_best_epoch_is_what_curves_are_judged_by():
    kept = history([0.6, 0.9, 1.0], [0.6, 0.88, 0.8], val_loss=[1, 0.3, 0.5])
    assert found(overfitting.CHECK, make_case(*answers(100, 0.88), history=kept)) == []


def test_a_validation_loss_that_doubles_with_a_gap_is_a_warning():
    rising = history([0.6, 0.95, 1.0], [0.6, 0.88, 0.9], val_loss=[1, 0.3, 0.7])
    assert only(overfitting.CHECK, make_case(*answers(100, 0.9), history=rising)).severity == "warning"


def test_measured_images_outweigh_the_curves():
    apart = history([0.6, 0.9, 1.0], [0.6, 0.7, 0.7])
    case = make_case(*answers(500, 0.97), training=answers(500, 0.99), history=apart)
    assert only(overfitting.CHECK, case).severity == "note"


def test_without_training_data_and_history_nothing_is_said():
    case = make_case(*answers(100, 0.7))
    case._loaded.card = case.run.model.card
    assert "--train" in reason(overfitting.CHECK, case)
    assert "history" in reason(overfitting.CHECK, case)
    no_accuracy = make_case(*answers(100, 0.7), history={"loss": [1, 0.5]})
    assert "accuracy" in reason(overfitting.CHECK, no_accuracy)


# DG402


def test_a_loss_that_still_falls_at_a_low_accuracy_is_a_warning():
    short = history([0.2, 0.4, 0.6], [0.3, 0.45, 0.6], loss=[2.0, 1.6, 1.28], val_loss=[1.9, 1.5, 1.2])
    finding = only(underfitting.CHECK, make_case(*answers(100, 0.6), history=short))
    assert finding.severity == "warning"
    assert finding.measured["fall"] == pytest.approx(0.2)  # 1.28 = 2 * 0.8**2
    fair = history([0.2, 0.4, 0.9], [0.3, 0.45, 0.9], loss=[2.0, 1.6, 1.28], val_loss=[1.9, 1.5, 1.2])
    assert only(underfitting.CHECK, make_case(*answers(100, 0.9), history=fair)).severity == "note"


@pytest.mark.parametrize(
    "columns",
    [
        history([0.5, 0.9, 0.98], [0.5, 0.9, 0.97], loss=[2, 1, 0.5]),
        history([0.5, 0.6, 0.6], [0.5, 0.6, 0.6], loss=[2, 1.01, 1.0]),
        history([0.5, 0.6, 0.6, 0.6], [0.5, 0.6, 0.6, 0.6], loss=[2, 1.5, 1, 0.7], val_loss=[1, 2, 3, 4]),
    ],
    ids=["learned", "stands still", "overfits"],
)
def test_learned_settled_and_overfitted_curves_are_not_underfitted(columns):
    assert found(underfitting.CHECK, make_case(*answers(100, 0.6), history=columns)) == []


def with_linear(case, accuracy):
    y = case.run.samples["y_true"]
    n = len(y)
    predicted = np.where(np.arange(n) < round(accuracy * n), y, (y + 1) % 4)
    case.__dict__["linear"] = LinearAnswers(np.arange(n), predicted, 100, True)
    return case


def test_a_model_that_knows_less_than_a_linear_one_even_of_its_training_images():
    case = with_linear(make_case(*answers(500, 0.7), training=answers(500, 0.71)), 0.8)
    finding = only(underfitting.CHECK, case)
    assert finding.severity == "warning"
    assert finding.measured["linear_accuracy"] == 0.8
    assert found(underfitting.CHECK, with_linear(make_case(*answers(500, 0.7), training=answers(500, 0.71)), 0.6)) == []
    assert found(underfitting.CHECK, with_linear(make_case(*answers(500, 0.7), training=answers(500, 0.9)), 0.8)) == []
    assert found(underfitting.CHECK, with_linear(make_case(*answers(500, 0.95), training=answers(500, 0.96)), 1)) == []


def test_underfitting_needs_a_history_or_training_data():
    assert "--train" in reason(underfitting.CHECK, make_case(*answers(100, 0.7)))


# DG403


def test_the_saved_epoch_is_recognised_by_its_figures():
    case = make_case(*answers(400, 0.9))
    measured = case.run.figures()["log_loss"]
    columns = history([0.9, 0.97, 0.99], [0.8, 0.95, 0.9], val_loss=[0.9, measured / 2, measured])
    saved_last = make_case(*answers(400, 0.9), history=columns)
    finding = only(last_epoch.CHECK, saved_last)
    assert finding.severity == "warning"
    assert (finding.measured["epoch"], finding.measured["best_epoch"]) == (3, 2)
    assert finding.measured["loss_ratio"] == pytest.approx(2)
    assert finding.measured["accuracy_lost"] == pytest.approx(0.05)
    columns = history([0.9, 0.97, 0.99], [0.8, 0.9, 0.85], val_loss=[0.9, measured, 2 * measured])
    assert found(last_epoch.CHECK, make_case(*answers(400, 0.9), history=columns)) == []


def test_images_whose_probability_is_too_small_to_keep_may_add_to_keras_loss():
    y = np.arange(400) % 4
    sure = one_hot(np.where(np.arange(400) < 360, y, (y + 1) % 4), 4, 1 - 1e-9)
    clipped = make_case(y, sure).run.figures()["log_loss"]
    columns = history([0.9, 0.97, 0.99], [0.8, 0.95, 0.9], val_loss=[0.9, clipped / 2, 2 * clipped])
    finding = only(last_epoch.CHECK, make_case(y, sure, history=columns))
    assert (finding.severity, finding.measured["epoch"]) == ("warning", 3)


def test_other_data_leaves_it_open_which_epoch_was_saved():
    columns = history([0.9, 0.97, 0.99], [0.8, 0.95, 0.9], val_loss=[0.9, 0.1, 0.2])
    finding = only(last_epoch.CHECK, make_case(*answers(100, 0.7), history=columns))
    assert finding.severity == "note"
    assert "ends at epoch 3" in finding.message


def test_a_best_last_epoch_one_epoch_and_no_validation():
    rising = history([0.5, 0.7, 0.9], [0.5, 0.7, 0.9])
    assert found(last_epoch.CHECK, make_case(*answers(100, 0.9), history=rising)) == []
    assert "one epoch" in reason(last_epoch.CHECK, make_case(*answers(100, 0.9), history=history([0.5], [0.5])))
    assert "validation" in reason(last_epoch.CHECK, make_case(*answers(100, 0.9), history={"loss": [1, 2]}))


def test_curves_fill_gaps_and_find_other_names_of_accuracy():
    case = make_case(
        *answers(100, 0.9),
        history={"loss": [1, np.nan, 0.5], "sparse_categorical_accuracy": [0.1, 0.2, 0.3], "val_binary_accuracy": [1]},
    )
    drawn = curves(case.history)
    assert drawn.loss.tolist() == [1, 1, 0.5]
    assert drawn.accuracy.tolist() == [0.1, 0.2, 0.3]
    assert drawn.val_accuracy.tolist() == [1]
    assert drawn.val_loss is None
