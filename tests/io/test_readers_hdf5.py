"""Arrays in HDF5 files: which are taken, and what is refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from diag.errors import DataError
from diag.io.datasets import load_dataset
from tests.fakes import save_model
from tests.io.written import NAMES, X, Y


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def write(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
    return path


def refused(source, said, **options):
    with pytest.raises(DataError, match=said) as caught:
        load_dataset(source, **options).images[:]
    assert "\n" not in str(caught.value)


def test_splits_and_the_layout_of_a_well_known_course(path):
    """train_set_x, test_set_y and list_classes: the file of cats in Coursera's deep-learning course."""
    names = np.array([name.encode() for name in NAMES])
    write(path, train_set_x=X, train_set_y=Y, test_set_x=X[:4], test_set_y=Y[:4] + 1, list_classes=names)
    test, train, every = (load_dataset(path, split=split) for split in ("test", "train", "all"))
    assert [len(test), len(train), len(every)] == [4, 9, 13]
    assert test.class_names == NAMES
    assert every.labels.tolist() == [*Y, *(Y[:4] + 1)]
    np.testing.assert_array_equal(every.images[np.array([12, 0])][..., 0], [X[3], X[0]])
    assert "test_set_x (4, 5, 5), labels test_set_y" in test.notes[0]


def test_arrays_named_after_two_colons(path):
    write(path, group__pictures=X, other=X[::-1], kinds=Y, wrong=Y[::-1])
    data = load_dataset(f"{path}::group/pictures,kinds")
    assert data.labels.tolist() == Y.tolist()
    np.testing.assert_array_equal(data.images[:][..., 0], X)
    assert load_dataset(f"{path}::other", label_column="wrong").labels.tolist() == Y[::-1].tolist()
    assert load_dataset(f"{path}::other").labels is None  # kinds and wrong could both be labels
    refused(f"{path}::nothing", "no array named 'nothing'")
    refused(path, r"several arrays could be the images: group/pictures \(9, 5, 5\), other")
    refused(f"{path}::group/pictures", "no train split", split="train")
    refused(path, "name of the array", label_column=0)


def test_groups_are_parts(path):
    write(path, train__images=X, train__labels=Y, test__images=X[:2], test__labels=Y[:2])
    assert len(load_dataset(path)) == 2
    assert load_dataset(path, split="train").labels.tolist() == Y.tolist()
    assert len(load_dataset(f"{path}::test/images", split="train")) == 9


def test_labels_as_texts_and_one_hot(path):
    write(path, images=X, labels=np.array([NAMES[label] for label in Y], dtype=object))
    assert load_dataset(path).class_names == NAMES
    write(path, images=X, labels=np.eye(3)[Y])
    assert load_dataset(path).labels.tolist() == Y.tolist()


def test_only_what_is_asked_for_is_read(path):
    """A damaged chunk is noticed when its images are asked for, not before: so the others were not read."""
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=X, chunks=(3, 5, 5), compression="gzip", shuffle=True, fletcher32=True)
        file["y"] = Y
        info = file["x"].id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[info.byte_offset + 5] ^= 255
    path.write_bytes(content)
    data = load_dataset(path)
    np.testing.assert_array_equal(data.images[:6][..., 0], X[:6])
    with pytest.raises(DataError, match="expected an HDF5 file"):
        data.images[6:]


def test_a_keras_model_is_no_data(tmp_path):
    from diag._lazy import import_keras

    path = tmp_path / "model.h5"
    save_model(path, [import_keras().layers.Dense(2)], (3,))
    refused(path, "Received: a Keras model. Pass it as MODEL")


def test_data_in_other_files_is_not_opened(path, tmp_path):
    write(tmp_path / "other.h5", x=X)
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink("other.h5", "x")
        file["y"] = Y
    refused(path, "expected arrays")
    layout = h5py.VirtualLayout((9, 5, 5), X.dtype)
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x", (9, 5, 5))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)
    refused(path, "lies in other files")
    (tmp_path / "raw").write_bytes(X.tobytes())
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (9, 5, 5), "u1", external=[(tmp_path / "raw", 0, 225)])
    refused(path, "lies in other files")


def test_more_than_the_file_holds_is_refused(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (10**9, 28, 28), "u1", chunks=(1, 28, 28))
    refused(path, r"claims 784,000,000,000 bytes")


def test_odd_types_are_refused(path):
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((3, 4, 4), dtype=[("a", "u1"), ("b", "u1")])
    refused(path, "neither numbers nor texts")
    write(path, x=X, y=Y[:4])
    refused(path, "one label for each of 9 images of x. Received: 4 labels in y")
