"""Charts of slices and of the embedding: rows, fields that can be clicked, limits, hostile names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diag.engines.embedding_map import embedding_map
from diag.engines.slices import find_slices
from diag.results.embedding import Embedding
from diag.views import theme
from diag.views.data_charts import MOST_SLICES, embedding_map_chart, listed_slices, map_rows, slices_chart
from diag.views.embedding_figure import embedding_figure
from tests.fakes import build_run

HOSTILE = "<b onclick=x>&amp;"


def a_run(n=600, k=3, names=None, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, k, n)
    y_pred = np.where(rng.random(n) < 0.2, (y_true + 1) % k, y_true)
    return build_run(y_true, np.eye(k)[y_pred] * 0.7 + 0.3 / k, class_names=names)


def a_map(run, n=5000):
    features = np.random.default_rng(1).normal(size=(len(run), 4)).astype(np.float32)
    given = Embedding(features, np.arange(len(run)), len(run), "dense", "", "model", "m", "data")
    return embedding_map(run, n=n, embedding=given, cache=False)


def rows(chart):
    return [row for values in chart.to_dict()["datasets"].values() for row in values]


def test_slices_chart_has_the_frames_numbers_and_a_click():
    run = a_run()
    camera = np.where(np.random.default_rng(0).permutation(len(run)) < 300, HOSTILE, "b")
    found = find_slices(run, metadata={"camera": camera}, by=("class", "metadata"))
    chart = slices_chart(found)
    (selection,) = [param for param in chart.to_dict()["params"] if param["name"] == "slice"]
    assert selection["select"]["fields"] == ["slice", "row"]
    frame = found.frame(tried=True)
    shown = {row["row"]: row for row in rows(chart)}
    assert sorted(shown) == list(range(len(listed_slices(found))))
    for place, row in shown.items():
        assert (row["slice"], row["n"]) == (frame["slice"][place], frame["n"][place])
        assert row["accuracy"] == pytest.approx(frame["accuracy"][place])
    assert any(HOSTILE in row["slice"] for row in shown.values())


def test_never_more_slices_than_can_be_read_and_none_is_no_crash():
    rng = np.random.default_rng(0)
    run = a_run(3000)
    many = find_slices(run, metadata={f"c{i}": rng.integers(0, 8, 3000) for i in range(5)}, by=("metadata",))
    assert len(many) > 100
    assert len(listed_slices(many)) == 8
    assert len(listed_slices(many)) <= MOST_SLICES
    none = find_slices(build_run([0], [[0.9, 0.1]]), by=("class",))
    assert listed_slices(none).empty
    assert slices_chart(none).to_dict()


def test_a_map_has_a_point_an_image_with_its_answer():
    run = a_run()
    found = a_map(run)
    shown = {row["index"]: row for row in rows(embedding_map_chart(found, run))}
    assert sorted(shown) == list(range(len(run)))
    assert all((shown[i]["answer"] == "right") == run.correct_mask[i] for i in shown)
    spec = embedding_map_chart(found, run, "class").to_dict()
    assert spec["params"][0]["name"] == "brush"
    assert spec["encoding"]["color"]["scale"]["domain"] == list(run.class_names)
    assert len(rows(embedding_map_chart(a_map(run, n=100), run))) == 100


def test_the_figure_knows_every_image_and_shows_names_as_text():
    run = a_run(names=[HOSTILE, "cat", "dog"])
    found = a_map(run)
    figure = embedding_figure(found, run)
    indices = [point[0] for trace in figure.data for point in trace.customdata]
    assert sorted(indices) == list(range(len(run)))
    assert [trace.name for trace in figure.data] == ["right", "wrong"]
    assert [trace.marker.color for trace in figure.data] == [theme.RIGHT, theme.WRONG]
    assert figure.layout.dragmode == "lasso"
    by_class = embedding_figure(found, run, "class")
    assert [trace.name for trace in by_class.data] == ["&lt;b onclick=x&gt;&amp;amp;", "cat", "dog"]
    assert "<b onclick" not in json.dumps(by_class.to_plotly_json(), default=str)


def test_of_many_classes_only_the_chosen_one_is_coloured():
    run = a_run(k=30)
    found = a_map(run)
    chosen = embedding_figure(found, run, "class", chosen="7")
    assert [trace.name for trace in chosen.data] == ["other classes", "7"]
    assert len(chosen.data[1].x) == (run.samples["y_true"] == 7).sum()
    assert len(embedding_figure(found, run, "class").data) == 1
    assert map_rows(found, run).columns.tolist() == ["index", "x", "y", "true_class", "answer", "confidence"]
