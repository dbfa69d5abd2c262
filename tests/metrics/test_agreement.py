"""Agreement of classifiers: by hand, invariants, scikit-learn, statsmodels, and patterns of Kuncheva et al. (2003)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from diag.errors import InvalidInputError
from diag.metrics.agreement import agreement_shares, cohen_kappas, error_sets, fleiss_kappa, pair_measures


def answers(m=4, n=30, k=3):
    return arrays(np.int64, st.tuples(st.integers(2, m), st.integers(1, n)), elements=st.integers(0, k - 1))


def test_cohens_kappa_of_a_table_worked_by_hand():
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5, kappa 0.4.
    first = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    second = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert cohen_kappas(np.stack([first, second]), 2)[0, 1] == pytest.approx(0.4)


@given(answers())
@settings(max_examples=50, deadline=None)
def test_kappas_are_those_of_scikit_learn_and_statsmodels(predictions):
    kappas = cohen_kappas(predictions, 3)
    assert np.array_equal(kappas, kappas.T, equal_nan=True)
    for a in range(len(predictions)):
        for b in range(a + 1, len(predictions)):
            if len(np.union1d(predictions[a], predictions[b])) > 1:
                assert kappas[a, b] == pytest.approx(cohen_kappa_score(predictions[a], predictions[b]))
            else:
                assert np.isnan(kappas[a, b])
    table = np.stack([(predictions == number).sum(axis=0) for number in range(3)], axis=1)
    expected = inter_rater.fleiss_kappa(table) if len(np.unique(predictions)) > 1 else np.nan
    assert fleiss_kappa(predictions, 3) == pytest.approx(expected, nan_ok=True)


def test_fleiss_kappa_of_the_table_that_the_literature_works_out():
    # Fourteen raters, ten subjects, five categories: 0.210, as worked out on Wikipedia's page "Fleiss' kappa".
    table = np.array([
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ])  # fmt: skip
    predictions = np.stack([np.repeat(np.arange(5), row) for row in table], axis=1)
    assert fleiss_kappa(predictions, 5) == pytest.approx(0.210, abs=5e-4)


@pytest.mark.parametrize(
    ("pattern", "q", "double_fault", "disagreement"),
    [
        # Kuncheva, Whitaker, Shipp & Duin (2003): three classifiers, ten objects, each 60 % right. In the "pattern
        # of success" every majority is as small as can be; in the "pattern of failure" no vote is lost by much.
        ({"110": 3, "101": 3, "011": 3, "000": 1}, -0.5, 0.1, 0.6),
        ({"111": 4, "100": 2, "010": 2, "001": 2}, 1 / 3, 0.2, 0.4),
    ],
)
def test_patterns_of_success_and_failure(pattern, q, double_fault, disagreement):
    correct = np.array([[int(bit) for bit in bits] for bits, count in pattern.items() for _ in range(count)]).T == 1
    found = pair_measures(correct)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert found["q_statistic"][a, b] == pytest.approx(q)
        assert found["double_fault"][a, b] == pytest.approx(double_fault)
        assert found["disagreement"][a, b] == pytest.approx(disagreement)


@given(answers())
@settings(max_examples=50, deadline=None)
def test_identical_models_agree_fully_and_order_does_not_matter(predictions):
    twins = np.stack([predictions[0], predictions[0]])
    kappa = cohen_kappas(twins, 3)[0, 1]
    assert kappa == pytest.approx(1) or (np.isnan(kappa) and len(np.unique(predictions[0])) == 1)
    assert agreement_shares(twins)[0, 1] == 1
    order = np.arange(len(predictions))[::-1]
    right = predictions == 0
    for name, values in pair_measures(right).items():
        assert np.allclose(pair_measures(right[order])[name], values[np.ix_(order, order)], equal_nan=True)
        if name != "q_statistic":
            assert ((values >= 0) & (values <= 1)).all()
    assert fleiss_kappa(predictions[order], 3) == pytest.approx(fleiss_kappa(predictions, 3), nan_ok=True)


@given(answers(m=5))
@settings(max_examples=50, deadline=None)
def test_error_sets_part_the_samples_by_who_is_wrong(predictions):
    truth = np.zeros(predictions.shape[1], dtype=np.int64)
    found = error_sets(predictions, truth, limit=100)
    wrong = predictions != truth
    assert sum(map(len, found.rows)) == int(wrong.any(axis=0).sum())
    assert found.n_sets == len(found.members) == len(set(found.members))
    for members, rows, same in zip(found.members, found.rows, found.same_class, strict=True):
        for row in rows:
            assert tuple(np.flatnonzero(wrong[:, row])) == members
        assert same == sum(len(set(predictions[list(members), row])) == 1 for row in rows)
    counts = [len(rows) for rows in found.rows]
    assert counts == sorted(counts, reverse=True)


def test_sixty_models_fit_into_a_set_and_more_do_not():
    found = error_sets(np.ones((60, 2), dtype=np.int64), np.array([0, 1]))
    assert found.members == (tuple(range(60)),)
    assert found.same_class == (1,)
    with pytest.raises(InvalidInputError, match="at most 60 models"):
        error_sets(np.zeros((61, 1), dtype=np.int64), np.array([0]))


def test_no_samples_and_no_errors():
    empty = np.zeros((2, 0), dtype=np.int64)
    assert np.isnan(cohen_kappas(empty, 3)).all()
    assert np.isnan(fleiss_kappa(empty, 3))
    assert np.isnan(pair_measures(empty == 0)["double_fault"]).all()
    assert error_sets(empty, empty[0]).members == ()
    perfect = error_sets(np.array([[0, 1], [0, 1]]), np.array([0, 1]))
    assert (perfect.members, perfect.n_sets) == ((), 0)
