"""What it costs that networks are built and asked in a process that may die: steps of a notebook, and whole commands.

Run: python benchmarks/isolation.py [--runs 3]; what reading data costs: python benchmarks/isolation_data.py
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
MODEL = "saved_models/digits/cnn_sd.h5"
STEPS = """
import time, numpy, diag
from pathlib import Path
def step(name, work):
    start = time.perf_counter(); work(); print(name, time.perf_counter() - start, sep="|", flush=True)
images = numpy.random.default_rng(0).random((10_000, 28, 28, 1), dtype=numpy.float32)
found = []
step("load_model", lambda: found.append(diag.load_model({path!r})))
step("the first prediction", lambda: found[0].predict_proba(images[:1]))
step("10,000 predictions", lambda: found[0].predict_proba(images))
step("100 predictions of one image", lambda: [found[0].predict_proba(images[:1]) for _ in range(100)])
digits, model = diag.load_dataset("digits"), diag.load_model({shipped!r})
step("maps of 20 images", lambda: diag.explain(model, digits, indices=range(20)))
"""
COMMANDS = {
    "diag evaluate": ["evaluate", MODEL],
    "diag doctor": ["doctor", MODEL],
    "diag report": ["report", MODEL, "--out", "{folder}/report.html"],
}


def mnist_cnn(path: Path) -> None:
    """Write a small CNN for images of 28 x 28."""
    code = (
        "import keras; from keras import layers as l; keras.Sequential([l.Input((28, 28, 1)), l.Conv2D(32, 3, "
        "activation='relu'), l.MaxPooling2D(), l.Conv2D(64, 3, activation='relu'), l.MaxPooling2D(), l.Flatten(), "
        f"l.Dense(10, activation='softmax')]).save({str(path)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def memory(pids: list[int]) -> float:
    """Return their memory in MB; what they share counts once."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total / 1000


def measured(arguments: list[str], mode: str, folder: str) -> tuple[float, float, float, str]:
    """Return wall seconds, processor seconds, peak MB of the whole tree, and the output of a program."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        environment = {**os.environ, "DIAG_ISOLATION": mode, "DIAG_CACHE_DIR": cache, "TF_CPP_MIN_LOG_LEVEL": "3"}
        before, start, peak = os.times(), time.perf_counter(), 0.0
        with subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            while process.poll() is None:
                peak = max(peak, memory(tree(process.pid)))
                time.sleep(0.1)
            output = process.stdout.read() if process.stdout else ""
        after = os.times()
    if process.returncode not in (0, 1, 2):
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, used, peak, output


def main() -> None:
    """Print two tables: steps in one process, and commands from their start to their end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mnist_cnn.keras"
        mnist_cnn(path)
        programs = {"steps": ["-c", STEPS.format(path=str(path), shipped=MODEL)]}
        for name, arguments in COMMANDS.items():
            programs[name] = ["-m", "diag", *(each.format(folder=folder) for each in arguments)]
        steps: dict[str, dict[str, list[float]]] = {}
        rows: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
        for _ in range(runs):
            for name, arguments in programs.items():
                for mode in ("off", "on"):  # in turn, so that both see the same machine
                    wall, used, peak, output = measured(arguments, mode, folder)
                    rows.setdefault(name, {}).setdefault(mode, []).append((wall, used, peak))
                    if name == "steps":
                        for line in output.splitlines():
                            step, _, seconds = line.partition("|")
                            steps.setdefault(step, {}).setdefault(mode, []).append(float(seconds))
    print("| step | here, s | isolated, s |\n|---|---:|---:|")
    for step, by_mode in steps.items():
        print(f"| {step} | {statistics.median(by_mode['off']):.3f} | {statistics.median(by_mode['on']):.3f} |")
    print("\n| program | wall s: here | isolated | processor s: here | isolated | peak MB: here | isolated |")
    print("|---|" + 6 * "---:|")
    for name, both in rows.items():
        off, on = ([statistics.median(each) for each in zip(*both[mode], strict=True)] for mode in ("off", "on"))
        print(f"| {name} | " + " | ".join(f"{a:.1f} | {b:.1f}" for a, b in zip(off, on, strict=True)) + " |")


if __name__ == "__main__":
    main()
