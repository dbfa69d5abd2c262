"""How many images a network is shown at once: fewer large ones, so that memory stays bounded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diag.io.model_file import ModelFile

INPUT_NUMBERS = 2**27
"""Numbers of the images of one batch, about: half a gigabyte as float32."""
LAYER_NUMBERS = 2**30
"""Numbers that the widest layer computes for one batch, about. For 256 images of 224 x 224 VGG16's needs 8e8."""


def affordable(most: int, file: ModelFile, images: Any) -> int:
    """Return how many images make one batch: `most`, or fewer that are large or make large layers; 1 at least.

    Parameters
    ----------
    most : int
    file : ModelFile
        Says what the input and every layer hold; what it leaves open counts as the side of the images.
    images : array-like, shape (n, h, w, c)
    """
    shape = tuple(getattr(images, "shape", ()))[1:]
    side = max((int(size) for size in shape[:2]), default=1)
    given = math.prod(int(size) for size in shape)
    taken = math.prod(size or side for size in file.input_shape or ())
    widest = max((math.prod(size or side for size in layer.output_shape or ()) for layer in file.layers), default=1)
    return max(1, min(most, INPUT_NUMBERS // max(given, taken, 1), LAYER_NUMBERS // max(widest, 1)))
