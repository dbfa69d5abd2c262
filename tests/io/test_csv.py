"""The three layouts of the notebooks' CSV files, and what is refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diag.errors import DataError
from diag.io.datasets import load_dataset

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 16))
LABELS = [3, 0, 9, 1]


def written(path, rows, header=None):
    lines = ([header] if header else []) + [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def names(prefix="pixel"):
    return ",".join(f"{prefix}{i}" for i in range(16))


def test_label_first_with_a_header(tmp_path):
    rows = [[label, *pixels] for label, pixels in zip(LABELS, PIXELS, strict=True)]
    data = load_dataset(written(tmp_path / "haby.csv", rows, f"label,{names()}"))
    assert data.labels.tolist() == LABELS
    np.testing.assert_array_equal(data.images[:].reshape(4, 16), PIXELS)
    assert data.images[0].dtype == np.uint8
    assert "a header, label in column 0 (label), 16 pixel columns" in data.notes[0]
    assert data.notes[1] == "No missing values."


def test_label_last_without_a_header_pixels_as_floats(tmp_path):
    rows = [[*(pixels / 7), label] for label, pixels in zip(LABELS, PIXELS, strict=True)]
    data = load_dataset(written(tmp_path / "harder.csv", rows))
    assert data.labels.tolist() == LABELS
    np.testing.assert_allclose(data.images[:].reshape(4, 16), PIXELS / 7, rtol=1e-6)
    assert "no header, label in column 16" in data.notes[0]


def test_no_label(tmp_path):
    assert load_dataset(written(tmp_path / "test.csv", PIXELS)).labels is None
    with_header = load_dataset(written(tmp_path / "test2.csv", PIXELS, names()))
    assert with_header.labels is None
    assert len(with_header) == 4


def test_ids_are_no_pixels(tmp_path):
    rows = [[f"im{i}", *pixels] for i, pixels in enumerate(PIXELS)]
    data = load_dataset(written(tmp_path / "test.csv", rows, f"Id,{names()}"))
    assert data.sample_names == ("im0", "im1", "im2", "im3")
    assert data.images.shape == (4, 4, 4, 1)


def test_named_numbered_and_text_labels(tmp_path):
    rows = [[*pixels[:8], "cat" if label else "dog", *pixels[8:]] for label, pixels in zip(LABELS, PIXELS, strict=True)]
    header = f"{','.join(f'a{i}' for i in range(8))},kind,{','.join(f'b{i}' for i in range(8))}"
    path = written(tmp_path / "m.csv", rows, header)
    for column in ("kind", 8):
        data = load_dataset(path, label_column=column)
        assert data.class_names == ("cat", "dog")
        assert data.labels.tolist() == [0, 1, 0, 0]
    with pytest.raises(DataError, match="no column named 'sort'"):
        load_dataset(path, label_column="sort")
    with pytest.raises(DataError, match="0 to 16"):
        load_dataset(path, label_column=17)


def test_gzip(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("\n".join(",".join(map(str, row)) for row in PIXELS).encode()))
    assert load_dataset(path).images.shape == (4, 4, 4, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "separated by commas"),
        ("1,2,3\n", "no square image"),
        (f"label,{names()}\n1,{','.join(['5'] * 15)},\n", "1 pixel values are missing, the first in row 0"),
        (f"label,{names()}\n,{','.join(['5'] * 16)}\n", "labels are missing"),
        (f"label,{names()}\n1,2\n", "rows of equal length"),
        (f"label,{names()}\n", "at least one row"),
        (f"label,{names()}\n1,{','.join(['x'] * 16)}\n2,{','.join(['y'] * 16)}\n", "holds texts"),
    ],
)
def test_refusals_are_one_line(tmp_path, text, said):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(0, 999), st.sampled_from(["first", "last"]))
def test_round_trip(tmp_path_factory, n, seed, place):
    rng = np.random.default_rng(seed)
    pixels, labels = rng.integers(0, 256, (n, 16)), rng.integers(0, 5, n)
    pixels[:, [0, -1]] = 0.5  # the corners are no labels
    parts = [labels[:, None], pixels / 2] if place == "first" else [pixels / 2, labels[:, None]]
    rows = np.concatenate(parts, axis=1) + 0.0
    if place == "first":
        rows[:, -1] = 0.25
    else:
        rows[:, 0] = 0.25
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    np.savetxt(path, rows, delimiter=",")
    assert load_dataset(path).labels.tolist() == labels.tolist()


@pytest.mark.parametrize("place", ["first", "last"])
def test_labels_are_found_beside_pixels_that_look_like_labels(tmp_path, place):
    """Whole numbers in every corner: labels 0..3 have no gaps, 200 values drawn from 0..255 do."""
    pixels, labels = np.random.default_rng(1).integers(0, 256, (200, 16)), np.arange(200)[:, None] % 4
    rows = np.hstack([labels, pixels] if place == "first" else [pixels, labels])
    data = load_dataset(written(tmp_path / "a.csv", rows))
    assert data.labels.tolist() == labels[:, 0].tolist()
    assert "could both be labels" in data.notes[-1]


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("corner", [lambda n: n * 0, lambda n: (n == 50).astype(int)], ids=["constant", "nearly"])
def test_a_dark_corner_is_no_label(tmp_path, place, corner):
    pixels, labels = np.random.default_rng(1).integers(0, 256, (200, 16)), np.arange(200)[:, None] % 4
    pixels[:, 0] = pixels[:, -1] = corner(np.arange(200))
    rows = np.hstack([labels, pixels] if place == "first" else [pixels, labels])
    assert load_dataset(written(tmp_path / "a.csv", rows)).labels.tolist() == labels[:, 0].tolist()


@pytest.mark.parametrize("index", [False, True])
def test_the_column_numbers_that_pandas_writes_are_a_header(tmp_path, index):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 784))
    rows = np.hstack([np.arange(5)[:, None], pixels]) if index else pixels
    header = ("," if index else "") + ",".join(map(str, range(784)))
    data = load_dataset(written(tmp_path / "a.csv", rows, header))
    np.testing.assert_array_equal(data.images[:].reshape(5, 784), pixels)
    assert data.labels is None


def test_a_header_with_a_label_of_another_name(tmp_path):
    rows = [[*pixels, label] for label, pixels in zip(LABELS, PIXELS, strict=True)]
    data = load_dataset(written(tmp_path / "a.csv", rows, f"{names()},digit"))
    assert data.labels.tolist() == LABELS
    assert "label in column 16 (digit)" in data.notes[0]


def test_class_names_that_mix_letters_and_digits_are_no_header(tmp_path):
    rows = [[label, *[0] * 16] for label in ("A", "7", "B")]
    data = load_dataset(written(tmp_path / "a.csv", rows))
    assert data.class_names == ("7", "A", "B")
    assert data.labels.tolist() == [1, 0, 2]


@pytest.mark.parametrize("value", ["inf", "1e300"])
def test_numbers_beyond_float32_are_refused_with_their_place(tmp_path, value):
    rows = [[*pixels, label] for label, pixels in zip(LABELS, PIXELS, strict=True)]
    rows[2][5] = value
    with pytest.raises(DataError, match="in row 2, column 5"):
        load_dataset(written(tmp_path / "a.csv", rows))


def test_a_csv_has_no_training_split(tmp_path):
    with pytest.raises(DataError, match="no train split"):
        load_dataset(written(tmp_path / "a.csv", PIXELS), split="train")


def columns(*parts):
    return np.hstack([np.asarray(part).reshape(4, -1).astype(object) for part in parts])


@pytest.mark.parametrize("delimiter", [";", "\t", " "])
def test_other_delimiters(tmp_path, delimiter):
    path = tmp_path / "a.csv"
    np.savetxt(path, columns(LABELS, PIXELS).astype(int), fmt="%d", delimiter=delimiter)
    data = load_dataset(path, label_column=0)
    np.testing.assert_array_equal(data.images[:].reshape(4, 16), PIXELS)
    assert data.labels.tolist() == LABELS
    assert any("separated by" in note for note in data.notes)


def test_semicolons_with_decimal_commas(tmp_path):
    rows = columns(PIXELS / 4, LABELS)
    text = "\n".join(";".join(str(cell).replace(".", ",") for cell in row) for row in rows)
    (tmp_path / "a.csv").write_text(text + "\n")
    data = load_dataset(tmp_path / "a.csv")
    np.testing.assert_array_equal(data.images[:].reshape(4, 16), PIXELS / 4)
    assert data.labels.tolist() == LABELS


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("texts", [False, True])
def test_id_and_label_without_a_header(tmp_path, last, texts):
    """Each row has another Id; labels repeat. 18 columns are 4 x 4 pixels and two more."""
    ids = [f"im{i}" for i in range(4)] if texts else [10, 11, 12, 13]
    labels = [1, 0, 1, 0]
    rows = columns(ids, PIXELS / 2, labels) if last else columns(ids, labels, PIXELS / 2 + 0.25)
    data = load_dataset(written(tmp_path / "a.csv", rows))
    assert data.labels.tolist() == labels
    assert data.sample_names == tuple(map(str, ids))
    assert "was taken for an Id" in data.notes[2]


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_one_hot_labels(tmp_path, header, first):
    hot = np.eye(10, dtype=int)[LABELS]
    rows = columns(hot, PIXELS) if first else columns(PIXELS, hot)
    ends = ",".join(f"y{i}" for i in range(10))
    head = (f"{ends},{names()}" if first else f"{names()},{ends}") if header else None
    data = load_dataset(written(tmp_path / "a.csv", rows, head))
    assert data.labels.tolist() == LABELS
    np.testing.assert_array_equal(data.images[:].reshape(4, 16), PIXELS)
    assert "one-hot labels" in data.notes[0]


def test_ten_columns_that_are_not_one_hot_are_no_labels(tmp_path):
    with pytest.raises(DataError, match="no square image"):
        load_dataset(written(tmp_path / "a.csv", columns(PIXELS, np.ones((4, 14), int))))


def test_further_columns_are_kept(tmp_path):
    rows = columns(["a", "b", "a", "b"], PIXELS, LABELS, [1.5, 2, 3, 4])
    data = load_dataset(written(tmp_path / "a.csv", rows, f"site,{names()},label,age"))
    assert data.metadata["site"].tolist() == ["a", "b", "a", "b"]
    assert data.subset([2]).frame().to_dict("records") == [
        {"index": 0, "label": 9, "class_name": "9", "site": "a", "age": 3.0}
    ]
    assert not data.metadata["site"].flags.writeable


def test_images_that_are_not_square(tmp_path):
    path = written(tmp_path / "a.csv", columns(LABELS, PIXELS), f"label,{names()}")
    assert load_dataset(path, size=(2, 8)).images.shape == (4, 2, 8, 1)
    # A size that the pixels do not have is one that the square images are brought to later.
    assert load_dataset(path, size=(32, 32)).images.shape == (4, 4, 4, 1)
    with pytest.raises(DataError, match="18 pixels a row are no image of 5x5"):
        load_dataset(
            written(path, columns(LABELS, PIXELS, PIXELS[:, :2]), f"label,{names()},pixel16,pixel17"), size=(5, 5)
        )


def fer(path):
    """The layout of FER2013: all pixels in one column, and the part in another."""
    lines = ["emotion,pixels,Usage"]
    parts = ["Training", "PublicTest", "PrivateTest", "PrivateTest"]
    lines += [f"{y},{' '.join(map(str, x))},{part}" for y, x, part in zip(LABELS, PIXELS, parts, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pixels_in_one_column_and_parts(tmp_path):
    path = fer(tmp_path / "fer.csv")
    for split, rows in (("test", [2, 3]), ("train", [0]), ("all", [0, 1, 2, 3])):
        data = load_dataset(path, split=split)
        np.testing.assert_array_equal(data.images[:].reshape(-1, 16), PIXELS[rows])
        assert data.labels.tolist() == [LABELS[row] for row in rows]
    assert load_dataset(path).digest != load_dataset(path, split="all").digest
    with pytest.raises(DataError, match="no holdout split"):
        load_dataset(path, split="holdout")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: " 7,Priv".join(text.rsplit(",Priv", 1)), "expected 16 pixels in every row"),
        (lambda text: "x,Priv".join(text.rsplit(",Priv", 1)), "expected pixels as numbers"),
        (lambda text: text + "1,,Training\n", "1 images are missing"),
    ],
)
def test_damaged_pixels_in_one_column(tmp_path, change, said):
    path = fer(tmp_path / "fer.csv")
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=said) as caught:
        load_dataset(path, split="all")
    assert "\n" not in str(caught.value)


@pytest.fixture
def listing(tmp_path):
    (tmp_path / "images").mkdir()
    lines = ["filename,kind,site"]
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels.reshape(4, 4).astype(np.uint8)).save(tmp_path / "images" / f"{number}.png")
        lines.append(f"images/{number}.png,{'cat' if number % 2 else 'dog'},s{number}")
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_paths_and_labels(listing):
    data = load_dataset(listing, label_column="kind")
    np.testing.assert_array_equal(data.images[:].reshape(4, 16), PIXELS)
    assert data.class_names == ("cat", "dog")
    assert data.labels.tolist() == [1, 0, 1, 0]
    assert data.metadata["site"].tolist() == ["s0", "s1", "s2", "s3"]
    assert data.sample_names[2] == "images/2.png"
    assert data.sizes == {"4x4": 4}
    assert "files in column filename" in data.notes[0]


def test_paths_without_folder_ending_or_header(listing):
    """As in Kaggle's tables: the Id is the name without its ending, and the images lie in a folder beside."""
    listing.write_text("id,label\n" + "".join(f"{number},{number % 2}\n" for number in range(4)))
    with pytest.raises(DataError):
        load_dataset(listing)  # numbers: nothing says that they are names
    listing.write_text("id_code,path,label\n" + "".join(f"a{n},{n}.png,{n % 2}\n" for n in range(4)))
    assert "Paths begin at images/." in load_dataset(listing).notes
    listing.write_text("".join(f"images/{n}.png,{n % 2}\n" for n in range(4)))
    assert load_dataset(listing).labels.tolist() == [0, 1, 0, 1]
    for number in range(4):
        (listing.parent / "images" / f"{number}.png").rename(listing.parent / "images" / f"a{number}.png")
    listing.write_text("image_id,label\n" + "".join(f"a{n},{n % 2}\n" for n in range(4)))
    assert load_dataset(listing).images.shape == (4, 4, 4, 1)


def test_missing_files_and_files_elsewhere(listing, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "9.png"
    (listing.parent / "images" / "3.png").rename(outside)
    with pytest.raises(DataError, match=r"1 of 4 files do not exist, the first is .*3\.png"):
        load_dataset(listing, label_column="kind")
    listing.write_text(listing.read_text().replace("images/3.png", str(outside)))
    with pytest.raises(DataError, match=r"inside the table's folder. Received: 1 outside.*Put the images beside"):
        load_dataset(listing, label_column="kind")
    data = load_dataset(listing, label_column="kind", confined=False)
    assert "1 of the files lie outside of the table's folder." in data.notes
    np.testing.assert_array_equal(data.images[3].reshape(16), PIXELS[3])
    listing.write_text(listing.read_text().replace(str(outside), ""))
    with pytest.raises(DataError, match="1 paths are missing, the first in row 3"):
        load_dataset(listing, label_column="kind")


def test_a_split_column_and_files_of_parts(listing):
    listing.write_text(
        "file,label,split\n" + "".join(f"images/{n}.png,{n % 2},{'train' if n else 'val'}\n" for n in range(4))
    )
    assert load_dataset(listing).sample_names == ("images/0.png",)
    assert len(load_dataset(listing, split="train")) == 3
    for part, rows in (("test", range(1)), ("train", range(1, 4))):
        text = "file,label\n" + "".join(f"images/{n}.png,{n % 2}\n" for n in rows)
        (listing.parent / f"my_{part}.csv").write_text(text)
    assert len(load_dataset(listing.parent / "my_test.csv", split="train")) == 3


def test_a_folder_with_a_table_of_its_images(listing):
    """metadata.csv beside the images, as Hugging Face's image folders have it."""
    listing.write_text("file_name,label\n" + "".join(f"{n}.png,{'ab'[n % 2]}\n" for n in range(4)))
    listing.rename(listing.parent / "images" / "metadata.csv")
    data = load_dataset(listing.parent / "images")
    assert data.class_names == ("a", "b")
    assert data.labels.tolist() == [0, 1, 0, 1]
