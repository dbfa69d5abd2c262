"""Models whose cards name MNIST, in the dashboard, on a machine without it."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from diag.io.readers import builtin
from tests.dashboard.test_added_data import added, packed
from tests.dashboard.test_pages import PAGES, ROOT, opened, texts

pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A server of one such model."""
    for ending in (".skops", ".toml"):
        shutil.copy(ROOT / "saved_models" / "digits" / f"logistic_l2{ending}", tmp_path)
    card = tmp_path / "logistic_l2.toml"
    card.write_text(card.read_text().replace('source = "digits"', 'source = "mnist"'))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(builtin, "_unreachable", lambda origin: "Network is unreachable")
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(tmp_path)])
    return tmp_path


def images():
    return np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8), np.arange(60) % 10


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_where_to_get_it_and_how_to_go_on(page, models):
    app = opened(page)
    assert not app.exception
    (said,) = (error.value for error in app.error)
    assert "expected mnist\\.npz in keras/datasets" in said  # not where on this machine
    assert str(models) not in said
    assert "Network is unreachable" in said
    assert "*Add data*" in app.info[0].value
    assert not app.dataframe


def test_it_goes_on_with_a_file_that_is_added(models):
    app = added(opened(), ("mnist.npz", packed(*images())))
    assert not app.error
    assert app.dataframe[0].value["n"].tolist() == [60]


def test_it_goes_on_with_a_file_named_at_the_start(models, monkeypatch):
    x, y = images()
    np.savez(models / "mnist.npz", x_train=x[:4], y_train=y[:4], x_test=x, y_test=y)
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(models), "--data", str(models / "mnist.npz")])
    app = opened()
    assert not app.error
    assert app.dataframe[0].value["n"].tolist() == [60]
    assert "mnist" in texts(app)


def test_it_goes_on_once_the_file_lies_in_kerass_folder(models):
    app = opened()
    x, y = images()
    (models / "keras" / "datasets").mkdir(parents=True)
    np.savez(models / "keras" / "datasets" / "mnist.npz", x_train=x[:4], y_train=y[:4], x_test=x, y_test=y)
    app.run()  # nothing was kept of the failure
    assert not app.error
    assert app.dataframe[0].value["n"].tolist() == [60]
