"""What is kept between runs: one budget in bytes, made once, the same charts as Altair's."""

from __future__ import annotations

import threading
from types import MappingProxyType

import numpy as np
import pytest
from diag_loaders_charts import drawn, legible
from diag_loaders_kept import IDLE_SECONDS, Shelf, buffers

from diag.views.charts import confusion_chart
from diag.views.shown import vega_spec


def test_arrays_that_share_memory_count_once():
    array = np.zeros((100, 10))
    found = buffers({"a": array, "b": [array[:50], array.T], "c": MappingProxyType({"d": array})})
    assert sum(size for size in found.values() if size >= 1000) == array.nbytes


def test_files_in_memory_count_nothing(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", shape=(1000,))
    assert not buffers([mapped, mapped[:10]])


def test_what_was_not_used_for_longest_goes_first():
    shelf = Shelf(250_000)
    for name in "ab":
        shelf.get(name, lambda: np.zeros(100_000, np.uint8))
    shelf.get("a", pytest.fail)
    shelf.get("c", lambda: np.zeros(100_000, np.uint8))
    assert shelf.size == 200_000
    shelf.get("a", pytest.fail)
    made = []
    shelf.get("b", lambda: made.append(1))
    assert made


def test_one_that_is_too_large_stays_alone():
    shelf = Shelf(10)
    shelf.get("a", lambda: np.zeros(5, np.uint8))
    shelf.get("b", lambda: np.zeros(100, np.uint8))
    assert len(shelf) == 1
    assert shelf.size == 100


def test_results_that_grow_are_measured_again():
    shelf = Shelf(150_000)
    grows = shelf.get("grows", dict)
    shelf.get("other", lambda: np.zeros(10, np.uint8))
    grows["more"] = np.zeros(200_000, np.uint8)
    shelf.get("grows", pytest.fail)
    shelf.get("new", lambda: np.zeros(10, np.uint8))
    assert shelf.size < 150_000


def test_what_is_not_used_for_an_hour_goes():
    now = [0.0]
    shelf = Shelf(10**9, clock=lambda: now[0])
    shelf.get("a", lambda: np.zeros(5))
    now[0] = IDLE_SECONDS + 1
    shelf.get("b", lambda: np.zeros(5))
    assert len(shelf) == 1


def test_fifty_who_ask_at_the_same_time_make_it_once():
    shelf, made, barrier, told = Shelf(10**6), [], threading.Barrier(50), []

    def ask():
        barrier.wait()
        told.append(shelf.get("a", lambda: made.append(1) or np.zeros(5)))

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({id(each) for each in told}) == 1


def test_a_failure_is_not_kept_and_a_signal_passes():
    class Signal(BaseException):
        pass

    def fails():
        raise Signal

    shelf = Shelf(10**6)
    for _ in range(2):
        with pytest.raises(Signal):
            shelf.get("a", fails)
    assert shelf.get("a", lambda: 7) == 7


def test_a_kept_chart_is_altairs(make_run):
    run = make_run([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    kept = drawn(confusion_chart, run, "true", size=300)
    whole = vega_spec(legible(confusion_chart(run, "true", size=300)))
    assert {name: kept.spec[name] for name in ("layer", "params", "width", "height")} == {
        name: whole[name] for name in ("layer", "params", "width", "height")
    }
    assert set(kept.spec["datasets"]) == set(whole["datasets"])
    assert drawn(confusion_chart, run, "true", size=300) is kept
    assert drawn(confusion_chart, run, None, size=300) is not kept
    assert drawn(confusion_chart, make_run([0, 1], [[0.9, 0.1], [0.2, 0.8]]), "true", size=300) is not kept
    assert kept.properties(height=77).height == 77
    assert kept.height != 77
