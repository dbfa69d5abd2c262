"""Folders of images written by Pillow."""

from __future__ import annotations

import os
import socket
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from diag.errors import DataError
from diag.io.datasets import load_dataset
from diag.io.pictures import decode


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


def test_grey_images_beside_one_in_colour(folder):
    write(folder / "cat" / "0.png", np.full((4, 6, 3), (1, 2, 3)))
    data = load_dataset(folder)
    assert data.images.shape == (6, 4, 6, 3)
    assert data.images[0][0, 0].tolist() == [1, 2, 3]
    assert data.images[4][0, 0].tolist() == [201, 201, 201]


def test_another_size_is_refused_unless_one_is_given(folder):
    write(folder / "dog" / "1.png", np.full((8, 8), 7))
    data = load_dataset(folder)
    said = r"1.png: expected images of one size, 4x6 as 0.png is. Received: 8x8. Pass --resize 4x6"
    with pytest.raises(DataError, match=said):
        data.images[:]
    assert load_dataset(folder, size=(5, 5)).images[:].shape == (6, 5, 5, 1)


def test_sizes_are_counted_and_said(folder):
    write(folder / "dog" / "1.png", np.full((8, 8), 7))
    data = load_dataset(folder)
    assert data.sizes == {"4x6": 5, "8x8": 1}
    assert "2 different sizes, most often 4x6 (5), 8x8 (1): pass --resize" in data.notes[1]
    stretched = load_dataset(folder, stretch=(3, 3))
    assert stretched.images[:].shape == (6, 3, 3, 1)
    assert "all were stretched to 3x3" in stretched.notes[1]
    assert len({data.digest, stretched.digest, load_dataset(folder, stretch=(3, 4)).digest}) == 3


def test_images_of_one_size_are_not_stretched(folder):
    data = load_dataset(folder, stretch=(3, 3))
    assert data.images.shape == (6, 4, 6, 1)
    assert data.digest == load_dataset(folder).digest


def test_a_model_says_what_mixed_sizes_are_brought_to(folder, tmp_path):
    from diag._lazy import import_keras
    from diag.io.models import load_model
    from diag.io.pairing import data_for
    from tests.fakes import save_model

    layers = import_keras().layers
    save_model(tmp_path / "m.keras", [layers.Flatten(), layers.Dense(2, activation="softmax")], (5, 7, 1))
    model = load_model(tmp_path / "m.keras")
    assert data_for([model], str(folder)).images.shape == (6, 4, 6, 1)
    write(folder / "dog" / "1.png", np.full((8, 8), 7))
    data = data_for([model], str(folder))
    assert data.images[:].shape == (6, 5, 7, 1)
    assert data.sizes == {"4x6": 5, "8x8": 1}


def test_one_image_in_colour_makes_all_colour(folder):
    write(folder / "dog" / "1.png", np.full((4, 6, 3), (1, 2, 3)))
    data = load_dataset(folder)
    assert data.images.shape == (6, 4, 6, 3)
    assert data.images[4][0, 0].tolist() == [1, 2, 3]
    assert "5 of the images are grey and 1 in colour" in data.notes[-1]


def test_a_folder_around_everything_is_looked_through(folder, tmp_path):
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    folder.rename(tmp_path / "outer" / "inner" / "pets")
    data = load_dataset(tmp_path / "outer")
    assert data.class_names == ("cat", "dog")
    assert data.sample_names[0] == "cat/0.png"


def test_no_format_is_opened_that_starts_a_program(folder):
    (folder / "cat" / "0.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n%%EOF\n")
    with pytest.raises(DataError, match="cannot be decoded"):
        load_dataset(folder)


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


def test_class_numbers_are_the_same_in_every_part(tmp_path):
    """A class without test images still has its number: b is 1, so c is 2 in test/ too."""
    for part, classes in (("train", "abc"), ("test", "ac")):
        for name in classes:
            write(tmp_path / part / name / "0.png", np.zeros((4, 6)))
    data = load_dataset(tmp_path)
    assert data.class_names == ("a", "b", "c")
    assert data.labels.tolist() == [0, 2]
    every = load_dataset(tmp_path, split="all")
    assert sorted(every.labels.tolist()) == [0, 0, 1, 2, 2]
    assert sorted(every.sample_names)[:2] == ["test/a/0.png", "test/c/0.png"]


def test_sixteen_bits_are_brought_to_eight(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.array([[0, 257, 25700, 65535]], dtype=np.uint16)).save(tmp_path / "a" / "0.png")
    assert load_dataset(tmp_path).images[0].ravel().tolist() == [0, 1, 100, 255]  # divided by 257


def test_an_image_turned_by_exif_stands_upright(tmp_path):
    (tmp_path / "a").mkdir()
    exif = Image.Exif()
    exif[274] = 6  # the tag Orientation: turn by 90 degrees
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "a" / "0.jpg", exif=exif)
    assert load_dataset(tmp_path).images.shape == (1, 6, 4, 1)


def test_pictures_of_insane_size_are_refused(tmp_path, monkeypatch):
    write(tmp_path / "a" / "0.png", np.zeros((40, 40)))
    monkeypatch.setenv("DIAG_LIMITS", "pixels=1000")
    with pytest.raises(DataError, match=r"sane size, at most 1,000 pixels. Received: 40x40.*DIAG_LIMITS=pixels=1600"):
        load_dataset(tmp_path)


def test_a_jpeg_that_scans_its_pixels_for_ever_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("L", (2000, 1000)).save(path, progressive=True)
    data = path.read_bytes()
    assert decode(path, 1, None).shape == (1000, 2000, 1)
    start = data.index(b"\xff\xda")
    path.write_bytes(data[:-2] + 600 * data[start:-2] + data[-2:])
    with pytest.raises(DataError, match=r"a\.jpg: expected a JPEG with a dozen scans.*Received: [\d,]{4,} scans"):
        decode(path, 1, None)


def test_what_pillow_itself_refuses_is_one_line(tmp_path):
    chunks = b"IHDR" + struct.pack(">II5B", 2**15, 2**15, 8, 0, 0, 0, 0), b"IDAT" + zlib.compress(bytes(9))
    packed = (struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    with pytest.raises(DataError, match="sane size"):
        load_dataset(tmp_path)


def test_links_in_a_circle_end(folder):
    (folder / "cat" / "up").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    data = load_dataset(folder)
    assert len(data) == 6
    assert data.class_names == ("cat", "dog")
    assert "Passed over: 1 links out of the folder, or to nothing." in data.notes  # that into the folder is none


def test_links_out_of_the_folder_pipes_and_hidden_images_are_passed_over_and_counted(folder, tmp_path):
    write(tmp_path / "secret" / "0.png", np.zeros((4, 6)))
    (folder / "cat" / "out.png").symlink_to(tmp_path / "secret" / "0.png")
    (folder / "owl").symlink_to(tmp_path / "secret")
    (folder / "cat" / "nothing.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "cat" / "in.png").symlink_to(folder / "dog" / "0.png")
    (folder / "dog" / ".9.png").write_bytes(b"")
    os.mkfifo(folder / "dog" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s.png"))
    data = load_dataset(folder)
    assert len(data) == 7
    assert data.class_names == ("cat", "dog")
    assert data.images[:].max() == 202
    assert (
        "Passed over: 1 hidden files, 3 links out of the folder, or to nothing, 2 pipes, sockets or devices."
        in data.notes
    )


def test_a_folder_that_is_a_link_is_read(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert len(load_dataset(tmp_path / "link")) == 6


def test_a_folder_of_too_many_files_is_refused(folder, monkeypatch):
    monkeypatch.setenv("DIAG_LIMITS", "files=7")
    with pytest.raises(DataError, match=r"at most 7 files and folders. Received: more. .*DIAG_LIMITS=files=70"):
        load_dataset(folder)


def test_thousands_of_folders_are_counted_as_they_come(folder, monkeypatch):
    for number in range(2000):
        (folder / f"empty{number}").mkdir()
    monkeypatch.setenv("DIAG_ISOLATION", "off")
    monkeypatch.setenv("DIAG_LIMITS", "files=2005")
    with pytest.raises(DataError, match=r"at most 2,005 files and folders.*DIAG_LIMITS=files=20050"):
        load_dataset(folder)
    monkeypatch.delenv("DIAG_LIMITS")
    assert len(load_dataset(folder)) > 0


def test_what_is_not_read_is_said(folder):
    write(folder / "loose.png", np.zeros((4, 6)))
    write(folder / "cat" / "more" / "0.png", np.zeros((4, 6)))
    notes = load_dataset(folder).notes
    assert "6 images in 2 class folders." in notes
    assert "Not read: 1 images beside the class folders and 1 folders inside them." in notes


def test_odd_file_names_are_one_printable_line(folder):
    for number, name in enumerate((b"\xff.png", b"a\nb.png")):
        (folder / "cat" / f"{number}.png").rename(os.fsdecode(os.fsencode(folder / "cat") + b"/" + name))
    data = load_dataset(folder)
    assert all(name.isprintable() for name in data.sample_names)
    assert len(data.digest) == 64


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "webp"])
def test_damaged_images_are_refused_or_read_but_never_crash(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    write(path, np.random.default_rng(0).integers(0, 256, (8, 8, 3)))
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(60):
        content = np.frombuffer(whole, np.uint8).copy()
        content[rng.integers(0, min(len(content), 80), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(content[: rng.integers(1, len(content) + 1)].tobytes())
        try:
            shape, said = decode(path, 3, (8, 8)).shape, ""
        except DataError as error:
            shape, said = (8, 8, 3), str(error)
        assert shape == (8, 8, 3)
        assert "\n" not in said
