"""What is kept between runs for all sessions together, bounded in bytes: `kept` instead of ``st.cache_resource``.

Streamlit bounds the number of results that a cache keeps, not their size: 64 evaluations of 100,000 images and 1,000
classes would be 24 GiB. Here all results share one budget; what was not used for longest goes first.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    Made = TypeVar("Made")

IDLE_SECONDS = 3600
MOST_OBJECTS = 200_000
"""That are looked at in one result, to find its size."""


def budget() -> int:
    """Return the bytes of all results together: a quarter of the machine's memory, at most 4 GiB."""
    return min(4 * 1024**3, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)


def buffers(value: Any) -> dict[int, int]:
    """Return the size in bytes of each array, table, text and file's content that a result holds, by its identity.

    Arrays that look at the same memory are one; files that are mapped into memory count nothing.
    """
    found: dict[int, int] = {}
    seen: set[int] = set()
    open_ends = [value]
    while open_ends and len(seen) < MOST_OBJECTS:
        each = open_ends.pop()
        if id(each) in seen or each is None or isinstance(each, bool | int | float | type):
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            _add_array(each, found, open_ends)
        elif isinstance(each, bytes | str):
            found[id(each)] = sys.getsizeof(each)
        elif hasattr(each, "memory_usage"):
            usage = each.memory_usage(index=True, deep=False)
            found[id(each)] = int(usage if np.isscalar(usage) else usage.sum())
        else:
            open_ends += _parts(each)
    return found


def _add_array(array: np.ndarray[Any, Any], found: dict[int, int], open_ends: list[Any]) -> None:
    while isinstance(array.base, np.ndarray):
        array = array.base
    if not isinstance(array, np.memmap):
        found[id(array) if array.base is None else array.__array_interface__["data"][0]] = array.nbytes
    if array.dtype == object:
        open_ends += array.ravel()[:1000].tolist()


def _parts(value: Any) -> list[Any]:
    if hasattr(value, "items") and hasattr(value, "keys"):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if not type(value).__module__.startswith("diag"):
        return []
    named = [getattr(value, field.name, None) for field in fields(value)] if is_dataclass(value) else []
    return [*named, *vars(value).values()] if hasattr(value, "__dict__") else named


@dataclass(eq=False)
class Entry:
    """One kept result, and what its key holds on to."""

    value: Any
    held: Any
    sizes: dict[int, int]
    used: float
    measured: float


class Shelf:
    """Kept results, the one that was not used for longest first.

    Parameters
    ----------
    most : int
        Bytes of all together. The newest stays even if it is larger.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._counts: Counter[int] = Counter()
        self._bytes: dict[int, int] = {}

    def __len__(self) -> int:
        """Return the number of results."""
        return len(self._entries)

    @property
    def size(self) -> int:
        """The bytes of all results; what several share counts once."""
        return sum(self._bytes.values())

    def get(self, key: Hashable, make: Callable[[], Made], held: Any = None) -> Made:
        """Return the result of a key; made once, however many threads ask for it at the same time."""
        found = self._find(key)
        if found is not None:
            return found.value  # type: ignore[no-any-return]
        with self._lock:
            turn = self._making.setdefault(key, threading.Lock())
        try:
            with turn:
                found = self._find(key)
                if found is None:
                    found = self._keep(key, make(), held)
        finally:
            with self._lock:
                self._making.pop(key, None)
        return found.value  # type: ignore[no-any-return]

    def _find(self, key: Hashable) -> Entry | None:
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
                found.used = self._clock()
            return found

    def _keep(self, key: Hashable, value: Any, held: Any) -> Entry:
        now = self._clock()
        entry = Entry(value, held, buffers((value, held)), now, now)
        with self._lock:
            self._measure_again()
            self._entries[key] = entry
            self._count(entry, 1)
            while len(self._entries) > 1:
                oldest = next(iter(self._entries))
                if self.size <= self.most and now - self._entries[oldest].used <= IDLE_SECONDS:
                    break
                self._count(self._entries.pop(oldest), -1)
        return entry

    def _measure_again(self) -> None:
        """Measure what was used since it was measured: results keep what is asked of them."""
        for entry in self._entries.values():
            if entry.used > entry.measured:
                self._count(entry, -1)
                entry.sizes, entry.measured = buffers((entry.value, entry.held)), self._clock()
                self._count(entry, 1)

    def _count(self, entry: Entry, step: int) -> None:
        for name, size in entry.sizes.items():
            self._counts[name] += step
            if self._counts[name] > 0:
                self._bytes[name] = size
            else:
                del self._counts[name]
                self._bytes.pop(name, None)


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """Return this server's shelf."""
    return Shelf(budget())


def kept(show: str = "") -> Callable[[Callable[..., Made]], Callable[..., Made]]:
    """Keep a function's results. As with Streamlit's caches, arguments whose names begin with ``_`` are not looked at.

    Parameters
    ----------
    show : str
        What is shown while a result is made.
    """

    def decorate(function: Callable[..., Made]) -> Callable[..., Made]:
        names = list(inspect.signature(function).parameters)
        name = f"{function.__module__}.{function.__qualname__}"

        @functools.wraps(function)
        def call(*values: Any) -> Made:
            told = tuple(value for place, value in zip(names, values, strict=True) if not place.startswith("_"))
            turning = st.spinner(show) if show else contextlib.nullcontext()

            def make() -> Made:
                with turning:
                    return function(*values)

            return shelf().get((name, told), make)

        return call

    return decorate
