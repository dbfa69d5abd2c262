"""Small changes to images that leave the class as it is: shifts, rotations, light, JPEG, noise, blur.

Every function takes images (n, h, w, c) in the data's own units and returns new ones of the same dtype within the same
range of values.

References
----------
Hendrycks & Dietterich (2019), Benchmarking neural network robustness to common corruptions and perturbations, ICLR:
the families, and accuracy by severity. The severities here are milder and tied to the share of the image's side or
range, so that they suit 28x28 digits as well as photographs.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Change = Callable[[NDArray[Any], float, "Span", np.random.Generator], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Span:
    """The range of values that the data uses: black and white."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """White minus black."""
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of change.

    Parameters
    ----------
    name : str
        Its key.
    unit : str
        What its levels count.
    levels : tuple of float
        From the mildest on.
    variants : mapping of str to callable
        Equivalent ways to do it, such as the four directions of a shift: ``(images, level, span, rng) -> images``.
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    variants: dict[str, Change]


def span_of(images: NDArray[Any]) -> Span:
    """Return the range of values of images, from the values that occur.

    The narrowest of 0 to 1, 0 to 16, 0 to 255, 0 to 65,535 and -1 to 1 that holds all values. Fractions must also fill
    half of it; else the range is from their minimum to their maximum, as with standardised images.

    Examples
    --------
    >>> span_of(np.array([0, 200], np.uint8)), span_of(np.array([-0.4, 2.8]))
    (Span(low=0.0, high=255.0), Span(low=-0.4, high=2.8))
    """
    if images.dtype.kind == "b" or not images.size:
        return Span(0.0, 1.0)
    low, high = float(images.min()), float(images.max())
    whole = images.dtype.kind in "iu"
    for first, last in ((0.0, 1.0), (-1.0, 1.0), (0.0, 16.0), (0.0, 255.0), (0.0, 65535.0)):
        if first <= low and high <= last and (whole or high - low >= (last - first) / 2):
            return Span(first, last)
    return Span(low, high if high > low else low + 1.0)


def shifted(images: NDArray[Any], down: int, right: int) -> NDArray[Any]:
    """Return images moved by whole pixels; what comes in repeats the edge.

    Examples
    --------
    >>> shifted(np.arange(4).reshape(1, 1, 4, 1), 0, 1)[0, 0, :, 0].tolist()
    [0, 0, 1, 2]
    """
    height, width = images.shape[1:3]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return images[:, rows][:, :, columns]


def rotated(images: NDArray[Any], degrees: float, span: Span) -> NDArray[Any]:
    """Return images turned about their centre, counter-clockwise, bilinear; corners repeat the edge."""
    from scipy.ndimage import affine_transform

    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = (np.array(images.shape[1:3]) - 1) / 2
    out = np.empty(images.shape, dtype=np.float32)
    for row, image in enumerate(images):
        for channel in range(images.shape[3]):
            plane = image[..., channel].astype(np.float32)
            out[row, ..., channel] = affine_transform(
                plane, matrix, offset=centre - matrix @ centre, order=1, mode="nearest"
            )
    return restored(out, images.dtype, span)


def brightened(images: NDArray[Any], share: float, span: Span) -> NDArray[Any]:
    """Return images with a share of the range added (negative: taken away), cut off at black and white."""
    return restored(images.astype(np.float32) + np.float32(share * span.width), images.dtype, span)


def contrasted(images: NDArray[Any], factor: float, span: Span) -> NDArray[Any]:
    """Return images whose distance to their own mean is multiplied by `factor`."""
    values = images.astype(np.float32)
    mean = values.mean(axis=(1, 2, 3), keepdims=True)
    return restored((values - mean) * np.float32(factor) + mean, images.dtype, span)


def noisy(images: NDArray[Any], share: float, span: Span, rng: np.random.Generator) -> NDArray[Any]:
    """Return images with Gaussian noise whose standard deviation is a share of the range."""
    noise = rng.standard_normal(images.shape, dtype=np.float32) * np.float32(share * span.width)
    return restored(images.astype(np.float32) + noise, images.dtype, span)


def blurred(images: NDArray[Any], sigma: float, span: Span) -> NDArray[Any]:
    """Return images under a Gaussian filter of `sigma` pixels."""
    from scipy.ndimage import gaussian_filter

    values = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0), mode="nearest")
    return restored(values, images.dtype, span)


def jpeg(images: NDArray[Any], quality: float, span: Span) -> NDArray[Any]:
    """Return images after JPEG at a quality from 1 to 95; three channels as colour, others one by one."""
    from PIL import Image

    bytes_ = np.rint((images.astype(np.float64) - span.low) * (255 / span.width)).clip(0, 255).astype(np.uint8)
    colour = images.shape[3] == 3
    planes = bytes_ if colour else np.moveaxis(bytes_, 3, 1).reshape(-1, *images.shape[1:3])
    out = np.empty_like(planes)
    for row, plane in enumerate(planes):
        with io.BytesIO() as buffer:
            Image.fromarray(plane).save(buffer, format="JPEG", quality=int(quality))
            with Image.open(buffer) as decoded:
                out[row] = np.asarray(decoded)
    if not colour:
        out = np.moveaxis(out.reshape(len(images), images.shape[3], *images.shape[1:3]), 1, 3)
    return restored(out.astype(np.float32) * np.float32(span.width / 255) + np.float32(span.low), images.dtype, span)


def restored(values: NDArray[Any], dtype: np.dtype[Any], span: Span) -> NDArray[Any]:
    """Return values cut off at black and white, in the images' own dtype; integers are rounded."""
    clipped = np.clip(values, span.low, span.high)
    whole = np.rint(clipped) if dtype.kind in "iub" else clipped
    kept: NDArray[Any] = whole.astype(dtype)
    return kept


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "shift",
            "pixels",
            (1, 2, 3),
            {
                "up": lambda images, level, span, rng: shifted(images, -int(level), 0),
                "down": lambda images, level, span, rng: shifted(images, int(level), 0),
                "left": lambda images, level, span, rng: shifted(images, 0, -int(level)),
                "right": lambda images, level, span, rng: shifted(images, 0, int(level)),
            },
        ),
        Family(
            "rotation",
            "degrees",
            (5, 10, 15),
            {
                "to the left": lambda images, level, span, rng: rotated(images, level, span),
                "to the right": lambda images, level, span, rng: rotated(images, -level, span),
            },
        ),
        Family(
            "brightness",
            "share of the range",
            (0.1, 0.2, 0.3),
            {
                "brighter": lambda images, level, span, rng: brightened(images, level, span),
                "darker": lambda images, level, span, rng: brightened(images, -level, span),
            },
        ),
        Family(
            "contrast",
            "contrast lost",
            (0.25, 0.5, 0.75),
            {"flatter": lambda images, level, span, rng: contrasted(images, 1 - level, span)},
        ),
        Family(
            "JPEG",
            "100 - quality",
            (20, 50, 75),
            {"JPEG": lambda images, level, span, rng: jpeg(images, 100 - level, span)},
        ),
        Family(
            "noise",
            "standard deviation, share of the range",
            (0.02, 0.05, 0.1),
            {"noise": lambda images, level, span, rng: noisy(images, level, span, rng)},
        ),
        Family(
            "blur",
            "standard deviation, pixels",
            (0.5, 1.0, 1.5),
            {"blur": lambda images, level, span, rng: blurred(images, level, span)},
        ),
    )
}
"""All families, by name."""
