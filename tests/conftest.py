"""One process, one TensorFlow, one temporary cache for the whole session."""

from __future__ import annotations

import os
import shutil
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


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
    """Build an Evaluation from labels and probabilities alone: no file, no network, no images."""
    from diag.metrics.samples import sample_columns
    from diag.results.evaluation import Evaluation

    def build(y_true, y_proba, name="model", class_names=None, digest="data", sample_names=None):
        y_true, y_proba = np.asarray(y_true), np.asarray(y_proba, dtype=np.float64)
        k = y_proba.shape[1]
        data = SimpleNamespace(
            name="toy", digest=digest, sample_names=sample_names, split="test", notes=(), labels=y_true,
            images=np.zeros((len(y_true), 2, 2, 1), np.uint8),
        )
        model = SimpleNamespace(name=name, n_params=7, file=SimpleNamespace(file_size=99), path=f"{name}.h5")
        return Evaluation(
            model=model,
            data=data,
            samples=MappingProxyType(sample_columns(y_true, y_proba)),
            proba=y_proba.astype(np.float32),
            class_names=tuple(class_names or map(str, range(k))),
            notes=(),
            seconds=0.5,
            from_cache=False,
            versions=MappingProxyType({}),
        )

    return build
