"""Instructions of Python 2.7 and 3.0 to 3.13, brought to one small set of steps; nothing is run.

Only what a straight line of arithmetic and calls needs is known. A jump, a loop, an unknown instruction or a wrong
inline cache means: not this version, or not a straight line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from diag.io.marshalled import Code, MarshalError

Step = tuple[Any, ...]
"""A name and its operands: ``("local", "x")``, ``("const", 255)``, ``("binary", "/")``, ``("call", 1, ())`` ..."""

_BINARY = {19: "**", 20: "*", 22: "%", 23: "+", 24: "-", 25: "[]", 26: "//", 27: "/"}
_INPLACE = {55: "+", 56: "-", 57: "*", 59: "%", 67: "**", 28: "//", 29: "/"}
_OPERATIONS = ("+", None, "//", None, None, "*", "%", None, "**", None, "-", "/", None)  # of BINARY_OP, twice over
_OLD = {
    1: "pop", 9: "nop", 10: "plus", 11: "negative", 82: "to_tuple", 83: "return", 100: "const", 101: "global",
    102: "tuple", 103: "list", 106: "attribute", 108: "import", 109: "from", 116: "global", 124: "local",
    125: "store", 131: "call", 133: "slice", 136: "deref", 144: "more",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one range of Python versions writes instructions."""

    name: str
    layout: str
    width: int  # 3: an operand of 2 bytes where there is one; 2: always two bytes
    steps: dict[int, str]
    caches: dict[str, int]
    binary: dict[int, str]


def _without(steps: dict[int, str], *numbers: int) -> dict[int, str]:
    return {number: step for number, step in steps.items() if number not in numbers}


_PAIRS = {**_OLD, 131: "call_pairs"}
_NAMES = {**_OLD, 141: "call_names", 160: "attribute", 161: "call", 162: "extend"}
_311 = {
    1: "pop", 2: "nop", 9: "nop", 11: "negative", 82: "to_tuple", 83: "return", 100: "const", 101: "global",
    102: "tuple", 103: "list", 106: "attribute", 108: "import", 109: "from", 116: "global_half", 122: "operation",
    124: "local", 125: "store", 133: "slice", 137: "deref", 144: "more", 149: "nop", 151: "nop", 160: "method",
    162: "extend", 166: "precall", 171: "call", 172: "keywords",
}  # fmt: skip
_312 = {
    **_without(_311, 82, 160, 166), 26: "part", 106: "attribute_half", 121: "return_const", 127: "local",
    173: "intrinsic",
}  # fmt: skip
_313 = {
    4: "part", 5: "item", 30: "nop", 32: "pop", 34: "nop", 36: "return", 42: "negative", 45: "operation", 47: "list",
    50: "slice", 52: "tuple", 53: "call", 55: "intrinsic", 57: "call_names", 62: "nop", 71: "more", 74: "from",
    75: "import", 81: "extend", 82: "attribute_half", 83: "const", 84: "deref", 85: "local", 87: "local",
    88: "local_local", 91: "global_half", 103: "return_const", 110: "store", 111: "store_local", 112: "store_store",
    149: "nop",
}  # fmt: skip
_ARITHMETIC = {**_BINARY, **_INPLACE}
DIALECTS = (
    Dialect("2.7", "2.7", 3, _PAIRS, {}, {**_ARITHMETIC, 21: "/ of 2", 58: "/ of 2"}),
    Dialect("3.0 to 3.5", "3.0", 3, _PAIRS, {}, _ARITHMETIC),
    Dialect("3.6 or 3.7", "3.0", 2, _NAMES, {}, _ARITHMETIC),
    Dialect("3.8 to 3.10", "3.8", 2, _NAMES, {}, _ARITHMETIC),
    Dialect(
        "3.11", "3.11", 2, _311,
        {"attribute": 4, "global_half": 5, "operation": 1, "method": 10, "precall": 1, "call": 4, "[]": 4}, {25: "[]"},
    ),
    Dialect(
        "3.12", "3.11", 2, _312, {"attribute_half": 9, "global_half": 4, "operation": 1, "call": 3, "[]": 1},
        {25: "[]"},
    ),
    Dialect(
        "3.13", "3.11", 2, _313, {"attribute_half": 9, "global_half": 4, "operation": 1, "call": 3, "item": 1}, {},
    ),
)  # fmt: skip


def steps(code: Code, dialect: Dialect) -> Iterator[Step]:
    """Yield what a function does, step by step. Python's NULLs on the stack, which say nothing, are left out.

    Raises
    ------
    MarshalError
        If an instruction is not known in that dialect.

    References
    ----------
    The ``dis`` and ``opcode`` modules of each version of Python.
    """
    if code.exceptiontable:
        raise MarshalError("it has an exception handler")
    keywords: tuple[str, ...] = ()
    for name, operand in _instructions(code.code, dialect):
        if name == "keywords":
            keywords = _at(code.consts, operand)
        elif name == "call":
            yield ("call", operand, keywords)
            keywords = ()
        else:
            yield from _steps(name, operand, code)


def _instructions(raw: bytes, dialect: Dialect) -> Iterator[tuple[str, int]]:
    place, more = 0, 0
    while place < len(raw):
        number = raw[place]
        if dialect.width == 3:
            takes = number >= 90  # from here on an operand of two bytes follows
            operand = int.from_bytes(raw[place + 1 : place + 3], "little") if takes else 0
            place += 3 if takes else 1
        else:
            operand = raw[place + 1] if place + 1 < len(raw) else 0
            place += 2
        operand, more = operand | more, 0
        name = dialect.steps.get(number)
        if number in dialect.binary:
            yield f"binary {dialect.binary[number]}", operand
            place = _behind_caches(raw, place, dialect.caches.get("[]", 0))
        elif name == "more":
            more = operand << (16 if dialect.width == 3 else 8)
        elif name is None:
            raise MarshalError(f"instruction {number} is no plain arithmetic")
        else:
            yield name, operand
            place = _behind_caches(raw, place, dialect.caches.get(name, 0))


def _behind_caches(raw: bytes, place: int, caches: int) -> int:
    """Return the place behind an instruction's caches, which are zeros in a file."""
    end = place + 2 * caches
    if any(raw[place:end]):
        raise MarshalError("an inline cache is not empty")
    return end


def _steps(name: str, operand: int, code: Code) -> list[Step]:
    """Return the steps of one instruction."""
    if name in ("nop", "precall"):
        return []
    if name.startswith("binary "):
        return [("binary", name.removeprefix("binary "))]
    if name in _NAMED:
        found: list[Step] = _NAMED[name](operand, code)
        return found
    if name == "operation":
        operation = _OPERATIONS[operand % 13] if operand < 26 else None
        if operation is None:
            raise MarshalError(f"operation {operand} is no plain arithmetic")
        return [("binary", operation)]
    if name == "call_pairs":
        return [("call_pairs", operand & 0xFF, operand >> 8)]
    if name == "intrinsic":
        if operand != 6:  # list to tuple
            raise MarshalError("it calls an intrinsic")
        return [("to_tuple",)]
    if name == "extend" and operand != 1:
        raise MarshalError("it extends a list that is not the last one")
    return [("binary", "[]")] if name == "item" else [(name, operand)]


def _at(values: tuple[Any, ...], place: int) -> Any:
    if place >= len(values):
        raise MarshalError("it names a value that is not there")
    return values[place]


def _places(code: Code) -> tuple[str, ...]:
    return code.varnames if code.layout == "3.11" else code.freevars


_NAMED: dict[str, Any] = {
    "const": lambda n, code: [("const", _at(code.consts, n))],
    "return_const": lambda n, code: [("const", _at(code.consts, n)), ("return",)],
    "local": lambda n, code: [("local", _at(code.varnames, n))],
    "local_local": lambda n, code: [("local", _at(code.varnames, n >> 4)), ("local", _at(code.varnames, n & 15))],
    "store": lambda n, code: [("store", _at(code.varnames, n))],
    "store_local": lambda n, code: [("store", _at(code.varnames, n >> 4)), ("local", _at(code.varnames, n & 15))],
    "store_store": lambda n, code: [("store", _at(code.varnames, n >> 4)), ("store", _at(code.varnames, n & 15))],
    "deref": lambda n, code: [("deref", _at(_places(code), n))],
    "global": lambda n, code: [("global", _at(code.names, n))],
    "global_half": lambda n, code: [("global", _at(code.names, n >> 1))],
    "import": lambda n, code: [("import", _at(code.names, n))],
    "from": lambda n, code: [("from", _at(code.names, n))],
    "attribute": lambda n, code: [("attribute", _at(code.names, n))],
    "method": lambda n, code: [("attribute", _at(code.names, n))],
    "attribute_half": lambda n, code: [("attribute", _at(code.names, n >> 1))],
}
