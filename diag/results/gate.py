"""A gate for continuous integration: whether NEW may take the place of OLD."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.arrays import frozen
from diag.errors import InvalidInputError
from diag.results import gate_words as words
from diag.results.gate_grammar import MEASURES, Condition, parse
from diag.results.gate_measures import Change, measured, scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from diag.results.comparison import Comparison
    from diag.results.evaluation import Evaluation
    from diag.results.gate_grammar import ClassRef

Status = Literal["held", "failed", "undefined"]
NEAR = 1e-9
"""What rounding may take from a difference that is exactly the limit."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one condition.

    Parameters
    ----------
    condition : Condition
    status : {"held", "failed", "undefined"}
        ``failed``: the condition came true. ``undefined``: a figure does not exist, such as the recall of a class
        without samples, or too few images differ to give the interval of a loss.
    old, new : float
        The figure; with ``any``, that of the class which decided. NaN where it is undefined.
    change : float
        ``new - old``.
    limit : float
        What the change, or NEW's figure, was held against; of OLD's value where the condition says per cent of it.
    p_value : float
        With ``p<``: of the change, adjusted over the classes with ``any``. Else NaN.
    low, high : float
        With ``p<`` or ``ci``: the 95 % interval of `change`. Else NaN.
    classes : tuple of str
        The classes that made it fail.
    indices : ndarray of int64
        The images behind it: OLD right and NEW wrong, within the classes; those that are new in a cell of the
        confusion matrix. NEW's most confident first.
    sentence : str
        All of this in one line.
    """

    condition: Condition
    status: Status
    old: float
    new: float
    change: float
    limit: float
    p_value: float
    low: float
    high: float
    classes: tuple[str, ...]
    indices: NDArray[np.int64]
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as the command prints them with --json."""
        row = {name: getattr(self, name) for name in _COLUMNS}
        return {
            "condition": str(self.condition),
            **row,
            "classes": list(self.classes),
            "indices": self.indices.tolist(),
        }


_COLUMNS = ("status", "old", "new", "change", "limit", "p_value", "low", "high", "sentence")


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """The outcomes of all conditions on a pair of models.

    Parameters
    ----------
    old_name, new_name : str
    old, new : Evaluation
        On the same samples.
    outcomes : tuple of Outcome
        In the order of the conditions.
    allow_undefined : bool
        Whether a condition whose figure does not exist passes.
    seed : int
        Of the bootstrap.
    """

    old_name: str
    new_name: str
    old: Evaluation
    new: Evaluation
    outcomes: tuple[Outcome, ...]
    allow_undefined: bool = False
    seed: int = 0

    @property
    def passed(self) -> bool:
        """Whether no condition failed, and none was undefined unless that is allowed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes that keep the gate shut."""
        shut = ("failed",) if self.allow_undefined else ("failed", "undefined")
        return tuple(each for each in self.outcomes if each.status in shut)

    def verdict(self) -> str:
        """Return one sentence: passed, or how many conditions failed."""
        total, bad = len(self.outcomes), len(self.failures)
        what = f"{total} condition{'' if total == 1 else 's'}"
        if not bad:
            return f"passed: {self.new_name} may replace {self.old_name}; {what} held."
        return f"failed: {bad} of {what} keep {self.new_name} from replacing {self.old_name}."

    def frame(self) -> pd.DataFrame:
        """Return one row a condition.

        Returns
        -------
        DataFrame
            ``condition``, ``status``, ``old``, ``new``, ``change``, ``limit``, ``p_value``, ``low``, ``high``,
            ``sentence``, ``classes`` (names, with commas) and ``n_images``.
        """
        import pandas as pd

        rows = [
            {
                "condition": str(each.condition),
                **{name: getattr(each, name) for name in _COLUMNS},
                "classes": ", ".join(each.classes),
                "n_images": len(each.indices),
            }
            for each in self.outcomes
        ]
        return pd.DataFrame(rows, columns=["condition", *_COLUMNS, "classes", "n_images"])

    def changed(self) -> pd.DataFrame:
        """Return the images that got another answer: what broke first, then what was mended, then what stayed wrong.

        Returns
        -------
        DataFrame
            ``index``, ``name`` (the sample's, else empty), ``true``, ``old``, ``old_confidence``, ``new``,
            ``new_confidence`` and ``change``: ``"broken"``, ``"mended"`` or ``"still wrong"``. Within each, NEW's most
            confident first.
        """
        import pandas as pd

        before, after = self.old.samples, self.new.samples
        rows = np.flatnonzero(before["y_pred"] != after["y_pred"])
        kind = np.select([self.old.correct_mask[rows], self.new.correct_mask[rows]], [0, 1], 2)
        rows = rows[np.lexsort((rows, -after["confidence"][rows], kind))]
        kind = np.sort(kind)
        names = np.asarray(self.new.class_names, dtype=object)
        listed = self.new.data.sample_names
        return pd.DataFrame(
            {
                "index": after["index"][rows],
                "name": [""] * len(rows) if listed is None else np.asarray(listed, dtype=object)[rows],
                "true": names[after["y_true"][rows]],
                "old": names[before["y_pred"][rows]],
                "old_confidence": before["confidence"][rows],
                "new": names[after["y_pred"][rows]],
                "new_confidence": after["confidence"][rows],
                "change": np.asarray(["broken", "mended", "still wrong"], dtype=object)[kind],
            }
        )


def gate(
    comparison: Comparison,
    conditions: Sequence[str | Condition],
    *,
    old: str | None = None,
    new: str | None = None,
    allow_undefined: bool = False,
    seed: int = 0,
) -> Gate:
    """Hold a new model against an old one.

    Parameters
    ----------
    comparison : Comparison
        Of two models: OLD first, then NEW. With more, `old` and `new` name two of them.
    conditions : sequence of str or Condition
        Each says what makes the gate fail, such as ``"accuracy drops 0.5pp p<0.05"``; the grammar is in docs/ci.md.
    old, new : str, optional
        Names of runs; the first and the second when left out.
    allow_undefined : bool
        Let a condition pass whose figure does not exist. Otherwise it counts as failed: a gate that measured nothing
        must not be open.
    seed : int
        Seeds the bootstrap.

    Returns
    -------
    Gate

    Raises
    ------
    InvalidInputError
        If a condition cannot be read or names a class that there is not, or if the pair is not clear.

    Examples
    --------
    >>> held = gate(comparison, ["accuracy drops 0.5pp p<0.05", "flips > 1%"])  # doctest: +SKIP
    >>> held.passed, held.frame()  # doctest: +SKIP
    """
    if len(comparison.runs) != 2 and (old is None or new is None):
        raise InvalidInputError(
            f"gate: expected two models, or old= and new= with the names of two. Received: {len(comparison.runs)}."
        )
    if isinstance(conditions, str):
        raise InvalidInputError(f"gate: expected a list of conditions. Received: a text. Pass [{conditions[:80]!r}].")
    names = old or comparison.names[0], new or comparison.names[1]
    runs = comparison.run(names[0]), comparison.run(names[1])
    read = [each if isinstance(each, Condition) else parse(each) for each in conditions]
    numbered = [class_numbers(each, runs[0].class_names) for each in read]
    outcomes = [_outcome(*runs, each, numbers, seed) for each, numbers in zip(read, numbered, strict=True)]
    return Gate(*names, *runs, tuple(outcomes), allow_undefined, seed)


def class_numbers(condition: Condition, class_names: Sequence[str]) -> NDArray[np.int64]:
    """Return the numbers of the classes that a condition names: by name, else, without quotes, by number from 0.

    Raises
    ------
    InvalidInputError
        If there is no such class.
    """
    if any(each.every for each in condition.classes):
        return np.arange(len(class_names), dtype=np.int64)
    return np.array([_class_number(condition, each, class_names) for each in condition.classes], dtype=np.int64)


def _class_number(condition: Condition, asked: ClassRef, class_names: Sequence[str]) -> int:
    if asked.text in class_names:
        return list(class_names).index(asked.text)
    by_number = not any(name.isdecimal() for name in class_names) and not asked.quoted
    if by_number and asked.text.isdecimal() and int(asked.text) < len(class_names):
        return int(asked.text)
    shown = ", ".join(class_names[:10]) + (", ..." if len(class_names) > 10 else "")
    raise InvalidInputError(
        f"condition {str(condition)!r}: expected a class of the models ({shown}). Received: {asked.text!r}. "
        "Correct the name, or write any."
    )


def _outcome(old: Evaluation, new: Evaluation, condition: Condition, numbers: NDArray[np.int64], seed: int) -> Outcome:
    found = _flips(old, new) if condition.measure == "flips" else measured(old, new, condition, numbers, seed)
    changes = condition.rule in ("drops", "rises")
    known = np.isfinite(found.new) & (np.isfinite(found.old) | (not changes))
    if condition.alpha is not None or condition.ci:
        known &= np.isfinite(found.p_value)
    if condition.ci:
        known &= np.isfinite(found.low) & np.isfinite(found.high)
    limit = np.full(len(found.new), condition.limit)
    if condition.relative:
        limit = limit * found.old
    true = known & _comes_true(condition, found, limit)
    status: Status = "failed" if true.any() else "held" if known.any() else "undefined"
    place = _deciding(condition, found, true, known)
    per_class = len(condition.classes) == 1
    failing = numbers[true] if per_class else numbers
    indices = np.flatnonzero(scope(old, new, condition, failing if true.any() else numbers))
    indices = indices[np.argsort(-new.samples["confidence"][indices], kind="stable")]
    picked = {name: float(getattr(found, name)[place]) for name in ("old", "new", "p_value", "low", "high")}
    classes = tuple(new.class_names[number] for number in failing) if per_class and true.any() else ()
    change = picked["new"] - picked["old"]
    return Outcome(
        condition,
        status,
        **picked,
        change=change,
        limit=float(limit[place]),
        classes=classes,
        indices=frozen(new.samples["index"][indices]),
        sentence=words.sentence(
            condition,
            status,
            **picked,
            limit=float(limit[place]),
            shown=new.class_names[numbers[place]] if per_class else None,
            n_failing=len(classes),
            n_unknown=int((~known).sum()),
        ),
    )


def _flips(old: Evaluation, new: Evaluation) -> Change:
    """Return the negative flip rate: right before, wrong now, of all samples.

    References
    ----------
    Yan et al. (2021), Positive-congruent training: towards regression-free model updates. CVPR, eq. 1.
    """
    broken = old.correct_mask & ~new.correct_mask
    nothing = np.array([np.nan])
    return Change(nothing, np.array([broken.mean() if len(broken) else np.nan]), nothing, nothing, nothing)


def _comes_true(condition: Condition, found: Change, limit: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each class whether the condition comes true; NaN compares as no."""
    if condition.rule not in ("drops", "rises"):
        compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[condition.rule]
        result: NDArray[np.bool_] = compare(found.new, limit)
        return result
    sign = 1 if condition.rule == "rises" else -1
    size = sign * (found.new - found.old)
    if condition.ci:
        end = found.high if sign > 0 else -found.low
        return np.asarray(end >= limit - NEAR * np.maximum(1.0, np.abs(limit)))
    reached: NDArray[np.bool_] = (size >= limit - NEAR * np.maximum(1.0, np.abs(limit))) & (size > NEAR)
    return reached if condition.alpha is None else reached & (found.p_value < condition.alpha)


def _deciding(condition: Condition, found: Change, true: NDArray[np.bool_], known: NDArray[np.bool_]) -> int:
    """Return the place of the class that the sentence speaks of: the worst of those that fail, else of all."""
    if condition.rule in ("drops", "rises"):
        size = (found.new - found.old) * (1 if condition.rule == "rises" else -1)
        if condition.ci:
            size = found.high if condition.rule == "rises" else -found.low
    else:
        size = found.new * (1 if condition.rule.startswith(">") else -1)
    among = true if true.any() else known
    return int(np.argmax(np.where(among, size, -math.inf)))


__all__ = ["MEASURES", "Condition", "Gate", "Outcome", "gate", "parse"]
