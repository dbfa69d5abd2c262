"""The dashboard's own modules are importable, no command line is read, and no page fails unseen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "dashboard"))


@pytest.fixture(autouse=True)
def _no_command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["app.py"])


@pytest.fixture(autouse=True)
def _nothing_ends_at_the_boundary(caplog):
    """Fail a test whose page showed an error that is none of ours; one that means it clears `caplog`."""
    yield
    ended = [record for record in caplog.get_records("call") if record.name == "diag.dashboard"]
    assert not ended, ended[0].getMessage()
