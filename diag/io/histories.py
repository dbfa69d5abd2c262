"""Training histories: the numbers that ``fit`` returned, read from the files that notebooks leave behind.

A ``.hist``/``.pkl`` file is a pickle; :mod:`diag.io.pickles` reads it without running it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from diag.errors import DataError, InvalidInputError
from diag.io.event_files import event_files, is_event_file, read_events
from diag.io.opening import open_regular
from diag.io.pickles import NumberArray, read_pickled_numbers
from diag.io.sources import file_digest, files_digest

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 16 * 2**20
MAX_VALUES = 2_000_000
MAX_COLUMNS = 1_000

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
    notes : tuple of str
        What was met when reading, one sentence each.
    """

    source: str
    columns: Mapping[str, npt.NDArray[np.float64]]
    notes: tuple[str, ...] = ()

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

        Accuracy, AUC, precision, recall, F1, IoU and Dice are best when high, everything else when low. NaN
        is passed over.

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
            raise DataError(
                f"{self.source}: column {metric!r} is NaN in every epoch, so it has no best one. Name another."
            )
        high = any(word in metric for word in _HIGHER_IS_BETTER)
        return int(np.nanargmax(values) if high else np.nanargmin(values)) + 1


def load_history(path: str | Path) -> History:
    """Read a training history.

    Parameters
    ----------
    path : str or Path
        ``.hist``, ``.pkl``, ``.pickle``: a pickled dict of lists, ``history.history``. ``.log``, ``.csv``:
        what Keras's ``CSVLogger`` or ``DataFrame.to_csv`` wrote, with commas or semicolons. ``.json``: a dict
        of lists, or what ``DataFrame.to_json`` wrote. The columns for the epoch and the row number are
        dropped: epochs are counted by rows. A TensorBoard event file ``events.out.tfevents.*``, or the log folder
        with ``train/`` and ``validation/`` that Keras's ``TensorBoard`` writes.

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
    if path.is_dir() or is_event_file(path):
        columns, notes = read_events(path)
        return _history(str(path), columns, notes)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        got = path.suffix or "no suffix"
        raise DataError(
            f"{path}: expected a history in {', '.join(_READERS)}. Received: {got!r}; rename it, or name an event file "
            "or a log folder."
        )
    with open_regular(path, "training history", DataError) as file:
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise DataError(
                f"{path}: expected a readable training history. Received: {error.strerror or error}. Copy it again."
            ) from error
    if len(data) > MAX_BYTES:
        raise DataError(
            f"{path}: expected a training history of at most {MAX_BYTES} bytes. Received: more. Is it the right file?"
        )
    if reader is not read_pickled_numbers and max(map(data.count, (b",", b";", b"\n"))) > MAX_VALUES:
        raise _too_many(str(path))  # before a Python object is made of each
    return _history(str(path), reader(str(path), data))


def _too_many(source: str) -> DataError:
    return DataError(f"{source}: a training history has at most {MAX_VALUES} numbers; this holds more")


def _too_wide(source: str, count: int) -> DataError:
    return DataError(
        f"{source}: expected at most {MAX_COLUMNS:,} columns, one a metric. Received: {count:,}. Is it another table?"
    )


def history_digest(path: str | Path) -> str:
    """Return the SHA-256 of a history's bytes, of all event files of a log folder; "missing" where none can be read."""
    path = Path(path)
    try:
        if not path.is_dir():
            return file_digest(path)
        return files_digest(path, tuple(file for _, file in event_files(path)))
    except (OSError, DataError):
        return "missing"


def _history(source: str, content: object, notes: tuple[str, ...] = ()) -> History:
    """Check what a reader found and make it read-only columns."""
    if type(content) is not dict or not content:
        what = "an empty dict" if type(content) is dict else type(content).__name__
        raise DataError(
            f"{source}: expected a dict of lists, as in history.history. Received: {what}. Save history.history."
        )
    if len(content) > MAX_COLUMNS:
        raise _too_wide(source, len(content))
    sized = (values for values in content.values() if isinstance(values, list | tuple | dict | NumberArray))
    if sum(map(len, sized)) > MAX_VALUES:
        raise _too_many(source)
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for key, values in content.items():
        if key in ("epoch", "", "Unnamed: 0"):
            continue
        if not key.isprintable() or len(key) > 100:
            raise DataError(f"{source}: expected the names of metrics. Received: {_shown(key)}. Name them by texts.")
        name = str(_OLD_NAMES.get(key, key))
        columns[key if name in content else name] = _column(source, key, values)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{_shown(name)} {n}" for name, n in list(lengths.items())[:8])
        raise DataError(f"{source}: every column must have one value an epoch. Received: {said}. Drop what is longer.")
    if not any(lengths.values()):
        raise DataError(
            f"{source}: expected at least one column with at least one epoch. Received: none. Save it after fit."
        )
    return History(source, MappingProxyType(columns), notes)


def _column(source: str, name: str, values: object) -> npt.NDArray[np.float64]:
    if type(values) is dict:  # DataFrame.to_json: {"0": 0.5, "1": 0.4}
        values = list(values.values())
    if isinstance(values, NumberArray):
        column = values.numbers.astype(np.float64)
    elif isinstance(values, list | tuple):
        try:
            column = np.array([_number(value) for value in values], np.float64)
        except (TypeError, OverflowError) as error:
            raise DataError(
                f"{source}: column {_shown(name)} must hold one number an epoch; {error}. Correct or drop it."
            ) from error
    else:
        kind = type(values).__name__
        raise DataError(
            f"{source}: column {_shown(name)} must be a list of numbers. Received: {kind}. Correct or drop it."
        )
    column.flags.writeable = False
    return column


def _number(value: object) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, NumberArray) and value.numbers.size == 1:
        return float(value.numbers[0])
    raise TypeError(f"Received: {type(value).__name__}")


def _shown(text: str) -> str:
    """Text out of a file, fit for one line of a message."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def _read_json(source: str, data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{source}: expected JSON, a dict of lists. Received: what cannot be read ({reason}). Correct that place."
        ) from error


def _read_csv(source: str, data: bytes) -> object:
    """Read a table with a header; an empty cell or CSVLogger's ``NA`` is NaN."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{source}: expected a CSVLogger file in UTF-8. Received: text in UTF-16. Save it as UTF-8.")
    try:
        lines = [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]
        table = list(csv.reader(lines, delimiter=";" if lines and ";" in lines[0] else ","))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{source}: expected a CSVLogger file, a table with a header. Received: {error}. Save it as UTF-8."
        ) from error
    if not table:
        raise DataError(
            f"{source}: expected a CSVLogger file, a table with a header. Received: the file is empty. Pass another."
        )
    names, rows = [name.strip() for name in table[0]], table[1:]
    if len(names) > MAX_COLUMNS:
        raise _too_wide(source, len(names))
    if len(set(names)) < len(names) or any(_is_number(name) for name in names):
        raise DataError(
            f"{source}: expected a header of different column names. Received: {_shown(lines[0])}. Name each column."
        )
    columns: dict[str, list[float]] = {name: [] for name in names}
    for i, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise DataError(
                f"{source}: expected {len(names)} values in row {i}, as in the header. Received: {len(row)}. "
                "Correct or drop that row."
            )
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
        raise DataError(
            f"{source}: expected a number in row {row}. Received: {_shown(text)}. Correct or drop that row."
        ) from error


_READERS = {
    ".hist": read_pickled_numbers,
    ".pkl": read_pickled_numbers,
    ".pickle": read_pickled_numbers,
    ".log": _read_csv,
    ".csv": _read_csv,
    ".json": _read_json,
}
