"""How often the intervals of calibration and ranking hold the truth, and what a large evaluation costs.

    python benchmarks/calibration.py             # coverage, seeded
    python benchmarks/calibration.py --scale     # 100,000 images of 1,000 classes: first and second call

Simulated models whose truth is known: confidences that are true, or too high by a known amount; normal scores whose AUC
is known; logits that were multiplied by a known temperature.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
from scipy.special import softmax
from scipy.stats import norm

from diag.metrics.curves import auc_interval, influence_variance, logit_interval, precision_interval, separation
from diag.metrics.ranking import selective_figures
from diag.metrics.reliability import (
    binned_calibration_error,
    calibrated_errors,
    calibration_error_interval,
    calibration_p_value,
    debiased_squared_error,
    equal_mass_bins,
    equal_width_bins,
    overconfidence_interval,
)
from diag.metrics.samples import sample_columns
from diag.metrics.temperature import cross_fit_temperature

TRIALS = 200
SCORES = ((1.0, 0.0), (2.3, 0.0), (3.5, 0.0), (4.37, 0.0), (4.0, 0.1))
"""Distance of normal scores, for an AUC of 0.760, 0.948, 0.993 and 0.999, and one of 0.948 by lost positives."""


def confidences(kind: str, n: int, rng: np.random.Generator) -> Any:
    """Return confidences: uniform from 0.5 to 1, or nearly all high, Beta(99, 1) with mean 0.99."""
    return 0.5 + 0.5 * rng.random(n) if kind == "uniform" else rng.beta(99, 1, n)


def calibration_errors(kind: str, n: int, gap: float) -> dict[str, float]:
    """Return how the calibration error's figures do where accuracy is `gap` below every confidence."""
    held = rejected = claimed = missed = 0
    plain, debiased = [], []
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        confidence = confidences(kind, n, rng)
        correct = rng.random(n) < confidence - gap
        bins = equal_width_bins(confidence, 15)
        drawn = calibrated_errors(confidence, bins, seed)
        low, high = calibration_error_interval(confidence, correct, bins, seed, drawn)
        held += low <= gap <= high
        measured = binned_calibration_error(confidence, correct, bins)
        differs = calibration_p_value(measured, drawn) < 0.05
        rejected += differs
        _, low, high = overconfidence_interval(confidence, correct)
        missed += not low <= gap <= high
        claimed += (low > 0 or high < 0) and differs
        plain.append(measured)
        debiased.append(debiased_squared_error(confidence, correct, equal_mass_bins(confidence, 15)[0]))
    root = float(np.sqrt(max(np.mean(debiased), 0)))
    rates = {"held": held, "rejected": rejected, "gap held": TRIALS - missed, "claimed": claimed}
    return {"ece": float(np.mean(plain)), "debiased": root, **{name: rate / TRIALS for name, rate in rates.items()}}


def areas(positives: int, negatives: int, distance: float, lost: float = 0.0) -> dict[str, float]:
    """Return how often intervals of AUC and average precision hold the truth for normal scores so far apart.

    A share of the positives, `lost`, scores like negatives. Both intervals of the AUC are counted: DeLong's alone, and
    the one that is shown. Counted are data sets that have the interval; ``none`` is the share of those that have none
    for the average precision, which is then 1.
    """

    def drawn(times: int, seed: int) -> tuple[Any, Any]:
        positive = np.arange(times * (positives + negatives)) < times * positives
        rng = np.random.default_rng(seed)
        found = positive & (rng.random(len(positive)) >= lost)
        return rng.normal(size=len(positive)) + distance * found, positive

    truth = float((1 - lost) * norm.cdf(distance / np.sqrt(2)) + lost / 2)
    precise = separation(*drawn(max(1, 1_000_000 // (positives + negatives)), 12345)).average_precision
    held, there = np.zeros(3), np.zeros(3)
    for seed in range(5 * TRIALS):
        found = separation(*drawn(1, seed))
        ends = (
            logit_interval(found.auc, found.auc_variance),
            auc_interval(found.auc, found.auc_variance, positives, negatives),
            precision_interval(found.average_precision, influence_variance(found.ap_influence), positives),
        )
        there += [np.isfinite(low) for low, _ in ends]
        held += [low <= value <= high for value, (low, high) in zip((truth, truth, precise), ends, strict=True)]
    rates = dict(zip(("DeLong", "auc", "average precision"), held / there, strict=True))
    return {**rates, "none": 1 - there[2] / (5 * TRIALS)}


def selective(n: int) -> float:
    """Return how often the interval of AURC holds the truth where confidences are uniform and true."""
    # The surest share c of answers is right 1 - c / 2 of the time: the mean error rate over all c is 1 / 4.
    held = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        confidence = rng.random(n)
        found = selective_figures(confidence, rng.random(n) < confidence, seed)
        held += found["aurc_low"] <= 0.25 <= found["aurc_high"]
    return held / TRIALS


def temperatures(n: int, k: int, planted: float) -> tuple[float, float, float]:
    """Return the mean temperature that is found for a planted one, and the mean log loss before and after."""
    found = []
    for seed in range(TRIALS // 10):
        rng = np.random.default_rng(seed)
        logits = 2 * rng.normal(size=(n, k))
        y_true = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
        proba = softmax(planted * logits, axis=1)
        fit = cross_fit_temperature(y_true, proba, seed)
        found.append((fit.temperature, -np.log(proba[np.arange(n), y_true]).mean(), fit.loss.mean()))
    mean = np.mean(found, axis=0)
    return float(mean[0]), float(mean[1]), float(mean[2])


def coverage() -> None:
    """Print the study."""
    print(f"Calibration error, {TRIALS} data sets each; intervals are meant to hold the truth in 95 %, the test to")
    print("reject true confidences in 5 %.")
    print("  confidence  images  true gap  mean ECE  debiased  ECE's interval  p < 0.05  mean gap's interval  claimed")
    rows = [("uniform", n, gap) for n in (300, 1000, 5000) for gap in (0.0, 0.03, 0.1)]
    rows += [("high", n, gap) for n in (50, 100, 300, 1000) for gap in (0.0, 0.05)]
    for kind, n, gap in rows:
        row = calibration_errors(kind, n, gap)
        print(
            f"  {kind:10}  {n:6,}  {gap:8.2f}  {row['ece']:8.4f}  {row['debiased']:8.4f}  {row['held']:14.1%}  "
            f"{row['rejected']:8.1%}  {row['gap held']:19.1%}  {row['claimed']:7.1%}",
            flush=True,
        )
    print(f"\nAreas of normal scores, {5 * TRIALS:,} data sets each: how often intervals hold the truth")
    print("  positives  negatives  distance  lost  DeLong alone     AUC  average precision    none")
    studied = [(n, 1000, *kind) for kind in SCORES for n in (2, 10, 20, 80)]
    for positives, negatives, distance, lost in [(45, 105, 1.0, 0.0), *studied, (600, 2000, 2.3, 0.0)]:
        row = areas(positives, negatives, distance, lost)
        print(
            f"  {positives:9,}  {negatives:9,}  {distance:8.2f}  {lost:4.1f}  {row['DeLong']:12.1%}  "
            f"{row['auc']:6.1%}  {row['average precision']:17.1%}  {row['none']:6.1%}",
            flush=True,
        )
    print("\nAURC: interval holds")
    for n in (300, 5000):
        print(f"  {n:6,}  {selective(n):6.1%}")
    print("\nTemperature: planted, found, log loss before, after (not fitted on)")
    for n, k, planted in ((1000, 10, 2.0), (1000, 10, 0.5), (1000, 2, 2.0)):
        found, before, after = temperatures(n, k, planted)
        print(f"  {n:,} images of {k} classes: {planted:.2f}  {found:.3f}  {before:.3f}  {after:.3f}")


def scale(n: int = 100_000, k: int = 1000) -> None:
    """Print what the first and the second call cost on many probabilities."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIAG_CACHE_DIR"] = folder
        run = large_run(n, k)
        print(f"{n:,} images of {k:,} classes: {n * k * 4 / 1e6:,.0f} MB of probabilities, mapped")
        from diag.results.calibration import calibration
        from diag.results.decisions import expected_cost
        from diag.results.discrimination import discrimination

        for call in ("first", "second"):
            for function in (calibration, discrimination, expected_cost):
                start = time.perf_counter()
                function(run)
                print(f"  {call:6} {function.__name__:15} {time.perf_counter() - start:6.2f} s")
        start = time.perf_counter()
        discrimination(run).roc_frame(7)
        print(f"  ROC curve of a class   {time.perf_counter() - start:6.2f} s")


def large_run(n: int, k: int) -> Any:
    """Return an evaluation whose probabilities lie in the cache's file."""
    from diag.io import store
    from diag.results.evaluation import Evaluation

    rng = np.random.default_rng(0)
    proba = np.empty((n, k), dtype=np.float32)
    columns = []
    for start in range(0, n, 2000):
        logits = 3.2 * rng.normal(size=(min(2000, n - start), k)).astype(np.float32)
        true = softmax(logits, axis=1)
        y_true = (true.cumsum(axis=1) > rng.random((len(true), 1)) * true.sum(axis=1, keepdims=True) * 0.999999).argmax(
            1
        )
        part = softmax(1.5 * logits, axis=1)
        proba[start : start + len(part)] = part
        columns.append(sample_columns(y_true, part, start))
    samples = {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
    entry = store.save_and_map("evaluations", "large", store.Entry(meta={}, samples=samples, arrays={"proba": proba}))
    return Evaluation(
        model=SimpleNamespace(name="model", n_params=1, file=SimpleNamespace(file_size=1)),
        data=SimpleNamespace(name="data", digest="data", sample_names=None),
        samples=MappingProxyType(dict(entry.samples)),
        proba=entry.arrays["proba"],
        class_names=tuple(f"class {number}" for number in range(k)),
        notes=(),
        seconds=1.0,
        from_cache=False,
        versions=MappingProxyType({}),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", action="store_true", help="time 100,000 images of 1,000 classes instead")
    scale() if parser.parse_args().scale else coverage()
