"""Running the checks on a model."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from diag.checks.case import Case
from diag.checks.registry import CHECKS
from diag.errors import CheckNotApplicable, DiagError, InvalidInputError, UnsupportedModelError
from diag.io import store
from diag.io.histories import history_digest
from diag.results.diagnosis import SEVERITIES, Diagnosis, Finding, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from diag.checks.base import Check
    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.results.evaluation import Evaluation

    Progress = Callable[[int, int], None]


def diagnose(
    model: Model,
    data: Dataset | None = None,
    train: Dataset | None = None,
    *,
    run: Evaluation | None = None,
    rivals: Sequence[Evaluation] = (),
    n: int = 400,
    seed: int = 0,
    progress: Progress | None = None,
    cache: bool = True,
) -> Diagnosis:
    """Look for what is wrong with a model, its data, and the two together.

    Parameters
    ----------
    model : Model
    data : Dataset, optional
        Labelled data to judge it on. Without it only the network itself is checked.
    train : Dataset, optional
        The data it was trained on: for overfitting, duplicates and baselines.
    run : Evaluation, optional
        Of this model on this data, when there is one already.
    rivals : sequence of Evaluation
        All models that are ranked together.
    n : int
        Images that costly checks look at, at most; cheap ones look at all.
    seed : int
        Seeds every draw.
    progress : callable, optional
        Gets (checks done, checks in all).
    cache : bool
        Look the result up by content, and keep it.

    Returns
    -------
    Diagnosis
        A check that finds nothing, or does not apply, has a row in its ``outcomes_frame()``.

    Raises
    ------
    InvalidInputError
        If `n` is less than 2.
    ModelLoadError
        If its network cannot be built.
    UnsupportedModelError
        If the model is no classifier: its output is no row of classes.

    Examples
    --------
    >>> diagnose(load_model("cnn.h5"), load_dataset("digits")).frame()  # doctest: +SKIP
    """
    if n < 2:
        raise InvalidInputError(f"n: expected at least 2 images. Received: {n}.")
    key = _key(model, data, train, run, rivals, n, seed)
    kept = store.load("diagnoses", key) if cache else None
    if kept is None:
        _ = model.n_classes  # raises: no check could say anything of what is no classifier
        case = Case(model, data, train, run=run, rivals=rivals, n=n, seed=seed, cache=cache)
        _refuse_unbuilt(case)
        meta = _run(case, progress or (lambda done, total: None))
        kept = store.Entry(meta=meta)
        if cache:
            store.save("diagnoses", key, kept)
    return _diagnosis(model, data, kept, n, seed)


def _refuse_unbuilt(case: Case) -> None:
    """Raise if a network cannot be built: each check would say so, and all together that nothing was found."""
    if case.model.is_keras:
        with contextlib.suppress(UnsupportedModelError, CheckNotApplicable):  # built, and hard to look into
            _ = case.structure


def kept_diagnosis(
    model: Model,
    data: Dataset | None = None,
    train: Dataset | None = None,
    *,
    run: Evaluation | None = None,
    rivals: Sequence[Evaluation] = (),
    n: int = 400,
    seed: int = 0,
) -> Diagnosis | None:
    """Return what `diagnose` found before, from the cache; None when the checks would have to run."""
    kept = store.load("diagnoses", _key(model, data, train, run, rivals, n, seed))
    return None if kept is None else _diagnosis(model, data, kept, n, seed)


def _diagnosis(model: Model, data: Dataset | None, kept: store.Entry, n: int, seed: int) -> Diagnosis:
    findings = [Finding.from_dict(values) for values in kept.meta["findings"]]
    return Diagnosis(
        model_name=model.name,
        model_digest=model.digest,
        data_name=data.name if data is not None else None,
        data_digest=data.digest if data is not None else None,
        findings=tuple(sorted(findings, key=lambda each: SEVERITIES.index(each.severity))),
        outcomes=tuple(Outcome(**values) for values in kept.meta["outcomes"]),
        n=n,
        seed=seed,
        versions=MappingProxyType(store.versions()),
    )


def _run(case: Case, progress: Progress) -> dict[str, Any]:
    findings: list[Finding] = []
    outcomes: list[Outcome] = []
    for done, check in enumerate(CHECKS):
        progress(done, len(CHECKS))
        found, outcome = run_check(check, case)
        findings += found
        outcomes.append(outcome)
    progress(len(CHECKS), len(CHECKS))
    values: dict[str, Any] = store.plain(
        {
            "findings": [each.to_dict() for each in findings],
            "outcomes": [
                {"code": each.code, "title": each.title, "status": each.status, "reason": each.reason}
                for each in outcomes
            ],
        }
    )
    return values


def run_check(check: Check, case: Case) -> tuple[list[Finding], Outcome]:
    """Return what one check found, and what became of it; what cannot be measured is an outcome, not an error."""
    try:
        found = list(check.run(case))
    except CheckNotApplicable as reason:
        return [], Outcome(check.code, check.title, "skipped", str(reason))
    except DiagError as error:
        return [], Outcome(check.code, check.title, "skipped", f"It could not be measured. {error}")
    return found, Outcome(check.code, check.title, "found" if found else "passed")


def _key(
    model: Model,
    data: Dataset | None,
    train: Dataset | None,
    run: Evaluation | None,
    rivals: Sequence[Evaluation],
    n: int,
    seed: int,
) -> str:
    """Return the key of everything that the checks depend on, the card and its history included."""
    return store.content_key(
        what="diagnosis",
        checks=_code_digest(),
        model=model.digest,
        card=repr(replace(model.card, history=None, source=None)),  # their content counts, not their place
        history="" if model.card.history is None else history_digest(model.card.history),
        preprocessing=model.preprocessing.to_dict(),
        data=[data.digest, data.split] if data is not None else None,
        train=train.digest if train is not None else None,
        run=run.model.preprocessing.to_dict() if run is not None else None,
        rivals=[[rival.model.digest, rival.model.preprocessing.to_dict()] for rival in rivals],
        n=n,
        seed=seed,
        versions=store.versions(),
    )


@functools.cache
def _code_digest() -> str:
    """Return a digest of the code of checks and metrics: a check that was changed is run again."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), *sorted((here.parent / "metrics").glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
