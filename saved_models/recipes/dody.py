"""*dody*: from logistic regression to a convolutional network, in one table of results."""

from __future__ import annotations

from typing import Any

from saved_models.recipes.layers import SHAPE, altered, convolution, dense
from saved_models.recipes.recipe import Recipe
from saved_models.recipes.training import GradientDescent, Network


def recipes() -> list[Recipe]:
    """Return the recipes, simplest model first. The notebook fitted its networks for 50 epochs."""
    units = (128, 64, 32)
    return [
        Recipe(
            "dody_logistic.skops",
            "dody: logistic regression",
            "Logistic regression by stochastic gradient descent, without a penalty.",
            GradientDescent(),
            history="log",
            noted=0.8987,
        ),
        Recipe(
            "dody_logistic_l1.skops",
            "dody: logistic regression, L1",
            "Logistic regression by stochastic gradient descent, with an L1 penalty.",
            GradientDescent("l1", 1e-4),
            history="log",
            noted=0.9070,
        ),
        Recipe(
            "dody_logistic_l2.skops",
            "dody: logistic regression, L2",
            "Logistic regression by stochastic gradient descent, with an L2 penalty.",
            GradientDescent("l2", 1e-4),
            history="log",
            noted=0.9152,
        ),
        Recipe(
            "dody_dense.h5",
            "dody: dense",
            "Three dense layers 128-64-32 without dropout.",
            Network(lambda: dense(units), epochs=10),
            history="log",
            noted=0.9786,
        ),
        Recipe(
            "dody_dense_dropout.h5",
            "dody: dense, dropout",
            "Three dense layers 128-64-32 with dropout 0.2.",
            Network(lambda: dense(units, 0.2), epochs=14),
            history="log",
            noted=0.9829,
        ),
        Recipe(
            "dody_cnn.h5",
            "dody: CNN",
            "Two 5x5 convolutions with max pooling and dropout, one dense layer.",
            Network(cnn, epochs=8),
            history="log",
            noted=0.9950,
        ),
        Recipe(
            "dody_cnn_augmented.h5",
            "dody: CNN, augmented",
            "The same network, fitted to images that are rotated, zoomed and shifted at random.",
            Network(cnn, epochs=10, augmentation=lambda: altered(rotation=10, zoom=0.1, shift=0.1)),
            history="log",
            noted=0.9938,
        ),
    ]


def cnn() -> Any:
    """Return twice (5x5x32, max pooling, dropout .25), dense 256, dropout .5: 430,698 parameters."""
    import keras
    from keras import layers

    parts: list[Any] = [keras.Input(SHAPE)]
    for _ in range(2):
        parts += [*convolution(32, 5, padding="same"), layers.MaxPooling2D(), layers.Dropout(0.25)]
    parts += [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.5)]
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])
