"""Texts from files, made fit to be shown: one line, only characters that are seen, no longer than asked.

A name in a model or a data set is whatever its author put there: line breaks, terminal sequences, marks that turn the
writing direction, letters without width, a hundred accents on one letter, ten thousand characters.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ELLIPSIS = "…"
NAME = 200
"""Characters of a name that are shown, at most."""
NAMELESS = "(no name)"
_LINE = 480
_WORD = 160
_ACCENTS = 4
# Letters and marks that Python calls printable and that show nothing.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_LONG_WORD = re.compile(rf"\S{{{_WORD + 1},}}")
_LONG_QUOTE = re.compile(rf"(?<!\w)'[^']{{{_WORD + 1},}}'|\"[^\"]{{{_WORD + 1},}}\"")


def printable(text: str, most: int | None = None) -> str:
    r"""Return a text as one line of characters that can be seen, each run of others as one space.

    Control characters (and with them terminal sequences), marks of writing direction, characters without width, lone
    surrogates and unassigned code points go; so does each accent after the fourth on one letter.

    Parameters
    ----------
    text : str
        Any text.
    most : int, optional
        Its greatest length, in characters. What is longer keeps its beginning and its end around ``…``.

    Examples
    --------
    >>> printable("cat\u2028 \x00 dog")
    'cat dog'
    >>> printable("a\u202etxt.exe")
    'a txt.exe'
    >>> printable("x" * 10_000, most=12)
    'xxxxxxx…xxxx'
    """
    if most is not None and len(text) > 16 * most + 4096:  # no need to look at what is cut off anyway
        text = text[: 8 * most + 2048] + text[-8 * most - 2048 :]
    if not (text.isascii() and text.isprintable()):
        text = _seen(text)
    line = " ".join(text.split())
    return line if most is None else shortened(line, most)


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` characters: its beginning and its end around ``…`` if it was longer.

    Examples
    --------
    >>> shortened("a_very_long_name.keras", 14)
    'a_very_l…keras'
    """
    if len(text) <= most:
        return text
    tail = (most - 1) * 2 // 5
    return text[: most - 1 - tail] + ELLIPSIS + (text[-tail:] if tail else "")


def name_text(name: str, most: int = NAME) -> str:
    r"""Return a name as it is shown: printable, at most `most` characters, never empty.

    Examples
    --------
    >>> name_text("\x1b[31mcat"), name_text("\u200b")
    ('[31mcat', '(no name)')
    """
    return printable(name, most) or NAMELESS


def distinct(names: Iterable[str], most: int = NAME) -> tuple[str, ...]:
    r"""Return names as `name_text` shows them, all different: one that looks like a name before it gets a number.

    Names that differ only in how their accents are written look the same, too.

    Examples
    --------
    >>> distinct(["cat", "cat\u200b", "dog", "cat", " "])
    ('cat', 'cat (2)', 'dog', 'cat (3)', '(no name)')
    """
    shown = [name_text(str(name), most) for name in names]
    taken = {_looks(name) for name in shown}
    if len(taken) == len(shown):
        return tuple(shown)
    seen: set[str] = set()
    last: dict[str, int] = {}
    for place, name in enumerate(shown):
        new, number = name, last.get(name, 1)
        while _looks(new) in seen or (new != name and _looks(new) in taken):
            number += 1
            mark = f" ({number})"
            new = shortened(name, most - len(mark)) + mark
        last[name] = number
        seen.add(_looks(new))
        shown[place] = new
    return tuple(shown)


def _looks(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def message_line(text: str) -> str:
    """Return a message as one printable line of at most 480 characters; long names in it are shortened first.

    Examples
    --------
    >>> line = message_line("expected images. Received: " + "x" * 10_000 + ". Give a folder.")
    >>> len(line) < 250, line.endswith("Give a folder.")
    (True, True)
    """
    line = printable(text, most=1_000_000)
    if len(line) > _LINE:
        line = _LONG_QUOTE.sub(lambda found: shortened(found[0], _WORD), line)
    if len(line) > _LINE:
        line = _LONG_WORD.sub(lambda found: shortened(found[0], _WORD), line)
    return shortened(line, _LINE)


def _seen(text: str) -> str:
    letters: list[str] = []
    accents = 0
    for letter in _BLANK.sub(" ", text):
        accents = accents + 1 if unicodedata.combining(letter) else 0
        if accents <= _ACCENTS:
            letters.append(letter if letter.isprintable() else " ")
    return "".join(letters)
