"""Charts of agreement, common errors and ensembles: their rows, their selections, their limits."""

from __future__ import annotations

import numpy as np
import pytest

from diag.results.agreement import MEASURES, agreement
from diag.results.comparison import Comparison
from diag.results.ensembles import ensembles
from diag.views.agreement_charts import agreement_chart, ensembles_chart, overlap_chart
from tests.fakes import build_run


def compared(m, n=60, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    return Comparison.from_runs(
        [build_run(y_true, rng.dirichlet(np.ones(k), n), name=f"<m{number}>") for number in range(m)]
    )


def rows(chart):
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("m", [2, 13])
def test_a_heat_map_has_a_cell_for_every_pair(m, measure):
    found = agreement(compared(m))
    cells = rows(agreement_chart(found, measure))
    assert len(cells) == m * (m - 1)
    assert {row["pair"] for row in cells} == {f"{a}-{b}" for a in range(m) for b in range(a + 1, m)}
    first = next(row for row in cells if (row["a"], row["b"]) == ("<m0>", "<m1>"))
    assert first["value"] == found.matrix(measure).loc["<m0>", "<m1>"]


def test_bars_of_common_errors_carry_the_key_of_their_images():
    found = agreement(compared(4, 300))
    chart = overlap_chart(found)
    drawn = rows(chart)
    for row in drawn:
        if "count" in row:
            assert len(found.indices(row["key"])) == row["count"]
    dots = [row for row in drawn if "wrong" in row]
    assert len(dots) == 4 * len(found.sets)
    for row in dots:
        assert row["wrong"] == (row["model"][2:-1] in row["key"].split("-"))
    assert [each["name"] for each in chart.to_dict()["params"]] == ["set"]


def test_sixty_models_stay_within_the_limit_and_no_errors_are_no_crash():
    chart = overlap_chart(agreement(compared(60, 400)))
    assert len(rows(chart)) <= 5000
    assert "20 most frequent of" in chart.to_dict()["title"]["text"]
    perfect = Comparison.from_runs([build_run([0, 1], [[1, 0], [0, 1]]), build_run([0, 1], [[1, 0], [0, 1]], name="b")])
    assert not [row for row in rows(overlap_chart(agreement(perfect))) if row]
    assert agreement_chart(agreement(perfect)).to_dict()


def test_ensembles_show_models_ensembles_and_the_oracle():
    found = ensembles(compared(5, 120))
    chart = ensembles_chart(found, max_subsets=3)
    drawn = {row["key"]: row for row in rows(chart)}
    frame = found.frame().set_index("key")
    assert sum(row["kind"] == "subset" for row in drawn.values()) == 3
    assert set(frame.index[frame["kind"] != "subset"]) <= set(drawn)
    for key, row in drawn.items():
        assert row["accuracy"] == frame.loc[key, "accuracy"]
    assert drawn["oracle"]["group"] == "oracle"
    assert [each["name"] for each in chart.to_dict()["params"]] == ["ensemble"]
