"""Runs attacks in a process that may die, and looks at what they did: memory, time, markers, canaries, visitors."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attacks.hdf5 import compile_plugin
from tests.attacks.models import keras_file
from tests.attacks.table import planted
from tests.attacks.trap import SECRET, Attack, Trap, Visitors, Watch, poison, write_canaries

ROOT = Path(__file__).resolve().parents[2]
MAX_SECONDS, MAX_BYTES, MAX_TEXT = 30, 2 * 10**9, 500
_STEP = 0.02  # seconds between two looks at the memory
_STILL = 2**20  # bytes by which the memory of a process changes that has nothing to do
_GONE = ("hung", "died", "memory")
_KILL = 4 * 10**9  # bytes at which a process is ended: the machine is not to be filled


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attack: how it ended, what was said, what it took."""

    kind: str
    text: str = ""
    shown: tuple[str, ...] = ()
    seconds: float = 0.0
    peak: int = 0
    trace: str = ""


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for each in found:
        for place in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, place.read_text().split())
    return found


def _status(pid: int, field: str) -> int:
    """Return a number of bytes from the kernel's words on a process; 0 where it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _at_work(sizes: dict[int, int], idle: dict[int, int]) -> int:
    """Return the memory of all processes together, without those that only wait: TensorFlow's, when data are read."""
    return sum(size for pid, size in sizes.items() if abs(size - idle.get(pid, 0)) > _STILL)


class Driver:
    """A process that runs attacks, and is started anew when one has killed it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1
        self.starts = 0

    def run(self, task: dict[str, Any]) -> Outcome:
        """Run one task and return what became of it."""
        process = self._process if self._process is not None and self._process.poll() is None else self._start()
        for pid in tree(process.pid):
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is counted from here
        process.stdin.write(json.dumps(task).encode() + b"\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        return self._answer(3 * MAX_SECONDS)

    def _start(self) -> subprocess.Popen[bytes]:
        self.close()
        ours, theirs = os.pipe()
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.attacks.driver", str(theirs)], stdin=subprocess.PIPE, stdout=output,
                stderr=output, pass_fds=(theirs,), cwd=ROOT, env=self._environment, start_new_session=True,
            )  # fmt: skip
        os.close(theirs)
        self._answers = ours
        self.starts += 1
        if self._answer(60).kind != "ready":
            raise RuntimeError(f"the driver does not start: {(self._folder / 'output').read_text()[-2000:]}")
        return self._process

    def _answer(self, seconds: float) -> Outcome:
        """Wait for an answer and look at the memory of all processes meanwhile."""
        process = self._process
        if process is None:
            raise RuntimeError("not started")
        start, peak, raw = time.monotonic(), 0, b""
        idle = {pid: _status(pid, "VmRSS") for pid in tree(process.pid)[1:]}
        while not raw.endswith(b"\n"):
            pids = tree(process.pid)
            now = _at_work({pid: _status(pid, "VmRSS") for pid in pids}, idle)
            peak = max(peak, now, *(_status(pid, "VmHWM") for pid in pids if pid not in idle))
            if now > _KILL or time.monotonic() - start > seconds:
                self.close()
                kind = "memory" if now > _KILL else "hung"
                return Outcome(kind, peak=peak, seconds=time.monotonic() - start)
            if select.select([self._answers], [], [], _STEP)[0]:
                part = os.read(self._answers, 1 << 20)
                if not part:
                    code = process.wait()
                    self.close()
                    return Outcome("died", f"exit status {code}", peak=peak, seconds=time.monotonic() - start)
                raw += part
        peak = max(peak, _at_work({pid: _status(pid, "VmHWM") for pid in tree(process.pid)}, idle))
        found = json.loads(raw)
        known = {key: found[key] for key in ("kind", "text", "trace", "seconds") if key in found}
        return Outcome(**known, shown=tuple(found.get("shown", ())), peak=peak)

    def close(self) -> None:
        """End the process and all below it."""
        if self._process is not None:
            for pid in reversed(tree(self._process.pid)):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process.stdin.close()  # type: ignore[union-attr]
            os.close(self._answers)
            self._process = None


class Range:
    """A shooting range: folder, canaries, server, driver. Attacks are run on it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.marker = self.folder / "MARKER"
        self.canary = write_canaries(self.folder / "canary")
        self._watch, self._visitors = Watch(self.canary), Visitors()
        self._temporary = self.folder / "tmp"
        self._temporary.mkdir()
        compile_plugin(self.folder / "plugins", self.marker)
        self._good = keras_file(self.folder / "good.keras")
        self._cold = True
        self.driver = Driver(self.folder, self.environment())

    def environment(self) -> dict[str, str]:
        """Return a hostile environment: packages that must not be imported, a filter that must not be loaded."""
        poisoned = poison(self.folder / "poisoned", self.marker)
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "DIAG_LIMITS", "DIAG_ISOLATION") if key in os.environ}
        kept.setdefault("DIAG_LIMITS", "seconds=12")  # a few attacks are ended by the clock alone: not to wait for it
        return {
            **kept, "PYTHONPATH": f"{ROOT}:{poisoned}", "HDF5_PLUGIN_PATH": str(self.folder / "plugins"),
            "HOME": str(self._temporary.parent), "KERAS_HOME": str(self.folder / "keras"), "CUDA_VISIBLE_DEVICES": "-1",
            "TMPDIR": str(self._temporary), "DIAG_CACHE_DIR": str(self.folder / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip

    def fire(self, attack: Attack) -> tuple[Outcome, list[str]]:
        """Return what became of an attack, and what is wrong with that; nothing if it was held off."""
        trap = Trap(self.folder / "attacks" / attack.name, self.marker, self.canary, self._visitors.url)
        try:
            given = planted(attack, trap)
            self._warm()
            self.marker.unlink(missing_ok=True)
            self._watch.opened()
            self._visitors.taken()
            before = self._output()
            outcome = self.driver.run({"feed": attack.feed, "given": given})
            self._cold = outcome.kind in _GONE or "was stopped" in outcome.text
            names = _names_in(trap.folder)
            return outcome, [*self._harm(attack, outcome, before), *_badly_said(attack, outcome, given, names)]
        finally:
            shutil.rmtree(trap.folder, ignore_errors=True)

    def _warm(self) -> None:
        """Have a good model answered where processes are to be started: that is not an attack's time."""
        if self._cold:
            outcome = self.driver.run({"feed": "model", "given": str(self._good)})
            if outcome.kind != "read":
                raise RuntimeError(f"a good model is not read: {outcome}")
            self._cold = False

    def _harm(self, attack: Attack, outcome: Outcome, before: int) -> list[str]:
        found = []
        if self.marker.exists():
            found.append("its payload ran: the marker is there")
            self.marker.unlink()
        opened = self._watch.opened()
        if opened and not attack.opens:
            found.append(f"a canary was opened: {', '.join(sorted(opened))}")
        asked = self._visitors.taken()
        if asked:
            found.append(f"the network was asked: {asked[:3]}")
        printed = self._printed(before)
        if not attack.opens and any(
            SECRET[:10] in text or SECRET[:-11:-1] in text for text in (outcome.text, printed, *outcome.shown)
        ):
            found.append("what is in a canary was shown")
        if "Traceback (most recent call last)" in printed:
            found.append(f"a traceback was printed: {printed[-600:]}")
        if outcome.peak > MAX_BYTES:
            found.append(f"it took {outcome.peak / 1e9:.1f} GB")
        if outcome.seconds > MAX_SECONDS:
            found.append(f"it took {outcome.seconds:.0f} s")
        left = [path.name for path in self._temporary.iterdir() if not path.name.startswith("diag-worker")]
        if left:
            found.append(f"it left {left[:3]} behind")
            for path in self._temporary.iterdir():
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        return found

    def _output(self) -> int:
        path = self.folder / "output"
        return path.stat().st_size if path.exists() else 0

    def _printed(self, start: int) -> str:
        with (self.folder / "output").open("rb") as file:
            file.seek(start)
            return file.read(10**6).decode(errors="replace")

    def close(self) -> None:
        """End everything."""
        self.driver.close()
        self._watch.close()
        self._visitors.close()


def _names_in(folder: Path) -> set[str]:
    """Return the names of an attack's files, and the words of its small texts: what a card names may be named too."""
    names = set()
    for path in itertools.islice(folder.rglob("*"), 500):
        names.add(path.name)
        if path.suffix == ".toml" and path.is_file() and path.stat().st_size < 10_000:
            names |= set(re.findall(r"[\w.~-]{3,}", path.read_text(errors="replace")))
    return names


def _badly_said(attack: Attack, outcome: Outcome, given: str, names: set[str]) -> list[str]:
    """Return what is wrong with the way an attack ended."""
    if outcome.kind in (*_GONE, "bug"):
        return [f"{outcome.kind}: {outcome.text[:300]} {outcome.trace[-700:]}"]
    found = []
    controls = [text for text in outcome.shown if any(char in text for char in "\x1b\x07\u202e\u2066")]
    if controls:
        found.append(f"control characters are shown: {controls[0][:80]!r}")
    if any(text.startswith("diag inspect fails") for text in outcome.shown):
        found.append(f"bug: {outcome.shown[0][-900:]}")
    if outcome.kind == "read":
        return found if attack.harmless else [*found, "it was read as if nothing were wrong"]
    text = outcome.text
    if len(text) >= MAX_TEXT or not text.isprintable():
        found.append(f"not one printable line below {MAX_TEXT} characters: {len(text)}, {text[:200]!r}")
    last = given.rpartition("/")[2] if len(given) < 4000 else ""
    known = {name for name in {last, *names} if name.isprintable() and 0 < len(name) < 100}
    if known and not any(name in text or Path(name).stem in text for name in known):
        found.append(f"the file is not named: {text[:200]!r}")
    return found


def fired(attacks: tuple[Attack, ...], folder: Path | None = None) -> dict[str, tuple[Outcome, list[str]]]:
    """Return outcome and complaints for each attack."""
    with tempfile.TemporaryDirectory() as place:
        ground = Range(folder or Path(place))
        try:
            return {attack.name: ground.fire(attack) for attack in attacks}
        finally:
            ground.close()
