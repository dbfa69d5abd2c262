"""A few of the faults of ``benchmarks/doctor.py``, and the rules by which it counts them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.doctor_faults import bench, runs, sets
from diag.checks.registry import CHECKS

QUICK = (
    "images inverted, all conventions pinned",
    "class numbers shuffled",
    "softmax twice",
    "one weight is NaN",
    "dropout active at inference",
    "constant prediction",
    "20% of the test images are training images",
)
N = 64


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A small dense network for digits, its files, and what the doctor says of it."""
    folder = tmp_path_factory.mktemp("planted")
    base = bench.write_base(sets.digits(), "digits", "mlp", folder / "good" / "mlp")
    return base, runs.run_base(base, folder, n=N), folder


def test_a_good_model_has_no_alarm_and_its_accuracy(good):
    _, result, _ = good
    assert result.refusal == ""
    assert {code: severity for code, severity in result.codes.items() if severity != "note"} == {}
    assert result.accuracy > 0.85  # the shipped dense networks have .93 on the same images


@pytest.mark.parametrize("name", QUICK)
def test_planted_faults_are_found(good, name):
    base, clean, folder = good
    result = runs.run_fault(runs.find_fault(name), base, clean.codes, folder, n=N)
    assert result.refusal == ""
    assert result.found, result.codes


def test_leaked_images_are_named(good):
    base, clean, folder = good
    leaked = runs.find_fault("20% of the test images are training images")
    result = runs.run_fault(leaked, base, clean.codes, folder, n=N)
    assert result.named == "159 of 159 named, 159 planted"  # a fifth of 797 images


def test_every_fault_is_put_into_two_models_and_names_codes_that_exist():
    names = [each.name for each in bench.FAULTS]
    assert len(names) == len(set(names)) >= 40
    assert all(len(set(each.on)) >= 2 for each in bench.FAULTS)
    assert {code for each in bench.FAULTS for code in each.expect} <= {check.code for check in CHECKS}
    assert {severity for each in bench.FAULTS for severity in each.expect.values()} <= set(runs.RANK)


def diagnosis(*findings):
    return SimpleNamespace(
        findings=[
            SimpleNamespace(code=code, severity=severity, message="", samples=samples)
            for code, severity, samples in findings
        ]
    )


@pytest.mark.parametrize(
    ("reported", "clean", "accuracy", "found"),
    [
        ("warning", {}, 0.5, True),
        ("critical", {}, 0.5, True),
        ("note", {}, 0.5, False),  # less than the fault must have
        ("warning", {"DG001": "warning"}, 0.5, False),  # the good model has it too
        ("warning", {"DG001": "note"}, 0.5, True),
        ("warning", {}, 0.3, False),  # the doctor was to repair it, and did not
        ("warning", {}, None, False),
    ],
)
def test_what_counts_as_found(monkeypatch, tmp_path, reported, clean, accuracy, found):
    planted = bench.Fault("a fault", "group", lambda _: None, {"DG001": "warning"}, ())
    specimen = bench.Specimen(tmp_path, "data", planted=(3, 4), repaired=0.4)
    answer = diagnosis(("DG001", reported, (3, 9)), ("DG002", "critical", (4,)))
    monkeypatch.setattr(runs, "ask", lambda *_: (answer, accuracy))
    base = bench.Base("digits", "mlp", tmp_path, tmp_path, tmp_path)
    result = runs.judged(planted, base, clean, specimen)
    assert result.found is found
    assert result.codes == {"DG001": reported, "DG002": "critical"}
    if found:
        assert result.named == "1 of 2 named, 2 planted"


def test_hues_are_where_the_colour_circle_has_them():
    made = sets.hue_colour(np.array([0, 30, 90, 120, 240, 330]))
    expected = [[1, 0, 0], [1, 0.5, 0], [0.5, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0.5]]
    np.testing.assert_allclose(made, expected, atol=1e-12)


def test_sets_are_the_same_each_time():
    first, second = sets.templates(n_train=200, n_test=100), sets.templates(n_train=200, n_test=100)
    np.testing.assert_array_equal(first.x_test, second.x_test)
    assert first.k == 100
    assert first.x_test.shape == (100, 16, 16, 1)
    striped = sets.stripes(n_train=40, n_test=20)
    assert striped.k == 10
    assert np.bincount(striped.y_test).tolist() == [2] * 10
