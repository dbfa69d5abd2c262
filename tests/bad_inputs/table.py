"""What a case is, and how it is run.

A table of cases has three parts: ``CASES``, pairs of a name and what makes the wrong input and returns the command
line; ``SAID``, for each name what the command then says; ``LEGAL``, odd inputs that are right, with what is printed.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass

import pytest

from diag.cli import main


@dataclass(frozen=True)
class Said:
    """How a wrong input is refused.

    ``error`` is the error's class, ``status`` the exit status. The message is one line, in which ``expected``,
    ``received`` and ``to_do`` are found, patterns all three, apart from each other.
    """

    error: str
    status: int
    expected: str
    received: str
    to_do: str

    def parts(self) -> dict[str, str]:
        """Return the patterns of the three parts of a message, by name."""
        return {"expected": self.expected, "received": self.received, "what to do": self.to_do}


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status, the class of its error, and what it wrote."""

    status: int
    error: str
    out: str
    err: str


def run(arguments: list[str], capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> Ended:
    """Run the command line as a user's shell does, in this process."""
    patch.setattr(sys, "argv", ["diag", *map(os.fspath, arguments)])
    capture.readouterr()
    with pytest.raises(SystemExit) as stop:
        main()
    said = capture.readouterr()
    cause = stop.value.__context__
    status = stop.value.code if isinstance(stop.value.code, int) else 0
    return Ended(status, "" if cause is None else type(cause).__name__, said.out, said.err)


def missing_parts(line: str, said: Said) -> list[str]:
    """Return the parts that a message lacks, or that are not apart from the others."""
    taken: list[tuple[int, int]] = []
    missing = []
    for name, pattern in said.parts().items():
        free = (found.span() for found in re.finditer(pattern, line))
        place = next((span for span in free if all(span[1] <= a or span[0] >= b for a, b in taken)), None)
        if place is None:
            missing.append(name)
        else:
            taken.append(place)
    return missing
