"""One array a file (.npy, idx) and archives: which files belong together, and what is refused."""

from __future__ import annotations

import gzip
import struct
import zipfile

import numpy as np
import pytest

from diag.errors import DataError
from diag.io.datasets import load_dataset
from diag.io.readers.keys import key, partner
from diag.io.readers.npy import array_of
from tests.io.written import X, Y, class_folders, idx, png


@pytest.mark.parametrize(
    ("name", "kind", "split", "rest"),
    [
        ("x_test", "images", "test", ()),
        ("y_train", "labels", "train", ()),
        ("X", "images", None, ()),
        ("trainX", "images", "train", ()),
        ("xtest", "images", "test", ()),
        ("t10k-labels-idx1-ubyte", "labels", "test", ()),
        ("test_set_y", "labels", "test", ()),
        ("mnist_val_images", "images", "val", ("mnist",)),
        ("image_labels", "labels", None, ()),
        ("class_names", "names", None, ("names",)),
        ("list_classes", "names", None, ("list",)),
        ("file_names", None, None, ("file", "names")),
        ("weights", None, None, ("weights",)),
    ],
)
def test_what_names_say(name, kind, split, rest):
    found = key(name)
    assert (found.kind, found.split, found.rest) == (kind, split, rest)


def test_partners_share_their_other_words():
    names = [key(name) for name in ("cats_y_test", "dogs_y_test", "cats_y_train")]
    assert partner(key("cats_x_test"), names, "labels", "test").name == "cats_y_test"
    assert partner(key("birds_x_test"), names, "labels", "test") is None


def test_npy_pairs_and_splits(tmp_path):
    for name, values in (("X_train", X), ("Y_train", Y), ("X_test", X[:4]), ("Y_test", Y[:4])):
        np.save(tmp_path / f"{name}.npy", values)
    np.save(tmp_path / "other.npy", Y[::-1].copy())
    data = load_dataset(tmp_path / "X_test.npy")
    assert data.labels.tolist() == Y[:4].tolist()
    assert isinstance(array_of(tmp_path / "X_test.npy"), np.memmap)
    assert load_dataset(tmp_path / "X_test.npy", split="train").labels.tolist() == Y.tolist()
    assert load_dataset(f"{tmp_path / 'X_train.npy'}::other.npy").labels.tolist() == Y[::-1].tolist()
    assert [len(load_dataset(tmp_path, split=split)) for split in ("test", "train", "all")] == [4, 9, 13]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([{"a": 1}], dtype=object), "Python objects"),
        (np.array(5.0), "a single value"),
        (np.zeros((4, 7)), "no square image"),
    ],
)
def test_npy_refusals(tmp_path, values, said):
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(DataError, match=said):
        load_dataset(tmp_path / "x.npy")


def test_npy_refusals_by_name(tmp_path):
    np.save(tmp_path / "y_test.npy", Y)
    with pytest.raises(DataError, match="labels, by its name"):
        load_dataset(tmp_path / "y_test.npy")
    np.save(tmp_path / "x_test.npy", X)
    with pytest.raises(DataError, match=r"z\.npy: .*no such file"):
        load_dataset(f"{tmp_path / 'x_test.npy'}::z.npy")
    np.save(tmp_path / "y_test.npy", Y[:3])
    with pytest.raises(DataError, match=r"one label for each of 9 images of x_test\. Received: 3 labels in y_test"):
        load_dataset(tmp_path / "x_test.npy")


def test_a_folder_of_class_folders_with_an_array_in_it_is_one_of_images(tmp_path):
    folder = class_folders(tmp_path, X, Y)
    np.save(folder / "images.npy", X[:2])
    assert len(load_dataset(folder)) == 9


def test_the_four_files_of_mnist(tmp_path):
    for part, rows in (("train", slice(None)), ("t10k", slice(0, 4))):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(X[rows])))
        (tmp_path / f"{part}-labels.idx1-ubyte").write_bytes(idx(Y[rows]))
    assert [len(load_dataset(tmp_path, split=split)) for split in ("test", "train", "all")] == [4, 9, 13]
    data = load_dataset(tmp_path / "t10k-images-idx3-ubyte.gz")
    assert data.labels.tolist() == Y[:4].tolist()
    assert "labels t10k-labels.idx1-ubyte" in data.notes[0]


def test_idx_types(tmp_path):
    values = (X[:, :4] / 3).astype(">f4")
    head = struct.pack(">HBB3I", 0, 0x0D, 3, *values.shape)
    (tmp_path / "a.idx3").write_bytes(head + values.tobytes())
    np.testing.assert_array_equal(load_dataset(tmp_path / "a.idx3").images[:][..., 0], values)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_that_claims_another_size_is_refused(tmp_path, packed):
    path = tmp_path / f"x-idx3-ubyte{'.gz' if packed else ''}"
    for content in (idx(X)[:-1], idx(X) + b"\0", struct.pack(">HBB3I", 0, 8, 3, *[2**31] * 3)):
        path.write_bytes(gzip.compress(content) if packed else content)
        with pytest.raises(DataError, match="claims"):
            load_dataset(path)


def archive(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_zip_with_parts_and_what_a_mac_adds(tmp_path):
    members = {"__MACOSX/pets/train/a/._0.png": b"x", "pets/.DS_Store": b"x", "pets/README.txt": b"x"}
    members |= {f"pets/train/{'abc'[y]}/{i}.png": png(x) for i, (x, y) in enumerate(zip(X, Y, strict=True))}
    members |= {"pets/test/c/0.png": png(X[0])}
    path = archive(tmp_path / "pets.zip", members)
    data = load_dataset(path)
    assert data.class_names == ("a", "b", "c")
    assert data.labels.tolist() == [2]
    assert data.sample_names == ("c/0.png",)
    assert len(load_dataset(path, split="train")) == 9
    assert len(load_dataset(path, split="all")) == 10


@pytest.mark.parametrize("name", ["../../b/0.png", "/a/0.png", "a\\..\\..\\b.png"])
def test_names_that_climb_out_are_refused(tmp_path, name):
    path = archive(tmp_path / "a.zip", {name: png(X[0]), "a/1.png": png(X[2])})
    with pytest.raises(DataError, match="names inside the archive"):
        load_dataset(path)
    assert not (tmp_path.parent / "b").exists()


def test_zip_refusals(tmp_path):
    path = archive(tmp_path / "a.zip", {"a/0.png": png(X[0])}, zipfile.ZIP_BZIP2)
    with pytest.raises(DataError, match="method 12"):
        load_dataset(path)
    with pytest.raises(DataError, match="Received: none"):
        load_dataset(archive(path, {"a/0.txt": b"no image"}))
    archive(path, {"a/0.png": png(X[0])}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="png is damaged"):
        load_dataset(path).images[:]


def test_a_member_that_unpacks_to_more_than_it_says_is_refused(tmp_path):
    """The sizes in the directory and at the member are lowered from a million bytes to a hundred."""
    path = archive(tmp_path / "a.zip", {"a/0.png": bytes(1_000_000)})
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 100)))
    with pytest.raises(DataError, match="png is damaged"):
        load_dataset(path)
