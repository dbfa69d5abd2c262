"""From images to a model's input: each step by hand, and what is assumed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.errors import InvalidInputError
from diag.io.modelcard import load_card
from diag.io.preprocessing import Preprocessing, from_layout, guess_layout, image_shape, resize_images, to_layout


def test_steps_by_hand():
    # 255 inverted is 0, scaled 0, minus .5 is -.5, divided by .25 is -2; 0 inverted is 255: (1 - .5) / .25 = 2.
    images = np.array([[[[255], [0]]]], dtype=np.uint8)
    steps = Preprocessing(scale=1 / 255, mean=0.5, std=0.25, invert=True, layout="flat")
    np.testing.assert_allclose(steps.apply(images), [[-2, 2]])
    assert steps.apply(images).dtype == np.float32


def test_channels():
    grey = np.full((1, 2, 2, 1), 7, np.uint8)
    assert Preprocessing(channels=3).apply(grey).shape == (1, 2, 2, 3)
    colour = np.array([[[[100, 200, 50]]]], np.uint8)
    # ITU-R BT.601: .299 R + .587 G + .114 B
    np.testing.assert_allclose(Preprocessing(channels=1).apply(colour)[0, 0, 0, 0], 29.9 + 117.4 + 5.7, rtol=1e-6)
    with pytest.raises(InvalidInputError, match="4 channels to 1"):
        Preprocessing(channels=1).apply(np.zeros((1, 2, 2, 4)))


def test_a_constant_image_stays_constant_when_resized():
    resized = resize_images(np.full((2, 5, 7, 3), 9.0), (11, 4))
    assert resized.shape == (2, 11, 4, 3)
    np.testing.assert_allclose(resized, 9, rtol=1e-6)


@given(
    st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3]),
    st.sampled_from(["channels_last", "channels_first", "flat"]),
)  # fmt: skip
def test_layouts_can_be_undone(n, h, w, c, layout):
    images = np.arange(n * h * w * c, dtype=np.float32).reshape(n, h, w, c)
    np.testing.assert_array_equal(from_layout(to_layout(images, layout), layout, (h, w, c)), images)
    with_classes = np.stack([to_layout(images, layout)] * 2, axis=-1)
    assert from_layout(with_classes, layout, (h, w, c)).shape == (n, h, w, c, 2)


@pytest.mark.parametrize(
    ("native", "layout", "image"),
    [
        ((28, 28, 1), "channels_last", (28, 28, 1)),
        ((1, 28, 20), "channels_first", (28, 20, 1)),
        ((3, 32, 32), "channels_first", (32, 32, 3)),
        ((28, 28), "no_channels", (28, 28, 1)),
        ((784,), "flat", (28, 28, 1)),
        ((3072,), "flat", (32, 32, 3)),
    ],
)
def test_shapes_are_understood(native, layout, image):
    assert guess_layout(native) == layout
    assert image_shape(native, layout) == image


def test_open_sizes_are_taken_from_the_data():
    assert image_shape((None, None, 3), "channels_last", (20, 30, 3)) == (20, 30, 3)
    with pytest.raises(InvalidInputError, match="open"):
        image_shape((None, None, 3), "channels_last")
    with pytest.raises(InvalidInputError, match="no square image"):
        image_shape((783,), "flat")


def test_what_is_assumed_is_said():
    bytes_, shares = np.full((3, 4, 4, 1), 200, np.uint8), np.full((3, 4, 4, 1), 0.5)
    resolved, notes = Preprocessing().resolve((4, 4, 1), bytes_)
    assert resolved.scale == 1 / 255
    assert "divided by 255" in notes[0]
    assert Preprocessing().resolve((4, 4, 1), shares) == (Preprocessing(channels=1, layout="channels_last"), ())
    assert Preprocessing().resolve((4, 4, 1), bytes_, rescales=True)[0].scale is None
    assert Preprocessing(scale=1.0).resolve((4, 4, 1), bytes_)[1] == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"scale": "1/0"}, "1/255"),
        ({"scale": "nan"}, "1/255"),
        ({"std": 0}, "non-zero"),
        ({"std": [1, 0, 1]}, "non-zero"),
        ({"resize": "28"}, "28x28"),
        ({"resize": [0, 4]}, "28x28"),
        ({"channels": 2}, "1 or 3"),
        ({"layout": "th"}, "channels_first"),
        ({"blur": 3}, "unknown key"),
    ],
)
def test_refusals_say_what_is_expected(values, said):
    with pytest.raises(InvalidInputError, match=said):
        Preprocessing.from_dict(values)


def test_the_command_line_wins_over_the_card():
    card = Preprocessing(scale=0.5, mean=1.0)
    assert card.override(Preprocessing(scale=2.0)) == Preprocessing(scale=2.0, mean=1.0)


def test_a_card(tmp_path):
    (tmp_path / "m.toml").write_text(
        'title = "M"\nclass_names = ["a", "b"]\nhistory = "m.log"\n[data]\nsource = "x.npz"\nsplit = "test"\n'
        '[preprocessing]\nscale = "1/255"\nmean = [0.1, 0.2, 0.3]\n[results]\ntest_accuracy = 0.9\n'
    )
    card = load_card(tmp_path / "m.h5")
    assert card.title == "M"
    assert card.class_names == ("a", "b")
    assert card.history == tmp_path / "m.log"
    assert card.source == "x.npz"  # a name, until such a file lies beside the card
    assert card.preprocessing == Preprocessing(scale=1 / 255, mean=(0.1, 0.2, 0.3))
    assert dict(card.results) == {"test_accuracy": 0.9}
    (tmp_path / "x.npz").write_bytes(b"")
    assert load_card(tmp_path / "m.h5").source == str(tmp_path / "x.npz")
    assert load_card(tmp_path / "other.h5").title is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "TOML"),
        ("colour = 1", "unknown key 'colour'"),
        ("title = 3", "text in quotes"),
        ("data = 3", r"table \[data\]"),
        ('class_names = ["a", "a"]', "different names"),
        ("[preprocessing]\nscale = []", "number"),
    ],
)
def test_a_wrong_card_is_refused_in_one_line(tmp_path, text, said):
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(InvalidInputError, match=said) as caught:
        load_card(tmp_path / "m.h5")
    assert "\n" not in str(caught.value)
