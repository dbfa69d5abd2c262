"""Evaluating on this machine, batch by batch, with the cache."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.arrays import frozen
from diag.detection import settle
from diag.errors import InvalidInputError
from diag.io import store
from diag.io.arguments import require
from diag.io.datasets import Dataset
from diag.io.pairing import match_classes
from diag.metrics.comparison import LEVEL, MARGIN
from diag.metrics.samples import sample_columns
from diag.results.comparison import Comparison
from diag.results.evaluation import Evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from diag.io.models import Model

    Progress = Callable[[int, int], None]

PROBA_BYTES = 2**30
"""All probabilities are kept beside the per-sample table while they need no more than this."""
WANTED = "a data set: diag.load_dataset((images, labels))"


def evaluate(
    model: Model,
    data: Dataset,
    batch_size: int = 256,
    cache: bool = True,
    progress: bool | Progress = True,
) -> Evaluation:
    """Ask a model about every image of a labelled data set.

    Parameters
    ----------
    model : Model
    data : Dataset
        With labels. Images are read batch by batch.
    batch_size : int
        Images a batch.
    cache : bool
        Look the result up by content (model bytes, data, preprocessing, library versions), and keep it.
    progress : bool or callable
        ``True``: a bar when standard error is a terminal. A callable gets (images done, images in all).

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        If the data has no labels, or classes that the model does not have.
    InvalidInputError
        If `data` is no data set, the images do not fit the model, or it returns NaN.

    Examples
    --------
    >>> run = evaluate(load_model("cnn.h5"), load_dataset("digits"))  # doctest: +SKIP
    >>> run.summary()  # doctest: +SKIP
    """
    require(data, Dataset, "evaluate", WANTED)
    model, detection, assumed = settle(model, data, cache=cache)
    class_names, y_true, renamed = match_classes(model, data)
    key = store.content_key(
        model=model.digest,
        data=data.digest,
        labels=[int(label) for label in np.unique(y_true)] if len(y_true) else [],
        classes=class_names,
        label_rule=model.label_rule,
        preprocessing=[each.preprocessing.to_dict() for each in model.members] or model.preprocessing.to_dict(),
        head=model.output_notes(),
        versions=_versions(model),
    )
    kept = store.load("evaluations", key) if cache else None
    if kept is None or len(kept.samples.get("index", ())) != len(data):
        kept = _predict(model, data, y_true, len(class_names), batch_size, progress)
        if cache:
            kept = store.save_and_map("evaluations", key, kept)
        from_cache = False
    else:
        from_cache = True
    return Evaluation(
        model=model,
        data=data,
        samples=MappingProxyType(dict(kept.samples)),
        proba=kept.arrays.get("proba"),
        class_names=class_names,
        notes=(*data.notes, *assumed, *renamed),
        seconds=float(kept.meta["seconds"]),
        from_cache=from_cache,
        versions=MappingProxyType(dict(kept.meta["versions"])),
        detection=detection,
    )


def compare(runs: Sequence[Evaluation], level: float = LEVEL, margin: float = MARGIN) -> Comparison:
    """Put evaluations on the same samples side by side.

    Parameters
    ----------
    runs : sequence of Evaluation
    level : float
        The accepted chance of a wrong verdict; intervals of differences cover 1 - level.
    margin : float
        Accuracies that differ by less are equivalent; as a share, 0.005 are 0.5 points.

    Raises
    ------
    InvalidInputError
        If there is none, they are on different samples or classes, or the level or margin is none.
    """
    return Comparison.from_runs(runs, level, margin)


def predict(model: Model, data: Dataset, batch_size: int = 256) -> NDArray[np.float32]:
    """Return class probabilities (n, k) for data that needs no labels; refuse what is no data set."""
    require(data, Dataset, "predict", WANTED)
    return settle(model, data)[0].predict_proba(data.images, batch_size)


def _predict(
    model: Model, data: Dataset, y_true: NDArray[np.int64], k: int, batch_size: int, progress: bool | Progress
) -> store.Entry:
    n = len(data)
    keep = n * k * 4 <= PROBA_BYTES
    parts: list[dict[str, NDArray[Any]]] = []
    probabilities = np.empty((n if keep else 0, k), dtype=np.float32)
    next(model.predict_batches(data.images, 1), None)  # building the network is not part of its speed
    started = time.perf_counter()
    with _reporting(progress, n, model.name) as report:
        for start, proba in model.predict_batches(data.images, batch_size):
            if proba.shape[1] != k:
                raise InvalidInputError(f"{model.name}: expected {k} outputs. Received: {proba.shape[1]}.")
            stop = start + len(proba)
            parts.append(sample_columns(y_true[start:stop], proba, start))
            if keep:
                probabilities[start:stop] = proba
            report(stop, n)
    seconds = time.perf_counter() - started
    samples = {name: frozen(np.concatenate([part[name] for part in parts])) for name in parts[0]}
    arrays = {"proba": frozen(probabilities)} if keep else {}
    return store.Entry(meta={"seconds": seconds, "versions": _versions(model)}, samples=samples, arrays=arrays)


def _versions(model: Model) -> dict[str, str]:
    return store.versions(model.libraries)


class _reporting:  # noqa: N801 - used as a function
    """A context that gives the function to report to: the caller's, a bar on a terminal, or nothing."""

    def __init__(self, progress: bool | Progress, total: int, title: str) -> None:
        self._given = progress
        self._total = total
        self._title = title
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if callable(self._given):
            return self._given
        if self._given:
            from rich.console import Console
            from rich.progress import Progress as Bar

            console = Console(stderr=True)
            if console.is_terminal:
                self._bar = Bar(console=console, transient=True)
                self._bar.start()
                task = self._bar.add_task(self._title, total=self._total)
                return lambda done, total: self._bar.update(task, completed=done, total=total)
        return lambda done, total: None

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
