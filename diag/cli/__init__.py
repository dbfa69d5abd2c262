"""The command line: parse, call the same functions as a notebook does, print.

Nothing heavy is imported here or in the modules of this package before a command runs, so that ``diag --help``
answers at once.
"""

from __future__ import annotations

import logging
import sys

import click

from diag import __version__
from diag.cli.commands import COMMANDS
from diag.errors import DiagError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="diag")
def cli() -> None:
    r"""Debug saved Keras classifiers: which one is better, where does each fail, and why.

    \b
    diag report model.h5 --data test.npz     one HTML file that works offline
    diag evaluate a.keras b.h5               the figures as a table
    diag demo                                all of it on shipped models

    Completion: run  eval "$(_DIAG_COMPLETE=bash_source diag)"  in your shell (zsh_source, fish_source).
    """


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command line. A `DiagError` is one line and exit status 1; a bug keeps its traceback."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its advice on tf.function is not for users of diag
    try:
        cli(prog_name="diag")
    except DiagError as error:
        click.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
