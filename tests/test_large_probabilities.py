"""Large arrays of probabilities stay in the cache's file, and give the same figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import diag
from diag.engines import local
from diag.io import store

MODEL = Path(__file__).resolve().parents[1] / "saved_models" / "digits" / "cnn_sd.h5"


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    monkeypatch.setenv("DIAG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "MAPPED_BYTES", 1000)
    model, data = diag.load_model(MODEL), diag.load_dataset("digits")
    return model, data, diag.evaluate(model, data, progress=False)


def is_mapped(array):
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = getattr(array, "base", None)
    return False


def test_fresh_and_kept_probabilities_are_mapped_and_equal(evaluated):
    model, data, fresh = evaluated
    kept = diag.evaluate(model, data, progress=False)
    assert (fresh.from_cache, kept.from_cache) == (False, True)
    assert is_mapped(fresh.proba)
    assert is_mapped(kept.proba)
    assert not kept.proba.flags.writeable
    plain = diag.evaluate(model, data, cache=False, progress=False)
    assert not is_mapped(plain.proba)
    np.testing.assert_array_equal(plain.proba, kept.proba)
    assert diag.calibration(kept).figures() == pytest.approx(diag.calibration(plain, cache=False).figures())
    store.clear()
    assert np.isfinite(fresh.proba).all()  # what is mapped stays readable when its file is deleted


def test_a_cut_file_is_made_again_and_an_unwritable_cache_keeps_all_in_memory(evaluated, tmp_path, monkeypatch):
    model, data, _ = evaluated
    (path,) = (tmp_path / "cache" / "evaluations").glob("*/proba.npy")
    path.write_bytes(path.read_bytes()[:2000])
    assert not diag.evaluate(model, data, progress=False).from_cache
    monkeypatch.setattr(store, "save", lambda *_: None)
    store.clear()
    run = diag.evaluate(model, data, progress=False)
    assert not is_mapped(run.proba)
    assert run.proba.shape == (len(data), 10)


def test_more_than_the_limit_is_not_kept(evaluated, monkeypatch):
    model, data, run = evaluated
    monkeypatch.setattr(local, "PROBA_BYTES", run.proba.nbytes - 1)
    assert diag.evaluate(model, data, cache=False, progress=False).proba is None
