"""What an explanation returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag._lazy import import_shap
from diag.errors import InvalidInputError
from diag.printable import NAME, distinct, printable

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

TOLERANCE = {"probability": 0.01, "logit": 0.04}
"""From which additivity error on a map is called inexact: one point of probability, and the step of a logit that
changes a probability by one point at most (p (1 - p) <= 1/4)."""
GROSS = 10.0
"""Sum of |map| in probability from which on a map is called one that cancels in itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """How much each pixel added to an output, against a background.

    Parameters
    ----------
    values : ndarray of float32, shape (n, h, w, c, k)
        In units of the output, in the geometry that the model sees (after resizing).
    base_values : ndarray of float64, shape (n, k)
        Mean output over the background.
    predictions : ndarray of float32, shape (n, k)
        The output for each image.
    images : ndarray of float32, shape (n, h, w, c)
        The images as the model sees them, in channels-last order.
    indices : ndarray of int64, shape (n,)
        Which samples of the data set they are.
    outputs : ndarray of int64, shape (n, k)
        The class that each map speaks of. Rows differ for ``outputs="predicted"`` and its like.
    class_names : tuple of str
        Names of all classes of the model.
    y_pred : ndarray of int64, shape (n,)
        The predicted class.
    y_true : ndarray of int64, shape (n,), optional
        The true class, -1 where it is none of the model's; None for images without labels.
    versus : ndarray of int64, shape (n, k), optional
        In a contrast: the class that `outputs` is compared with.
    target : "probability" or "logit"
        The unit of `values`.
    method : str
        Which method made it.
    n_background, seed : int
        Number of references, and the seed that drew them.
    background_note : str
        Where the references came from.
    n_used : ndarray of int64, shape (n,), optional
        References used for each image, if that was left to the tolerance asked for.
    relative_error : ndarray of float64, shape (n,), optional
        Standard error of an image's maps as a share of their largest value; 0 if all references were used.
    model_name, model_digest : str
    """

    values: NDArray[np.float32]
    base_values: NDArray[np.float64]
    predictions: NDArray[np.float32]
    images: NDArray[np.float32]
    indices: NDArray[np.int64]
    outputs: NDArray[np.int64]
    class_names: tuple[str, ...]
    y_pred: NDArray[np.int64]
    y_true: NDArray[np.int64] | None = None
    versus: NDArray[np.int64] | None = None
    target: Literal["probability", "logit"] = "probability"
    method: str = ""
    n_background: int = 0
    seed: int = 0
    background_note: str = ""
    n_used: NDArray[np.int64] | None = None
    relative_error: NDArray[np.float64] | None = None
    model_name: str = ""
    model_digest: str = ""

    def __post_init__(self) -> None:
        """Make names such that they can be shown, and told apart."""
        object.__setattr__(self, "class_names", distinct(self.class_names))
        object.__setattr__(self, "model_name", printable(self.model_name, NAME))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.values)

    @property
    def sums(self) -> NDArray[np.float64]:
        """Sum of each map, shape (n, k)."""
        return np.asarray(self.values.sum(axis=(1, 2, 3), dtype=np.float64))

    @property
    def additivity_error(self) -> NDArray[np.float64]:
        """Largest |base value + sum of the map - output| over outputs, for each image, shape (n,)."""
        error = np.abs(self.base_values + self.sums - self.predictions)
        return error.max(axis=1) if error.shape[1] else np.zeros(len(error))

    @property
    def tolerance(self) -> float:
        """From which additivity error on a map is called inexact, see `TOLERANCE`."""
        return TOLERANCE[self.target]

    @property
    def gross(self) -> NDArray[np.float64]:
        """Sum of |map| of each map, channels summed, shape (n, k): what speaks for and against, not set off."""
        return np.asarray(np.abs(self.values.sum(axis=3, dtype=np.float64)).sum(axis=(1, 2)))

    def warning(self) -> str | None:
        """Return a sentence or two if maps do not add up to the output, or cancel in themselves; else None."""
        said = [each for each in (self._inexact(), self._cancelling()) if each]
        return " ".join(said) or None

    def _inexact(self) -> str:
        inexact = int((self.additivity_error > self.tolerance).sum())
        if not inexact:
            return ""
        return (
            f"{inexact} of {len(self)} maps do not add up to the model's output (additivity error above "
            f"{self.tolerance:g}, at most {float(self.additivity_error.max()):.2g}): {self._reason()}."
        )

    def _cancelling(self) -> str:
        """Return what is to say of maps whose pixels cancel: one reference with a nearly equal logit can do that."""
        if self.target != "probability" or not (self.gross > GROSS).any():
            return ""
        count = int((self.gross > GROSS).any(axis=1).sum())
        return (
            f"{count} of {len(self)} images have a map whose pixels for and against cancel each other: together they "
            f"are {float(self.gross.max()):.0f} of probability, which cannot change by more than 1. A few references "
            "decide such a map; maps of the logit are steadier."
        )

    def _reason(self) -> str:
        if "estimate" in self.method:
            return "expected gradients are an estimate, which more references bring nearer"
        return f"{self.method} is inexact for this model, do not rely on them"

    def labels(self, row: int) -> tuple[str, ...]:
        """Return what each map of an image speaks of: a class, or "a rather than b" in a contrast."""
        names = [self.class_names[number] for number in self.outputs[row]]
        if self.versus is None:
            return tuple(names)
        others = (self.class_names[number] for number in self.versus[row])
        return tuple(f"{name} rather than {other}" for name, other in zip(names, others, strict=True))

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The labels of all rows where they are the same, else None."""
        if not len(self) or (self.outputs != self.outputs[0]).any():
            return None
        return None if self.versus is not None and (self.versus != self.versus[0]).any() else self.labels(0)

    def contrast(self, a: int | str | None = None, b: int | str | None = None) -> Attribution:
        """Return the maps of "why `a` rather than `b`": one map an image, the difference of two.

        Parameters
        ----------
        a : int or str, optional
            A class; the predicted one when left out.
        b : int or str, optional
            A class; when left out the true one of an error, and the second most probable of what is not an error.

        Raises
        ------
        InvalidInputError
            If a class does not exist, or the attribution holds no map of it.

        Notes
        -----
        Maps are linear in the output, so the difference of the maps of two outputs is the map of their difference.
        It adds up to the difference of the two outputs just as exactly.
        """
        if self.versus is not None:
            raise InvalidInputError("contrast: expected maps of classes. Received: maps of a contrast.")
        first = np.full(len(self), self._number(a)) if a is not None else self.y_pred
        second = np.full(len(self), self._number(b)) if b is not None else self._rivals(first)
        left, right = self._places(first), self._places(second)
        rows = np.arange(len(self))

        def difference(array: NDArray[Any]) -> NDArray[Any]:
            result = (array[rows, ..., left] - array[rows, ..., right])[..., None]
            result.flags.writeable = False
            return np.asarray(result)

        return replace(
            self,
            values=difference(self.values),
            base_values=difference(self.base_values),
            predictions=difference(self.predictions),
            outputs=first[:, None],
            versus=second[:, None],
        )

    def take(self, rows: NDArray[np.int64]) -> Attribution:
        """Return the maps of some images, by their place here."""

        def some(array: NDArray[Any] | None) -> Any:
            if array is None:
                return None
            array = array[rows]
            array.flags.writeable = False
            return array

        names = ("values", "base_values", "predictions", "images", "indices", "outputs", "y_pred")
        optional = ("y_true", "versus", "n_used", "relative_error")
        return replace(self, **{name: some(getattr(self, name)) for name in (*names, *optional)})

    def _number(self, name: int | str) -> int:
        if isinstance(name, str):
            if name not in self.class_names:
                raise InvalidInputError(f"contrast: expected a class name. Received: {name!r}.")
            return self.class_names.index(name)
        if not 0 <= name < len(self.class_names):
            raise InvalidInputError(f"contrast: expected a class in 0..{len(self.class_names) - 1}. Received: {name}.")
        return int(name)

    def _rivals(self, first: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the true class, or where that is `first` itself or unknown the most probable other one."""
        shown = np.where(self.outputs == first[:, None], -np.inf, self.predictions)
        rivals = np.take_along_axis(self.outputs, shown.argmax(axis=1)[:, None], axis=1)[:, 0]
        if self.y_true is None:
            return rivals
        return np.where((self.y_true == first) | (self.y_true < 0), rivals, self.y_true)

    def _places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        found = self.outputs == numbers[:, None]
        if not found.any(axis=1).all():
            row = int(np.flatnonzero(~found.any(axis=1))[0])
            raise InvalidInputError(
                f"contrast: expected a map of class {self.class_names[numbers[row]]!r} for image "
                f"{int(self.indices[row])}. Received: maps of {', '.join(self.labels(row))}. "
                "Explain with outputs='all' or 'true+predicted'."
            )
        return np.asarray(found.argmax(axis=1))

    def frame(self) -> pd.DataFrame:
        """Return one row an image and map: ``index``, ``class``, ``output``, ``base_value``, ``sum``, ``error``."""
        import pandas as pd

        k = self.predictions.shape[1]
        return pd.DataFrame(
            {
                "index": np.repeat(self.indices, k),
                "class": [label for row in range(len(self)) for label in self.labels(row)],
                "output": self.predictions.ravel(),
                "base_value": self.base_values.ravel(),
                "sum": self.sums.ravel(),
                "error": np.abs(self.base_values + self.sums - self.predictions).ravel(),
            }
        )

    def to_shap(self) -> Any:
        """Return a `shap.Explanation` with the same values, base values and images."""
        shap = import_shap()
        return shap.Explanation(
            values=self.values.copy(),
            base_values=self.base_values.copy(),
            data=self.images.copy(),
            output_names=None if self.columns is None else list(self.columns),
        )


def disagreement(first: Attribution, second: Attribution) -> NDArray[np.float64]:
    """Return how much the maps of two models, or of two methods, differ: 1 - cosine similarity, shape (n, k).

    0 where they mark the same pixels in the same proportions, 1 where they have nothing in common, 2 where one is the
    negative of the other. Channels are summed; a map without any colour has nothing in common with one that has some.

    Raises
    ------
    InvalidInputError
        If they do not speak of the same images and classes, or their maps differ in size.
    """
    same = (
        first.values.shape[:3] == second.values.shape[:3]
        and np.array_equal(first.indices, second.indices)
        and np.array_equal(first.outputs, second.outputs)
    )
    if not same:
        raise InvalidInputError(
            "disagreement: expected maps of the same images and classes, of one size. Received: "
            f"{first.values.shape} and {second.values.shape}."
        )
    a, b = (each.values.sum(axis=3, dtype=np.float64).reshape(len(each), -1, each.outputs.shape[1])
            for each in (first, second))  # fmt: skip
    sizes = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    product = sizes[0] * sizes[1]
    cosine = np.divide((a * b).sum(axis=1), product, out=np.zeros_like(product), where=product > 0)
    cosine[(sizes[0] == 0) & (sizes[1] == 0)] = 1.0
    return np.asarray(1 - np.clip(cosine, -1, 1))
