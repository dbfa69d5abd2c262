"""How far a model's stated probabilities can be believed, and what one temperature would mend."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import CheckNotApplicable, InvalidInputError
from diag.io import store
from diag.metrics.classwise import ClassBins, brier_parts, classwise_calibration_error
from diag.metrics.reliability import (
    binned_calibration_error,
    calibrated_errors,
    calibration_error_interval,
    calibration_p_value,
    debiased_squared_error,
    equal_mass_bins,
    equal_width_bins,
    overconfidence_interval,
    reliability_bins,
)
from diag.metrics.summaries import N_BINS
from diag.metrics.temperature import TemperatureFit, cross_fit_temperature
from diag.results.calibration_text import sentence
from diag.results.probabilities import content, sampled, sampling_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.evaluation import Evaluation

    Bins = Literal["width", "mass"]

WIDTH_BINS = 20
"""The reliability diagram has bins of 5 points, so that "95 to 100 % sure" is one of them. ECE has its usual 15."""
COLUMNS = (
    "low",
    "high",
    "count",
    "wrong",
    "confidence",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "expected_low",
    "expected_high",
)
_VERSION = 3


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How one model's confidences compare with how often it is right.

    Parameters
    ----------
    run : Evaluation
    values : mapping of str to float
        The figures of `figures`.
    bins : mapping of str to ndarray of float64, shape (10, b)
        ``width`` (20 bins of 5 points), ``mass`` (15 bins of equally many samples at most), and ``scaled`` (as
        ``width``, after temperature scaling; absent without one). Rows are `COLUMNS`.
    classes : ndarray of float64, shape (3, k), or None
        Each class's calibration error, mean probability, and share of the samples. None without probabilities.
    scaled : TemperatureFit or None
        None where no temperature could be fitted.
    rows : ndarray of int64, shape (m,)
        Rows of the samples behind `classes`, `scaled` and the parts of the Brier score.
    notes : tuple of str
    seed : int
    """

    run: Evaluation
    values: Mapping[str, float]
    bins: Mapping[str, NDArray[np.float64]]
    classes: NDArray[np.float64] | None
    scaled: TemperatureFit | None
    rows: NDArray[np.int64]
    notes: tuple[str, ...]
    seed: int

    @property
    def name(self) -> str:
        """The model's name."""
        return self.run.name

    def figures(self) -> dict[str, float]:
        """Return all figures.

        Returns
        -------
        dict of str to float
            ``overconfidence``: mean confidence minus accuracy, -1..1, with ``_low`` and ``_high`` (95 %, see
            `diag.metrics.reliability.overconfidence_interval`).
            ``ece``: expected calibration error over 15 bins of equal width, with ``_low`` and ``_high``;
            ``ece_by_chance``: what a model whose confidences are true would show with as many samples;
            ``ece_p_value``: how often such a model shows at least this much. ``ece_equal_mass``; ``debiased_error``:
            root of the debiased mean squared gap over bins of equal mass; ``classwise_ece``.
            ``brier``; ``log_loss`` in nats. ``brier_of_parts`` = ``reliability`` - ``resolution`` + ``uncertainty`` +
            ``within``: the Brier score of the samples of `rows`, which are all of them unless there are very many.
            ``temperature`` with its lowest and highest over folds (``_low``, ``_high``); ``ece_before``,
            ``log_loss_before``, ``brier_before`` and, on samples that the temperature was not fitted on, ``ece_after``,
            ``log_loss_after``, ``brier_after``. NaN for what could not be computed.
        """
        return dict(self.values)

    def frame(self) -> pd.DataFrame:
        """Return `figures` as one row; index ``model``."""
        import pandas as pd

        return pd.DataFrame([{"model": self.name, **self.values}]).set_index("model")

    def bins_frame(self, kind: Bins | Literal["scaled"] = "width") -> pd.DataFrame:
        """Return the rows of a reliability diagram (see `diag.metrics.reliability.reliability_bins`).

        Returns
        -------
        DataFrame
            ``bin`` and `COLUMNS`; empty bins have NaN. ``gap`` is accuracy minus confidence.

        Raises
        ------
        CheckNotApplicable
            For ``"scaled"`` where no temperature could be fitted.
        """
        import pandas as pd

        if kind not in ("width", "mass", "scaled"):
            raise InvalidInputError(f"kind: expected 'width', 'mass' or 'scaled'. Received: {kind!r}.")
        if kind not in self.bins:
            raise CheckNotApplicable(f"{self.name}: no temperature could be fitted. {' '.join(self.notes)}")
        frame = pd.DataFrame(dict(zip(COLUMNS, self.bins[kind], strict=True)))
        frame = frame.astype({"count": int, "wrong": int})
        frame.insert(0, "bin", np.arange(len(frame)))
        frame["gap"] = frame["accuracy"] - frame["confidence"]
        return frame

    def bin_samples(self, bin: int, wrong: bool | None = True, kind: Bins = "width") -> NDArray[np.int64]:
        """Return the indices of the samples in a bin of confidence, most confident first.

        Parameters
        ----------
        bin : int
            Of `bins_frame`: with ``"width"``, 19 is "95 to 100 % sure".
        wrong : bool or None
            Only wrong answers, only right ones, or all.
        kind : {"width", "mass"}
        """
        confidence = self.run.samples["confidence"]
        total = WIDTH_BINS if kind == "width" else N_BINS
        place = equal_width_bins(confidence, total) if kind == "width" else equal_mass_bins(confidence, total)[0]
        chosen = place == bin
        if wrong is not None:
            chosen &= self.run.correct_mask != wrong
        found = np.flatnonzero(chosen)
        order = np.argsort(-confidence[found], kind="stable")
        indices: NDArray[np.int64] = self.run.samples["index"][found[order]]
        return indices

    def class_frame(self) -> pd.DataFrame:
        """Return one row a class: ``ece``, mean ``probability``, ``share`` of the samples; worst first.

        Raises
        ------
        CheckNotApplicable
            If the probabilities were not kept.
        """
        import pandas as pd

        if self.classes is None:
            raise CheckNotApplicable(" ".join(self.notes))
        names = pd.Index(self.run.class_names, name="class")
        frame = pd.DataFrame(dict(zip(("ece", "probability", "share"), self.classes, strict=True)), index=names)
        return frame.sort_values("ece", ascending=False, kind="stable")

    def temperature_frame(self) -> pd.DataFrame:
        """Return two rows, ``before`` and ``after`` temperature scaling: ``ece``, ``log_loss``, ``brier``."""
        import pandas as pd

        rows = {
            when: {name: self.values[f"{name}_{when}"] for name in ("ece", "log_loss", "brier")}
            for when in ("before", "after")
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("when")

    def sentence(self, name: str | None = None) -> str:
        """Return what the figures say, in two or three sentences; `name`: what to call the model."""
        return sentence(self, name or self.name)


def calibration(run: Evaluation, seed: int = 0, cache: bool = True) -> Calibration:
    """Compare a model's confidences with how often it is right.

    Parameters
    ----------
    run : Evaluation
    seed : int
        Of resampling, folds, and the choice of samples where there are very many.
    cache : bool
        Look the result up by the run's answers, and keep it.

    Returns
    -------
    Calibration

    Examples
    --------
    >>> calibration(run).bin_samples(19)  # 95 to 100 % sure and wrong  # doctest: +SKIP
    """
    key = content(run, what="calibration", version=_VERSION, seed=seed)
    entry = store.load("calibrations", key) if cache else None
    if entry is None:
        entry = _measured(run, seed)
        if cache:
            store.save("calibrations", key, entry)
    arrays, meta = entry.arrays, entry.meta
    fit = None
    if "scaled" in arrays:
        fit = TemperatureFit(meta["values"]["temperature"], tuple(meta["folds"]), *arrays["scaled"])
    return Calibration(
        run=run,
        values=MappingProxyType(dict(meta["values"])),
        bins=MappingProxyType({name[5:]: array for name, array in arrays.items() if name.startswith("bins_")}),
        classes=arrays.get("classes"),
        scaled=fit,
        rows=arrays["rows"],
        notes=tuple(meta["notes"]),
        seed=seed,
    )


def _measured(run: Evaluation, seed: int) -> store.Entry:
    confidence, correct = run.samples["confidence"], run.correct_mask
    edges = np.linspace(0, 1, WIDTH_BINS + 1)
    mass, mass_edges = equal_mass_bins(confidence, N_BINS)
    width = equal_width_bins(confidence, WIDTH_BINS)
    arrays = {
        "bins_width": _stacked(reliability_bins(confidence, correct, width, edges, seed)),
        "bins_mass": _stacked(reliability_bins(confidence, correct, mass, mass_edges, seed)),
        "rows": np.zeros(0, np.int64),
    }
    values = {**dict.fromkeys(_LATER, float("nan")), **_confidence_figures(run, mass, seed)}
    notes: tuple[str, ...] = ()
    folds: tuple[float, ...] = ()
    try:
        rows, y_true, proba = sampled(run, seed)
        notes = sampling_note(run, len(rows), "Temperature, classwise error and the parts of the Brier score")
        arrays["rows"] = rows
        parts, arrays["classes"] = _class_figures(y_true, proba)
        values |= parts
        fit = cross_fit_temperature(y_true, proba, seed)
        folds = fit.fold_temperatures
        values |= _temperature_figures(run, rows, fit)
        arrays["scaled"] = np.stack([fit.confidence, fit.loss, fit.brier])
        after = equal_width_bins(fit.confidence, WIDTH_BINS)
        arrays["bins_scaled"] = _stacked(reliability_bins(fit.confidence, correct[rows], after, edges, seed))
    except CheckNotApplicable as reason:
        notes = (*notes, str(reason))
    for array in arrays.values():
        array.flags.writeable = False
    return store.Entry(meta={"values": values, "folds": folds, "notes": notes}, arrays=arrays)


_LATER: tuple[str, ...] = (
    "classwise_ece",
    "brier",
    "brier_of_parts",
    "reliability",
    "resolution",
    "uncertainty",
    "within",
    "temperature",
)
_LATER += ("temperature_low", "temperature_high")
_LATER += tuple(f"{name}_{when}" for name in ("ece", "log_loss", "brier") for when in ("before", "after"))


def _confidence_figures(run: Evaluation, mass: NDArray[np.int64], seed: int) -> dict[str, float]:
    """Return what follows from each sample's confidence alone."""
    confidence, correct, n = run.samples["confidence"], run.correct_mask, len(run)
    bins = equal_width_bins(confidence, N_BINS)
    overall = run.figures()
    ece = float(overall["ece"])
    by_chance = calibrated_errors(confidence, bins, seed)
    low, high = calibration_error_interval(confidence, correct, bins, seed, by_chance)
    gap = overconfidence_interval(confidence, correct)
    squared = debiased_squared_error(confidence, correct, mass)
    return {
        **dict(zip(("overconfidence", "overconfidence_low", "overconfidence_high"), gap, strict=True)),
        "ece": ece,
        "ece_low": low,
        "ece_high": high,
        "ece_by_chance": float(by_chance.mean()) if n else float("nan"),
        "ece_p_value": calibration_p_value(ece, by_chance),
        "ece_equal_mass": binned_calibration_error(confidence, correct, mass),
        "debiased_error": float(np.sqrt(np.maximum(squared, 0.0))),
        "log_loss": float(overall["log_loss"]),
        "brier": float(overall["brier"]),
    }


def _class_figures(y_true: NDArray[Any], proba: NDArray[Any]) -> tuple[dict[str, float], NDArray[np.float64]]:
    sums = ClassBins.from_probabilities(y_true, proba)
    errors = classwise_calibration_error(sums)
    parts = brier_parts(sums)
    parts["brier_of_parts"] = parts.pop("brier")
    with np.errstate(invalid="ignore"):
        stated, shares = (part.sum(axis=1) / np.float64(sums.n or np.nan) for part in (sums.total, sums.hits))
    return {"classwise_ece": float(errors.mean()), **parts}, np.stack([errors, stated, shares])


def _temperature_figures(run: Evaluation, rows: NDArray[np.int64], fit: TemperatureFit) -> dict[str, float]:
    confidence, correct = run.samples["confidence"][rows], run.correct_mask[rows]
    return {
        "temperature": fit.temperature,
        "temperature_low": min(fit.fold_temperatures),
        "temperature_high": max(fit.fold_temperatures),
        "ece_before": binned_calibration_error(confidence, correct, equal_width_bins(confidence, N_BINS)),
        "ece_after": binned_calibration_error(fit.confidence, correct, equal_width_bins(fit.confidence, N_BINS)),
        "log_loss_before": float(run.samples["loss"][rows].mean()),
        "log_loss_after": float(fit.loss.mean()),
        "brier_before": float(run.samples["brier"][rows].mean()),
        "brier_after": float(fit.brier.mean()),
    }


def _stacked(rows: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    return np.stack([np.asarray(rows[name], dtype=np.float64) for name in COLUMNS])
