"""Pseudo-labels of shipped models, and of answers that are made up: threshold, counts, warnings, CSV."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError
from diag.io.csv_out import csv_text
from tests.fakes import build_run

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"


def answers(confidence, y_pred, k=3):
    """Return probabilities with these largest ones, at these classes."""
    confidence = np.asarray(confidence, dtype=float)
    proba = np.repeat((1 - confidence[:, None]) / (k - 1), k, axis=1)
    proba[np.arange(len(confidence)), y_pred] = confidence
    return proba


class Data(SimpleNamespace):
    def __len__(self):
        return len(self.images)


def labelled_and_new(n=2000, m=400, seed=0):
    """Return a run whose answers are right above 0.8 and by chance below, and new images of the same kind."""
    rng = np.random.default_rng(seed)
    confidence, classes = rng.uniform(0.5, 1, n), rng.integers(0, 3, n)
    right = (confidence > 0.8) | (rng.random(n) < 0.4)
    y_true = np.where(right, classes, (classes + 1) % 3)
    new = answers(rng.uniform(0.5, 1, m), rng.integers(0, 3, m))
    return answers(confidence, classes), y_true, new


def asked(labelled, y_true, new, max_error=0.01, names=None, class_names=None):
    run = build_run(y_true, labelled, class_names=class_names)

    def predict_batches(images, batch_size):
        for start in range(0, len(images), batch_size):
            yield start, np.asarray(new[start : start + batch_size], dtype=np.float32)

    run.model.digest = "digest"
    run.model.predict_batches = predict_batches
    images = np.zeros((len(new), 2, 2, 1), np.uint8)
    data = Data(name="new", images=images, digest="new", sample_names=names)
    return diag.pseudo_labels(run.model, data, run, max_error, batch_size=64)


def test_candidates_are_the_images_above_a_threshold_that_keeps_errors_rare():
    labelled, y_true, new = labelled_and_new()
    found = asked(labelled, y_true, new)
    assert 0.79 < found.threshold < 0.95
    frame = found.frame()
    assert list(frame) == ["index", "name", "label", "class", "confidence", "expected_error"]
    assert (frame["confidence"] >= found.threshold).all()
    assert len(found) == (new.max(axis=1).astype(np.float32) >= found.threshold).sum()
    assert frame["confidence"].is_monotonic_decreasing
    assert (frame["label"] == new.argmax(axis=1)[frame["index"]]).all()
    assert (frame["expected_error"] < 0.01).all()
    assert found.tail.bound <= 0.01
    assert found.warnings == ()
    table = found.per_class()
    assert table["candidates"].sum() == len(found)
    assert table["predicted"].sum() == 400
    assert table["share"].sum() == pytest.approx(1)
    assert f"{len(found):,} of 400 images" in found.sentence()


def test_too_few_labelled_images_and_a_bad_model_give_no_candidates():
    labelled, y_true, new = labelled_and_new(n=300)
    few = asked(labelled, y_true, new)
    assert (len(few), len(few.frame())) == (0, 0)
    assert "528 labelled images without an error would be needed; there are 300." in few.sentence()
    assert np.isnan(few.threshold)
    bad = asked(answers(np.linspace(0.5, 1, 3000), np.zeros(3000, int)), np.arange(3000) % 3, new)
    assert "Even among the surest" in bad.sentence()
    assert bad.per_class()["share"].isna().all()


def test_it_warns_of_images_of_another_kind():
    labelled, y_true, _ = labelled_and_new()
    rng = np.random.default_rng(1)
    unsure = asked(labelled, y_true, answers(rng.uniform(0.4, 0.7, 300), rng.integers(0, 3, 300)))
    assert any("not as sure of the unlabelled images" in each for each in unsure.warnings)
    one_class = asked(labelled, y_true, answers(rng.uniform(0.5, 1, 300), np.zeros(300, int)))
    assert any("other shares among the unlabelled" in each for each in one_class.warnings)
    # All candidates are of class 0: the others are never sure.
    classes = rng.integers(0, 3, 600)
    confidence = np.where(classes == 0, 0.97, 0.6)
    uneven = asked(labelled, y_true, answers(confidence, classes), class_names=("a", "b", "c"))
    assert any("Candidates have other class shares" in each for each in uneven.warnings)
    assert asked(labelled, y_true, np.zeros((0, 3))).warnings == ("There are no unlabelled images.",)


def test_texts_of_files_cannot_become_formulas():
    labelled, y_true, new = labelled_and_new(m=3)
    new[:, :] = answers([0.99, 0.98, 0.97], [0, 1, 2])
    found = asked(labelled, y_true, new, names=("=HYPERLINK(1)", "+x", "@y"), class_names=("-a", "b", "c"))
    rows = list(csv.DictReader(csv_text(found.frame()).splitlines()))
    assert [row["name"] for row in rows] == ["'=HYPERLINK(1)", "'+x", "'@y"]
    assert [row["class"] for row in rows] == ["'-a", "b", "c"]


def test_what_is_asked_wrongly_is_refused():
    labelled, y_true, new = labelled_and_new(n=50, m=5)
    for wrong in (0, 1, -0.1, float("nan")):
        with pytest.raises(InvalidInputError, match="a share between 0 and 1"):
            asked(labelled, y_true, new, wrong)
    run = build_run(y_true, labelled)
    run.model.digest = "digest"
    other = SimpleNamespace(name="other", digest="another")
    with pytest.raises(InvalidInputError, match="expected an evaluation of other"):
        diag.pseudo_labels(other, Data(images=np.zeros((1, 2, 2, 1))), run)
    large = Data(name="large", images=np.zeros((1, 9, 9, 1)))
    with pytest.raises(InvalidInputError, match="expected images of 2x2x1"):
        diag.pseudo_labels(run.model, large, run)


def test_a_shipped_model_labels_images_with_as_few_errors_as_it_says():
    model = diag.load_model(SHIPPED / "logistic_l2.skops")
    data, new = diag.load_dataset("digits"), diag.load_dataset("digits", "train")
    run = diag.evaluate(model, data)
    found = diag.pseudo_labels(model, new, run, max_error=0.05)
    assert len(found) > 300
    right = found.frame()["label"].to_numpy() == np.asarray(new.labels)[found.indices]
    assert 1 - right.mean() <= 0.05
    shown = diag.predict(model, new)
    assert np.array_equal(found.y_pred, shown.argmax(axis=1))
    assert found.confidence == pytest.approx(shown.max(axis=1))
