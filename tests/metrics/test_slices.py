"""Tests of groups: exact p-values by hand, by SciPy and by R; shrinkage, containment, groupings."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import InvalidInputError
from diag.metrics.groupings import cluster_codes, column_grouping, components, crossed
from diag.metrics.slices import FLOOR, containers, group_tests, shrunken_differences, stratified_exact_test

# Penicillin in rabbits, by level of penicillin (Agresti 1990, table 7.11): cured and died, at once and after 1.5 hours.
RABBITS = np.array([[[0, 0], [6, 5]], [[3, 0], [3, 6]], [[6, 2], [0, 4]], [[5, 6], [1, 0]], [[2, 5], [0, 0]]])


def test_the_rabbits_of_agresti():
    # R: mantelhaen.test(Rabbits, exact = TRUE, alternative = "greater") gives p = 0.01997.
    at_once, cured = RABBITS[:, :, 0].sum(axis=1), RABBITS[:, 0].sum(axis=1)
    p = stratified_exact_test(at_once, RABBITS[:, 0, 0], RABBITS.sum(axis=(1, 2)), cured)
    assert p == pytest.approx(0.01997, abs=5e-6)


@pytest.mark.parametrize(("g", "x", "n", "e"), [(4, 3, 8, 4), (10, 0, 30, 7), (20, 9, 797, 60), (500, 90, 9000, 1000)])
def test_one_stratum_is_fishers_exact_test(g, x, n, e):
    from scipy.stats import fisher_exact

    expected = fisher_exact([[x, g - x], [e - x, n - g - e + x]], alternative="greater").pvalue
    assert stratified_exact_test(*(np.array([value]) for value in (g, x, n, e))) == pytest.approx(expected, rel=1e-9)


def test_two_strata_by_enumeration():
    from scipy.stats import hypergeom

    total, wrong, held = [9, 7], [4, 2], [5, 3]
    p = sum(hypergeom.pmf(i, 9, 4, 5) * hypergeom.pmf(j, 7, 2, 3) for i, j in product(range(6), range(4)) if i + j >= 5)
    found = stratified_exact_test(np.array(held), np.array([3, 2]), np.array(total), np.array(wrong))
    assert found == pytest.approx(p, rel=1e-12)


def test_what_says_nothing_has_p_1():
    # A stratum that lies in the group as a whole, one without errors, one of errors only.
    assert (
        stratified_exact_test(np.array([5, 3, 2]), np.array([2, 0, 2]), np.array([5, 9, 6]), np.array([2, 0, 6])) == 1
    )
    # All 60 errors of 100,000 images in a group of 60: far beyond what doubles tell apart from 0.
    assert stratified_exact_test(*(np.array([value]) for value in (60, 60, 100_000, 60))) == FLOOR
    with pytest.raises(InvalidInputError, match="no larger"):
        stratified_exact_test(np.array([5]), np.array([6]), np.array([9]), np.array([7]))


@st.composite
def strata(draw):
    n = draw(st.integers(2, 60))
    whole = st.lists(st.integers(0, 3), min_size=n, max_size=n)
    groups = draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n))
    return np.array(groups, np.int32), np.array(draw(whole)), np.array(draw(whole)) == 0


@settings(max_examples=60, deadline=None)
@given(strata())
def test_counts_add_up_and_p_values_are_shares(given_):
    codes, classes, wrong = given_
    found = group_tests(codes, 3, classes, wrong, 2)
    for place, group in enumerate(found["group"]):
        mask = codes == group
        assert found["n"][place] == mask.sum() >= 2
        assert found["errors"][place] == (mask & wrong).sum()
        expected = sum(wrong[classes == each].mean() for each in classes[mask])
        assert found["expected_errors"][place] == pytest.approx(expected)
    assert ((found["p_value"] >= FLOOR) & (found["p_value"] <= 1)).all()


def test_a_group_has_to_be_worse_than_the_rest_and_than_its_classes():
    # Class 0 is hard: 50 of 100 wrong; class 1 easy: 1 of 100. A group of 50 of class 0 has as many errors as its class
    # lets expect; against all other samples it looks far worse.
    classes = np.repeat([0, 1], 100)
    wrong = np.zeros(200, dtype=bool)
    wrong[:50] = True
    wrong[150] = True
    codes = np.full(200, -1, dtype=np.int32)
    codes[25:75] = 0
    assert group_tests(codes, 1, np.zeros_like(classes), wrong, 2)["p_value"][0] < 1e-4
    assert group_tests(codes, 1, classes, wrong, 2)["p_value"][0] > 0.4


def test_shrinkage_by_hand():
    # All alike: nothing but chance, so that nothing is left. One group far off: t2 = (9 - 1 + 0 - 1) / 2 = 3.5 v.
    assert shrunken_differences(np.array([10, 10]), np.array([100, 100]), 0.1)[1] == 0
    shrunken, t2 = shrunken_differences(np.array([19, 10]), np.array([100, 100]), 0.1)
    assert t2 == pytest.approx(3.5 * 0.0009)
    assert shrunken[0] == pytest.approx(-0.09 * 3.5 / 4.5)
    assert shrunken_differences(np.zeros(0), np.zeros(0), 0.1) == (pytest.approx(np.zeros(0)), 0.0)
    assert shrunken_differences(np.zeros(2), np.array([3, 4]), 0.0)[0].tolist() == [0, 0]


def test_the_largest_container_is_named():
    members = np.zeros((4, 20), dtype=bool)
    members[0, :20], members[1, :10], members[2, :5], members[3, 8:14] = True, True, True, True
    assert containers(members).tolist() == [-1, 0, 0, 0]
    assert containers(members[1:]).tolist() == [-1, 0, -1]  # 2 of the last one's 6 lie in the first
    assert containers(np.array([[1, 1, 0], [1, 1, 0]], dtype=bool)).tolist() == [-1, 0]  # of equals, the first


def test_columns_become_groups():
    assert column_grouping("site", ["B", None, "A", "B", float("nan"), " "]).codes.tolist() == [1, -1, 0, 1, -1, -1]
    few = column_grouping("age", [3, 3, 1, 1])
    assert few.labels == ("age = 1", "age = 3")
    ages = column_grouping("age", [*range(12), float("nan")])
    assert ages.labels == ("age 0 to 2", "age 3 to 5", "age 6 to 8", "age 9 to 11")
    assert ages.codes.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [-1]
    for many in (0, 11):  # equal edges are joined
        assert len(column_grouping("mostly one value", [many] * 90 + list(range(12)))) == 2
    days = column_grouping("day", np.arange("2026-01-01", "2026-01-21", dtype="datetime64[D]"), bins=2)
    assert days.labels == ("day 2026-01-01 to 2026-01-10", "day 2026-01-11 to 2026-01-20")
    assert column_grouping("flag", [True, False, True]).labels == ("flag = False", "flag = True")
    assert len(column_grouping("id", [f"i{number}" for number in range(900)])) == 50
    assert len(column_grouping("nothing", [None, None])) == 0
    lists = np.empty(3, dtype=object)
    lists[:] = [[1, 2], None, [1, 2]]
    assert column_grouping("box", lists).labels == ("box = [1, 2]",)
    assert column_grouping("level", [10, 9, 10, 2]).labels == ("level = 2", "level = 9", "level = 10")
    with pytest.raises(InvalidInputError, match="one value a sample"):
        column_grouping("x", np.zeros((3, 2)))


def test_pairs_are_samples_in_both():
    one, other = column_grouping("a", ["x", "y", "y", ""]), column_grouping("b", ["1", "1", "2", "2"])
    assert crossed(one, other).codes.tolist() == [0, 2, 3, -1]
    assert crossed(one, other).labels == ("a = x, b = 1", "a = x, b = 2", "a = y, b = 1", "a = y, b = 2")


def test_clusters_are_found_whatever_the_length_of_features():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 8)
    true = np.repeat([0, 1, 2], (60, 40, 20))
    features = (centres[true] + rng.normal(0, 0.05, (120, 8))) * rng.uniform(1, 100, (120, 1))
    scores, pca = components(features)
    assert scores.shape == (120, 8)
    assert pca.explained_variance_ratio_[:2].sum() > 0.9
    assert cluster_codes(scores, 3).tolist() == true.tolist()  # the largest is number 0
    assert cluster_codes(np.zeros((9, 2), np.float32), 3).tolist() == [0] * 9
