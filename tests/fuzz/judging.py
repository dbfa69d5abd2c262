"""One execution: bytes go to a reader, and what comes out is judged."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from diag.errors import DiagError
from diag.worker import state
from tests.fuzz.targets import Target

SECONDS = 20
"""Of processor time for one input in this process."""
_LONGEST = 500
_STOPPED = {
    "made the reader die": "died",
    "model process die": "died",
    "timed out": "timed out",
    "needs less memory": "memory",
}


class HangError(BaseException):
    """An input took too long. Not an `Exception`: nothing on the way may swallow it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an input: ``read``, ``refused``, ``died``, ``timed out``, ``memory``, or ``failed``."""

    kind: str
    text: str = ""


def judged(target: Target, data: bytes, isolated: bool | None = None, folder: Path | None = None) -> Outcome:
    """Give bytes to a target's reader.

    Parameters
    ----------
    isolated : bool, optional
        Whether models and data are read in the process that may die; by default where native code may crash.
    folder : Path, optional
        Where its files are written; it is emptied.
    """
    own = Path(tempfile.mkdtemp(prefix="fuzz-")) if folder is None else folder
    own.mkdir(exist_ok=True)
    try:
        with _isolation(target.native if isolated is None else isolated), _watched():
            target.read(own, data)
        return Outcome("read")
    except DiagError as error:
        return _of_error(str(error))
    except HangError:
        return Outcome("failed", f"took over {SECONDS} s of processor time:\n{traceback.format_exc()}")
    except Exception:  # noqa: BLE001 - that there is none is what is looked for
        return Outcome("failed", traceback.format_exc())
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _of_error(text: str) -> Outcome:
    if not text.isprintable() or not text or len(text) > _LONGEST:
        return Outcome("failed", f"not one printable line below {_LONGEST} characters: {text!r}")
    return Outcome(next((kind for said, kind in _STOPPED.items() if said in text), "refused"), text)


@contextlib.contextmanager
def _isolation(wanted: bool) -> Iterator[None]:
    before = os.environ.get(state.VARIABLE)
    os.environ[state.VARIABLE] = "on" if wanted else "off"
    try:
        yield
    finally:
        if before is None:
            del os.environ[state.VARIABLE]
        else:
            os.environ[state.VARIABLE] = before


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    """Bound the processor time, so that a busy machine changes nothing, and have warnings raised."""
    before = signal.signal(signal.SIGVTALRM, _hangs)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _hangs(_: int, __: FrameType | None) -> None:
    raise HangError
