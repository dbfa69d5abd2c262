"""From images to a model's input: each step by hand, and what is assumed."""

from __future__ import annotations

from dataclasses import replace

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.errors import InvalidInputError
from diag.io.layouts import from_layout, guess_layout, image_shape, to_layout
from diag.io.modelcard import card_text, load_card
from diag.io.preprocessing import Preprocessing
from diag.io.transforms import FITS, fit_images, resize_images, standardized


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
    alpha = np.concatenate([colour, np.full((1, 1, 1, 1), 9, np.uint8)], axis=-1)
    np.testing.assert_array_equal(Preprocessing(channels=3).apply(alpha), colour)
    with pytest.raises(InvalidInputError, match="2 channels to 1"):
        Preprocessing(channels=1).apply(np.zeros((1, 2, 2, 2)))


def test_a_constant_image_stays_constant_when_resized():
    resized = resize_images(np.full((2, 5, 7, 3), 9.0), (11, 4))
    assert resized.shape == (2, 11, 4, 3)
    np.testing.assert_allclose(resized, 9, rtol=1e-6)


@given(
    st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3]),
    st.sampled_from(["channels_last", "channels_first", "flat", "flat_channels_first", "rows", "pixels", "row"]),
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
        ((784, 1), "pixels", (28, 28, 1)),
        ((1, 784), "row", (28, 28, 1)),
        ((32, 96), "rows", (32, 32, 3)),
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
        ({"standardize": "all"}, "image"),
        ({"channel_order": "gbr"}, "rgb, bgr"),
        ({"transpose": "yes"}, "true or false"),
        ({"fit": "squeeze"}, "stretch, crop, pad, center"),
        ({"blur": 3}, "unknown key"),
    ],
)
def test_refusals_say_what_is_expected(values, said):
    with pytest.raises(InvalidInputError, match=said):
        Preprocessing.from_dict(values)


def test_the_command_line_wins_over_the_card():
    card = Preprocessing(scale=0.5, mean=1.0)
    assert card.override(Preprocessing(scale=2.0)) == Preprocessing(scale=2.0, mean=1.0)


def test_colours_and_axes_change_places():
    image = np.array([[[[1, 2, 3]], [[4, 5, 6]]]], np.uint8)  # two rows of one pixel
    assert Preprocessing(channel_order="bgr").apply(image)[0, :, 0].tolist() == [[3, 2, 1], [6, 5, 4]]
    turned = Preprocessing(transpose=True)
    assert turned.apply(image).shape == (1, 1, 2, 3)
    assert turned.input_image_shape((2, 1, 3)) == (1, 2, 3)
    # A mean is subtracted in the model's order of channels.
    assert Preprocessing(channel_order="bgr", mean=(3.0, 0.0, 0.0)).apply(image)[0, 0, 0].tolist() == [0, 2, 1]


def test_each_image_is_standardised_by_itself():
    images = np.array([[[[0], [10]]], [[[100], [200]]], [[[7], [7]]]], np.uint8)
    # (0, 10): mean 5, deviation 5; (100, 200): mean 150, deviation 50; a flat image becomes 0.
    assert Preprocessing(standardize="image").apply(images)[:, 0, :, 0].tolist() == [[-1, 1], [-1, 1], [0, 0]]
    noise = np.random.default_rng(0).normal(5, 3, (4, 6, 5, 3)).astype(np.float32)
    assert np.abs(standardized(noise).mean(axis=(1, 2, 3))).max() < 1e-6
    np.testing.assert_allclose(standardized(noise).std(axis=(1, 2, 3)), 1, rtol=1e-5)


def test_ways_to_reach_a_size_by_hand():
    wide = np.array([[[[1], [2], [3], [4]], [[5], [6], [7], [8]]]], np.float32)  # 2 rows, 4 columns
    crop, pad, center = (fit_images(wide, (2, 2), fit, fill=9)[0, :, :, 0] for fit in ("crop", "pad", "center"))
    assert crop.tolist() == [[2, 3], [6, 7]]  # the middle square, which needs no resizing
    assert center.tolist() == crop.tolist()
    # Padded to 4x4 with a row of 9 above and below, then halved: every figure lies between its image and 9.
    assert pad.shape == (2, 2)
    assert 2 < pad.min() < pad.max() < 9
    assert fit_images(wide, (4, 4), "center", fill=9)[0, :, :, 0].tolist()[0] == [9, 9, 9, 9]
    assert fit_images(wide, (4, 2), "center")[0, :, :, 0].tolist() == [[0, 0], [2, 3], [6, 7], [0, 0]]


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(5, 5), (3, 9), (9, 3), (12, 11)])
def test_every_way_gives_the_size_and_keeps_a_constant_image(fit, size):
    out = fit_images(np.full((2, 6, 8, 3), 4.0), size, fit, fill=4.0)
    assert out.shape == (2, *size, 3)
    np.testing.assert_allclose(out, 4, rtol=1e-6)


def test_borders_are_black_to_the_model_whatever_the_polarity():
    ink = np.zeros((1, 2, 2, 1), np.uint8)  # black ink on white paper that fills the image
    made = Preprocessing(scale=1 / 255, invert=True, resize=(4, 4), fit="center").apply(ink)[0, :, :, 0]
    assert made[1:3, 1:3].tolist() == [[1, 1], [1, 1]]
    assert made.sum() == 4


FIELDS = [
    Preprocessing(),
    Preprocessing(scale=1 / 255, invert=False, transpose=True),
    Preprocessing(scale=1.0, mean=33.318, std=78.567, resize=(32, 28), fit="pad", channels=3, layout="flat"),
    Preprocessing(scale=2 / 255, mean=(0.1, -2.0, 1e-7), std=(0.3, 1 / 3, 1.0), channel_order="bgr"),
    Preprocessing(standardize="image", invert=True),
    Preprocessing(scale=-1 / 16, mean=-1.0, invert=16.0),
]


@pytest.mark.parametrize("steps", FIELDS)
def test_cards_and_flags_say_the_same(tmp_path, steps):
    from click.testing import CliRunner

    from diag.cli.options import image_options, preprocessing_of

    assert Preprocessing.from_dict(steps.to_dict()) == steps
    card = replace(load_card(tmp_path / "none.h5"), title='a "b"', preprocessing=steps, pinned=True)
    (tmp_path / "m.toml").write_text(card_text(card, tmp_path, ["why\nnot"]), encoding="utf-8")
    assert load_card(tmp_path / "m.h5") == card
    if isinstance(steps.invert, float):
        return  # only a card can say it
    heard = []
    command = click.command()(image_options(lambda **given: heard.append(preprocessing_of(given))))
    outcome = CliRunner().invoke(command, steps.flags().split(), catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    assert heard == [steps]


def test_a_closed_preprocessing_leaves_nothing_open():
    closed = Preprocessing(mean=3.0).closed()
    assert closed == Preprocessing(mean=3.0, invert=False, transpose=False, channel_order="rgb", fit="stretch")
    assert Preprocessing().closed().scale == 1.0


def test_other_sizes_are_stretched_and_that_is_said():
    small = np.zeros((3, 4, 4, 1))
    resolved, notes = Preprocessing().resolve((6, 5, 1), small)
    assert resolved.resize == (6, 5)
    assert "stretched to the model's 6x5" in notes[0]
    assert Preprocessing(resize=(6, 5)).resolve((6, 5, 1), small)[1] == ()
    with pytest.raises(InvalidInputError, match="asks for 7x7"):
        Preprocessing(resize=(7, 7)).resolve((6, 5, 1), small)


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


@pytest.mark.parametrize("image", [(), (10,), (8, 8), (1, 8, 8, 1)])
def test_images_of_other_than_three_axes_are_refused_in_one_line(image):
    with pytest.raises(InvalidInputError, match=r"expected images \(n, height, width, channels\)\. Received: "):
        Preprocessing().resolve((10,), np.zeros((1, *image)))


def test_what_two_channels_need_is_read_back_as_it_was_written():
    """A network of two channels was evaluated once; its kept detection and its new card were then refused."""
    found, _ = Preprocessing(scale=0.5).shaped((9, 31, 2), (9, 31, 2))
    again = Preprocessing.from_dict(found.to_dict())
    images = np.random.default_rng(0).integers(0, 255, (3, 9, 31, 2), dtype=np.uint8)
    np.testing.assert_array_equal(again.apply(images), found.apply(images))
    assert again.apply(images).shape == (3, 9, 31, 2)
