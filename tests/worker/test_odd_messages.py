"""A process that was taken over may send what it likes: its caller keeps to the few things that it knows."""

from __future__ import annotations

import json
import socket
import struct
from types import SimpleNamespace

import pytest

from diag.errors import DiagError
from diag.worker.channel import ChannelError, Message, receive
from diag.worker.process import Call, Worker


def raw(header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


def header(arrays=(), body=None, kind="answer"):
    return {"kind": kind, "body": body, "arrays": list(arrays)}


ODD = {
    "a length of 2 EiB": struct.pack("<Q", 2**61),
    "a number without end": raw(b'{"kind": "answer", "body": null, "arrays": [["a", "<f4", [1e400]]]}'),
    "an array of petabytes": raw(header([["a", "<f4", [2**50]]])),
    "an array of few texts of gigabytes": raw(header([["a", "<U2147483647", [2]]])),
    "a negative shape": raw(header([["a", "<f4", [-1, 4]]])),
    "objects": raw(header([["a", "|O", [1]]])),
    "records": raw(header([["a", "f4,O", [1]]])),
    "a type that is a text to parse": raw(header([["a", "(2,3)f4", [1]]])),
    "lists in lists": raw(b"[" * 100_000),
    "no arrays": raw({"kind": "answer", "body": None}),
    "an array without shape": raw(header([["a", "<f4"]])),
    "progress of words": raw(header(body=["a", "b"], kind="progress")),
    "progress of nothing": raw(header(kind="progress")),
    "progress of three": raw(header(body=[1, 2, 3], kind="progress")),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_messages_are_a_channel_that_failed(name, monkeypatch):
    monkeypatch.setenv("DIAG_LIMITS", "model_memory_bytes=1000000")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(ODD[name])
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ChannelError):
            Worker("reader")._reply(SimpleNamespace(socket=ours, wait=lambda: None), lambda done, total: None)


@pytest.mark.parametrize(
    "body",
    [["KeyboardInterrupt", "x"], ["__class__", "x"], ["__builtins__", "x"], ["annotations", "x"], "x", None, ["x"],
     [["DiagError"], ["x"]], {"DiagError": "x"}],
)  # fmt: skip
def test_an_error_of_an_odd_class_is_raised_as_ours(body):
    with pytest.raises(DiagError) as caught:
        Worker("reader")._opened(Message("error", body), Call("audit"))
    assert type(caught.value).__module__ == "diag.errors"


def test_an_odd_kind_is_a_bug_of_ours():
    with pytest.raises(RuntimeError, match="reader failed"):
        Worker("reader")._opened(Message("call me", None), Call("audit"))


def test_a_message_in_two_halves_is_one():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        data = raw(header(body=1))
        theirs.sendall(data[:11])
        theirs.sendall(data[11:])
        assert receive(ours).body == 1
