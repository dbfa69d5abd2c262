"""The command line: parse, call the same functions as a notebook does, print.

Nothing heavy is imported here or in the modules of this package before a command runs, so that ``diag --help``
answers at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from diag import __version__
from diag.cli.commands import COMMANDS
from diag.errors import DiagError
from diag.io.out_files import no_room
from diag.printable import message_line


class _NoReader(Exception):  # noqa: N818 - no error
    """Nobody reads standard output any more."""


class _Commands(click.Group):
    """The commands; one whose output is not read ends in an exception of its own, whichever the version of click."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _NoReader from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="diag")
def cli() -> None:
    """Debug saved Keras classifiers: which one is better, where does each fail, and why.

    \b
    diag report model.h5 --data test.npz     one HTML file that works offline
    diag evaluate a.keras b.h5               the figures as a table
    diag demo                                all of it on shipped models

    Completion: run  eval "$(_DIAG_COMPLETE=bash_source diag)"  in your shell (zsh_source, fish_source).
    """  # noqa: D301 - click wants the character


for command in COMMANDS:
    cli.add_command(command)

INTERRUPTED, NO_READER = 130, 141
"""Exit statuses as shells give them: 128 and the number of the signal (SIGINT, SIGPIPE)."""


def main() -> None:
    """Run the command line.

    A `DiagError` is one line and exit status 1, wrong usage one line and 2, Ctrl-C one line and 130; a bug keeps its
    traceback.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its advice on tf.function is not for users of diag
    _prepare_streams()
    with _ended_by_signals():
        try:
            status = cli(prog_name="diag", standalone_mode=False)
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            _say("interrupted: nothing half-written is left. Run the same command again: kept results are used.")
            sys.exit(INTERRUPTED)
        except (DiagError, click.ClickException, OSError, MemoryError, _NoReader) as error:
            sys.exit(_failed(error))
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # from rich
                sys.exit(_failed(_NoReader()))
            raise
    sys.exit(status if isinstance(status, int) else 0)


def _prepare_streams() -> None:
    """Make output possible where a stream is closed, and where a name has letters that the terminal does not know."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - open as long as the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _failed(error: Exception) -> int:
    """Print an error that is no bug as one line, and return the exit status; raise a bug again."""
    if isinstance(error, BrokenPipeError | _NoReader):
        _drop_output()
        return NO_READER
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        asked = f" See: {'diag' if context is None else context.command_path} --help"
        _say(f"error: {message_line(_sentence(error))}{asked if isinstance(error, click.UsageError) else ''}")
        return int(error.exit_code)
    if isinstance(error, MemoryError):
        _say("error: expected enough memory. Received: none that is free. Give fewer images, or a smaller model.")
        return 1
    if isinstance(error, OSError) and not isinstance(error, DiagError):
        line = no_room(error)
        if line is None:
            raise error
        _drop_output()
        _say(f"error: {line}")
        return 1
    _say(f"error: {message_line(str(error))}")
    return 1


def _sentence(error: click.ClickException) -> str:
    text = error.format_message()
    return text if text.endswith((".", "?", ")")) else f"{text}."


def _say(line: str) -> None:
    """Print a line on standard error, if there is one that takes it."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(line, err=True)


def _drop_output() -> None:
    """Let nobody write to standard output again: Python would complain about it at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an orderly end, in which temporary files are removed."""

    def end(number: int, frame: object) -> None:
        sys.exit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        names = []
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    for name in names:
        if before[name] is signal.SIG_DFL:  # under nohup SIGHUP stays ignored
            signal.signal(getattr(signal, name), end)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
