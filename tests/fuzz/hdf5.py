"""``python -m tests.fuzz.hdf5 --times 12000``: damaged HDF5 files through the process that may die.

The HDF5 library itself crashes and hangs on some of them. What counts: each ends in one line, the caller lives, and a
good file is read right after one that brought the process down.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

from diag.worker.limits import VARIABLE
from diag.worker.process import reader
from tests.fuzz.corpus import seeds
from tests.fuzz.judging import judged
from tests.fuzz.mutations import mutated_bytes
from tests.fuzz.targets import BY_NAME

TARGETS = ("hdf5 model", "hdf5 data", "keras weights")
STOPPED = ("died", "timed out", "memory")
LIMITS = "seconds=12"
"""A third of it in processor time: what hangs, hangs for ever, and is not waited for."""


def damaged(times: int, seed: int = 0, kept: Path | None = None) -> tuple[Counter[str], list[str]]:
    """Read damaged files; return how they ended, and what was wrong with how.

    Parameters
    ----------
    times : int
        Files, of all kinds together.
    kept : Path, optional
        A folder for the files that brought the process down.
    """
    counts, wrong = Counter[str](), []
    chance = random.Random(seed)  # noqa: S311 - not a secret
    for number in range(times):
        target = BY_NAME[TARGETS[number % len(TARGETS)]]
        data = _changed(seeds(target.name)[0], chance)
        outcome = judged(target, data)
        counts[outcome.kind] += 1
        if outcome.kind in STOPPED:
            if kept is not None:
                (kept / f"hdf5-{outcome.kind.replace(' ', '-')}-{seed}-{number}").write_bytes(data)
            after = judged(target, seeds(target.name)[0])
            counts["good files after"] += 1
            if after.kind != "read":
                wrong.append(f"{number}: a good file after it: {after.kind}: {after.text}")
        elif outcome.kind == "failed":
            wrong.append(f"{number} ({target.name}): {outcome.text}")
    return counts, wrong


def _changed(data: bytes, chance: random.Random) -> bytes:
    """Return a file with a few bytes replaced, most often in its first kilobytes, where its structure lies."""
    if chance.random() < 0.2:
        return mutated_bytes(data, chance)
    out, end = bytearray(data), len(data) if chance.random() < 0.3 else min(len(data), 4096)
    for _ in range(chance.choice((1, 2, 4, 16, 64))):
        place = chance.randrange(8, end)
        out[place] = out[place] ^ 1 << chance.randrange(8) if chance.random() < 0.5 else chance.randrange(256)
    return bytes(out)


def main() -> int:
    """Read damaged files and print what became of them; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.hdf5", description=__doc__)
    parser.add_argument("--times", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="A folder for files that brought the process down.")
    given = parser.parse_args()
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault(VARIABLE, LIMITS)
    start = time.monotonic()
    counts, wrong = damaged(given.times, given.seed, given.keep)
    print(*(f"{name} {count:,};" for name, count in sorted(counts.items())), f"{time.monotonic() - start:,.0f} s;",
          f"processes started: {reader().generation}")  # fmt: skip
    print(*wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
