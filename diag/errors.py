"""Every error that diag raises on purpose.

A message is one line: what was expected, what came, what to do. The command line prints it after ``error:``
and exits with status 1; any other exception is a bug and keeps its traceback. Messages hold names from strangers'
files, so every one is made one printable line of at most 480 characters here, where no caller can forget it.
"""

from __future__ import annotations

from diag.printable import message_line


class DiagError(Exception):
    """Base of all errors that diag raises on purpose."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(message_line(each) if isinstance(each, str) else each for each in args))


class ModelLoadError(DiagError):
    """A model file cannot be read: missing, truncated, or not a model."""


class UnsafeModelError(ModelLoadError):
    """A model file would run code of its own when loaded, so it was not loaded."""


class ConversionError(DiagError):
    """A converted file does not predict what the old one does."""


class UnsupportedModelError(DiagError):
    """The model is readable, but what was asked cannot be done with it."""


class DataError(DiagError):
    """A data source cannot be read, or its contents contradict each other."""


class InvalidInputError(DiagError, ValueError):
    """An argument has a wrong type, shape or value."""


class MissingDependencyError(DiagError, ImportError):
    """An optional package is needed and not installed."""


class CheckNotApplicable(DiagError):  # noqa: N818 - a result, not a failure
    """A check has nothing to measure on this model or data."""
