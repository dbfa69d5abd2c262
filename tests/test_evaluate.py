"""From a file to an Evaluation: what the network says, what the cache keeps, what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

import diag
from diag.errors import DataError, InvalidInputError, UnsupportedModelError
from diag.io import store
from diag.io.outputs import output_head, to_probabilities
from diag.io.pairing import data_for, match_classes
from tests.fakes import save_model

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "saved_models" / "digits"


@pytest.fixture(scope="module")
def layers():
    from diag._lazy import import_keras

    return import_keras().layers


@pytest.fixture(scope="module")
def toy(tmp_path_factory, layers):
    """A 6x6 grey model of three classes, its images and labels."""
    path = tmp_path_factory.mktemp("toy") / "toy.keras"
    save_model(path, [layers.Flatten(), layers.Dropout(0.5), layers.Dense(3, activation="softmax")], (6, 6, 1))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 6, 6, 1), dtype=np.uint8)
    return path, images, rng.integers(0, 3, 50)


def test_probabilities_are_the_networks_own(toy):
    # Softmax(x W + b) by NumPy, with the weights out of the file; dropout must be off.
    path, images, _ = toy
    model = diag.load_model(path)
    weights, bias = model.keras.layers[-1].get_weights()
    logits = (images.reshape(50, -1) / np.float32(255)) @ weights + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(images), expected, atol=1e-6)
    assert model.predict_proba(images, batch_size=7).dtype == np.float32
    assert model.input_shape == (6, 6, 1)
    assert model.predict_proba(images[:0]).shape == (0, 3)


def test_batches_do_not_change_the_result(toy, empty_cache):
    path, images, labels = toy
    model, data = diag.load_model(path), diag.load_dataset((images, labels))
    whole, parts = (diag.evaluate(model, data, batch_size=size, cache=False) for size in (50, 7))
    for name, column in whole.samples.items():
        np.testing.assert_allclose(parts.samples[name], column, atol=1e-6)
    assert (whole.confusion_matrix().to_numpy() == confusion_matrix(labels, whole.samples["y_pred"])).all()


def test_images_are_read_batch_by_batch(toy):
    # A source that knows how many images were asked for at once: never more than a batch.
    path, images, labels = toy

    class Watched:
        shape, dtype = images.shape, images.dtype
        largest = 0

        def __len__(self):
            return len(images)

        def __getitem__(self, key):
            batch = images[key]
            Watched.largest = max(Watched.largest, len(batch))
            return batch

    data = replace(diag.load_dataset((images, labels)), images=Watched())
    rescaled, _ = diag.load_model(path, preprocessing=diag.Preprocessing(scale=1 / 255)).resolve(images)
    run = diag.evaluate(rescaled, data, batch_size=7, cache=False)
    assert Watched.largest == 7
    assert len(run) == 50


def test_cache_gives_the_same_and_notices_changes(toy, empty_cache):
    path, images, labels = toy
    model, data = diag.load_model(path), diag.load_dataset((images, labels))
    first, second = diag.evaluate(model, data), diag.evaluate(model, data)
    assert (first.from_cache, second.from_cache) == (False, True)
    for name, column in first.samples.items():
        np.testing.assert_array_equal(second.samples[name], column)
        assert not second.samples[name].flags.writeable
    np.testing.assert_array_equal(first.proba, second.proba)
    assert first.seconds == second.seconds
    swapped = diag.load_dataset((images, (labels + 1) % 3))
    rescaled = replace(model, preprocessing=diag.Preprocessing(scale=0.5))
    assert not diag.evaluate(model, swapped).from_cache
    assert not diag.evaluate(rescaled, data).from_cache
    assert not diag.evaluate(model, data, cache=False).from_cache


def test_a_damaged_cache_entry_is_made_again(toy, empty_cache):
    path, images, labels = toy
    model, data = diag.load_model(path), diag.load_dataset((images, labels))
    diag.evaluate(model, data)
    (entry,) = (empty_cache / "evaluations").iterdir()
    (entry / "samples.parquet").write_bytes(b"PAR1 not any more")
    assert not diag.evaluate(model, data).from_cache
    assert diag.evaluate(model, data).from_cache


def test_clear_touches_only_what_diag_made(toy, empty_cache):
    path, images, labels = toy
    diag.evaluate(diag.load_model(path), diag.load_dataset((images, labels)))
    (empty_cache / "letter.txt").write_text("dear")
    assert store.clear() >= 1
    assert [entry.name for entry in empty_cache.iterdir()] == ["letter.txt"]


def test_the_caller_never_imports_tensorflow_and_a_cached_evaluation_starts_no_network(tmp_path):
    code = (
        "import sys, diag\n"
        "run = diag.evaluate(diag.load_model(sys.argv[1]), diag.load_dataset('digits'), progress=False)\n"
        "from diag.worker.process import models\n"
        "print(run.from_cache, models().alive(), 'tensorflow' in sys.modules, round(run.figures()['accuracy'], 4))"
    )
    command = [sys.executable, "-c", code, str(SHIPPED / "cnn_sd.h5")]
    environment = {"DIAG_CACHE_DIR": str(tmp_path), "PATH": "", "HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": "-1"}
    runs = [
        subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=True) for _ in range(2)
    ]
    first, second = (run.stdout.split() for run in runs)
    assert first[:3] == ["False", "True", "False"]
    assert second[:3] == ["True", "False", "False"]
    assert first[3] == second[3]
    assert runs[0].stderr == ""


@pytest.mark.parametrize("name", ["logistic_l2.skops", "dense.keras", "cnn_sd.h5", "cnn_lungu.keras"])
def test_shipped_models_reach_their_cards(name):
    model = diag.load_model(SHIPPED / name)
    run = diag.evaluate(model, data_for([model]))
    assert run.figures()["accuracy"] == pytest.approx(model.card.results["test_accuracy"], abs=2.5 / 797)
    assert run.confusion_matrix().to_numpy().sum() == 797


def test_outputs_become_probabilities():
    raw = np.array([[2.0, 0.0], [0.0, 0.0]])
    e2 = np.exp(2)
    np.testing.assert_allclose(to_probabilities(raw, "linear"), [[e2 / (e2 + 1), 1 / (e2 + 1)], [0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(to_probabilities(np.array([[0.0]]), "linear-binary"), [[0.5, 0.5]])
    np.testing.assert_allclose(to_probabilities(np.array([[0.2]]), "binary"), [[0.8, 0.2]], rtol=1e-6)
    np.testing.assert_allclose(to_probabilities(np.array([[0.2, 0.6]]), "sigmoid"), [[0.25, 0.75]], rtol=1e-6)
    np.testing.assert_allclose(to_probabilities(np.zeros((1, 4)), "sigmoid"), np.full((1, 4), 0.25))
    np.testing.assert_allclose(to_probabilities(np.array([[0.2, 0.8]]), "unknown"), [[0.2, 0.8]], rtol=1e-6)
    assert output_head("linear", 1) == "linear-binary"
    assert output_head(None, 3) == "unknown"


@pytest.mark.parametrize(
    ("units", "activation", "note"),
    [(1, "sigmoid", "one sigmoid"), (3, None, "logits"), (3, "sigmoid", "one sigmoid a class"), (3, "softmax", None)],
)
def test_heads_are_recognised_and_said(tmp_path, layers, units, activation, note):
    path = tmp_path / "head.keras"
    save_model(path, [layers.Flatten(), layers.Dense(units, activation=activation)], (4, 4, 1))
    k = max(units, 2)
    run = diag.evaluate(diag.load_model(path), diag.load_dataset((np.ones((6, 4, 4)), np.arange(6) % k)), cache=False)
    assert run.n_classes == k
    np.testing.assert_allclose(run.proba.sum(axis=1), 1, atol=1e-6)
    assert any(note in text for text in run.notes) if note else run.notes == ()


@pytest.mark.parametrize(
    ("shape", "images"),
    [
        ((1, 6, 5), (8, 6, 5, 1)),  # channels first, not square
        ((6, 5, 3), (8, 6, 5, 3)),  # colour
        ((6, 5, 3), (8, 6, 5, 1)),  # grey copied to three channels
        ((6, 5), (8, 6, 5, 1)),  # no axis of channels
        ((30,), (8, 6, 5, 1)),  # flat
    ],
)
def test_layouts(tmp_path, layers, shape, images):
    path = tmp_path / "layout.keras"
    save_model(path, [layers.Flatten(), layers.Dense(2, activation="softmax")], shape)
    data = diag.load_dataset((np.random.default_rng(0).random(images), np.arange(8) % 2))
    assert len(diag.evaluate(diag.load_model(path), data, cache=False)) == 8


def test_nan_weights_are_refused(tmp_path, layers):
    path = tmp_path / "nan.keras"
    model = save_model(path, [layers.Flatten(), layers.Dense(2, activation="softmax", name="head")], (2, 2, 1))
    model.layers[-1].set_weights([np.full((4, 2), np.nan), np.zeros(2)])
    model.save(path)
    with pytest.raises(InvalidInputError, match="NaN or infinity for image 0"):
        diag.load_model(path).predict_proba(np.ones((3, 2, 2, 1)))


def test_data_that_does_not_fit_is_refused(toy):
    path, images, labels = toy
    model = diag.load_model(path)
    for data, said in [
        (diag.load_dataset(images), "no labels"),
        (diag.load_dataset((images, labels + 1)), "start at 1"),
        (diag.load_dataset((images, labels * 7)), "0..2"),
    ]:
        with pytest.raises((DataError, InvalidInputError), match=said) as caught:
            diag.evaluate(model, data)
        assert "\n" not in str(caught.value)


def test_classes_are_matched_by_name(toy):
    path, images, _ = toy
    model = diag.load_model(path, class_names=("cat", "ape", "dog"))
    data = diag.load_dataset((images[:3], np.array(["dog", "cat", "ape"])))  # sorted: ape, cat, dog
    names, y_true, notes = match_classes(model, data)
    assert names == ("cat", "ape", "dog")
    assert y_true.tolist() == [2, 0, 1]
    assert notes == ("Labels were matched to the model's classes by name.",)
    with pytest.raises(DataError, match="'bee' is not among"):
        match_classes(model, diag.load_dataset((images[:2], np.array(["cat", "bee"]))))


def test_data_is_chosen_and_said():
    shipped = [diag.load_model(SHIPPED / name) for name in ("dense.keras", "cnn_sd.h5")]
    assert data_for(shipped).name == "digits"
    nameless = [replace(model, card=replace(model.card, source=None)) for model in shipped]
    assert "No data was named" in data_for(nameless).notes[0]
    other = [shipped[0], replace(shipped[1], card=replace(shipped[1].card, source="mnist"))]
    with pytest.raises(DataError, match="different data"):
        data_for(other)


def test_nothing_built_in_fits(toy):
    with pytest.raises(DataError, match="6x6x1 and 3 classes"):
        data_for([diag.load_model(toy[0])])


def test_what_answers_every_pixel_is_no_classifier(tmp_path, layers):
    save_model(tmp_path / "seg.keras", [layers.Conv2D(2, 1, activation="softmax")], (4, 4, 1))
    model = diag.load_model(tmp_path / "seg.keras")
    data = diag.load_dataset((np.zeros((30, 4, 4), np.uint8), np.arange(30) % 2))
    for judge in (diag.evaluate, diag.diagnose):
        with pytest.raises(UnsupportedModelError, match="an output of 4x4x2 numbers, as for segmentation"):
            judge(model, data, cache=False)


def test_a_row_of_classes_may_have_axes_of_one(tmp_path, layers):
    pooled = [layers.GlobalAveragePooling2D(keepdims=True), layers.Conv2D(3, 1, activation="softmax")]
    save_model(tmp_path / "full.keras", pooled, (4, 4, 1))  # its output is (n, 1, 1, 3)
    data = diag.load_dataset((np.zeros((6, 4, 4), np.uint8), np.arange(6) % 3))
    assert diag.evaluate(diag.load_model(tmp_path / "full.keras"), data, cache=False).proba.shape == (6, 3)


def test_labels_above_1_for_one_output_are_not_called_two_outputs(tmp_path, layers):
    save_model(tmp_path / "one.keras", [layers.Flatten(), layers.Dense(1)], (4, 4, 1))
    data = diag.load_dataset((np.zeros((6, 4, 4), np.uint8), np.arange(6)))
    with pytest.raises(DataError, match="one output, which tells two classes"):
        diag.evaluate(diag.load_model(tmp_path / "one.keras"), data, cache=False)


def test_a_table_without_labels_names_its_columns(tmp_path, toy):
    path, images, _ = toy
    data = replace(diag.load_dataset(images), metadata={"light": np.arange(50), "species": np.arange(50)})
    with pytest.raises(DataError, match="--label-column, of light, species"):
        diag.evaluate(diag.load_model(path), data, cache=False)
