"""Order, blocks and top confusions: by hand, planted blocks, and what must hold for any matrix."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from diag.errors import InvalidInputError
from diag.metrics.confusion_order import block_counts, class_order, top_confusions, window_edges

MATRICES = st.integers(1, 9).flatmap(lambda k: arrays(np.int64, (k, k), elements=st.integers(0, 5)))


def planted(k, size, seed, images=100, inside=0.2, outside=0.02):
    """Return counts in which classes are confused within blocks of `size`, hardly between; and each class's block."""
    rng = np.random.default_rng(seed)
    block = rng.permutation(k) // size
    counts = np.zeros((k, k), dtype=np.int64)
    for number in range(k):
        same = np.flatnonzero((block == block[number]) & (np.arange(k) != number))
        near, far = rng.poisson(images * inside), rng.poisson(images * outside)
        np.add.at(counts[number], rng.choice(same, near), 1)
        np.add.at(counts[number], rng.choice(k, far), 1)
        counts[number, number] += max(images - near - far, 0)
    return counts, block


def test_a_chain_of_classes_is_ordered_along_the_chain():
    # By hand: 3 is confused with 0, 0 with 2, 2 with 4, and nothing else; 1 has no error.
    counts = np.eye(5, dtype=int) * 10
    for a, b in ((3, 0), (0, 2), (2, 4)):
        counts[a, b] = 3
    order = class_order(counts).order.tolist()
    assert order in ([3, 0, 2, 4, 1], [4, 2, 0, 3, 1])


def test_classes_without_errors_come_last_by_number_each_a_block():
    counts = np.diag([5, 5, 5, 5])
    counts[2, 1] = 1
    found = class_order(counts)
    assert sorted(found.order[:2].tolist()) == [1, 2]
    assert found.order[2:].tolist() == [0, 3]
    assert [sorted(block.tolist()) for block in found.blocks] == [[1, 2], [0], [3]]


@pytest.mark.parametrize(("k", "size"), [(20, 4), (100, 10), (305, 5), (1000, 8)])
def test_planted_blocks_are_found(k, size):
    counts, block = planted(k, size, seed=k)
    found = class_order(counts)
    assert sorted(found.order.tolist()) == list(range(k))
    blocks = {frozenset(each.tolist()) for each in found.blocks}
    assert blocks == {frozenset(np.flatnonzero(block == number).tolist()) for number in range(block.max() + 1)}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(18)))
def test_another_numbering_of_the_classes_gives_the_same_blocks(seed, permutation):
    counts, _ = planted(18, 3, seed, images=400)
    numbers = np.asarray(permutation)
    renamed = class_order(counts[np.ix_(numbers, numbers)])
    there = [frozenset(numbers[block].tolist()) for block in renamed.blocks]
    assert set(there) == {frozenset(block.tolist()) for block in class_order(counts).blocks}


def test_another_numbering_gives_the_same_order_or_its_reverse():
    rng = np.random.default_rng(3)
    place = np.arange(12)
    counts = np.round(1000 * np.exp(-np.abs(place[:, None] - place[None]))).astype(np.int64) + rng.integers(0, 2, 144
        ).reshape(12, 12)  # fmt: skip
    numbers = rng.permutation(12)
    order = numbers[class_order(counts[np.ix_(numbers, numbers)]).order].tolist()
    assert order in (list(range(12)), list(range(12))[::-1])


@settings(max_examples=60, deadline=None)
@given(MATRICES, st.integers(1, 6))
def test_order_and_sums_hold_for_any_matrix(counts, most):
    found = class_order(counts)
    k = len(counts)
    assert sorted(found.order.tolist()) == list(range(k))
    assert found.order[found.position].tolist() == list(range(k))
    assert found.starts[0] == 0
    assert (np.diff(found.starts) > 0).all()
    edges = window_edges(found, 0, k, most)
    assert len(edges) <= most + 1 or k <= most
    images, errors = block_counts(counts, found, edges, edges)
    assert images.sum() == counts.sum()
    assert errors.sum() == counts.sum() - np.trace(counts)
    assert (class_order(counts).order == found.order).all()


@settings(max_examples=60, deadline=None)
@given(MATRICES)
def test_top_confusions_are_all_errors(counts):
    found = top_confusions(counts, None)
    assert found["count"].sum() == counts.sum() - np.trace(counts)
    assert (np.diff(found["count"]) <= 0).all()
    assert ((found["share_low"] <= found["share"]) & (found["share"] <= found["share_high"])).all()
    assert found["share_of_errors"].sum() == pytest.approx(1.0 if len(found["count"]) else 0.0)


def test_top_confusions_by_hand():
    counts = np.array([[8, 2, 0], [1, 9, 2], [0, 0, 0]])
    found = top_confusions(counts, 2)
    assert found["y_true"].tolist() == [0, 1]  # 2 of 10 before 2 of 12
    assert found["y_pred"].tolist() == [1, 2]
    assert found["share"].tolist() == pytest.approx([0.2, 1 / 6])
    assert found["share_of_errors"].tolist() == pytest.approx([0.4, 0.4])
    assert found["reverse"].tolist() == [1, 0]
    # Wilson's interval of 2 of 10: where (p - 0.2)^2 = z^2 p (1 - p) / 10
    z2 = 1.959963984540054**2
    ends = np.sort(np.roots([1 + z2 / 10, -0.4 - z2 / 10, 0.04]))
    assert [found["share_low"][0], found["share_high"][0]] == pytest.approx(ends.tolist())


def test_edges_keep_blocks_whole_where_one_begins_near():
    counts, _ = planted(100, 5, seed=1)
    found = class_order(counts)
    edges = window_edges(found, 0, 100, 20)
    assert set(edges[:-1]) <= set(found.starts.tolist())
    assert window_edges(found, 40, 50, 20).tolist() == list(range(40, 51))


def test_blocks_of_a_window_by_hand():
    counts = np.arange(16).reshape(4, 4)
    found = class_order(counts)
    images, errors = block_counts(counts, found, np.array([0, 1, 2]), np.array([2, 4]))
    rows, columns = found.order[:2], found.order[2:]
    assert images[:, 0].tolist() == [counts[row, columns].sum() for row in rows]
    assert (images == errors).all()


def test_degenerate_matrices():
    assert class_order(np.zeros((0, 0), int)).blocks == ()
    assert class_order(np.zeros((1, 1), int)).order.tolist() == [0]
    assert class_order(np.zeros((3, 3), int)).order.tolist() == [0, 1, 2]
    constant = np.zeros((4, 4), int)
    constant[:, 0] = 5
    assert sorted(class_order(constant).order.tolist()) == [0, 1, 2, 3]
    assert len(top_confusions(np.diag([3, 4]))["count"]) == 0


def test_what_cannot_be_ordered_is_named():
    with pytest.raises(InvalidInputError, match="square"):
        class_order(np.zeros((2, 3), int))
    with pytest.raises(InvalidInputError, match="at least 1"):
        top_confusions(np.eye(2, dtype=int), 0)
    found = class_order(np.eye(3, dtype=int))
    with pytest.raises(InvalidInputError, match="start < stop"):
        window_edges(found, 2, 2)


def test_a_thousand_classes_take_less_than_a_second():
    counts, _ = planted(1000, 1000, seed=0)
    started = time.process_time()
    class_order(counts)
    assert time.process_time() - started < 1.0
