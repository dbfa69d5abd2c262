"""A bounded run of the fuzz targets: all good inputs, a fixed number of changed ones, and arbitrary values."""

# ruff: noqa: S311 - chance, not secrets
from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import DataError
from tests.fuzz.__main__ import ROOT
from tests.fuzz.corpus import seeds
from tests.fuzz.hdf5 import STOPPED, damaged
from tests.fuzz.judging import judged
from tests.fuzz.mutations import mutated_bytes, mutated_json, mutated_text
from tests.fuzz.targets import BY_NAME, TARGETS, Target

CHANGED = 12
"""Changed inputs for each target."""
QUICK = [target for target in TARGETS if not target.network]
# Good seeds that diag refuses: what they ask for is not there, or is no arithmetic.
REFUSED = {("class names", 1), ("csv", 2), ("csv", 3), ("lambda code", 4), ("lambda config", 1), ("lambda config", 2)}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("target", QUICK, ids=lambda target: target.name)
def test_seeds_are_read_and_changed_ones_are_read_or_refused(target, tmp_path):
    for place, data in enumerate(seeds(target.name)):
        outcome = judged(target, data, folder=tmp_path / "x")
        expected = "refused" if target.name == "message" or (target.name, place) in REFUSED else "read"
        assert (outcome.kind, place) == (expected, place), outcome.text
    chance = random.Random(target.name)
    for _ in range(CHANGED):
        data = target.mutate(chance.choice(seeds(target.name)), chance)
        outcome = judged(target, data, folder=tmp_path / "x")
        assert outcome.kind != "failed", f"{data!r:.2000}\n{outcome.text}"


@pytest.mark.parametrize(
    "name", ["class names json", "history json", "preprocessing", "lambda config", "parquet metadata"]
)
def test_any_json(name):
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(JSON)
    def holds(value):
        outcome = judged(BY_NAME[name], json.dumps(value).encode())
        assert outcome.kind != "failed", outcome.text

    holds()


@pytest.mark.parametrize("name", ["keras config", "legacy config", "architecture"])
def test_any_json_at_any_place_of_a_configuration(name):
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(st.data(), JSON)
    def holds(data, value):
        config = json.loads(data.draw(st.sampled_from(seeds(name))))
        holder, key = config, data.draw(st.sampled_from(sorted(config)))
        while isinstance(holder[key], dict | list) and holder[key] and data.draw(st.integers(0, 9)):
            holder = holder[key]
            key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        holder[key] = value
        outcome = judged(BY_NAME[name], json.dumps(config).encode())
        assert outcome.kind != "failed", outcome.text

    holds()


@pytest.mark.parametrize("name", ["gate", "limits", "class names", "card", "history csv", "csv", "message"])
def test_any_text(name):
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(st.text(max_size=200))
    def holds(text):
        outcome = judged(BY_NAME[name], text.encode("utf-8", "surrogatepass"))
        assert outcome.kind != "failed", outcome.text

    holds()


@pytest.mark.parametrize("mutate", [mutated_bytes, mutated_text, mutated_json])
def test_changes_are_the_same_for_the_same_seed(mutate):
    data = b'{"a": [1, 2, {"b": "c"}], "d": null}'
    first, second = ([mutate(data, random.Random(seed)) for seed in range(50)] for _ in range(2))
    assert first == second
    assert len(set(first)) > 25
    for empty in (b"", b"{}", b"[]", b"1"):
        assert all(isinstance(mutate(empty, random.Random(seed)), bytes) for seed in range(50))


def raising(_, data):
    raise KeyError(data)


def endless(_, __):
    while True:
        pass


def warning(_, __):
    import warnings

    warnings.warn("something", UserWarning, stacklevel=1)


@pytest.mark.parametrize(("read", "said"), [(raising, "KeyError"), (endless, "HangError"), (warning, "UserWarning")])
def test_what_is_no_diag_error_fails(read, said, monkeypatch):
    monkeypatch.setattr("tests.fuzz.judging.SECONDS", 0.05)
    outcome = judged(Target("x", read), b"data")
    assert outcome.kind == "failed"
    assert said in outcome.text


def test_the_command_counts_and_gives_an_input_again(tmp_path):
    command = [sys.executable, "-m", "tests.fuzz", "--no-atheris", "--target", "limits"]
    ran = subprocess.run([*command, "--runs", "30"], cwd=ROOT, capture_output=True, text=True, check=True)
    counts = ran.stdout.split()
    assert counts[0] == "limits"
    assert sum(map(int, counts[2::2])) == 30 + len(seeds("limits"))
    (tmp_path / "given").write_bytes(b"nothing=1")
    again = subprocess.run(
        [*command, "--input", tmp_path / "given"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert again.stdout.startswith("refused DIAG_LIMITS: expected name=number pairs")


def test_damaged_hdf5_files_end_in_one_line_and_the_next_file_is_read():
    counts, wrong = damaged(60)
    assert not wrong
    assert counts["read"] + counts["refused"] + sum(counts[kind] for kind in STOPPED) == 60
    assert counts["refused"] > 10


def test_a_good_file_is_read_after_one_that_brought_the_reader_down(monkeypatch):
    """With a target that dies or fails in place of HDF5's own."""

    def read(_, data):
        if data != seeds("hdf5 data")[0]:
            raise DataError(
                "x.h5: expected a file that can be read. Received: one that made the reader die (signal 11)."
            )

    monkeypatch.setitem(BY_NAME, "hdf5 data", Target("hdf5 data", read))
    counts, wrong = damaged(3)
    assert counts["died"] == counts["good files after"] == 1
    assert not wrong
    monkeypatch.setitem(BY_NAME, "hdf5 data", Target("hdf5 data", raising))
    assert len(damaged(3)[1]) == 1
