"""Per-sample columns: hand-computed, then against scikit-learn, then invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import log_loss, top_k_accuracy_score

from diag.errors import InvalidInputError
from diag.metrics.samples import COLUMNS, EPSILON, sample_columns


def probabilities(max_n=20, max_k=6):
    shapes = st.tuples(st.integers(1, max_n), st.integers(2, max_k))
    raw = shapes.flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=st.floats(0.01, 1)))
    return raw.map(lambda values: values / values.sum(axis=1, keepdims=True))


def test_one_row_by_hand():
    # p = (.5, .3, .2), true class 1: the second most probable.
    columns = {
        name: column[0] for name, column in sample_columns(np.array([1]), np.array([[0.5, 0.3, 0.2]]), 7).items()
    }
    assert list(columns) == list(COLUMNS)
    assert (columns["index"], columns["y_true"], columns["y_pred"], columns["rank"]) == (7, 1, 0, 2)
    assert columns["confidence"] == 0.5
    assert columns["p_true"] == 0.3
    assert columns["margin"] == pytest.approx(0.2)
    assert columns["entropy"] == pytest.approx(-(0.5 * np.log(0.5) + 0.3 * np.log(0.3) + 0.2 * np.log(0.2)))
    assert columns["loss"] == pytest.approx(-np.log(0.3))
    assert columns["brier"] == pytest.approx(0.5**2 + 0.7**2 + 0.2**2)


def test_certain_and_impossible():
    # A probability of zero for the true class costs -ln(epsilon), not infinity; certainty has no entropy.
    columns = sample_columns(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert columns["entropy"].tolist() == [0, 0]
    assert columns["loss"].tolist() == [0, pytest.approx(-np.log(EPSILON))]
    assert columns["brier"].tolist() == [0, 2]


def test_ties_go_to_the_lower_class():
    columns = sample_columns(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]]))
    assert columns["y_pred"].tolist() == [0, 0]
    assert columns["rank"].tolist() == [1, 2]


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(5), 300).astype(np.float32)
    y_true = rng.integers(0, 5, 300)
    columns = sample_columns(y_true, proba)
    assert columns["loss"].mean() == pytest.approx(log_loss(y_true, proba, labels=range(5)), rel=1e-5)
    assert (columns["rank"] <= 3).mean() == top_k_accuracy_score(y_true, proba, k=3, labels=range(5))


@given(probabilities(), st.integers(0, 2**32 - 1))
def test_invariants(proba, seed):
    n, k = proba.shape
    y_true = np.random.default_rng(seed).integers(0, k, n)
    columns = sample_columns(y_true, proba)
    assert ((columns["rank"] == 1) == (columns["y_pred"] == y_true)).all()
    assert (columns["entropy"] <= np.log(k) + 1e-9).all()
    assert (columns["margin"] <= columns["confidence"] + 1e-12).all()
    assert ((columns["brier"] >= -1e-12) & (columns["brier"] <= 2)).all()
    assert (columns["p_true"] <= columns["confidence"]).all()


@pytest.mark.parametrize(
    ("y_true", "shape", "said"),
    [([0, 2], (2, 2), "0..1"), ([-1], (1, 2), "-1"), ([0], (2, 2), "(1,)"), ([0], (1,), "(n, k)")],
)
def test_refusals(y_true, shape, said):
    with pytest.raises(InvalidInputError, match=said.replace("(", r"\(").replace(")", r"\)")):
        sample_columns(np.array(y_true), np.full(shape, 0.5))
