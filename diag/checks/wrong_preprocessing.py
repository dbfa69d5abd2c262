"""Images that are prepared in another way than the model was trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.checks.trial import ALPHA, LARGE_LIFT, LIFT, Answers
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diag.checks.case import Case
    from diag.checks.trial import Trial
    from diag.results.detection import Detection
    from diag.results.diagnosis import Finding

MAX_ROWS = 40
MAJORITY = 0.9
"""Where always naming one class is right so often, that no way does better says little of the ways."""


def run(case: Case) -> Iterator[Finding]:
    """Try other ways to prepare the same images: exact McNemar test, and a sign-flip test of the log loss."""
    if len(np.unique(np.asarray(case.labelled.labels))) < 2:
        raise CheckNotApplicable("The data has one class only.")
    trial = case.trial
    if trial.open is not None and trial.open.flags and not case.loaded.preprocessing.says_values:
        yield _detected(trial.open)
    if trial.good:
        return
    found = trial.found
    if found.status == "chance":
        if not _above_chance(trial.used(), found) and not case.balance.clear:
            _require_even(found)
            yield _nothing_fits(found, trial)
        return
    if found.preprocessing == trial.in_use:
        return
    y_true = trial.labels_of(found)
    used, better = trial.used(y_true), trial.answers(found.preprocessing, y_true)
    swapped = trial.swapped()
    if swapped is not None and trial.answers(swapped, y_true).accuracy >= better.accuracy - LIFT / 2:
        return  # only red and blue: DG102
    if not _above_chance(better, found):
        return
    p_value, lift = better.more_right_than(used), better.accuracy - used.accuracy
    if p_value < ALPHA and lift >= LIFT:
        yield _worse(case, found, used, better, p_value)
    elif better.surer_than(used, case.rng("sign flips")):
        yield _unsure(found, used, better, trial)


def _detected(found: Detection) -> Finding:
    return CHECK.finding(
        "note",
        f"The preprocessing is not pinned. {found.verdict()}",
        f"Pin it: write the model card with diag init, or pass {found.flags}",
        title="Preprocessing not pinned",
        measured={"status": found.status, "accuracy": found.chosen.accuracy, "log_loss": found.chosen.log_loss},
        evidence=[_table(found)],
    )


def _above_chance(answers: Answers, found: Detection) -> bool:
    """Whether more answers are right than by always naming the most frequent class."""
    from scipy.stats import binomtest

    right = answers.right
    return bool(binomtest(int(right.sum()), len(right), found.chance, alternative="greater").pvalue < ALPHA)


def _require_even(found: Detection) -> None:
    """Refuse to judge by accuracy where always naming one class is nearly always right."""
    if found.chance >= MAJORITY:
        raise CheckNotApplicable(
            f"{found.chance:.1%} of the labels are one class, and no way to prepare the images is right more often "
            "than always naming it: accuracy cannot tell which fits. Use data with more images of the other classes."
        )


def _nothing_fits(found: Detection, trial: Trial) -> Finding:
    return CHECK.finding(
        "warning",
        f"None of {len(found.evidence)} ways to prepare the images does better than chance ({found.chance:.1%}), in "
        f"whatever order the outputs stand; the way in use gives {trial.used().accuracy:.1%}.",
        "Check that images and labels are those that the model was trained for, and that its weights are trained.",
        measured={"accuracy": trial.used().accuracy, "chance": found.chance, "ways": len(found.evidence)},
        evidence=[_table(found)],
    )


def _worse(case: Case, found: Detection, used: Answers, better: Answers, p_value: float) -> Finding:
    lift = better.accuracy - used.accuracy
    places = np.flatnonzero(better.right & ~used.right)
    places = places[np.argsort(-used.loss[places], kind="stable")]
    return CHECK.finding(
        "critical" if lift >= LARGE_LIFT else "warning",
        f"Prepared as they are, {used.accuracy:.1%} of {len(used.right)} images are right; with {found.chosen.name} it "
        f"is {better.accuracy:.1%} (exact McNemar test, p = {p_value:.2g}).",
        _remedy(found),
        measured={**_measured(found, used, better, case.trial), "p_value": p_value},
        samples=[int(row) for row in case.rows[case.trial.places[places]]],
        evidence=[_table(found)],
    )


def _unsure(found: Detection, used: Answers, better: Answers, trial: Trial) -> Finding:
    return CHECK.finding(
        "warning",
        f"With {found.chosen.name} the log loss is {better.log_loss:.3f} instead of {used.log_loss:.3f} on "
        f"{len(used.right)} images, at {_accuracies(used.accuracy, better.accuracy)}: the images are probably not "
        "scaled as in training.",
        _remedy(found),
        measured=_measured(found, used, better, trial),
        evidence=[_table(found)],
    )


def _accuracies(used: float, better: float) -> str:
    """Return both accuracies in words, one where they read alike.

    Examples
    --------
    >>> _accuracies(0.9604, 0.9654), _accuracies(0.9649, 0.9651)
    ('96.5% instead of 96.0% accuracy', 'the same accuracy of 96.5%')
    """
    first, second = f"{used:.1%}", f"{better:.1%}"
    return f"the same accuracy of {second}" if first == second else f"{second} instead of {first} accuracy"


def _measured(found: Detection, used: Answers, better: Answers, trial: Trial) -> dict[str, float | str]:
    return {
        "accuracy": used.accuracy,
        "accuracy_found": better.accuracy,
        "log_loss": used.log_loss,
        "log_loss_found": better.log_loss,
        "in_use": trial.in_use.flags(),
        "found": found.preprocessing.flags(),
    }


def _remedy(found: Detection) -> str:
    return (
        f"Pass {found.flags or 'no preprocessing'} or change the model card (diag init --force writes it). Were the "
        "images prepared rightly, the weights are at fault: see the other findings."
    )


def _table(found: Detection) -> Evidence:
    rows = tuple(
        {
            "candidate": row.name,
            "accuracy": row.accuracy,
            "log_loss": row.log_loss,
            "images": row.n,
            "p_value": row.p_value,
            "flags": row.flags,
        }
        for row in found.evidence[:MAX_ROWS]
    )
    return Evidence("Ways to prepare the images", rows)


CHECK = Check("DG101", "Wrong preprocessing", run)
