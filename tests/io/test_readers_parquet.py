"""Parquet as Hugging Face writes it, and other layouts."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from diag.errors import DataError
from diag.io.datasets import load_dataset
from tests.io.written import NAMES, X, Y, png, table

FEATURES = {"image": {"_type": "Image"}, "label": {"names": list(NAMES), "_type": "ClassLabel"}}

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def hugging_face(rows=slice(None)):
    with_site = table(X[rows], Y[rows]).append_column("site", pa.array([f"s{i % 2}" for i in range(len(X))][rows]))
    return with_site.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})


def test_class_names_and_further_columns(tmp_path):
    parquet.write_table(hugging_face(), tmp_path / "a.parquet")
    data = load_dataset(tmp_path / "a.parquet")
    assert data.class_names == NAMES
    assert data.metadata["site"].tolist() == [f"s{i % 2}" for i in range(9)]
    assert data.sizes == {"5x5": 9}
    assert data.subset([3, 0]).frame().to_dict("list") == {
        "index": [0, 1], "label": [1, 0], "class_name": ["bee", "ant"], "site": ["s1", "s0"],
    }  # fmt: skip


def test_shards_by_split(tmp_path):
    for name, rows in (
        ("train-00000-of-00001", slice(0, 3)),
        ("test-00000-of-00002", slice(3, 6)),
        ("test-00001-of-00002", slice(6, 9)),
    ):
        parquet.write_table(hugging_face(rows), tmp_path / f"{name}.parquet")
    data = load_dataset(tmp_path)
    np.testing.assert_array_equal(data.images[:][..., 0], X[3:])
    assert "2 files were read" in data.notes[1]
    assert len(load_dataset(tmp_path, split="train")) == 3
    assert len(load_dataset(tmp_path, split="all")) == 9
    one = load_dataset(tmp_path / "test-00001-of-00002.parquet")
    assert len(one) == 3
    assert "one of 2 files" in one.notes[1]
    assert len(load_dataset(tmp_path / "test-00001-of-00002.parquet", split="train")) == 3
    (tmp_path / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(DataError, match="no train split"):
        load_dataset(tmp_path, split="train")


def test_row_groups_are_read_once_each_in_order(tmp_path, monkeypatch):
    parquet.write_table(table(X, Y), tmp_path / "a.parquet", row_group_size=2)
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    data, read = load_dataset(tmp_path / "a.parquet"), []
    original = parquet.ParquetFile.iter_batches
    monkeypatch.setattr(
        parquet.ParquetFile,
        "iter_batches",
        lambda self, rows, row_groups, columns: (
            read.extend(row_groups) or original(self, rows, row_groups=row_groups, columns=columns)
        ),
    )
    for _, batch in data.batches(1):
        assert len(batch) == 1
    assert read == [0, 1, 2, 3, 4]  # nine rows, two a group


def test_a_column_a_pixel(tmp_path):
    columns = {f"p{i}": values for i, values in enumerate(X.reshape(9, 25).T)}
    parquet.write_table(pa.table({"label": Y, **columns}), tmp_path / "a.parquet")
    np.testing.assert_array_equal(load_dataset(tmp_path / "a.parquet").images[:][..., 0], X)


def test_lists_of_lists_and_one_plain_binary_column(tmp_path):
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1).astype("f4") / 2), 25)
    parquet.write_table(pa.table({"pixels": fixed, "y": Y}), tmp_path / "a.parquet")
    np.testing.assert_array_equal(load_dataset(tmp_path / "a.parquet").images[:][..., 0], X.astype("f4") / 2)
    parquet.write_table(pa.table({"png": [png(x) for x in X], "y": Y}), tmp_path / "b.parquet")
    np.testing.assert_array_equal(load_dataset(tmp_path / "b.parquet").images[:][..., 0], X)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"image": pa.array([{"bytes": None, "path": "a.png"}], IMAGE), "label": [0]}, "only a path"),
        ({"image": [{"bytes": b"no image", "path": None}], "label": [0]}, "expected an image"),
        ({"image": [[[1, 2], [3]]], "label": [0]}, "arrays of one shape"),
        ({"image": [[[1, 2], [3, 4]], [[1, 2]]], "label": [0, 1]}, "arrays of one shape"),
        ({"image": pa.array([png(X[0]), png(X[1])]), "label": [0, None]}, "1 labels are missing"),
        ({"text": ["a", "b"], "label": [0, 1]}, "holds texts, not pixels"),
    ],
)
def test_refusals(tmp_path, columns, said):
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=said) as caught:
        load_dataset(tmp_path / "a.parquet").images[:]
    assert "\n" not in str(caught.value)


def test_a_label_column_that_was_asked_for(tmp_path):
    parquet.write_table(table(X, Y).append_column("kind", pa.array(Y[::-1])), tmp_path / "a.parquet")
    assert load_dataset(tmp_path / "a.parquet", label_column="kind").labels.tolist() == Y[::-1].tolist()
    with pytest.raises(DataError, match="no column 'sort'"):
        load_dataset(tmp_path / "a.parquet", label_column="sort")
