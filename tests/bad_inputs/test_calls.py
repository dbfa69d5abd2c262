"""Training histories, which commands read beside a model, and files that may not be read: the library refuses them."""

from __future__ import annotations

import os
import pickle

import pytest

from diag.errors import DataError, DiagError, InvalidInputError, ModelLoadError, UnsafeModelError
from diag.io.datasets import load_dataset
from diag.io.histories import load_history
from diag.io.modelcard import load_card
from diag.io.models import load_model
from diag.io.opening import open_regular
from diag.worker.limits import Limits
from tests.bad_inputs.place import tree
from tests.bad_inputs.table import Said, missing_parts, run

HISTORIES = {
    "missing": ("a.log", None, Said("DataError", 1, "training history", "no such", "Check the path")),
    "empty": (
        "a.log",
        b"",
        Said("DataError", 1, "expected a CSVLogger file", "Received: the file is empty", "Pass another"),
    ),
    "text": (
        "a.csv",
        b"hello\nworld\n",
        Said("DataError", 1, "expected a number", "Received: 'world'", "Correct or drop"),
    ),
    "binary": (
        "a.log",
        bytes(range(256)),
        Said("DataError", 1, "with a header", "Received: 'utf-8'", "Save it as UTF-8"),
    ),
    "code": (
        "a.hist",
        b"cos\nsystem\n(S'true'\ntR.",
        Said("UnsafeModelError", 1, "expected a pickle of dicts", r"asks for os\.system", r"pickle history\.history"),
    ),
    "cut": (
        "a.hist",
        pickle.dumps({"loss": [1.0]})[:-3],
        Said("DataError", 1, "expected a pickled dict", "Received: the file is damaged", "Copy it again"),
    ),
    "number": (
        "a.hist",
        pickle.dumps(3),
        Said("DataError", 1, "expected a dict of lists", "Received: int", "Save history"),
    ),
    "text column": (
        "a.hist",
        pickle.dumps({"loss": [1.0], "acc": "x"}),
        Said("DataError", 1, "must be a list of numbers", "Received: str", "Correct or drop it"),
    ),
    "half JSON": (
        "a.json",
        b"[1,",
        Said("DataError", 1, "expected JSON", "Received: what cannot", "Correct that place"),
    ),
    "JSON list": ("a.json", b"[1]", Said("DataError", 1, "expected a dict of lists", "Received: list", "Save history")),
    "deep JSON": (
        "a.json",
        b"[" * 100_000,
        Said("DataError", 1, "expected JSON", "Received: what", "Correct that place"),
    ),
    "header": (
        "a.csv",
        b"epoch,loss\n",
        Said("DataError", 1, "at least one epoch", "Received: none", "Save it after fit"),
    ),
    "ragged": (
        "a.csv",
        b"epoch,loss\n0,1,2\n",
        Said("DataError", 1, "expected 2 values", "Received: 3", "Correct or drop"),
    ),
    "ending": ("a.xyz", b"x", Said("DataError", 1, "expected a history in", r"Received: '\.xyz'", "rename it")),
    "folder": ("log", "folder", Said("DataError", 1, "expected a log folder", "Received: none", "Pass the folder")),
    "events": (
        "events.out.tfevents.1",
        b"x" * 40,
        Said("DataError", 1, "expected an event file", "Received: it is damaged", "Copy it again"),
    ),
}


@pytest.mark.parametrize(("name", "content", "said"), HISTORIES.values(), ids=HISTORIES)
def test_a_wrong_history_is_refused_in_one_line(name, content, said, tmp_path):
    if content == "folder":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DiagError) as refused:
        load_history(tmp_path / name)
    line = str(refused.value)
    assert type(refused.value) is {"DataError": DataError, "UnsafeModelError": UnsafeModelError}[said.error]
    assert line.isprintable()
    assert len(line) < 500
    assert missing_parts(line, said) == [], line


NOT_READ = Said("", 1, "expected a readable", "Received: Permission denied", "permissions")


@pytest.mark.parametrize("error", [ModelLoadError, DataError, InvalidInputError])
def test_a_file_that_may_not_be_read_is_one_line(error, place, monkeypatch):
    path = place.data

    def refused(*given, **more):
        raise PermissionError(13, os.strerror(13), path)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(error) as caught:
        open_regular(path, "file", error)
    assert missing_parts(str(caught.value), NOT_READ) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("read", [load_model, load_dataset])
def test_a_file_without_permissions_is_one_line(read, place):
    path = place.root / ("model.skops" if read is load_model else "data.npz")
    assert place.model
    assert place.data
    path.chmod(0)
    with pytest.raises(DiagError, match="Permission denied"):
        read(str(path))


def test_a_limit_that_is_none_is_one_line(place, capsys, monkeypatch):
    arguments = ["evaluate", place.model, "--data", place.data]
    before = tree(place.root)
    monkeypatch.setenv("DIAG_LIMITS", "layers=many")
    ended = run(arguments, capsys, monkeypatch)
    said = Said("InvalidInputError", 1, "expected name=number pairs", "Received: 'layers=many'", "Correct the variable")
    assert (ended.status, ended.error, ended.out) == (said.status, said.error, "")
    assert missing_parts(ended.err, said) == []
    assert tree(place.root) == before
    with pytest.raises(InvalidInputError, match="Received: 'tables=3'"):
        Limits.parsed("tables=3")


def test_a_card_that_is_a_pipe_does_not_hang(place):
    os.mkfifo(place.root / "model.toml")
    with pytest.raises(InvalidInputError, match=r"expected a model card\. Received: a pipe"):
        load_card(place.root / "model.skops")
