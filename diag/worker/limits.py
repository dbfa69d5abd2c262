"""What a stranger's file may ask for. Every limit is set before the file is parsed, and can be raised by its user."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from typing import Any

from diag.errors import InvalidInputError

VARIABLE = "DIAG_LIMITS"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force.

    Parameters
    ----------
    config_bytes : int
        Of a model's configuration, unpacked.
    config_depth : int
        How deep objects in it may lie in one another.
    ratio : int
        How many times larger than what is stored an array may claim to be, and all of them together.
    layers, parameters : int
        Of a model.
    model_bytes : int
        Of a model's file.
    image_numbers : int
        That one layer may give for one image.
    steps : int
        Of a sequence that a recurrent layer goes through.
    members : int
        Groups and data sets of an HDF5 file; members of an archive.
    files : int
        Of a folder or an archive with images.
    columns : int
        Of a table.
    pixels : int
        Of one picture, before it is decoded.
    image_bytes : int
        Of one image as a network is given it.
    file_bytes : int
        Of what one call may write.
    memory_bytes : int
        Of resident memory that reading may take over what the process had.
    model_memory_bytes : int
        The same for a network's answers and maps; 0 takes what `diag.worker.memory` says.
    seconds : int
        For one file to be read, one network to be built, one image to be answered.
    """

    config_bytes: int = 32 * 2**20
    config_depth: int = 200
    ratio: int = 1000
    layers: int = 2000
    parameters: int = 1_000_000_000
    model_bytes: int = 2**34
    image_numbers: int = 2**26
    steps: int = 100_000
    members: int = 200_000
    files: int = 1_000_000
    columns: int = 100_000
    pixels: int = 89_478_485
    image_bytes: int = 64 * 2**20
    file_bytes: int = 4 * 2**30
    memory_bytes: int = 3 * 2**29
    model_memory_bytes: int = 0
    seconds: int = 25

    @classmethod
    def current(cls) -> Limits:
        """Return the defaults, changed by the environment variable ``DIAG_LIMITS="layers=5000,seconds=120"``.

        Raises
        ------
        InvalidInputError
            If it names no limit, or gives none a whole number above 0.
        """
        return cls.parsed(os.environ.get(VARIABLE, ""))

    @classmethod
    def parsed(cls, text: str) -> Limits:
        """Return the defaults, changed by ``name=number`` pairs between commas.

        Examples
        --------
        >>> Limits.parsed("layers=5000, seconds=120").layers
        5000
        """
        known = {each.name for each in fields(cls)}
        values: dict[str, int] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, number = (piece.strip() for piece in part.partition("="))
            digits = number.replace("_", "")
            whole = digits.isascii() and digits.isdecimal() and len(digits) < 20
            if name not in known or not whole or not 0 < int(digits) < 2**62:
                raise InvalidInputError(
                    f"{VARIABLE}: expected name=number pairs such as seconds=120 of {', '.join(sorted(known))}. "
                    f"Received: {part[:80]!r}. Correct the variable."
                )
            values[name] = int(digits)
        return cls(**values)

    def text(self) -> str:
        """Return the limits that are not the defaults, as `parsed` reads them."""
        usual: dict[str, Any] = asdict(Limits())
        return ",".join(f"{name}={value}" for name, value in asdict(self).items() if value != usual[name])


def raise_hint(name: str, found: int) -> str:
    """Return how to raise a limit so far that `found` passes, to stand at the end of a refusal.

    Examples
    --------
    >>> raise_hint("layers", 4000)
    'If you trust the file, set DIAG_LIMITS=layers=4000.'
    """
    return f"If you trust the file, set {VARIABLE}={name}={found}."
