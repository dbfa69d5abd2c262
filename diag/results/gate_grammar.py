"""The grammar of a gate's conditions: ``accuracy drops 0.5pp p<0.05`` becomes a `Condition`.

A text is read by hand, word by word; nothing in it is run. ``docs/ci.md`` shows the grammar as a table.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from diag.errors import InvalidInputError
from diag.printable import printable

Kind = Literal["share", "loss", "count"]
EXAMPLE = "accuracy drops 0.5pp p<0.05"
LONGEST = 500


@dataclass(frozen=True, slots=True)
class Measure:
    """What a condition can speak of.

    Parameters
    ----------
    meaning : str
        One line.
    kind : {"share", "loss", "count"}
        A share lies in 0..1; a loss has no upper end; a count is a whole number.
    part : {"", "class", "cell"}
        What has to stand in brackets.
    test : {"mcnemar", "bootstrap", None}
        What says whether a change is significant; None where chance has no part, so ``p<`` makes no sense.
    interval : bool
        Whether there is an interval of its change, so that ``ci`` makes sense.
    """

    meaning: str
    kind: Kind = "share"
    part: Literal["", "class", "cell"] = ""
    test: Literal["mcnemar", "bootstrap"] | None = "bootstrap"
    interval: bool = True


MEASURES = {
    "accuracy": Measure("share of right answers", test="mcnemar"),
    "recall": Measure("share of a class's images that are right", part="class", test="mcnemar"),
    "precision": Measure("share of the answers with a class that are right", part="class"),
    "f1": Measure("harmonic mean of a class's precision and recall", part="class"),
    "balanced_accuracy": Measure("mean recall of the classes"),
    "macro_f1": Measure("mean F1 of the classes"),
    "top3_accuracy": Measure("share of images whose class is among the three most probable", test="mcnemar"),
    "ece": Measure("expected calibration error, 15 equal-width bins", interval=False),
    "log_loss": Measure("mean -ln p of the true class", kind="loss"),
    "brier": Measure("mean squared error of the probabilities, 0 to 2", kind="loss"),
    "errors": Measure("images of one class that are taken for another", kind="count", part="cell", test="mcnemar"),
    "flips": Measure("share of images that OLD has right and NEW wrong", test=None),
    "size": Measure("bytes of the model file", kind="count", test=None),
    "parameters": Measure("number of weights", kind="count", test=None),
}
RULES = ("drops", "rises", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class ClassRef:
    """A class as a condition names it.

    Parameters
    ----------
    text : str
        Its name, or its number where no class has that name.
    quoted : bool
        In quotes it is a name and nothing else.
    """

    text: str
    quoted: bool = False

    @property
    def every(self) -> bool:
        """Whether the word ``any`` stands here: each class is looked at."""
        return self.text == "any" and not self.quoted

    def __str__(self) -> str:
        """Return the text as a condition has it."""
        escaped = self.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"' if self.quoted else self.text


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a gate; the gate fails when it comes true.

    Parameters
    ----------
    measure : str
        A key of `MEASURES`.
    classes : tuple of ClassRef
        One for a figure of a class, two (true, predicted) for a cell of the confusion matrix, else none.
    rule : {"drops", "rises", "<", "<=", ">", ">="}
        ``drops`` and ``rises`` compare NEW with OLD, the others look at NEW alone.
    amount : float or None
        In `unit`; None for any drop or rise at all.
    unit : {"", "pp", "%"}
        Nothing, percentage points of a share, or per cent (of 1 for a share, of OLD for a loss or count).
    alpha : float or None
        The change must also be significant at this level.
    ci : bool
        The condition comes true unless the data exclude such a change.
    """

    measure: str
    classes: tuple[ClassRef, ...]
    rule: str
    amount: float | None
    unit: str = ""
    alpha: float | None = None
    ci: bool = False

    @property
    def relative(self) -> bool:
        """Whether the limit is a part of OLD's value."""
        return self.unit == "%" and MEASURES[self.measure].kind != "share"

    @property
    def limit(self) -> float:
        """The amount as a plain number: 0.5pp and 0.5% are 0.005; 0 for any change."""
        return 0.0 if self.amount is None else self.amount / (100 if self.unit else 1)

    def __str__(self) -> str:
        """Return the condition as a text that reads back to itself."""
        part = f"[{'->'.join(str(each) for each in self.classes)}]" if self.classes else ""
        words = [f"{self.measure}{part}", self.rule]
        words += [] if self.amount is None else [f"{_number(self.amount)}{self.unit}"]
        words += [] if self.alpha is None else [f"p<{_number(self.alpha)}"]
        return " ".join([*words, *(["ci"] if self.ci else [])])


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def parse(text: str) -> Condition:
    r"""Read one condition.

    Parameters
    ----------
    text : str
        ``MEASURE[CLASS] drops|rises AMOUNT [p<ALPHA|ci]``, or ``MEASURE[CLASS] <|<=|>|>= AMOUNT``.

    Returns
    -------
    Condition

    Raises
    ------
    InvalidInputError
        With the place: what was expected there, what came, an example.

    Examples
    --------
    >>> condition = parse('recall["traffic light"] drops 2pp p<0.05')
    >>> condition.classes[0].text, condition.limit, condition.alpha
    ('traffic light', 0.02, 0.05)
    >>> str(parse("Size  rises 20 %"))
    'size rises 20%'
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"condition: expected a text such as {EXAMPLE!r}. Received: {text!r}.")
    if len(text) > LONGEST:
        raise InvalidInputError(
            f"condition: expected at most {LONGEST} characters. Received: {len(text):,}. "
            "Write each condition as its own --fail-if."
        )
    return _Reader(text).condition()


class _Reader:
    """A text and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.before = ""

    def condition(self) -> Condition:
        name = self.measure()
        classes = self.part(name)
        rule = self.rule(name)
        changes = rule in ("drops", "rises")
        amount, unit = self.amount(name, rule)
        alpha, ci = self.certainty(name, amount) if changes else (None, False)
        if self.rest():
            if not changes and re.match(r"(?i)p\s*<|ci\b", self.rest()):
                raise self.error(f"nothing after a limit for NEW alone; p< and ci belong to drops and rises: {EXAMPLE}")
            raise self.error("the end of the condition; write each condition as its own --fail-if", EXAMPLE)
        return Condition(name, classes, rule, amount, unit, alpha, ci)

    def measure(self) -> str:
        word = self.take(r"[A-Za-z][A-Za-z0-9_-]*")
        if word is None:
            raise self.error(f"a measure ({', '.join(MEASURES)})", EXAMPLE)
        name = word.lower().replace("-", "_")
        if name in MEASURES:
            return name
        self.back(word)
        near = get_close_matches(name, MEASURES, n=1)
        raise self.error(f"a measure ({', '.join(MEASURES)})", _example(near[0]) if near else EXAMPLE)

    def part(self, name: str) -> tuple[ClassRef, ...]:
        wanted = MEASURES[name].part
        example = f"{name}[3->5] rises 10" if wanted == "cell" else f"{name}[7] drops 2pp, {name}[any] drops 5pp p<0.05"
        if self.take(r"\[") is None:
            if wanted:
                what = "two classes" if wanted == "cell" else "a class"
                raise self.error(f"{what} in brackets", example)
            return ()
        if not wanted:
            self.back("[")
            raise self.error(f"no brackets: {name} is not of one class", "recall[7] drops 2pp")
        found = [self.class_ref(example)]
        if wanted == "cell":
            if self.take("->") is None:
                raise self.error("-> and the class that it is taken for", example)
            found.append(self.class_ref(example))
        if self.take(r"\]") is None:
            quoted = '["a b"->"c d"]' if wanted == "cell" else '["a b"]'
            raise self.error("] after the class; a name with spaces or brackets stands in quotes", f"{name}{quoted}")
        if wanted == "cell" and any(each.every for each in found):
            raise self.error("two classes: any works with recall, precision and f1", example)
        return tuple(found)

    def class_ref(self, example: str) -> ClassRef:
        quoted = self.take(r'"(?:[^"\\]|\\["\\])*"')
        if quoted is not None:
            name = re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)
            if name:
                return ClassRef(name, quoted=True)
            self.back(quoted)
        bare = None if quoted is not None else self.take(r'(?:(?!->)[^\s\[\]"])+')
        if bare is None:
            raise self.error("a class: its name, its number, or any; with spaces or brackets in quotes", example)
        return ClassRef(bare)

    def rule(self, name: str) -> str:
        word = self.take(r"[A-Za-z]+|<=|>=|<|>")
        rule = None if word is None else word.lower()
        if rule in RULES:
            if name == "flips" and rule in ("drops", "rises"):
                self.back(word or "")
                raise self.error("<, <=, > or >=: flips already compare NEW with OLD", "flips > 1%")
            return rule
        self.back(word or "")
        raise self.error(f"drops, rises, <, <=, > or >= after {self.before or name}", EXAMPLE)

    def amount(self, name: str, rule: str) -> tuple[float | None, str]:
        changes = rule in ("drops", "rises")
        kind = MEASURES[name].kind
        example = "flips > 1%" if name == "flips" else _EXAMPLES[changes, kind].format(name=f"{name}{_part(name)}")
        number = self.take(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
        if number is None:
            if changes and (not self.rest() or re.match(r"(?i)p\s*<", self.rest())):
                return None, ""
            raise self.error(f"a number after {rule}", example)
        value = float(number)
        if not math.isfinite(value):
            self.back(number)
            raise self.error("a number that is not infinite", example)
        unit = (self.take(r"(?i:pp)(?!\w)|%") or "").lower()
        if not unit and re.match(r"[\w.]", self.text[self.place :]):
            raise self.error("pp, % or nothing after the number", example)
        self.check(name, rule, value, unit, example)
        return value, unit

    def check(self, name: str, rule: str, value: float, unit: str, example: str) -> None:
        """Refuse what does not fit the measure, and a limit that nothing can reach."""
        kind, changes = MEASURES[name].kind, rule in ("drops", "rises")
        shown = f"{_number(value)}{unit}"
        if kind == "share":
            if changes and unit == "%":
                raise self.error("percentage points, as a per cent of a per cent reads two ways", example, shown)
            if value / (100 if unit else 1) > 1:
                raise self.error(f"a share of at most 1, or 100{unit or '%'}", example, shown)
            if value / (100 if unit else 1) == 1 and (changes or rule == ">"):
                raise self.error("a limit that can be passed; 1 is a share, and means 100%", example, shown)
        elif unit == "pp" or (unit and not changes):
            raise self.error(f"no {unit}: {name} is not a share", example, shown)
        if unit == "pp" and not changes:
            raise self.error("a share such as 0.97 or 97%; pp are differences", example, shown)

    def certainty(self, name: str, amount: float | None) -> tuple[float | None, bool]:
        measure = MEASURES[name]
        mark = self.take(r"(?i:p)\s*<(?!=)|(?i:ci)\b")
        if mark is None:
            return None, False
        if measure.test is None:
            self.back(mark)
            raise self.error(f"nothing more: {name} is exact, chance has no part in it", f"{name} rises 20%")
        if mark.lower() == "ci":
            if not measure.interval:
                self.back(mark)
                raise self.error(
                    f"p< or nothing: resampling gives no interval for {name}, log_loss and brier have one",
                    "log_loss rises 0.02 ci",
                )
            if not amount:
                self.back(mark)
                raise self.error("a margin above 0 before ci", f"{name} {_margin(measure.kind)} ci")
            return None, True
        number = self.take(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
        if number is None or not 0 < float(number) < 1:
            self.back(number or "")
            raise self.error("a level between 0 and 1 after p<", EXAMPLE)
        return float(number), False

    def take(self, pattern: str) -> str | None:
        """Return what matches here, and go behind it and the space that follows; None where nothing does."""
        start = self.place
        while start < len(self.text) and self.text[start].isspace():
            start += 1
        found = re.compile(pattern).match(self.text, start)
        if found is None or not found.group():
            return None
        self.before = printable(self.text[: found.end()].strip())
        self.place = found.end()
        return found.group()

    def back(self, word: str) -> None:
        """Go back before a word that was taken."""
        self.place -= len(word)
        self.before = printable(self.text[: self.place].strip())

    def rest(self) -> str:
        return self.text[self.place :].strip()

    def error(self, expected: str, example: str = "", received: str | None = None) -> InvalidInputError:
        came = printable(received if received is not None else self.rest())
        came = repr(came[:60]) if came else "nothing"
        where = f" after {self.before!r}" if self.before and received is None else ""
        shown = f" Example: {example}." if example else ""
        return InvalidInputError(
            f"condition {printable(self.text)[:120]!r}: expected {expected}. Received: {came}{where}.{shown}"
        )


def _example(name: str) -> str:
    """Return a condition with that measure."""
    return "flips > 1%" if name == "flips" else f"{name}{_part(name)} {_margin(MEASURES[name].kind)}"


def _part(name: str) -> str:
    """Return the brackets that a measure wants, with a class in them."""
    return {"": "", "class": "[7]", "cell": "[3->5]"}[MEASURES[name].part]


def _margin(kind: Kind) -> str:
    return {"share": "drops 0.5pp", "loss": "rises 0.02", "count": "rises 10"}[kind]


_EXAMPLES: dict[tuple[bool, Kind], str] = {
    (True, "share"): "{name} drops 0.5pp",
    (True, "loss"): "{name} rises 0.02, or {name} rises 10%",
    (True, "count"): "{name} rises 20%",
    (False, "share"): "{name} < 0.97, or {name} < 97%",
    (False, "loss"): "{name} > 0.1",
    (False, "count"): "{name} > 5000000",
}
