"""*dody*: from logistic regression to a convolutional network, in one table of results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saved_models.recipes.layers import SHAPE, altered, convolution, dense
from saved_models.recipes.recipe import Recipe
from saved_models.recipes.training import Network

if TYPE_CHECKING:
    from collections.abc import Sequence


def recipes() -> list[Recipe]:
    """Return the recipes, simplest model first. The notebook fitted its networks for 50 epochs."""
    units = (128, 64, 32)
    linear = [
        ("logistic", "logistic regression", "without a penalty", logistic, 0.8987),
        ("logistic_l1", "logistic regression, L1", "with an L1 penalty", lambda: logistic("L1", 1e-4), 0.9070),
        ("logistic_l2", "logistic regression, L2", "with an L2 penalty", lambda: logistic("L2", 1e-3), 0.9152),
    ]
    return [
        *(
            Recipe(
                f"dody_{name}.h5",
                f"dody: {title}",
                f"Multinomial logistic regression by stochastic gradient descent, {how}.",
                Network(build, epochs=12, optimizer="SGD", learning_rate=0.05),
                history="log",
                noted=noted,
            )
            for name, title, how, build, noted in linear
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


def logistic(penalty: str | None = None, weight: float = 0.0) -> Any:
    """Return one layer with a softmax of 10, its weights under a penalty of `keras.regularizers` if one is named."""
    import keras
    from keras import layers

    bounded = None if penalty is None else getattr(keras.regularizers, penalty)(weight)
    layer = layers.Dense(10, activation="softmax", kernel_regularizer=bounded)
    return keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layer])


def cnn(filters: Sequence[int] = (32, 32), units: int = 256) -> Any:
    """Return 5x5 convolutions, each with max pooling and dropout .25; a dense layer, dropout .5.

    As the notebook has it, 430,698 parameters.
    """
    import keras
    from keras import layers

    parts: list[Any] = [keras.Input(SHAPE)]
    for count in filters:
        parts += [*convolution(count, 5, padding="same"), layers.MaxPooling2D(), layers.Dropout(0.25)]
    parts += [layers.Flatten(), layers.Dense(units, activation="relu"), layers.Dropout(0.5)]
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])
