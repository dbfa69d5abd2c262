"""What a gate says of each condition: one line with the figures behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.results.gate_grammar import MEASURES

if TYPE_CHECKING:
    from diag.results.gate_grammar import Condition, Kind

_SIGN = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}


def sentence(
    condition: Condition,
    status: str,
    *,
    old: float,
    new: float,
    limit: float,
    p_value: float,
    low: float,
    high: float,
    shown: str | None,
    n_failing: int,
    n_unknown: int,
) -> str:
    """Return one line on an outcome.

    Parameters
    ----------
    condition : Condition
    status : {"held", "failed", "undefined"}
    old, new, limit, p_value, low, high : float
        As in `Outcome`.
    shown : str or None
        The class that the figures are of.
    n_failing, n_unknown : int
        Classes that fail, and classes without a figure.
    """
    kind = MEASURES[condition.measure].kind
    if status == "undefined":
        return f"There is nothing to measure: {_missing(condition)}"
    every = bool(condition.classes) and condition.classes[0].every
    what = condition.measure + (f" of class {shown}" if every else _part(condition))
    more = f" It is the worst of {n_failing} classes that fail." if n_failing > 1 else ""
    more += f" {n_unknown} class{'' if n_unknown == 1 else 'es'} without such a figure." if every and n_unknown else ""
    if condition.rule not in ("drops", "rises"):
        denied = "" if status == "failed" else "not "
        return f"{what}: {value(new, kind)}, {denied}{_SIGN[condition.rule]} {value(limit, kind)}.{more}"
    step = f"a {'rise' if new > old else 'drop'} of {size(abs(new - old), kind)}" if new != old else "no change"
    reasons = [*_limit(condition, limit, kind), *_certainty(condition, p_value, low, high, kind)]
    return f"{what}: {value(old, kind)} to {value(new, kind)}, {step} ({'; '.join(reasons)}).{more}"


def _part(condition: Condition) -> str:
    return f"[{'->'.join(str(each) for each in condition.classes)}]" if condition.classes else ""


def _limit(condition: Condition, limit: float, kind: Kind) -> list[str]:
    word = condition.rule.removesuffix("s")
    return [f"any {word} counts" if condition.amount is None else f"limit: a {word} of {size(limit, kind)}"]


def _certainty(condition: Condition, p_value: float, low: float, high: float, kind: Kind) -> list[str]:
    if condition.alpha is None and not condition.ci:
        return []
    if condition.ci:
        return [f"95% interval of the change {signed(low, kind)} to {signed(high, kind)}"]
    test = "McNemar's exact test" if MEASURES[condition.measure].test == "mcnemar" else "paired bootstrap"
    over = ", Benjamini-Hochberg" if condition.classes and condition.classes[0].every else ""
    least = "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.4f}"
    verdict = "significant" if p_value < (condition.alpha or 0.0) else "not significant"
    return [f"{least}, {test}{over}: {verdict} at {condition.alpha:g}"]


def _missing(condition: Condition) -> str:
    if condition.ci and MEASURES[condition.measure].kind == "loss":
        return "there is no sample, or fewer than 6 images differ between the models: that gives no interval of a loss."
    if condition.measure == "recall":
        return "no sample belongs to the class."
    if condition.measure == "precision":
        return "OLD or NEW never predicts the class."
    if condition.classes:
        return "no sample belongs to the class, and it is never predicted."
    return "there is no sample, or the figure is unknown."


def value(number: float, kind: Kind) -> str:
    """Return a figure as text: 96.55%, 0.1234, 1,234; a dash where it is undefined."""
    if number != number:
        return "–"
    return {"share": f"{number:.2%}", "loss": f"{number:.4f}", "count": f"{number:,.0f}"}[kind]


def size(number: float, kind: Kind) -> str:
    """Return the size of a change: percentage points of a share."""
    return f"{100 * number:.2f} points" if kind == "share" else value(number, kind)


def signed(number: float, kind: Kind) -> str:
    """Return a change with its sign."""
    if number != number:
        return "–"
    return {"share": f"{100 * number:+.2f} points", "loss": f"{number:+.4f}", "count": f"{number:+,.1f}"}[kind]
