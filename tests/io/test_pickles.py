"""Pickles that are damaged or mean harm: each ends in one line, and nothing in it is ever run."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import DataError, DiagError, UnsafeModelError
from diag.io import histories
from diag.io.histories import load_history
from diag.io.pickles import read_pickled_numbers

PROTOCOLS = range(6)


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def short(text):
    """The opcode SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(text)]) + text.encode()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_cut_of_a_pickle_is_an_error(protocol):
    data = pickle.dumps({"loss": [np.float32(1.5), 2.0, 300], "lr": np.arange(3.0), "t": (1, None, True)}, protocol)
    for end in range(len(data)):
        with pytest.raises(DiagError):
            read_pickled_numbers("a", data[:end])


@pytest.mark.parametrize("data", [b"V\\u12\n.", b"S'\\u'\n.", b"cnumpy\n\\udtype\n.", b"c\\q\n\\u\n."])
def test_odd_escapes_are_an_error_without_a_warning(data):
    with pytest.raises(DiagError):
        histories._history("a", read_pickled_numbers("a", data))


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(PROTOCOLS))
def test_changed_bytes_give_a_history_or_one_line(data, protocol):
    good = bytearray(pickle.dumps({"loss": [np.float32(1.5), 2.0], "lr": np.arange(2.0)}, protocol))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    message = ""
    try:
        histories._history("a", read_pickled_numbers("a", bytes(good)))
    except DiagError as error:
        message = str(error)
    assert "\n" not in message


class Call:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class FakeHistory:
    """Stands for keras.callbacks.History: an instance with a ``history`` in it."""

    def __init__(self):
        self.history = {"loss": [1.0]}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("content", "named"),
    [
        (Call(os.system, "touch BOO"), "system"),
        (Call(builtins.eval, "open('BOO', 'w')"), "eval"),
        (Call(Path.touch, Path("BOO")), "getattr|Path.touch|pathlib"),
        ({"loss": [Call(builtins.exec, "open('BOO', 'w')")]}, "exec"),
        ({"loss": np.array([Call(os.system, "touch BOO")], object)}, "a NumPy type that is not a number"),
        ({"loss": np.array([{}], object)}, "a NumPy type that is not a number"),
        ({"loss": np.array(["a"])}, "a NumPy type that is not a number"),
        ({"loss": np.array([1j])}, "a NumPy type that is not a number"),
        ({"loss": np.zeros(1, [("a", "f4")])}, "a NumPy type that is not a number"),
        ({"loss": np.zeros((2, 2))}, "a NumPy array that is not a row of numbers"),
        ({"loss": {1.0}}, "EMPTY_SET|set"),
        ({"loss": [1j]}, "complex"),
        (pd.Series([1.0]), "pandas|copy_reg"),
    ],
)
def test_nothing_in_a_pickle_is_run(tmp_path, monkeypatch, protocol, content, named):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, "a.hist", pickle.dumps(content, protocol))
    with pytest.raises(UnsafeModelError, match=named) as error:
        load_history(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.hist"]
    assert "\n" not in str(error.value)
    assert "was not run" in str(error.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_history_object_says_what_to_pickle_instead(tmp_path, protocol):
    path = write(tmp_path, "a.hist", pickle.dumps(FakeHistory(), protocol))
    with pytest.raises(UnsafeModelError, match=r"pickle history\.history \(a dict of lists\) instead"):
        load_history(path)


DTYPE = b"cnumpy\ndtype\n"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
F8 = DTYPE + short("f8") + b"\x89\x88\x87R"  # dtype("f8", False, True), native order
HEAD = b"\x80\x04}" + short("loss")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"cos\nsystem\n(S'touch BOO'\ntR.", UnsafeModelError),
        (b"(S'touch BOO'\nios\nsystem\n.", UnsafeModelError),  # INST
        (b"(cos\nsystem\nS'touch BOO'\no.", UnsafeModelError),  # OBJ
        (b"\x80\x04" + short("os") + short("system") + b"\x93.", UnsafeModelError),
        (b"\x80\x02\x82\x01.", UnsafeModelError),  # EXT1: a name from the extension registry
        (b"\x80\x02Pabc\n.", UnsafeModelError),  # PERSID
        (b"\x80\x05\x97.", UnsafeModelError),  # NEXT_BUFFER
        (b"cos\nsy\x1b[31m\n.", UnsafeModelError),
        (b"cnumpy\nload\n.", UnsafeModelError),
        (b"c__builtin__\neval\n.", UnsafeModelError),
        (HEAD + b"K\x01)Rs.", UnsafeModelError),  # a call of the number 1
        (HEAD + b"]\x85bs.", UnsafeModelError),  # the state of a string
        (HEAD + b"]K\x01\x85bs.", UnsafeModelError),  # the state of a list
        (HEAD + DTYPE + short("O8") + b"\x89\x88\x87Rs.", UnsafeModelError),
        (HEAD + DTYPE + b")Rs.", DataError),  # dtype()
        (HEAD + b"cnumpy\nndarray\n)Rs.", UnsafeModelError),  # the class itself is a name, not a call
        # arrays whose shape and bytes disagree, an order that is no order, a shape that is no shape
        (HEAD + RECONSTRUCT + b")R(K\x01K\x09\x85" + F8 + b"\x89C\x08" + bytes(8) + b"tbs.", DataError),
        (
            HEAD + RECONSTRUCT + b")R(K\x01J\xff\xff\xff\xff\x85" + F8 + b"\x89C\x08" + bytes(8) + b"tbs.",
            DataError,
        ),
        (HEAD + RECONSTRUCT + b")R(K\x01N" + F8 + b"\x89C\x08" + bytes(8) + b"tbs.", UnsafeModelError),
        (HEAD + RECONSTRUCT + b")R(K\x01K\x01\x85" + F8 + b"\x89]tbs.", UnsafeModelError),
        (HEAD + RECONSTRUCT + b")R(K\x01K\x01\x85]\x89C\x08" + bytes(8) + b"tbs.", UnsafeModelError),
        (HEAD + F8 + b"(K\x03" + short("x") + b"NNNtbs.", UnsafeModelError),
        (HEAD + b"c_codecs\nencode\n" + short("a") + short("rot13") + b"\x86Rs.", UnsafeModelError),
        # the stack machine itself: too few objects, no mark, no memo, a list where a dict should be
        (b"\x80\x04.", DataError),
        (b"K\x01\x87.", DataError),
        (b"K\x01t.", DataError),
        (b"h\x07.", DataError),
        (b"]K\x01K\x02s.", DataError),
        (b"}K\x01a.", DataError),
        (b"}(K\x01u.", DataError),
        (b"S'abc\n.", DataError),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"a.", DataError),  # BINBYTES8 of 2**63 bytes
        (b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"a.", DataError),  # BINUNICODE8 of 2**40 bytes
        (b"]r\xff\xff\xff\xff.", DataError),  # memo number 2**32 - 1 costs nothing; a list is no history
        (b"}" + short("a") + b"I" + b"9" * 10_000 + b"\ns.", DataError),
    ],
)
def test_crafted_pickles(tmp_path, monkeypatch, data, kind):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DiagError) as error:
        load_history(write(tmp_path, "a.hist", data))
    assert isinstance(error.value, kind)
    assert str(error.value).isprintable()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.hist"]


@pytest.mark.parametrize("one", [b"]", b"(", b"]a", b"]\x85", b"(K\x01t"])
def test_deep_nesting(tmp_path, one):
    depth = 200_000
    closed = {b"]": b"]" * depth + b"a" * (depth - 1), b"]\x85": b"]" + b"\x85" * depth}.get(one, one * depth)
    with pytest.raises(DataError):
        load_history(write(tmp_path, "a.hist", HEAD + closed + b"s."))


def test_a_deep_tuple_as_a_key_is_refused_without_hashing_it(tmp_path):
    # Python's hash of nested tuples is recursive in C without a limit.
    with pytest.raises(DataError, match="a str is missing"):
        load_history(write(tmp_path, "a.hist", b"\x80\x04})" + b"\x85" * 500_000 + b"K\x01s."))


def test_a_billion_laughs(tmp_path):
    # Each list holds the one before ten times: 10**30 numbers if anyone walked it.
    laughs = b"](K\x01K\x01e\x94" + b"".join(b"](" + (b"h" + bytes([i])) * 10 + b"e\x94" for i in range(30))
    with pytest.raises(DataError, match="Received: list"):
        load_history(write(tmp_path, "a.hist", HEAD + b"(" + laughs + b"ts."))


def test_one_large_list_under_many_names(tmp_path):
    shared = [1.0] * 2500
    data = pickle.dumps({f"m{i}": shared for i in range(900)})  # 2,250,000 numbers in 40 kB
    assert len(data) < 100_000
    with pytest.raises(DataError, match="at most 2000000 numbers"):
        load_history(write(tmp_path, "a.hist", data))


def test_a_list_that_holds_itself(tmp_path):
    loop: list = []
    loop.append(loop)
    with pytest.raises(DataError, match="Received: list"):
        load_history(write(tmp_path, "a.hist", pickle.dumps({"loss": loop})))


def binunicode(text):
    return b"X" + struct.pack("<I", len(text)) + text.encode()


# A text of 100 kB that is turned into bytes 10,000 times, a gigabyte in all, out of 200 kB of file. Every part is
# put into the memo once: q0 the function or type, q1 the arguments or the state.
TEXT = binunicode("a" * 100_000)
BYTES_TWICE = b"\x80\x02c_codecs\nencode\nq\x00" + TEXT + binunicode("latin1") + b"\x86q\x01"
STATE = b"(K\x01J" + struct.pack("<i", 100_000) + b"\x85h\x00\x89" + TEXT + b"tq\x01"
ARRAYS_TWICE = b"\x80\x02cnumpy\ndtype\n" + binunicode("u1") + b"\x85Rq\x00" + STATE


@pytest.mark.parametrize(
    "data",
    [
        BYTES_TWICE + b"](" + b"h\x00h\x01R" * 10_000 + b"e.",
        ARRAYS_TWICE + RECONSTRUCT + b")R" + b"h\x01b" * 10_000 + b".",
    ],
    ids=["encode", "state"],
)
def test_bytes_made_of_one_text_again_and_again(data):
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="it makes more bytes than it has"):
            read_pickled_numbers("a", data)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("use", [b"h\x00h\x01R", b"h\x02h\x01b"], ids=["call", "state"])
def test_a_call_with_very_many_parts(use):
    # Each use would copy a million references; a dtype's state, the longest that NumPy writes, has eight or nine.
    data = (
        b"\x80\x02cnumpy\ndtype\nq\x00"
        + (binunicode("f4") + b"\x85R" + b"q\x02")
        + (b"h\x00(" + binunicode("f4") + b"N" * 1_000_000 + b"tq\x01")
        + use
        + b"."
    )
    with pytest.raises(UnsafeModelError, match="more parts than a NumPy number has"):
        read_pickled_numbers("a", data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_honest_pickles_stay_below_the_limit_on_bytes(protocol):
    # One-character texts are one object in Python, so a pickle below protocol 3 shares them out of its memo.
    content = {"a": [np.int8(1)] * 3 + [np.int8(1) for _ in range(300)], "b": np.ones(5000, "i1"), "c": b"x" * 999}
    read = read_pickled_numbers("a", pickle.dumps(content, protocol))
    assert read["a"] == [1] * 303
    assert read["b"].numbers.tolist() == [1] * 5000
    assert read["c"] == b"x" * 999


def test_too_many_opcodes(tmp_path):
    with pytest.raises(DataError, match="more than 2000000 opcodes"):
        load_history(write(tmp_path, "a.hist", b"\x80\x04" * 1 + b"\x8a\x00" * 2_000_000 + b"."))


def test_too_large_a_file(tmp_path):
    path = tmp_path / "a.hist"
    with path.open("wb") as file:
        file.truncate(histories.MAX_BYTES + 1)
    with pytest.raises(DataError, match="at most 16777216 bytes"):
        load_history(path)
