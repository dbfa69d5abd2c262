"""What finding slices costs and finds: false alarms without a bad group, power with one, time at 100,000 images.

Run: python benchmarks/slices.py
"""

from __future__ import annotations

import time
from types import MappingProxyType, SimpleNamespace

import numpy as np

from diag.engines.slices import find_slices
from diag.metrics.intervals import wilson_interval
from diag.results.evaluation import Evaluation

N = 2000
RUNS = 300
PLANTED = (40, 100, 200)
DROPS = (0.05, 0.1, 0.2, 0.3)


def run_of(y_true, wrong, k):
    """Return an evaluation that is wrong exactly there."""
    n = len(y_true)
    y_pred = np.where(wrong, (y_true + 1) % k, y_true)
    samples = {"index": np.arange(n), "y_true": y_true, "y_pred": y_pred, "confidence": np.full(n, 0.9)}
    data = SimpleNamespace(name="simulated", digest="simulated", metadata=None, images=np.zeros((n, 1, 1, 1)))
    return Evaluation(
        SimpleNamespace(name="simulated", digest="simulated"), data, MappingProxyType(samples), None,
        tuple(map(str, range(k))), (), 1.0, False, MappingProxyType({}),
    )  # fmt: skip


def simulated(rng, size=0, drop=0.0, n=N, k=10):
    """Return a run with classes of different difficulty, columns, features, and a planted group of `size` images."""
    y_true = rng.integers(0, k, n)
    planted = np.zeros(n, dtype=bool)
    planted[rng.choice(n, size, replace=False)] = True
    chance = np.linspace(0.02, 0.08, k)[y_true] + drop * planted
    site = np.where(planted, "planted", rng.choice(list("ABCDE"), n))
    columns = {"site": site, "age": rng.normal(50, 10, n), "device": rng.integers(0, 3, n)}
    features = np.eye(k, 16)[y_true] + rng.normal(0, 0.3, (n, 16))
    return run_of(y_true, rng.random(n) < chance, k), features, columns


def share(count, of):
    low, high = wilson_interval(count, of)
    return f"{count / of:6.1%} (95% {float(low):.1%} to {float(high):.1%})"


def false_alarms(rng):
    found = tried = 0
    for _ in range(RUNS):
        run, features, columns = simulated(rng)
        slices = find_slices(run, features, columns, by=("metadata", "cluster"), cache=False)
        frame = slices.frame()
        found += bool(sum("class" not in name for name in frame["slice"]))
        tried += len(slices)
    print(f"no bad group, {N:,} images, {tried / RUNS:.0f} groups tried: a false slice in {share(found, RUNS)}")


def power(rng):
    print(f"a bad group among {N:,} images with 5 % errors; found after correction, and its share of errors on average")
    for size in PLANTED:
        for drop in DROPS:
            found, shrunken = 0, []
            for _ in range(60):
                run, features, columns = simulated(rng, size, drop)
                slices = find_slices(run, features, columns, by=("metadata",), cache=False)
                frame = slices.frame(tried=True).set_index("slice")
                found += bool(frame.loc["site = planted", "significant"])
                shrunken.append(-frame.loc["site = planted", "shrunken"])
            print(
                f"  {size:4d} images, {drop:4.0%} more errors: {share(found, 60)}, shrunken to {np.mean(shrunken):5.1%}"
            )


def large(rng):
    for n, k, d in ((100_000, 10, 512), (100_000, 1000, 512)):
        run, _, columns = simulated(rng, 2000, 0.1, n, k)
        features = rng.normal(size=(n, d)).astype(np.float32)
        features[np.arange(n), run.samples["y_true"] % d] += 2
        started = time.perf_counter()
        slices = find_slices(run, features, columns, by=("class", "metadata", "cluster"), cache=False)
        seconds = time.perf_counter() - started
        print(f"{n:,} images, {k:,} classes, {d} features: {seconds:.1f} s, {len(slices):,} groups; {slices.verdict()}")


if __name__ == "__main__":
    large(np.random.default_rng(0))
    generator = np.random.default_rng(0)
    false_alarms(generator)
    power(generator)
