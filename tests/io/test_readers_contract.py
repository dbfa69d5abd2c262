"""Every reader: the same images and labels whatever the format; refusals in one line; digests of the content."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import DataError
from diag.io.datasets import load_dataset
from diag.io.readers import READERS
from tests.io import written

formats = pytest.mark.parametrize("write", written.FORMATS, ids=lambda write: write.__name__)
single = [
    written.npz, written.npy, written.hdf5, written.idx_plain, written.idx_gzip, written.parquet_bytes,
    written.parquet_arrays, written.tfrecord, written.tfrecord_raw_gzip, written.zipped, written.csv_pixels,
]  # fmt: skip
single_files = pytest.mark.parametrize("write", single, ids=lambda write: write.__name__)


@formats
def test_every_format_gives_the_same_images_and_labels(tmp_path, write):
    data = load_dataset(write(tmp_path, written.X, written.Y))
    np.testing.assert_array_equal(data.images[:], written.X[..., None])
    assert data.images[:].dtype.kind in "ui"
    assert data.labels.tolist() == written.Y.tolist()
    assert data.class_names == ("0", "1", "2")
    assert data.notes
    assert all("\n" not in note for note in data.notes)


@formats
def test_images_are_had_in_any_order(tmp_path, write):
    data = load_dataset(write(tmp_path, written.X, written.Y))
    for chosen in ([8, 0, 5, 5, 3], [2], []):
        rows = np.array(chosen, dtype=int)
        np.testing.assert_array_equal(data.images[rows], written.X[rows][..., None])
        np.testing.assert_array_equal(data.subset(rows).images[:], written.X[rows][..., None])
    np.testing.assert_array_equal(data.images[4], written.X[4][..., None])
    np.testing.assert_array_equal(data.images[2:7:2], written.X[2:7:2][..., None])
    assert [len(batch) for _, batch in data.batches(4)] == [4, 4, 1]


@formats
def test_the_digest_is_of_the_content(tmp_path, write):
    x, y = written.X.copy(), written.Y.copy()
    for name in "abcd":
        (tmp_path / name).mkdir()
    first = load_dataset(write(tmp_path / "a", x, y)).digest
    assert load_dataset(write(tmp_path / "b", x, y)).digest == first or write is written.npz  # .npz holds the time
    x[4, 2, 2] ^= 1
    assert load_dataset(write(tmp_path / "c", x, y)).digest != first
    x[4, 2, 2] ^= 1
    y[3] = 2
    assert load_dataset(write(tmp_path / "d", x, y)).digest != first


@formats
def test_a_source_without_parts_has_no_training_split(tmp_path, write):
    source = write(tmp_path, written.X, written.Y)
    with pytest.raises(DataError, match="train") as caught:
        load_dataset(source, split="train")
    assert "\n" not in str(caught.value)
    assert len(load_dataset(source, split="all")) == 9


@single_files
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"nothing of the kind\n" * 9], ids=["empty", "zeros", "text"])
def test_other_content_is_refused_in_one_line(tmp_path, write, content):
    path = write(tmp_path, written.X, written.Y)
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_dataset(path).images[:]
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def whole_or_refused(path):
    """Read everything; return what was refused."""
    try:
        data = load_dataset(path)
        return "" if data.images[:].shape[1:] == (5, 5, 1) else "another shape"
    except DataError as error:
        return str(error)


@single_files
def test_a_truncated_file_is_refused(tmp_path, write):
    path = write(tmp_path, written.X, written.Y)
    whole = path.read_bytes()
    for share in (0.2, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        said = whole_or_refused(path)
        assert "\n" not in said
        assert said or write is written.csv_pixels  # a CSV cut off at the end of a line is a shorter CSV


@pytest.mark.parametrize(
    "write",
    [written.npy, written.idx_plain, written.idx_gzip, written.tfrecord, written.tfrecord_raw_gzip, written.zipped],
    ids=lambda write: write.__name__,
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_in_one_line(tmp_path_factory, write, data):
    folder = tmp_path_factory.mktemp("damaged")
    path = write(folder, written.X, written.Y)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert "\n" not in whole_or_refused(path)
    shutil.rmtree(folder)


def test_every_reader_of_files_is_tried(tmp_path):
    """A reader that no format above goes to is one that the contract does not hold."""
    tried = set()
    for write in written.FORMATS:
        folder = tmp_path / write.__name__
        folder.mkdir()
        source = str(write(folder, written.X, written.Y))
        tried.add(next(reader for reader in READERS if reader.matches(source)).__name__.rpartition(".")[2])
    every = {reader.__name__.rpartition(".")[2] for reader in READERS}
    assert every - tried == {"builtin", "python_objects"}
