"""`diag.detect`: candidates are tried on labelled images, coarse first, and the best is tested against the others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.detection.candidates import Space
from diag.detection.decision import LOSS_TOLERANCE, Decision, decide
from diag.detection.label_order import label_order, matched
from diag.detection.scores import Answers, Score, best_first, independence_p, stratified_order
from diag.errors import InvalidInputError, UnsupportedModelError
from diag.io.pairing import GUESSED, labelings, match_classes
from diag.metrics.comparison import mcnemar_exact
from diag.results.detection import LEVEL, Detection, LabelOrder, Tried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from diag.detection.candidates import Candidate
    from diag.io.datasets import Dataset
    from diag.io.models import Model
    from diag.io.pairing import Labeling

SAMPLE, COARSE, FINALISTS = 300, 64, 6
"""Labelled images in all, images of the first look, and candidates that get all images."""
LARGE_INPUT, LARGE_SAMPLE, LARGE_COARSE = 64 * 64 * 3, 128, 32
"""Numbers in an input from which on a network is taken to be slow, and what it is then asked."""
EXTENSION = 4
"""How many times more images are drawn when the sample cannot separate the finalists."""
GOOD = 0.95
"""Accuracy of the first look from which on inverted and transposed images are not tried."""
CHANCE_LEVEL, RULE_LEVEL = 0.01, 0.001
MOST_CLASSES = 200
"""With more classes a few hundred images cannot tell the order of outputs."""
MOST_SHARE = (3, 0.25, 0.75)
"""A class is most of the data with three times its even share, but with no less and no more than these shares of it."""
LEAST_IMAGES = 20
"""With fewer labelled images no test can separate anything."""


def detect(model: Model, data: Dataset, n: int = SAMPLE, seed: int = 0) -> Detection:
    """Find out what preprocessing a model wants, and whether the labels fit, from labelled images.

    Parameters
    ----------
    model : Model
        What its preprocessing (card and wishes) says is kept; the rest is open.
    data : Dataset
        With labels.
    n : int
        Labelled images that finalists are judged on, as many of each class as can be. Four times as many when these
        cannot separate them; at most 128 when the model's input is large.
    seed : int
        Of the draw and of the tests.

    Returns
    -------
    Detection

    Raises
    ------
    DataError
        If the data has no labels, or names that the model does not know.
    InvalidInputError
        If images cannot be brought to the model's input, or `n` is below 1.
    UnsupportedModelError
        For an ensemble.

    Notes
    -----
    Open are: scale (0 to 1, 0 to 255, -1 to 1, -0.5 to 0.5, each image standardised, the data's own and well-known
    means and standard deviations) with inversion, transposition and the order of a flat input's channels; then, turned
    as the best of these, every scale with every way to the model's size; then the channel order of the best of all.
    `decide` says how the best is chosen and tested.

    Labels may also start at 1 or be in another sorting: a reading of `labelings` other than the usual is taken when it
    makes more answers right (McNemar's exact test, 0.1 %). When nothing is better than chance, candidates are judged by
    the accuracy on one half of the images with outputs assigned to labels on the other half.

    Where one class is most of the data (`MOST_SHARE`), always naming it is nearly always right. Then every class counts
    the same, and "chance" is what Fisher's exact test of each class says. A network that has learnt how rare a class
    is has its probabilities divided by the classes' shares; which of the two it is, the log loss says.

    References
    ----------
    Saerens, Latinne & Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities, Neural
    Computation 14, 21-41.

    Examples
    --------
    >>> found = detect(load_model("cnn.h5"), load_dataset("test.npz"))  # doctest: +SKIP
    >>> found.flags  # doctest: +SKIP
    '--scale 1/255 --no-invert --no-transpose'
    """
    if n < 1:
        raise InvalidInputError(f"n: expected at least 1. Received: {n}.")
    if model.members:
        raise UnsupportedModelError(
            f"{model.name}: expected one model. Received: {model.kind}, each prepared in its own way. Detect for its "
            "members one by one."
        )
    return _Search(model, data, n, seed).run()


@dataclass(frozen=True, slots=True, eq=False)
class _Final:
    """Finalists, their scores, and what was decided."""

    candidates: Sequence[Candidate]
    scores: Sequence[Score]
    decision: Decision
    rule: str
    order: LabelOrder | None
    above_chance: bool


class _Search:
    """One detection: the sample, the answers so far, and every candidate tried."""

    def __init__(self, model: Model, data: Dataset, n: int, seed: int) -> None:
        self.model, self.data, self.seed = model, data, seed
        self.labelings: dict[str, Labeling] = labelings(model, data)
        if not self.labelings:
            match_classes(model, data)  # raises: there is no reading with labels in range
        self.usual = next(rule for rule in ("names", "numbers", *self.labelings) if rule in self.labelings)
        self.drawn = stratified_order(next(iter(self.labelings.values())).labels, seed)
        large = _input_size(model, data) > LARGE_INPUT
        self.coarse = min(len(data), n, LARGE_COARSE if large else COARSE)
        self.n = min(len(data), n, LARGE_SAMPLE if large else n)
        self.most = self.n if large else min(len(data), EXTENSION * n)
        images = self._images(0, self.n)
        self.space = Space(model, data.images.shape[1:])
        self.space.look(images)
        self.answers = Answers(model, images)
        self.tried: list[Candidate] = []
        self.balanced = self._mostly_one_class()
        self.learnt_shares = True

    def _mostly_one_class(self) -> bool:
        """Whether one class is so much of the data that accuracy says little."""
        counts = np.unique(self.labelings[self.usual].labels, return_counts=True)[1]
        times, least, most = MOST_SHARE
        return bool(len(counts) > 1 and counts.max() / counts.sum() >= min(max(times / len(counts), least), most))

    def _images(self, start: int, stop: int) -> NDArray[np.generic]:
        return np.asarray(self.data.images[self.drawn[start:stop]])

    def run(self) -> Detection:
        """Try, decide, and say."""
        finalists = self._coarse()
        final = self._decide(finalists, self.n)
        if final.above_chance and final.decision.status != "decided" and len(final.candidates) > 1:
            final = self._extended(final)
        return self._detection(final)

    def _labels(self, rule: str, n: int) -> NDArray[np.int64]:
        return self.labelings[rule].labels[self.drawn[:n]]

    def _score(self, candidate: Candidate, rule: str, n: int, order: LabelOrder | None = None) -> Score:
        labels = self._labels(rule, n)
        labels = labels if order is None else np.asarray(order.outputs)[labels]
        proba = self.answers.proba(candidate)[:n]
        if not self.balanced:
            return Score.of(proba, labels)
        return Score.balanced(proba, labels, self._factors(rule, order))

    def _factors(self, rule: str, order: LabelOrder | None) -> NDArray[np.float64]:
        """Return what the probability of each class is multiplied by, (k,): 1 where no share is learnt or known."""
        factors = np.ones(self.model.n_classes)
        if self.learnt_shares:
            labels = self.labelings[rule].labels
            labels = labels if order is None else np.asarray(order.outputs)[labels]
            classes, counts = np.unique(labels, return_counts=True)
            factors[classes] = counts.sum() / (counts * len(classes))
        return factors

    def _look_for_shares(self, candidates: Sequence[Candidate], n: int) -> None:
        """Find out whether the network has learnt how rare classes are: what it would lose otherwise."""
        if not self.balanced:
            return
        losses = {}
        for learnt in (True, False):
            self.learnt_shares = learnt
            losses[learnt] = min(self._best_reading(each, n).log_loss for each in candidates)
        self.learnt_shares = losses[True] < losses[False] + LOSS_TOLERANCE

    def _best_reading(self, candidate: Candidate, n: int) -> Score:
        """Return the candidate's score by the reading of labels that suits it best."""
        scores = [self._score(candidate, rule, n) for rule in self.labelings]
        return scores[best_first(scores)[0]]

    def _try(self, candidates: Sequence[Candidate], n: int) -> None:
        self.answers.ask(candidates, n)
        self.tried += [each for each in candidates if each not in self.tried]

    def _coarse(self) -> list[Candidate]:
        """Return the candidates that deserve all images; the most usual of all is one of them."""
        self._try(self.space.plain(), self.coarse)
        self._look_for_shares(self.tried, self.coarse)
        if max(self._best_reading(each, self.coarse).accuracy for each in self.tried) < GOOD:
            self._try(self.space.turned(), self.coarse)
        self._try(self.space.fitted(self._beam(1)[0]), self.coarse)
        self._try([other for each in self._beam(FINALISTS - 2) for other in self.space.recoloured(each)], self.coarse)
        usual = self.tried[0]
        return [usual, *(each for each in self._beam(FINALISTS) if each is not usual)]

    def _beam(self, size: int) -> list[Candidate]:
        """Return the best candidates so far: of those as accurate as the best within two standard errors, the surest.

        When nothing is better than chance, those whose answers tell most of the labels in any order.
        """
        self._look_for_shares(self.tried, self.coarse)
        scores = [self._best_reading(each, self.coarse) for each in self.tried]
        top = scores[best_first(scores)[0]]
        if not self._above_chance(top) or self._better_in_another_order(top):
            return self._beam_any_order(size)
        best = max(each.accuracy for each in scores)
        error = math.sqrt(max(best * (1 - best), 1 / self.coarse) / self.coarse)
        near = [place for place, each in enumerate(scores) if each.accuracy >= best - 2 * error]
        kept = sorted(near, key=lambda place: scores[place].log_loss)[: max(1, size - 1)]
        for place in (best_first(scores)[0], *best_first(scores)):
            if len(kept) < size and place not in kept:
                kept.append(place)
        return [self.tried[place] for place in kept]

    def _matched(self, candidate: Candidate, n: int) -> NDArray[np.bool_]:
        """Return whether answers are right, by labels in the order that the other half of the images gives."""
        score, k = self._score(candidate, self.usual, n), self.model.n_classes
        return matched(self._labels(self.usual, n), score.predicted, k) if k <= MOST_CLASSES else score.correct

    def _better_in_another_order(self, top: Score) -> bool:
        """Whether labels in another order make significantly more answers right than the best candidate has."""
        others = [self._matched(each, self.coarse) for each in self.tried]
        best = max(others, key=lambda correct: correct.sum())
        won, lost = int((best & ~top.correct).sum()), int((top.correct & ~best).sum())
        return won > lost and mcnemar_exact(won, lost) < CHANCE_LEVEL / len(self.tried)

    def _beam_any_order(self, size: int) -> list[Candidate]:
        n = min(self.n, max(self.coarse, 12 * self.model.n_classes))
        self.answers.ask(self.tried, n)
        weights = self._score(self.tried[0], self.usual, n).weights
        found = [float(np.average(self._matched(each, n), weights=weights)) for each in self.tried]
        places = sorted(range(len(found)), key=lambda place: (-found[place], self.tried[place].unusual))
        return [self.tried[place] for place in places[:size]]

    def _chance(self, n: int) -> float:
        return float(np.unique(self._labels(self.usual, n), return_counts=True)[1].max() / n)

    def _above_chance(self, score: Score) -> bool:
        """Whether so many right answers are more than the best of all that was tried has by chance."""
        from scipy.stats import binom

        level = CHANCE_LEVEL / (len(self.tried) * len(self.labelings))
        if score.labels is not None:
            return independence_p(score.labels, score.predicted) < level / 2  # shares learnt, and not
        n = len(score.correct)
        return float(binom.sf(int(score.correct.sum()) - 1, n, self._chance(n))) < level

    def _decide(self, finalists: Sequence[Candidate], n: int) -> _Final:
        """Judge finalists on the first `n` images."""
        self.answers.ask(finalists, n)
        self._look_for_shares(finalists, n)
        rule = self._reading(finalists, n)
        scores = [self._score(each, rule, n) for each in finalists]
        unusual = [each.unusual for each in finalists]
        order = self._order(scores, rule, n)
        above = order is not None or any(self._above_chance(each) for each in scores)
        if order is not None:
            scores = [self._score(each, rule, n, order) for each in finalists]
        decision = decide(scores, unusual, self.seed) if above else _untested(scores, unusual.index(min(unusual)))
        return _Final(finalists, scores, decision, rule, order, above)

    def _order(self, scores: Sequence[Score], rule: str, n: int) -> LabelOrder | None:
        """Return another order of labels that makes more answers right than any finalist has without it."""
        k, labels = self.model.n_classes, self._labels(rule, n)
        if k > MOST_CLASSES:
            return None
        lifted = [matched(labels, each.predicted, k).mean() for each in scores]
        best = scores[int(np.argmax(lifted))]
        tries = len(scores) if any(self._above_chance(each) for each in scores) else len(self.tried)
        order = label_order(labels, best.predicted, k, tries)
        most = max(each.accuracy for each in scores)
        return order if order is not None and order.accuracy_matched > most else None

    def _reading(self, finalists: Sequence[Candidate], n: int) -> str:
        """Return the reading of labels: another than the usual only when it makes significantly more answers right."""
        rule, most = self.usual, -1.0
        for other in self.labelings:
            for candidate in finalists:
                score = self._score(candidate, other, n)
                if score.accuracy > most and self._better(candidate, score, other, n):
                    rule, most = other, score.accuracy
        return rule

    def _better(self, candidate: Candidate, score: Score, rule: str, n: int) -> bool:
        if rule == self.usual and rule in ("names", "numbers"):
            return True
        if not self._above_chance(score):
            return False
        if self.usual not in ("names", "numbers"):
            return True
        usual = self._score(candidate, self.usual, n).correct
        only, lost = int((score.correct & ~usual).sum()), int((usual & ~score.correct).sum())
        return only > lost and mcnemar_exact(only, lost) < RULE_LEVEL

    def _extended(self, final: _Final) -> _Final:
        """Judge finalists that could not be separated on more images, unless they are one and the same."""
        tied = [place for place, p in enumerate(final.decision.p_values) if p is None or p >= LEVEL]
        best = final.scores[final.decision.best]
        if self.most <= len(self.answers) or all(_identical(final.scores[place], best) for place in tied):
            return final
        self.answers.grow(self._images(len(self.answers), self.most))
        again = self._decide(final.candidates, self.most)
        return again if again.above_chance else final

    def _detection(self, final: _Final) -> Detection:
        best = final.candidates[final.decision.best]
        status = final.decision.status if final.above_chance else "chance"
        label_rule = None if final.rule == self.usual and final.rule in ("names", "numbers") else final.rule
        if status == "chance" and self.usual not in ("names", "numbers"):
            label_rule = None
        return Detection(
            status=status,
            preprocessing=best.preprocessing,
            pins=best.pins,
            evidence=self._evidence(final, best),
            label_rule=label_rule,
            label_order=final.order,
            class_names=self.labelings[final.rule].class_names,
            chance=self._chance(len(final.scores[0].correct)),
            guessed=any(note.startswith(GUESSED) for note in self.data.notes),
            n=len(final.scores[0].correct),
            n_predicted=self.answers.n_predicted,
            seed=self.seed,
            model_digest=self.model.digest,
            data_digest=self.data.digest,
            balanced_chance=self._balanced_chance(final),
        )

    def _balanced_chance(self, final: _Final) -> float | None:
        if not self.balanced:
            return None
        return 1 / len(np.unique(self._labels(self.usual, len(final.scores[0].correct))))

    def _evidence(self, final: _Final, best: Candidate) -> tuple[Tried, ...]:
        """Return the chosen candidate, then the finalists, then all others by images tried and log loss."""
        rows = []
        for candidate in self.tried:
            place = final.candidates.index(candidate) if candidate in final.candidates else None
            if place is not None:
                score = final.scores[place]
            else:
                known = len(self.answers.proba(candidate))
                score = self._score(candidate, final.rule, known, final.order)
            chosen = candidate is best
            rows.append(
                Tried(
                    name=candidate.name,
                    accuracy=score.accuracy,
                    log_loss=score.log_loss,
                    n=len(score.correct),
                    p_value=None if place is None or chosen else final.decision.p_values[place],
                    agreement=None if place is None else final.decision.agreement[place],
                    chosen=chosen,
                    flags=candidate.pins.flags(),
                )
            )
        return tuple(sorted(rows, key=lambda row: (not row.chosen, -row.n, -row.accuracy, row.log_loss)))


def _identical(one: Score, other: Score) -> bool:
    return bool((one.predicted == other.predicted).all() and np.allclose(one.loss, other.loss, atol=1e-4))


def _untested(scores: Sequence[Score], best: int) -> Decision:
    """Return the decision for the most usual candidate where nothing can be decided."""
    agreement = tuple(float((each.predicted == scores[best].predicted).mean()) for each in scores)
    return Decision(best, tuple(None for _ in scores), agreement, (), "undecided")


def _input_size(model: Model, data: Dataset) -> int:
    return math.prod(size or math.prod(data.images.shape[1:3]) for size in model.native_shape)
