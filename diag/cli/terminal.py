"""What goes to a terminal: names from files can neither steer it nor be read as markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from diag.printable import printable

if TYPE_CHECKING:
    from rich.text import Text


def echo(*parts: str | tuple[str, dict[str, Any]], err: bool = False) -> None:
    """Print texts one after the other, each `visible`; one with a style of `click.style` in that style."""
    said = "".join(
        visible(part) if isinstance(part, str) else click.style(visible(part[0]), **part[1]) for part in parts
    )
    click.echo(said, err=err)


def visible(text: str) -> str:
    r"""Return a text whose lines keep their ends and indents, and hold nothing else that cannot be seen.

    Examples
    --------
    >>> visible("two\n  lines\x1b[31m")
    'two\n  lines [31m'
    """
    return "\n".join(_line(line) for line in text.split("\n"))


def cell(text: object) -> Text:
    """Return a text for a table of rich, which reads markup, emoji names and links in plain strings."""
    from rich.text import Text

    return Text(printable(str(text)))


def _line(line: str) -> str:
    if line.isascii() and line.isprintable():
        return line
    return "".join(part if part.startswith(" ") else printable(part) for part in re.split("( +)", line))
