"""How far models agree, and which are wrong on the same images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from diag.arrays import frozen
from diag.errors import CheckNotApplicable, InvalidInputError
from diag.metrics.agreement import (
    MAX_MODELS,
    agreement_shares,
    cohen_kappas,
    error_sets,
    fleiss_kappa,
    pair_measures,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.comparison import Comparison

MEASURES = ("same_answer", "kappa", "q_statistic", "double_fault", "disagreement")


@dataclass(frozen=True, slots=True, eq=False)
class ErrorSet:
    """The images on which exactly these models are wrong and all others right.

    Parameters
    ----------
    models : tuple of int
        Numbers of the models.
    indices : ndarray of int64, shape (count,)
        Of the images; those that the models are surest of first.
    same_class : int
        On how many of them all these models give the same wrong class.
    """

    models: tuple[int, ...]
    indices: NDArray[np.int64]
    same_class: int

    @property
    def key(self) -> str:
        """The models' numbers as a text: ``"0-2"``."""
        return "-".join(map(str, self.models))


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How far several models agree on the same images.

    Parameters
    ----------
    names : tuple of str
        Of the models.
    n : int
        Number of images.
    matrices : mapping of str to ndarray, each of shape (m, m)
        The measures of `MEASURES` for each pair, read-only.
    fleiss_kappa : float
        Agreement of all models beyond chance; NaN where it is undefined.
    all_right : int
        Images that every model has right.
    sets : tuple of ErrorSet
        The most frequent sets of models that are wrong together, at most 30.
    n_sets : int
        How many sets there are.
    model_digests : tuple of str
    data_digest : str
    """

    names: tuple[str, ...]
    n: int
    matrices: Mapping[str, NDArray[np.float64]]
    fleiss_kappa: float
    all_right: int
    sets: tuple[ErrorSet, ...]
    n_sets: int
    model_digests: tuple[str, ...]
    data_digest: str

    def pairs(self) -> pd.DataFrame:
        """Return one row a pair of models.

        Returns
        -------
        DataFrame
            ``a``, ``b``, ``same_answer`` (share of images to which both give the same class), ``kappa`` (Cohen),
            ``q_statistic`` (Yule), ``double_fault`` (share that both have wrong) and ``disagreement`` (share that
            exactly one has right). What is undefined is NaN.
        """
        import pandas as pd

        rows = [
            {"a": self.names[a], "b": self.names[b], **{name: self.matrices[name][a, b] for name in MEASURES}}
            for a, b in combinations(range(len(self.names)), 2)
        ]
        return pd.DataFrame(rows, columns=["a", "b", *MEASURES])

    def matrix(self, measure: str = "kappa") -> pd.DataFrame:
        """Return a measure of `MEASURES` for every pair, models in rows and columns.

        Raises
        ------
        InvalidInputError
            If there is no such measure.
        """
        import pandas as pd

        if measure not in self.matrices:
            raise InvalidInputError(f"measure: expected one of {', '.join(MEASURES)}. Received: {measure!r}.")
        return pd.DataFrame(
            self.matrices[measure], index=pd.Index(self.names, name="model"), columns=list(self.names), copy=True
        )

    def overlap(self) -> pd.DataFrame:
        """Return one row a set of models that are wrong together, most frequent first.

        Returns
        -------
        DataFrame
            ``key`` (the models' numbers, ``"0-2"``), ``models`` (their names, joined), ``n_models``, ``count`` (images
            that exactly these models have wrong), ``share`` (of all images) and ``same_class`` (images of those on
            which they all give the same wrong class). `indices` has the images.
        """
        import pandas as pd

        rows = [
            {
                "key": each.key,
                "models": ", ".join(self.names[number] for number in each.models),
                "n_models": len(each.models),
                "count": len(each.indices),
                "share": len(each.indices) / self.n if self.n else float("nan"),
                "same_class": each.same_class,
            }
            for each in self.sets
        ]
        return pd.DataFrame(rows, columns=["key", "models", "n_models", "count", "share", "same_class"])

    def indices(self, key: str) -> NDArray[np.int64]:
        """Return the images of a row of `overlap`, surest errors first.

        Raises
        ------
        InvalidInputError
            If there is no such set among the listed ones.
        """
        for each in self.sets:
            if each.key == key:
                return each.indices
        raise InvalidInputError(f"key: expected that of a row of overlap(), such as '0-1'. Received: {key!r}.")


def agreement(comparison: Comparison) -> Agreement:
    """Return how far the models of a comparison agree, and where they are wrong together.

    Raises
    ------
    CheckNotApplicable
        With fewer than two models, or more than 60.

    Examples
    --------
    >>> agreement(compare(runs)).pairs()  # doctest: +SKIP
    """
    runs = comparison.runs
    if not 2 <= len(runs) <= MAX_MODELS:
        raise CheckNotApplicable(
            f"Agreement is that of 2 to {MAX_MODELS} models. Received: {len(runs)}. Name several model files."
        )
    y_true, k = runs[0].samples["y_true"], runs[0].n_classes
    predictions = np.stack([run.samples["y_pred"] for run in runs])
    correct = predictions == y_true
    matrices = {
        "same_answer": agreement_shares(predictions),
        "kappa": cohen_kappas(predictions, k),
        **pair_measures(correct),
    }
    found = error_sets(predictions, y_true)
    sets = tuple(
        ErrorSet(models=models, indices=_surest(comparison, models, rows), same_class=same)
        for models, rows, same in zip(found.members, found.rows, found.same_class, strict=True)
    )
    return Agreement(
        names=comparison.names,
        n=len(y_true),
        matrices=MappingProxyType({name: frozen(matrices[name]) for name in MEASURES}),
        fleiss_kappa=fleiss_kappa(predictions, k),
        all_right=int(correct.all(axis=0).sum()),
        sets=sets,
        n_sets=found.n_sets,
        model_digests=tuple(str(getattr(run.model, "digest", "")) for run in runs),
        data_digest=runs[0].data.digest,
    )


def _surest(comparison: Comparison, models: tuple[int, ...], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the images of these rows, highest mean confidence of the models first."""
    confidence = np.mean([comparison.runs[number].samples["confidence"][rows] for number in models], axis=0)
    order = np.argsort(-confidence, kind="stable")
    return frozen(comparison.runs[0].samples["index"][rows][order])
