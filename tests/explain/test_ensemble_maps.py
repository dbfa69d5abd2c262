"""Maps of an average: the weighted mean of its members' maps, which adds up to the mean output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError, UnsupportedModelError

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"
ROWS = [3, 50, 700]


@pytest.fixture(scope="module")
def models():
    return [diag.load_model(SHIPPED / name) for name in ("cnn_sd.h5", "dense.keras")]


@pytest.fixture(scope="module")
def data():
    return diag.load_dataset("digits")


def test_the_map_is_the_weighted_mean_and_adds_up(models, data):
    together = diag.ensemble(models, "weighted", [3, 1])
    found = diag.explain(together, data, ROWS, 12)
    parts = [diag.explain(model, data, ROWS, 12) for model in models]
    assert np.allclose(found.values, 0.75 * parts[0].values + 0.25 * parts[1].values, atol=1e-6)
    assert np.allclose(found.base_values, 0.75 * parts[0].base_values + 0.25 * parts[1].base_values)
    assert found.additivity_error.max() < 1e-4
    assert np.allclose(found.predictions, together.resolve(data.images)[0].predict_proba(data.images[ROWS]), atol=1e-5)
    assert (found.model_name, found.n_background) == ("weighted of 2 models", 12)
    assert found.method == "mean of DeepSHAP maps"


def test_outputs_are_the_ensembles_own(models, data):
    together = diag.ensemble(models)
    found = diag.explain(together, data, ROWS, 8, outputs="true+predicted")
    proba = diag.predict(together, data)[ROWS]
    assert np.array_equal(found.outputs[:, 0], proba.argmax(axis=1))
    assert found.additivity_error.max() < 1e-4
    assert found.contrast().labels(0)
    every = diag.explain(together, data, ROWS, 8)
    for row, classes in enumerate(found.outputs):
        assert np.allclose(found.values[row], every.values[row][..., classes], atol=1e-6)
    seen = []
    diag.explain(
        together, data, ROWS[:1], "kmeans:4", outputs=[1], progress=lambda done, total: seen.append(done / total)
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_what_is_not_linear_or_not_of_the_same_pixels_is_refused(models, data):
    with pytest.raises(UnsupportedModelError, match="a vote, which jumps"):
        diag.explain(diag.ensemble(models, "vote"), data, ROWS)
    with pytest.raises(InvalidInputError, match="averages probabilities"):
        diag.explain(diag.ensemble(models), data, ROWS, target="logit")
    with pytest.raises(InvalidInputError, match="tolerance: expected a single model"):
        diag.explain(diag.ensemble(models), data, ROWS, tolerance=0.1)
    turned = replace(models[1], preprocessing=replace(models[1].preprocessing, transpose=True))
    with pytest.raises(UnsupportedModelError, match="images of the same size, cut and order"):
        diag.explain(diag.ensemble([models[0], turned]), data, ROWS)
