"""How the models of a comparison were trained: their histories side by side, and what each shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import CheckNotApplicable, DiagError, InvalidInputError
from diag.io.arguments import require
from diag.metrics.training_curves import (
    Curves,
    accuracy_gap,
    given_away,
    latest,
    loss_rise,
    matching_epoch,
    training_curves,
)
from diag.results.training_signs import Sign, training_signs

if TYPE_CHECKING:
    import pandas as pd

    from diag.io.histories import History
    from diag.results.comparison import Comparison
    from diag.results.evaluation import Evaluation

Saved = Literal["best", "last", "best and last", "another", "cannot tell"]
MAX_ROWS = 5000
"""Rows of `Training.curves`: with more, epochs between are left out."""
_RATES = ("learning_rate", "lr")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRun:
    """One model's training.

    Parameters
    ----------
    name : str
    history : History or None
        None where there is none that can be read.
    reason : str
        Why there is none; empty where there is.
    drawn : Curves or None
        Loss and accuracy.
    best : int or None
        The best epoch, from 1: lowest validation loss, without one highest validation accuracy; None without
        validation figures.
    saved : str
        Which epoch the file holds, as far as the data can tell: ``"best"``, ``"last"``, ``"best and last"`` (they are
        the same), ``"another"`` or ``"cannot tell"``.
    saved_epoch : int or None
        From 1.
    saved_reason : str
        One sentence.
    signs : tuple of Sign
        What is worth knowing, the most important first.
    """

    name: str
    history: History | None
    reason: str
    drawn: Curves | None
    best: int | None
    saved: Saved
    saved_epoch: int | None
    saved_reason: str
    signs: tuple[Sign, ...]

    def figures(self) -> dict[str, Any]:
        """Return the row of `Training.frame` as a dict."""
        drawn, best = self.drawn, self.best
        row: dict[str, Any] = {"model": self.name, "epochs": 0 if self.history is None else self.history.n_epochs}
        row["best_epoch"] = np.nan if best is None else float(best)
        for key in ("val_loss", "val_accuracy"):
            values = None if drawn is None else getattr(drawn, key)
            row[f"best_{key}"] = np.nan if values is None or best is None else float(values[best - 1])
            row[f"last_{key}"] = np.nan if values is None else latest(values)
        row["gap_best"] = np.nan if drawn is None or best is None else accuracy_gap(drawn, best - 1)
        row["gap_last"] = np.nan if drawn is None else accuracy_gap(drawn, -1)
        row["loss_rise"] = np.nan if drawn is None or drawn.val_loss is None else loss_rise(drawn)
        row |= {"saved": self.saved, "saved_epoch": np.nan if self.saved_epoch is None else float(self.saved_epoch)}
        row["saved_reason"] = self.saved_reason
        row["signs"] = " ".join(sign.text for sign in self.signs)
        return row


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """The histories of several models.

    Parameters
    ----------
    runs : tuple of TrainingRun
        In the order of the models, those without a history among them.
    """

    runs: tuple[TrainingRun, ...]

    @property
    def told(self) -> tuple[TrainingRun, ...]:
        """The runs that have a history."""
        return tuple(run for run in self.runs if run.history is not None)

    def frame(self) -> pd.DataFrame:
        """Return one row a model that has a history.

        Returns
        -------
        DataFrame
            ``model``, ``epochs``, ``best_epoch`` (from 1; NaN without validation figures), ``best_val_loss``,
            ``last_val_loss``, ``best_val_accuracy``, ``last_val_accuracy`` (at the best and the last epoch
            that has such figures),
            ``gap_best``, ``gap_last`` (training minus validation accuracy), ``loss_rise`` (last validation loss over
            the lowest), ``saved``, ``saved_epoch``, ``saved_reason`` and ``signs`` (sentences).
        """
        import pandas as pd

        return pd.DataFrame([run.figures() for run in self.told], columns=_COLUMNS)

    def metrics(self) -> list[str]:
        """Return the metrics that any history has, without ``val_``: loss, accuracy, others, the learning rate last."""
        found = {
            metric: None
            for run in self.told
            for metric in (run.history.frame()["metric"].unique() if run.history is not None else ())
        }
        order = {"loss": 0, "accuracy": 1, **dict.fromkeys(_RATES, 3)}
        return sorted(found, key=lambda name: order.get(name, 2))

    def curves(self, metric: str | None = None, max_rows: int = MAX_ROWS) -> pd.DataFrame:
        """Return the curves of all models.

        Parameters
        ----------
        metric : str, optional
            One of `metrics`; all when left out.
        max_rows : int
            With more rows, epochs between are left out, evenly; the first, the best and the last stay.

        Returns
        -------
        DataFrame
            ``model``, ``epoch`` (from 1), ``metric``, ``split`` (``train`` or ``validation``), ``value`` and ``best``
            (whether it is the model's best epoch). Epochs without a value are left out.
        """
        frame = training_frame({run.name: run.history for run in self.told if run.history is not None})
        frame = frame.rename(columns={"run": "model"})
        if metric is not None:
            frame = frame[frame["metric"] == metric]
        best = {run.name: run.best for run in self.told}
        frame = frame.assign(best=frame["epoch"] == frame["model"].map(best).astype(float))
        return self._thinned(frame, max_rows).reset_index(drop=True)

    def gaps(self, max_rows: int = MAX_ROWS) -> pd.DataFrame:
        """Return training minus validation accuracy by epoch, of the models and at the epochs that have both.

        Returns
        -------
        DataFrame
            ``model``, ``epoch`` (from 1), ``gap`` (a share, positive when training is better) and ``best``.
        """
        import pandas as pd

        parts = []
        for run in self.told:
            drawn = run.drawn
            if drawn is None or drawn.accuracy is None or drawn.val_accuracy is None:
                continue
            epochs = np.arange(1, len(drawn.accuracy) + 1)
            gap = drawn.accuracy - drawn.val_accuracy
            parts.append(pd.DataFrame({"model": run.name, "epoch": epochs, "gap": gap, "best": epochs == run.best}))
        parts = [part[np.isfinite(part["gap"])] for part in parts]
        frame = pd.concat(parts) if parts else pd.DataFrame(columns=["model", "epoch", "gap", "best"])
        return self._thinned(frame, max_rows).reset_index(drop=True)

    def signs(self) -> pd.DataFrame:
        """Return one row a sign: ``model``, ``sign`` (its key), ``severity`` (``warning`` or ``note``), ``text``."""
        import pandas as pd

        rows = [
            {"model": run.name, "sign": sign.key, "severity": sign.severity, "text": sign.text}
            for run in self.told
            for sign in run.signs
        ]
        return pd.DataFrame(rows, columns=["model", "sign", "severity", "text"])

    def notes(self) -> list[str]:
        """Return what a reader has to know: models without a history, and what was met in files."""
        missing: dict[str, list[str]] = {}
        for run in self.runs:
            if run.history is None:
                missing.setdefault(run.reason, []).append(run.name)
        said = [f"{'; '.join(names)}: {reason}" for reason, names in missing.items()]
        return said + [f"{run.name}: {note}" for run in self.told if run.history for note in run.history.notes]

    def _thinned(self, frame: pd.DataFrame, max_rows: int) -> pd.DataFrame:
        """Return at most so many rows; the same epochs of every curve, and each model's best and last one."""
        if len(frame) <= max_rows:
            return frame
        last = frame.groupby("model")["epoch"].transform("max")
        kept = frame["best"] | (frame["epoch"] == 1) | (frame["epoch"] == last)
        step = int(np.ceil((len(frame) - kept.sum()) / max(1, max_rows - int(kept.sum()))))
        return frame[kept | (frame["epoch"] % step == 0)].head(max_rows)


_COLUMNS = [
    "model", "epochs", "best_epoch", "best_val_loss", "last_val_loss", "best_val_accuracy", "last_val_accuracy",
    "gap_best", "gap_last", "loss_rise", "saved", "saved_epoch", "saved_reason", "signs",
]  # fmt: skip


def training(source: Comparison | Mapping[str, History]) -> Training:
    """Read how models were trained.

    Parameters
    ----------
    source : Comparison or mapping of str to History
        Models whose cards name a history; or histories by name, as `diag.load_history` gives them, without models.

    Returns
    -------
    Training
        Models without a history, or with one that cannot be read, are kept with the reason.

    Raises
    ------
    InvalidInputError
        If the mapping is empty, or `source` is another thing.

    Notes
    -----
    Which epoch a file holds is claimed only where the data are the validation data: where log loss and accuracy agree
    with those of one epoch and of no other. On other images nothing is claimed: the test accuracy of the best epoch is
    often below its validation accuracy, by which it was chosen, and so looks like that of a worse one.

    Examples
    --------
    >>> trained = training(comparison)  # doctest: +SKIP
    >>> trained.frame()[["model", "best_epoch", "gap_best", "saved"]]  # doctest: +SKIP
    """
    from diag.results.comparison import Comparison

    if isinstance(source, Comparison):
        named = zip(source.names, source.runs, strict=True)
        return Training(tuple(_of_model(name, run) for name, run in named))
    require(source, Mapping, "training", "a comparison or histories by name: diag.compare(runs)")
    if not source:
        raise InvalidInputError("training: expected at least one history. Received: none.")
    return Training(tuple(_told(name, history, None) for name, history in source.items()))


def training_frame(histories: Mapping[str, History]) -> pd.DataFrame:
    """Return histories as one tidy table.

    Parameters
    ----------
    histories : mapping of str to History

    Returns
    -------
    DataFrame
        ``run``, ``epoch`` (from 1), ``metric`` (without ``val_``), ``split`` (``train`` or ``validation``) and
        ``value``; epochs without a value are left out.
    """
    import pandas as pd

    columns = ["run", "epoch", "metric", "split", "value"]
    parts = [history.frame().assign(run=name) for name, history in histories.items()]
    if not parts:
        return pd.DataFrame(columns=columns)
    frame = pd.concat(parts, ignore_index=True)
    known: pd.DataFrame = frame.loc[np.isfinite(frame["value"]), columns]
    return known.reset_index(drop=True)


def _of_model(name: str, run: Evaluation) -> TrainingRun:
    from diag.io.histories import load_history

    path = getattr(getattr(run.model, "card", None), "history", None)
    if path is None:
        return _untold(name, "The model card names no training history.")
    try:
        history = load_history(path)
    except DiagError as error:
        return _untold(name, str(error).replace(str(path), path.name))
    return _told(name, history, run)


def _untold(name: str, reason: str) -> TrainingRun:
    return TrainingRun(name, None, reason, None, None, "cannot tell", None, reason, ())


def _told(name: str, history: History, run: Evaluation | None) -> TrainingRun:
    drawn = training_curves(history.columns)
    try:
        best: int | None = drawn.best + 1
    except CheckNotApplicable:
        best = None
    saved, epoch, reason = _saved(drawn, best, run)
    given = None if epoch is None or best is None else given_away(drawn, epoch - 1, best - 1)
    signs = training_signs(drawn, best, epoch, given)
    return TrainingRun(name, history, "", drawn, best, saved, epoch, reason, signs)


def _saved(drawn: Curves, best: int | None, run: Evaluation | None) -> tuple[Saved, int | None, str]:
    """Return which epoch a file holds, its number where it is known, and how one knows."""
    if best is None:
        return "cannot tell", None, "The history holds no validation figures."
    last = drawn.n_epochs
    if best == last:
        return "best and last", last, "The last epoch is the best one."
    if run is None:
        return "cannot tell", None, "There is no model to measure."
    if not len(run):
        return "cannot tell", None, "There are no images to measure with."
    figures = run.figures()
    accuracy = figures["accuracy"]
    match = matching_epoch(drawn, figures["log_loss"], accuracy, run.samples["p_true"])
    if match is not None:
        found: Saved = "best" if match + 1 == best else "last" if match + 1 == last else "another"
        return (
            found,
            match + 1,
            f"The file gives the validation loss and accuracy of epoch {match + 1}, and of no other.",
        )
    return (
        "cannot tell",
        None,
        f"No epoch alone has the loss of {figures['log_loss']:.3f} and the accuracy of {accuracy:.1%} measured here: "
        "these are not the validation images.",
    )
