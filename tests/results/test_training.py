"""The training of several models side by side."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import diag
from diag.errors import InvalidInputError
from diag.io.histories import History
from diag.results.comparison import Comparison
from diag.results.training import training, training_frame
from tests.fakes import build_run

RISING = {
    "loss": [1.0, 0.5, 0.3, 0.1],
    "accuracy": [0.5, 0.7, 0.9, 1.0],
    "val_loss": [1.0, 0.6, 0.7, 1.5],
    "val_accuracy": [0.5, 0.75, 0.7, 0.7],
}


def history(**columns):
    return History("h.csv", {name: np.asarray(values, dtype=float) for name, values in columns.items()})


def model_run(tmp_path, columns, proba, name="model"):
    run = build_run(np.zeros(len(proba), int), proba, name)
    path = tmp_path / f"{name}.json"
    if columns is not None:
        path.write_text(json.dumps(columns))
    run.model.card = SimpleNamespace(history=path)
    return run


def sure(*p_true):
    return np.array([[p, 1 - p] for p in p_true])


def test_best_epoch_values_and_gaps():
    row = training({"a": history(**RISING)}).frame().iloc[0]
    assert (row["model"], row["epochs"], row["best_epoch"]) == ("a", 4, 2)
    assert (row["best_val_loss"], row["last_val_loss"]) == (0.6, 1.5)
    assert (row["best_val_accuracy"], row["last_val_accuracy"]) == (0.75, 0.7)
    assert (row["gap_best"], row["gap_last"]) == pytest.approx((-0.05, 0.3))
    assert row["loss_rise"] == pytest.approx(2.5)
    assert row["saved"] == "cannot tell"


def test_what_was_saved_is_told_on_the_validation_data(tmp_path):
    # Four images, probabilities of the true class chosen so that the loss is -mean(log p): by hand for each epoch.
    p_last, p_best = (0.2, 0.4, 0.9, 0.95), (0.3, 0.7, 0.8, 0.9)
    losses = [-np.log(values).mean() for values in (p_best, p_last)]
    columns = {"val_loss": [2.0, losses[0], 1.7, losses[1]], "val_accuracy": [0.25, 0.75, 0.5, 0.5]}
    for p_true, saved, epoch in ((p_best, "best", 2), (p_last, "last", 4), ((0.1, 0.2, 0.3, 0.9), "cannot tell", None)):
        run = model_run(tmp_path, columns, sure(*p_true))
        found = training(Comparison.from_runs([run])).runs[0]
        assert (found.saved, found.saved_epoch) == (saved, epoch)
    assert "not the validation images" in found.saved_reason
    told = training(Comparison.from_runs([model_run(tmp_path, columns, sure(*p_last))]))
    sign = told.signs().set_index("sign").loc["saved_later"]
    assert sign["severity"] == "warning"
    assert "holds epoch 4 and not the best one, 2: 25.0 points" in sign["text"]


def test_a_last_epoch_that_is_the_best_needs_no_telling_and_no_validation_cannot():
    found = training({"a": history(val_loss=[2, 1]), "b": history(loss=[2, 1])}).runs
    assert (found[0].saved, found[0].saved_epoch) == ("best and last", 2)
    assert (found[1].saved, found[1].best) == ("cannot tell", None)
    assert found[1].saved_reason == "The history holds no validation figures."


@pytest.mark.parametrize(
    ("columns", "signs"),
    [
        ({**RISING, "accuracy": [0.5, 0.95, 0.97, 1.0]}, ["overfitting"]),
        (
            {
                "loss": [1.0, 0.8, 0.6],
                "accuracy": [0.5, 0.7, 0.9],
                "val_loss": [1, 0.9, 0.8],
                "val_accuracy": [0.1, 0.1, 0.1],
            },
            ["overfitting"],
        ),  # the loss falls still: not underfitting too
        (RISING, ["rising_loss"]),  # training and validation are level at the best epoch: the doctor's rule
        ({"loss": [1.0, 0.9, 0.8], "accuracy": [0.2, 0.3, 0.4], "val_loss": [1, 0.9, 0.8]}, ["underfitting"]),
        ({"loss": [1.0, 0.5, 0.4], "val_loss": [1, 0.9, 0.8]}, ["still_improving"]),
        ({"loss": [1.0, 0.5, np.nan], "val_loss": [1, 0.9, 0.95]}, ["not_finite"]),
        ({"loss": [1.0, 0.5, 3.0, 0.4, 4.0, 0.4]}, ["unstable"]),
        ({"loss": [1.0, 0.9, 0.9], "lr": [0.1, 0.01, 0.01]}, ["learning_rate"]),
        ({"loss": [1.0]}, []),
    ],
)
def test_signs_in_words(columns, signs):
    frame = training({"a": history(**columns)}).signs()
    assert frame["sign"].tolist() == signs
    assert all(text.endswith(".") for text in frame["text"])


def test_a_history_that_was_validated_every_second_epoch():
    na = np.nan
    found = training({"a": history(
        loss=[2.0, 1.5, 1.0, 0.9, 0.8], accuracy=[0.5, 0.6, 0.7, 0.8, 0.9],
        val_loss=[na, 1.1, na, 0.9, na], val_accuracy=[na, 0.5, na, 0.75, na],
    )})  # fmt: skip
    row = found.frame().iloc[0]
    assert (row["epochs"], row["best_epoch"]) == (5, 4)
    assert (row["best_val_loss"], row["last_val_loss"]) == (0.9, 0.9)
    assert (row["gap_best"], row["gap_last"]) == pytest.approx((0.05, 0.05))
    assert "not_finite" not in found.signs()["sign"].tolist()
    assert found.gaps()["epoch"].tolist() == [2, 4]
    drawn = found.curves("loss")
    assert drawn[drawn["split"] == "validation"]["epoch"].tolist() == [2, 4]
    assert drawn["best"].sum() == 2


def test_warnings_stand_before_notes():
    columns = {**RISING, "accuracy": [0.5, 0.95, 0.97, 1.0], "lr": [0.1, 0.1, 0.01, 0.01]}
    frame = training({"a": history(**columns)}).signs()
    assert frame["severity"].tolist() == ["warning", "note"]
    assert "at epoch 3, from 0.1 to 0.01" in frame["text"].iloc[1]


def test_models_without_a_history_say_why_in_one_line_without_folders(tmp_path):
    runs = [
        model_run(tmp_path, RISING, sure(0.9), "told"),
        model_run(tmp_path, None, sure(0.9), "missing"),
        build_run([0], sure(0.9), "bare"),
    ]
    found = training(Comparison.from_runs(runs))
    assert [run.name for run in found.told] == ["told"]
    assert len(found.runs) == 3
    missing, bare = found.notes()
    assert missing.startswith("missing: 'missing.json': no such training history")
    assert str(tmp_path) not in missing
    assert bare == "bare: The model card names no training history."


def test_frames_are_tidy_and_histories_overlay_without_models():
    frame = training_frame({"a": history(**RISING), "b": history(loss=[1, np.nan], lr=[0.1, 0.1])})
    assert list(frame.columns) == ["run", "epoch", "metric", "split", "value"]
    assert len(frame) == 4 * 4 + 3
    assert frame["value"].notna().all()
    assert len(diag.training_frame({})) == 0
    with pytest.raises(InvalidInputError, match="at least one history"):
        training({})


def test_metrics_come_in_order_and_curves_mark_the_best_epoch():
    found = training({"a": history(lr=[1, 1], auc=[0.5, 0.6], **{k: v[:2] for k, v in RISING.items()})})
    assert found.metrics() == ["loss", "accuracy", "auc", "lr"]
    frame = found.curves("loss")
    assert set(frame["metric"]) == {"loss"}
    assert frame[frame["best"]]["epoch"].tolist() == [2, 2]
    gaps = found.gaps()
    assert gaps["gap"].tolist() == pytest.approx([0.0, -0.05])
    assert len(training({"b": history(loss=[1])}).gaps()) == 0


def test_long_histories_are_thinned_but_keep_first_best_and_last():
    n = 20_000
    val_loss = np.abs(np.arange(n) - 7777) + 1.0
    found = training({name: history(loss=np.ones(n), val_loss=val_loss) for name in "abc"})
    frame = found.curves("loss")
    assert len(frame) <= 5000
    for _, part in frame[frame["split"] == "validation"].groupby("model"):
        assert {1, 7778, n} <= set(part["epoch"])


def test_a_comparison_and_its_histories_give_the_same_frame(tmp_path):
    run = model_run(tmp_path, RISING, sure(0.9, 0.8), "a")
    told = training(Comparison.from_runs([run])).frame().drop(columns="saved_reason")
    pd.testing.assert_frame_equal(told, training({"a": history(**RISING)}).frame().drop(columns="saved_reason"))
