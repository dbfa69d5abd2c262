"""Texts on their way into pages and charts: what cannot be seen goes, and no name means more than itself."""

from __future__ import annotations

import re
from typing import Any

from diag.printable import NAME, printable, shortened

MOST = 4_000
"""Characters of a text that a page shows, at most; a name has far fewer, see `diag.printable.NAME`."""
_LONG_WORD = re.compile(rf"\S{{{NAME + 1},}}")
_PICTURE = re.compile(r"data:image/\w+;base64,[A-Za-z0-9+/=]*")
_MASKS = ("wrong", "slices")
"""Keys of a page's data whose texts are one 0 or 1 an image."""
_BITS = re.compile("[01]*")
_EXPRESSIONS = ("labelExpr", "expr", "calculate", "filter", "test")
"""Keys of a chart whose texts are ours, and may be long: the names in them were shortened before."""
_PROPERTIES = (
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
)  # fmt: skip
_QUOTED = re.compile(f'"({"|".join(_PROPERTIES)})"')


def shown(text: str, most: int = MOST) -> str:
    r"""Return a text as a page shows it: printable, no longer than `most`, with no word longer than a name may be.

    A picture, given as the address that holds it, stays whole.

    Examples
    --------
    >>> shown("two  spaces"), shown("a\u202eb\x00")
    ('two  spaces', 'a b')
    """
    if not (text.isascii() and text.isprintable()):
        text = printable(text)
    if len(text) <= min(NAME, most) or _PICTURE.fullmatch(text):
        return text
    return shortened(_LONG_WORD.sub(_shortened, text), most)


def shown_values(value: Any, key: str = "") -> Any:
    r"""Return plain values, among them charts, whose texts are `shown`.

    A name that every object of JavaScript has a property of gets a space at its end: Vega keeps names as the keys of
    objects, and finds such a one there before it was put in. Pictures and masks stay as they are, and a chart's own
    expressions but for such names in them.

    Examples
    --------
    >>> shown_values({"class": ["cat", "constructor"], "labelExpr": '["toString"][datum.value]'})
    {'class': ['cat', 'constructor\xa0'], 'labelExpr': '["toString\xa0"][datum.value]'}
    """
    if isinstance(value, str):
        if key in _EXPRESSIONS:
            return _QUOTED.sub('"\\1\u00a0"', value)
        if key in _MASKS and _BITS.fullmatch(value):
            return value
        return _unlike_a_property(shown(value))
    if isinstance(value, dict):
        return {name: shown_values(each, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [shown_values(each, key) for each in value]
    return value


def vega_spec(chart: Any) -> dict[str, Any]:
    """Return an Altair chart as Vega-Lite, with its texts as `shown_values` makes them."""
    spec: dict[str, Any] = shown_values(chart.to_dict())
    return spec


def _shortened(word: re.Match[str]) -> str:
    return shortened(word[0], NAME)


def _unlike_a_property(text: str) -> str:
    return f"{text}\u00a0" if text in _PROPERTIES else text
