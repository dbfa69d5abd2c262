"""The three layouts of the notebooks' CSV files, and what is refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
