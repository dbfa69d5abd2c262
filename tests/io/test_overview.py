"""What a data set says about itself: size, values, missing ones, classes, the most frequent one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diag.errors import DataError
from diag.io.datasets import load_dataset


def test_a_row_on_all_images():
    images = np.zeros((5, 4, 6, 3), np.float32)
    images[3, 1, 2, 0], images[4, 0, 0, 0] = 0.75, -0.25
    data = load_dataset((images, np.array([1, 1, 0, 1, 2])), class_names=["cat", "dog", "owl"])
    row = data.summary().iloc[0].to_dict()
    assert row == {
        "split": "test", "n": 5, "height": 4, "width": 6, "channels": 3, "dtype": "float32", "lowest": -0.25,
        "highest": 0.75, "missing": 0, "n_classes": 3, "majority_class": "dog", "majority_share": 0.6,
    }  # fmt: skip
    counts = data.class_counts()
    assert counts.index.tolist() == ["cat", "dog", "owl"]
    assert counts["images"].tolist() == [1, 3, 1]
    assert counts["share"].tolist() == [0.2, 0.6, 0.2]
    assert data.description() == (
        "arrays: 5 images of 4x6x3, float32 from -0.25 to 0.75. No missing values. 3 classes; always answering "
        "dog would have 60.0% right."
    )


def test_images_with_missing_pixels_are_counted():
    images = np.random.default_rng(0).random((600, 3, 3))
    images[[5, 299, 300], 1, 1] = [np.nan, np.inf, np.nan]
    images[7] = 9
    data = load_dataset((images, np.zeros(600, int)))
    assert data.summary()["missing"].tolist() == [3]
    assert data.summary()["highest"].tolist() == [9]  # what is missing has no part in it
    assert "3 images with missing values." in data.description()


def test_an_image_that_cannot_be_read_is_missing():
    class Damaged:
        shape, dtype = (4, 2, 2, 1), np.dtype(np.uint8)

        def __len__(self):
            return 4

        def __getitem__(self, key):
            numbers = np.arange(4)[key]
            if 2 in np.atleast_1d(numbers):
                raise DataError("2.png: expected an image.")
            return np.moveaxis(np.full((2, 2, 1, *np.shape(numbers)), 10 * numbers), -1, 0)

    data = replace(load_dataset((np.zeros((4, 2, 2), np.uint8), np.arange(4))), images=Damaged())
    row = data.summary().iloc[0]
    assert (row["missing"], row["lowest"], row["highest"]) == (1, 0, 30)


def test_a_table_says_that_nothing_is_missing_or_is_refused(tmp_path):
    path = tmp_path / "train.csv"
    header = "label," + ",".join(f"pixel{number}" for number in range(4))
    path.write_text(f"{header}\n1,0,255,3,4\n0,1,2,3,4\n")
    said = load_dataset(path).description()
    assert said.startswith("train: 2 images of 2x2x1, uint8 from 0 to 255. No missing values. 2 classes")
    path.write_text(f"{header}\n1,0,,3,4\n0,1,2,3,\n")
    with pytest.raises(DataError, match="2 pixel values are missing, the first in row 0"):
        load_dataset(path)


def test_the_split_is_named_where_there_are_several(tmp_path):
    assert load_dataset("digits", "train").description().startswith("digits, train: 1,000 images")
    path = tmp_path / "both.csv"
    header = "split,label," + ",".join(f"pixel{number}" for number in range(4))
    path.write_text(f"{header}\ntrain,1,0,255,3,4\ntest,0,1,2,3,4\ntrain,0,9,9,9,9\n")
    assert load_dataset(path).description().startswith("both, test: 1 image ")
    assert load_dataset(path, "train").subset([0, 1]).description().startswith("both, train: 2 images ")


def test_images_without_labels():
    data = load_dataset(np.zeros((1, 2, 2), np.uint8))
    assert data.description() == "arrays: 1 image of 2x2x1, uint8 from 0 to 0. No missing values. No labels."
    assert np.isnan(data.summary()["majority_share"].iloc[0])
    with pytest.raises(DataError, match="expected labels to count"):
        data.class_counts()
