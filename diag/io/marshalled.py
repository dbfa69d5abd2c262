"""Python's marshal format read as data: the code objects in it are described, never made.

`marshal.loads` must not see a stranger's bytes: it can crash, and what it returns can be run. This reader knows the
layouts of Python 2.7 and 3.0 to 3.14, has limits for everything, and returns plain values.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from diag.errors import DiagError

MAX_BYTES = 2**14
MAX_DEPTH = 20
MAX_ITEMS = 4096
_REF = 0x80  # this value can be referred to later
# What a code object is made of: "i" a plain number of 4 bytes, "o" a value.
_COMMON = ("code", "consts", "names", "varnames", "freevars", "cellvars", "filename", "name", "firstlineno", "lnotab")
LAYOUTS: dict[str, tuple[str, ...]] = {
    "2.7": ("argcount", "nlocals", "stacksize", "flags", *_COMMON),
    "3.0": ("argcount", "kwonlyargcount", "nlocals", "stacksize", "flags", *_COMMON),
    "3.8": ("argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags", *_COMMON),
    "3.11": (
        "argcount", "posonlyargcount", "kwonlyargcount", "stacksize", "flags", "code", "consts", "names", "varnames",
        "kinds", "filename", "name", "qualname", "firstlineno", "linetable", "exceptiontable",
    ),
}  # fmt: skip
_NUMBERS = (
    "argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags", "firstlineno",
)  # fmt: skip


class MarshalError(DiagError):
    """The bytes are not a code object in the layout that was tried."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code object, described.

    Parameters
    ----------
    layout : str
        Key of `LAYOUTS`.
    argcount : int
        Positional arguments.
    code : bytes
        Instructions.
    consts, names, varnames, freevars : tuple
        As Python has them; from 3.11 on ``varnames`` holds all local places, free ones last.
    exceptiontable : bytes
        Not empty where the function has ``try`` or ``with`` (3.11 on).
    """

    layout: str
    argcount: int
    code: bytes
    consts: tuple[Any, ...]
    names: tuple[str, ...]
    varnames: tuple[str, ...]
    freevars: tuple[str, ...]
    exceptiontable: bytes = b""


def read_code(data: bytes, layout: str) -> Code:
    """Return the code object that `data` describes.

    Parameters
    ----------
    data : bytes
        What ``marshal.dumps(function.__code__)`` gave.
    layout : str
        Key of `LAYOUTS`: the first version of Python that wrote code objects so.

    Raises
    ------
    MarshalError
        If the bytes are nothing of the kind, are too many, or do not end where the object does.

    References
    ----------
    CPython, ``Python/marshal.c`` of each version.
    """
    if len(data) > MAX_BYTES:
        raise MarshalError(f"expected at most {MAX_BYTES:,} bytes of code. Received: {len(data):,}.")
    reader = _Reader(data, layout)
    try:
        value = reader.value(0)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise MarshalError(f"expected marshalled code. {type(error).__name__}: {error}") from error
    if not isinstance(value, Code) or reader.place != len(data):
        raise MarshalError("expected one marshalled code object.")
    return value


class _Reader:
    def __init__(self, data: bytes, layout: str) -> None:
        self.data, self.layout, self.place = data, layout, 0
        self.refs: list[tuple[Any, int]] = []  # with how many values each is made of
        self.interned: list[Any] = []  # Python 2 refers to names in a list of their own
        self.items = 0

    def value(self, depth: int) -> Any:
        """Return the next value."""
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise MarshalError("expected a small function. Received: values nested too deep, or too many.")
        mark, before = self._take(1)[0], self.items
        kind = chr(mark & ~_REF)
        slot = None
        if mark & _REF:
            slot = len(self.refs)
            self.refs.append((None, 0))
        found = self._of(kind, depth)
        if slot is not None:
            self.refs[slot] = (found, self.items - before)
        return found

    def _of(self, kind: str, depth: int) -> Any:
        simple = {"N": None, "T": True, "F": False, ".": Ellipsis}
        if kind in simple:
            return simple[kind]
        if kind in "if" or kind in "Igl":
            return self._number(kind)
        if kind in "stuaAzZ":
            return self._text(kind)
        if kind == "R":
            return self.interned[self._count()]
        if kind == "r":
            found, size = self.refs[self._count()]
            self.items += size  # once more: values that refer to values that refer to values grow by doubling
            return found
        if kind in "()[":
            size = self._take(1)[0] if kind == ")" else self._count()
            values = [self.value(depth + 1) for _ in range(size)]
            return values if kind == "[" else tuple(values)
        if kind == ":":  # a slice (3.14)
            return slice(*(self.value(depth + 1) for _ in range(3)))
        if kind == "c":
            return self._code(depth)
        raise MarshalError(f"expected a number, text, tuple or code. Received: type {kind!r}.")

    def _number(self, kind: str) -> Any:
        if kind in "iI":
            return struct.unpack("<i" if kind == "i" else "<q", self._take(4 if kind == "i" else 8))[0]
        if kind == "g":
            return struct.unpack("<d", self._take(8))[0]
        if kind == "f":
            return float(self._take(self._take(1)[0]).decode("ascii"))
        (count,) = struct.unpack("<i", self._take(4))  # digits of 15 bits, the sign in their number
        if abs(count) > 64:
            raise MarshalError("expected a number. Received: one of more than 64 digits.")
        digits = struct.unpack(f"<{abs(count)}H", self._take(2 * abs(count)))
        whole = sum(digit << (15 * place) for place, digit in enumerate(digits))
        return -whole if count < 0 else whole

    def _text(self, kind: str) -> Any:
        size = self._take(1)[0] if kind in "zZ" else self._count()
        raw = self._take(size)
        if kind == "s" and self.layout != "2.7":
            return raw
        text = raw.decode("utf-8" if kind in "tu" else "latin-1", errors="replace")
        if kind == "t":
            self.interned.append(text)
        return text

    def _code(self, depth: int) -> Code:
        fields: dict[str, Any] = {}
        for name in LAYOUTS[self.layout]:
            fields[name] = struct.unpack("<i", self._take(4))[0] if name in _NUMBERS else self.value(depth + 1)
        code = fields["code"]
        if isinstance(code, str):  # Python 2 has no bytes
            code = code.encode("latin-1")
        names, varnames = fields["names"], fields["varnames"]
        free = fields.get("freevars", ())
        if "kinds" in fields:
            kinds = fields["kinds"]
            if not isinstance(kinds, bytes) or not isinstance(varnames, tuple) or len(kinds) != len(varnames):
                raise MarshalError("expected a kind for every local name.")
            free = tuple(name for name, kind in zip(varnames, kinds, strict=True) if kind & 0x80)
        for value in (names, varnames, free):
            if not isinstance(value, tuple) or not all(isinstance(name, str) for name in value):
                raise MarshalError("expected tuples of names.")
        if not isinstance(code, bytes) or not isinstance(fields["consts"], tuple):
            raise MarshalError("expected instructions and constants.")
        handlers = fields.get("exceptiontable", b"")
        return Code(
            self.layout, fields["argcount"], code, fields["consts"], names, varnames, free,
            handlers if isinstance(handlers, bytes) else b"?",
        )  # fmt: skip

    def _count(self) -> int:
        (count,) = struct.unpack("<i", self._take(4))
        if not 0 <= count <= MAX_BYTES:
            raise MarshalError(f"expected a length. Received: {count}.")
        return int(count)

    def _take(self, size: int) -> bytes:
        end = self.place + size
        if end > len(self.data):
            raise MarshalError("expected more bytes: the code is cut off.")
        part, self.place = self.data[self.place : end], end
        return part
