"""The form ``ci`` on small sets and on models that hardly differ: what cannot be excluded keeps the gate shut."""

from __future__ import annotations

import numpy as np
import pytest

from diag.results.comparison import Comparison
from diag.results.gate import gate
from tests.fakes import build_run
from tests.results.test_gate import NAMES, only, pair, proba

COUNTED = ["accuracy", "macro_f1", "balanced_accuracy", "precision[any]", "f1[1]"]


@pytest.mark.parametrize("measure", COUNTED)
def test_six_images_with_the_same_answers_exclude_no_drop(measure):
    y = np.array([0, 1, 2, 0, 1, 2])
    outcome = only(pair(y, y, y), f"{measure} drops 0.5pp ci")
    assert outcome.status == "failed"
    # Clopper & Pearson with no such image: 1 - 0.025^(1/n), of 6 images and of the 2 of a class
    n = 6 if "[" not in measure else 2
    assert outcome.low == pytest.approx(-(1 - 0.025 ** (1 / n)))
    assert outcome.high == pytest.approx(1 - 0.025 ** (1 / n))


def test_ends_are_scipys_exact_bounds():
    from scipy.stats import binomtest

    y = np.zeros(60, int)
    new, old = y.copy(), y.copy()
    new[:3], old[3] = 1, 1
    outcome = only(pair(y, old, new), "accuracy drops 5pp ci")
    assert outcome.low == pytest.approx(-binomtest(3, 60).proportion_ci(method="exact").high)
    assert outcome.high == pytest.approx(binomtest(1, 60).proportion_ci(method="exact").high)
    plain = only(pair(y, old, new), "accuracy drops 1pp p<0.05")  # as the page Compare has it
    assert outcome.low < plain.low < plain.change < plain.high < outcome.high


def test_widths_by_hand():
    from scipy.stats import beta

    # 8 images of class 0, 2 of class 1; NEW has one of each newly wrong.
    y = np.repeat([0, 1], [8, 2])
    new = y.copy()
    new[0], new[8] = 1, 0
    found = pair(y, y, new, names=["0", "1"])
    outcome = only(found, "balanced_accuracy drops 1pp ci")
    # weights 1/8 and 1/2: n = 2^2 / (8/64 + 2/4) = 6.4; the two images count as 6.4 (1/8 + 1/2) / 2 = 2
    assert outcome.change == pytest.approx((7 / 8 + 1 / 2) / 2 - 1)
    assert outcome.low == pytest.approx(-beta.ppf(0.975, 3, 4.4))
    # Answers 1: OLD 2, NEW 2, of which one is wrong: one image was lost, one came wrongly, both against NEW
    outcome = only(found, "precision[1] drops 1pp ci")
    assert outcome.change == -0.5
    assert outcome.low == -1.0
    assert outcome.high == pytest.approx(1 - 0.025 ** (1 / 2))  # none of two is for NEW


def test_a_rare_class_widens_a_mean_over_classes():
    y = np.repeat([0, 1], [198, 2])
    outcome = only(pair(y, y, y, names=["0", "1"]), "balanced_accuracy drops 5pp ci")
    assert outcome.status == "failed"  # accuracy's interval is 2 points; two images of a class say little of its recall
    assert outcome.low == pytest.approx(-(1 - 0.025 ** ((1 / 198 + 1 / 2) / 4)))


def test_enough_images_open_the_gate():
    y = np.arange(600) % 3
    for measure in COUNTED:
        assert only(pair(y, y, y), f"{measure} drops 2pp ci").status == "held"


@pytest.mark.parametrize("measure", ["log_loss", "brier"])
def test_a_loss_of_few_images_that_differ_has_no_interval(measure):
    one = only(pair([0], [0], [1]), f"{measure} rises 5 ci")
    assert one.status == "undefined"
    assert np.isnan(one.low)
    assert "fewer than 6 images differ" in one.sentence
    y = np.zeros(60, int)
    new = y.copy()
    new[:5] = 1
    assert only(pair(y, y, new), f"{measure} rises 0.5 ci").status == "undefined"
    new[5] = 1
    outcome = only(pair(y, y, new), f"{measure} rises 0.5 ci")
    assert outcome.status == "held"
    assert outcome.low < outcome.change < outcome.high
    constant = [build_run(y, proba(y, 3, confidence), name, NAMES) for name, confidence in (("a", 0.8), ("b", 0.7))]
    assert only(Comparison.from_runs(constant), f"{measure} rises 0.5 ci").status == "undefined"  # no draw varies


def test_a_file_against_itself_needs_no_images():
    y = np.array([0, 1, 2])
    comparison = pair(y, y, y)
    for run in comparison.runs:
        run.model.digest = "one file"
    found = gate(comparison, [f"{each} drops 0.5pp ci" for each in COUNTED] + ["log_loss rises 0.01 ci"])
    assert found.passed
    assert {(each.low, each.high) for each in found.outcomes} == {(0.0, 0.0)}


def test_a_limit_as_large_as_the_loss_is_seldom_passed():
    """How often the gate opens though NEW is worse by the limit, summed over what can come; docs/ci.md says so."""
    from scipy.stats import binom

    # Few images differ: the exact bound's 2.5 %. A dozen, all against NEW: the worst case of Agresti & Min's interval.
    for n, lost, most in ((60, 0.03, 0.025), (60, 0.0595, 0.025), (200, 0.0184, 0.025), (400, 12.5 / 400, 0.07)):
        y, opened = np.zeros(n, int), 0.0
        for broken in range(10):
            new = y.copy()
            new[:broken] = 1
            condition = f"accuracy drops {lost} ci"
            opened += binom.pmf(broken, n, lost) * (only(pair(y, y, new), condition).status == "held")
        assert opened <= most


def test_a_model_that_lost_three_points_seldom_passes_a_limit_of_two():
    """Simulated: 60 images of 3 classes, OLD perfect, NEW wrong on 3 in 100. Resamples alone opened in 1 of 6."""
    rng, opened = np.random.default_rng(0), np.zeros(2)
    for _ in range(12):
        y = rng.integers(0, 3, 60)
        new = np.where(rng.random(60) < 0.03, (y + 1) % 3, y)
        found = gate(pair(y, y, new), [f"{each} drops 2pp ci" for each in ("macro_f1", "f1[1]")])
        opened += [each.status == "held" for each in found.outcomes]
    assert opened.tolist() == [0, 0]
