"""Other ways to prepare the images, tried beside the one in use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from diag.checks.budget import spent
from diag.errors import CheckNotApplicable
from diag.io.preprocessing import Preprocessing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.detection import Detection

ALPHA = 1e-4
"""Of the exact McNemar test: some dozens of ways are tried on the same images."""
LOSS_ALPHA = 0.001
"""Of the sign-flip test of the log loss, which 1,999 flips can reach."""
LEAST_IMAGES = 20
LIFT, LARGE_LIFT = 0.03, 0.1
"""Share of all images that another way must make right to be worth a warning, and something critical."""
GOOD_ACCURACY, GOOD_LOSS = 0.97, 0.25
"""With this accuracy no other way can add `LIFT`, and with this log loss (nats) none can add `LOSS`: none is tried."""
LOSS, LOSS_RATIO = 0.15, 0.4
"""Nats by which another way must lower the log loss, and share of it that may be left, where accuracy is the same.
Among the shipped models the L2 regression, which is too unsure, comes closest: 0.57 is left, with 0.23 nats less."""
EPSILON = 1e-7
BUDGET, FEWEST = 2e11, 32
"""Multiply-adds of the comparison, and images that are compared in any case."""
FULL_BUDGET, FULL_IMAGES = 1e12, 6000
"""Multiply-adds that detection may cost, and images that it shows a network when everything is open. A network for
which that is too much is tried with other scales alone."""
SHORT_IMAGES, SHORT_WAYS = (16, 128), 14
"""Images that each of the scales is then tried on, at least and at most; and how many scales there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one way of preparing the images gives: whether each answer is right, and its log loss, shape (m,)."""

    right: NDArray[np.bool_]
    loss: NDArray[np.float64]

    @classmethod
    def of(cls, proba: NDArray[np.float32], y_true: NDArray[np.int64]) -> Answers:
        """Return the answers of probabilities (m, k)."""
        truth = proba[np.arange(len(y_true)), y_true].astype(np.float64)
        return cls(proba.argmax(axis=1) == y_true, -np.log(np.clip(truth, EPSILON, 1)))

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.right.mean())

    @property
    def log_loss(self) -> float:
        """Mean log loss, in nats."""
        return float(self.loss.mean())

    def more_right_than(self, other: Answers) -> float:
        """Return the p-value of the exact one-sided McNemar test that these answers are more often right."""
        from scipy.stats import binomtest

        won, lost = int((self.right & ~other.right).sum()), int((~self.right & other.right).sum())
        return float(binomtest(won, won + lost, alternative="greater").pvalue) if won + lost else 1.0

    def surer_than(self, other: Answers, rng: np.random.Generator) -> bool:
        """Return whether these answers are as often right and their log loss is far and significantly smaller."""
        from diag.detection.decision import sign_flip_p

        if self.accuracy < other.accuracy - 0.01 or other.log_loss - self.log_loss < LOSS:
            return False
        return self.log_loss <= LOSS_RATIO * other.log_loss and sign_flip_p(other.loss - self.loss, rng) < LOSS_ALPHA


class Trial:
    """The preprocessing in use, what detection finds when nothing is pinned, and both on the same images.

    Parameters
    ----------
    case : Case

    Raises
    ------
    CheckNotApplicable
        If there are too few images, or the model is an ensemble.
    """

    def __init__(self, case: Case) -> None:
        if case.model.members:
            raise CheckNotApplicable("Every member of an ensemble is prepared in its own way: check them one by one.")
        if len(case.run) < LEAST_IMAGES:
            raise CheckNotApplicable(
                f"Ways to prepare the images are compared on {LEAST_IMAGES} at least; there are {len(case.run)}."
            )
        self._case = case
        most = max(FEWEST, int(BUDGET / case.sweep.cost / 2))
        order = case.rng("trial").permutation(len(case.rows))
        self.places = np.sort(order[:most])
        self.in_use: Preprocessing = case.model.preprocessing
        self.open: Detection | None = case.run.detection
        """What was detected for the figures; None where everything was pinned."""

    @property
    def good(self) -> bool:
        """Whether the way in use leaves nothing to gain."""
        used = self.used()
        return used.accuracy >= GOOD_ACCURACY and used.log_loss <= GOOD_LOSS

    def used(self, y_true: NDArray[np.int64] | None = None) -> Answers:
        """Return the answers of the way in use, to labels (m,) of `places`."""
        return Answers.of(self._case.proba[self.places], self._labels() if y_true is None else y_true)

    def answers(self, preprocessing: Preprocessing, y_true: NDArray[np.int64] | None = None) -> Answers:
        """Return the answers of another way on the same images."""
        model = replace(self._case.model, preprocessing=preprocessing)
        proba = model.predict_proba(self._case.images[self.places])
        return Answers.of(proba, self._labels() if y_true is None else y_true)

    def _labels(self) -> NDArray[np.int64]:
        return self._case.y_true[self.places]

    @cached_property
    def found(self) -> Detection:
        """Return what detection finds when nothing is pinned; for a large network, when the scale is not."""
        from diag.detection import detect

        loaded = self._case.loaded
        if self.open is not None and loaded.preprocessing == Preprocessing():
            return self.open
        cost, free = self._case.sweep.cost, Preprocessing()
        short = cost * FULL_IMAGES > FULL_BUDGET
        n = int(np.clip(FULL_BUDGET / cost / SHORT_WAYS, *SHORT_IMAGES))
        if short:
            spent("to try other scales", min(n, len(self._case.run)) * SHORT_WAYS * cost)
            kept = ("resize", "channels", "layout", "transpose", "fit", "invert", "channel_order")
            free = Preprocessing(**{field: getattr(self.in_use.closed(), field) for field in kept})
        model = replace(loaded, preprocessing=free, card=replace(loaded.card, pinned=False), settled=False)
        if not short:
            return detect(model, self._case.labelled, seed=self._case.seed)
        return detect(model, self._case.labelled, n, self._case.seed)

    def labels_of(self, found: Detection) -> NDArray[np.int64]:
        """Return the labels of `places` as a detection reads them, in the order of outputs that it found."""
        from diag.io.pairing import match_classes

        _, labels, _ = match_classes(replace(self._case.model, label_rule=found.label_rule), self._case.labelled)
        labels = labels[self._case.rows[self.places]]
        return labels if found.label_order is None else np.asarray(found.label_order.outputs)[labels]

    def swapped(self) -> Preprocessing | None:
        """Return the way in use with red and blue exchanged; None without colours."""
        colours = self.in_use.channels == 3 and self._case.images.shape[3] == 3
        order = "rgb" if self.in_use.channel_order == "bgr" else "bgr"
        return replace(self.in_use, channel_order=order) if colours else None  # type: ignore[arg-type]
