"""One answer for all: what is pinned, kept, assumed; and where it is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import diag
from diag._lazy import import_keras
from diag.cli import cli
from diag.detection import detect, settle
from diag.detection.candidates import Space
from diag.io.modelcard import load_card
from diag.io.models import Model
from diag.results.detection import Detection
from tests.detection.planted import saved


@pytest.fixture
def model(digits, tmp_path):
    return saved(digits.network(2, -1), tmp_path / "m.keras")


@pytest.fixture
def counted(monkeypatch):
    """Count the images that networks are asked about by detection."""
    count = SimpleNamespace(n=0)
    ask = Model.ask

    def counting(self, inputs):
        count.n += len(inputs)
        return ask(self, inputs)

    monkeypatch.setattr(Model, "ask", counting)
    return count


def invoke(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def file(digits, tmp_path):
    np.savez(tmp_path / "test.npz", x_test=digits.images, y_test=digits.labels)
    return tmp_path / "test.npz"


def test_the_cost_is_bounded(digits, model, counted):
    found = detect(model, digits.data())
    assert counted.n == found.n_predicted
    # At most: 4 turns of 8 scales on 64 images, then 7 finalists on all 797.
    assert found.n_predicted <= 4 * 8 * 64 + 7 * 797
    counted.n = 0
    easy = detect(model, digits.data(), n=100)
    assert easy.n_predicted == counted.n <= 4 * 8 * 64 + 7 * 400


def test_a_detection_is_kept(digits, model, counted, empty_cache):
    first = settle(model, digits.data())
    assert counted.n > 0
    counted.n = 0
    again = settle(model, digits.data())
    assert counted.n == 0
    assert again[1].to_dict() == first[1].to_dict()
    assert again[0].preprocessing == first[0].preprocessing
    assert again[2] == first[2]
    settle(model, digits.data(labels=(digits.labels + 1) % 10))
    assert counted.n > 0


def test_a_detection_survives_json(digits, model):
    found = detect(model, digits.data(labels=(digits.labels + 1) % 10))
    assert found.label_order is not None
    again = Detection.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    assert again.notes() == found.notes()


def test_the_same_for_figures_maps_and_activations(digits, model):
    data = digits.data()
    run = diag.evaluate(model, data)
    assert run.detection.pins.mean == 1.0
    assert run.model.preprocessing == run.detection.preprocessing
    assert run.figures()["accuracy"] == pytest.approx(digits.accuracy, abs=1e-3)
    maps = diag.explain(model, data, [0, 1], background=5)
    np.testing.assert_allclose(maps.predictions[0], run.proba[0], atol=1e-5)
    np.testing.assert_allclose(maps.images[0], data.images[0] / 127.5 - 1, atol=1e-6)
    seen, settled = (diag.activations(each, data, indices=[0]) for each in (model, run.model))
    for name in seen:
        np.testing.assert_array_equal(seen[name], settled[name])
    np.testing.assert_allclose(diag.engines.local.predict(model, data), run.proba, atol=1e-6)


def test_what_is_settled_is_not_asked_again(digits, model, counted):
    settled = settle(model, digits.data(), cache=False)[0]
    counted.n = 0
    again, found, _ = settle(settled, digits.data(images=255 - digits.images), cache=False)
    assert (again, found, counted.n) == (settled, None, 0)


def test_flags_pin_their_own_fields(digits, model, counted):
    pinned = replace(model, preprocessing=diag.Preprocessing(scale=1 / 255))
    found = detect(pinned, digits.data())
    assert found.preprocessing.scale == 1 / 255  # wrong, but asked for
    assert found.pins.scale is None
    assert {row.name for row in found.evidence} <= {"as given", "as given, inverted", "as given, transposed"} | {
        "as given, inverted, transposed"
    }
    counted.n = 0
    everything = replace(model, preprocessing=diag.Preprocessing(scale=1 / 255, invert=False, transpose=False))
    assert Space(everything, (8, 8, 1)).nothing_open
    assert settle(everything, digits.data(), cache=False)[1] is None
    assert counted.n == 0


def test_its_own_flags_pin_the_choice(digits, model, file):
    free = json.loads(invoke("evaluate", model.path, "--data", file, "--json"))["models"][0]
    flags = free["detection"]["flags"].split()
    pinned = json.loads(invoke("evaluate", model.path, "--data", file, *flags, "--json"))["models"][0]
    assert pinned["detection"] is None
    assert pinned["preprocessing"] == free["preprocessing"]
    assert pinned["accuracy"] == free["accuracy"]


def test_a_card_pins_everything(digits, model, counted):
    model.path.with_suffix(".toml").write_text('[preprocessing]\nscale = "1/255"\n')
    settled, found, _ = settle(diag.load_model(model.path), digits.data(), cache=False)
    assert (found, counted.n, settled.preprocessing.scale) == (None, 0, 1 / 255)
    model.path.with_suffix(".toml").write_text('title = "only a title"\n')
    assert settle(diag.load_model(model.path), digits.data(), cache=False)[1] is not None


def test_a_card_and_labels_from_1(digits, model):
    model.path.with_suffix(".toml").write_text('[preprocessing]\nscale = "2/255"\nmean = 1\n')
    run = diag.evaluate(diag.load_model(model.path), digits.data(labels=digits.labels + 1))
    assert run.detection.label_rule == "minus_one"
    assert len(run.detection.evidence) == 1
    assert run.figures()["accuracy"] == pytest.approx(digits.accuracy, abs=0.01)


def test_what_is_assumed_without_labels_or_with_few(digits, model):
    for data in (diag.load_dataset(digits.images), digits.data(digits.images[:19], digits.labels[:19])):
        settled, found, notes = settle(model, data)
        assert found is None
        assert settled.preprocessing.scale == 1 / 255
        assert "--scale 1/255" in notes[0]


def test_data_of_the_wrong_kind_is_guessed_at_chance(digits, model):
    labels = np.random.default_rng(1).permutation(digits.labels)
    data = replace(digits.data(labels=labels), notes=("No data was named: so this was taken.",))
    assert "--data" in detect(model, data).verdict()


def test_hardly_better_than_chance_is_a_warning(digits, model):
    # 85 labels in 100 are drawn at random: about 23 % are right at best, 10 % by chance.
    rng = np.random.default_rng(0)
    noise = np.where(rng.random(len(digits.labels)) < 0.15, digits.labels, rng.permutation(digits.labels))
    found = detect(model, digits.data(labels=noise))
    assert found.status != "chance"
    assert found.uncertain
    assert "trained for?" in found.warnings()[0]


def test_a_table_with_all_that_was_tried(digits, model):
    found = detect(model, digits.data())
    frame = found.frame()
    assert frame["chosen"].tolist() == [True] + [False] * (len(frame) - 1)
    assert frame["candidate"].is_unique
    assert frame["flags"].is_unique
    assert frame["accuracy"].between(0, 1).all()
    assert frame["p_value"].isna()[0]


def test_the_report_and_json_show_the_evidence(digits, model, file, tmp_path):
    out = tmp_path / "report.html"
    values = json.loads(
        invoke("report", model.path, "--data", file, "--no-explain", "--no-checks", "--json", "--out", out)
    )
    found = values["models"][0]["detection"]
    assert found["status"] in ("decided", "equivalent")
    assert found["evidence"][0]["accuracy"] > 0.85
    html = out.read_text(encoding="utf-8")
    assert "Preprocessing was detected: -1 to 1" in html
    assert found["flags"] in html
    assert "(taken)" in html
    printed = invoke("evaluate", model.path, "--data", file)
    assert "note: Preprocessing was detected: -1 to 1" in printed
    assert found["flags"] in printed


def test_what_is_uncertain_is_a_warning(digits, model, tmp_path):
    np.savez(tmp_path / "bad.npz", x_test=digits.images, y_test=(digits.labels + 1) % 10)
    printed = invoke("evaluate", model.path, "--data", tmp_path / "bad.npz")
    assert "warning: Labels stand in another order" in printed
    out = tmp_path / "report.html"
    invoke("report", model.path, "--data", tmp_path / "bad.npz", "--no-explain", "--no-checks", "--out", out)
    assert "⚠ Labels stand in another order" in out.read_text(encoding="utf-8")


def test_init_writes_a_card_that_says_the_same(digits, model, file):
    free = diag.evaluate(model, diag.load_dataset(file))
    output = invoke("init", model.path, "--data", file)
    path = model.path.with_suffix(".toml")
    assert str(path) in output
    card = load_card(model.path)
    assert card.preprocessing == free.model.preprocessing
    assert card.class_names == free.class_names
    assert card.source == str(file)
    assert "-1 to 1: accuracy" in path.read_text(encoding="utf-8")
    named = diag.evaluate(diag.load_model(model.path), diag.load_dataset(file))
    assert named.detection is None
    assert named.model.preprocessing == free.model.preprocessing
    assert named.figures()["accuracy"] == free.figures()["accuracy"]


def test_init_overwrites_only_when_told_and_keeps_the_rest(digits, model, file):
    path = model.path.with_suffix(".toml")
    path.write_text('title = "Mine"\ndescription = "A note."\n[preprocessing]\nscale = 3\n[results]\ntest = 0.5\n')
    refused = CliRunner().invoke(cli, ["init", str(model.path), "--data", str(file)])
    assert "--force" in str(refused.exception)
    assert "scale = 3" in path.read_text()
    invoke("init", model.path, "--data", file, "--force")
    card = load_card(model.path)
    assert (card.title, card.description, dict(card.results)) == ("Mine", "A note.", {"test": 0.5})
    assert card.preprocessing.mean == 1.0


def test_init_pins_no_guess(digits, model, tmp_path):
    np.savez(tmp_path / "bare.npz", x_test=digits.images)
    refused = CliRunner().invoke(cli, ["init", str(model.path), "--data", str(tmp_path / "bare.npz")])
    assert "expected labelled data" in str(refused.exception)
    assert not model.path.with_suffix(".toml").exists()
    invoke("init", model.path, "--data", tmp_path / "bare.npz", "--scale", "1/255")
    assert load_card(model.path).preprocessing.scale == pytest.approx(1 / 255)


def test_init_names_classes_in_the_models_order(digits, model, tmp_path):
    shifted = np.roll(np.array([f"digit {number}" for number in range(10)]), 1)
    np.savez(tmp_path / "named.npz", x_test=digits.images, y_test=shifted[digits.labels])
    invoke("init", model.path, "--data", tmp_path / "named.npz")
    assert load_card(model.path).class_names == tuple(shifted)
    run = diag.evaluate(diag.load_model(model.path), diag.load_dataset(tmp_path / "named.npz"))
    assert run.figures()["accuracy"] == pytest.approx(digits.accuracy, abs=0.01)


def test_images_of_one_class_are_said_to_tell_nothing(digits, model):
    data = diag.load_dataset((digits.images[digits.labels == 3], digits.labels[digits.labels == 3]))
    found = diag.detect(model, data)
    assert found.status == "chance"
    assert "of one class, which cannot tell" in found.verdict()
    assert "not those" not in found.verdict()


def test_init_writes_down_which_output_was_asked_for(digits, tmp_path):
    keras = import_keras()
    image = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(image)
    ends = [keras.layers.Dense(10, activation="softmax", name=name)(flat) for name in ("first", "second")]
    path = tmp_path / "two.keras"
    keras.Model(image, ends).save(path)
    np.savez(tmp_path / "t.npz", x_test=digits.images, y_test=digits.labels)
    invoke("init", path, "--data", tmp_path / "t.npz", "--output", "second")
    assert load_card(path).output == "second"
    assert "'second' is used" in invoke("evaluate", path, "--data", tmp_path / "t.npz")
