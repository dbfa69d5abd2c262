"""Kills diag at random moments and looks at what it left: ``python -m tests.crashes.kill [--times 200] [--seed 0]``.

Four kinds of work are killed in turn: ``diag report``, ``diag evaluate``, cache writes, and ``diag cache clear``
while another process writes. After each kill: the output is the old file or a whole new one, every entry of the cache
is whole or not there, no process of it is left, and (at the end) the same command gives the same figures.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "saved_models" / "digits" / "dense.keras"
KINDS = ("report", "evaluate", "write", "clear")
OLD = "<!doctype html><p>old</p></html>"
WRITE = """
import numpy as np
from diag.io import store
from tests.crashes.test_store import entry
number = 0
print("ready", flush=True)
while True:
    store.save("kernels", str(number % 3), entry(number))
    number += 1
"""


@dataclass
class Tally:
    """What was found after the kills."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    finished: int = 0
    outputs: dict[str, int] = field(default_factory=lambda: {"old": 0, "new": 0})
    entries: int = 0
    faults: list[str] = field(default_factory=list)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of what is killed: a cache and a folder for temporary files of its own."""
    (folder / "tmp").mkdir(exist_ok=True)
    return {
        **os.environ,
        "DIAG_CACHE_DIR": str(folder / "cache"),
        "TMPDIR": str(folder / "tmp"),
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def command(kind: str, folder: Path) -> list[str]:
    """Return the command of a kind."""
    diag = [sys.executable, "-m", "diag"]
    if kind == "report":
        return [*diag, "report", str(MODEL), "--data", "digits", "--explain", "1", "--out", str(folder / "report.html")]
    if kind == "evaluate":
        return [*diag, "evaluate", str(MODEL), "--data", "digits"]
    if kind == "clear":
        return [*diag, "cache", "clear"]
    return [sys.executable, "-c", WRITE]


def processes_of(folder: Path) -> list[int]:
    """Return the processes whose temporary files lie in a folder (Linux; elsewhere none are seen)."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def wait_for_none(folder: Path, seconds: float = 10) -> list[int]:
    """Return what still runs when nothing does any more, or after some seconds."""
    deadline = time.monotonic() + seconds
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def look(folder: Path, tally: Tally, what: str) -> None:
    """Look at the output, the cache and the processes."""
    from diag.io import store

    out = folder / "report.html"
    text = out.read_text(encoding="utf-8")
    if text == OLD:
        tally.outputs["old"] += 1
    elif text.rstrip().endswith("</html>") and len(text) > 100_000:
        tally.outputs["new"] += 1
        out.write_text(OLD, encoding="utf-8")
    else:
        tally.faults.append(f"{what}: a report of {len(text):,} characters")
    os.environ["DIAG_CACHE_DIR"] = str(folder / "cache")
    for place in sorted((folder / "cache").glob("*/*")):
        if place.is_dir() and not place.name.startswith("."):
            tally.entries += 1
            if place.parent.name != "assets" and store.load(place.parent.name, place.name) is None:
                tally.faults.append(f"{what}: a damaged entry {place.parent.name}/{place.name}")
    if left := wait_for_none(folder):
        tally.faults.append(f"{what}: processes {left} are left")


def duration(kind: str, folder: Path) -> float:
    """Return how long a kind takes undisturbed."""
    if kind == "write":
        return 1.0
    started = time.monotonic()
    subprocess.run(command(kind, folder), cwd=ROOT, env=environment(folder), capture_output=True, check=True)
    return time.monotonic() - started


def kill_once(kind: str, folder: Path, after: float, tally: Tally) -> None:
    """Start a kind of work, kill it after some seconds, and look."""
    others = []
    if kind == "clear":
        others = [subprocess.Popen(command("write", folder), cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE)]
        others[0].stdout.readline()
    started = subprocess.Popen(
        command(kind, folder), cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    if kind == "write":
        started.stdout.readline()
    try:
        started.wait(after)
        tally.finished += 1
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGKILL)
    for process in (started, *others):
        process.kill()
        process.communicate()
    tally.kills[kind] += 1
    look(folder, tally, f"{kind} killed after {after:.2f} s")


def figures(folder: Path) -> dict[str, object]:
    """Return what ``diag evaluate --json`` says."""
    run = subprocess.run(
        [*command("evaluate", folder), "--json"], cwd=ROOT, env=environment(folder), capture_output=True, check=True
    )
    found = json.loads(run.stdout)["models"][0]
    return {name: found[name] for name in ("accuracy", "confusion", "log_loss")}


def harness(times: int, seed: int, folder: Path, kinds: tuple[str, ...] = KINDS) -> Tally:
    """Kill `times` times, the kinds in turn, and return what was found."""
    rng = random.Random(seed)  # noqa: S311 - moments, no secrets
    tally = Tally()
    (folder / "report.html").write_text(OLD, encoding="utf-8")
    expected = figures(folder)
    lengths = {kind: duration(kind, folder) for kind in kinds}
    (folder / "report.html").write_text(OLD, encoding="utf-8")
    for number in range(times):
        kind = kinds[number % len(kinds)]
        if kind in ("report", "evaluate") and number % 3:
            subprocess.run(command("clear", folder), cwd=ROOT, env=environment(folder), capture_output=True, check=True)
        kill_once(kind, folder, rng.uniform(0, lengths[kind]), tally)
    if figures(folder) != expected:
        tally.faults.append("the figures after all kills differ from those before")
    return tally


def main() -> None:
    """Run the harness and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = harness(given.times, given.seed, Path(folder))
    print(f"kills {tally.kills}, of which {tally.finished} came too late; outputs {tally.outputs}; ", end="")
    print(f"{tally.entries} entries looked at; {len(tally.faults)} faults")
    print("\n".join(tally.faults))
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
