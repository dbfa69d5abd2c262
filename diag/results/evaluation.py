"""What one model did on one data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import InvalidInputError
from diag.io.arguments import whole_number
from diag.metrics.classification import overall_figures, per_class_figures
from diag.metrics.confusion import normalize_confusion
from diag.metrics.confusion_order import top_confusions
from diag.metrics.summaries import Summary
from diag.printable import distinct, name_text
from diag.results.verdict import run_verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.metrics.confusion import Normalize
    from diag.results.detection import Detection

_ERROR_ORDERS = ("confidence", "loss", "margin", "random")
_CORRECT_ORDERS = ("most_confident", "least_confident", "random")


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The per-sample table of a model on a data set, and every figure that comes from it.

    Parameters
    ----------
    model : Model
        With its preprocessing fixed.
    data : Dataset
        The images stay where they are; they are read when they are shown.
    samples : mapping of str to ndarray, each of shape (n,)
        The columns of `diag.metrics.samples.COLUMNS`, read-only.
    proba : ndarray of float32, shape (n, k), or None
        All probabilities; None when they would take more than 1 GiB. Large ones stay in the cache's
        file and are read where they are used.
    class_names : tuple of str
        In the order of the model's outputs; kept as `diag.printable.distinct` makes them.
    notes : tuple of str
        What was assumed, one sentence each.
    seconds : float
        Time for predicting, without loading the model.
    from_cache : bool
        Whether `samples` were read from the cache.
    versions : mapping of str to str
        The libraries that made the predictions.
    detection : Detection, optional
        How the preprocessing was found; None where it was given or assumed.
    """

    model: Model
    data: Dataset
    samples: Mapping[str, NDArray[Any]]
    proba: NDArray[np.float32] | None
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    from_cache: bool
    versions: Mapping[str, str]
    detection: Detection | None = None

    def __post_init__(self) -> None:
        """Make class names such that they can be shown, and told apart."""
        object.__setattr__(self, "class_names", distinct(self.class_names))

    @property
    def name(self) -> str:
        """The model's name."""
        return name_text(self.model.name)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples["index"])

    @property
    def correct_mask(self) -> NDArray[np.bool_]:
        """Whether each sample's predicted class is the true one, shape (n,)."""
        mask: NDArray[np.bool_] = self.samples["y_true"] == self.samples["y_pred"]
        return mask

    def counts(self) -> Summary:
        """Return the mergeable counts and sums behind all figures."""
        return Summary.from_samples(self.samples, self.n_classes)

    def figures(self) -> dict[str, Any]:
        """Return the row of `summary` as a dict."""
        return {
            "model": self.name,
            **overall_figures(self.counts()),
            "n_params": self.model.n_params,
            "file_size": self.model.file.file_size,
            "images_per_second": len(self) / self.seconds if self.seconds > 0 else float("nan"),
        }

    def summary(self) -> pd.DataFrame:
        """Return one row: n, accuracy with its Wilson interval, top-3 accuracy, losses, calibration, size, speed.

        Returns
        -------
        DataFrame
            Index ``model``. ``accuracy``, ``top3_accuracy`` and ``ece`` are shares 0..1, ``log_loss`` is in nats,
            ``brier`` runs from 0 to 2, ``file_size`` is in bytes. ``images_per_second`` was measured when the
            predictions were made, also when they now come from the cache.
        """
        import pandas as pd

        return pd.DataFrame([self.figures()]).set_index("model")

    def confusion_matrix(self, normalize: Normalize = None) -> pd.DataFrame:
        """Return the confusion matrix: rows are true classes, columns predicted classes.

        Parameters
        ----------
        normalize : {None, "true", "pred", "all"}
            Counts, or shares of the row, the column, or the total. A row without samples is NaN.
        """
        import pandas as pd

        values = normalize_confusion(self.counts().confusion, normalize)
        rows = pd.Index(self.class_names, name="true")
        return pd.DataFrame(values, index=rows, columns=pd.Index(self.class_names, name="predicted"))

    def per_class(self) -> pd.DataFrame:
        """Return precision, recall and F1 with 95 % intervals, and support, one row a class."""
        import pandas as pd

        figures = per_class_figures(self.counts().confusion)
        return pd.DataFrame(figures, index=pd.Index(self.class_names, name="class"))

    def top_confusions(self, n: int | None = 20) -> pd.DataFrame:
        """Return the confusions with the most images, one row a pair of true and predicted class.

        Parameters
        ----------
        n : int or None
            At most so many; None for all.

        Returns
        -------
        DataFrame
            ``true_class``, ``predicted_class``, and the columns of `diag.metrics.confusion_order.top_confusions`.

        Raises
        ------
        InvalidInputError
            If `n` is below 1 or no whole number.
        """
        import pandas as pd

        n = None if n is None else whole_number("n", n, otherwise=", or None")
        frame = pd.DataFrame(top_confusions(self.counts().confusion, n))
        names = np.asarray(self.class_names, dtype=object)
        frame.insert(0, "true_class", names[frame["y_true"]])
        frame.insert(1, "predicted_class", names[frame["y_pred"]])
        return frame

    def frame(self) -> pd.DataFrame:
        """Return one row a sample: the columns of `samples`, with class names beside the numbers."""
        return self._rows(np.arange(len(self)))

    def _rows(self, rows: NDArray[np.int64]) -> pd.DataFrame:
        import pandas as pd

        names = np.asarray(self.class_names, dtype=object)
        frame = pd.DataFrame({name: column[rows] for name, column in self.samples.items()})
        frame.insert(3, "true_class", names[frame["y_true"]])
        frame.insert(4, "predicted_class", names[frame["y_pred"]])
        if self.data.sample_names is not None:
            frame.insert(1, "sample_name", np.asarray(self.data.sample_names, dtype=object)[rows])
        return frame

    def verdict(self) -> str:
        """Return how many images are right, and which class has the most errors, in words."""
        return run_verdict(self)

    def probabilities(self, indices: Sequence[int] | NDArray[Any] | None = None) -> pd.DataFrame:
        """Return the predicted probabilities of images, one row an image and one column a class.

        Parameters
        ----------
        indices : sequence of int, optional
            Which images of the data set, in the order wished; all when left out.

        Returns
        -------
        DataFrame
            Index ``index`` and ``true_class``; the columns are the class names.

        Raises
        ------
        InvalidInputError
            If an index is not that of an image, or the probabilities were too many to be kept (see `proba`).
        """
        import pandas as pd

        if self.proba is None:
            raise InvalidInputError(
                f"{self.name}: expected probabilities that were kept. Received: {len(self):,} images of "
                f"{self.n_classes:,} classes, more than 1 GiB. Ask diag.predict for a part: data.subset([...])."
            )
        rows = np.arange(len(self)) if indices is None else np.asarray(indices)
        if rows.ndim != 1 or (rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= len(self))):
            raise InvalidInputError(f"indices: expected 0..{len(self) - 1}. Received: {indices!r}. Choose among them.")
        rows = rows.astype(np.int64)
        true = np.asarray(self.class_names, dtype=object)[self.samples["y_true"][rows]]
        index = pd.MultiIndex.from_arrays([self.samples["index"][rows], true], names=["index", "true_class"])
        return pd.DataFrame(np.asarray(self.proba[rows]), index=index, columns=pd.Index(self.class_names, name="class"))

    def errors(
        self,
        per_class: int | None = 10,
        by: Literal["confidence", "loss", "margin", "random"] = "confidence",
        group: Literal["true", "predicted"] = "true",
        *,
        n: int | None = None,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Return the worst errors of each class, or of all classes together.

        Parameters
        ----------
        per_class : int or None
            At most so many a class; None for all.
        by : {"confidence", "loss", "margin", "random"}
            What makes an error bad: largest confidence in the wrong class, smallest probability of the true class,
            or largest distance to the second choice. Or drawn at random.
        group : {"true", "predicted"}
            Whether a class means the true or the predicted one.
        n : int, optional
            The worst so many of all classes together, in place of `per_class`.
        seed : int
            For ``by="random"``.

        Returns
        -------
        DataFrame
            Rows of `frame` with ``class`` (the group) in front; sorted by class, worst first, ties by index. With `n`,
            by how bad they are alone.

        Raises
        ------
        InvalidInputError
            If an order, a group, a number or a seed is none.
        """
        if by not in _ERROR_ORDERS:
            raise InvalidInputError(f"by: expected one of {', '.join(_ERROR_ORDERS)}. Received: {by!r}.")
        seed = whole_number("seed", seed, 0)
        key = self._random(seed) if by == "random" else -self.samples[by]
        return self._ranked(~self.correct_mask, key, per_class, group, n)

    def correct(
        self,
        per_class: int | None = 10,
        order: Literal["most_confident", "least_confident", "random"] = "most_confident",
        seed: int = 0,
        *,
        n: int | None = None,
    ) -> pd.DataFrame:
        """Return correctly classified samples of each class, or of all classes together.

        Parameters
        ----------
        per_class : int or None
            At most so many a class; None for all.
        order : {"most_confident", "least_confident", "random"}
        seed : int
            For ``order="random"``.
        n : int, optional
            The first so many of all classes together, in place of `per_class`.

        Raises
        ------
        InvalidInputError
            If an order, a number or a seed is none.
        """
        if order not in _CORRECT_ORDERS:
            raise InvalidInputError(f"order: expected one of {', '.join(_CORRECT_ORDERS)}. Received: {order!r}.")
        seed, confidence = whole_number("seed", seed, 0), self.samples["confidence"]
        key = confidence if order == "least_confident" else self._random(seed) if order == "random" else -confidence
        return self._ranked(self.correct_mask, key, per_class, "true", n)

    def cell(self, y_true: int, y_pred: int) -> NDArray[np.int64]:
        """Return the indices of the samples in one cell of the confusion matrix, most confident first."""
        rows = np.flatnonzero((self.samples["y_true"] == y_true) & (self.samples["y_pred"] == y_pred))
        order = np.argsort(-self.samples["confidence"][rows], kind="stable")
        indices: NDArray[np.int64] = self.samples["index"][rows[order]]
        return indices

    def _random(self, seed: int) -> NDArray[np.float64]:
        return np.random.default_rng(seed).random(len(self))

    def _ranked(
        self, chosen: NDArray[np.bool_], key: NDArray[Any], per_class: int | None, group: str, n: int | None
    ) -> pd.DataFrame:
        if group not in ("true", "predicted"):
            raise InvalidInputError(f"group: expected 'true' or 'predicted'. Received: {group!r}.")
        for name, most in (("per_class", per_class), ("n", n)):
            if most is not None:
                whole_number(name, most, otherwise=", or None")
        classes = self.samples["y_true" if group == "true" else "y_pred"]
        rows = np.flatnonzero(chosen)
        if n is not None:
            rows = rows[np.lexsort((rows, key[rows]))][:n]
        else:
            rows = rows[np.lexsort((rows, key[rows], classes[rows]))]
            starts = np.searchsorted(classes[rows], classes[rows], side="left")
            rows = rows if per_class is None else rows[np.arange(len(rows)) - starts < per_class]
        frame = self._rows(rows)
        frame.insert(0, "class", frame["true_class" if group == "true" else "predicted_class"])
        return frame
