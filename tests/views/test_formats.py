"""How numbers are written; the expected texts are written by hand."""

from __future__ import annotations

import math

import pytest

from diag.views import formats


@pytest.mark.parametrize(
    ("how", "value", "text"),
    [
        (formats.percent, 0.904, "90.4%"),
        (formats.percent, math.nan, "–"),
        (formats.probability, 0.904, "90.4%"),
        (formats.probability, 1.0, "100.0%"),
        (formats.probability, 0.99951, ">99.9%"),  # 99.951 would be 100.0 with one digit
        (formats.probability, 0.9994, "99.9%"),
        (formats.probability, 0.0004, "<0.1%"),
        (formats.probability, 0.0, "0.0%"),
        (formats.probability, math.nan, "–"),
        (lambda value: formats.probability(value, 0), 0.996, ">99%"),
        (lambda value: formats.probability(value, 0), 0.004, "<1%"),
        (formats.points, 0.0757, "+7.6"),
        (formats.points, -0.5957, "−59.6"),
        (formats.points, -0.0001, "0.0"),
        (formats.points, math.nan, "–"),
        (formats.signed, -0.0137, "−0.014"),
        (formats.signed, 1234.5, "+1,234.500"),
        (formats.p_value, 3e-9, "< 0.0001"),
        (formats.p_value, 0.25, "0.2500"),
        (formats.p_value, math.nan, "–"),
        (formats.decimal, 1234.5, "1,234.500"),
        (formats.file_size, 1_200_000, "1.2 MB"),
    ],
)
def test_numbers_as_they_are_written(how, value, text):
    assert how(value) == text


def test_a_mask_of_many_images_stays_whole_and_a_long_name_does_not():
    from diag.views.shown import shown_values

    bits = "01" * 500
    kept = shown_values({"map": {"wrong": [bits], "slices": [bits]}, "names": [bits], "slices": [{"slice": bits}]})
    assert kept["map"] == {"wrong": [bits], "slices": [bits]}
    assert len(kept["names"][0]) < 1000
    assert len(kept["slices"][0]["slice"]) < 1000
