"""What a report costs: ``diag report`` on 10,000 images beside a bare script that loads the model and predicts.

Usage: ``python benchmarks/report_mnist.py mnist.npz [--repeats 3]``, with the file that Keras keeps for MNIST.
A small CNN is made on the spot (its weights do not matter for the cost). Both commands run in turn, each in a process
of its own; wall-clock seconds and peak memory are the operating system's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BARE = """
import sys, numpy as np, keras
model = keras.models.load_model(sys.argv[1], compile=False)
with np.load(sys.argv[2]) as data:
    x, y = data["x_test"], data["y_test"]
proba = model.predict((x / np.float32(255))[..., None], batch_size=256, verbose=0)
print((proba.argmax(axis=1) == y).mean())
"""
MAKE = """
import sys; sys.path.insert(0, sys.argv[2])
from saved_models.recipes.architectures import cnn_dody
cnn_dody().save(sys.argv[1])
"""


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return wall-clock seconds and peak memory in MB of one run."""
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        errors = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode()}")
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return time.perf_counter() - started, usage.ru_maxrss / scale


def main() -> None:
    """Run all in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = str(folder / "cnn.keras")
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "DIAG_CACHE_DIR": str(folder / "cache")}
        subprocess.run(
            [sys.executable, "-c", MAKE, model, str(ROOT)], check=True, env=environment, stderr=subprocess.DEVNULL
        )
        diag = [sys.executable, "-m", "diag", "report", model, "--data", str(arguments.data)]
        diag += ["--scale", "1/255", "--out", str(folder / "report.html")]
        commands = {
            "bare script: load, predict": [sys.executable, "-c", BARE, model, str(arguments.data)],
            "diag report --no-explain, 1st": [*diag, "--no-explain", "--no-cache"],
            "diag report --explain 20": [*diag, "--explain", "20", "--no-cache"],
            "diag report --no-explain, 2nd": [*diag, "--no-explain"],
        }
        measured(commands["diag report --no-explain, 2nd"], environment)  # fills the cache
        results: dict[str, list[tuple[float, float]]] = {title: [] for title in commands}
        for _ in range(arguments.repeats):
            for title, command in commands.items():
                results[title].append(measured(command, environment))
        first = statistics.median(seconds for seconds, _ in results["bare script: load, predict"])
        print(f"{'median of ' + str(arguments.repeats):32} {'seconds':>8} {'ratio':>6} {'peak MB':>8}")
        for title, runs in results.items():
            seconds = statistics.median(run[0] for run in runs)
            memory = statistics.median(run[1] for run in runs)
            print(f"{title:32} {seconds:8.2f} {seconds / first:6.2f} {memory:8.0f}")
        print(f"report.html: {(folder / 'report.html').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
