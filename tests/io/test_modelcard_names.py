"""What diag writes into TOML is read again, whatever the names are."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.errors import InvalidInputError
from diag.io.modelcard import ModelCard, card_text, load_card, toml_value
from diag.printable import distinct
from tests.hostile import hostile_names


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_a_value(text):
    assert tomllib.loads(f"x = {toml_value(text)}")["x"] == text


def test_bytes_that_are_no_text_are_named():
    with pytest.raises(InvalidInputError, match=r"expected names in UTF-8. Received: .*Rename"):
        toml_value("a\udcff.h5")


def test_a_card_of_hostile_names_is_read_again(tmp_path):
    names = distinct(hostile_names("http://127.0.0.1:9"))
    card = ModelCard(title=names[1], description=names[9], class_names=names)
    (tmp_path / "m.toml").write_text(card_text(card, tmp_path, comments=[names[2], "a\nb\x00"]), encoding="utf-8")
    read = load_card(tmp_path / "m.h5")
    assert (read.title, read.class_names) == (names[1], names)
