"""Planting one fault, asking the doctor, and judging the answer."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from . import controls, data_faults, input_faults, label_faults, network_faults, training_faults
from .bench import CONTROLS, FAULTS, Base, Bench, Control, Fault, Specimen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results.diagnosis import Diagnosis
    from diag.results.evaluation import Evaluation

MODULES = (input_faults, label_faults, network_faults, training_faults, data_faults, controls)
RANK = {"note": 1, "warning": 2, "critical": 3}
N_IMAGES = 300


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case.

    Parameters
    ----------
    name, base : str
    found : bool or None
        None for a clean case.
    codes : mapping of str to str
        Each code that was reported, with its highest severity.
    messages : mapping of str to str
        What was said, by code.
    named : str
        Of the images that the finding names, how many were planted.
    refusal : str
        What was said when the model or the data was not even opened.
    accuracy : float or None
        On the test data, as a report shows it; None where it cannot be measured.
    seconds : float
        Of the diagnosis alone.
    """

    name: str
    base: str
    found: bool | None
    codes: Mapping[str, str]
    messages: Mapping[str, str]
    named: str = ""
    refusal: str = ""
    accuracy: float | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def set_up(cache: Path) -> None:
    """Make this process quiet, its own, and the same each time; to be called before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    os.environ["DIAG_CACHE_DIR"] = str(cache)
    from diag._lazy import import_tensorflow

    tensorflow = import_tensorflow()
    tensorflow.config.experimental.enable_op_determinism()
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)


def ask(specimen: Specimen, n: int = N_IMAGES) -> tuple[Diagnosis, float | None]:
    """Do what ``diag doctor MODEL [RIVAL...] --data SRC [--train SRC]`` does for the first model.

    Returns
    -------
    (Diagnosis, float or None)
        With the accuracy, None where it cannot be measured.
    """
    from diag import diagnose, load_model
    from diag.io.pairing import data_for

    models = [load_model(path) for path in (specimen.model, *specimen.rivals)]
    data = data_for(models, specimen.data)
    train = None if specimen.train is None else _training_data(specimen.train)
    evaluated = [_evaluated(model, data) for model in models]
    run = evaluated[0]
    rivals = [each for each in evaluated if each is not None] if specimen.rivals else []
    diagnosis = diagnose(models[0], data, train, run=run, rivals=rivals, n=n, cache=False)
    return diagnosis, float(run.correct_mask.mean()) if run is not None else None


def _training_data(source: str) -> Dataset:
    from diag import load_dataset
    from diag.errors import DataError

    try:
        return load_dataset(source, "train")
    except DataError:
        return load_dataset(source, "all")


def _evaluated(model: Model, data: Dataset) -> Evaluation | None:
    from diag import evaluate
    from diag.errors import DiagError

    try:
        return evaluate(model, data, cache=False, progress=False)
    except DiagError:
        return None


def run_fault(fault: Fault, base: Base, clean: Mapping[str, str], folder: Path, n: int = N_IMAGES) -> Result:
    """Plant a fault into copies of a good model's files, and ask. What the clean case has already does not count."""
    bench = _bench(f"{fault.name} {base.name}", base, folder)
    try:
        return judged(fault, base, clean, fault.plant(bench), n)
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)


def judged(fault: Fault, base: Base, clean: Mapping[str, str], specimen: Specimen, n: int = N_IMAGES) -> Result:
    """Ask about a specimen, and say whether the answer names the fault."""
    from diag.errors import DiagError

    started = time.perf_counter()
    try:
        diagnosis, accuracy = ask(specimen, n)
    except DiagError as error:
        return Result(fault.name, base.name, False, {}, {}, refusal=str(error), seconds=time.perf_counter() - started)
    codes, messages = _codes(diagnosis)
    naming = [
        code
        for code, least in fault.expect.items()
        if RANK[least] <= RANK.get(codes.get(code, ""), 0) > RANK.get(clean.get(code, ""), 0)
    ]
    return Result(
        fault.name,
        base.name,
        bool(naming) and (accuracy or 0.0) >= specimen.repaired,
        codes,
        messages,
        _named(diagnosis, naming, specimen.planted),
        accuracy=accuracy,
        seconds=time.perf_counter() - started,
    )


def run_control(clean: Control, base: Base | None, folder: Path, n: int = N_IMAGES) -> Result:
    """Ask about a clean case."""
    bench = _bench(clean.name, base, folder)
    try:
        return _asked(clean.name, base.name if base is not None else "", clean.make(bench), n)
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)


def run_base(base: Base, folder: Path, n: int = N_IMAGES) -> Result:
    """Ask about a good model as it is, with its training data."""
    bench = _bench(f"good {base.name}", base, folder)
    try:
        return _asked("good model", base.name, bench.specimen(train=True), n)
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)


def _asked(name: str, base: str, specimen: Specimen, n: int) -> Result:
    from diag.errors import DiagError

    started = time.perf_counter()
    try:
        diagnosis, accuracy = ask(specimen, n)
    except DiagError as error:
        return Result(name, base, None, {}, {}, refusal=str(error))
    codes, messages = _codes(diagnosis)
    return Result(name, base, None, codes, messages, accuracy=accuracy, seconds=time.perf_counter() - started)


def _codes(diagnosis: Diagnosis) -> tuple[dict[str, str], dict[str, str]]:
    codes: dict[str, str] = {}
    messages: dict[str, str] = {}
    for finding in diagnosis.findings:  # the most severe first
        codes.setdefault(finding.code, finding.severity)
        messages.setdefault(finding.code, finding.message)
    return codes, messages


def _named(diagnosis: Diagnosis, codes: list[str], planted: tuple[int, ...]) -> str:
    samples = {sample for finding in diagnosis.findings if finding.code in codes for sample in finding.samples}
    if not planted or not samples:
        return ""
    return f"{len(samples & set(planted))} of {len(samples)} named, {len(planted)} planted"


def _bench(case: str, base: Base | None, folder: Path) -> Bench:
    import keras

    keras.utils.set_random_seed(0)  # what a case draws must not depend on the cases before it
    plain = "".join(letter if letter.isalnum() else "_" for letter in case)
    return Bench(base, folder / plain, case=case)


def forget() -> None:
    """Free what Keras keeps of the networks of a case."""
    import keras

    keras.backend.clear_session(free_memory=True)


def find_fault(name: str) -> Fault:
    """Return the fault of a name."""
    return next(each for each in FAULTS if each.name == name)


def find_control(name: str) -> Control:
    """Return the clean case of a name."""
    return next(each for each in CONTROLS if each.name == name)
