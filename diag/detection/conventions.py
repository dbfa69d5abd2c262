"""The ways in which people scale pixels before a network sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.io.transforms import to_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

Numbers = float | tuple[float, ...]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (123.68, 116.779, 103.939)  # red, green, blue
"""As `keras.applications.imagenet_utils.preprocess_input` has them in its modes "torch" and "caffe"."""

KNOWN: dict[tuple[int, int, int], tuple[tuple[str, float, Numbers, Numbers], ...]] = {
    (28, 28, 1): (
        ("MNIST's mean and standard deviation", 255.0, 33.318, 78.567),
        ("Fashion-MNIST's mean and standard deviation", 1.0, 0.286, 0.353),
    ),
    (32, 32, 3): (
        ("CIFAR-10's means and standard deviations", 1.0, (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
        ("CIFAR-10's mean and standard deviation", 255.0, 120.707, 64.15),
        ("CIFAR-100's mean and standard deviation", 255.0, 121.936, 68.389),
    ),
}
"""By image (h, w, c): name, white, mean, standard deviation - the training sets' own, as scripts have them typed in."""


@dataclass(frozen=True, slots=True)
class Units:
    """The range of a data set's pixels.

    Parameters
    ----------
    low, high : float
        Black and white.
    known : bool
        Whether the range is a usual one, rather than the values that were seen.
    """

    low: float
    high: float
    known: bool

    @classmethod
    def of(cls, images: NDArray[Any]) -> Units:
        """Return the usual range that the images' values lie in, else the range of the values.

        Examples
        --------
        >>> Units.of(np.array([0, 200])), Units.of(np.array([-1.0, 0.9]))
        (Units(low=0.0, high=255.0, known=True), Units(low=-1.0, high=1.0, known=True))
        """
        least, most = float(np.min(images)), float(np.max(images))
        whole = images.dtype.kind in "ui"
        for low, high in ((0.0, 1.0), (0.0, 16.0), (0.0, 255.0), (0.0, 65535.0), (-0.5, 0.5), (-1.0, 1.0)):
            if (low, high) == (0.0, 16.0) and images.dtype.itemsize == 1:
                continue  # bytes are bytes, however dark
            if (low, high) == (0.0, 1.0) and whole and images.dtype.itemsize == 1 and most not in (0.0, 1.0):
                continue
            if low <= least and most <= high:
                return cls(low, high, True)
        return cls(least, most if most > least else least + 1.0, False)


@dataclass(frozen=True, slots=True)
class Convention:
    """One way to scale: ``((x - low) / (high - low) * white - mean) / std``, or each image by itself.

    Parameters
    ----------
    name : str
    white : float
        What white becomes.
    mean, std : float or tuple of float
        Subtracted and divided by, one number or one a channel (red first).
    standardize : {"image"}, optional
    channel_order : {"bgr"}, optional
        When the convention has one of its own.
    """

    name: str
    white: float
    mean: Numbers = 0.0
    std: Numbers = 1.0
    standardize: Literal["image"] | None = None
    channel_order: Literal["bgr"] | None = None

    def fields(self, units: Units, negative: bool, reverse: bool) -> dict[str, Any]:
        """Return the fields of `Preprocessing` that do it.

        Parameters
        ----------
        units : Units
            Of the data, after any inversion that `Preprocessing` does itself.
        negative : bool
            White and black change places here, by a negative scale.
        reverse : bool
            Means and deviations are wanted blue first.
        """
        if self.standardize is not None:
            return {"scale": -1.0 if negative else 1.0, "standardize": self.standardize}
        scale = self.white / (units.high - units.low)
        offset = (units.high if negative else units.low) * scale
        scale, offset = (-scale, -offset) if negative else (scale, offset)
        mean = _channelwise(lambda value: float(f"{value + offset:.6g}"), self.mean, reverse)
        std = _channelwise(float, self.std, reverse)
        return {"scale": scale, "mean": None if mean == 0.0 else mean, "std": None if std == 1.0 else std}


def conventions(images: NDArray[Any], units: Units, shape: tuple[int, int, int], rescales: bool) -> list[Convention]:
    """Return the conventions for a model that takes images of `shape` (h, w, c), the most usual first.

    Parameters
    ----------
    images : ndarray, shape (n, h, w, c)
        Of the data; the data set's own mean and standard deviation are theirs.
    units : Units
        Of the images.
    shape : (int, int, int)
    rescales : bool
        The model scales its input itself: then 0 to 255 is the most usual.
    """
    plain = [Convention("0 to 1", 1.0), Convention("0 to 255", 255.0)]
    if rescales:
        plain.reverse()
    if not units.known or units.high - units.low not in (1.0, 255.0) or units.low:
        own = Convention("as it is", units.high - units.low, units.low and -units.low)
        plain.insert(0 if not units.known else len(plain), own)
    found = [
        *plain,
        Convention("-1 to 1", 2.0, 1.0),
        Convention("-0.5 to 0.5", 1.0, 0.5),
        *(Convention(*known) for known in KNOWN.get(shape, ())),
        *_of_the_data(images, units, shape[2]),
        Convention("each image standardised", 1.0, standardize="image"),
    ]
    if shape[2] == 3:
        found.append(Convention("ImageNet's means and standard deviations", 1.0, IMAGENET_MEAN, IMAGENET_STD))
        found.append(Convention("0 to 255 less ImageNet's means (caffe)", 255.0, CAFFE_MEAN, channel_order="bgr"))
    return found


def _of_the_data(images: NDArray[Any], units: Units, channels: int) -> list[Convention]:
    """Return standardisation by the data's own figures, overall and a channel."""
    white = units.high - units.low
    values = to_channels(np.asarray(images, dtype=np.float32), channels).astype(np.float64) - units.low
    mean, std = _rounded(values.mean()), _rounded(values.std() or 1.0)
    found = [Convention("standardised by the data's mean and standard deviation", white, mean, std)]
    if channels > 1:
        means = tuple(_rounded(value) for value in values.mean(axis=(0, 1, 2)))
        deviations = tuple(_rounded(value or 1.0) for value in values.std(axis=(0, 1, 2)))
        found.append(Convention("standardised by the data, each channel", white, means, deviations))
        shares = tuple(_rounded(value / white) for value in means)
        found.append(Convention("0 to 1 less the data's mean, each channel", 1.0, shares))
    found.append(Convention("0 to 1 less the data's mean", 1.0, _rounded(values.mean() / white)))
    return found


def _channelwise(change: Any, value: Numbers, reverse: bool) -> Numbers:
    if isinstance(value, tuple):
        changed = tuple(change(item) for item in value)
        return changed[::-1] if reverse else changed
    return float(change(value))


def _rounded(value: float) -> float:
    """Return a number to four digits, so that a flag can say exactly the same."""
    return float(f"{value:.4g}")
