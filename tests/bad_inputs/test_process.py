"""What the command line says when it is interrupted, when its output goes nowhere, and when the disk is full."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from diag.cli import main, options
from diag.io import store
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
from tests.bad_inputs.table import missing_parts, run

ROOT = Path(__file__).resolve().parents[2]
SAID = said_arrays.SAID | said_commands.SAID | said_models.SAID | said_tables.SAID
MAKE = {
    name: make for cases in (cases_arrays, cases_commands, cases_models, cases_tables) for name, make in cases.CASES
}
IN_A_SHELL = (
    "csv-missing-label",
    "npz-text",
    "model-pickle",
    "card-unknown-key",
    "report-out-no-folder",
    "ensemble-weights-option",
    "model-hostile-name",
    "predict-out-is-the-data",
)


def shell(arguments, **given):
    """Run ``python -m diag`` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "diag", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **given,
    )


@pytest.mark.parametrize("name", IN_A_SHELL)
def test_a_process_of_its_own_ends_alike(name, place):
    arguments = MAKE[name](place)
    before = tree(place.root)
    done = shell(arguments, stdout=subprocess.PIPE)
    assert done.returncode == SAID[name].status
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert missing_parts(done.stderr, SAID[name]) == []
    assert tree(place.root) == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_command_leaves_nothing_and_says_how_to_go_on(number, status, place, capsys, monkeypatch):
    """The signal comes when the whole file has been written aside, right before it is renamed."""
    replace = Path.replace

    def interrupted(path, target):
        if Path(target).suffix == ".toml":
            os.kill(os.getpid(), number)
        return replace(path, target)

    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("started by nohup or in the background: this signal is not to be heard")
    arguments = ["ensemble", place.model, place.rival, "--out", str(place.root / "both.ensemble.toml")]
    before = tree(place.root)
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    monkeypatch.setattr(Path, "replace", interrupted)
    ended = run(arguments, capsys, monkeypatch)
    assert ended.status == status
    assert tree(place.root) == before
    if number == signal.SIGINT:
        assert ended.err.strip().splitlines() == [
            "interrupted: nothing half-written is left. Run the same command again: kept results are used."
        ]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers


@pytest.mark.parametrize("what", [("inspect",), ("inspect", "--json")], ids=["table", "json"])
def test_output_that_nobody_reads_ends_quietly(what, place):
    reading, writing = os.pipe()
    os.close(reading)
    done = shell([what[0], place.model, *what[1:]], stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_output_onto_a_full_disk_is_one_line(place):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = shell(["inspect", place.model], stdout=full)
    assert done.returncode == 1
    assert done.stderr == (
        "error: expected a disk that takes what is written. Received: No space left on device. Free some space and run "
        "it again.\n"
    )


def test_a_closed_output_is_no_error(place):
    done = shell(["inspect", place.model], stdout=None, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_limit_of_the_system_on_files_is_one_line_and_the_old_file_stays(place):
    out = place.write("both.ensemble.toml", "old")
    before_models = [place.model, place.rival]
    before = tree(place.root)
    done = shell(
        ["ensemble", *before_models, "--out", out, "--force"],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {out!r}: expected a folder that can be written. Received: File too large.")
    assert len(done.stderr.splitlines()) == 1
    assert tree(place.root) == before


@pytest.mark.parametrize(
    "name", ["report", "compare", "junit", "labels", "predict", "pseudo-label", "ensemble", "init"]
)
def test_a_full_disk_is_one_line_from_every_command_that_writes(name, place, capsys, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    folder = place.root if name == "ensemble" else place.root / "out"
    arguments = cases_commands.WRITERS[name](place, str(folder / f"a{cases_commands.ending(name)}"))
    before = tree(place.root)
    monkeypatch.setattr(store, "write_aside", full)
    ended = run(arguments, capsys, monkeypatch)
    assert (ended.status, ended.error, ended.out) == (1, "InvalidInputError", "")
    assert ended.err.count("\n") == 1
    assert "Received: No space left on device. Free some space, or choose another place." in ended.err
    assert tree(place.root) == before


def test_memory_that_is_used_up_is_one_line_and_a_bug_keeps_its_traceback(place, capsys, monkeypatch):
    def raised(error):
        def open_models(paths, given):
            raise error

        monkeypatch.setattr(options, "open_models", open_models)

    raised(MemoryError())
    ended = run(["evaluate", place.model], capsys, monkeypatch)
    assert (ended.status, ended.err.splitlines()) == (
        1,
        ["error: expected enough memory. Received: none that is free. Give fewer images, or a smaller model."],
    )
    raised(ZeroDivisionError("a bug"))
    monkeypatch.setattr(sys, "argv", ["diag", "evaluate", place.model])
    with pytest.raises(ZeroDivisionError):
        main()
    raised(OSError(errno.ENOENT, "also a bug"))
    with pytest.raises(OSError, match="also a bug"):
        main()


def test_without_a_command_help_is_shown_and_usage_errors_are_one_line(capsys, monkeypatch):
    ended = run([], capsys, monkeypatch)
    assert ended.status == 2
    assert "Commands:" in ended.err
    assert run(["--help"], capsys, monkeypatch).status == 0
    ended = run(["evaluate", "--split", "\x1b[31m\u202e" + "x" * 10_000], capsys, monkeypatch)
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert isinstance(click.UsageError("x"), click.ClickException)


def test_an_answer_that_a_spreadsheet_would_run_is_escaped(place, capsys, monkeypatch):
    card = 'class_names = ["=HYPERLINK(1)", "+b", "c"]'
    arguments = ["predict", place.carded(card), "--data", place.data, "--id-column", "=1+1", "--label-column", "@x"]
    assert run(arguments, capsys, monkeypatch).status == 0
    lines = (place.root / "out" / "Submission.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:4] == ["'=1+1,'@x", "0,'=HYPERLINK(1)", "1,'+b", "2,c"]
