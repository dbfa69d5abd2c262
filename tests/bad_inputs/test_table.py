"""Every case of the tables: one clear line of three parts, the right exit status, and nothing half-written."""

from __future__ import annotations

import re
import sys

import pytest

from diag.io import isolated
from tests.bad_inputs import (
    cases_arrays,
    cases_commands,
    cases_models,
    cases_tables,
    said_arrays,
    said_commands,
    said_models,
    said_tables,
)
from tests.bad_inputs.place import tree
from tests.bad_inputs.said_legal import FILES, PRINTED
from tests.bad_inputs.table import missing_parts, run

TABLES = (
    (cases_tables, said_tables),
    (cases_arrays, said_arrays),
    (cases_models, said_models),
    (cases_commands, said_commands),
)
CASES = [(*case, said.SAID[case[0]]) for cases, said in TABLES for case in cases.CASES]
LEGAL = [case for cases, _ in TABLES for case in cases.LEGAL]
NETWORK = {
    "net-labels-out-of-range",  # whether labels start at 1 is asked of the model
    "gate-class",
    "explain-outputs-word",
    "explain-outputs-beyond",
    "explain-outputs-gap",
}
"""Cases that need the model's answers to be seen."""
COMMANDS = {
    "report", "doctor", "evaluate", "compare", "labels", "ensemble", "pseudo-label", "explain", "trust", "inspect",
    "convert", "predict", "init", "demo", "cache",
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    """Note when the process that holds networks is asked for anything."""
    calls = []
    process = isolated.models

    def noted():
        calls.append(1)
        return process()

    monkeypatch.setattr(isolated, "models", noted)
    return calls


@pytest.mark.parametrize(("name", "make", "said"), CASES, ids=[case[0] for case in CASES])
def test_a_wrong_input_is_refused_in_one_line_and_nothing_is_written(
    name, make, said, place, asked, capsys, monkeypatch
):
    arguments = make(place)
    before, imported = tree(place.root), "tensorflow" in sys.modules
    ended = run(arguments, capsys, monkeypatch)
    line = ended.err.removesuffix("\n")
    assert (ended.status, ended.error) == (said.status, said.error), ended
    assert line.startswith("error: ")
    assert line.isprintable(), line
    assert len(line) < 600  # the message itself is below 500
    assert missing_parts(line, said) == [], line
    assert ended.out == ""
    assert tree(place.root) == before
    if name not in NETWORK:
        assert not asked
        assert imported or "tensorflow" not in sys.modules


@pytest.mark.parametrize(("name", "make"), LEGAL, ids=[case[0] for case in LEGAL])
def test_an_odd_input_that_is_right_gives_the_right_result(name, make, place, capsys, monkeypatch):
    arguments = make(place)
    before = tree(place.root)
    ended = run(arguments, capsys, monkeypatch)
    assert ended.status == 0, ended
    assert re.search(PRINTED[name], ended.out), ended.out
    assert sorted(set(tree(place.root)) - set(before)) == FILES.get(name, [])


def test_the_tables_are_complete_and_cover_every_command(place):
    names = [case[0] for case in CASES + LEGAL]
    assert len(set(names)) == len(names) >= 170
    for cases, said in TABLES:
        assert set(said.SAID) == {case[0] for case in cases.CASES}
    assert set(PRINTED) == {case[0] for case in LEGAL}
    covered = {make(place)[0] for name, make, _ in CASES if name.startswith(tuple(COMMANDS))}
    assert covered >= COMMANDS
