"""Built-in sets, arrays and .npz: shapes, labels, splits, digests, refusals."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from diag.errors import DataError, InvalidInputError
from diag.io.datasets import flat_shape, label_numbers, load_dataset
from diag.io.readers.arrays import member
from diag.io.readers.builtin import test_rows as rows_for_testing
from diag.printable import printable


def test_digits_are_scikit_learns():
    raw = load_digits()
    parts = {split: load_dataset("digits", split=split) for split in ("train", "test", "all")}
    assert [len(parts[split]) for split in ("train", "test", "all")] == [1000, 797, 1797]
    data = parts["test"]
    assert data.images.shape == (797, 28, 28, 1)
    assert data.images[0].dtype == np.uint8
    assert data.class_names == tuple("0123456789")
    for number in range(10):  # within a class: the first for training, the last for testing, in file order
        total = (raw.target == number).sum()
        assert (parts["train"].labels == number).sum() + (data.labels == number).sum() == total
        assert abs((data.labels == number).sum() - total * 797 / 1797) < 1
    # Enlarging keeps the mean brightness: 255/16 of the 8x8 image's, within a few grey values.
    last_of_all = np.flatnonzero(raw.target == data.labels[-1])[-1]
    assert abs(float(data.images[len(data) - 1].mean()) - raw.images[last_of_all].mean() * 255 / 16) < 8


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_the_split_is_stratified_and_exact(labels, data):
    n_test = data.draw(st.integers(0, len(labels)))
    labels = np.array(labels)
    chosen = rows_for_testing(labels, n_test)
    assert chosen.sum() == n_test
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        assert abs(chosen[rows].sum() - len(rows) * n_test / len(labels)) < 1
        assert (np.diff(chosen[rows].astype(int)) >= 0).all()  # never a test row before a training row


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        ([2, 0, 2], [2, 0, 2], ("0", "1", "2")),
        ([1.0, 0.0, 1.0], [1, 0, 1], ("0", "1")),
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        ([b"b", b"a", b"b"], [1, 0, 1], ("a", "b")),
        ([[0, 0, 1], [1, 0, 0], [0, 0, 1]], [2, 0, 2], ("0", "1", "2")),
        ([[2], [0], [2]], [2, 0, 2], ("0", "1", "2")),
        ([True, False, True], [1, 0, 1], ("0", "1")),
    ],
)
def test_labels_of_all_kinds(labels, numbers, names):
    got, named = label_numbers(np.array(labels), 3, "toy")
    assert got.tolist() == numbers
    assert named == names
    assert not got.flags.writeable


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1], "one label for each of 3"),
        ([0, -1, 2], "from 0 up"),
        ([0, 0.5, 1], "whole numbers"),
        ([0, np.nan, 1], "whole numbers"),
        ([[1, 1], [0, 1], [1, 0]], "single 1"),
        ([0, 1, 10**7], "column of Ids"),
        ([1j, 0, 0], "numbers or names"),
    ],
)
def test_wrong_labels_are_refused(labels, said):
    with pytest.raises(DataError, match=said):
        label_numbers(np.array(labels), 3, "toy")


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ((4, 5, 6), (5, 6, 1)),
        ((4, 5, 6, 3), (5, 6, 3)),
        ((4, 3, 5, 6), (5, 6, 3)),
        ((4, 1, 5, 6), (5, 6, 1)),
        ((4, 49), (7, 7, 1)),
        ((4, 147), (7, 7, 3)),
    ],
)
def test_axes_are_brought_to_channels_last(shape, image):
    array = np.arange(np.prod(shape)).reshape(shape)
    data = load_dataset((array, np.zeros(4, int)))
    assert data.images.shape == (4, *image)
    expected = np.moveaxis(array, 1, -1) if shape[1] in (1, 3) else array
    np.testing.assert_array_equal(data.images[:], expected.reshape(4, *image))
    np.testing.assert_array_equal(data.images[2], data.images[np.array([2])][0])


def test_flat_rows():
    assert flat_shape(12, (3, 4), "toy") == (3, 4, 1)
    assert flat_shape(36, (3, 4), "toy") == (3, 4, 3)
    for size in (None, (5, 5)):
        with pytest.raises(DataError, match="13 pixels"):
            flat_shape(13, size, "toy")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ((np.zeros((0, 4, 4)), np.zeros(0, int)), "at least one image"),
        (np.zeros(5), r"Received: \(5,\)"),
        (np.zeros((2, 2, 2, 2, 2)), "expected images"),
        (np.array([["a"]]), "as numbers"),
        ("mnits", "Did you mean mnist"),
        ("no/such/file.npz", "no such file"),
        (3.5, "Received: float"),
    ],
)
def test_wrong_sources_are_refused_in_one_line(source, said):
    with pytest.raises(DataError, match=said) as caught:
        load_dataset(source)
    assert "\n" not in str(caught.value)


def test_nan_is_found_when_it_is_read():
    images = np.zeros((6, 2, 2))
    images[4, 0, 0] = np.nan
    data = load_dataset(images)
    assert data.images[:4].shape == (4, 2, 2, 1)
    for key in (slice(3, 6), 4, np.array([0, 4])):
        with pytest.raises(DataError, match="image 4"):
            data.images[key]


def test_an_unreadable_ending(tmp_path):
    (tmp_path / "x.mat").write_bytes(b"MATLAB")
    with pytest.raises(DataError, match=r"Received: .mat"):
        load_dataset(tmp_path / "x.mat")


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.booleans(), st.sampled_from(["u1", "f4", "f8"]))
def test_npz_gives_back_what_was_saved(tmp_path_factory, n, side, compressed, dtype):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    x, y = np.random.default_rng(n).integers(0, 2, (n, side, side + 1)).astype(dtype), np.arange(n)
    (np.savez_compressed if compressed else np.savez)(path, x_test=x, y_test=y)
    data = load_dataset(path)
    np.testing.assert_array_equal(data.images[:][..., 0], x)
    np.testing.assert_array_equal(data.labels, y)
    assert isinstance(member(path, "x_test"), np.memmap) != compressed


def test_npz_splits_and_names(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(
        path,
        train_images=np.zeros((3, 2, 2)),
        train_labels=[0, 1, 0],
        test_images=np.ones((2, 2, 2)),
        test_labels=[1, 1],
    )
    assert len(load_dataset(path, split="train")) == 3
    assert load_dataset(path).labels.tolist() == [1, 1]
    np.savez(path, data=np.zeros((3, 2, 2)), target=["x", "y", "x"])
    assert load_dataset(path).class_names == ("x", "y")
    with pytest.raises(DataError, match="x_train"):
        load_dataset(path, split="train")


def test_npz_refusals(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object), y=[0])
    with pytest.raises(DataError, match="pickled Python objects"):
        load_dataset(path)
    for content in (b"", b"PK\x03\x04 but no more", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz"):
            load_dataset(path)


def test_digest_is_of_content_and_options(tmp_path):
    x, y = np.random.default_rng(0).random((3, 4, 4)), [0, 1, 1]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "x.npz", x=x, y=y)
    one, two = (load_dataset(tmp_path / name / "x.npz") for name in ("a", "b"))
    assert one.digest == two.digest
    assert load_dataset((x, y)).digest != load_dataset((x + 1, y)).digest
    assert load_dataset((x, y)).digest != load_dataset((x, [1, 1, 1])).digest
    assert load_dataset("digits").digest != load_dataset("digits", split="train").digest


def test_subset_and_frame_and_batches():
    data = load_dataset((np.arange(20).reshape(5, 2, 2), np.array(["b", "a", "b", "a", "b"])))
    part = data.subset([4, 0])
    np.testing.assert_array_equal(part.images[:], data.images[np.array([4, 0])])
    assert part.labels.tolist() == [1, 1]
    assert part.frame()["class_name"].tolist() == ["b", "b"]
    assert [(start, len(batch)) for start, batch in data.batches(2)] == [(0, 2), (2, 2), (4, 1)]
    assert load_dataset(data) is data


def test_names_are_one_printable_line():
    assert printable("a\u2028b\n\x00c  d") == "a b c d"


def test_reading_files_imports_no_tensorflow(tmp_path):
    x = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    np.savez(tmp_path / "a.npz", x=x, y=[0, 1])
    np.savetxt(tmp_path / "a.csv", x.reshape(2, 16) / 2, delimiter=",")
    (tmp_path / "a" / "cat").mkdir(parents=True)
    Image.fromarray(x[0]).save(tmp_path / "a" / "cat" / "0.png")
    code = (
        "import sys, diag\n"
        "print([len(diag.load_dataset(source)) for source in ('digits', 'a.npz', 'a.csv', 'a')])\n"
        "print('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["[797, 2, 2, 1]", "False"]


def test_a_mask_chooses_rows_and_wrong_numbers_are_refused():
    data = load_dataset((np.arange(12).reshape(3, 2, 2), [0, 1, 2]))
    assert data.subset(np.array([False, True, True])).labels.tolist() == [1, 2]
    assert data.subset([-1]).digest == data.subset([2]).digest
    assert len(data.subset([])) == 0
    for wrong in ([3], [-4], [0.7], [[0]], [True]):
        with pytest.raises(InvalidInputError, match="expected image numbers"):
            data.subset(wrong)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.array(["a", None, "b"], dtype=object), "None at 1"),
        (np.array(["a", np.nan, "b"], dtype=object), "nan at 1"),
        ([[1], [2, 3], [4]], "expected labels of one shape"),
        ([1e300, 0, 1], "column of Ids"),
        (np.array([2**63 + 5, 0, 1], dtype=np.uint64), "column of Ids"),
    ],
)
def test_labels_that_are_missing_or_far_off_are_refused(labels, said):
    with pytest.raises(DataError, match=said) as caught:
        load_dataset((np.zeros((3, 4, 4)), labels))
    assert "\n" not in str(caught.value)


def test_numbers_kept_as_objects_are_no_names():
    data = load_dataset((np.zeros((3, 4, 4)), np.array([2, 10, 1], dtype=object)))
    assert data.labels.tolist() == [2, 10, 1]


def test_npz_all_is_train_then_test(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x_train=np.zeros((3, 2, 2)), y_train=[0, 1, 2], x_test=np.ones((2, 2, 2)), y_test=[2, 1])
    data = load_dataset(path, split="all")
    assert data.labels.tolist() == [0, 1, 2, 2, 1]
    assert data.images[:].mean(axis=(1, 2, 3)).tolist() == [0, 0, 0, 1, 1]
    np.savez(path, x_train=np.zeros((3, 2, 2)), y_train=[0, 1, 2], x_test=np.ones((2, 2, 2)))
    with pytest.raises(DataError, match="labels for both parts"):
        load_dataset(path, split="all")


@pytest.mark.parametrize("claim", [b"(51, 8, 8)", b"(99, 8, 8)", b"(9999,8,9)"])
def test_npz_that_claims_more_than_it_holds_is_refused(tmp_path, claim):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((50, 8, 8)), y=np.zeros(50, dtype=int))
    path.write_bytes(path.read_bytes().replace(b"(50, 8, 8)", claim))
    with pytest.raises(DataError, match=r"holds 25600 bytes|Bad CRC"):  # 50 * 8 * 8 values of 8 bytes
        load_dataset(path)


@pytest.mark.parametrize("content", [b"", b"not numpy at all", b"\x93NUMPY\x01\x00\x04\x00(((("])
def test_npz_members_that_are_no_arrays_are_refused(tmp_path, content):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(DataError, match=r"a\.npz: array 'x': expected") as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "split", "said"),
    [
        (np.zeros((2, 4, 4)), "train", "no train split"),
        (np.zeros((2, 4, 4)), "tset", "no tset split"),
        (np.zeros((2, 0, 4)), "test", "at least one pixel"),
        ("x" * 5000, "test", "too long"),
        ("no\nsuch", "test", "no such: no such file"),
        ("digits", "tset", "train, test or all"),
    ],
)
def test_splits_and_names_that_do_not_exist(source, split, said):
    with pytest.raises(DataError, match=said) as caught:
        load_dataset(source, split=split)
    assert "\n" not in str(caught.value)
