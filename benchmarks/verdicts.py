"""How often verdicts on models are wrong: simulated models whose true figures are known, and what diag says of them.

``python benchmarks/verdicts.py [--repeats 1000] [--seed 0] [--only NAME]`` prints five tables.
"""

from __future__ import annotations

import argparse
from itertools import combinations

import numpy as np
from scipy.special import ndtri, psi

from diag.metrics import bootstrap
from diag.metrics.comparison import LEVEL, MARGIN, mcnemar_p_values, pair_figures, paired_difference_intervals
from diag.metrics.optimism import chosen_accuracy, resampled_accuracies, shares_of_best
from diag.metrics.power import samples_needed, smallest_detectable

SIZES = (100, 800, 5000)
CLASSES = 10
RARE = 0.02


def correct_answers(rng, n, accuracies, shared=0.7):
    """Return whether each of m models has each of n images right; answers correlate as hard images are hard for all."""
    hardness = rng.standard_normal(n) * np.sqrt(shared)
    own = rng.standard_normal((len(accuracies), n)) * np.sqrt(1 - shared)
    return hardness + own < ndtri(np.asarray(accuracies))[:, None]


def discordant(correct):
    """Return, for each pair of models, the images that only the first, only the second has right."""
    counts = correct.astype(np.int64) @ correct.T.astype(np.int64)
    a, b = np.array(list(combinations(range(len(correct)), 2))).T
    return counts[a, a] - counts[a, b], counts[b, b] - counts[a, b]


def wrong_better(rng, repeats):
    """Print how often any pair is called different when no model is better."""
    print("\n## No difference: how often any pair of models is called better (at most 5%)\n")
    print("| images | accuracy | 2 models | 5 models | 10 models |\n|---:|---:|---:|---:|---:|")
    for n in SIZES:
        for accuracy in (0.8, 0.97):
            shares = []
            for m in (2, 5, 10):
                wrong = 0
                for _ in range(repeats):
                    relation = pair_figures(n, *discordant(correct_answers(rng, n, [accuracy] * m)))["relation"]
                    wrong += bool(np.isin(relation, ["better", "worse"]).any())
                shares.append(wrong / repeats)
            print(f"| {n:,} | {accuracy:.0%} | " + " | ".join(f"{share:.1%}" for share in shares) + " |", flush=True)


def drawn_pairs(rng, n, discordance, difference, repeats):
    """Return simulated discordant images of a pair, both of shape (repeats,)."""
    chances = [(discordance + difference) / 2, (discordance - difference) / 2, 1 - discordance]
    only_a, only_b, _ = rng.multinomial(n, chances, size=repeats).T
    return only_a, only_b


def wrong_equivalent(rng, repeats):
    """Print how often a pair is called equivalent when its difference is the margin itself, and when it is none."""
    print(
        f"\n## Equivalent within {MARGIN * 100:.1f} points: wrongly (the difference is the margin), rightly (it is 0)\n"
    )
    print("| images | discordant | wrongly | rightly |\n|---:|---:|---:|---:|")
    for n in (800, 5000, 20000, 100000):
        for discordance in (0.006, 0.02, 0.06):
            said = []
            for difference in (MARGIN, 0.0):
                pairs = zip(*drawn_pairs(rng, n, discordance, difference, repeats * 5), strict=True)
                said.append(np.mean([pair_figures(n, [a], [b])["relation"][0] == "equivalent" for a, b in pairs]))
            print(f"| {n:,} | {discordance:.1%} | {said[0]:.1%} | {said[1]:.1%} |", flush=True)


def power(rng, repeats):
    """Print how often the smallest difference that is said to be seen is found."""
    print(
        "\n## Power at the smallest difference that is said to be seen, and with the images said to be needed (80%)\n"
    )
    print("| images | discordant | smallest, points | found | images needed for half of it | found |")
    print("|---:|---:|---:|---:|---:|---:|")
    for n in SIZES:
        for discordance in (0.01, 0.05, 0.2):
            smallest = smallest_detectable(n, discordance)
            wide = max(discordance, smallest)
            found = np.mean(mcnemar_p_values(*drawn_pairs(rng, n, wide, smallest, repeats * 20)) < LEVEL)
            needed = int(samples_needed(wide, smallest / 2))
            again = np.mean(mcnemar_p_values(*drawn_pairs(rng, needed, wide, smallest / 2, repeats * 20)) < LEVEL)
            print(
                f"| {n:,} | {discordance:.0%} | {smallest * 100:.2f} | {found:.1%} | {needed:,} | {again:.1%} |",
                flush=True,
            )


class Population:
    """Two models on ten classes whose true figures are known; the last class may be rare and hard."""

    def __init__(self, rare):
        self.share = np.full(CLASSES, 1 / CLASSES)
        if rare:
            self.share = np.append(np.full(CLASSES - 1, (1 - RARE) / (CLASSES - 1)), RARE)
        self.recall = np.linspace(0.97, 0.85, CLASSES), np.linspace(0.94, 0.75, CLASSES)
        self.sure = (9.0, 1.2), (6.0, 1.2)  # Beta distribution of the true class's probability of right answers
        self.unsure = (1.0, 6.0), (1.0, 4.0)

    def draw(self, rng, n):
        """Return y_true, and y_pred and loss of both models."""
        y_true = rng.choice(CLASSES, size=n, p=self.share)
        shared = rng.random(n) < 0.7
        common, step = rng.random(n), 1 + rng.integers(0, 2, n)
        answers = []
        for model in range(2):
            luck = np.where(shared, common, rng.random(n))
            right = luck < self.recall[model][y_true]
            probability = np.where(right, rng.beta(*self.sure[model], n), rng.beta(*self.unsure[model], n))
            y_pred = np.where(right, y_true, (y_true + step) % CLASSES)
            answers.append((y_pred, -np.log(np.clip(probability, 1e-7, 1))))
        return y_true, answers

    def truth(self):
        """Return the true difference of each figure."""
        figures = []
        for recall, sure, unsure in zip(self.recall, self.sure, self.unsure, strict=True):
            hit, missed = self.share * recall, self.share * (1 - recall)
            predicted = hit + (np.roll(missed, 1) + np.roll(missed, 2)) / 2
            loss = hit.sum() * (psi(sum(sure)) - psi(sure[0])) + missed.sum() * (psi(sum(unsure)) - psi(unsure[0]))
            figures.append([hit.sum(), recall.mean(), np.mean(2 * hit / (self.share + predicted)), loss])
        return np.subtract(*figures)


def coverage(rng, repeats):
    """Print how often the intervals of the difference of two models hold the true one."""
    print("\n## Coverage of the 95% intervals of a difference\n")
    print("| images | classes | Agresti-Min | BCa: accuracy | balanced accuracy | macro F1 | log loss |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for n in SIZES:
        for rare in (False, True):
            population = Population(rare)
            truth = population.truth()
            held = np.zeros((repeats, 5))
            for number in range(repeats):
                y_true, answers = population.draw(rng, n)
                held[number] = held_by(y_true, answers, truth, rng)
            name = "one of 2%" if rare else "equal"
            print(f"| {n:,} | {name} | " + " | ".join(f"{share:.1%}" for share in held.mean(axis=0)) + " |", flush=True)


def held_by(y_true, answers, truth, rng):
    """Return whether each interval holds the true difference: Agresti-Min, then BCa of the four figures."""
    right = [y_pred == y_true for y_pred, _ in answers]
    only_a, only_b = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    _, low, high = paired_difference_intervals(len(y_true), only_a, only_b)
    held = [low <= truth[0] <= high]
    observed, left_out = (
        [of(y_true, y_pred, loss, CLASSES) for y_pred, loss in answers]
        for of in (bootstrap.figures, bootstrap.jackknife)
    )
    resampled = bootstrap.resampled_figures(
        y_true, [each[0] for each in answers], [each[1] for each in answers], CLASSES, rng, 1000
    )
    for place in range(4):
        low, high = bootstrap.bca_interval(
            observed[0][place] - observed[1][place],
            resampled[:, 0, place] - resampled[:, 1, place],
            left_out[0][:, place] - left_out[1][:, place],
        )
        held.append(low <= truth[place] <= high)
    return held


def optimism(rng, repeats):
    """Print how far the stated accuracy of the model that is best on a test set is from its true one."""
    print("\n## The best of m models: mean error of its stated accuracy, in points (0 is right, above 0 flatters)\n")
    print("| images | models | true accuracies | as observed | diag | Efron's optimism | out of bag |")
    print("|---:|---:|---|---:|---:|---:|---:|")
    for n in SIZES:
        for m in (2, 10):
            for name, spread in (("equal", 0.0), ("within 2 points", 0.02), ("within 10 points", 0.10)):
                accuracies = np.linspace(0.9 - spread / 2, 0.9 + spread / 2, m)
                errors = np.array([stated(rng, n, accuracies) for _ in range(repeats)]).mean(axis=0) * 100
                said = " | ".join(f"{error:+.2f}" for error in errors)
                print(f"| {n:,} | {m} | {name} | {said} |", flush=True)


def stated(rng, n, accuracies, n_resamples=200):
    """Return the error of four ways to state the accuracy of the chosen model."""
    correct = correct_answers(rng, n, accuracies)
    observed = correct.mean(axis=1)
    ties = np.flatnonzero(observed == observed.max())
    chosen = rng.choice(ties)
    resampled = resampled_accuracies(correct, rng, n_resamples)
    flattery = np.mean(np.sum(shares_of_best(resampled) * (resampled - observed), axis=1))
    size = 60
    places = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
    drawn = np.bincount(places.ravel(), minlength=size * n).reshape(size, n).astype(float)
    inside = drawn @ correct.T / n
    missed = (drawn == 0).astype(float)
    outside = missed @ correct.T / missed.sum(axis=1, keepdims=True)
    out_of_bag = np.mean(np.sum(shares_of_best(inside) * outside, axis=1))
    ways = (observed[chosen], chosen_accuracy(correct, rng, n_resamples), observed[chosen] - flattery, out_of_bag)
    luck = np.mean(observed - accuracies)  # of the test set, the same for all; 0 on average, left out as mere noise
    return [way - accuracies[chosen] - luck for way in ways]


STUDIES = {
    "better": (wrong_better, 1.0),
    "equivalent": (wrong_equivalent, 0.4),
    "power": (power, 1.0),
    "coverage": (coverage, 0.5),
    "optimism": (optimism, 0.3),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="simulated test sets; some tables use a part of them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=STUDIES)
    given = parser.parse_args()
    for name, (study, part) in STUDIES.items():
        if given.only in (None, name):
            study(np.random.default_rng(given.seed), max(1, int(given.repeats * part)))


if __name__ == "__main__":
    main()
