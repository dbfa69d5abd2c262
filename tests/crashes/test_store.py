"""The cache after crashes, damage and crowds: an entry is the old one, the new one or none, never a part."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diag.io import store

ROOT = Path(__file__).resolve().parents[2]


def entry(number):
    return store.Entry(
        meta={"number": number, "none": None},
        samples={"index": np.arange(5) + number},
        arrays={"a": np.full((3, 4), number, np.float32), "b": np.zeros(0)},
    )


def holds(found, number):
    return (
        found.meta == {"number": number, "none": None}
        and found.samples["index"].tolist() == list(range(number, number + 5))
        and bool(np.all(found.arrays["a"] == number))
        and found.arrays["b"].shape == (0,)
    )


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_said", [])
    return tmp_path / "cache"


def test_an_entry_comes_back_and_is_replaced_whole(cache):
    store.save("kernels", "k", entry(1))
    assert holds(store.load("kernels", "k"), 1)
    store.save("kernels", "k", entry(2))
    assert holds(store.load("kernels", "k"), 2)
    assert [path.name for path in (cache / "kernels").iterdir()] == ["k"]
    assert store.usage()[0] == 1
    assert store.clear() == 1
    assert store.load("kernels", "k") is None
    assert list(cache.iterdir()) == []


def test_every_damaged_byte_makes_it_none_or_leaves_it_as_it_was(cache):
    store.save("kernels", "k", entry(1))
    place = cache / "kernels" / "k"
    tried = 0
    for path in sorted(place.iterdir()):
        whole = path.read_bytes()
        for at in range(0, len(whole), 1 if len(whole) < 1000 else 7):
            changed = bytearray(whole)
            changed[at] ^= 0xFF
            path.write_bytes(changed)
            found = store.load("kernels", "k")
            assert found is None or holds(found, 1)
            tried += 1
        for length in range(0, len(whole), 11):
            path.write_bytes(whole[:length])
            assert store.load("kernels", "k") is None
        path.unlink()
        assert store.load("kernels", "k") is None
        path.write_bytes(whole)
    assert tried > 500
    assert holds(store.load("kernels", "k"), 1)


def test_a_large_array_is_mapped_and_its_length_and_head_are_compared(cache, monkeypatch):
    monkeypatch.setattr(store, "MAPPED_BYTES", 10_000)
    store.save("kernels", "k", store.Entry(meta={}, arrays={"a": np.arange(5000.0)}))
    path = cache / "kernels" / "k" / "a.npy"
    found = store.load("kernels", "k").arrays["a"]
    assert isinstance(found.base, np.memmap)
    assert found[-1] == 4999
    whole = path.read_bytes()
    for damaged in (whole[:-8], whole + b"\0", b"\0" + whole[1:], whole[:90] + b"9" + whole[91:]):
        path.write_bytes(damaged)
        assert store.load("kernels", "k") is None


@pytest.mark.parametrize("meta", ["[]", "{}", '{"files": 3, "meta": {}, "check": ""}', "null", "[" * 100_000])
def test_a_description_of_another_kind_is_none(cache, meta):
    store.save("kernels", "k", entry(1))
    (cache / "kernels" / "k" / "meta.json").write_text(meta)
    assert store.load("kernels", "k") is None


def test_what_killed_writers_left_is_removed_and_what_others_write_is_not(cache, tmp_path):
    store.save("kernels", "k", entry(1))
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = cache / "kernels" / f".writing-{store._machine()}-{int(dead.stdout)}-x"
    ours = cache / "kernels" / f".writing-{store._machine()}-{os.getpid()}-x"
    elsewhere = cache / "kernels" / ".writing-00000000-1-x"
    for folder in (left, ours, elsewhere):
        folder.mkdir()
        (folder / "a.npy").write_bytes(b"half")
    out = tmp_path / "report.html"
    partial = tmp_path / f".report.html.{store._machine()}-{int(dead.stdout)}-x.partial"
    partial.write_text("half")
    assert store.usage()[0] == 1
    store.save("kernels", "other", entry(2))
    store.write_aside(out, "whole")
    assert not left.exists()
    assert not partial.exists()
    assert ours.exists()
    assert elsewhere.exists()
    assert out.read_text() == "whole"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_cache_that_cannot_be_written_is_one_line_and_no_error(cache, monkeypatch, caplog, number):
    store.save("kernels", "k", entry(1))

    def full(path, *arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(np, "save", full)
    with caplog.at_level(logging.WARNING, logger="diag"):
        for _ in range(3):
            store.save("kernels", "k", entry(2))
    assert len(caplog.records) == 1
    text = caplog.records[0].getMessage()
    assert os.strerror(number) in text
    assert "DIAG_CACHE_DIR" in text
    assert holds(store.load("kernels", "k"), 1)  # the old one
    assert [path.name for path in (cache / "kernels").iterdir()] == ["k"]


WRITER = """
import sys
import numpy as np
from diag.io import store
from tests.crashes.test_store import entry, holds
for number in range(int(sys.argv[1]), int(sys.argv[1]) + 60):
    store.save("kernels", "k", entry(number))
    found = store.load("kernels", "k")
    if found is not None and not holds(found, found.meta["number"]):
        sys.exit(f"a mixture: {found}")
    if number % 20 == 7:
        store.clear()
"""


def test_processes_that_write_and_clear_one_key_never_mix(cache):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(start)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for start in (0, 1000, 2000)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    store.save("kernels", "k", entry(7))
    assert holds(store.load("kernels", "k"), 7)
    assert [path.name for path in (cache / "kernels").iterdir()] == ["k"]


def test_output_stays_when_its_disk_is_full(tmp_path, monkeypatch):
    out = tmp_path / "report.html"
    out.write_text("old")

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(OSError, match="No space"):
        store.write_aside(out, "new")
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
