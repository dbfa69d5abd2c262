"""What every check owes: a code of its own, documentation, and an answer for whatever it is given."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import diag
from diag.checks.api import run_check
from diag.checks.case import Case
from diag.checks.registry import CHECKS
from diag.errors import ModelLoadError
from diag.results.diagnosis import SEVERITIES, Finding

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "saved_models" / "digits"


def test_codes_are_unique_and_in_order():
    codes = [check.code for check in CHECKS]
    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"DG[1-6]\d\d", code) for code in codes)


def test_every_check_has_a_file_of_its_own_and_a_section_in_the_documentation():
    text = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (DG\d+)$", text, flags=re.MULTILINE)
    assert headings == [check.code for check in CHECKS]
    assert len({check.run.__module__ for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_without_data_a_check_looks_at_the_network_or_says_why_not(check):
    case = Case(diag.load_model(SHIPPED / "cnn_dody.h5"))
    found, outcome = run_check(check, case)
    assert not [each for each in found if each.severity != "note"]
    assert outcome.status != "skipped" or outcome.reason


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_one_image_of_one_class_is_no_reason_for_alarm(check):
    one = diag.load_dataset("digits").subset([3])
    found, outcome = run_check(check, Case(diag.load_model(SHIPPED / "logistic_l2.skops"), one))
    assert not [each for each in found if each.severity == "critical"]
    assert outcome.status != "skipped" or outcome.reason


def test_a_diagnosis_is_kept_by_content_and_comes_back_the_same(monkeypatch):
    model, data = diag.load_model(SHIPPED / "logistic_l1.skops"), diag.load_dataset("digits").subset(np.arange(200))
    first = diag.diagnose(model, data, n=50)
    monkeypatch.setattr("diag.checks.api.run_check", None)  # the second time nothing is computed
    again = diag.diagnose(model, data, n=50)
    assert again.to_dict() == first.to_dict()
    ranks = [SEVERITIES.index(each.severity) for each in first.findings]
    assert ranks == sorted(ranks)
    assert len(first.outcomes) == len(CHECKS)
    assert set(first.frame()["code"]) == {each.code for each in first.outcomes if each.status == "found"}


def test_findings_survive_being_written_down():
    finding = CHECKS[0].finding("note", "a <b>", "do", measured={"x": 1.5}, samples=np.array([4, 2]))
    assert Finding.from_dict(finding.to_dict()).to_dict() == finding.to_dict()
    assert finding.samples == (4, 2)


def test_a_network_that_cannot_be_built_is_no_network_without_findings(tmp_path, monkeypatch):
    import keras

    given = keras.Input((256, 1))
    attention = keras.layers.MultiHeadAttention(1, key_dim=1)(given, given)
    out = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(attention))
    keras.Model(given, out).save(tmp_path / "a.keras")
    monkeypatch.setenv("DIAG_LIMITS", "image_numbers=20000")
    model = diag.load_model(tmp_path / "a.keras")
    with pytest.raises(ModelLoadError, match="numbers an image"):
        diag.diagnose(model, cache=False)
