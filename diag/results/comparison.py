"""Several models on the same samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.metrics.classification import overall_figures
from diag.metrics.comparison import LEVEL, MARGIN, check_level, class_differences
from diag.results.names import names_of
from diag.results.pairs import pair_frame, turned
from diag.results.ranking import choice_optimism, model_ranks
from diag.results.resampling import difference_frame, resampling_note
from diag.results.verdict import comparison_verdict, pair_sentence, same_answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.evaluation import Evaluation
    from diag.results.ranking import Optimism, Ranks


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Evaluations of several models on the same samples.

    Parameters
    ----------
    runs : tuple of Evaluation
        At least one, all on data with the same digest.
    names : tuple of str
        One a run, all different.
    level : float
        The accepted chance of a wrong verdict; intervals cover 1 - level.
    margin : float
        Accuracies that differ by less are equivalent; as a share, 0.005 are 0.5 points.
    """

    runs: tuple[Evaluation, ...]
    names: tuple[str, ...]
    level: float = LEVEL
    margin: float = MARGIN
    kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    """What was computed already, by what it is."""

    @classmethod
    def from_runs(cls, runs: Sequence[Evaluation], level: float = LEVEL, margin: float = MARGIN) -> Comparison:
        """Check that the runs belong together, and give each a name of its own.

        Raises
        ------
        InvalidInputError
            If there is no run, runs are on different samples or classes, or the level or margin is none.
        """
        if not runs:
            raise InvalidInputError("compare: expected at least one evaluation. Received: none.")
        first = runs[0]
        for run in runs[1:]:
            same = run.data.digest == first.data.digest
            if same and run.class_names != first.class_names:
                raise InvalidInputError(
                    f"compare: expected models of the same classes. Received: {_classes(first)} and {_classes(run)}. "
                    "Evaluate them one by one, or name the same classes in both model cards."
                )
            if not same or not np.array_equal(run.samples["y_true"], first.samples["y_true"]):
                raise InvalidInputError(
                    f"compare: expected evaluations on the same samples and classes. Received: {first.name} on "
                    f"{first.data.name} and {run.name} on {run.data.name}. Pass the same --data to both."
                )
        check_level(level, margin)
        return cls(runs=tuple(runs), names=names_of(runs), level=level, margin=margin)

    def run(self, name: str) -> Evaluation:
        """Return the run of that name.

        Raises
        ------
        InvalidInputError
            If there is none.
        """
        if name not in self.names:
            raise InvalidInputError(f"expected one of {', '.join(self.names)}. Received: {name!r}.")
        return self.runs[self.names.index(name)]

    def ranked(self) -> dict[str, Evaluation]:
        """Return the runs by name, best first: in the order of `table`."""
        return {str(name): self.run(str(name)) for name in self.table().index}

    def table(self) -> pd.DataFrame:
        """Return `Evaluation.summary` of every run, best accuracy first (ties by log loss).

        Returns
        -------
        DataFrame
            Index ``model``. Beside the columns of `Evaluation.summary`, ``tied`` is True for each model that the data
            cannot separate from the first.
        """
        import pandas as pd

        rows = [{**run.figures(), "model": name} for run, name in zip(self.runs, self.names, strict=True)]
        frame = pd.DataFrame(rows).set_index("model")
        frame = frame.sort_values(["accuracy", "log_loss"], ascending=[False, True], kind="stable")
        best = str(frame.index[0])
        frame["tied"] = [name != best and self.pair(best, str(name))["relation"] != "better" for name in frame.index]
        return frame

    def pairs(self) -> pd.DataFrame:
        """Return one row a pair of models: the 2x2 table, the difference in accuracy, and what follows from it.

        Returns
        -------
        DataFrame
            ``a``, ``b``, ``both_right``, ``only_a``, ``only_b``, ``both_wrong``, ``difference`` (accuracy of a minus
            that of b) with ``difference_low`` and ``difference_high`` (95 %, Agresti & Min 2005), ``p_value``
            (McNemar, exact, two-sided), ``p_adjusted`` (Holm, over all pairs), ``p_equivalent`` (two one-sided tests
            against the margin, Holm) with ``equivalent_low`` and ``equivalent_high`` (90 %), ``smallest_detectable``
            (the difference that is found in 4 of 5 such test sets, given as many discordant images, at the level
            divided by the number of pairs), ``n_needed`` (images that show the observed difference in 4 of 5 test
            sets; NaN when it is 0), and ``relation`` of a to b: ``"better"``, ``"worse"``, ``"equivalent"`` or
            ``"undecided"``.
        """
        if "pairs" not in self.kept:
            self.kept["pairs"] = pair_frame(self)
        frame: pd.DataFrame = self.kept["pairs"].copy()
        return frame

    def pair(self, a: str, b: str) -> dict[str, Any]:
        """Return the row of `pairs` for two models, turned round where b stands before a.

        Raises
        ------
        InvalidInputError
            If there are no such models, or they are the same one.
        """
        self.run(a), self.run(b)
        if a == b:
            raise InvalidInputError(f"expected two different models. Received: {a!r} twice.")
        if "rows" not in self.kept:
            self.kept["rows"] = {(row["a"], row["b"]): row for row in self.pairs().to_dict("records")}
        rows: dict[tuple[str, str], dict[str, Any]] = self.kept["rows"]
        return dict(rows[a, b]) if (a, b) in rows else turned(rows[b, a])

    def differences(self, seed: int = 0) -> pd.DataFrame:
        """Return the differences of four figures for each pair, with bootstrap intervals.

        Parameters
        ----------
        seed : int
            Of the resamples, which all models share.

        Returns
        -------
        DataFrame
            Four rows a pair: ``a``, ``b``, ``metric`` (``accuracy``, ``balanced_accuracy``, ``macro_f1``,
            ``log_loss``), ``value_a``, ``value_b``, ``difference`` (a minus b) with ``low`` and ``high`` (95 %, BCa;
            NaN where no resample differs), and ``favours``: the model for which the interval speaks, or ``""``; for
            accuracy the verdict of `pairs`. The intervals are each for itself, not adjusted for the number of pairs.
        """
        name = f"differences {seed}"
        if name not in self.kept:
            self.kept[name] = difference_frame(self, seed)
        frame: pd.DataFrame = self.kept[name].copy()
        return frame

    def class_differences(self, a: str | None = None, b: str | None = None) -> pd.DataFrame:
        """Return the differences of two models' recall class by class.

        Parameters
        ----------
        a, b : str, optional
            Names of runs; the first and the second when left out.

        Returns
        -------
        DataFrame
            One row a class, in the order of the classes: ``number``, ``class``, ``support``, ``recall_a``,
            ``recall_b``, ``only_a``, ``only_b`` (images that only one of them has right), ``difference`` with
            ``difference_low`` and ``difference_high`` (95 %), ``p_value`` (McNemar within the class), ``p_adjusted``
            (Benjamini and Hochberg over the classes) and ``significant``. NaN for a class without samples.
        """
        first, second = self._two(a, b)
        figures = class_differences(
            first.samples["y_true"], first.correct_mask, second.correct_mask, first.n_classes, 1 - self.level
        )
        import pandas as pd

        frame = pd.DataFrame({"number": np.arange(first.n_classes), "class": list(first.class_names), **figures})
        frame["significant"] = frame["p_adjusted"] < self.level
        return frame

    def quadrant(self, a: str, b: str, which: str) -> NDArray[np.int64]:
        """Return the samples of one cell of two models' 2x2 table.

        Parameters
        ----------
        a, b : str
            Names of runs.
        which : {"both_right", "only_a", "only_b", "both_wrong"}

        Returns
        -------
        ndarray of int64
            Indices in the data set, those first of which the two models are surest.
        """
        first, second = self._two(a, b)
        right_a, right_b = first.correct_mask, second.correct_mask
        cells = {
            "both_right": right_a & right_b,
            "only_a": right_a & ~right_b,
            "only_b": right_b & ~right_a,
            "both_wrong": ~right_a & ~right_b,
        }
        if which not in cells:
            raise InvalidInputError(f"quadrant: expected one of {', '.join(cells)}. Received: {which!r}.")
        rows = np.flatnonzero(cells[which])
        sure = first.samples["confidence"][rows] + second.samples["confidence"][rows]
        indices: NDArray[np.int64] = first.samples["index"][rows[np.argsort(-sure, kind="stable")]]
        return indices

    def ranks(self, seed: int = 0) -> Ranks:
        """Return the average ranks of the models over classes and over bootstrap resamples.

        Raises
        ------
        CheckNotApplicable
            With fewer than two models, or fewer than two classes that have samples.
        """
        return model_ranks(self, seed=seed)

    def optimism(self, seed: int = 0) -> Optimism:
        """Return by how much the best model is flattered by having been chosen on these samples."""
        name = f"optimism {seed}"
        if name not in self.kept:
            self.kept[name] = choice_optimism(self, seed=seed)
        found: Optimism = self.kept[name]
        return found

    def disagreements(self, a: str | None = None, b: str | None = None) -> pd.DataFrame:
        """Return the samples on which two models give different classes.

        Parameters
        ----------
        a, b : str, optional
            Names of runs; the first and the second when left out.

        Returns
        -------
        DataFrame
            ``index``, ``true_class``, ``predicted_a``, ``confidence_a``, ``predicted_b``, ``confidence_b`` and
            ``right``: ``"a"``, ``"b"`` or ``"neither"``. Most confident disagreements first.
        """
        first, second = (run.frame() for run in self._two(a, b))
        differs = first["y_pred"].to_numpy() != second["y_pred"].to_numpy()
        one, two = first[differs], second[differs]
        import pandas as pd

        frame = pd.DataFrame(
            {
                "index": one["index"],
                "true_class": one["true_class"],
                "predicted_a": one["predicted_class"],
                "confidence_a": one["confidence"],
                "predicted_b": two["predicted_class"],
                "confidence_b": two["confidence"],
                "right": np.select(
                    [one["y_pred"] == one["y_true"], two["y_pred"] == two["y_true"]], ["a", "b"], "neither"
                ),
            }
        )
        order = np.argsort(-(frame["confidence_a"] + frame["confidence_b"]).to_numpy(), kind="stable")
        return frame.iloc[order].reset_index(drop=True)

    def agreement(self) -> pd.DataFrame:
        """Return the share of samples to which each pair of models gives the same class, 0..1."""
        import pandas as pd

        predictions = np.stack([run.samples["y_pred"] for run in self.runs])
        shares = np.array([[_mean(row == other) for other in predictions] for row in predictions])
        return pd.DataFrame(shares, index=pd.Index(self.names, name="model"), columns=list(self.names))

    def sentence(self, a: str, b: str) -> str:
        """Return what the data say about two models: one is better, they are equivalent, or it is undecided."""
        same = same_answers(self, a, b)
        said = pair_sentence(self.pair(a, b), len(self.runs[0]), self.level, self.margin)
        return same if same.endswith("file.") else f"{same} {said}".strip()

    def verdict(self) -> str:
        """Return the best model, what it beats, what the data cannot separate from it, and its optimism, in words."""
        return comparison_verdict(self)

    def notes(self) -> list[str]:
        """Return what was assumed; a sentence that does not hold for every model names its own."""
        found: dict[str, list[str]] = {}
        for name, run in zip(self.names, self.runs, strict=True):
            for note in run.notes:
                found.setdefault(note, []).append(name)
        every = len(self.runs)
        notes = [note if len(names) == every else f"{', '.join(names)}: {note}" for note, names in found.items()]
        pairs = combinations(self.names, 2)
        return notes + resampling_note(self) + [said for pair in pairs if (said := same_answers(self, *pair))]

    def _two(self, a: str | None, b: str | None) -> tuple[Evaluation, Evaluation]:
        """Return the two runs of these names; the first and the second where none is given."""
        if len(self.runs) < 2:
            raise InvalidInputError("expected two models. Received: one. Compare it with another.")
        return self.run(a or self.names[0]), self.run(b or self.names[1])


def _classes(run: Evaluation) -> str:
    shown = ", ".join(run.class_names[:3]) + (", ..." if len(run.class_names) > 3 else "")
    return f"{run.name} with {len(run.class_names)} ({shown})"


def best_first(runs: Sequence[Evaluation]) -> list[int]:
    """Return the places of runs in the order of `Comparison.table`: accuracy, then log loss, then as given."""
    figures = [overall_figures(run.counts()) for run in runs]
    losses = [each["log_loss"] for each in figures]
    keys = [(-each["accuracy"], loss != loss, loss) for each, loss in zip(figures, losses, strict=True)]
    return sorted(range(len(runs)), key=lambda place: keys[place])


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
