"""Data read in another process are what they are in this one, and a process that dies does no harm."""

import os
import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diag.errors import DataError
from diag.io import remote_sources, served_data
from diag.io.datasets import load_dataset
from diag.io.readers import read_source
from diag.io.remote_sources import packed
from diag.io.sources import Parts, Request, StoredArray
from diag.worker.child import Request as Asked
from diag.worker.process import reader
from tests.io import written

formats = pytest.mark.parametrize("write", written.FORMATS, ids=lambda write: write.__name__)


def both_ways(source, monkeypatch, **options):
    there = load_dataset(source, **options)
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    here = load_dataset(source, **options)
    monkeypatch.delenv("DIAG_ISOLATION")
    return there, here


def assert_same(there, here):
    for name in ("name", "source", "split", "class_names", "digest", "notes", "sample_names", "sizes"):
        assert getattr(there, name) == getattr(here, name), name
    np.testing.assert_array_equal(there.labels, here.labels)
    assert there.images.shape == here.images.shape
    assert there.images.dtype == here.images.dtype
    rows = np.array([4, 0, 0])
    for key in (slice(None), slice(1, 5, 2), 3, rows):
        np.testing.assert_array_equal(there.images[key], here.images[key])
    pd.testing.assert_frame_equal(there.frame(), here.frame())


@formats
def test_the_data_are_the_same_in_both_processes(tmp_path, monkeypatch, write):
    source = write(tmp_path, written.X, written.Y)
    assert_same(*both_ways(source, monkeypatch))
    assert_same(*both_ways(source, monkeypatch, size=(5, 5)))


def test_metadata_and_further_inputs_come_along(tmp_path, monkeypatch):
    folder = written.class_folders(tmp_path, written.X, written.Y)
    (folder / "metadata.csv").write_text("file,age,site\n0/0.png,41,north\n1/3.png,,=south\n")
    there, here = both_ways(folder, monkeypatch)
    assert_same(there, here)
    assert there.metadata["site"].tolist()[:1] == ["north"]
    np.savez(tmp_path / "b.npz", x=written.X, y=written.Y, age=np.arange(9.0))
    there, here = both_ways(tmp_path / "b.npz", monkeypatch)
    assert_same(there, here)
    assert there.inputs["age"].tolist() == here.inputs["age"].tolist() == list(range(9))


def test_relative_paths_begin_where_the_caller_is(tmp_path, monkeypatch):
    written.npz(tmp_path, written.X, written.Y)
    for folder in (tmp_path, tmp_path.parent):
        monkeypatch.chdir(folder)
        assert len(load_dataset(os.path.relpath(tmp_path / "a.npz"))) == 9


def test_relative_paths_may_go_up(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    written.npz(tmp_path, written.X, written.Y).rename(tmp_path / "above.npz")
    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(written.X[0]).save(images / "0.png")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "table.csv").write_text("path,label\n../images/0.png,3\n", encoding="utf-8")
    monkeypatch.chdir(here)
    assert_same(*both_ways("../above.npz", monkeypatch))
    listed = load_dataset("../tables/table.csv", confined=False)
    np.testing.assert_array_equal(listed.images[0][..., 0], written.X[0])
    assert list(listed.labels) == [3]
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(load_dataset("tables/table.csv", confined=False).labels, [3])


def test_large_images_stay_in_the_reader_and_come_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(remote_sources, "PIECE", 60)  # of two images
    data = load_dataset(written.hdf5(tmp_path, written.X, written.Y))
    np.testing.assert_array_equal(data.images[:][..., 0], written.X)
    mapped = np.load(written.npy(tmp_path, written.X, written.Y), mmap_mode="r")
    monkeypatch.setattr(remote_sources, "WHOLE", 10)
    body, arrays, images = packed(Parts("a", mapped, None, "c"))
    assert body["images"] == ["stored", [9, 5, 5], "|u1"]
    assert images is mapped
    assert not arrays


@pytest.mark.parametrize(
    ("source", "places"),
    [
        ("a.npz", ["a.npz"]),  # nothing beside it
        ("a.h5::images,labels", ["a.h5"]),
        ("im", ["im"]),
        ("x.npy::y.npy", [".", "x.npy", ".", "y.npy"]),
        ("t.csv", [".", "t.csv"]),
        ("x" * 5000, [".", "x" * 5000]),
    ],
)
def test_only_what_a_source_needs_may_be_opened(tmp_path, monkeypatch, source, places):
    monkeypatch.chdir(tmp_path)
    for name in ("a.npz", "a.h5", "x.npy", "y.npy", "t.csv"):
        (tmp_path / name).touch()
    (tmp_path / "im").mkdir()
    assert remote_sources._granted(source, Request("test")) == [str(tmp_path / place) for place in places]


def test_data_outlive_the_process_that_read_them(tmp_path):
    data = load_dataset(written.class_folders(tmp_path, written.X, written.Y))
    before = reader().generation
    reader().close()
    np.testing.assert_array_equal(data.images[2:4][..., 0], written.X[2:4])
    assert reader().generation > before


def test_data_that_were_written_meanwhile_are_refused(tmp_path):
    path = written.hdf5(tmp_path, written.X, written.Y)
    data = load_dataset(path)
    path.unlink()
    written.hdf5(tmp_path, 255 - written.X, written.Y)
    reader().close()
    with pytest.raises(DataError, match=r"a\.h5: expected the data as they were.*Load them again"):
        data.images[:]


def test_images_can_be_sent_to_other_processes(tmp_path):
    data = load_dataset(written.zipped(tmp_path, written.X, written.Y))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(data.images))[:], data.images[:])


def test_only_the_last_sources_stay_open(tmp_path):
    served_data._open.clear()
    for number in range(served_data.KEPT + 3):
        (tmp_path / str(number)).mkdir()
        source = str(written.class_folders(tmp_path / str(number), written.X, written.Y))
        request = {"split": "test", "size": None, "label_column": None, "steps": None, "stretch": None}
        spec = {"source": source, "request": {**request, "confined": False}, "folder": str(tmp_path)}
        served_data._read(spec, Asked(None, {}, lambda done, total: None))
    assert len(served_data._open) == served_data.KEPT
    served_data._open.clear()


def test_a_file_may_only_lead_to_what_lies_beside_it(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "x_test.npy", written.X)
    np.save(tmp_path / "y.npy", written.Y)
    (folder / "y_test.npy").symlink_to(tmp_path / "y.npy")
    with pytest.raises(DataError) as caught:
        load_dataset(folder / "x_test.npy")
    assert "\n" not in str(caught.value)
    written.csv_paths(tmp_path, written.X, written.Y)
    (folder / "b.csv").write_text(f"file,label\n{tmp_path / '0.png'},1\n{tmp_path / '1.png'},0\n")
    assert len(load_dataset(folder / "b.csv", confined=False)) == 2
    with pytest.raises(DataError, match=r"inside the table's folder. Received: 2 outside.*Put the images beside"):
        load_dataset(folder / "b.csv")


@pytest.mark.parametrize("source", [
    "http://127.0.0.1:9/a.npz", "https://127.0.0.1:9/a.csv", "s3://bucket/a.parquet", "gs://bucket/a.h5",
    "hf://datasets/a/b.csv", "file:///etc/hosts.csv", "simplecache::s3://bucket/a.zip", "zip://a.csv::file:///b.zip",
])  # fmt: skip
def test_addresses_are_not_opened(source, monkeypatch):
    monkeypatch.setattr(remote_sources, "read", lambda *_: pytest.fail("it was handed on"))
    with pytest.raises(DataError, match=r"expected the path of data.*addresses are not opened. Download it"):
        load_dataset(source)


def test_labels_and_columns_of_objects_travel_as_texts():
    parts = Parts(
        "a", StoredArray((2, 3, 3), np.dtype("u1"), lambda rows: rows), np.array(["x", "y"], dtype=object), "c",
        metadata={"when": np.array([None, pd.Timestamp("2020-01-02").date()], dtype=object), "n": np.arange(2)},
    )  # fmt: skip
    body, arrays, _ = packed(parts)
    assert arrays["labels"].tolist() == ["x", "y"]
    assert body["metadata"] == [("when", [None, "2020-01-02"]), ("n", None)]


def test_read_source_is_what_the_reader_runs(tmp_path):
    parts = read_source(str(written.npz(tmp_path, written.X, written.Y)), Request("test"))
    np.testing.assert_array_equal(parts.images, written.X)
