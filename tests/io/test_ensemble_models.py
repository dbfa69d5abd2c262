"""An ensemble is a model like any other: shipped models, its definition in TOML, and what it refuses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import diag
from diag.checks.api import diagnose
from diag.detection import settle
from diag.errors import DiagError, InvalidInputError, ModelLoadError, UnsupportedModelError
from diag.io.joining import average, vote_probabilities
from diag.io.preprocessing import Preprocessing

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"
NAMES = ("dense.keras", "logistic_l2.skops")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two shipped models and their cards."""
    place = tmp_path_factory.mktemp("models")
    for name in (*NAMES, "cnn_sd.h5"):
        shutil.copy(SHIPPED / name, place)
        shutil.copy((SHIPPED / name).with_suffix(".toml"), place)
    return place


@pytest.fixture(scope="module")
def models(folder):
    return [diag.load_model(folder / name) for name in NAMES]


@pytest.fixture(scope="module")
def data():
    return diag.load_dataset("digits").subset(np.arange(120))


@pytest.fixture(scope="module")
def runs(models, data):
    return [diag.evaluate(model, data) for model in models]


@pytest.mark.parametrize("how", ["average", "weighted", "vote"])
def test_its_evaluation_is_that_of_its_members_probabilities(models, data, runs, how):
    weights = [3, 1] if how == "weighted" else None
    together = diag.ensemble(models, how, weights)
    run = diag.evaluate(together, data)
    probas = [each.proba for each in runs]
    expected = vote_probabilities(probas) if how == "vote" else average(probas, weights)
    assert np.allclose(run.proba, expected, atol=1e-6)
    assert np.array_equal(run.samples["y_pred"], run.proba.argmax(axis=1))
    again = diag.evaluate(together, data)
    assert again.from_cache
    assert np.array_equal(again.proba, run.proba)
    assert run.figures()["n_params"] == sum(model.n_params for model in models)
    assert "The answer is " in run.notes[0]
    diag.compare([*runs, run]).verdict()


def test_the_table_of_ensembles_says_the_same_as_the_model(models, data, runs):
    frame = diag.ensembles(diag.compare(runs)).frame().set_index("key")
    for key, how in (("average", "average"), ("vote", "vote")):
        run = diag.evaluate(diag.ensemble(models, how), data)
        assert frame.loc[key, "accuracy"] == run.figures()["accuracy"]
    assert frame.loc["average", "log_loss"] == pytest.approx(
        diag.evaluate(diag.ensemble(models), data).figures()["log_loss"], abs=1e-6
    )


def test_an_average_of_twins_is_the_model(models, data, runs):
    run = diag.evaluate(diag.ensemble([models[0], models[0]]), data)
    assert np.allclose(run.proba, runs[0].proba, atol=1e-6)


def test_members_keep_their_own_preprocessing(models, data):
    # The same network twice: one is given pixels of 0 to 255 by mistake, the other is right.
    wrong = replace(models[0], preprocessing=replace(models[0].preprocessing, scale=1.0))
    together = diag.ensemble([models[0], wrong])
    expected = average([diag.predict(models[0], data), diag.predict(wrong, data)])
    assert np.allclose(diag.predict(together, data), expected, atol=1e-6)
    assert together.digest != diag.ensemble([models[0], models[0]]).digest
    settled, found, notes = settle(together, data)
    assert settled.settled
    assert all(member.settled for member in settled.members)
    assert found is None
    assert notes
    assert settled.digest == together.digest


def test_images_are_read_once_for_all_members(models, data):
    class Counted:
        """Images that count how often they are read."""

        def __init__(self, images):
            self.images, self.shape, self.dtype, self.reads = images, images.shape, images.dtype, 0

        def __len__(self):
            return len(self.images)

        def __getitem__(self, key):
            self.reads += 1
            return self.images[key]

    settled, _, _ = settle(diag.ensemble([*models, models[0]]), data)
    counted = Counted(data.images)
    proba = settled.predict_proba(counted, batch_size=50)
    assert counted.reads == 3
    np.testing.assert_allclose(proba, settled.predict_proba(data.images), atol=1e-6)  # sums in another order


def test_the_digest_is_that_of_members_way_and_weights(models):
    digests = [
        diag.ensemble(models).digest,
        diag.ensemble(models, "vote").digest,
        diag.ensemble(models, "weighted", [1, 1]).digest,
        diag.ensemble(models, "weighted", [1, 2]).digest,
        diag.ensemble(models[::-1]).digest,
    ]
    assert len(set(digests)) == 5
    assert diag.ensemble(models, name="other name").digest == digests[0]
    assert diag.ensemble(models, "weighted", [2, 4]).digest == digests[3]


@pytest.mark.parametrize(("how", "weights"), [("average", None), ("vote", None), ("weighted", [0.7, 0.3])])
def test_a_definition_is_read_back_as_it_was_written(folder, models, data, how, weights):
    together = diag.ensemble(models, how, weights, name='both "quoted" é')
    path = together.save(folder / f"{how}.ensemble.toml")
    read = diag.load_model(path)
    assert (read.name, read.how, read.digest) == (together.name, how, together.digest)
    assert read.weights == pytest.approx(together.weights)
    assert [member.path.name for member in read.members] == list(NAMES)
    assert np.array_equal(diag.predict(read, data), diag.predict(together, data))
    with pytest.raises(InvalidInputError, match="expected a new file"):
        together.save(path)
    together.save(path, force=True)


def test_members_in_folders_below_and_wishes_of_the_caller(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "below")
    path = tmp_path / "all.ensemble.toml"
    path.write_text('members = ["below/dense.keras", "below/logistic_l2.skops"]\n', encoding="utf-8")
    read = diag.load_model(path, preprocessing=Preprocessing(scale=1 / 16), class_names=tuple("abcdefghij"))
    assert read.how == "average"
    assert read.class_names == tuple("abcdefghij")
    assert {member.preprocessing.scale for member in read.members} == {1 / 16}
    with pytest.raises(InvalidInputError, match="that of one model"):
        diag.load_model(path, output="probabilities")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('members = ["../dense.keras", "dense.keras"]', "in its own folder or below"),
        ('members = ["/etc/passwd", "dense.keras"]', "in its own folder or below"),
        ('members = ["out.keras", "dense.keras"]', "in its own folder or below"),
        ('members = ["here.ensemble.toml", "dense.keras"]', "an ensemble. Name its members instead"),
        ('members = ["loop.keras", "dense.keras"]', "no such model file"),
        ('members = ["a\\u0000.keras", "dense.keras"]', "in its own folder or below"),
        ('members = ["dense.keras"]', "expected 2 to 60 models"),
        ("members = 3", "expected a list of model files"),
        ('members = ["missing.keras", "dense.keras"]', "no such model file"),
        ('how = "median"\nmembers = ["dense.keras", "dense.keras"]', "expected one of average, weighted, vote"),
        ('weights = [1, 2]\nmembers = ["dense.keras", "dense.keras"]', "only there"),
        ('how = "weighted"\nmembers = ["dense.keras", "dense.keras"]', "Received: none with weighted"),
        ('how = "weighted"\nweights = [1, nan]\nmembers = ["dense.keras", "dense.keras"]', "none below 0"),
        ('how = "weighted"\nweights = ["a"]\nmembers = ["dense.keras", "dense.keras"]', "a list of numbers"),
        ("colour = 1", "unknown key 'colour'"),
        ("title = 1", "title: expected a text"),
        ("members = [", "expected the definition of an ensemble"),
        ("#" * 70_000, "at most 65,536 bytes"),
    ],
)
def test_a_definition_that_is_wrong_or_hostile_is_refused_in_one_line(tmp_path, folder, text, said):
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(folder / "dense.keras", home)
    (home / "out.keras").symlink_to(folder / "dense.keras")
    (home / "loop.keras").symlink_to(home / "loop.keras")
    path = home / "here.ensemble.toml"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(DiagError, match=said) as caught:
        diag.load_model(path)
    assert "\n" not in str(caught.value)


def test_where_a_definition_cannot_be_written_or_read(tmp_path, models):
    together = diag.ensemble(models)
    with pytest.raises(InvalidInputError, match="in the folder of the definition or below"):
        together.save(tmp_path / "far.ensemble.toml")
    with pytest.raises(InvalidInputError, match=r"expected a file NAME\.ensemble\.toml"):
        together.save(tmp_path / "far.toml")
    with pytest.raises(ModelLoadError, match="no such model file"):
        diag.load_model(tmp_path / "none.ensemble.toml")


def test_models_that_do_not_belong_together_are_refused(folder, models):
    named = diag.load_model(folder / NAMES[0], class_names=tuple("abcdefghij"))
    turned = diag.load_model(folder / NAMES[1], class_names=tuple("jihgfedcba"))
    with pytest.raises(InvalidInputError, match="other class names"):
        diag.ensemble([named, turned])
    assert diag.ensemble([named, diag.load_model(folder / NAMES[1], class_names=tuple("abcdefghij"))])
    with pytest.raises(InvalidInputError, match="expected 2 to 60 models"):
        diag.ensemble(models[:1])
    with pytest.raises(InvalidInputError, match="Received: an ensemble"):
        diag.ensemble([diag.ensemble(models), models[0]])
    two = replace(models[0], file=replace(models[0].file, n_outputs=2))
    with pytest.raises(InvalidInputError, match="of the same classes"):
        diag.ensemble([models[1], two])


def test_members_that_read_labels_differently_are_refused(models, data):
    unnamed = [replace(model, card=replace(model.card, class_names=None)) for model in models]
    first, second = (settle(model, data)[0] for model in unnamed)
    shifted = data.subset(np.flatnonzero(data.labels > 0))
    together = diag.ensemble([first, replace(second, label_rule="minus_one")])
    with pytest.raises(InvalidInputError, match="classes are in the same order"):
        diag.evaluate(together, shifted)


def test_what_looks_into_one_network_says_that_there_are_several(models, data):
    together = diag.ensemble(models)
    for ask in (
        lambda: together.keras,
        lambda: diag.kernels(together),
        lambda: diag.activations(together, data, [0]),
        lambda: diag.faithfulness(together, data),
        lambda: diag.detect(together, data),
        lambda: diag.explain(together, data, [0]),
        lambda: together.ask(np.zeros((1, 28, 28, 1), dtype=np.float32)),
    ):
        with pytest.raises(UnsupportedModelError) as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_the_doctor_looks_at_it_from_outside(models, data):
    found = diagnose(diag.ensemble(models), data, n=40, cache=False).outcomes_frame().set_index("code")
    assert not found["reason"].str.contains("could not be measured").any()
    skipped = found[found["status"] == "skipped"]["reason"]
    assert (skipped == "This is an ensemble of 2 models: it has no layers.").sum() > 3
    assert skipped.str.contains("prepared in its own way").any()
