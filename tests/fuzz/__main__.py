"""``python -m tests.fuzz``: changed inputs for every target, until the runs or the seconds are over.

Each target has a process of its own: one that a library in C brings down is found out, and the next begins. Inputs that
fail are written to ``build/fuzz``, with what was raised and the command that gives them again.
"""

# ruff: noqa: S311 - chance, not secrets
from __future__ import annotations

import argparse
import faulthandler
import hashlib
import importlib.util
import json
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.corpus import seeds
from tests.fuzz.judging import judged
from tests.fuzz.targets import BY_NAME, TARGETS, Target

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "fuzz"
MEMORY = 4 * 2**30
"""Bytes of private memory of a process that fuzzes."""
SILENCE = 180
"""Seconds for one input, before the process is ended."""
EVERY = 8
"""One of so many inputs goes through the process that may die, where others do not."""
_MOST_KEPT = 20


def main() -> int:
    """Fuzz, or read one input again; return 1 if anything failed."""
    given = options()
    if given.input is not None:
        outcome = judged(BY_NAME[given.target], given.input.read_bytes())
        print(outcome.kind, outcome.text)
        return int(outcome.kind == "failed")
    if given.inside:
        _by_chance(BY_NAME[given.target], given)
        return 0
    named = [BY_NAME[given.target]] if given.target else [each for each in TARGETS if not each.network]
    if given.seconds and not given.target:
        given.seconds = max(1, given.seconds // len(named))
    failed = [target for target in named if _supervised(target, given)]
    return int(bool(failed))


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=sorted(BY_NAME), help="One only; networks are built only when named.")
    parser.add_argument("--runs", type=int, default=2000, help="Inputs for each target.")
    parser.add_argument("--seconds", type=int, default=0, help="For all targets together; 0 for no bound.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--input", type=Path, help="Read this input once more.")
    parser.add_argument("--atheris", action=argparse.BooleanOptionalAction, default=True,
                        help="Guided by coverage where atheris is installed.")  # fmt: skip
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.input is not None and not given.target:
        parser.error("--input needs --target")
    return given


def _supervised(target: Target, given: argparse.Namespace) -> bool:
    """Fuzz a target in a process of its own; return whether anything failed."""
    _last(target).parent.mkdir(parents=True, exist_ok=True)
    guided = given.atheris and importlib.util.find_spec("atheris") is not None
    module = "tests.fuzz.guided" if guided else "tests.fuzz"
    command = [sys.executable, "-m", module, "--inside", "--target", target.name, "--runs", str(given.runs)]
    command += ["--seconds", str(given.seconds), "--seed", str(given.seed)]
    _counts_file(target).unlink(missing_ok=True)
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    counts = Counter(json.loads(_counts_file(target).read_text())) if _counts_file(target).exists() else Counter()
    if ended.returncode:
        counts["failed"] += 1
        data = _last(target).read_bytes() if _last(target).exists() else b""
        _keep(target, data, f"the process ended with status {ended.returncode}:\n{ended.stderr[-4000:]}")
    print(f"{target.name:20}", *(f"{name} {count:,}" for name, count in sorted(counts.items())), flush=True)
    return bool(counts["failed"])


def _last(target: Target) -> Path:
    return FOLDER / f"{target.name.replace(' ', '-')}.last"


def _counts_file(target: Target) -> Path:
    return _last(target).with_suffix(".json")


def _keep(target: Target, data: bytes, text: str) -> None:
    """Write an input that failed, and how to see it fail again."""
    place = FOLDER / f"{target.name.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:12]}"
    place.write_bytes(data)
    again = f"python -m tests.fuzz --target {target.name!r} --input {place.relative_to(ROOT)}"
    place.with_name(f"{place.name}.txt").write_text(f"{again}\n\n{text}", encoding="utf-8", errors="backslashreplace")


class Execution:
    """Gives inputs to one target, counts what became of them, and keeps those that fail."""

    def __init__(self, target: Target) -> None:
        self.target, self.counts, self._kept = target, Counter[str](), set[str]()
        if sys.platform == "linux":  # inputs that take all memory are failures, not the machine's end
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))

    def __call__(self, data: bytes) -> None:
        """Give one input."""
        _last(self.target).write_bytes(data)
        faulthandler.dump_traceback_later(SILENCE, exit=True)
        number = sum(self.counts.values())
        outcome = judged(self.target, data, isolated=self.target.native or number % EVERY == EVERY - 1)
        faulthandler.cancel_dump_traceback_later()
        self.counts[outcome.kind] += 1
        if outcome.kind in ("failed", "died", "timed out", "memory"):
            where = outcome.text.strip().splitlines()
            cause = "\n".join(where[-4:]) if outcome.kind == "failed" else outcome.kind
            if cause not in self._kept and len(self._kept) < _MOST_KEPT:
                self._kept.add(cause)
                _keep(self.target, data, f"{outcome.kind}\n{outcome.text}")
        if number % 100 == 0:
            self.write()

    def write(self) -> None:
        """Write the counts for the process that watches this one."""
        _counts_file(self.target).write_text(json.dumps(self.counts))


def _by_chance(target: Target, given: argparse.Namespace) -> None:
    chance, execute, end = (
        random.Random(f"{target.name} {given.seed}"),
        Execution(target),
        time.monotonic() + given.seconds,
    )
    known = list(seeds(target.name))
    for data in known:
        execute(data)
    for _ in range(given.runs):
        if given.seconds and time.monotonic() > end:
            break
        data = target.mutate(chance.choice(known), chance)
        if chance.random() < 0.2:
            data = target.mutate(data, chance)
        execute(data)
    execute.write()


if __name__ == "__main__":
    sys.exit(main())
