"""Numbers out of pickles, without running them.

A pickle is a program. Here its opcodes are walked by a small stack machine that can build dicts, lists,
tuples, strings, numbers and NumPy numbers, and refuses the rest. No name in the file is imported or called,
and no object of NumPy is rebuilt from the file's own state.
"""

from __future__ import annotations

import codecs
import io
import pickletools
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from diag.errors import DataError, UnsafeModelError

MAX_OPCODES = 2_000_000
MAX_PARTS = 9  # of one call or state; NumPy's longest is a dtype's

_T = TypeVar("_T")
_NUMBER_TYPES = frozenset(("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"))
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_NEW: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
# fmt: off
_VALUES = frozenset((
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4",
    "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
))
# fmt: on


class _NotNumbersError(Exception):
    """Something was asked for that is not a number; the text says what."""


@dataclass(slots=True, eq=False)
class NumberArray:
    """Stand-in for ``numpy.ndarray``: a flat array of numbers, empty until its state has been read."""

    numbers: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(slots=True, eq=False)
class _DType:
    """Stand-in for ``numpy.dtype``: a number type and its byte order."""

    code: str
    order: str = "="


@dataclass(frozen=True, slots=True, eq=False)
class _Name:
    """A name that a pickle asked for. It is never imported."""

    name: str


def read_pickled_numbers(source: str, data: bytes) -> object:
    """Return what a pickle of plain containers and numbers holds.

    Parameters
    ----------
    source : str
        The file's name, for messages.
    data : bytes
        The pickle, of any protocol. Byte strings of Python 2 are read as latin1.

    Returns
    -------
    object
        A dict, list, tuple, str, bytes, int, float, bool or None. NumPy scalars have become Python's numbers,
        and arrays of at most one dimension a `NumberArray`. It may hold itself: do not walk it recursively.

    Raises
    ------
    UnsafeModelError
        If it asks for anything else.
    DataError
        If it is damaged, has more than 2,000,000 opcodes, or makes more bytes than it has itself.
    """
    try:
        with warnings.catch_warnings():  # Python's reader of text arguments warns of escapes that it does not know
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", SyntaxWarning)
            return _Machine(data).run()
    except _NotNumbersError as error:
        raise UnsafeModelError(
            f"{source}: expected a pickle of dicts, lists and numbers; it asks for {error} and was not run; "
            "pickle history.history (a dict of lists) instead"
        ) from error
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
        reason = ascii(str(error).partition("\n")[0][:100])[1:-1]
        raise DataError(
            f"{source}: expected a pickled dict of lists. Received: the file is damaged ({reason}). Copy it again."
        ) from error


def _refuse(what: str) -> NoReturn:
    raise _NotNumbersError(what)


def _of_type(value: object, kind: type[_T]) -> _T:
    if type(value) is not kind:
        raise TypeError(f"a {kind.__name__} is missing where one is needed")
    return value


class _Machine:
    """A stack machine for the part of the pickle language that numbers need.

    No step is recursive and each one makes at most one object, so neither deep nesting nor a list that holds
    another a billion times costs more than its bytes. What a step copies is bounded as well: a call has few
    parts, and all the text that is turned into bytes is together no longer than the file.
    """

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)
        self.bytes_left = len(data)
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> object:
        for _ in range(MAX_OPCODES):
            opcode = _OPCODES.get(self.file.read(1).decode("latin1"))
            if opcode is None:
                raise ValueError("an unknown opcode, or the end comes too early")
            name = opcode.name
            if name == "STOP":
                return self.stack.pop()
            if name in ("STRING", "GLOBAL"):
                self.stack.append(self.line_of(name))
                continue
            argument = opcode.arg.reader(self.file) if opcode.arg else None
            if name in _NEW:
                self.stack.append(_NEW[name]())
            elif name in _VALUES:
                self.stack.append(argument)
            elif name in _STEPS:
                _STEPS[name](self, argument)
            else:
                _refuse(f"the opcode {name}")
        raise ValueError(f"it has more than {MAX_OPCODES} opcodes")

    def line_of(self, opcode: str) -> object:
        """Read the argument of an opcode that ends with a line end; Python 2 wrote any byte there."""
        line = self.file.readline()[:-1]
        if opcode == "GLOBAL":
            return _known_name(line.decode("latin1"), self.file.readline()[:-1].decode("latin1"))
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise ValueError("a string without quotes")
        text: bytes = codecs.escape_decode(line[1:-1])[0]
        return text.decode("latin1")

    def marked(self) -> list[Any]:
        """Take everything above the last mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def mark(self, count: int = 0) -> None:
        """Put a mark below the last `count` objects."""
        if len(self.stack) < count:
            raise IndexError("objects are missing")
        self.marks.append(len(self.stack) - count)

    def remember(self, key: int | None) -> None:
        self.memo[len(self.memo) if key is None else key] = self.stack[-1]

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise ValueError(f"object {key} is missing")
        self.stack.append(self.memo[key])

    def tuple_of(self, count: int) -> None:
        self.mark(count)
        self.stack.append(tuple(self.marked()))

    def set_item(self) -> None:
        self.mark(2)
        _fill(self.marked(), self.stack[-1])

    def stack_global(self) -> None:
        name, module = _of_type(self.stack.pop(), str), _of_type(self.stack.pop(), str)
        self.stack.append(_known_name(module, name))

    def reduce(self) -> None:
        arguments, function = _of_type(self.stack.pop(), tuple), self.stack.pop()
        if not isinstance(function, _Name) or function.name not in _REBUILT:
            _refuse("a call of something that is not a NumPy number")
        self.stack.append(_REBUILT[function.name](self, *_few(arguments)))

    def build(self) -> None:
        state, target = _few(_of_type(self.stack.pop(), tuple)), self.stack[-1]
        if isinstance(target, _DType):
            target.order = _byte_order(state)
        elif isinstance(target, NumberArray):
            shape, dtype, _, raw = state[-4:]
            target.numbers = self.flat(dtype, shape, raw).numbers
        else:
            _refuse("the state of an object that is not a NumPy number")

    def latin1(self, text: str) -> bytes:
        """Turn text into bytes. No honest pickle does so twice with one text; a bomb does, out of the memo."""
        self.bytes_left -= len(text)
        if self.bytes_left < 0:
            raise ValueError("it makes more bytes than it has")
        return text.encode("latin1")

    def flat(self, dtype: object, shape: object, raw: object) -> NumberArray:
        """Make an array of at most one dimension, whose bytes must be as many as its shape says."""
        if not isinstance(dtype, _DType) or not isinstance(shape, tuple) or len(shape) > 1:
            _refuse("a NumPy array that is not a row of numbers")
        if isinstance(raw, str):  # Python 2's bytes
            raw = self.latin1(raw)
        if not isinstance(raw, bytes | bytearray):
            _refuse("a NumPy array that is not a row of numbers")
        numbers: npt.NDArray[Any] = np.frombuffer(raw, np.dtype(dtype.order + dtype.code))
        if numbers.size != (shape[0] if shape else 1):
            raise ValueError("an array whose bytes are not as many as its shape says")
        return NumberArray(numbers)


_STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "MARK": lambda machine, _: machine.mark(),
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "LIST": lambda machine, _: machine.stack.append(machine.marked()),
    "DICT": lambda machine, _: machine.stack.append(_fill(machine.marked(), {})),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.marked())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: _extend([machine.stack.pop()], machine.stack[-1]),
    "APPENDS": lambda machine, _: _extend(machine.marked(), machine.stack[-1]),
    "SETITEM": lambda machine, _: machine.set_item(),
    "SETITEMS": lambda machine, _: _fill(machine.marked(), machine.stack[-1]),
    "STACK_GLOBAL": lambda machine, _: machine.stack_global(),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}


def _extend(items: list[Any], target: object) -> None:
    _of_type(target, list).extend(items)


def _fill(items: list[Any], target: object) -> dict[str, Any]:
    """Put keys and values into a dict. Keys are strings: the hash of a nested tuple would be recursive."""
    filled = _of_type(target, dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        filled[_of_type(key, str)] = value
    return filled


def _known_name(module: str, name: str) -> _Name:
    if module.startswith("numpy.core."):  # its name before NumPy 2
        module = "numpy._core." + module.removeprefix("numpy.core.")
    full = f"{module}.{name}"
    if full not in _REBUILT and full != "numpy.ndarray":
        _refuse(ascii(full[:80])[1:-1])
    return _Name(full)


def _byte_order(state: tuple[Any, ...]) -> str:
    _, order, *parts = state
    if order not in ("<", ">", "|", "=") or parts[:3] != [None, None, None]:
        _refuse("a NumPy type that is not a number")
    return str(order)


def _few(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(parts) > MAX_PARTS:
        _refuse("a call with more parts than a NumPy number has")
    return parts


def _dtype(_machine: _Machine, code: object, *_align_and_copy: object) -> _DType:
    if not isinstance(code, str) or code not in _NUMBER_TYPES:
        _refuse("a NumPy type that is not a number")
    return _DType(code)


def _encoded(machine: _Machine, text: object, encoding: object) -> bytes:
    """Bytes, as protocols before 3 write them."""
    if encoding != "latin1":
        _refuse("text in an encoding that is not latin1")
    return machine.latin1(_of_type(text, str))


def _scalar(machine: _Machine, dtype: object, raw: object) -> object:
    return machine.flat(dtype, (), raw).numbers[0].item()


def _empty_array(_machine: _Machine, *_class_shape_type: object) -> NumberArray:
    return NumberArray(np.empty(0))


def _array_from_buffer(machine: _Machine, raw: object, dtype: object, shape: object, _order: object) -> NumberArray:
    return machine.flat(dtype, shape, raw)


_REBUILT: dict[str, Callable[..., object]] = {
    "numpy.dtype": _dtype,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.multiarray._reconstruct": _empty_array,
    "numpy._core.numeric._frombuffer": _array_from_buffer,
    "_codecs.encode": _encoded,
}
