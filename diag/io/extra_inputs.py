"""Further inputs of a model, such as a patient's age beside the picture: arrays that travel with the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from diag.io.layer_shapes import End
    from diag.io.sources import ImageSource


@dataclass(frozen=True, slots=True, eq=False)
class WithInputs:
    """Images that have further arrays beside them, one row an image, by the name of the model's input."""

    images: ImageSource
    inputs: Mapping[str, NDArray[Any]]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, c)."""
        return self.images.shape

    @property
    def dtype(self) -> Any:
        """The pixels' dtype."""
        return self.images.dtype

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, key: Any) -> Any:
        """Read the images behind `key`."""
        return self.images[key]


def inputs_of(images: Any) -> Mapping[str, NDArray[Any]] | None:
    """Return what lies beside images, or None."""
    found: Mapping[str, NDArray[Any]] | None = getattr(images, "inputs", None)
    return found


def rows_of(images: Any, start: int, stop: int) -> dict[str, NDArray[Any]] | None:
    """Return what lies beside some images."""
    found = inputs_of(images)
    return None if found is None else {name: np.asarray(values[start:stop]) for name, values in found.items()}


def fed(
    ends: Sequence[End],
    image_place: int,
    image: NDArray[np.float32],
    extra: Mapping[str, NDArray[Any]] | None,
    name: str,
) -> list[NDArray[np.float32]]:
    """Return what a model with several inputs is called with, in its own order.

    Raises
    ------
    InvalidInputError
        If an input is missing, or has another shape than the model takes; the message names all inputs.
    """
    arrays = []
    for place, end in enumerate(ends):
        if place == image_place:
            arrays.append(image)
            continue
        if extra is None or end.name not in extra:
            there = ", ".join(extra) if extra else "none"
            others = ", ".join(other.name for number, other in enumerate(ends) if number != image_place)
            raise InvalidInputError(
                f"{name}: the model also takes {others}: expected a .npz with arrays of these names beside the images. "
                f"Received: {there}. Save them with np.savez."
            )
        values = np.asarray(extra[end.name], dtype=np.float32)
        if end.shape is not None and values.ndim == 1 and end.shape == (1,):
            values = values[:, np.newaxis]
        if end.shape is not None and (
            values.ndim != len(end.shape) + 1
            or any(want not in (None, got) for want, got in zip(end.shape, values.shape[1:], strict=True))
        ):
            raise InvalidInputError(
                f"{name}: input {end.name}: expected rows of shape {end.shape}. Received: {values.shape[1:]}. "
                "Bring the array to that shape."
            )
        arrays.append(values)
    return arrays
