"""The Explain and Trust pages: what they show is what the library says."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

import diag
from diag.views.figures import map_tiles, shared_limit
from tests.dashboard.test_pages import ROOT, opened, texts
from tests.fakes import build_run, save_model

pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals
TWO = "dense.keras|cnn_dody.h5"


@pytest.fixture(scope="module")
def runs():
    data = diag.load_dataset("digits")
    paths = [ROOT / "saved_models" / "digits" / name for name in TWO.split("|")]
    return [diag.evaluate(diag.load_model(path), data) for path in paths]


def pictures(app):
    return [image.proto.imgs[0].url for image in app.get("image")]


def test_the_contrast_comes_first_and_says_what_it_is(runs):
    dense = runs[0]
    error = int(dense.errors()["index"].iloc[0])
    right = int(dense.correct()["index"].iloc[0])
    for index, kind in ((error, "predicted rather than true"), (right, "predicted rather than second most probable")):
        app = opened("explain", models="dense.keras", index=str(index))
        assert not app.exception
        maps = diag.explain(dense.model, dense.data, [index], 50, range(10)).contrast()
        first = next(item.value for item in app.caption if "rather than" in item.value)
        assert first.startswith(f"**{maps.labels(0)[0]}** {maps.predictions[0, 0]:+.3f}")
        assert first.endswith(kind)
        assert len(pictures(app)) == 1 + 1 + 1 + 10  # the image, the colour bar, the contrast, the classes


def test_models_share_a_scale_and_say_how_far_they_disagree(runs):
    app = opened("explain", models=TWO, index="3")
    maps = [diag.explain(run.model, run.data, [3], 50, range(10)) for run in runs]
    asked = maps[0].contrast()
    a, b = int(asked.outputs[0, 0]), int(asked.versus[0, 0])
    contrast = diag.disagreement(asked, maps[1].contrast(a, b))[0, 0]
    single = diag.disagreement(*maps)[0, a]
    said = f"Disagreement with Dense: **{contrast:.2f}** on why {a} rather than {b}, **{single:.2f}** on {a}"
    assert [item.value for item in app.caption if "Disagreement" in item.value] == [said]
    # One scale, said once: the first model alone would have another.
    limits = [shared_limit(map_tiles(each, 0)) for each in maps]
    both = shared_limit([tile for each in maps for tile in map_tiles(each, 0)])
    assert f"{both:.2g}" not in {f"{limit:.2g}" for limit in limits}
    assert re.findall(r"±(\S+) of probability a pixel", texts(app)) == [f"{both:.2g}"]
    assert texts(app).count("Additivity error") == 2


def test_disagreement_of_opposite_maps_is_two(runs):
    from dataclasses import replace

    import diag_maps

    maps = diag.explain(runs[0].model, runs[0].data, [3], 50, range(10))
    first, same, opposite, other = (
        diag_maps.Block("first", runs[0], 3, each)
        for each in (maps, maps, replace(maps, values=-maps.values), replace(maps, values=maps.values[:, ::2]))
    )
    assert diag_maps.difference(first, same).count("**0.00**") == 2
    assert diag_maps.difference(first, opposite).count("**2.00**") == 2
    assert "differ in size" in diag_maps.difference(first, other)


def test_switches_of_the_explain_page_follow_every_change():
    app = opened("explain", models="dense.keras", index="3")
    before = pictures(app)
    app.slider[0].set_value(60).run()
    over = pictures(app)
    assert app.query_params["over"] == "60"
    assert over[:2] == before[:2]  # the image and the colour bar
    assert not set(over[2:]) & set(before[2:])
    app.slider[0].set_value(0).run()
    assert pictures(app) == before
    app.segmented_control[0].set_value("logit").run()
    assert app.query_params["target"] == "logit"
    assert "of the logit a pixel" in texts(app)
    app.segmented_control[1].set_value("expected_gradients").run()
    assert app.query_params["method"] == "expected_gradients"
    assert "orange-badge[estimate]" in texts(app)
    app.segmented_control[0].set_value("probability").run()
    app.segmented_control[1].set_value("deepshap").run()
    assert "of probability a pixel" in texts(app)
    assert "estimate]" not in texts(app)
    assert pictures(app) == before


def test_the_url_opens_the_same_view():
    url = {"models": "dense.keras", "index": "3", "over": "40", "target": "logit", "method": "expected_gradients"}
    app = opened("explain", **url)
    assert app.slider[0].value == 40
    assert [switch.value for switch in app.segmented_control] == ["logit", "expected_gradients"]
    assert {key: app.query_params[key] for key in url} == url


@pytest.mark.parametrize("url", [{"over": "-3"}, {"over": "x"}, {"target": "<b>"}, {"method": "lime"}, {"part": "?"},
                                 {"class": "none"}])  # fmt: skip
def test_nonsense_in_the_url_does_no_harm(url):
    for page in ("explain", "trust"):
        assert not opened(page, models="dense.keras", **url).exception


def test_with_many_classes_all_models_show_the_same_few():
    import diag_maps

    # 30 classes, image 0 is of class 29. The first model prefers 3, 4, 5, 6; the second 7, then 8.
    proba = np.full((2, 1, 30), 0.001)
    proba[0, 0, [3, 4, 5, 6]] = [0.5, 0.2, 0.1, 0.05]
    proba[1, 0, [7, 8]] = [0.6, 0.02]
    proba /= proba.sum(axis=2, keepdims=True)
    comparison = diag.compare([build_run([29], each, name=f"m{place}") for place, each in enumerate(proba)])
    # The true one; the five most probable of any: 7, 3, 4, 5, 6; the second model's second, 8, for its contrast.
    assert diag_maps.shown_classes(comparison, 0) == (29, 7, 3, 4, 5, 6, 8)
    few = diag.compare([build_run([2], [[0.2, 0.3, 0.5]])])
    assert diag_maps.shown_classes(few, 0) == (0, 1, 2)


def test_a_model_that_deepshap_refuses_offers_the_estimate(tmp_path, monkeypatch):
    from diag._lazy import import_keras

    layers = import_keras().layers
    save_model(tmp_path / "lstm.keras", [layers.Reshape((6, 6)), layers.LSTM(4), layers.Dense(3, "softmax")], (6, 6, 1))
    rng = np.random.default_rng(0)
    images, labels = rng.random((30, 6, 6)).astype(np.float32), np.arange(30) % 3
    np.savez(tmp_path / "data.npz", x_test=images, y_test=labels)
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(tmp_path), "--data", str(tmp_path / "data.npz")])
    app = opened("explain", models="")
    assert not app.exception
    assert "no rule for" in texts(app)
    assert "Choose it above: *Expected gradients*" in texts(app)
    app.segmented_control[1].set_value("expected_gradients").run()
    assert "no rule for" not in texts(app)
    assert "Expected gradients (an estimate). Additivity error" in texts(app)


def test_the_checks_begin_on_a_press_and_say_what_the_library_says(runs):
    import diag_loaders

    app = opened("trust", models=TWO, model="Dense")
    assert not app.get("vega_lite_chart")
    app.button[0].click().run()
    assert not app.exception
    verdict = diag.faithfulness(runs[0].model, runs[0].data, **diag_loaders.CHECK).verdict()
    boxes = [box.value.replace("\\", "") for box in (*app.info, *app.success, *app.warning)]
    assert boxes == [verdict]
    assert len(app.get("vega_lite_chart")) == 3
    assert not [button for button in app.button if "Check" in button.label]
    app.selectbox[0].set_value("CNN dody").run()
    assert [button.label for button in app.button] == ["Check the maps of this model"]  # each model is asked for


def test_where_classes_look(runs):
    app = opened("trust", models=TWO, model="Dense", part="where", cell="4-9")
    assert not app.exception
    run = runs[0]
    wanted = run.cell(4, 9)
    maps = diag.explain(run.model, run.data, np.sort(wanted), 20, [4, 9], target="logit")
    cell = diag.mean_maps(maps, by="cell", contrast=True)
    noun = "image" if len(wanted) == 1 else "images"
    assert f"**4 taken for 9**  \n{len(wanted)} {noun}  \n{cell.locations[0]}" in texts(app)
    counts = [int(count) for count in re.findall(r"\*\*taken for \d\*\*  \n(\d+) images?", texts(app))]
    assert len(counts) == 10
    assert sum(counts) == 200
    empty = next(
        (a, b) for a in range(10) for b in range(10) if not len(run.cell(a, b))
    )  # a cell of the matrix without images
    app = opened("trust", models=TWO, model="Dense", part="where", cell=f"{empty[0]}-{empty[1]}")
    assert "has no image in it" in texts(app)


def test_prototypes_of_a_class_lead_to_images(runs):
    app = opened("trust", models=TWO, model="Dense", part="ways")
    app.selectbox[1].set_value("2").run()
    assert not app.exception
    assert app.query_params["class"] == "2"
    assert app.query_params["part"] == "ways"
    found = diag.find_prototypes(runs[0], true="2", n=200, background=20)
    assert f"**2**: {found.verdict()}" in texts(app)
    members = [int(index) for cluster in range(len(found)) for index in found.members(cluster)[:4]]
    assert [button.label for button in app.button] == [f"Explain {index}" for index in members]
    app.button[1].click().run()
    assert app.query_params["index"] == str(members[1])
    assert f"index {members[1]}," in texts(app)


def test_a_model_without_maps_says_so_on_the_trust_page():
    for part in ("where", "ways"):
        app = opened("trust", models="logistic_l2.skops", part=part)
        assert not app.exception
        assert "expected a Keras network" in texts(app)
    app = opened("trust", models="logistic_l2.skops")
    app.button[0].click().run()
    assert not app.exception
    assert "expected a Keras network" in texts(app)
