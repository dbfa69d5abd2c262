"""Several models on the same samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.metrics.comparison import holm_adjust, mcnemar_exact, paired_difference_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from diag.results.evaluation import Evaluation

LEVEL = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Evaluations of several models on the same samples.

    Parameters
    ----------
    runs : tuple of Evaluation
        At least one, all on data with the same digest.
    names : tuple of str
        One a run, all different.
    """

    runs: tuple[Evaluation, ...]
    names: tuple[str, ...]

    @classmethod
    def from_runs(cls, runs: Sequence[Evaluation]) -> Comparison:
        """Check that the runs belong together, and give each a name of its own.

        Raises
        ------
        InvalidInputError
            If there is no run, or runs are on different samples or classes.
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
        return cls(runs=tuple(runs), names=_unique_names(runs))

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

    def table(self) -> pd.DataFrame:
        """Return `Evaluation.summary` of every run, best accuracy first (ties by log loss)."""
        import pandas as pd

        rows = [{**run.figures(), "model": name} for run, name in zip(self.runs, self.names, strict=True)]
        frame = pd.DataFrame(rows).set_index("model")
        return frame.sort_values(["accuracy", "log_loss"], ascending=[False, True], kind="stable")

    def pairs(self) -> pd.DataFrame:
        """Return one row a pair of models: the 2x2 table, the difference in accuracy, and McNemar's exact test.

        Returns
        -------
        DataFrame
            ``a``, ``b``, ``both_right``, ``only_a``, ``only_b``, ``both_wrong``, ``difference`` (accuracy of a minus
            that of b) with ``difference_low`` and ``difference_high`` (95 %, Agresti & Min 2005), ``p_value``
            (McNemar, exact, two-sided) and ``p_adjusted`` (Holm, over all pairs).
        """
        import pandas as pd

        rows = []
        for first, second in combinations(range(len(self.runs)), 2):
            a, b = self.runs[first].correct_mask, self.runs[second].correct_mask
            only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
            difference, low, high = paired_difference_interval(len(a), only_a, only_b)
            rows.append(
                {
                    "a": self.names[first],
                    "b": self.names[second],
                    "both_right": int((a & b).sum()),
                    "only_a": only_a,
                    "only_b": only_b,
                    "both_wrong": int((~a & ~b).sum()),
                    "difference": difference,
                    "difference_low": low,
                    "difference_high": high,
                    "p_value": mcnemar_exact(only_a, only_b),
                }
            )
        frame = pd.DataFrame(rows, columns=_PAIR_COLUMNS[:-1])
        frame["p_adjusted"] = holm_adjust(frame["p_value"].tolist())
        return frame

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
        if len(self.runs) < 2:
            raise InvalidInputError("disagreements: expected two models. Received: one.")
        names = a or self.names[0], b or self.names[1]
        first, second = (self.run(name).frame() for name in names)
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

    def verdict(self) -> str:
        """Return one or two sentences: which model is best, and which the data cannot separate from it."""
        table = self.table()
        best = str(table.index[0])
        accuracy = {str(key): float(value) for key, value in table.iloc[0].items()}
        head = (
            f"{best}: {accuracy['accuracy']:.1%} of {int(accuracy['n']):,} images right "
            f"(95% interval {accuracy['accuracy_low']:.1%} to {accuracy['accuracy_high']:.1%})."
        )
        if len(self.runs) == 1:
            return head
        worse, tied = self._against(best)
        parts = [head]
        if not worse:
            shared = float(table["accuracy"].iloc[1]) == float(table["accuracy"].iloc[0])
            lead = "No other has a higher accuracy" if shared else "It has the highest accuracy"
            parts.append(
                f"{lead}, but the data cannot separate it from {_listed(tied)} "
                "(McNemar's exact test, Holm, 5%): do not choose by this table alone."
            )
        elif tied:
            parts.append(
                f"It is better than {_listed(worse)}; the data cannot separate it from {_listed(tied)} "
                "(McNemar's exact test, Holm, 5%)."
            )
        else:
            parts.append(f"It is better than {_listed(worse)} (McNemar's exact test, Holm, 5%).")
        return " ".join(parts)

    def notes(self) -> list[str]:
        """Return what was assumed; a sentence that does not hold for every model names its own."""
        found: dict[str, list[str]] = {}
        for name, run in zip(self.names, self.runs, strict=True):
            for note in run.notes:
                found.setdefault(note, []).append(name)
        every = len(self.runs)
        return [note if len(names) == every else f"{', '.join(names)}: {note}" for note, names in found.items()]

    def _against(self, best: str) -> tuple[list[str], list[str]]:
        """Return the models that `best` beats and those it ties with, in the order of the table."""
        pairs = self.pairs()
        p_value = {
            (row["b"] if row["a"] == best else row["a"]): float(row["p_adjusted"])
            for row in pairs.to_dict("records")
            if best in (row["a"], row["b"])
        }
        others = [str(name) for name in self.table().index if name != best]
        worse = [name for name in others if p_value[name] < LEVEL]
        return worse, [name for name in others if p_value[name] >= LEVEL]


_PAIR_COLUMNS = [
    "a",
    "b",
    "both_right",
    "only_a",
    "only_b",
    "both_wrong",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
]


def _classes(run: Evaluation) -> str:
    shown = ", ".join(run.class_names[:3]) + (", ..." if len(run.class_names) > 3 else "")
    return f"{run.name} with {len(run.class_names)} ({shown})"


def _unique_names(runs: Sequence[Evaluation]) -> tuple[str, ...]:
    """Return the runs' names; equal ones get their file's name, then a number."""
    names = [run.name for run in runs]
    for renamed in (
        [f"{run.name} ({run.model.path.name})" for run in runs],
        [str(run.model.path) for run in runs],
    ):
        counts = Counter(names)
        names = [new if counts[old] > 1 else old for new, old in zip(renamed, names, strict=True)]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return tuple(unique)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
