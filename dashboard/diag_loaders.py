"""Everything that is loaded or computed, kept between runs.

Results are frozen and read-only, so they are shared instead of copied.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from diag_added import admitted
from diag_arguments import admit, arguments, roots, upload_folder
from diag_loaders_kept import kept
from diag_sidebar import sidebar
from diag_state import get, plain, put

import diag
from diag.checks.api import kept_diagnosis
from diag.errors import DataError, DiagError
from diag.explain.background import stratified
from diag.explain.logits import logit_maps
from diag.io.pairing import data_for
from diag.worker.roots import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results import (
        Activations,
        Attribution,
        Comparison,
        Diagnosis,
        Evaluation,
        Faithfulness,
        MeanMaps,
        Prototypes,
    )

BACKGROUND, FEW, SAMPLE = 50, 20, 200
"""References for one image, references for many of them, and how many that are."""
CHECK = {"n": 20, "background": BACKGROUND, "seed": 0}


@kept()
def load_model(path: str, stamp: int) -> Model:
    """Return a model; `stamp` is its file's time, so that a new file is read again."""
    model = diag.load_model(path, trust=arguments().trust)
    admit_card(model)
    return model


def admit_card(model: Model) -> None:
    """Refuse a card that names data or a history outside the folders that this server shows.

    Raises
    ------
    DataError
        Naming the card.
    """
    for each in (model, *model.members):
        if each.card.source is not None:
            admit(each.card.source)
        if each.card.history is not None and not inside(each.card.history, [*roots(), upload_folder()]):
            raise DataError(
                f"{each.path.stem}.toml: expected a history in the folders that this server shows. Received: a path "
                "that leads outside. Whoever runs the server can add its folder by the option --root FOLDER."
            )


@kept("Reading the data")
def load_data(paths: tuple[str, ...], stamps: tuple[int, ...], source: str) -> Dataset:
    """Return the data that all models are judged on; `source` is an `admitted` one."""
    models = [load_model(path, stamp) for path, stamp in zip(paths, stamps, strict=True)]
    return data_for(models, source or None)


@kept()
def load_run(path: str, stamp: int, digest: str, _data: Dataset) -> Evaluation:
    """Return a model's evaluation; from diag's cache on disk it comes without TensorFlow."""
    model = load_model(path, stamp)
    with progress(f"Evaluating {model.name}") as done:
        return diag.evaluate(model, _data, progress=done)


def identity(run: Evaluation) -> str:
    """Return what a model's maps depend on: its file, its preprocessing, and the data."""
    return f"{run.model.digest} {run.model.preprocessing.to_dict()} {run.data.digest}"


def load_comparison(runs: list[Evaluation]) -> Comparison:
    """Return the models side by side; what it computes once is kept with it."""
    return _load_comparison(" ".join(identity(run) for run in runs), runs)


@kept()
def _load_comparison(key: str, _runs: list[Evaluation]) -> Comparison:
    return diag.compare(_runs)


def load_attribution(run: Evaluation, index: int, outputs: tuple[int, ...], target: str, method: str) -> Attribution:
    """Return the maps of one image."""
    return _load_attribution(identity(run), index, outputs, target, method, run)


@kept("Explaining")
def _load_attribution(
    key: str, index: int, outputs: tuple[int, ...], target: Any, method: Any, _run: Evaluation
) -> Attribution:
    return diag.explain(_run.model, _run.data, [index], BACKGROUND, outputs, target=target, method=method)


def load_proba(run: Evaluation, index: int) -> NDArray[np.float32]:
    """Return a model's probabilities of one image, shape (k,); predicted again where they were too many to keep."""
    return run.proba[index] if run.proba is not None else _load_proba(identity(run), index, run)


@kept()
def _load_proba(key: str, index: int, _run: Evaluation) -> NDArray[np.float32]:
    return _run.model.predict_proba(np.asarray(_run.data.images[index : index + 1]))[0]


def load_faithfulness(run: Evaluation) -> Faithfulness:
    """Return the checks of a model's maps."""
    return _load_faithfulness(identity(run), run)


@kept()
def _load_faithfulness(key: str, _run: Evaluation) -> Faithfulness:
    with progress(f"Checking the maps of {_run.name}") as report:
        return diag.faithfulness(_run.model, _run.data, progress=report, **CHECK)


def load_mean_maps(run: Evaluation, cell: tuple[int, int] | None = None) -> MeanMaps:
    """Return the mean maps of the images taken for each class, or those of one cell of the confusion matrix.

    From a seeded sample of at most `SAMPLE` images. An error is shown by "predicted rather than true".
    """
    return _load_mean_maps(identity(run), cell, run)


@kept()
def _load_mean_maps(key: str, cell: tuple[int, int] | None, _run: Evaluation) -> MeanMaps:
    column = _run.samples["y_pred"]
    rows = np.arange(len(_run)) if cell is None else _run.cell(*cell)
    rows = np.sort(rows)[stratified(column[np.sort(rows)], min(SAMPLE, len(rows)), 0, len(rows))]
    outputs: Any = "predicted" if cell is None else sorted(set(cell))
    with progress(f"Explaining {len(rows)} images by {_run.name}") as report:
        maps = logit_maps(_run, rows, FEW, outputs=outputs, progress=report)
    if cell is None:
        return diag.mean_maps(maps, by="predicted")
    return diag.mean_maps(maps, by="cell", contrast=cell[0] != cell[1])


def load_prototypes(run: Evaluation, true: str) -> Prototypes:
    """Return the ways of looking at the images of a class."""
    return _load_prototypes(identity(run), true, run)


@kept()
def _load_prototypes(key: str, true: str, _run: Evaluation) -> Prototypes:
    with progress(f"Explaining images by {_run.name}") as report:
        return diag.find_prototypes(_run, true=true, n=SAMPLE, background=FEW, progress=report)


def load_train() -> Dataset | None:
    """Return the training data that was named; None without."""
    return _load_train(admitted(get("train"))) if get("train") else None


@kept("Reading the training data")
def _load_train(source: str) -> Dataset:
    try:
        return diag.load_dataset(source, "train")
    except DataError:
        return diag.load_dataset(source, "all")


def load_diagnosis(comparison: Comparison, name: str, train: Dataset | None) -> Diagnosis:
    """Return what the checks find in a model that is shown beside others."""
    return _load_diagnosis(_diagnosis_key(comparison, name, train), comparison, name, train)


@kept()
def _load_diagnosis(key: str, _comparison: Comparison, _name: str, _train: Dataset | None) -> Diagnosis:
    run = _comparison.run(_name)
    with progress(f"Checking {_name}") as report:
        return diag.diagnose(run.model, run.data, _train, run=run, rivals=_comparison.runs, progress=report)


def known_diagnosis(comparison: Comparison, name: str, train: Dataset | None) -> Diagnosis | None:
    """Return what the checks found in a model before, from diag's cache on disk; None when they have not run."""
    run = comparison.run(name)
    return kept_diagnosis(run.model, run.data, train, run=run, rivals=comparison.runs)


def _diagnosis_key(comparison: Comparison, name: str, train: Dataset | None) -> str:
    rivals = " ".join(identity(run) for run in comparison.runs)
    return f"{identity(comparison.run(name))} {rivals} {train.digest if train is not None else ''}"


@contextlib.contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while something is computed; give what moves it."""
    bar = st.progress(0.0, text=plain(text))
    try:
        yield lambda done, total: bar.progress(min(1.0, done / max(total, 1)), text=plain(text))
    finally:
        bar.empty()


@kept("Running the layers")
def load_activations(digest: str, data_digest: str, index: int, _run: Evaluation) -> Activations:
    """Return the convolution layers' answers to one image."""
    return diag.activations(_run.model, _run.data, indices=[index])


@kept()
def load_kernels(digest: str, _model: Model) -> Any:
    """Return a model's kernels."""
    return diag.kernels(_model)


@kept()
def load_tile(data_digest: str, index: int, side: int, _data: Dataset) -> bytes:
    """Return an image as a PNG of about `side` pixels, enlarged without blur."""
    from diag.views.images import image_png, to_uint8

    image = to_uint8(np.asarray(_data.images[index]))
    factor = max(1, round(side / max(image.shape[:2])))
    return image_png(image.repeat(factor, axis=0).repeat(factor, axis=1))


def open_comparison() -> Comparison | None:
    """Return the chosen models on their data. What cannot be loaded says so in one line; the rest goes on."""
    good: list[tuple[str, int]] = []
    for name, path in sidebar().items():
        try:
            stamp = path.stat().st_mtime_ns if path.exists() else 0
            load_model(str(path), stamp)
            good.append((str(path), stamp))
        except DiagError as error:
            st.error(f"**{plain(name)}** {plain(str(error).removeprefix(f'{path.name}: '))}")
    if not good:
        st.info("No model to show. Choose one on the left, or start with `-- --models FOLDER --data SRC`.")
        return None
    runs = []
    try:
        source = admitted(get("data")) if get("data") else ""
        data = load_data(tuple(path for path, _ in good), tuple(stamp for _, stamp in good), source)
    except DiagError as error:
        st.error(plain(error))
        st.info("Name other data on the left, under *Data*, or bring a file with *Add data*.")
        return None
    for path, stamp in good:
        try:
            runs.append(load_run(path, stamp, data.digest, data))
        except DiagError as error:
            st.error(plain(error))
    try:
        comparison = load_comparison(runs) if runs else None
    except DiagError as error:
        st.error(plain(error))
        return None
    if comparison is not None and get("model") not in comparison.names:
        put("model", comparison.table().index[0])  # the best, as in the report
    return comparison
