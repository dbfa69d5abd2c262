"""The networks of the notebooks, scaled to 1,000 training images; each function returns a new Keras model."""

from __future__ import annotations

import keras
from keras import layers

SHAPE = (28, 28, 1)


def dense(dropout: float) -> keras.Model:
    """After *dody*: 128-64-32, without or with dropout."""
    model = keras.Sequential([keras.Input(SHAPE), layers.Flatten()])
    for units in (128, 64, 32):
        model.add(layers.Dense(units, activation="relu"))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def cnn_dody() -> keras.Model:
    """After *dody*: two 5x5 convolutions with max pooling and dropout, one dense layer; fewer filters."""
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(8, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(16, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def cnn_sd() -> keras.Model:
    """After *sd*: twice (3x3, BN, 3x3, BN, 5x5 stride 2, BN, dropout), dense; a quarter of the filters."""
    model = keras.Sequential([keras.Input(SHAPE)])
    for filters in (8, 16):
        for kernel, stride, padding in ((3, 1, "valid"), (3, 1, "valid"), (5, 2, "same")):
            model.add(layers.Conv2D(filters, kernel, strides=stride, padding=padding, activation="relu"))
            model.add(layers.BatchNormalization())
        model.add(layers.Dropout(0.3))
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dropout(0.4))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def cnn_lungu() -> keras.Model:
    """After *lungu*: channels first, scaling inside (a Lambda layer there), convolution and pooling."""
    first = {"data_format": "channels_first"}
    return keras.Sequential(
        [
            keras.Input((1, 28, 28)),
            layers.Rescaling(1 / 78.567, offset=-33.318 / 78.567),
            layers.Conv2D(16, 3, activation="relu", **first),
            layers.MaxPooling2D(**first),
            layers.Conv2D(16, 3, activation="relu", **first),
            layers.MaxPooling2D(**first),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
