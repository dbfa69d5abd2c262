"""Same answer, different evidence: networks that look at halves of the image, so that all values are known."""

from __future__ import annotations

import numpy as np
import pytest

import diag
from diag.errors import CheckNotApplicable, InvalidInputError, UnsupportedModelError
from diag.explain.evidence import candidates, different_evidence
from tests.fakes import build_run, save_model

N = 40
SHIPPED = "saved_models/digits"


@pytest.fixture(scope="module")
def data():
    """Images 2 x 4: class 1 is bright on both halves, class 0 dark; in the last ten only the label says otherwise."""
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 2
    images = (rng.integers(0, 60, (N, 2, 4, 1)) + 180 * labels[:, None, None, None]).astype(np.uint8)
    labels[-10:] = 1 - labels[-10:]
    return diag.load_dataset((images, labels))


def half(folder, name, columns):
    """Return a network that sums the pixels of some columns."""
    from diag._lazy import import_keras

    layers = import_keras().layers
    network = save_model(folder / f"{name}.keras", [layers.Flatten(), layers.Dense(2, activation="softmax")], (2, 4, 1))
    weights = np.zeros((2, 4, 2), np.float32)
    weights[:, columns] = [-3, 3]
    network.layers[-1].set_weights([weights.reshape(8, 2), np.array([5.0, -5.0], np.float32)])
    network.save(folder / f"{name}.keras")
    (folder / f"{name}.toml").write_text('class_names = ["0", "1"]\n[preprocessing]\nscale = "1/255"\n')
    return diag.load_model(folder / f"{name}.keras")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("halves")
    return {
        name: diag.evaluate(half(folder, name, columns), data)
        for name, columns in {"left": [0, 1], "right": [2, 3], "whole": [0, 1, 2, 3], "again": [0, 1]}.items()
    }


def test_networks_that_look_at_other_pixels_have_nothing_in_common(runs):
    # Maps that are nowhere both other than 0 have cosine 0: 1 apart.
    found = different_evidence(runs["left"], runs["right"], n=20, background=4)
    assert len(found) == 20
    assert found.disagreement == pytest.approx(1.0)
    frame = found.frame()
    assert (frame["right"] == (frame["true_class"] == frame["class"])).all()
    assert (~frame["right"]).sum() == 10
    assert "10 wrong answers" in found.note
    assert found.n_same == N


def test_the_same_network_is_not_apart_and_half_of_it_is_by_the_cosine(runs):
    assert different_evidence(runs["left"], runs["again"], n=6, background=4).disagreement == pytest.approx(0, abs=1e-6)
    found = different_evidence(runs["left"], runs["whole"], n=12, background=4)
    assert (np.diff(found.disagreement) <= 0).all()
    first, second = (each.values.sum(axis=3)[..., 0].reshape(12, -1).astype(float) for each in found.maps)
    cosine = (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    assert found.disagreement == pytest.approx(1 - cosine, abs=1e-6)
    assert found.maps[0].indices.tolist() == found.indices.tolist()


def test_candidates_by_hand():
    # Same answers: rows 0 and 1 (wrong; 1 is surer), 2, 3, 4 (right); row 5 differs.
    y_true = [1, 1, 0, 0, 1, 1]
    a = build_run(y_true, [[0.6, 0.4], [0.9, 0.1], [0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.9, 0.1]])
    b = build_run(y_true, [[0.7, 0.3], [0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9]])
    assert candidates(a, b, 9, 0)[0].tolist() == [0, 1, 2, 3, 4]
    chosen, n_same = candidates(a, b, 2, 0)
    assert n_same == 5
    assert 1 in chosen
    assert len(set(chosen) & {2, 3, 4}) == 1
    assert candidates(a, b, 1, 0)[0].tolist() == [1]
    assert candidates(a, b, 4, 5)[0].tolist() == candidates(a, b, 4, 5)[0].tolist()


def test_what_cannot_be_compared_says_so(runs, data, tmp_path):
    with pytest.raises(InvalidInputError, match="at least 1"):
        different_evidence(runs["left"], runs["right"], n=0)
    linear = diag.evaluate(diag.load_model(f"{SHIPPED}/logistic_l2.skops"), diag.load_dataset("digits"))
    with pytest.raises(UnsupportedModelError):
        different_evidence(linear, linear, n=3)
    y_true = [0, 1]
    opposite = [build_run(y_true, [[0.9, 0.1]] * 2), build_run(y_true, [[0.1, 0.9]] * 2)]
    with pytest.raises(CheckNotApplicable, match="no image"):
        different_evidence(*opposite)
