"""By how much choosing among rounds on the test images flatters: worked out by hand, and on planted noise."""

from __future__ import annotations

import numpy as np
import pytest

from saved_models.recipes.sd import optimism


def test_two_images_by_hand():
    # Round 1 knows image 1 alone, round 2 image 2 alone. Whichever image stands in the first half, the round that knows
    # it is chosen: right there, wrong in the other half. 1 - 0 every time.
    assert optimism(np.array([[True, False], [False, True]])) == 1


def test_the_first_of_equal_rounds_is_chosen():
    # Of two images both rounds know one: round 1 image 1, round 2 the same. Half of the cuts give 1 - 0, half 0 - 1:
    # 0 but for chance, with a standard error of 1 / sqrt(2000).
    assert optimism(np.array([[True, False], [True, False]])) == pytest.approx(0, abs=4 / np.sqrt(2000))


def test_four_images_by_hand():
    # Round 1 knows images 1 and 2, round 2 images 3 and 4. Of the six halves, two are one round's own: 1 - 0. In the
    # other four each round knows one of two, and the other half is the same: 1/2 - 1/2. The mean is 1/3.
    rounds = np.array([[True, True, False, False], [False, False, True, True]])
    assert optimism(rounds) == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / 2000))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_where_all_rounds_have_all_or_nothing_right(share):
    assert optimism(np.full((5, 40), share == 1.0)) == 0


def test_one_round_leaves_nothing_to_choose():
    right = np.random.default_rng(0).random((1, 1000)) < 0.9
    # The difference of two halves of 500: its standard deviation over cuts is 2 sqrt(0.09 / 1000), over 2,000 cuts.
    assert optimism(right) == pytest.approx(0, abs=4 * 2 * np.sqrt(0.09 / 1000) / np.sqrt(2000))


def test_equal_rounds_leave_nothing_to_choose():
    one = np.random.default_rng(0).random(1000) < 0.9
    assert optimism(np.tile(one, (7, 1))) == pytest.approx(optimism(one[None]), abs=1e-12)


@pytest.mark.parametrize("rounds", [2, 10])
def test_of_rounds_that_differ_by_chance_alone_it_is_the_expected_largest(rounds):
    # Accuracies in a half of n/2 images have a standard deviation s = sqrt(p (1 - p) / (n/2)); the largest of m such
    # lies s E[max of m normals] above the mean, and its other half on the mean. E[max]: 0.564 of 2, 1.539 of 10
    # (Harter 1961). Averaged over sets of rounds, of which each is a draw.
    n, p = 2000, 0.95
    spread = np.sqrt(p * (1 - p) / (n / 2))
    sets = [np.random.default_rng(seed).random((rounds, n)) < p for seed in range(12)]
    found = np.mean([optimism(right) for right in sets])
    assert found == pytest.approx(spread * {2: 0.564, 10: 1.539}[rounds], rel=0.15)


def test_a_round_that_is_truly_better_is_flattered_less():
    rng = np.random.default_rng(0)
    alike = rng.random((5, 2000)) < 0.95
    better = np.concatenate([alike[:4], rng.random((1, 2000)) < 0.995])
    assert optimism(better) < optimism(alike) / 3


def test_the_seed_makes_it_the_same_again():
    right = np.random.default_rng(0).random((4, 100)) < 0.9
    assert optimism(right, seed=3) == optimism(right, seed=3) != optimism(right, seed=4)
