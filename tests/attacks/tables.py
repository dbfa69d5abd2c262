"""Tables and histories: CSV, pickles, JSON, event files of TensorBoard."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.attacks.arrays import Content, _gzipped, _Payload
from tests.attacks.trap import Attack, Trap
from tests.io.written import field, record, varint

MIB = 2**20


def _data(name: str, tries: str, content: Content, file: str = "a.csv", harmless: bool = False) -> Attack:
    return Attack(f"csv_{name}", tries, "ours", "data", _writer(file, content), harmless)


def _history(name: str, tries: str, file: str, content: Content, cited: str = "ours", harmless: bool = False) -> Attack:
    return Attack(f"history_{name}", tries, cited, "history", _writer(file, content), harmless)


def _writer(file: str, content: Content) -> Callable[[Trap], Path]:
    def build(trap: Trap) -> Path:
        path = trap.path(file)
        path.write_bytes(content(trap) if callable(content) else content)
        return path

    return build


def _rows(*rows: str) -> bytes:
    return "\n".join(rows).encode() + b"\n"


_PIXELS = ",".join(["7"] * 16)
_HEAD = "label," + ",".join(f"pixel{n}" for n in range(16))
TABLES = (
    _data("field", "a field of 64 MB", _rows("file,label", '"' + "a" * (64 * MIB) + '",1')),
    _data("open_quote", "a quote that never closes", lambda t: _rows(_HEAD, f'"1,{_PIXELS}',
        *[f"1,{_PIXELS}"] * 200_000)),
    _data("columns", "ten million columns", lambda t: b"label," + b",".join([b"p"] * 10_000_000) + b"\n" + b"1," + b","
          .join([b"1"] * 10_000_000) + b"\n"),
    _data("commas", "64 MB of commas", b"," * (64 * MIB)),
    _data("line", "one line of 200 MB in gzip", lambda t: _gzipped(b"a" * MIB, 200), "a.csv.gz"),
    _data("gzip_bomb", "3 GiB of rows in gzip", lambda t: _gzipped(f"1,{_PIXELS}\n".encode() * 31_000, 3000,
                                                                   f"{_HEAD}\n".encode()), "a.csv.gz"),
    _data("nul", "bytes of zero", _rows(_HEAD, f"1,{_PIXELS}", f"\0,{_PIXELS}", f"1,{_PIXELS}")),
    _data("numbers", "numbers of 400,000 digits", _rows(_HEAD, "1," + "9" * 400_000 + ",1" * 15, f"0,{_PIXELS}")),
    _data("exponents", "numbers beyond all bounds", _rows(_HEAD, f"1e999999999,{_PIXELS}", f"-1e999,{_PIXELS}")),
    _data("labels", "label numbers up to 2 ** 62", _rows(_HEAD, f"{2**62},{_PIXELS}", f"0,{_PIXELS}"), harmless=True),
    _data("formula", "formulas for names", _rows("label," + _HEAD[6:], f"=cmd|' /C calc'!A0,{_PIXELS}",
                                                 f"@SUM(1),{_PIXELS}"), harmless=True),
    _data("names", "names that write over the line", _rows(_HEAD, f"\x1b[2J\x1b]0;x\x07\u202e,{_PIXELS}",
        f"b,{_PIXELS}"),
          harmless=True),
    _data("binary", "noise", bytes(range(256)) * 4000),
    _data("paths", "paths of pictures that lie elsewhere", lambda t: _rows(
        "file,label", f"{t.canary}/secret.png,1", "../canary/secret.png,0")),
    _data("paths_up", "relative paths that lead out", lambda t: _rows(
        "file,label", "../../canary/secret.png,1", "../../canary/secret.png,0")),
    _data("urls", "addresses of pictures", lambda t: _rows("file,label", f"{t.url}/a.png,1", f"{t.url}/b.png,0")),
    _data("devices", "devices for pictures", _rows("file,label", "/dev/zero,1", "/dev/stdin,0", "/dev/random,1")),
)  # fmt: skip


def _pickled(value: Any, protocol: int = 2) -> Callable[[Trap], bytes]:
    return lambda trap: pickle.dumps(value(trap), protocol)


def _global(module: str, name: str, *arguments: str) -> bytes:
    body = b"".join(b"V" + text.encode("unicode_escape") + b"\n" for text in arguments)
    return f"c{module}\n{name}\n(".encode() + body + b"tR."


class _State:
    """An object of NumPy with a state of one's own."""

    def __reduce__(self) -> Any:
        return np.random.RandomState, ()


def _text4(length: int) -> bytes:
    return b"\x80\x02X" + struct.pack("<I", length)


def _laughs() -> bytes:
    """Return lists that each hold the one before ten times: 10 ** 40 numbers in 1 kB."""
    out = b"\x80\x02]q\x00(K\x01K\x02e"
    for level in range(1, 40):
        out += b"0]q" + bytes([level]) + b"(" + b"h" + bytes([level - 1]) + (b"h" + bytes([level - 1])) * 9 + b"e"
    return b"\x80\x02}q\xf0X\x04\x00\x00\x00loss" + out[2:] + b"s."


def _memo_bomb() -> bytes:
    """Return one array of 64 kB whose bytes are taken out of the memo 60,000 times."""
    text = b"\x80\x02}X\x04\x00\x00\x00loss](X" + struct.pack("<I", 65_536) + b"a" * 65_536 + b"q\x01"
    call = b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R"
    return text + call * 60_000 + b"es."


_LOSS = b"\x80\x02}X\x04\x00\x00\x00loss"
_PICKLES = {
    "system": ("calls a program", lambda t: _global("os", "system", f"touch {t.marker}")),
    "posix": ("the same by another name", lambda t: _global("posix", "system", f"touch {t.marker}")),
    "eval": ("evaluates a text", lambda t: _global("builtins", "eval", t.payload())),
    "eval_2": ("the same in Python 2's words", lambda t: _global("__builtin__", "eval", t.payload())),
    "exec_inside_dict": ("runs before the dictionary is there", lambda t: _LOSS + _global(
        "builtins", "exec", t.payload())[:-1] + b"s."),
    "reduce": ("an object that opens a file", _pickled(lambda t: {"loss": [1.0], "x": _Payload(t)}, 4)),
    "protocol_5": ("the same by protocol 5", _pickled(lambda t: {"loss": _Payload(t)}, 5)),
    "protocol_0": ("the same by protocol 0", _pickled(lambda t: {"loss": _Payload(t)}, 0)),
    "numpy_load": ("a function of NumPy that reads files", lambda t: _global("numpy", "load",
        f"{t.canary}/secret.npy")),
    "numpy_fromfile": ("another", lambda t: _global("numpy", "fromfile", f"{t.canary}/secret.txt")),
    "numpy_runs": ("a function of NumPy's tests that runs text", lambda t: _global(
        "numpy.testing._private.utils", "runstring", t.payload(), "x")),
    "scalar_of_object": ("a number of NumPy that is a pickle", lambda t: b"\x80\x02cnumpy.core.multiarray\nscalar\n"
                         b"cnumpy\ndtype\nX\x02\x00\x00\x00O8K\x00K\x01\x87RX\x01\x00\x00\x00a\x86R."),
    "random_state": ("another object of NumPy", _pickled(lambda t: {"loss": _State()})),
    "dotted": ("a name with dots", lambda t: b"\x80\x04\x8c\x05numpy\x8c\x0f_core.os.system\x93\x8c\x01x\x85R."),
    "extension": ("a number for a name", lambda t: b"\x80\x02\x82\x01."),
    "persistent": ("an object kept elsewhere", lambda t: b"Pfile:///etc/passwd\n."),
    "inst": ("an instance by INST", lambda t: b"(Vx\nios\nsystem\n."),
    "obj": ("an instance by OBJ", lambda t: b"(cos\nsystem\nVx\no."),
    "newobj": ("an instance by NEWOBJ", lambda t: b"\x80\x02cos\nsystem\n)\x81."),
    "build": ("the state of a dictionary", lambda t: _LOSS + b"K\x01s}X\x05\x00\x00\x00__set}sb."),
    "laughs": ("lists of the lists before", lambda t: _laughs()),
    "memo": ("one text out of the memo again and again", lambda t: _memo_bomb()),
    "nested": ("a million lists in lists", lambda t: _LOSS + b"]" * 1_000_000 + b"a" * 999_999 + b"s."),
    "tuples": ("a million tuples in tuples", lambda t: _LOSS + b")" + b"\x85" * 1_000_000 + b"s."),
    "itself": ("a list that holds itself", lambda t: _LOSS + b"]q\x01h\x01as."),
    "text_length": ("a text of 4 GB that is not there", lambda t: _text4(2**32 - 1) + b"abc"),
    "bytes8_length": ("bytes of 2 ** 63", lambda t: b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"abc"),
    "bytearray_length": ("an array of 2 ** 40 bytes", lambda t: b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc"),
    "frame": ("a frame of 2 ** 63 bytes", lambda t: b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"}."),
    "long": ("a number of two million digits", lambda t: _LOSS + b"L" + b"9" * 2_000_000 + b"L\ns."),
    "long4": ("a number of 2 GB", lambda t: b"\x80\x02\x8b\xff\xff\xff\x7f\x01"),
    "long4_negative": ("a number of negative length", lambda t: b"\x80\x02\x8b\xff\xff\xff\xff\x01"),
    "long4_real": ("a number of 8 MB", lambda t: _LOSS + b"]\x8b" + struct.pack("<i", 8 * MIB) + b"\x77" * 8 * MIB
                   + b"as."),
    "put": ("a place in the memo that is far", lambda t: b"\x80\x02}r\xff\xff\xff\xff0j\xff\xff\xff\x7f."),
    "numbers": ("eight million numbers", lambda t: _LOSS + b"](" + b"K\x01" * 8_000_000 + b"es."),
    "marks": ("marks without end", lambda t: b"\x80\x02" + b"(" * 4_000_000 + b"."),
    "empty": ("an end at the beginning", lambda t: b"."),
    "model": ("a Keras model in a pickle",
        lambda t: b"\x80\x04\x8c\x1ekeras.src.models.sequential\x8c\nSequential\x93)R."),
    "dtype": ("a type of NumPy of 2 GB", lambda t: b"\x80\x02cnumpy\ndtype\nX\x0b\x00\x00\x00S2000000000\x85R."),
    "column_name": ("a name of a megabyte", _pickled(lambda t: {"\x1b[2J\u202e" * 300_000: [1.0]})),
}  # fmt: skip


def _event(tag: bytes, number: bytes = b"\x15\x00\x00\x80?") -> bytes:
    return field(5, field(1, field(1, tag) + number))


def _events(name: str, tries: str, content: Content, harmless: bool = False) -> Attack:
    return _history(f"events_{name}", tries, "events.out.tfevents.1.host", content, "ours", harmless)


HISTORIES = (
    *(_history(f"pickle_{name}", tries, "a.hist", made)
      for name, (tries, made) in _PICKLES.items()),
    _history("json_nested", "lists in lists", "a.json", b'{"loss": ' + b"[" * 500_000 + b"]" * 500_000 + b"}"),
    _history("json_digits", "a number of a million digits", "a.json", b'{"loss": [' + b"9" * 1_000_000 + b"]}"),
    _history("json_large", "64 MB", "a.json", b'{"loss": [' + b"1," * (32 * MIB) + b"1]}"),
    _history("json_keys", "a million columns", "a.json", lambda t: json.dumps(
        {f"c{n}": [1.0] for n in range(400_000)}).encode(), harmless=True),
    _history("json_names", "names that write over the line", "a.json", json.dumps({"\x1b[2J\n\u202e": [1]}).encode()),
    _history("csv_field", "a field of 10 MB", "a.log", _rows("epoch,loss", "0," + "9" * (10 * MIB))),
    _history("csv_columns", "a million columns", "a.log", _rows(",".join(f"c{n}" for n in range(1_000_000)),
                                                                ",".join(["1"] * 1_000_000)), harmless=True),
    _history("csv_nul", "bytes of zero", "a.csv", b"epoch,loss\n0,\x00\n"),
    _history("csv_open_quote", "a quote that never closes", "a.csv", b'epoch,loss\n0,"1\n' + b"1,2\n" * 1_000_000),
    _history("csv_formula", "formulas for names", "a.csv", b"epoch,=1+1|calc\n0,1\n", harmless=True),
    _events("length", "a record of 2 ** 63 bytes", struct.pack("<Q", 2**63) + bytes(64)),
    _events("length_cut", "a record longer than the file", record(_event(b"loss"))[:8] + bytes(3)),
    _events("groups", "groups in groups", record(b"\x2b" * 60_000)),
    _events("tags", "thousands of tags", lambda t: b"".join(record(_event(b"epoch_%d" % n)) for n in range(3000))),
    _events("tag", "a tag of 60 kB with control characters", record(_event(b"epoch_\x1b[2J" * 6000)), harmless=True),
    _events("step", "a step of 2 ** 63", record(b"\x10" + varint(2**63 - 1) + _event(b"epoch_loss")), harmless=True),
    _events("tensor", "a tensor of 2 ** 60 numbers", record(_event(b"epoch_loss", field(8, b"\x08\x01" + field(
        2, field(2, b"\x08" + varint(2**60))) + field(4, b"\x00\x00\x80?"))))),
    _events("empty", "nothing", b""),
    Attack("history_folder_of_links", "a log folder of links and pipes", "ours", "history", lambda t: _log_folder(t)),
)  # fmt: skip


def _log_folder(trap: Trap) -> Path:
    import os

    folder = trap.path("logs") / "train"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "events.out.tfevents.1")
    (folder / "events.out.tfevents.2").symlink_to(trap.canary / "secret.txt")
    (folder / "events.out.tfevents.3").symlink_to("/dev/zero")
    (folder / "more").symlink_to("..")
    return folder.parent
