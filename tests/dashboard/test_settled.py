"""The collector of garbage is told what stays after 1, 2, 4, ... runs of the server, and nowhere else."""

from __future__ import annotations

import itertools

import diag_settled


def frozen_after(monkeypatch, serving):
    found = []
    monkeypatch.setattr(diag_settled, "_serving", serving)
    monkeypatch.setattr(diag_settled, "_runs", itertools.count(1))
    monkeypatch.setattr(diag_settled, "_freeze", lambda: found.append(number))
    for number in range(1, 20_000):  # noqa: B007 - the lambda above reads it
        diag_settled.settle()
    return found


def test_after_powers_of_two_up_to_a_bound(monkeypatch):
    assert frozen_after(monkeypatch, serving=True) == [2**power for power in range(13)]


def test_not_in_a_process_that_serves_nobody(monkeypatch):
    assert frozen_after(monkeypatch, serving=False) == []
