"""Submissions: what is said of images that were brought to the model's input, and which columns are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError

DENSE = Path(__file__).resolve().parents[2] / "saved_models" / "digits" / "dense.keras"


@pytest.fixture(scope="module")
def model():
    return diag.load_model(DENSE)


def test_what_was_assumed_of_the_images_is_passed_on(model):
    colour = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    notes = diag.submission(model, diag.load_dataset(colour)).attrs["notes"]
    # The same sentences as an evaluation of the same images has, whose labels change nothing here: fewer than 20.
    assert notes == diag.evaluate(model, diag.load_dataset((colour, np.arange(4))), cache=False).notes
    assert len(notes) == 2  # another size, other channels


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"id_column": "Label", "label_column": "Label"}, "another name than id_column. Received: 'Label' for both"),
        ({"id_column": ""}, "id_column: expected the name of a column. Received: ''"),
        ({"label_column": " "}, "label_column: expected the name of a column"),
        ({"id_start": 0.5}, "id_start: expected a whole number of at least 0. Received: 0.5"),
    ],
)
def test_refusals(model, tmp_path, options, said):
    with pytest.raises(InvalidInputError, match=said):
        diag.submission(model, diag.load_dataset(np.zeros((2, 28, 28, 1), np.uint8)), tmp_path / "out.csv", **options)
    assert not list(tmp_path.iterdir())
