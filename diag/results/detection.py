"""Which preprocessing a model was found to want, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from diag.io.preprocessing import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

Status = Literal["decided", "equivalent", "undecided", "chance"]
LEVEL = 0.05
"""Level of the tests that separate the best candidate from the others."""
WEAK = 0.2
"""How far from chance (0) to perfect (1) the chosen one's accuracy must come, lest the data be taken for wrong."""
COLUMNS = ("candidate", "accuracy", "log_loss", "n", "p_value", "agreement", "chosen", "flags")


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate, tried.

    Parameters
    ----------
    name : str
    accuracy : float
        Share of right answers among the `n` images that it was tried on, 0..1; where the classes of a detection are
        `balanced`, the mean of the classes' shares.
    log_loss : float
        In nats.
    n : int
    p_value : float or None
        That it is as good as the chosen one, adjusted by Holm over the candidates compared; None when it was given up
        before that, or is the chosen one or gives the same answers.
    agreement : float or None
        Share of images to which it gives the chosen one's class.
    chosen : bool
    flags : str
        The command line's options that ask for it.
    """

    name: str
    accuracy: float
    log_loss: float
    n: int
    p_value: float | None
    agreement: float | None
    chosen: bool
    flags: str


@dataclass(frozen=True, slots=True)
class LabelOrder:
    """Outputs that stand in another order than labels.

    Parameters
    ----------
    outputs : tuple of int
        The output that means the data's class 0, 1, ...
    accuracy, accuracy_matched : float
        With labels as they are, and with labels in the order of `outputs`: each half of the images is judged by the
        order that the other half gives. 0..1.
    p_value : float
        McNemar's exact test between the two.
    n : int
        Images.
    """

    outputs: tuple[int, ...]
    accuracy: float
    accuracy_matched: float
    p_value: float
    n: int

    def moved(self) -> tuple[int, ...]:
        """Return the classes whose output is not their own."""
        return tuple(number for number, output in enumerate(self.outputs) if number != output)

    def class_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the data's class names in the order of the model's outputs."""
        ordered = list(names)
        for number, output in enumerate(self.outputs):
            if number < len(names) and output < len(names):
                ordered[output] = names[number]
        return tuple(ordered)


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Which preprocessing was found, what else was tried, and whether the labels fit.

    Parameters
    ----------
    status : {"decided", "equivalent", "undecided", "chance"}
        Better than every other candidate; tied with candidates that give the same answers; tied with candidates that
        give others; or nothing tried is better than chance.
    preprocessing : Preprocessing
        The chosen one, complete. With status "chance": the most usual one.
    pins : Preprocessing
        The fields that were open, as they were chosen.
    evidence : tuple of Tried
        Every candidate tried, the chosen one first, then by images tried and accuracy. With a `label_order`, by that.
    label_rule : str or None
        One of `diag.io.pairing.RULES` when labels are read in another way than the usual.
    label_order : LabelOrder or None
        When outputs stand in another order than labels. Figures are not changed by it.
    class_names : tuple of str
        As the figures have them.
    chance : float
        Accuracy of always naming the most frequent class among the images tried.
    guessed : bool
        Nobody named the data: it is a built-in set that fits the model's shape.
    n, n_predicted, seed : int
        Images drawn, as many of each class as can be; predictions made; the seed of the draw.
    model_digest, data_digest : str
    balanced_chance : float or None
        Where one class has most of the images, candidates were judged as if all classes were equally frequent: the
        mean of the classes' shares of right answers that anything has by chance. None elsewhere.
    """

    status: Status
    preprocessing: Preprocessing
    pins: Preprocessing
    evidence: tuple[Tried, ...]
    label_rule: str | None
    label_order: LabelOrder | None
    class_names: tuple[str, ...]
    chance: float
    guessed: bool
    n: int
    n_predicted: int
    seed: int
    model_digest: str
    data_digest: str
    balanced_chance: float | None = None

    @property
    def balanced(self) -> bool:
        """Whether rare classes counted as much as the others."""
        return self.balanced_chance is not None

    @property
    def chosen(self) -> Tried:
        """The candidate that was taken."""
        return self.evidence[0]

    @property
    def flags(self) -> str:
        """The command line's options that pin the choice."""
        return self.pins.flags()

    def frame(self) -> pd.DataFrame:
        """Return one row a candidate.

        ``candidate``, ``accuracy`` (0..1), ``log_loss`` (nats), ``n`` (images), ``p_value`` (Holm), ``agreement``
        (0..1), ``chosen``, ``flags``; see `Tried`.
        """
        import pandas as pd

        rows = [
            (row.name, row.accuracy, row.log_loss, row.n, row.p_value, row.agreement, row.chosen, row.flags)
            for row in self.evidence
        ]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        return frame.astype({"p_value": float, "agreement": float})

    def ties(self) -> tuple[Tried, ...]:
        """Return the candidates that the images cannot separate from the chosen one."""
        others = [row for row in self.evidence[1:] if row.agreement is not None]
        return tuple(row for row in others if row.p_value is None or row.p_value >= LEVEL)

    def runner_up(self) -> Tried | None:
        """Return the best of the candidates that the chosen one is significantly better than."""
        beaten = [row for row in self.evidence[1:] if row.p_value is not None and row.p_value < LEVEL]
        return min(beaten, key=lambda row: (-row.accuracy, row.log_loss), default=None)

    def verdict(self) -> str:
        """Return one or two sentences: what was found, how sure that is, and how to pin it."""
        pin = f" Pin it with {self.flags}, or by a model card ('diag init' writes it)." if self.flags else ""
        weak = " That is little: is this the data that the model was trained for?" if self.weak else ""
        return self.sentence() if self.status == "chance" else self.sentence() + weak + pin

    def headline(self) -> str:
        """Return what was found in a few words; what is not sure, in full."""
        if self.uncertain or self.status in ("undecided", "chance"):
            return self.verdict()
        best = self.chosen
        pin = f" Pin it with {self.flags}" if self.flags else ""
        right = f"{best.accuracy:.1%} of {best.n:,} labelled images are right"
        if self.balanced:
            right += ", all classes counting the same"
        return f"Preprocessing detected: {best.name}; {right}.{pin}"

    def sentence(self) -> str:
        """Return what was found and how sure that is."""
        best = self.chosen
        figures = f"accuracy {best.accuracy:.1%}, log loss {best.log_loss:.3f} on {best.n} labelled images"
        figures += ", all classes counting the same" if self.balanced else ""
        figures += ", by labels in another order" if self.label_order is not None else ""
        if self.status == "chance":
            return self._chance()
        if self.status == "undecided":
            names = _listed([row.name for row in self.ties()])
            return f"Preprocessing is undecided: {best.name} was taken ({figures}), but {names} cannot be told from it."
        return f"Preprocessing was detected: {best.name} ({figures}){self._beside()}."

    def _beside(self) -> str:
        """Return what the chosen one was compared with."""
        parts = []
        other = self.runner_up()
        if other is not None and other.p_value is not None:
            p = "p < 0.001" if other.p_value < 1e-3 else f"p = {other.p_value:.3f}"
            same = other.accuracy > self.chosen.accuracy - 0.01
            by = "the log loss decides: " if same else ""
            parts.append(f"next {other.name}, {by}{other.accuracy:.1%}, {other.log_loss:.3f}, {p}")
        ties = [row.name for row in self.ties()]
        if ties:
            parts.append(f"{_listed(ties[:3])} {'gives' if len(ties) == 1 else 'give'} nearly the same answers")
        return "; " + "; ".join(parts) if parts else ""

    def _chance(self) -> str:
        best = self.chosen
        if self.chance == 1:
            return (
                f"All {best.n} labelled images are of one class, which cannot tell ways of preprocessing apart: "
                f"{best.name} was assumed ({best.accuracy:.1%} right). Pass images of several classes."
            )
        if self.balanced:
            others = round((1 - self.chance) * best.n)
            return (
                f"{len(self.evidence)} ways of preprocessing were tried, and with none do the answers go with the "
                f"labels, all classes counting the same: {best.name} was assumed. {self.chance:.1%} of {best.n} "
                f"labelled images are of one class; the other {others:,} may be too few to tell, or labels and images "
                "are not those that the model was trained for. Pass more images of the rare classes, or say in the "
                "model card how images are prepared."
            )
        said = (
            f"Nothing that was tried ({len(self.evidence)} ways of preprocessing) is better than chance: at best "
            f"{max(row.accuracy for row in self.evidence if row.n == best.n):.1%} of {best.n} labelled images right, "
            f"chance {self.chance:.1%}. {best.name} was assumed."
        )
        if self.guessed:
            return f"{said} This is probably the wrong data: pass --data with the data that the model was trained for."
        return f"{said} The labels or the images are probably not those that the model was trained for."

    def label_sentence(self) -> str | None:
        """Return what is wrong with the order of labels, if anything."""
        order = self.label_order
        if order is None:
            return None
        moved = order.moved()
        pairs = ", ".join(f"{self._name(number)} is output {order.outputs[number]}" for number in moved[:6])
        more = f" and {len(moved) - 6} more" if len(moved) > 6 else ""
        return (
            f"Labels stand in another order than the model's outputs: {pairs}{more}. In that order "
            f"{order.accuracy_matched:.1%} instead of {order.accuracy:.1%} of {order.n} images are right "
            f"(p {'< 0.001' if order.p_value < 1e-3 else f'= {order.p_value:.3f}'}). The figures are not changed: name "
            "the classes in the model's order in its card ('diag init' writes it)."
        )

    def _name(self, number: int) -> str:
        return self.class_names[number] if number < len(self.class_names) else str(number)

    @property
    def weak(self) -> bool:
        """Whether even the chosen one is hardly better than chance."""
        chance = self.chance if self.balanced_chance is None else self.balanced_chance
        return self.chosen.accuracy < chance + WEAK * (1 - chance)

    @property
    def uncertain(self) -> bool:
        """Whether a person should look: undecided, (nearly) at chance, or labels in another order."""
        return self.weak or self.status in ("undecided", "chance") or self.label_order is not None

    def warnings(self) -> tuple[str, ...]:
        """Return the sentences that need a person."""
        label = self.label_sentence()
        said = (self.verdict(),) if self.weak or self.status in ("undecided", "chance") else ()
        return (*said, label) if label else said

    def notes(self) -> tuple[str, ...]:
        """Return all sentences."""
        label = self.label_sentence()
        return (self.verdict(), label) if label else (self.verdict(),)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` reads them back."""
        order = self.label_order
        return {
            "status": self.status,
            "verdict": self.verdict(),
            "flags": self.flags,
            "preprocessing": self.preprocessing.to_dict(),
            "pins": self.pins.to_dict(),
            "evidence": [{key: getattr(row, key) for key in Tried.__slots__} for row in self.evidence],
            "label_rule": self.label_rule,
            "label_order": None if order is None else {key: getattr(order, key) for key in LabelOrder.__slots__},
            "class_names": list(self.class_names),
            "balanced_chance": self.balanced_chance,
            **{key: getattr(self, key) for key in _PLAIN},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Detection:
        """Return what `to_dict` wrote."""
        order = values["label_order"]
        return cls(
            status=values["status"],
            preprocessing=Preprocessing.from_dict(values["preprocessing"]),
            pins=Preprocessing.from_dict(values["pins"]),
            evidence=tuple(Tried(**row) for row in values["evidence"]),
            label_rule=values["label_rule"],
            label_order=None if order is None else LabelOrder(**{**order, "outputs": tuple(order["outputs"])}),
            class_names=tuple(values["class_names"]),
            balanced_chance=values.get("balanced_chance"),
            **{key: values[key] for key in _PLAIN},
        )


_PLAIN = ("chance", "guessed", "n", "n_predicted", "seed", "model_digest", "data_digest")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
