"""The picture of an embedding: scikit-learn's numbers, which samples are drawn, and what it says of itself."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from diag.engines.embedding_map import embedding_map
from diag.errors import InvalidInputError, MissingDependencyError
from diag.results.comparison import Comparison
from diag.results.embedding import Embedding
from tests.fakes import build_run


def embedded(features, n=None):
    features = np.asarray(features, dtype=np.float32)
    return Embedding(features, np.arange(len(features)), n or len(features), "dense", "Of dense.", "model", "m", "data")


def a_run(n, k=3, wrong=0.1, seed=0, **more):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    y_pred = np.where(rng.random(n) < wrong, (y_true + 1) % k, y_true)
    return build_run(y_true, np.eye(k)[y_pred] * 0.7 + 0.3 / k, **more)


def test_pca_is_scikit_learns_of_unit_vectors(empty_cache):
    from sklearn.decomposition import PCA
    from sklearn.manifold import trustworthiness
    from sklearn.preprocessing import normalize

    features = np.random.default_rng(0).normal(size=(300, 6)) * [5, 3, 1, 1, 1, 1]
    found = embedding_map(a_run(300), embedding=embedded(features))
    unit = normalize(features)
    pca = PCA(2)
    expected = pca.fit_transform(unit)
    np.testing.assert_allclose(np.abs(found.xy), np.abs(expected), atol=1e-4)
    assert found.explained == pytest.approx(tuple(pca.explained_variance_ratio_), abs=1e-5)
    assert found.trustworthiness == pytest.approx(trustworthiness(unit, found.xy, n_neighbors=15), abs=1e-3)
    assert f"Trustworthiness {found.trustworthiness:.2f}" in found.note
    again = embedding_map(a_run(300), embedding=embedded(features))  # from the cache
    assert np.array_equal(again.xy, found.xy)
    assert again.note == found.note


def test_errors_are_drawn_first_and_the_note_says_so():
    run = a_run(3000)
    features = np.random.default_rng(1).normal(size=(3000, 4))
    found = embedding_map(run, n=1000, embedding=embedded(features), cache=False)
    assert len(found) == 1000
    assert len(set(found.indices.tolist())) == 1000
    assert set(np.flatnonzero(~run.correct_mask)) <= set(found.indices.tolist())
    assert f"{(~run.correct_mask).sum()} errors, and others drawn by class (seed 0)" in found.note
    frame = found.frame(run)
    assert frame["right"].tolist() == run.correct_mask[found.indices].tolist()
    # A model that is always wrong: half of the picture are errors drawn at random, the rest as they come.
    hopeless = embedding_map(a_run(3000, wrong=1), n=100, embedding=embedded(features), cache=False)
    assert len(hopeless) == 100


@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 5), (5, 1), (12, 3)])
def test_few_samples_and_few_features(n, d):
    found = embedding_map(a_run(n), embedding=embedded(np.ones((n, d))), cache=False)
    assert found.xy.shape == (n, 2)
    assert np.isfinite(found.xy).all()
    assert np.isnan(found.trustworthiness) == (n < 10)
    assert found.frame().columns.tolist() == ["index", "x", "y"]


def test_of_several_models_the_best():
    runs = [a_run(60, wrong=0.5, name="worse"), replace(a_run(60, wrong=0.0), seconds=1.0)]
    found = embedding_map(Comparison.from_runs(runs), embedding=embedded(np.eye(60)), cache=False)
    assert found.model_name == "model"


def test_what_is_wrong_and_what_is_missing(monkeypatch):
    run, given = a_run(60), embedded(np.random.default_rng(0).normal(size=(60, 4)))
    with pytest.raises(InvalidInputError, match="expected one of pca, umap"):
        embedding_map(run, "tsne", embedding=given)
    with pytest.raises(InvalidInputError, match="at least 1"):
        embedding_map(run, n=0, embedding=given)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingDependencyError, match=r"pip install diag\[umap\]"):
        embedding_map(run, "umap", embedding=given, cache=False)


@pytest.mark.filterwarnings("ignore")  # numba's and umap's own
def test_umap_keeps_clusters_apart():
    kind = np.repeat([0, 1], 20)
    features = np.eye(2, 6)[kind] + np.random.default_rng(0).normal(0, 0.02, (40, 6))
    found = embedding_map(a_run(40), "umap", embedding=embedded(features), cache=False)
    centres = np.array([found.xy[kind == each].mean(axis=0) for each in (0, 1)])
    inside = np.linalg.norm(found.xy - centres[kind], axis=1).max()
    assert np.linalg.norm(centres[0] - centres[1]) > inside
    assert np.isnan(found.explained).all()
