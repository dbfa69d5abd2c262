"""TensorBoard event files, ``events.out.tfevents.*``: the scalars of a training run, read without TensorFlow.

References
----------
TensorFlow, ``event.proto``, ``summary.proto`` and ``tensor.proto``: an event has its wall time (field 1), step (2) and
summary (5); a summary's value has a tag (1) and a ``simple_value`` (2) or, since TensorFlow 2, a tensor (8).
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError
from diag.io.opening import open_regular
from diag.io.protobuf import BYTES, FIXED32, VARINT, CutOffError, fields, records
from diag.io.sources import stays_inside
from diag.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MARK = "tfevents"
LONGEST = 64 * 2**10
"""Bytes of a record that may hold scalars; longer ones are graphs, pictures and histograms, and are passed over."""
MAX_BYTES = 2**30
MAX_FILES = 200
MAX_VALUES = 200_000
MAX_TAGS = 1000
_SPLITS = {"train": "", "validation": "val_", "val": "val_", "eval": "val_"}
_FORMATS = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
_PACKED = {5: "<f4", 6: "<f8"}

Series = dict[int, float]


def is_event_file(path: Path) -> bool:
    """Return whether a file's name is that of an event file.

    Examples
    --------
    >>> is_event_file(Path("events.out.tfevents.1700000000.host.7.0.v2")), is_event_file(Path("history.csv"))
    (True, False)
    """
    return MARK in path.name


def event_files(path: Path) -> list[tuple[str, Path]]:
    """Return the event files of a run, oldest first, each with the prefix of its columns (``"val_"`` or nothing).

    Parameters
    ----------
    path : Path
        An event file, or a log folder: with event files in it, in ``train`` and ``validation``, or both.

    Raises
    ------
    DataError
        If there are none, or more than 200.
    """
    if path.is_file():
        return [(_SPLITS.get(path.parent.name, ""), path)]
    folders = [("", path), *((prefix, path / name) for name, prefix in _SPLITS.items() if (path / name).is_dir())]
    try:
        found = [
            (prefix, file)
            for prefix, folder in folders
            for file in sorted(folder.iterdir(), key=lambda each: each.name)
            if is_event_file(file) and file.is_file() and stays_inside(file, path)
        ]
    except OSError as error:
        raise DataError(f"{path}: expected a log folder; {error.strerror or error}") from error
    if not found:
        raise DataError(
            f"{path}: expected a log folder, with event files (events.out.tfevents.*) in it or in its train/ and "
            "validation/. Received: none. Pass the folder that TensorBoard was given."
        )
    if len(found) > MAX_FILES:
        raise DataError(f"{path}: expected the log of one run, at most {MAX_FILES} event files. Received: {len(found)}")
    return found


def read_events(path: Path) -> tuple[dict[str, list[float]], tuple[str, ...]]:
    """Return the columns of a run by epoch, named as Keras names them, and what has to be known about them.

    Parameters
    ----------
    path : Path
        As `event_files` takes it.

    Returns
    -------
    columns : dict of str to list of float
        All of one length, NaN where an epoch has no value. ``epoch_loss`` becomes ``loss``, in ``validation``
        ``val_loss``. Values by batch are left out.
    notes : tuple of str
        One sentence each: a file that ends within a record, and runs that were started again.

    Raises
    ------
    DataError
        If a file is damaged, too large, or holds no scalars.
    """
    tags: dict[str, Series] = {}
    notes: list[str] = []
    again: set[Path] = set()
    for prefix, file in event_files(path):
        found, cut = _scalars(file)
        if cut:
            notes.append(f"{file.name} ends within a record, as it does while training runs; what is whole was read.")
        for tag, series in found.items():
            name = f"{prefix}{tag}"
            earlier = tags.setdefault(name, {})
            start = min(series)
            if any(step >= start for step in earlier):
                again.add(file.parent)
            tags[name] = {step: value for step, value in earlier.items() if step < start} | series
    if again:
        notes.append("The folder holds runs that were started again: from there on the later file counts.")
    columns = _by_epoch(_named(tags))
    if not columns:
        raise DataError(f"{path}: expected scalars by epoch, such as epoch_loss. Received: {_listed(tags)}.")
    return columns, tuple(notes)


def _listed(tags: Mapping[str, Any]) -> str:
    shown = printable(", ".join(list(tags)[:8]))[:200]
    return shown or "no scalars"


def _named(tags: Mapping[str, Series]) -> dict[str, Series]:
    """Return the series by epoch, under Keras's names; those of an evaluation only where there is nothing else."""
    by_epoch = {_without(tag, "epoch_"): series for tag, series in tags.items() if _bare(tag).startswith("epoch_")}
    if by_epoch:
        return by_epoch
    plain = {tag: series for tag, series in tags.items() if not _bare(tag).startswith(("batch_", "evaluation_"))}
    return plain or {
        _without(tag, "evaluation_").removesuffix("_vs_iterations"): series
        for tag, series in tags.items()
        if _bare(tag).startswith("evaluation_")
    }


def _bare(tag: str) -> str:
    return tag.removeprefix("val_")


def _without(tag: str, prefix: str) -> str:
    validation = "val_" if tag.startswith("val_") else ""
    return validation + _bare(tag).removeprefix(prefix)


def _by_epoch(named: Mapping[str, Series]) -> dict[str, list[float]]:
    """Return columns of equal length: a row for each step that any of them has."""
    steps = sorted({step for series in named.values() for step in series})
    return {name: [series.get(step, math.nan) for step in steps] for name, series in named.items()}


def _scalars(path: Path) -> tuple[dict[str, Series], bool]:
    """Return the scalars of one file by tag and step, and whether its end is cut off."""
    found: dict[str, Series] = {}
    total = 0
    try:
        with open_regular(path, "event file", DataError) as file:
            length = os.fstat(file.fileno()).st_size
            if length > MAX_BYTES:
                raise DataError(f"{path}: expected an event file of at most {MAX_BYTES:,} bytes. Received: {length:,}.")
            for _, data in records(file, length, checked=LONGEST):
                for tag, step, value in _event(data):
                    found.setdefault(tag, {})[step] = value
                    total += 1
                if total > MAX_VALUES or len(found) > MAX_TAGS:
                    raise DataError(
                        f"{path}: expected at most {MAX_VALUES:,} values of {MAX_TAGS:,} tags; it has more."
                    )
    except CutOffError:
        return found, True
    except OSError as error:
        raise DataError(f"{path}: expected an event file; {error.strerror or error}") from error
    except (ValueError, struct.error) as error:
        raise DataError(
            f"{path}: expected an event file. Received: it is damaged: {printable(str(error), 120)}. Copy it again."
        ) from error
    return found, False


def _event(data: bytes) -> Iterable[tuple[str, int, float]]:
    """Yield tag, step and value of each scalar in an event."""
    step, summaries = 0, []
    for number, wire, body in fields(data):
        if number == 2 and wire == VARINT:
            step = body - 2**64 if body >= 2**63 else body
        elif number == 5 and wire == BYTES:
            summaries.append(body)
    for summary in summaries:
        for number, wire, body in fields(summary):
            if number == 1 and wire == BYTES:
                tag, value = _value(body)
                if tag and value is not None:
                    yield tag, step, value


def _value(data: bytes) -> tuple[str, float | None]:
    """Return a summary value's tag, and its number; None where it is no scalar."""
    tag, value = "", None
    for number, wire, body in fields(data):
        if number == 1 and wire == BYTES:
            tag = body.decode("utf-8", "replace")
        elif number == 2 and wire == FIXED32:
            value = float(struct.unpack("<f", body)[0])
        elif number == 8 and wire == BYTES:
            value = _tensor(body)
    return tag, value


def _tensor(data: bytes) -> float | None:
    """Return the number of a tensor with one; None for another or a text."""
    dtype, values = 0, []
    for number, wire, body in fields(data):
        if number == 1 and wire == VARINT:
            dtype = body
        elif number == 2 and wire == BYTES and _sizes(body):
            return None  # a vector or a matrix, also with one value
        elif number == 4 and wire == BYTES and dtype in _FORMATS:
            values.append((body, _FORMATS[dtype]))
        elif number in _PACKED and wire == BYTES:
            values.append((body, _PACKED[number]))
    if len(values) != 1 or len(values[0][0]) != np.dtype(values[0][1]).itemsize:
        return None
    return float(np.frombuffer(*values[0])[0])


def _sizes(shape: bytes) -> int:
    """Return how many dimensions a tensor's shape has."""
    return sum(1 for number, wire, _ in fields(shape) if number == 2 and wire == BYTES)
