"""Groups of layers that several notebooks have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

SHAPE = (28, 28, 1)


def dense(units: Sequence[int], dropout: float = 0.0) -> Any:
    """Return a network of dense layers with relu, each followed by dropout if there is some, and a softmax of 10."""
    import keras
    from keras import layers

    parts: list[Any] = [keras.Input(SHAPE), layers.Flatten()]
    for count in units:
        parts.append(layers.Dense(count, activation="relu"))
        if dropout:
            parts.append(layers.Dropout(dropout))
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])


def convolution(
    filters: int,
    kernel: int,
    *,
    strides: int = 1,
    padding: str = "valid",
    normalised: bool = False,
    first: bool = False,
) -> list[Any]:
    """Return a convolution with relu, and batch normalisation after it if it is wanted; `first`: channels first."""
    from keras import layers

    order = "channels_first" if first else "channels_last"
    parts: list[Any] = [
        layers.Conv2D(filters, kernel, strides=strides, padding=padding, activation="relu", data_format=order)
    ]
    if normalised:
        parts.append(layers.BatchNormalization(axis=1 if first else -1))
    return parts


def altered(*, rotation: float = 0, zoom: float = 0, shift: float = 0, shear: float = 0) -> list[Any]:
    """Return Keras's layers that alter images at random; what moves in from outside is black.

    Parameters
    ----------
    rotation : float
        Largest angle in degrees.
    zoom, shift, shear : float
        Largest share of the size.
    """
    from keras import layers

    parts: list[Any] = []
    if rotation:
        parts.append(layers.RandomRotation(rotation / 360, fill_mode="constant", seed=1))
    if zoom:
        parts.append(layers.RandomZoom(zoom, fill_mode="constant", seed=2))
    if shift:
        parts.append(layers.RandomTranslation(shift, shift, fill_mode="constant", seed=3))
    if shear:
        parts.append(layers.RandomShear(shear, fill_mode="constant", seed=4))
    return parts
