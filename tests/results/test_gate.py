"""Outcomes of a gate. Expected values are worked out by hand unless a test names another source."""

from __future__ import annotations

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError
from diag.results.comparison import Comparison
from diag.results.gate import gate
from tests.fakes import build_run

NAMES = ["cat", "traffic light", "dog"]


def proba(answers, k=3, confidence=0.8):
    if k == 1:
        return np.ones((len(answers), 1))
    values = np.full((len(answers), k), (1 - confidence) / (k - 1))
    values[np.arange(len(answers)), answers] = confidence
    return values


def pair(y_true, old, new, names=NAMES, **options):
    k = len(names)
    runs = [
        build_run(np.asarray(y_true), proba(np.asarray(each), k), name, names, **options)
        for name, each in (("old", old), ("new", new))
    ]
    return Comparison.from_runs(runs)


def hundred():
    """100 images of class 0: both right 80, only OLD 12, only NEW 4, both wrong 4."""
    right = np.zeros(100, int)
    old, new = right.copy(), right.copy()
    new[80:92] = 1
    old[92:96] = 1
    old[96:], new[96:] = 1, 2
    return pair(right, old, new)


def only(comparison, text, **options):
    found = gate(comparison, [text], **options)
    assert len(found.outcomes) == 1
    return found.outcomes[0]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("accuracy drops 8pp", "failed"),  # exactly the limit
        ("accuracy drops 8.01pp", "held"),
        ("accuracy drops", "failed"),
        ("accuracy rises", "held"),
        ("accuracy < 0.84", "held"),
        ("accuracy <= 84%", "failed"),
        ("accuracy drops 0.5pp p<0.05", "held"),  # p = 0.0768
        ("accuracy drops 0.5pp p<0.1", "failed"),
        ("accuracy drops 15pp ci", "failed"),  # the interval ends at 15.62
        ("accuracy drops 15.7pp ci", "held"),
        ("flips > 11.9%", "failed"),
        ("flips > 12%", "held"),
        ("recall[cat] drops 8pp", "failed"),
        ("recall[0] drops 8pp", "failed"),
        ("precision[cat] < 1", "held"),
        ("errors[cat->traffic light] rises 1", None),
        ('errors[cat->"traffic light"] rises 4', "failed"),  # 8 to 12
        ('errors[cat->"traffic light"] rises 50%', "failed"),
        ('errors[cat->"traffic light"] rises 5', "held"),
        ("size rises 0%", "held"),
        ("parameters > 6", "failed"),
        ("top3_accuracy < 1", "held"),
        ("balanced_accuracy < 0.85", "failed"),
        ("recall[dog] < 0.5", "undefined"),
        ("errors[dog->cat] rises", "undefined"),
    ],
)
def test_what_comes_true(text, status):
    if status is None:
        with pytest.raises(InvalidInputError, match="in quotes"):
            gate(hundred(), [text])
        return
    assert only(hundred(), text).status == status


def test_accuracy_has_mcnemars_p_value_and_the_interval_of_agresti_and_min():
    outcome = only(hundred(), "accuracy drops 0.5pp p<0.05")
    # 2 (1 + 16 + 120 + 560 + 1820) / 2^16: a sign test with 4 of 16
    assert outcome.p_value == pytest.approx(2 * 2517 / 2**16)
    assert (outcome.old, outcome.new, outcome.change) == pytest.approx((0.92 - 0.0, 0.84, -0.08))
    # The docstring of paired_difference_interval(100, 12, 4): 0.0007 to 0.1562
    assert (outcome.low, outcome.high) == pytest.approx((-0.1562, -0.0007), abs=1e-4)
    assert outcome.indices.tolist() == list(range(80, 92))
    assert outcome.sentence == (
        "accuracy: 92.00% to 84.00%, a drop of 8.00 points (limit: a drop of 0.50 points; p = 0.0768, McNemar's exact "
        "test: not significant at 0.05)."
    )


def test_any_class_is_adjusted_over_classes_and_names_those_that_fail():
    # 40 images a class; NEW loses 10 of class 0 (p = 2/2^10), 6 of class 1 (2/2^6), 1 of class 2 (1).
    y = np.repeat([0, 1, 2], 40)
    new = y.copy()
    for start, lost in ((0, 10), (40, 6), (80, 1)):
        new[start : start + lost] = (y[start] + 1) % 3
    found = gate(pair(y, y, new), ["recall[any] drops 2pp p<0.05", "recall[any] drops 20pp p<0.05", "recall[any]<0.9"])
    first, second, third = found.outcomes
    assert first.classes == ("cat", "traffic light")
    assert first.p_value == pytest.approx(3 * 2 / 2**10)  # Benjamini & Hochberg: the smallest of three
    assert (first.old, first.new) == (1.0, 0.75)
    assert first.indices.tolist() == [*range(10), *range(40, 46)]
    assert "It is the worst of 2 classes that fail." in first.sentence
    assert second.classes == ("cat",)
    assert third.classes == ("cat", "traffic light")
    assert not found.passed
    assert len(found.failures) == 3
    assert found.frame()["n_images"].tolist() == [16, 10, 16]


def test_classes_without_samples_are_left_out_of_any_and_named():
    outcome = only(hundred(), "recall[any] drops 1pp")
    assert outcome.classes == ("cat",)
    assert outcome.sentence.endswith("2 classes without such a figure.")


def test_an_undefined_figure_shuts_the_gate_unless_that_is_allowed():
    shut = gate(hundred(), ["recall[dog] < 0.5", "accuracy drops 50pp"])
    assert not shut.passed
    assert "nothing to measure" in shut.outcomes[0].sentence
    assert gate(hundred(), ["recall[dog] < 0.5"], allow_undefined=True).passed
    assert gate(hundred(), []).passed


def test_the_bootstrap_agrees_with_scipy_on_a_mean():
    """A cross-check of the Brier score's interval with scipy.stats.bootstrap (percentile) on the paired differences."""
    from scipy.stats import bootstrap

    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 200)
    values = [rng.dirichlet([1, 1, 1], 200) for _ in range(2)]
    runs = [build_run(y, each, name, NAMES) for name, each in zip(("old", "new"), values, strict=True)]
    outcome = only(Comparison.from_runs(runs), "brier rises 5% p<0.05")
    difference = runs[1].samples["brier"] - runs[0].samples["brier"]
    expected = bootstrap((difference,), np.mean, n_resamples=4000, method="percentile", rng=rng).confidence_interval
    assert (outcome.low, outcome.high) == pytest.approx((expected.low, expected.high), abs=0.01)
    assert outcome.change == pytest.approx(difference.mean())


def test_intervals_and_p_values_are_those_of_the_comparison():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 150)
    answers = [np.where(rng.random(150) < share, y, (y + 1) % 3) for share in (0.9, 0.8)]
    comparison = pair(y, *answers)
    table = comparison.differences()
    for measure in ("balanced_accuracy", "macro_f1", "log_loss"):
        outcome = only(comparison, f"{measure} {'rises' if measure == 'log_loss' else 'drops'} 0.01 ci")
        row = table[table["metric"] == measure].iloc[0]
        assert outcome.change == pytest.approx(-row["difference"])  # A minus B there, NEW minus OLD here
        assert (outcome.low, outcome.high) == pytest.approx((-row["high"], -row["low"]), abs=1e-12)
    classes = comparison.class_differences().set_index("class")
    worst = classes["p_adjusted"].idxmin()
    outcome = only(comparison, "recall[any] drops p<0.9")
    assert outcome.p_value in classes["p_adjusted"].tolist()
    single = only(comparison, f'recall["{worst}"] drops p<0.9')
    assert single.p_value == classes.loc[worst, "p_value"]
    assert (single.low, single.high) == (-classes.loc[worst, "difference_high"], -classes.loc[worst, "difference_low"])


@pytest.mark.parametrize("measure", ["precision[any]", "f1[cat]", "macro_f1", "balanced_accuracy", "ece", "log_loss"])
def test_a_model_against_itself_never_fails(measure):
    y = np.arange(60) % 3
    same = np.where(np.arange(60) < 10, (y + 1) % 3, y)
    comparison = pair(y, same, same)
    for run in comparison.runs:
        run.model.digest = "one file"
    for rule in ("drops p<0.05", "rises p<0.05", "drops 0.02", *(["rises 0.02 ci"] if measure != "ece" else [])):
        outcome = only(comparison, f"{measure} {rule}")
        assert outcome.status == "held", outcome.sentence
        assert not len(outcome.indices)


def test_changed_images_are_sorted_broken_mended_still_wrong():
    y = np.zeros(6, int)
    comparison = pair(y, [0, 0, 1, 1, 0, 1], [1, 2, 0, 2, 0, 1], sample_names=tuple("abcdef"))
    frame = gate(comparison, []).changed()
    assert frame["change"].tolist() == ["broken", "broken", "mended", "still wrong"]
    assert frame["index"].tolist() == [0, 1, 2, 3]
    assert frame["name"].tolist() == ["a", "b", "c", "d"]
    assert frame["old"].tolist() == ["cat", "cat", "traffic light", "traffic light"]
    assert frame["new"].tolist() == ["traffic light", "dog", "cat", "dog"]


def test_classes_go_by_name_before_number():
    shifted = pair([0, 0], [0, 0], [1, 0], names=["1", "2"])
    assert only(shifted, "recall[1] drops 10pp").classes == ("1",)
    with pytest.raises(InvalidInputError, match=r"expected a class of the models \(1, 2\). Received: '0'"):
        gate(shifted, ["recall[0] drops"])
    named = pair([0, 0], [0, 0], [1, 0], names=["any", "2x"])
    assert only(named, 'recall["any"] drops 10pp').classes == ("any",)
    with pytest.raises(InvalidInputError, match="expected a class"):
        gate(named, ['recall["0"] drops'])


def test_pairs_must_be_clear_and_conditions_a_list():
    y = np.arange(4) % 2
    runs = [build_run(y, proba(y, 2), name) for name in "abc"]
    three = Comparison.from_runs(runs)
    with pytest.raises(InvalidInputError, match="expected two models"):
        gate(three, ["accuracy drops"])
    assert gate(three, ["accuracy drops"], old="c", new="a").old_name == "c"
    with pytest.raises(InvalidInputError, match="expected a list of conditions"):
        gate(three, "accuracy drops", old="c", new="a")


@pytest.mark.parametrize("names", [["one"], ["a", "b"]])
def test_one_image_and_one_class_survive(names):
    comparison = pair([0], [0], [len(names) - 1], names=names)
    measures = ["accuracy", "macro_f1", "log_loss", "ece", "brier", "recall[any]", "precision[any]", "top3_accuracy"]
    found = diag.gate(comparison, [f"{name} drops 0.01 p<0.05" for name in measures])
    assert all(each.status in ("held", "undefined") for each in found.outcomes)
    assert len(found.frame()) == len(measures)
