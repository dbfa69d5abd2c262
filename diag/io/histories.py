"""Training histories: the numbers that ``fit`` returned, read from the files that notebooks leave behind.

A ``.hist``/``.pkl`` file is a pickle, and a pickle is a program. Nothing here runs one: the opcodes are walked by
a small stack machine that can build dicts, lists, tuples, strings, numbers and NumPy numbers, and refuses the
rest. No name in the file is ever imported or called, and no object of NumPy is rebuilt from the file's own state.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from diag.errors import DataError, InvalidInputError, UnsafeModelError

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 16 * 2**20
MAX_OPCODES = 2_000_000
MAX_VALUES = 2_000_000

_OLD_NAMES = {"acc": "accuracy", "val_acc": "val_accuracy"}
_HIGHER_IS_BETTER = ("acc", "auc", "precision", "recall", "f1", "iou", "dice")


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What was measured after each epoch of a training run.

    Attributes
    ----------
    source : str
        The file it was read from.
    columns : Mapping[str, np.ndarray]
        One read-only float64 array of shape (n_epochs,) a column, named as Keras names it (``loss``,
        ``val_accuracy``, ``lr``). The old names ``acc`` and ``val_acc`` are given as ``accuracy`` and
        ``val_accuracy``. NaN stands where the file has NaN or nothing.
    """

    source: str
    columns: Mapping[str, npt.NDArray[np.float64]]

    @property
    def n_epochs(self) -> int:
        """Number of epochs."""
        return len(next(iter(self.columns.values())))

    def frame(self) -> pd.DataFrame:
        """Return one row for each epoch and column.

        Returns
        -------
        pd.DataFrame
            ``epoch`` (int, from 1), ``metric`` (the column's name without ``val_``), ``split`` (``train`` or
            ``validation``; what has no ``val_`` is ``train``), ``value`` (float64).
        """
        import pandas as pd

        n, names = self.n_epochs, list(self.columns)
        splits = ["validation" if name.startswith("val_") else "train" for name in names]
        return pd.DataFrame(
            {
                "epoch": np.tile(np.arange(1, n + 1), len(names)),
                "metric": np.repeat(np.array([name.removeprefix("val_") for name in names], object), n),
                "split": np.repeat(np.array(splits, object), n),
                "value": np.concatenate(list(self.columns.values())),
            }
        )

    def best_epoch(self, metric: str = "val_loss") -> int:
        """Return the epoch, counted from 1, at which a column is best; the first of equals.

        Accuracy, AUC, precision, recall, F1, IoU and Dice are best when high, everything else when low. NaN is
        passed over.

        Raises
        ------
        InvalidInputError
            If there is no such column.
        DataError
            If the column holds nothing but NaN.
        """
        if metric not in self.columns:
            raise InvalidInputError(f"metric must be one of {', '.join(self.columns)}. Received: metric={metric!r}")
        values = self.columns[metric]
        if np.isnan(values).all():
            raise DataError(f"{self.source}: column {metric!r} is NaN in every epoch, so it has no best one")
        high = any(word in metric for word in _HIGHER_IS_BETTER)
        return int(np.nanargmax(values) if high else np.nanargmin(values)) + 1


def load_history(path: str | Path) -> History:
    """Read a training history.

    Parameters
    ----------
    path : str or Path
        ``.hist``, ``.pkl``, ``.pickle``: a pickled dict of lists, ``history.history``. ``.log``, ``.csv``: what
        Keras's ``CSVLogger`` or ``DataFrame.to_csv`` wrote, separated by commas or semicolons. ``.json``: a dict
        of lists, or what ``DataFrame.to_json`` wrote. The columns for the epoch and the row number are dropped:
        epochs are counted by rows.

    Returns
    -------
    History
        The columns, in the file's order.

    Raises
    ------
    DataError
        If the file is missing, damaged, larger than 16 MiB, or not a table of numbers by epoch.
    UnsafeModelError
        If a pickle asks for anything but dicts, lists, tuples, strings, numbers and NumPy numbers. None of it
        was run.

    Examples
    --------
    >>> load_history("cnn.hist").best_epoch("val_accuracy")  # doctest: +SKIP
    17
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: a history is {', '.join(_READERS)}. Received: {path.suffix or 'no suffix'!r}; rename the file"
        )
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: expected a training history; {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{path}: a training history has at most {MAX_BYTES} bytes; this is another kind of file")
    return _history(str(path), reader(str(path), data))


def _history(source: str, content: object) -> History:
    """Check what a reader found and make it read-only columns."""
    if type(content) is not dict or not content:
        what = "an empty dict" if type(content) is dict else type(content).__name__.lstrip("_")
        raise DataError(f"{source}: expected a dict of lists, as in history.history. Received: {what}")
    if sum(len(values) for values in content.values() if isinstance(values, _SIZED)) > MAX_VALUES:
        raise DataError(f"{source}: a training history has at most {MAX_VALUES} numbers; this holds more")
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for key, values in content.items():
        if key in ("epoch", "", "Unnamed: 0"):
            continue
        name = _OLD_NAMES.get(key, key)
        columns[key if name in content else name] = _column(source, key, values)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{_shown(name)} {n}" for name, n in list(lengths.items())[:8])
        raise DataError(f"{source}: every column must have one value an epoch. Received: {said}")
    if not any(lengths.values()):
        raise DataError(f"{source}: expected at least one column with at least one epoch; there is none")
    return History(source, MappingProxyType(columns))


def _column(source: str, name: str, values: object) -> npt.NDArray[np.float64]:
    if type(values) is dict:  # DataFrame.to_json: {"0": 0.5, "1": 0.4}
        values = list(values.values())
    if isinstance(values, _Array):
        column = values.numbers.astype(np.float64)
    elif isinstance(values, list | tuple):
        try:
            column = np.array([_number(value) for value in values], np.float64)
        except (TypeError, OverflowError) as error:
            raise DataError(f"{source}: column {_shown(name)} must hold one number an epoch; {error}") from error
    else:
        kind = type(values).__name__
        raise DataError(f"{source}: column {_shown(name)} must be a list of numbers. Received: {kind}")
    column.flags.writeable = False
    return column


def _number(value: object) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, _Array) and value.numbers.size == 1:
        return float(value.numbers[0])
    raise TypeError(f"Received: {type(value).__name__.lstrip('_').lower()}")


def _shown(text: str) -> str:
    """Text out of a file, fit for one line of a message."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def _read_json(source: str, data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{source}: expected JSON, a dict of lists; it cannot be read ({reason})") from error


def _read_csv(source: str, data: bytes) -> object:
    """Read a table with a header; an empty cell or CSVLogger's ``NA`` is NaN."""
    try:
        lines = [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]
        header_line = lines[0] if lines else ""
        delimiter = ";" if ";" in header_line else ","
        header, *rows = list(csv.reader(lines, delimiter=delimiter)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{source}: expected a CSVLogger file, a table with a header; {error}") from error
    names = [name.strip() for name in header]
    if len(set(names)) < len(names) or any(_is_number(name) for name in names):
        raise DataError(f"{source}: expected a header of different column names. Received: {_shown(header_line)}")
    columns: dict[str, list[float]] = {name: [] for name in names}
    for i, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise DataError(f"{source}: expected {len(names)} values in row {i}, as in the header. Received: {len(row)}")
        for name, cell in zip(names, row, strict=True):
            columns[name].append(_cell(source, i, cell.strip()))
    return columns


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cell(source: str, row: int, text: str) -> float:
    if text in ("", "NA"):
        return float("nan")
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{source}: expected a number in row {row}. Received: {_shown(text)}") from error


# ---------------------------------------------------------------------------------------------- pickles


@dataclass(slots=True, eq=False)
class _DType:
    """Stand-in for ``numpy.dtype``: a number type and its byte order."""

    code: str
    order: str = "="

    def numbers(self, raw: object) -> npt.NDArray[Any]:
        if isinstance(raw, str):  # Python 2 had no bytes
            raw = raw.encode("latin1")
        if not isinstance(raw, bytes | bytearray):
            raise TypeError("the numbers of an array are not bytes")
        return np.frombuffer(bytes(raw), np.dtype(self.code).newbyteorder(self.order))


@dataclass(slots=True, eq=False)
class _Array:
    """Stand-in for ``numpy.ndarray``: a flat array of numbers, empty until its state has been read."""

    numbers: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True, eq=False)
class _Name:
    """A name that a pickle asked for. It is never imported."""

    name: str


_SIZED = (list, tuple, dict, _Array)
_NUMBER_TYPES = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())


def _refuse(source: str, what: str) -> NoReturn:
    raise UnsafeModelError(
        f"{source}: this pickle asks for {what}, which is not a dict, list, string or number, and was not run; "
        "pickle history.history (a dict of lists) instead"
    )


def _known_name(source: str, module: str, name: str) -> _Name:
    for package in ("numpy._core.", "numpy.core."):
        if module.startswith(package):
            module = "numpy._core." + module.removeprefix(package)
    full = f"{module}.{name}"
    if full not in _REBUILT and full != "numpy.ndarray":
        _refuse(source, _shown(full)[1:-1])
    return _Name(full)


def _rebuilt_dtype(code: object, *_align_copy: object) -> _DType:
    if not isinstance(code, str) or code not in _NUMBER_TYPES:
        raise TypeError("a NumPy type that is not a number")
    return _DType(code)


def _rebuilt_bytes(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise TypeError("bytes in an encoding that is not latin1")
    return text.encode("latin1")


def _rebuilt_scalar(dtype: object, raw: object) -> object:
    if not isinstance(dtype, _DType):
        raise TypeError("a NumPy scalar without a type")
    return _flat(dtype, (), raw).numbers[0].item()


def _rebuilt_array(*_class_shape_type: object) -> _Array:
    return _Array(np.empty(0))


def _rebuilt_buffer(raw: object, dtype: object, shape: object, _order: object) -> _Array:
    return _flat(dtype, shape, raw)


def _flat(dtype: object, shape: object, raw: object) -> _Array:
    """Make an array of at most one dimension, whose bytes must be as many as its shape says."""
    if not isinstance(dtype, _DType) or not isinstance(shape, tuple) or len(shape) > 1:
        raise TypeError("a NumPy array that is not a list of numbers")
    numbers = dtype.numbers(raw)
    if numbers.size != (shape[0] if shape else 1):
        raise ValueError("a NumPy array whose size is not that of its bytes")
    return _Array(numbers)


_REBUILT: dict[str, Callable[..., object]] = {
    "numpy.dtype": _rebuilt_dtype,
    "numpy._core.multiarray.scalar": _rebuilt_scalar,
    "numpy._core.multiarray._reconstruct": _rebuilt_array,
    "numpy._core.numeric._frombuffer": _rebuilt_buffer,
    "_codecs.encode": _rebuilt_bytes,
}


def _read_pickle(source: str, data: bytes) -> object:
    try:
        return _Machine(source, data).run()
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
        reason = str(error).splitlines()[0] if str(error) else "it ends too early"
        raise DataError(f"{source}: expected a pickled dict of lists; the file is damaged ({_shown(reason)})") from error


class _Machine:
    """A stack machine for the part of the pickle language that numbers need.

    No step is recursive and each one makes at most one object, so that neither deep nesting nor a list that holds
    itself a billion times costs more than its bytes.
    """

    def __init__(self, source: str, data: bytes) -> None:
        self.source = source
        self.file = io.BytesIO(data)
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> object:
        for _ in range(MAX_OPCODES):
            opcode = pickletools.code2op.get(self.file.read(1).decode("latin1"))
            if opcode is None:
                raise ValueError("an unknown opcode or the end of the file")
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in _CONSTANTS:
                self.stack.append(_CONSTANTS[opcode.name]())
            elif opcode.name in ("STRING", "GLOBAL"):
                self.text(opcode.name)
            elif opcode.name in _VALUES:
                self.stack.append(opcode.arg.reader(self.file))  # type: ignore[union-attr]
            else:
                self.step(opcode.name, opcode.arg.reader(self.file) if opcode.arg else None)
        raise ValueError(f"it has more than {MAX_OPCODES} opcodes")

    def text(self, opcode: str) -> None:
        """Read the two opcodes that end with a line end, in which Python 2 wrote bytes."""
        first = self.file.readline()[:-1]
        if opcode == "GLOBAL":
            second = self.file.readline()[:-1]
            self.stack.append(_known_name(self.source, first.decode("latin1"), second.decode("latin1")))
            return
        if len(first) < 2 or first[:1] != first[-1:] or first[:1] not in (b"'", b'"'):
            raise ValueError("a string without quotes")
        self.stack.append(codecs.escape_decode(first[1:-1])[0].decode("latin1"))  # type: ignore[attr-defined]

    def marked(self) -> list[Any]:
        """Take everything above the last mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def step(self, opcode: str, argument: Any) -> None:
        stack = self.stack
        if opcode in ("PROTO", "FRAME"):
            return
        if opcode == "MARK":
            self.marks.append(len(stack))
        elif opcode in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = stack[-1]
        elif opcode in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif opcode in ("LIST", "TUPLE", "DICT"):
            self.collect(opcode)
        elif opcode in ("TUPLE1", "TUPLE2", "TUPLE3"):
            self.marks.append(len(stack) - int(opcode[-1]))
            self.collect("TUPLE")
        elif opcode in ("APPEND", "APPENDS"):
            items = [stack.pop()] if opcode == "APPEND" else self.marked()
            _of_type(stack[-1], list).extend(items)
        elif opcode in ("SETITEM", "SETITEMS"):
            if opcode == "SETITEM":
                self.marks.append(len(stack) - 2)
            _fill(self.marked(), into=lambda: stack[-1])
        elif opcode == "STACK_GLOBAL":
            name, module = _of_type(stack.pop(), str), _of_type(stack.pop(), str)
            stack.append(_known_name(self.source, module, name))
        elif opcode == "REDUCE":
            self.rebuild(stack.pop(), stack.pop())
        elif opcode == "BUILD":
            _set_state(state=stack.pop(), target=stack[-1])
        else:
            _refuse(self.source, f"the opcode {opcode}")

    def collect(self, kind: str) -> None:
        items = self.marked()
        if kind == "DICT":
            made: dict[str, Any] = {}
            _fill(items, into=lambda: made)
            self.stack.append(made)
        else:
            self.stack.append(items if kind == "LIST" else tuple(items))

    def rebuild(self, arguments: object, function: object) -> None:
        if not isinstance(function, _Name) or function.name not in _REBUILT:
            _refuse(self.source, "a call of something that is not NumPy's")
        try:
            self.stack.append(_REBUILT[function.name](*_of_type(arguments, tuple)))
        except TypeError as error:
            _refuse(self.source, str(error) if " object" not in str(error) else f"a call of {function.name}")
