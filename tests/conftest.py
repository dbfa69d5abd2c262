"""One process, one TensorFlow, one temporary cache for the whole session."""

from __future__ import annotations

import os
import random
import shutil
import zlib

import numpy as np
import pytest

from tests.fakes import build_run

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def _seed(name):
    """Begin chance anew: Keras draws the seeds of a layer's weights from Python's when the layer is made."""
    random.seed(name)
    np.random.seed(zlib.crc32(name.encode()))  # noqa: NPY002 - scikit-learn's estimators take it


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    """Make each fixture from the same random numbers, whichever test asks for it first."""
    _seed(f"{fixturedef.baseid}::{fixturedef.argname}{request.param_index}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """Give each test the same random numbers, whatever ran before it."""
    _seed(item.nodeid)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep the user's cache out of the tests."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("DIAG_CACHE_DIR")
    os.environ["DIAG_CACHE_DIR"] = str(folder)
    yield folder
    if before is None:
        del os.environ["DIAG_CACHE_DIR"]
    else:
        os.environ["DIAG_CACHE_DIR"] = before


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("DIAG_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium; without one the test is skipped, or fails where a browser is required."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("DIAG_REQUIRE_BROWSER") == "1":
            pytest.fail("DIAG_REQUIRE_BROWSER=1, and no chromium is installed")
        pytest.skip("no chromium on this machine")
    return path


@pytest.fixture
def make_run():
    """`tests.fakes.build_run`."""
    return build_run
