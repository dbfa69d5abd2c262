"""Output shapes worked out from configurations are those that Keras works out."""

from __future__ import annotations

import itertools

import pytest

from diag.io.shape_rules import joined_shape, output_shape

PLACES = list(itertools.product((1, 2, 3, 5), (1, 2, 3), ("valid", "same")))


def same_as_keras(layer, shape):
    expected = tuple(layer.compute_output_shape((None, *shape))[1:])
    assert output_shape(type(layer).__name__, layer.get_config(), shape) == expected


@pytest.mark.parametrize(("kernel", "strides", "padding"), PLACES)
def test_sliding_layers(kernel, strides, padding):
    from keras import layers

    options = {"strides": strides, "padding": padding}
    same_as_keras(layers.Conv2DTranspose(4, kernel, **options), (7, 9, 3))
    same_as_keras(layers.Conv1D(4, kernel, **options), (11, 3))
    same_as_keras(layers.SeparableConv1D(4, kernel, **options), (11, 3))
    same_as_keras(layers.MaxPooling1D(kernel, **options), (11, 3))
    if strides == 2:
        same_as_keras(layers.Conv2DTranspose(4, kernel, output_padding=1, **options), (7, 9, 3))


def test_other_layers():
    from keras import layers

    for layer in (
        layers.Conv1D(4, 3, padding="causal"), layers.UpSampling1D(3), layers.ZeroPadding1D((1, 2)),
        layers.Cropping1D((1, 2)), layers.GlobalMaxPooling1D(), layers.GlobalAveragePooling1D(keepdims=True),
        layers.Bidirectional(layers.LSTM(4)), layers.TimeDistributed(layers.Dropout(0.5)),
        layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum"),
        layers.TimeDistributed(layers.Dense(5)),
    ):  # fmt: skip
        same_as_keras(layer, (11, 3))
    same_as_keras(layers.Embedding(5, 6), (7,))
    same_as_keras(layers.Resizing(4, 5), (7, 9, 3))
    same_as_keras(layers.TimeDistributed(layers.Conv2D(4, 3)), (2, 7, 9, 3))


def test_joined_layers():
    assert joined_shape("Concatenate", {"axis": -1}, [(4, 3), (4, 5)]) == (4, 8)
    assert joined_shape("Concatenate", {"axis": 1}, [(4, 3), (2, 3)]) == (6, 3)
    assert joined_shape("Concatenate", {"axis": -1}, [(4, None), (4, 5)]) == (4, None)
    assert joined_shape("Add", {}, [(4, 3), (4, 3)]) == (4, 3)
    assert joined_shape("Concatenate", {"axis": -1}, [None, (4, 5)]) is None
