"""Names from files as one line that can be seen; every error's message is such a line."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.errors import CheckNotApplicable, DataError, DiagError, InvalidInputError, MissingDependencyError
from diag.printable import NAME, distinct, message_line, name_text, printable, shortened


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("cat\r\ndog", "cat dog"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("\x1b]8;;http://x\x07link", "]8;;http://x link"),
        ("a\u202egpj.exe", "a gpj.exe"),
        ("a\u200bb\ufeffc\u2060d", "a b c d"),
        ("a\u3164b\u2800c", "a b c"),
        ("\ud800x", "x"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 4),
        ("zażółć 数字", "zażółć 数字"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_becomes_a_space(given_text, shown):
    assert printable(given_text) == shown


@given(st.text(st.characters()), st.integers(1, 40))
def test_a_shown_text_is_one_line_that_fits_and_is_shown_as_it_is_again(text, most):
    shown = printable(text, most)
    assert len(shown) <= most
    assert shown.isprintable()
    assert printable(printable(text)) == printable(text)


def test_a_long_text_keeps_both_ends():
    assert shortened("0123456789", 10) == "0123456789"
    assert shortened("0123456789", 8) == "01234…89"
    assert shortened("0123456789", 1) == "…"


@pytest.mark.parametrize("name", ["x" * 10_000, "x " * 5_000, "'" * 10_000, "\x1b[2J" * 3_000, "\u202e\n" * 5_000])
@pytest.mark.parametrize("kind", [DiagError, DataError, InvalidInputError, MissingDependencyError, CheckNotApplicable])
def test_an_errors_message_is_one_line_below_500_characters_that_keeps_its_advice(kind, name):
    text = str(kind(f"{name}: expected images. Received: {name!r}. Give a folder."))
    assert len(text) < 500
    assert text.isprintable()
    assert text.endswith("Give a folder.")


def test_an_ordinary_message_is_not_touched_and_errors_can_be_pickled():
    text = "model.h5: expected a model. Received: a text file. Give a .keras file."
    assert message_line(text) == text
    again = pickle.loads(pickle.dumps(DataError(text)))
    assert (type(again), str(again)) == (DataError, text)
    assert DataError(3).args == (3,)


def test_names_that_look_alike_get_numbers():
    assert distinct(["cat", "cat\x00", "cat (2)", "cat"]) == ("cat", "cat (3)", "cat (2)", "cat (4)")
    assert distinct(["", " ", "\u200b", "\ud800"])[1:] == ("(no name) (2)", "(no name) (3)", "(no name) (4)")
    assert distinct(["e\u0301", "\xe9"]) == ("e\u0301", "\xe9 (2)")
    assert distinct(["a", "b", "A"]) == ("a", "b", "A")
    long = distinct(["x" * 10_000, "x" * 9_999 + "x"])
    assert [len(name) for name in long] == [NAME, NAME]
    assert "…" in long[0]
    assert long[1].endswith("x (2)")


NAMES = st.one_of(st.text(st.characters(), max_size=8), st.sampled_from(["a", "a (2)", "a\n", ""]))


@given(st.lists(NAMES, max_size=12))
def test_names_are_shown_distinct_and_the_same_again(names):
    shown = distinct(names)
    assert len(shown) == len(names) == len(set(shown))
    assert all(0 < len(name) <= NAME and name.isprintable() for name in shown)
    assert distinct(shown) == shown
    unlike = [name_text(name) for name in names]
    assert len(set(unlike)) < len(names) or shown == tuple(unlike) or any(not name.isascii() for name in unlike)
