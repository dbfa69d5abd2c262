"""The shipped models are what their cards and recipes say. Nothing is trained here."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from diag import load_dataset, load_history, load_model
from diag.io.modelcard import load_card

FOLDER = Path(__file__).parents[1] / "saved_models" / "digits"
MODELS = sorted(path for path in FOLDER.iterdir() if path.suffix in (".h5", ".keras", ".skops"))
NETWORKS = [path for path in MODELS if path.suffix != ".skops"]
LIMIT = 15 * 10**6  # bytes, all files together


def name_of(path):
    return path.stem


@pytest.fixture(scope="module")
def digits_test():
    return load_dataset("digits", split="test")


@pytest.fixture(scope="module")
def parts():
    from saved_models.recipes.train import split

    return split()


def test_every_recipe_is_shipped_and_every_model_has_a_recipe():
    from saved_models.recipes.train import recipes

    assert sorted(recipe.file for recipe in recipes()) == [path.name for path in MODELS]
    assert {"logistic_l1", "logistic_l2", "dense", "dense_dropout", "cnn_dody", "cnn_sd"} <= {*map(name_of, MODELS)}


def test_all_formats_are_shipped_and_they_are_small():
    assert {path.suffix for path in FOLDER.iterdir()} == {".h5", ".keras", ".skops", ".toml", ".log", ".hist"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < LIMIT


@pytest.mark.parametrize("path", MODELS, ids=name_of)
def test_card(path):
    card = load_card(path)
    assert card.title
    assert card.description.endswith(".")
    assert (card.source, card.split) == ("digits", "test")
    assert card.class_names == tuple("0123456789")
    assert card.results["n_test"] == 797
    for name in ("train_accuracy", "validation_accuracy", "test_accuracy"):
        assert 0.85 < card.results[name] <= 1


@pytest.mark.parametrize("path", NETWORKS, ids=name_of)
def test_history(path):
    card = load_card(path)
    history = load_history(card.history)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} == set(history.columns)
    assert history.n_epochs == card.results["epochs"]
    # The weights that were saved are those of the epoch with the lowest validation loss.
    best = history.columns["val_accuracy"][history.best_epoch("val_loss") - 1]
    assert best == pytest.approx(card.results["validation_accuracy"], abs=1e-4)


@pytest.mark.parametrize("path", MODELS, ids=name_of)
def test_the_card_gives_the_accuracy_that_the_model_has(path, digits_test):
    predicted = load_model(path).predict_proba(np.asarray(digits_test.images[:])).argmax(axis=1)
    accuracy = (predicted == digits_test.labels).mean()
    # One image is 0.00125; another processor may round one on the border otherwise.
    assert accuracy == pytest.approx(load_card(path).results["test_accuracy"], abs=2 / 797)


@pytest.mark.parametrize("path", NETWORKS, ids=name_of)
def test_the_file_holds_the_network_of_its_recipe(path):
    from saved_models.recipes.train import recipes

    built = next(recipe for recipe in recipes() if recipe.file == path.name).build()
    saved = load_model(path).keras
    kinds = [type(layer).__name__ for layer in saved.layers if type(layer).__name__ != "InputLayer"]
    assert kinds == [type(layer).__name__ for layer in built.layers]
    assert [weight.shape for weight in saved.weights] == [weight.shape for weight in built.weights]


def test_parameters_counted_by_hand():
    # dense: 784*128+128 + 128*64+64 + 64*32+32 + 32*10+10
    # cnn_dody: 5*5*8+8 + 5*5*8*16+16 + 7*7*16*64+64 + 64*10+10
    expected = {"dense": 111_146, "dense_dropout": 111_146, "cnn_dody": 208 + 3216 + 50_240 + 650}
    counted = {path.stem: load_model(path).n_params for path in NETWORKS if path.stem in expected}
    assert counted == expected


def test_networks_use_only_what_shap_explains():
    activations = {
        layer.activation.__name__
        for path in NETWORKS
        for layer in load_model(path).keras.layers
        if hasattr(layer, "activation")
    }
    assert activations == {"relu", "softmax"}


def test_validation_images_come_out_of_the_training_split(parts, digits_test):
    assert {name: len(labels) for name, (_, labels) in parts.items()} == {
        "fit": 800,
        "validation": 200,
        "test": 797,
    }
    train = load_dataset("digits", split="train")
    together = np.concatenate([parts["fit"][0], parts["validation"][0]])
    as_rows = [sorted(image.tobytes() for image in np.asarray(images)) for images in (together, train.images[:])]
    assert as_rows[0] == as_rows[1]
    assert np.array_equal(parts["test"][0], digits_test.images[:])


def test_readme_has_the_figures_of_the_cards():
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    for path in MODELS:
        results = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))["results"]
        scores = (results[f"{split}_accuracy"] for split in ("train", "validation", "test"))
        row = f"| `{path.name}` | " + " | ".join(f"{score:.4f}" for score in scores)
        assert row in readme
