"""How well a model's probabilities tell classes apart, and right answers from wrong ones."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import CheckNotApplicable, InvalidInputError
from diag.io import store
from diag.metrics.curves import (
    Separation,
    auc_interval,
    influence_variance,
    logit_interval,
    precision_at,
    precision_interval,
    precision_recall_points,
    roc_points,
    separation,
)
from diag.metrics.ranking import coverage_curve, selective_figures, top_k_accuracy
from diag.results.probabilities import content, sampled, sampled_rows, sampling_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.evaluation import Evaluation

    Average = Literal["macro", "micro"]

AVERAGES: tuple[Average, ...] = ("macro", "micro")
AREAS = ("auc", "auc_low", "auc_high", "average_precision", "average_precision_low", "average_precision_high")
_GRID = np.linspace(0, 1, 101)
_VERSION = 2


@dataclass(frozen=True, slots=True, eq=False)
class Discrimination:
    """ROC and precision-recall of every class against the rest, top-k accuracy, and accuracy by coverage.

    Parameters
    ----------
    run : Evaluation
    areas : ndarray of float64, shape (k + 2, 6)
        Rows are the classes, then the macro and the micro average; columns are `AREAS`. NaN where undefined.
    curves : mapping of (str, str) to ndarray of float64, shape (2, m)
        ``("roc", average)``: false and true positive rate; ``("pr", average)``: recall and precision. Empty without
        probabilities.
    selective : mapping of str to float
        See `diag.metrics.ranking.selective_figures`.
    n_used : int
        Samples behind `areas` and `curves`.
    notes : tuple of str
    seed : int
    """

    run: Evaluation
    areas: NDArray[np.float64]
    curves: Mapping[tuple[str, str], NDArray[np.float64]]
    selective: Mapping[str, float]
    n_used: int
    notes: tuple[str, ...]
    seed: int

    @property
    def name(self) -> str:
        """The model's name."""
        return self.run.name

    def figures(self) -> dict[str, float]:
        """Return the areas of both averages (``macro_auc`` ...) and the figures of selective prediction."""
        areas = {
            f"{average}_{name}": float(value)
            for average, row in zip(AVERAGES, self.areas[-2:], strict=True)
            for name, value in zip(AREAS, row, strict=True)
        }
        return {**areas, **self.selective}

    def frame(self) -> pd.DataFrame:
        """Return `figures` as one row; index ``model``."""
        import pandas as pd

        return pd.DataFrame([{"model": self.name, **self.figures()}]).set_index("model")

    def class_frame(self) -> pd.DataFrame:
        """Return one row a class, lowest AUC first: ``class_number``, ``count``, and the columns of `AREAS`.

        Returns
        -------
        DataFrame
            Index ``class``. ``count``: images of the class among those behind the areas (all of its images where there
            are no areas). AUC has DeLong's interval, widened where images are few (see
            `diag.metrics.curves.auc_interval`), average precision the infinitesimal jackknife's, on the logit scale;
            all are shares 0..1. Classes without samples, or with all of them, have NaN and come last.
        """
        import pandas as pd

        frame = pd.DataFrame(self.areas[:-2], columns=list(AREAS), index=pd.Index(self.run.class_names, name="class"))
        frame.insert(0, "class_number", np.arange(len(frame)))
        y_true = self.run.samples["y_true"]
        used = y_true[sampled_rows(self.run, self.seed)] if self.n_used else y_true
        frame.insert(1, "count", np.bincount(used, minlength=len(frame)))
        return frame.sort_values("auc", kind="stable")

    def share(self, number: int) -> float:
        """Return a class's share of the images behind the areas: the precision of a model that knows nothing."""
        return float((self.run.samples["y_true"][sampled_rows(self.run, self.seed)] == number).mean())

    def averages_frame(self) -> pd.DataFrame:
        """Return the columns of `AREAS` for the macro average (each class counts alike) and the micro average."""
        import pandas as pd

        return pd.DataFrame(self.areas[-2:], columns=list(AREAS), index=pd.Index(AVERAGES, name="average"))

    def roc_frame(self, which: int | Average = "macro", points: int = 200) -> pd.DataFrame:
        """Return points of a ROC curve: ``false_positive_rate``, ``true_positive_rate``, and a class's ``threshold``.

        Parameters
        ----------
        which : int, "macro" or "micro"
            A class's number, or an average.
        points : int
            About how many of a class's curve, at least 42.

        Raises
        ------
        CheckNotApplicable
            If the probabilities were not kept.
        """
        return self._frame(which, "roc", ("false_positive_rate", "true_positive_rate"), points)

    def precision_recall_frame(self, which: int | Average = "macro", points: int = 200) -> pd.DataFrame:
        """Return points of a precision-recall curve: ``recall``, ``precision``, and a class's ``threshold``."""
        return self._frame(which, "pr", ("recall", "precision"), points)

    def top_k_frame(self) -> pd.DataFrame:
        """Return ``k``, ``accuracy`` of the first k classes, ``accuracy_low`` and ``accuracy_high`` (Wilson, 95 %)."""
        import pandas as pd

        return pd.DataFrame(top_k_accuracy(self.run.samples["rank"], self.run.n_classes))

    def coverage_frame(self) -> pd.DataFrame:
        """Return the accuracy of the surest answers by ``coverage`` (see `diag.metrics.ranking.coverage_curve`)."""
        import pandas as pd

        return pd.DataFrame(coverage_curve(self.run.samples["confidence"], self.run.correct_mask))

    def _frame(self, which: int | str, kind: str, columns: tuple[str, str], points: int) -> pd.DataFrame:
        import pandas as pd

        rows = sampled_rows(self.run, self.seed)
        if which in AVERAGES:
            return pd.DataFrame(dict(zip(columns, self.curves[kind, str(which)], strict=True)))
        if not isinstance(which, int | np.integer) or not 0 <= which < self.run.n_classes:
            raise InvalidInputError(
                f"which: expected a class from 0 to {self.run.n_classes - 1}, 'macro' or 'micro'. Received: {which!r}."
            )
        make = roc_points if kind == "roc" else precision_recall_points
        score = np.asarray(self.run.proba)[rows, which]
        return pd.DataFrame(make(score, self.run.samples["y_true"][rows] == which, max(points // 2, 21)))


def discrimination(run: Evaluation, seed: int = 0, cache: bool = True) -> Discrimination:
    """Measure how well a model's probabilities tell classes apart.

    Parameters
    ----------
    run : Evaluation
    seed : int
        Of the bootstrap, and of the choice of samples where there are very many.
    cache : bool
        Look the result up by the run's answers, and keep it.

    Returns
    -------
    Discrimination
    """
    key = content(run, what="discrimination", version=_VERSION, seed=seed)
    entry = store.load("calibrations", key) if cache else None
    if entry is None:
        entry = _measured(run, seed)
        if cache:
            store.save("calibrations", key, entry)
    curves: dict[tuple[str, str], NDArray[np.float64]] = {
        (kind, average): entry.arrays[f"{kind}_{average}"]
        for kind in ("roc", "pr")
        for average in AVERAGES
        if f"{kind}_{average}" in entry.arrays
    }
    return Discrimination(
        run=run,
        areas=entry.arrays["areas"],
        curves=MappingProxyType(curves),
        selective=MappingProxyType(dict(entry.meta["selective"])),
        n_used=int(entry.meta["n_used"]),
        notes=tuple(entry.meta["notes"]),
        seed=seed,
    )


def _measured(run: Evaluation, seed: int) -> store.Entry:
    selective = selective_figures(run.samples["confidence"], run.correct_mask, seed)
    arrays: dict[str, NDArray[np.float64]] = {"areas": np.full((run.n_classes + 2, len(AREAS)), np.nan)}
    used = 0
    notes: tuple[str, ...] = ()
    try:
        rows, y_true, proba = sampled(run, seed)
        used = len(rows)
        notes = sampling_note(run, used, "ROC and precision-recall")
        arrays = _class_curves(y_true, proba)
    except CheckNotApplicable as reason:
        notes = (str(reason),)
    for array in arrays.values():
        array.flags.writeable = False
    return store.Entry(meta={"selective": selective, "n_used": used, "notes": notes}, arrays=arrays)


def _class_curves(y_true: NDArray[Any], proba: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return the areas of all classes and averages, and the averages' curves."""
    n, k = proba.shape
    rows, roc, pr = [], [], []
    auc_influence, ap_influence = np.zeros(n), np.zeros(n)
    for number in range(k):
        score, positive = np.ascontiguousarray(proba[:, number]), y_true == number
        found = separation(score, positive)
        count = int(positive.sum())
        rows.append(
            np.array(
                [
                    found.auc,
                    *auc_interval(found.auc, found.auc_variance, count, n - count),
                    found.average_precision,
                    *precision_interval(found.average_precision, influence_variance(found.ap_influence), count),
                ]
            )
        )
        if not positive.any() or positive.all():
            continue
        auc_influence += found.auc_influence
        ap_influence += found.ap_influence
        points = roc_points(score, positive)
        roc.append(np.interp(_GRID, points["false_positive_rate"], points["true_positive_rate"]))
        pr.append(precision_at(precision_recall_points(score, positive), _GRID))
    empty = np.full(len(_GRID), np.nan)
    real_count = max(len(roc), 1)
    areas = np.array(rows).reshape(k, len(AREAS))
    # The average is over classes that have both kinds of samples, in both areas.
    real = np.isfinite(areas[:, 0])
    auc, ap = (float(areas[real, place].mean()) if real.any() else float("nan") for place in (0, 3))
    macro = _row(auc, influence_variance(auc_influence / real_count), ap, influence_variance(ap_influence / real_count))
    hits = np.zeros((n, k), dtype=bool)
    hits[np.arange(n), y_true] = True
    pooled, hit = proba.ravel(), hits.ravel()
    together = separation(pooled, hit)
    micro_roc, micro_pr = roc_points(pooled, hit), precision_recall_points(pooled, hit)
    return {
        "areas": np.vstack([areas, macro, _micro(together, n, k)]),
        "roc_macro": np.stack([_GRID, np.mean(roc, axis=0) if roc else empty]),
        "pr_macro": np.stack([_GRID, np.mean(pr, axis=0) if pr else empty]),
        "roc_micro": np.stack([micro_roc["false_positive_rate"], micro_roc["true_positive_rate"]]),
        "pr_micro": np.stack([micro_pr["recall"], micro_pr["precision"]]),
    }


def _micro(found: Separation, n: int, k: int) -> NDArray[np.float64]:
    """Return the areas of all pairs of sample and class together.

    A sample's k scores belong together: Obuchowski (1997), Nonparametric analysis of clustered ROC curve data.
    Biometrics 53, 567-578.
    """
    auc, ap = (part.reshape(n, k).sum(axis=1) / max(k, 1) for part in (found.auc_influence, found.ap_influence))
    return _row(found.auc, influence_variance(auc), found.average_precision, influence_variance(ap))


def _row(auc: float, auc_variance: float, ap: float, ap_variance: float) -> NDArray[np.float64]:
    return np.array([auc, *logit_interval(auc, auc_variance), ap, *logit_interval(ap, ap_variance)])
