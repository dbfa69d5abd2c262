"""*haby*: one convolutional network with batch normalisation and augmentation.

It is fitted to MNIST's arrays, as all are; `data.write_kaggle` writes images in the layout of the notebook's tables.
"""

from __future__ import annotations

from typing import Any

from saved_models.recipes.layers import altered, convolution
from saved_models.recipes.recipe import Recipe
from saved_models.recipes.training import Network


def recipes() -> list[Recipe]:
    """Return the one recipe. The notebook fitted 12 epochs."""
    return [
        Recipe(
            "haby_cnn.keras",
            "haby: CNN",
            "Four 3x3 convolutions with batch normalisation and dropout, augmented, RMSprop.",
            Network(
                cnn,
                epochs=8,
                augmentation=lambda: altered(rotation=10, zoom=0.1, shift=0.1, shear=0.1),
                optimizer="RMSprop",
                schedule=lambda epoch, epochs: 0.9**epoch,
            ),
            history="log",
            noted=0.9931,
            noted_on="validation",
        )
    ]


def cnn() -> Any:
    """Return twice (3x3, BN, 3x3, BN, max pooling, dropout .35), dense 256, dropout .5."""
    import keras
    from keras import layers

    parts: list[Any] = [keras.Input((28, 28, 1))]
    for filters in ((32, 64), (64, 64)):
        for count in filters:
            parts += convolution(count, 3, normalised=True)
        parts += [layers.MaxPooling2D(), layers.Dropout(0.35)]
    parts += [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.5)]
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])
