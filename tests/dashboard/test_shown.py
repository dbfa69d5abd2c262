"""What is drawn keeps its shape whatever names files bring."""

from __future__ import annotations

import diag_parts
import pandas as pd
import pytest
from diag_state import plain

LONG = "x" * 200


def widths(frame, *, index=False, settings=None):
    found = diag_parts.narrow_columns(frame, settings or {}, index=index)
    return {name: each["width"] for name, each in found.items()}


def test_long_names_leave_room_for_the_figures_behind_them():
    frame = pd.DataFrame({"model": [LONG, "b"], "accuracy": [0.5, 0.6], "said": [LONG, LONG]}, index=[LONG, "b"])
    assert widths(frame) == {"model": "medium"}  # no figures stand behind what is said
    assert widths(frame, index=True) == {"model": "medium", "_index": "medium"}
    assert widths(frame.assign(model="short")) == {}
    assert widths(frame[["model", "said"]], index=True) == {}
    assert widths(frame[:0], index=True) == {}


def test_a_narrow_column_keeps_its_label_and_its_help():
    settings = diag_parts.table_columns({"model": ("model", None)})
    frame = pd.DataFrame({"model": [LONG], "accuracy": [0.5]})
    assert diag_parts.narrow_columns(frame, settings, index=False)["model"] == {**settings["model"], "width": "medium"}


@pytest.mark.parametrize("text", ["a -> b", "a <- b", "a <-> b", "a -- b", "a >= b", "a <= b", "a ~= b"])
def test_no_arrow_or_dash_is_made_of_a_name(text):
    assert "\u2060" in plain(text)
    assert plain(text).replace("\u2060", "").replace("\\", "") == text


@pytest.mark.parametrize("text", ["--root FOLDER", "a-b", "a->b", "x >y", "1/255"])
def test_other_texts_are_not_touched(text):
    assert plain(text).replace("\\", "") == text
