"""CSV files: what a spreadsheet would run is quoted, numbers come back as they were, a file is whole or not there."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest

from diag.errors import InvalidInputError
from diag.io.csv_out import csv_text, escaped, write_csv


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_texts_that_a_spreadsheet_runs_get_a_quote(text):
    assert escaped(text) == "'" + text


@pytest.mark.parametrize("value", ["cat", "a=b", "", " -", -1, -0.5, None, True])
def test_other_values_stay(value):
    assert escaped(value) is value


def test_numbers_come_back_bit_for_bit():
    values = np.random.default_rng(0).normal(size=50)
    _, *back = csv_text(pd.DataFrame({"x": values})).splitlines()
    assert [float(text) for text in back] == values.tolist()


def test_headers_index_categories_and_commas():
    frame = pd.DataFrame({"=name": ['a,"b"', "@x"], "kind": pd.Categorical(["-a", "b"])}, index=["=r", "s"])
    rows = list(csv.reader(io.StringIO(csv_text(frame, index=True))))
    assert rows == [["index", "'=name", "kind"], ["'=r", 'a,"b"', "'-a"], ["s", "'@x", "b"]]


def test_the_file_is_replaced_whole(tmp_path):
    path = write_csv(tmp_path / "a.csv", pd.DataFrame({"x": [1]}))
    write_csv(path, pd.DataFrame({"x": [2], "y": ["é"]}))
    assert path.read_text(encoding="utf-8") == "x,y\n2,é\n"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(InvalidInputError, match=r"Received: .*No such file"):
        write_csv(tmp_path / "none" / "a.csv", pd.DataFrame({"x": [1]}))


def test_a_frame_without_rows_is_its_header():
    assert csv_text(pd.DataFrame({"a": [], "b": []})) == "a,b\n"
