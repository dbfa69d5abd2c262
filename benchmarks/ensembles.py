"""Whether what is said of chosen ensembles and of pseudo-labels holds: simulated models whose true figures are known.

``python benchmarks/ensembles.py [--repeats 200] [--seed 0]`` prints three tables.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np

from diag.metrics.ensembles import combined
from diag.metrics.pseudo_labels import reliable_tail
from diag.metrics.samples import sample_columns
from diag.results.agreement import agreement
from diag.results.comparison import Comparison
from diag.results.ensembles import ensembles
from diag.results.evaluation import Evaluation

CLASSES, MODELS, FRESH = 10, 6, 20_000


class Data(SimpleNamespace):
    """As much of a data set as an evaluation asks for."""

    def __len__(self):
        return len(self.labels)


def answers(rng, n, m, k=CLASSES):
    """Return labels and the probabilities of m models that see the same noisy evidence, each with noise of its own."""
    y_true = rng.integers(0, k, n)
    evidence = rng.standard_normal((n, k), dtype=np.float32)
    evidence[np.arange(n), y_true] += 2.5
    probas = []
    for number in range(m):
        logits = evidence + (0.8 + 0.1 * number) * rng.standard_normal((n, k), dtype=np.float32)
        logits = np.exp(2 * (logits - logits.max(axis=1, keepdims=True)))
        probas.append(logits / logits.sum(axis=1, keepdims=True))
    return y_true, probas


def compared(y_true, probas):
    """Return a comparison of these probabilities; no model is asked."""
    data = Data(name="simulated", digest="simulated", labels=y_true)
    runs = []
    for number, proba in enumerate(probas):
        model = SimpleNamespace(name=f"model {number}", digest=str(number), path=Path(f"{number}.h5"))
        samples = MappingProxyType(sample_columns(y_true, proba))
        names = tuple(map(str, range(proba.shape[1])))
        runs.append(Evaluation(model, data, samples, proba, names, (), 1.0, False, MappingProxyType({})))
    return Comparison.from_runs(runs)


def choosing(rng, repeats):
    """Print how far the accuracy of a choice is from that of the chosen on fresh images."""
    print("\n## Choosing: stated less true accuracy of what was chosen, in points (mean, and its standard error)\n")
    print("| images | choice | naive | in folds |\n|---:|---|---:|---:|")
    for n in (100, 400, 1600):
        gaps = {"greedy": [], "best": []}
        for repeat in range(repeats):
            y_true, probas = answers(rng, n, MODELS)
            found = ensembles(compared(y_true, probas), seed=repeat)
            fresh_true, fresh = answers(rng, FRESH, MODELS)
            rows = {each.key: each for each in found.combinations}
            equal = np.zeros(MODELS)
            equal[list(rows["best"].members)] = 1 / len(rows["best"].members)
            given, _ = combined(fresh, fresh_true, np.stack([found.weights, equal]))
            for name, right in zip(gaps, (given == fresh_true).mean(axis=1), strict=True):
                gaps[name].append((rows[name].naive_accuracy - right, rows[name].correct.mean() - right))
        for name, values in gaps.items():
            mean, error = np.mean(values, axis=0) * 100, np.std(values, axis=0) * 100 / np.sqrt(repeats)
            print(
                f"| {n:,} | {name} | "
                + " | ".join(f"{a:+.2f} ({b:.2f})" for a, b in zip(mean, error, strict=True))
                + " |"
            )


def thresholds(rng, repeats):
    """Print how often the true error rate above the threshold is larger than was asked for."""
    print("\n## Pseudo-labels: how often the error above the threshold is larger than asked for (at most 5%)\n")
    print(
        "| labelled | asked | a threshold was found | of all, too large | images above it |\n|---:|---:|---:|---:|---:|"
    )
    for n in (1000, 5000, 20_000):
        for asked in (0.01, 0.05):
            found, wrong, shares = 0, 0, []
            for _ in range(repeats * 5):
                confidence = 1 - rng.random(n) ** 2 / 2  # most are sure
                correct = rng.random(n) >= (1 - confidence) * 0.9
                tail = reliable_tail(confidence, correct, asked)
                if tail is None:
                    continue
                found += 1
                # Above a confidence t lie a share u = sqrt(2 (1 - t)) of the images, with a mean error of 0.15 u^2.
                share = np.sqrt(2 * (1 - tail.threshold))
                wrong += 0.15 * share**2 > asked
                shares.append(share)
            total = repeats * 5
            mean = f"{np.mean(shares):.0%}" if shares else "-"
            print(f"| {n:,} | {asked:.0%} | {found / total:.0%} | {wrong / total:.1%} | {mean} |")


def seconds(rng):
    """Print what the figures cost."""
    print("\n## Seconds, best of 3, nothing kept\n")
    print("| models | images | classes | agreement | ensembles |\n|---:|---:|---:|---:|---:|")
    for m, n, k in ((3, 800, 10), (6, 10_000, 100), (10, 10_000, 100)):
        comparison = compared(*answers(rng, n, m, k))
        best = [np.inf, np.inf]
        for _ in range(3):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["DIAG_CACHE_DIR"] = folder
                started = time.perf_counter()
                agreement(comparison).pairs()
                between = time.perf_counter()
                ensembles(comparison).frame()
                ended = time.perf_counter()
                best = [min(best[0], between - started), min(best[1], ended - between)]
        print(f"| {m} | {n:,} | {k} | {best[0]:.2f} | {best[1]:.2f} |")


def main() -> None:
    """Run the three studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    choosing(rng, given.repeats)
    thresholds(rng, given.repeats)
    seconds(rng)


if __name__ == "__main__":
    main()
