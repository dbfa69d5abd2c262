"""Labels that are in doubt, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.errors import InvalidInputError
from diag.io.csv_out import write_csv
from diag.metrics.issue_kinds import FAR, KINDS, Evidence, contradicts

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

KIND_TITLES = {
    "wrong_label": "probably a wrong label",
    "confusion": "real confusion",
    "unlike_training": "unlike anything in training",
}


@dataclass(frozen=True, slots=True, eq=False)
class LabelIssues:
    """Images that models are sure to be of another class than their label, split by what other evidence says.

    Parameters
    ----------
    indices : ndarray of int64, shape (m,)
        Numbers in the data set; by kind, and within a kind the strongest evidence first, sure answers before others.
    label, named : ndarray of int64, shape (m,)
        The label, and the class that the models suggest.
    confidence, p_label : ndarray of float64, shape (m,)
        Probabilities of the two: the mean over the models.
    sure : ndarray of bool, shape (m,)
        Whether the answer is sure: the label is doubted by confident learning. Others are unlike anything in training.
    kinds : ndarray of int64, shape (m,)
        Numbers in `diag.metrics.issue_kinds.KINDS`.
    scores : ndarray of float64, shape (m,)
        0..1, see `issue_scores`.
    evidence : Evidence
        Votes, neighbours, distances.
    distance : ndarray of float64, shape (m,)
        To the k-th nearest image in the penultimate layer, features of length 1: 0 to 2. NaN where unknown.
    neighbours : ndarray of int64, shape (m, k)
        The nearest images there, nearest first: numbers in the data that `reference` names.
    reference : {"train", "test"}
        Where neighbours were sought: the training data, or the other images of the same data.
    n, found : int
        Images looked at, and doubted labels before the list was cut.
    estimated_share : float
        Share of wrong labels that the calibrated confident joint estimates, 0..1. It counts real confusion too.
    joint : ndarray of int64, shape (k, k)
        The confident joint: label (row) by guessed class (column).
    class_names, model_names : tuple of str
    sample_names : tuple of str, optional
        One an issue.
    notes : tuple of str
        What was done and what could not be.
    data_digest : str
    seed : int
    """

    indices: NDArray[np.int64]
    label: NDArray[np.int64]
    named: NDArray[np.int64]
    confidence: NDArray[np.float64]
    p_label: NDArray[np.float64]
    sure: NDArray[np.bool_]
    kinds: NDArray[np.int64]
    scores: NDArray[np.float64]
    evidence: Evidence
    distance: NDArray[np.float64]
    neighbours: NDArray[np.int64]
    reference: str
    n: int
    found: int
    estimated_share: float
    joint: NDArray[np.int64]
    class_names: tuple[str, ...]
    model_names: tuple[str, ...]
    sample_names: tuple[str, ...] | None
    notes: tuple[str, ...]
    data_digest: str
    seed: int

    def __len__(self) -> int:
        """Return the number of issues listed."""
        return len(self.indices)

    def counts(self) -> dict[str, int]:
        """Return how many issues there are of each kind."""
        return {kind: int((self.kinds == number).sum()) for number, kind in enumerate(KINDS)}

    def of_kind(self, kind: str) -> NDArray[np.int64]:
        """Return the indices of one kind of issue, the strongest evidence first.

        Raises
        ------
        InvalidInputError
            If there is no such kind.
        """
        if kind not in KINDS:
            raise InvalidInputError(f"kind: expected one of {', '.join(KINDS)}. Received: {kind!r}.")
        indices: NDArray[np.int64] = self.indices[self.kinds == KINDS.index(kind)]
        return indices

    def verdict(self) -> str:
        """Return one or two sentences: how many issues of which kind."""
        unsure = int((~self.sure).sum())
        more = f" {unsure:,} wrong answers that are not sure lie far from everything too." if unsure else ""
        if not self.found:
            return f"No label of {self.n:,} is contradicted by a sure answer.{more}"
        listed = int(self.sure.sum())
        cut = f" (the worst {listed:,} are listed)" if self.found > listed else ""
        wrong, confused, unlike = (int((self.kinds[self.sure] == number).sum()) for number in range(len(KINDS)))
        return (
            f"{self.found:,} of {self.n:,} labels are contradicted by a sure answer{cut}: {wrong:,} probably wrong, "
            f"{confused:,} real confusion, {unlike:,} unlike anything in training.{more}"
        )

    def sentence(self, place: int) -> str:
        """Return what speaks for one issue's kind; `place` is its row, 0..m-1."""
        kind = KINDS[self.kinds[place]]
        label, named = self.class_names[self.label[place]], self.class_names[self.named[place]]
        said = f"Labelled {label}; {self._answer(place, named)}"
        if kind == "unlike_training":
            return f"{said}. {self._far(place)}: neither the label nor the answer is to be trusted."
        told = self._witnesses(place, label, named)
        if kind == "wrong_label":
            return f"{said}{told}. Look at the label."
        return f"{said}{told}: {self._why_not(place)}."

    def frame(self) -> pd.DataFrame:
        """Return one row an issue, in the order of `indices`.

        Returns
        -------
        DataFrame
            ``index``, ``sample_name`` where there are names, ``label``, ``suggested``, ``kind`` of `KINDS`, ``sure``,
            ``score``, ``confidence``, ``p_label``, ``votes``, ``models``, ``near_suggested``, ``near_label`` (shares of
            the nearest images), ``alike_suggested``, ``alike_label`` (of the most similar ones), ``distance``,
            ``distance_percentile``, ``alike_percentile`` and ``sentence``. What is unknown is NaN.
        """
        import pandas as pd

        names = np.asarray(self.class_names, dtype=object)
        evidence = self.evidence
        frame = pd.DataFrame(
            {
                "index": self.indices,
                "label": names[self.label],
                "suggested": names[self.named],
                "kind": np.asarray(KINDS, dtype=object)[self.kinds],
                "sure": self.sure,
                "score": self.scores,
                "confidence": self.confidence,
                "p_label": self.p_label,
                "votes": evidence.votes,
                "models": evidence.n_models,
                "near_suggested": evidence.near_named,
                "near_label": evidence.near_label,
                "alike_suggested": evidence.alike_named,
                "alike_label": evidence.alike_label,
                "distance": self.distance,
                "distance_percentile": evidence.near_percentile,
                "alike_percentile": evidence.alike_percentile,
                "sentence": [self.sentence(place) for place in range(len(self))],
            }
        )
        if self.sample_names is not None:
            frame.insert(1, "sample_name", np.asarray(self.sample_names, dtype=object))
        return frame

    def to_csv(self, path: str | Path) -> Path:
        """Write `frame` as a CSV, whole or not at all, formulas quoted; return the file."""
        return write_csv(path, self.frame())

    def _far(self, place: int) -> str:
        evidence = self.evidence
        near, alike = evidence.near_percentile[place], evidence.alike_percentile[place]
        if near > FAR or np.isnan(alike):
            return f"In the penultimate layer it lies farther from {self._where()} than {near:.1f}% of right answers"
        return f"Pixel by pixel it is less like {self._where()} than {alike:.1f}% of right answers"

    def _answer(self, place: int, named: str) -> str:
        votes, models = int(self.evidence.votes[place]), self.evidence.n_models
        sure = f"({self.confidence[place]:.0%} sure)"
        if models == 1:
            return f"the model says {named} {sure}"
        if votes == models:
            return f"{'both' if models == 2 else f'all {models}'} models say {named} {sure}"
        return f"{votes} of {models} models {'says' if votes == 1 else 'say'} {named} {sure}"

    def _witnesses(self, place: int, label: str, named: str) -> str:
        evidence, told = self.evidence, []
        for what, share, own in (
            (f"the nearest {self._images()}", evidence.near_named[place], evidence.near_label[place]),
            ("the most similar images", evidence.alike_named[place], evidence.alike_label[place]),
        ):
            if not np.isnan(share):
                told.append(f"of {what} {share:.0%} are {named} and {own:.0%} {label}")
        return "".join(f"; {each}" for each in told)

    def _why_not(self, place: int) -> str:
        evidence = self.evidence
        if evidence.mixed[place]:
            return "most images with this label get that answer, so the classes are confused, not single labels"
        if not evidence.agreed[place]:
            return "the models do not agree"
        known = [
            (named[place], label[place])
            for named, label in (
                (evidence.near_named, evidence.near_label),
                (evidence.alike_named, evidence.alike_label),
            )
            if not np.isnan(named[place])
        ]
        if all(contradicts(np.asarray(named), np.asarray(label)) for named, label in known):
            return "nothing else speaks against the label"
        return "its neighbours do not bear the answer out"

    def _images(self) -> str:
        return "training images" if self.reference == "train" else "other images"

    def _where(self) -> str:
        return "every training image" if self.reference == "train" else "every other image"
