"""A visitor who leaves, or turns a switch, while something is computed: the next page is whole."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException, StopException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

from tests.dashboard.test_pages import opened, texts

MODELS = Path(__file__).resolve().parents[2] / "saved_models" / "digits"
pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A model that no test has looked at: another file with nothing kept of it."""
    (tmp_path / "shown").mkdir()
    shutil.copy(MODELS / "cnn_lungu.keras", tmp_path / "shown" / "fresh.keras")
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(tmp_path / "shown"), "--data", "digits"])
    monkeypatch.setenv("DIAG_CACHE_DIR", str(tmp_path / "cache"))


def ending(monkeypatch, how, times=1):
    """Let the first reports of progress end the run, as Streamlit does it: whatever reaches the page may raise."""
    left, drawn = [how() for _ in range(times)], DeltaGenerator.progress

    def progress(self, value, text=None, **more):
        if value and left:
            raise left.pop()
        return drawn(self, value, text, **more)

    monkeypatch.setattr(DeltaGenerator, "progress", progress)
    return left


@pytest.mark.parametrize("how", [StopException, lambda: RerunException(RerunData())])
def test_an_evaluation_that_is_cut_short_is_made_by_the_next_run(fresh, monkeypatch, how):
    from diag.worker.process import models

    left = ending(monkeypatch, how)
    app = opened(models="")
    assert not left  # it was cut short
    before = models().generation
    if how is StopException:
        assert not app.dataframe
        app.run()
    assert not app.exception
    assert not app.error
    assert len(app.dataframe) == 1
    assert models().generation == before  # the process was not given up


def test_maps_that_are_cut_short_leave_every_page_whole(fresh, monkeypatch):
    app = opened(models="", part="where")
    left = ending(monkeypatch, StopException, times=2)
    for _ in range(2):
        app.switch_page("app_pages/trust.py").run()
    assert not left
    assert not app.get("image")
    app.run()
    assert not app.exception
    assert not app.error
    assert "No image" not in texts(app)
    assert len(app.get("image")) > 2
    for page in ("errors", "explain"):
        app.switch_page(f"app_pages/{page}.py").run()
        assert not app.exception
        assert not app.error
        assert app.get("image")
