"""Outputs that stand in another order than the labels."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable, DiagError
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.detection import Detection, LabelOrder
    from diag.results.diagnosis import Finding, Severity

N_TRIES = 10
"""Divides the level of `diag.detection.label_order` (1 %): p < 0.001."""
MOST = 20_000
"""Images that are looked at, at most."""
MOVED_LIFT, CLEAR_LIFT, CLEAR_RATIO = 0.25, 0.5, 4
"""Accuracy that the other order must add among the images of the classes that it moves: classes that a weak model
merely confuses with each other gain less. It is critical from the second on, or when accuracy there is four times what
it was; else a model that learned two classes wrongly could look the same."""
MARGIN = 0.05
"""Accuracy by which another way to prepare the images must fit better than another order, to be the cause."""
MAX_ROWS = 100


def run(case: Case) -> Iterator[Finding]:
    """Fit the best order of outputs (Hungarian method) on one half of the images, test it on the other half."""
    if case.run.n_classes < 2 or len(np.unique(case.run.samples["y_true"])) < 2:
        raise CheckNotApplicable("The data has one class only.")
    rule = getattr(case.run.model, "label_rule", None)
    if rule is not None:
        yield _rule(rule)
    y_true, y_pred = case.run.samples["y_true"], case.run.samples["y_pred"]
    rows = case.rng("class order").permutation(len(y_true))[:MOST]
    order, severity = _order(y_true[rows], y_pred[rows], case.run.n_classes)
    other = _elsewhere(case)
    if other is not None and (order is None or other.chosen.accuracy > order.accuracy_matched + MARGIN):
        if other.label_order is not None:
            yield _finding(case, other.label_order, "critical")
    elif order is not None:
        yield _finding(case, order, severity, y_true, y_pred)


def _elsewhere(case: Case) -> Detection | None:
    """Return the way to prepare images that fits where the one in use does not: the order is then judged by it."""
    with suppress(DiagError):
        trial = case.trial
        if not trial.good and trial.found.status != "chance" and trial.found.preprocessing != trial.in_use:
            return trial.found
    return None


def _order(y_true: NDArray[np.int64], y_pred: NDArray[np.int64], k: int) -> tuple[LabelOrder | None, Severity]:
    """Return another order that fits, if it lifts the classes that it moves by enough, and how bad that is."""
    from diag.detection.label_order import label_order

    order = label_order(y_true, y_pred, k, N_TRIES)
    if order is None:
        return None, "warning"
    moved = np.isin(y_true, order.moved())
    before = float((y_pred == y_true)[moved].mean())
    after = float((y_pred == np.asarray(order.outputs)[y_true])[moved].mean())
    clear = after - before >= CLEAR_LIFT or after >= CLEAR_RATIO * before
    return (order if after - before >= MOVED_LIFT else None), ("critical" if clear else "warning")


def _finding(
    case: Case,
    order: LabelOrder,
    severity: Severity,
    y_true: NDArray[np.int64] | None = None,
    y_pred: NDArray[np.int64] | None = None,
) -> Finding:
    names, moved = case.run.class_names, order.moved()
    shown = ", ".join(f"{names[label]} is output {order.outputs[label]}" for label in moved[:5])
    more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
    samples: list[int] = []
    if y_true is not None and y_pred is not None:
        right = (y_pred != y_true) & (y_pred == np.asarray(order.outputs)[y_true])
        chosen = np.flatnonzero(right)
        samples = chosen[np.argsort(-case.run.samples["confidence"][chosen], kind="stable")].tolist()
    return CHECK.finding(
        severity,
        f"{_pattern(order.outputs)}: {shown}{more}. In that order {order.accuracy_matched:.1%} instead of "
        f"{order.accuracy:.1%} of {order.n:,} images are right (order found on one half, tested on the other; exact "
        f"McNemar test, p = {order.p_value:.2g}).",
        "Name the classes in the order of the model's outputs in its card (diag init writes it), or number the labels "
        "as in training.",
        measured={
            "accuracy": order.accuracy,
            "accuracy_in_that_order": order.accuracy_matched,
            "p_value": order.p_value,
            "classes_moved": len(moved),
        },
        samples=samples,
        evidence=[
            Evidence(
                "Label and output, where they differ",
                tuple(
                    {"label": names[label], "own_output": label, "fitting_output": order.outputs[label]}
                    for label in moved[:MAX_ROWS]
                ),
            )
        ],
    )


def _pattern(outputs: tuple[int, ...]) -> str:
    """Return what an order is called.

    Examples
    --------
    >>> _pattern((1, 2, 3, 0)), _pattern((0, 2, 1, 3))
    ('Labels are off by one', 'Two classes are exchanged')
    """
    k = len(outputs)
    texts = sorted(range(k), key=str)
    ranks = sorted(range(k), key=texts.__getitem__)
    if k > 2 and outputs in (tuple((n + 1) % k for n in range(k)), tuple((n - 1) % k for n in range(k))):
        return "Labels are off by one"
    if k > 10 and outputs in (tuple(texts), tuple(ranks)):
        return "Class numbers were sorted as text (0, 1, 10, 11, 2)"
    if sum(number != output for number, output in enumerate(outputs)) == 2:
        return "Two classes are exchanged"
    if outputs == tuple(range(k - 1, -1, -1)):
        return "Classes stand in reverse order"
    return "Labels stand in another order than the model's outputs"


def _rule(rule: str) -> Finding:
    from diag.io.pairing import RULES

    return CHECK.finding(
        "note",
        RULES.get(rule, f"Labels were read in another way than the usual: {rule}."),
        "Number the labels as the model's outputs, or name the classes in its card (diag init writes it).",
        measured={"rule": rule},
    )


CHECK = Check("DG103", "Class order", run)
