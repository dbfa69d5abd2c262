"""The images behind a difference of two models, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import diag
from diag.errors import InvalidInputError
from diag.results.changes import change_title, changed_cells, changed_samples
from tests.fakes import build_run

Y_TRUE = [0, 0, 0, 1, 1, 2]


def run(name, predicted, confidence=0.9):
    """Return a run that says `predicted`, as sure as that."""
    proba = np.full((len(predicted), 3), (1 - confidence) / 2)
    proba[np.arange(len(predicted)), predicted] = confidence
    return build_run(Y_TRUE, proba, name)


@pytest.fixture
def comparison():
    # Sample 0: both right. 1: only a. 2: only b, a says 1. 3: a says 0, b says 2. 4: only b, a says 0. 5: both right.
    return diag.compare([run("a", [0, 0, 1, 0, 0, 2]), run("b", [0, 2, 0, 2, 1, 2], 0.8)])


def test_a_class_has_the_images_that_one_model_has_right(comparison):
    assert changed_samples(comparison, "a", "b", "c0").tolist() == [2, 1]  # a's error is surer than b's
    assert changed_samples(comparison, "a", "b", "c1").tolist() == [4]
    assert changed_samples(comparison, "a", "b", "c2").tolist() == []
    assert change_title(comparison, "a", "b", "c0") == "Class 0, right in one of a and b"


def test_a_cell_has_the_images_that_one_model_puts_there(comparison):
    assert changed_samples(comparison, "a", "b", "0-2").tolist() == [1]
    assert changed_samples(comparison, "b", "a", "1-0").tolist() == [3, 4]
    assert change_title(comparison, "a", "b", "0-2") == "True 0, and one of a and b says 2"


def test_the_cells_that_changed(comparison):
    # Errors of a: 0>1, 1>0 twice. Errors of b: 0>2, 1>2.
    cells = changed_cells(*comparison.runs)
    assert [(c["true"], c["pred"], c["count_a"], c["count_b"], c["delta"]) for c in cells] == [
        (1, 0, 2, 0, 2), (0, 1, 1, 0, 1), (0, 2, 0, 1, -1), (1, 2, 0, 1, -1),
    ]  # fmt: skip
    assert len(changed_cells(*comparison.runs, most=2)) == 2


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 2), min_size=6, max_size=6))
def test_cells_are_the_difference_of_the_confusion_matrices(answers):
    first, second = (run(name, [pair[place] for pair in answers]) for place, name in enumerate("ab"))
    expected = first.counts().confusion - second.counts().confusion
    np.fill_diagonal(expected, 0)
    found = np.zeros((3, 3), dtype=int)
    for cell in changed_cells(first, second):
        found[cell["true"], cell["pred"]] = cell["delta"]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("change", ["", "5", "c3", "0-3", "c", "-1", "c0-1", "0-1-2", "<b>"])
def test_what_is_no_change_is_refused(comparison, change):
    with pytest.raises(InvalidInputError, match="such as 'c5' or a cell such as '3-5', of 3 classes"):
        changed_samples(comparison, "a", "b", change)
