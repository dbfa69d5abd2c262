"""Calibration of runs: figures, frames, bins down to their images, the cache, and what cannot be computed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import softmax

import diag
from diag.errors import CheckNotApplicable, InvalidInputError
from diag.io import store
from diag.results import calibration as module
from diag.results.calibration import COLUMNS, calibration
from diag.results.probabilities import sampled_rows
from tests.fakes import build_run


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_CACHE_DIR", str(tmp_path / "cache"))


def planted(n=1500, k=5, temperature=2.0, seed=0):
    """Return the run of a model whose probabilities are too bold by a temperature."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, k))
    y_true = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return build_run(y_true, softmax(logits * temperature, axis=1), name="bold")


def test_a_bold_model_is_called_over_confident_and_its_temperature_is_found():
    run = planted()
    found = diag.calibration(run)
    figures = found.figures()
    assert figures["ece"] == run.figures()["ece"]
    assert figures["brier"] == run.figures()["brier"]
    assert figures["ece_low"] < figures["ece"] < figures["ece_high"]
    assert figures["ece_p_value"] < 0.01
    assert figures["temperature"] == pytest.approx(2, rel=0.1)
    assert figures["ece_after"] < figures["ece_before"] / 3
    assert figures["ece_before"] == pytest.approx(figures["ece"])
    assert figures["log_loss_before"] == pytest.approx(figures["log_loss"])
    parts = figures["reliability"] - figures["resolution"] + figures["uncertainty"] + figures["within"]
    assert parts == pytest.approx(figures["brier"], abs=1e-6)
    text = found.sentence()
    assert text.startswith("bold is over-confident: on average it is ")
    assert "brings the calibration error from" in text
    assert found.frame().loc["bold", "ece"] == figures["ece"]
    assert list(found.temperature_frame().index) == ["before", "after"]


def test_a_calibrated_model_is_let_be():
    text = diag.calibration(planted(temperature=1.0)).sentence()
    assert "neither over- nor under-confident" in text
    assert "may well be calibrated" in text
    shy = diag.calibration(planted(temperature=0.5)).sentence()
    assert "under-confident" in shy


def test_what_chance_explains_is_not_called_over_or_under_confidence():
    # 50 images, all right at .99, and 3 at .5: "1.0 points (95% 1.0 to 1.0)" would be no interval.
    sure = build_run(np.zeros(50, int), np.tile([0.99, 0.01], (50, 1)))
    even = build_run(np.zeros(3, int), np.tile([0.5, 0.5], (3, 1)))
    for run in (sure, even):
        found = calibration(run)
        figures = found.figures()
        assert figures["overconfidence_low"] < 0 < figures["overconfidence_high"]
        assert figures["ece_low"] == 0
        assert "neither over- nor under-confident" in found.sentence()
        assert "may well be calibrated" in found.sentence()
    # Where only the mean leans and the test of the error does not agree, both are said and nothing is claimed.
    values = {**found.figures(), "overconfidence": 0.02, "overconfidence_low": 0.001, "overconfidence_high": 0.04}
    text = dataclasses.replace(found, values={**values, "ece_p_value": 0.08}).sentence("O")
    assert text.startswith("On average O is 2.0 points more sure than it is right (95% 0.1 to 4.0), but the test")
    assert "over-confident" not in text


def test_one_hot_answers_have_no_temperature():
    labels = np.arange(400) % 10
    proba = np.eye(10)[np.where(np.arange(400) < 20, (labels + 1) % 10, labels)]  # 95 % right
    found = calibration(build_run(labels, proba))
    assert found.scaled is None
    assert np.isnan(found.figures()["temperature"])
    assert any("only 0 and 1 in 100 % of the images" in note for note in found.notes)
    assert np.isfinite(found.figures()["brier_of_parts"])


def test_ninety_five_to_a_hundred_per_cent_sure_and_wrong():
    run = planted()
    found = calibration(run)
    confidence, wrong = run.samples["confidence"], ~run.correct_mask
    indices = found.bin_samples(19)
    assert set(indices) == set(np.flatnonzero(wrong & (confidence > 0.95)))
    assert (np.diff(confidence[indices]) <= 0).all()
    frame = found.bins_frame()
    assert frame["low"].tolist() == pytest.approx(np.arange(20) / 20)
    for row in frame.itertuples():
        assert len(found.bin_samples(row.bin)) == row.wrong
        assert len(found.bin_samples(row.bin, wrong=False)) == row.count - row.wrong
        assert len(found.bin_samples(row.bin, wrong=None)) == row.count
    mass = found.bins_frame("mass")
    assert [len(found.bin_samples(number, None, "mass")) for number in mass["bin"]] == mass["count"].tolist()
    assert found.bins_frame("scaled")["count"].sum() == len(run)
    assert list(frame.columns) == ["bin", *COLUMNS, "gap"]
    with pytest.raises(InvalidInputError, match="kind: expected"):
        found.bins_frame("height")


def test_it_is_kept_by_content_and_the_same_when_read(monkeypatch):
    run = planted()
    first = calibration(run)
    monkeypatch.setattr(module, "_measured", lambda *_: pytest.fail("measured again"))
    second = calibration(dataclasses.replace(run))
    assert second.figures() == first.figures()
    np.testing.assert_array_equal(second.scaled.loss, first.scaled.loss)
    np.testing.assert_array_equal(second.bins["mass"], first.bins["mass"])
    assert store.usage()[0] == 1
    assert not first.bins["width"].flags.writeable
    assert not second.classes.flags.writeable


def test_without_probabilities_confidences_still_speak():
    run = dataclasses.replace(planted(), proba=None)
    found = calibration(run)
    assert np.isfinite(found.figures()["ece_equal_mass"])
    assert np.isnan(found.figures()["temperature"])
    assert found.scaled is None
    assert "expected all probabilities" in found.notes[0]
    assert found.sentence().endswith("with so many images.")
    with pytest.raises(CheckNotApplicable, match="expected all probabilities"):
        found.class_frame()
    with pytest.raises(CheckNotApplicable, match="no temperature"):
        found.bins_frame("scaled")


def test_very_many_probabilities_are_sampled_and_a_note_says_so(monkeypatch):
    monkeypatch.setattr("diag.results.probabilities.MOST_NUMBERS", 2500)
    run = planted()
    assert len(sampled_rows(run)) == 500
    found = calibration(run)
    assert found.notes == (
        "Temperature, classwise error and the parts of the Brier score: from a random 500 of the 1,500 images.",
    )
    assert found.figures()["ece"] == run.figures()["ece"]
    assert len(found.scaled.loss) == 500
    figures, rows = found.figures(), found.rows
    parts = figures["reliability"] - figures["resolution"] + figures["uncertainty"] + figures["within"]
    assert figures["brier_of_parts"] == pytest.approx(run.samples["brier"][rows].mean())
    assert figures["brier_of_parts"] == pytest.approx(parts)
    assert figures["brier"] == run.figures()["brier"] != pytest.approx(figures["brier_of_parts"])
    assert "On 500 sampled images, a temperature of" in found.sentence()
    # Each class has the same share of the sample as of all images, to one image.
    shares = np.bincount(run.samples["y_true"][rows]) - np.bincount(run.samples["y_true"]) / 3
    assert (np.abs(shares) < 1 + 1e-9).all()
    ranked = diag.discrimination(run)
    counts = ranked.class_frame().sort_values("class_number")["count"]
    assert counts.tolist() == np.bincount(run.samples["y_true"][rows]).tolist()
    assert ranked.share(2) == counts.iloc[2] / 500


@pytest.mark.parametrize(
    "run",
    [
        build_run(np.zeros(0, int), np.zeros((0, 3))),
        build_run([0], [[0.3, 0.7]]),
        build_run([0, 0, 0], np.ones((3, 1))),
        build_run(np.arange(30) % 3, np.eye(3)[np.arange(30) % 3]),
        build_run(np.arange(30) % 3, np.eye(4)[np.zeros(30, int)]),
        build_run(np.arange(30) % 3, np.full((30, 3), 1 / 3)),
    ],
    ids=["none", "one image", "one class", "perfect", "constant", "uniform"],
)
def test_odd_runs(run):
    found = calibration(run)
    assert found.sentence()
    assert found.bins_frame()["count"].sum() == len(run)
    assert len(found.class_frame()) == run.n_classes
    assert found.frame().shape[0] == 1
    assert found.temperature_frame().shape == (2, 3)


def test_classes_are_listed_worst_first():
    frame = calibration(planted()).class_frame()
    assert (frame["ece"].diff().dropna() <= 0).all()
    assert frame["share"].sum() == pytest.approx(1)
    assert frame["probability"].sum() == pytest.approx(1, abs=1e-5)
