"""The dashboard's own modules are importable, and no command line is read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _dashboard_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "dashboard"))
    monkeypatch.setattr(sys, "argv", ["app.py"])
