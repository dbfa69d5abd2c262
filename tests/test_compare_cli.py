"""``diag compare``: exit codes, what it prints, JSON and JUnit."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner

from diag.cli import cli
from diag.results.comparison import Comparison
from diag.results.gate import gate
from diag.views.junit import junit_xml
from tests.fakes import build_run

SHIPPED = Path(__file__).resolve().parents[1] / "saved_models" / "digits"
OLD, NEW = SHIPPED / "logistic_l2.skops", SHIPPED / "logistic_l1.skops"
HELD = ("--fail-if", "accuracy drops 50pp")
FAILS = ("--fail-if", "accuracy < 99%")


def invoke(*arguments, code=0):
    result = CliRunner().invoke(cli, ["compare", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_exit_codes_and_what_is_printed():
    output = invoke(OLD, NEW, "--data", "digits", *HELD)
    assert "held      accuracy drops 50pp" in output
    assert "images have another answer" in output
    assert "may replace" in output
    output = invoke(OLD, NEW, *HELD, *FAILS, code=3)
    assert "failed    accuracy < 99%" in output
    assert "1 of 2 conditions keep" in output
    assert "Images: " in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((OLD, NEW, "--fail-if", "accuracy falls"), "expected drops, rises"),
        ((OLD, NEW, "--fail-if", "recall[ten] drops"), "expected a class of the models"),
    ],
)
def test_a_wrong_condition_is_wrong_usage_in_one_line(arguments, message):
    output = invoke(*arguments, code=2)
    assert message in output
    assert output.startswith("error: --fail-if: condition")
    assert len(output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((OLD, NEW, NEW, *HELD), "OLD NEW"),
        ((OLD,), "two models or more"),
        ((OLD, NEW, "--junit", "x.xml"), "add --fail-if"),
    ],
)
def test_wrong_usage(arguments, message):
    assert message in invoke(*arguments, code=2)


def test_a_condition_is_refused_before_a_model_is_opened():
    assert "expected drops" in invoke("no-model.h5", "none.h5", "--fail-if", "accuracy falls", code=2)


def test_json_holds_the_gate_and_every_image_that_changed():
    values = json.loads(invoke(OLD, NEW, *HELD, *FAILS, "--json", code=3))
    assert values["gate"]["passed"] is False
    held, failed = values["gate"]["conditions"]
    assert (held["status"], failed["status"]) == ("held", "failed")
    assert failed["new"] == next(row for row in values["models"] if row["model"] == values["gate"]["new"])["accuracy"]
    assert failed["p_value"] is None
    pair = values["pairs"][0]
    broken = [row["index"] for row in values["changed"] if row["change"] == "broken"]
    assert len(broken) == pair["only_a"]
    assert sorted(failed["indices"]) == sorted(broken)


def test_several_models_without_conditions_are_compared_in_pairs():
    output = invoke(OLD, NEW, SHIPPED / "dense.keras")
    assert output.count(" to ") > 6
    assert "only A right" in output
    values = json.loads(invoke(OLD, NEW, SHIPPED / "dense.keras", "--json"))
    assert len(values["pairs"]) == 3
    assert "gate" not in values


def test_junit_is_written_whole_and_read_back(tmp_path):
    place = tmp_path / "gate.xml"
    invoke(OLD, NEW, *HELD, *FAILS, "--junit", place, code=3)
    suite = ET.parse(place).getroot().find("testsuite")  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["accuracy drops 50pp", "accuracy < 99%"]
    assert cases[0].find("failure") is None
    assert "accuracy: " in cases[1].find("failure").get("message")
    assert cases[1].find("failure").text.count("\n#") == 20
    assert [path.name for path in tmp_path.iterdir()] == ["gate.xml"]


def test_junit_survives_hostile_names_and_says_what_is_undefined():
    names = ['<&">\x00\x1b[31m\uffff', "b", "c"]
    y = np.zeros(4, int)
    answers = (np.eye(3)[[0, 0, 0, 1]], np.eye(3)[[1, 1, 0, 0]])
    runs = [build_run(y, each, name, names) for each, name in zip(answers, ("old <x>", "new\x07 &"), strict=True)]
    conditions = ["recall[c] < 1", "accuracy drops", "flips > 99%"]
    for allowed, kind in ((False, "error"), (True, "skipped")):
        held = gate(Comparison.from_runs(runs), conditions, allow_undefined=allowed)
        suite = ET.fromstring(junit_xml(held)).find("testsuite")  # noqa: S314 - our own text
        assert suite.get("name") == "diag compare old <x> new &"
        assert suite.find("testcase").find(kind) is not None
        assert (suite.get("errors"), suite.get("skipped")) == (("1", "0") if kind == "error" else ("0", "1"))


def test_the_report_of_a_pair(tmp_path):
    out = tmp_path / "pair.html"
    assert invoke(OLD, NEW, "--out", out).strip().splitlines()[-1] == str(out)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_docs_show_every_measure_and_only_conditions_that_are_read():
    import re

    from diag.results.gate_grammar import MEASURES, parse

    text = (SHIPPED.parents[1] / "docs" / "ci.md").read_text(encoding="utf-8")
    assert all(f"`{name}" in text for name in MEASURES)
    shown = re.findall(r'--fail-if "([^"]+)"', text)
    assert len(shown) >= 6
    assert all(parse(condition) for condition in shown)
