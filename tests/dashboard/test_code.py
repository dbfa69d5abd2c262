"""A model that holds code: refused in one line, run only by a server that was started so."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.attacks.models import dense, flatten, keras_file, lambda3, lambda_code, sequential, source, thing, weights
from tests.dashboard.test_pages import opened, texts

pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals


@pytest.fixture
def marked(tmp_path, monkeypatch):
    """A server's folder of one network for digits, whose first layer makes a file; and that file."""
    marker, folder = tmp_path / "MARKER", tmp_path / "shown"
    folder.mkdir()
    code = lambda_code(f"(open({str(marker)!r}, 'w').close(), x / 255.0)[1]")
    leave = thing("Lambda", name="leave", function=lambda3(code), arguments={}, output_shape=[28, 28, 1])
    kernel = np.random.default_rng(0).normal(size=(784, 10)).astype("f4")
    arrays = {"layers/dense/vars/0": kernel, "layers/dense/vars/1": np.zeros(10, "f4")}
    network = sequential(source([None, 28, 28, 1]), leave, flatten(), dense(10))
    keras_file(folder / "code.keras", network, weights(**arrays))
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(folder), "--data", "digits"])
    monkeypatch.setenv("DIAG_CACHE_DIR", str(tmp_path / "cache"))
    return folder, marker


def test_without_trust_it_is_one_line(marked):
    _, marker = marked
    app = opened(models="")
    assert not app.exception
    assert [("Lambda layer" in error.value, "\n" in error.value) for error in app.error] == [(True, False)]
    assert not app.dataframe
    assert not app.warning
    assert not marker.exists()


def test_a_visitor_cannot_turn_trust_on(marked):
    folder, marker = marked
    app = opened(models="", trust="1", **{"--trust": "1"})
    app.file_uploader[0].set_value([("mine.keras", (folder / "code.keras").read_bytes(), "")]).run()
    assert len([error for error in app.error if "Lambda layer" in error.value]) == 2
    assert not app.dataframe
    assert not marker.exists()


def test_a_server_that_trusts_loads_it_and_every_page_says_so(marked, monkeypatch):
    _, marker = marked
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--trust"])
    app = opened(models="")
    assert not app.exception
    assert not app.error
    assert len(app.dataframe) == 1
    assert marker.exists()  # it ran, in this process, as the notice says
    for page in ("confusion", "explain"):
        app.switch_page(f"app_pages/{page}.py").run()
        assert not app.exception
        assert any("Started with --trust" in warning.value for warning in app.warning)
    assert "code" in texts(app)
