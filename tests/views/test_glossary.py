"""Every statistic is explained in one line, and its page of the docs has the heading that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from diag.errors import InvalidInputError
from diag.views.glossary import TERMS, term

DOCS = Path(__file__).resolve().parents[2] / "docs"


def anchors(page):
    """Return the anchors that GitHub gives a page's headings: lower case, spaces become hyphens, other signs go."""
    heads = re.findall(r"^#+ +(.*?) *$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("key", TERMS)
def test_a_term_is_one_line_and_its_heading_exists(key):
    found = term(key)
    assert 20 <= len(found.explanation) <= 200
    assert found.explanation.endswith(".")
    assert "\n" not in found.explanation
    assert len(found.label) <= 40
    page, _, heading = found.anchor.partition("#")
    assert heading in anchors(page)


def test_a_term_that_is_not_there_is_named():
    with pytest.raises(InvalidInputError, match="'eces'"):
        term("eces")
