"""What the command line prints of names from files: no terminal sequence, no markup, no line that is not ours."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import diag
from diag.cli.output import print_json, print_pairs, print_table, print_verdict
from diag.cli.terminal import cell, echo, visible
from tests.fakes import build_run
from tests.hostile import hostile_names

MARKUP = "[link=http://x]a[/link] \\[bold]b[/] :smile:"
SOURCES = sorted((Path(diag.__file__).parent / "cli").glob("*.py"))


@pytest.fixture
def comparison():
    """Runs of models, on classes and data, with hostile names."""
    names = hostile_names("http://127.0.0.1:9")
    k = len(names)
    rng = np.random.default_rng(0)
    y_true = np.arange(4 * k) % k
    data = diag.load_dataset((np.zeros((4 * k, 2, 2), np.uint8), y_true))
    runs = []
    for name in (names[5], names[13], MARKUP, names[12]):
        proba = rng.random((4 * k, k)) + 0.01
        run = build_run(y_true, proba / proba.sum(axis=1, keepdims=True), name, class_names=names)
        run.model.preprocessing = diag.Preprocessing()
        runs.append(dataclasses.replace(run, data=dataclasses.replace(data, name=names[6], notes=tuple(names))))
    return diag.compare(runs)


def test_tables_and_sentences_hold_printable_lines_only(comparison, capsys):
    print_table(comparison)
    print_verdict(comparison)
    print_pairs(comparison)
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.split("\n"))
    assert MARKUP in " ".join(out.split())  # in the sentences; the table may break it into lines
    assert max(map(len, out.split("\n"))) < 4_000


def test_json_is_escaped_and_reads_back(comparison, capsys):
    print_json(comparison)
    out = capsys.readouterr().out
    assert out.isascii()
    assert all(line.isprintable() for line in out.split("\n"))
    told = json.loads(out)["models"][0]["class_names"]
    assert told == list(comparison.runs[0].class_names)
    assert len(set(told)) == len(told)


def test_styles_are_ours(capsys):
    echo(("\x1b[31mname", {"bold": True}), ": \x1b]8;;http://x\x07said\x1b]8;;\x07", err=True)
    err = capsys.readouterr().err
    assert "\x1b" not in err.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "[31mname" in err


@given(st.text(st.characters(), max_size=80))
def test_any_text_is_visible_line_by_line(text):
    shown = visible(text)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert shown.count("\n") == text.count("\n")
    assert visible(shown) == shown
    assert visible("  two   é") == "  two   é"


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_itself_in_a_table(text):
    from rich.console import Console

    into = io.StringIO()
    Console(file=into, width=400, force_terminal=True, color_system="truecolor").print(cell(text), soft_wrap=True)
    assert into.getvalue() == f"{cell(text).plain}\n"
    assert cell(text).plain.isprintable()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_commands_print_by_echo_alone(path):
    """Beside JSON, which is ASCII, and the one line of an error, which `message_line` makes."""
    if path.name in ("terminal.py", "__init__.py"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "click.echo",
            "click.secho",
            "print",
            "click.style",
        ):
            told = ast.unparse(node.args[0])
            assert told.startswith(("json.dumps(", "visible(")), f"{path.name}:{node.lineno} prints {told}"
