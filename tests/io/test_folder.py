"""Folders of images written by Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from diag.errors import DataError
from diag.io.datasets import load_dataset


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    for name, level in (("cat", 10), ("dog", 200)):
        for number in range(3):
            write(tmp_path / "pets" / name / f"{number}.png", np.full((4, 6), level + number))
    (tmp_path / "pets" / ".hidden").mkdir()
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("not an image")
    return tmp_path / "pets"


def test_class_folders(folder):
    data = load_dataset(folder)
    assert data.images.shape == (6, 4, 6, 1)
    assert data.class_names == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [int(image.mean()) for image in data.images[:]] == [10, 11, 12, 200, 201, 202]
    assert data.images[np.array([5, 0])].mean(axis=(1, 2, 3)).tolist() == [202, 10]
    assert data.sample_names[0] == "cat/0.png"


def test_colour_is_decided_by_the_first_image(folder):
    write(folder / "cat" / "0.png", np.full((4, 6, 3), (1, 2, 3)))
    data = load_dataset(folder)
    assert data.images.shape == (6, 4, 6, 3)
    assert data.images[0][0, 0].tolist() == [1, 2, 3]
    assert data.images[4][0, 0].tolist() == [201, 201, 201]


def test_another_size_is_refused_unless_one_is_given(folder):
    write(folder / "dog" / "1.png", np.full((8, 8), 7))
    data = load_dataset(folder)
    with pytest.raises(DataError, match=r"1.png is 8x8, 0.png is 4x6. Pass --resize 4x6"):
        data.images[:]
    assert load_dataset(folder, size=(5, 5)).images[:].shape == (6, 5, 5, 1)


def test_parts_are_chosen_by_name(folder, tmp_path):
    root = tmp_path / "all"
    root.mkdir()
    folder.rename(root / "train")
    write(root / "test" / "cat" / "a.png", np.zeros((4, 6)))
    assert len(load_dataset(root, split="train")) == 6
    assert len(load_dataset(root)) == 1
    assert "test/" in load_dataset(root).notes[0]
    with pytest.raises(DataError, match="train/"):
        load_dataset(root / "test", split="train")


def test_a_flat_folder_is_unlabelled(folder):
    data = load_dataset(folder / "cat")
    assert data.labels is None
    assert len(data) == 3


def test_refusals(folder, tmp_path):
    (folder / "dog" / "2.png").write_bytes(b"\x89PNG not really")
    with pytest.raises(DataError, match=r"2.png: expected an image"):
        load_dataset(folder).images[:]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="Received: none"):
        load_dataset(tmp_path / "empty")


def test_the_digest_is_of_names_and_bytes(folder, tmp_path):
    import shutil

    copy = tmp_path / "elsewhere" / "pets"
    shutil.copytree(folder, copy)
    assert load_dataset(copy).digest == load_dataset(folder).digest
    write(copy / "cat" / "0.png", np.full((4, 6), 99))
    assert load_dataset(copy).digest != load_dataset(folder).digest
