"""The differences beside a 2x2 table: turned round, and with one interval for accuracy."""

from __future__ import annotations

import numpy as np
import pytest

import diag
from diag.results.pairs import shown_differences
from tests.fakes import build_run


@pytest.fixture
def comparison():
    # 200 images; a is right on all, b wrong on the first five: 5 discordant, McNemar's exact p = 2 / 2**5 = 0.0625.
    y_true = np.arange(200) % 2
    runs = []
    for name, wrong in (("b", 5), ("a", 0)):
        proba = np.full((200, 2), 0.1)
        proba[np.arange(200), np.where(np.arange(200) < wrong, 1 - y_true, y_true)] = 0.9
        runs.append(build_run(y_true, proba, name))
    return diag.compare(runs)


def test_accuracy_has_the_interval_and_the_verdict_of_the_pair(comparison):
    frame = shown_differences(comparison, comparison.differences(), "b", "a").set_index("metric")
    pair = comparison.pair("b", "a")
    assert pair["p_value"] == pytest.approx(0.0625)
    assert frame.loc["accuracy", "low"] == pair["difference_low"]
    assert frame.loc["accuracy", "high"] == pair["difference_high"]
    assert frame.loc["accuracy", "favours"] == ""  # as undecided as the sentence says
    assert frame.loc["log_loss", "favours"] == "a"


def test_turned_round_every_sign_changes(comparison):
    one = shown_differences(comparison, comparison.differences(), "b", "a")
    other = shown_differences(comparison, comparison.differences(), "a", "b")
    assert len(one) == len(other) == 4
    np.testing.assert_array_equal(one["difference"], -other["difference"])
    np.testing.assert_allclose(one[["low", "high"]], -other[["high", "low"]], atol=1e-12)
    np.testing.assert_array_equal(one["value_a"], other["value_b"])
    assert one["favours"].tolist() == other["favours"].tolist()
