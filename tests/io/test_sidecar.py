"""metadata.csv beside class folders: joined by file names, and said when it does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from diag.io.datasets import load_dataset
from tests.io.test_folder import write


@pytest.fixture
def folder(tmp_path):
    for part in ("train", "test"):
        for name, level in (("cat", 10), ("dog", 200)):
            for number in range(2):
                write(tmp_path / part / name / f"{number}.png", np.full((4, 6), level + number))
    return tmp_path


def told(data):
    return " ".join(data.notes)


@pytest.mark.parametrize("place", ["", "test"])
def test_columns_are_joined_by_path(folder, place):
    # Names begin at test/, whichever folder the table lies in; dog/1.png has no row.
    text = "file_name,camera,age\ndog/0.png,B,3\ncat/1.png,A,\ncat/0.png,A,1.5\n"
    (folder / place / "metadata.csv").write_text(text, encoding="utf-8-sig")
    data = load_dataset(folder)
    assert data.sample_names == ("cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png")
    assert data.metadata["camera"].tolist() == ["A", "A", "B", ""]
    np.testing.assert_array_equal(data.metadata["age"], [1.5, np.nan, 3, np.nan])
    assert "metadata.csv: camera, age of 3 of 4 images." in told(data)
    assert data.digest != load_dataset(folder, "train").digest


def test_the_parts_are_told_apart_and_a_name_that_is_not_unique_names_nothing(folder):
    rows = [f"{part}/cat/{number}.png;{part}" for part in ("train", "test") for number in range(2)]
    (folder / "metadata.csv").write_text("\n".join(["path;where", *rows]))
    assert load_dataset(folder).metadata["where"].tolist() == ["test", "test", "", ""]
    assert load_dataset(folder, "train").metadata["where"].tolist() == ["train", "train", "", ""]
    (folder / "metadata.csv").write_text("file,x\n0.png,1\n1.png,2\n")
    assert load_dataset(folder).metadata is None  # 0.png would be either


def test_another_table_is_another_data_set(folder):
    (folder / "metadata.csv").write_text("name,x\ncat/0.png,1\n")
    before = load_dataset(folder).digest
    (folder / "metadata.csv").write_text("name,x\ncat/0.png,2\n")
    assert load_dataset(folder).digest != before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected a head with a column file_name"),
        (b"id,x\n1,2\n", "expected a head with a column file_name"),
        (b"file,x\n", "it names none of the images. Its first row names 'nothing'"),
        (b"file,x\nzebra.png,2\n", "it names none of the images. Its first row names 'zebra.png'"),
        (b"file,x\ncat/0.png\n", "row 2 has 1 values, the head 2"),
        (b"file,x,x\ncat/0.png,1,2\n", "expected different names of columns"),
        (b"file,x\n\xff\xfe,2\n", "it cannot be read"),
    ],
)
def test_a_table_that_does_not_fit_is_said_and_left(folder, content, reason):
    (folder / "metadata.csv").write_bytes(content)
    data = load_dataset(folder)
    assert data.metadata is None
    assert f"metadata.csv was not used: {reason}" in told(data)


def test_without_a_table_nothing_is_said(folder):
    data = load_dataset(folder)
    assert data.metadata is None
    assert "metadata" not in told(data)
