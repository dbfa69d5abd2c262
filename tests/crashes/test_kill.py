"""A few kills of the harness; all of them: ``python -m tests.crashes.kill``."""

from __future__ import annotations

from tests.crashes.kill import harness


def test_kills_leave_the_old_or_the_new_and_no_process(tmp_path):
    tally = harness(8, 1, tmp_path, ("write", "clear", "write", "evaluate"))
    assert tally.faults == []
    assert sum(tally.kills.values()) == 8
