"""Texts from files on their way into a page: printable, escaped by the template, harmless inside a script element."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.views.shown import shown, shown_values

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def environment() -> jinja2.Environment:
    """Return the templates: every text that they are given is made printable, then escaped."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if type(value) is str else value,  # what is marked safe is our own
    )


def embedded_json(value: Any) -> str:
    r"""Return JSON that can stand inside a script element: nothing that ends it or begins a comment.

    Examples
    --------
    >>> embedded_json(["</script>", "a & b"])
    '["\\u003c/script\\u003e","a \\u0026 b"]'
    """
    text = json.dumps(shown_values(value), allow_nan=False, separators=(",", ":"))
    for letter, escape in _ESCAPES.items():
        text = text.replace(letter, escape)
    return text
