"""What to look at next: hand-counted confusions, and where each sentence leads."""

from __future__ import annotations

import numpy as np

from diag.views.charts import distinct_labels
from diag.views.report_text import next_steps
from tests.fakes import build_run


def steps(y_true, y_pred, k):
    return next_steps(build_run(np.array(y_true), np.eye(k)[y_pred] * 0.9 + 0.1 / k, "m"))


def test_the_most_frequent_confusions_come_first_and_each_leads_somewhere():
    found = steps([0, 0, 0, 1, 1, 2], [0, 1, 1, 1, 2, 2], 3)
    assert [step["cell"] for step in found] == [[0, 1], [1, 2], None, None]
    assert found[0]["text"] == "2 of 3 errors (67%) take 0 for 1."
    assert "Class 0 has the lowest recall: 33.3%" in found[2]["text"]
    assert (found[2]["jump"], found[2]["number"]) == ("errors", 0)
    assert (found[3]["jump"], found[3]["number"]) == ("errors", None)


def test_confusions_of_one_image_that_tie_are_one_sentence():
    found = steps([0, 1, 2, 3, 4], [1, 2, 3, 4, 0], 5)
    assert found[0]["text"] == "5 confusions have 1 image each, and none has more: no pair of classes stands out."
    assert all(step["cell"] is None for step in found)
    found = steps([0] * 4 + [1, 2, 3, 4, 0], [1] * 4 + [2, 3, 4, 0, 2], 5)  # one that stands out, and five that do not
    assert [step["cell"] for step in found[:2]] == [[0, 1], None]
    assert found[1]["text"].startswith("5 other confusions have 1 image each")


def test_without_an_error_there_is_nothing_to_look_at():
    (only,) = steps([0, 1], [0, 1], 2)
    assert (only["cell"], only["jump"]) == (None, None)


def test_labels_lose_the_words_that_all_share():
    assert distinct_labels(["species number 000", "species number 010"]) == ["…000", "…010"]
    assert distinct_labels(["cat 1", "cat 2"]) == ["cat 1", "cat 2"]  # short enough
    assert distinct_labels(["a long name of a class", "zebra"]) == ["a long name of a class", "zebra"]
    assert distinct_labels([]) == []
