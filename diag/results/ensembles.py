"""What models give together: averages, votes, greedy selection, and the oracle above them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.errors import CheckNotApplicable, InvalidInputError
from diag.metrics.comparison import holm_adjust, mcnemar_exact, paired_difference_interval
from diag.metrics.intervals import wilson_interval
from diag.results.combining import Combination, Combining, mean

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.comparison import Comparison


@dataclass(frozen=True, slots=True, eq=False)
class Ensembles:
    """Ensembles of the models of a comparison, beside the models and the oracle.

    Parameters
    ----------
    names : tuple of str
        Of the models.
    combinations : tuple of Combination
        Models first, best first; then ensembles; the oracle last.
    index : ndarray of int64, shape (n,)
        The images that the figures are about.
    confidence : ndarray of float64, shape (n,)
        How sure the best model is of its answers.
    weights : ndarray of float64, shape (m,), or None
        What greedy selection gives each model on all images; None where probabilities are missing.
    fold_weights : ndarray of float64, shape (folds, m), or None
        What it gives on all but one fold.
    missing : str
        Why there are no averages; empty when there are.
    notes : tuple of str
        How to read the figures, one sentence each.
    seed : int
    model_digests : tuple of str
    data_digest : str
    """

    names: tuple[str, ...]
    combinations: tuple[Combination, ...]
    index: NDArray[np.int64]
    confidence: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    fold_weights: NDArray[np.float64] | None
    missing: str
    notes: tuple[str, ...]
    seed: int
    model_digests: tuple[str, ...]
    data_digest: str

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.index)

    @property
    def best_member(self) -> str:
        """The name of the model with the highest accuracy on all images; the first of equals by log loss."""
        return self.combinations[0].name

    @property
    def oracle(self) -> float:
        """The share of images that any model has right: the ceiling for choosing among their answers."""
        return mean(self.combinations[-1].correct)

    def frame(self) -> pd.DataFrame:
        """Return one row a model and an ensemble, and the oracle.

        Returns
        -------
        DataFrame
            ``key``, ``name``, ``kind``, ``members`` (names, joined) and ``n_members``; ``accuracy`` with its 95 %
            Wilson interval ``accuracy_low`` and ``accuracy_high``; ``naive_accuracy`` (what was chosen by its figures,
            on the images it was chosen on); ``log_loss`` (nats); against the best model ``difference`` in accuracy
            with ``difference_low`` and ``difference_high`` (95 %, Agresti & Min 2005), ``p_value`` (McNemar, exact)
            and ``p_adjusted`` (Holm, over all ensembles), ``mends`` and ``breaks``: images that only the ensemble,
            only the best model has right. What is undefined is NaN, and None for counts of the models themselves.
        """
        import pandas as pd

        frame = pd.DataFrame([self._row(each) for each in self.combinations])
        tested = frame["p_value"].notna()
        frame["p_adjusted"] = np.nan
        frame.loc[tested, "p_adjusted"] = holm_adjust(frame.loc[tested, "p_value"].tolist())
        return frame[_COLUMNS]

    def greedy(self) -> pd.DataFrame:
        """Return what greedy selection takes of each model.

        Returns
        -------
        DataFrame
            Index ``model``: ``weight`` (share of the picks on all images, 0..1) and ``folds`` (in how many of the folds
            it is picked), highest weight first.

        Raises
        ------
        CheckNotApplicable
            Where a model keeps no probabilities, or there are fewer than 20 images.
        """
        import pandas as pd

        if self.weights is None or self.fold_weights is None:
            raise CheckNotApplicable(self.missing)
        frame = pd.DataFrame(
            {"weight": self.weights, "folds": (self.fold_weights > 0).sum(axis=0)},
            index=pd.Index(self.names, name="model"),
        )
        return frame.sort_values("weight", ascending=False, kind="stable")

    def mended(self, key: str) -> NDArray[np.int64]:
        """Return the images that this ensemble has right and the best model wrong, its surest errors first.

        Raises
        ------
        InvalidInputError
            If there is no such key in `frame`.
        """
        return self._ranked(self._of(key).correct & ~self.combinations[0].correct)

    def broken(self, key: str) -> NDArray[np.int64]:
        """Return the images that the best model has right and this ensemble wrong, the surest answers first."""
        return self._ranked(~self._of(key).correct & self.combinations[0].correct)

    def _of(self, key: str) -> Combination:
        for each in self.combinations:
            if each.key == key:
                return each
        raise InvalidInputError(f"key: expected that of a row of frame(), such as 'average'. Received: {key!r}.")

    def _ranked(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        rows = np.flatnonzero(chosen)
        found: NDArray[np.int64] = self.index[rows[np.argsort(-self.confidence[rows], kind="stable")]]
        return found

    def _row(self, each: Combination) -> dict[str, Any]:
        n, right = len(each.correct), int(each.correct.sum())
        low, high = wilson_interval(right, n)
        row: dict[str, Any] = {
            "key": each.key,
            "name": each.name,
            "kind": each.kind,
            "members": ", ".join(self.names[number] for number in each.members),
            "n_members": len(each.members),
            "accuracy": mean(each.correct),
            "accuracy_low": float(low),
            "accuracy_high": float(high),
            "naive_accuracy": each.naive_accuracy,
            "log_loss": each.log_loss,
        }
        best = self.combinations[0].correct
        mends, breaks = int((each.correct & ~best).sum()), int((best & ~each.correct).sum())
        difference, lower, upper = paired_difference_interval(n, mends, breaks)
        ensemble = each.kind not in ("member", "oracle")
        row |= {"difference": difference, "mends": mends, "breaks": breaks}
        row["difference_low"], row["difference_high"] = (lower, upper) if ensemble else (np.nan, np.nan)
        row["p_value"] = mcnemar_exact(mends, breaks) if ensemble else np.nan
        return row


_COLUMNS = [
    "key", "name", "kind", "members", "n_members", "accuracy", "accuracy_low", "accuracy_high", "naive_accuracy",
    "log_loss", "difference", "difference_low", "difference_high", "p_value", "p_adjusted", "mends", "breaks",
]  # fmt: skip


def ensembles(comparison: Comparison, seed: int = 0) -> Ensembles:
    """Return what the models of a comparison give together.

    Averages of all models, of every subset of up to six (with more: of pairs of the four with the lowest log loss),
    greedy selection, and a vote. What is chosen by its figures - greedy weights, the best subset - is chosen on four
    fifths of the images and judged on the rest, in turn, because a choice flatters itself on the images it was made on.

    Parameters
    ----------
    comparison : Comparison
        Of at least two models. Where one keeps no probabilities there is a vote only.
    seed : int
        Seeds the folds, and the sample of images when there are very many.

    Raises
    ------
    CheckNotApplicable
        With one model.

    References
    ----------
    Caruana et al. (2004), Ensemble selection from libraries of models, ICML. Stone (1974), Cross-validatory choice and
    assessment of statistical predictions, JRSS B 36, 111-147.

    Examples
    --------
    >>> ensembles(compare(runs)).frame()  # doctest: +SKIP
    """
    runs = comparison.runs
    if len(runs) < 2:
        raise CheckNotApplicable("An ensemble needs at least two models. Received: one. Name several model files.")
    work = Combining(comparison, seed)
    found = (*work.members(), *work.ensembles(), work.oracle())
    return Ensembles(
        names=comparison.names,
        combinations=found,
        index=frozen(runs[0].samples["index"][work.rows]),
        confidence=frozen(runs[found[0].members[0]].samples["confidence"][work.rows].astype(np.float64)),
        weights=None if work.weights is None else frozen(work.weights),
        fold_weights=None if work.fold_weights is None else frozen(work.fold_weights),
        missing=work.missing,
        notes=tuple(work.notes),
        seed=seed,
        model_digests=tuple(str(getattr(run.model, "digest", "")) for run in runs),
        data_digest=runs[0].data.digest,
    )
