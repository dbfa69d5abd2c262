"""Whether a model file is loaded: not if something in it was refused, unless its user trusts it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from diag.errors import InvalidInputError, ModelLoadError, UnsafeModelError

if TYPE_CHECKING:
    from pathlib import Path

    from diag.io.model_file import ModelFile

_told: set[str] = set()
_MOST = 20


def judged(file: ModelFile, *, trust: bool = False) -> ModelFile:
    """Return what a file says, if it may be loaded.

    Parameters
    ----------
    file : ModelFile
        What `audit` said of it.
    trust : bool
        Load it all the same where it holds code; what would run is printed first, on standard error. Sizes beyond
        the limits are refused all the same: those are raised by ``DIAG_LIMITS``.

    Raises
    ------
    UnsafeModelError
        If loading it would run code of its own, or open another file.
    ModelLoadError
        If it is refused for another reason.
    """
    if trust and file.code:
        if file.bytes_digest not in _told:
            _told.add(file.bytes_digest)
            print(_warning(file), file=sys.stderr)
        return replace(file, trusted=True)
    if file.refusal is not None:
        raise (UnsafeModelError if file.code else ModelLoadError)(file.refusal)
    return file


def refuse_options_of_one(path: Path, given: object) -> None:
    """Raise if an output, architecture or input shape is given for an ensemble.

    Raises
    ------
    InvalidInputError
        If `given` is not None.
    """
    if given is not None:
        raise InvalidInputError(
            f"{path.name}: an output, architecture or input shape is that of one model. Write it into the cards of the "
            "ensemble's members."
        )


def _warning(file: ModelFile) -> str:
    more = [f"and {len(file.code) - _MOST} more"] if len(file.code) > _MOST else []
    told = "".join(f"\n  {line}" for line in (*file.code[:_MOST], *more))
    return f"warning: {file.path.name} is trusted and loaded without isolation. This is run or used:{told}"
