"""The shipped models are what their cards and recipes say. Nothing is trained here."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diag import load_dataset, load_history, load_model, training
from diag.io.modelcard import load_card
from saved_models.recipes import NOTEBOOKS, digits, recipes, shipped
from saved_models.recipes.lungu import AVERAGED

FOLDER = Path(__file__).parents[2] / "saved_models"
LEFT_OUT = "harder_vgg16"  # 59 MB, nearly all of it VGG16 itself
LIMITS = {"digits": 15 * 10**6, "mnist": 40 * 10**6}  # bytes, all files together
N_TEST = {"digits": 797, "mnist": 10_000}
N_VALIDATION = {"digits": 200, "mnist": 5_000, "harder": 2_400}
RECIPES = {data: [recipe for recipe in shipped(data) if recipe.name != LEFT_OUT] for data in LIMITS}
MODELS = [(data, recipe) for data in RECIPES for recipe in RECIPES[data] if not recipe.is_ensemble]
NETWORKS = [(data, recipe) for data, recipe in MODELS if not recipe.file.endswith(".skops")]


def of(listed):
    return pytest.mark.parametrize(("data", "recipe"), listed, ids=[f"{data}-{recipe.name}" for data, recipe in listed])


def files_of(data):
    """Return what is shipped; what was not may lie there where it was trained."""
    return [path for path in (FOLDER / data).iterdir() if not path.name.startswith(f"{LEFT_OUT}.")]


def path_of(data, recipe):
    return FOLDER / data / recipe.file


@pytest.fixture(scope="module")
def digits_test():
    return load_dataset("digits", split="test")


@pytest.mark.parametrize("data", RECIPES)
def test_every_recipe_is_shipped_and_every_model_has_a_recipe(data):
    endings = (".h5", ".keras", ".skops", ".ensemble.toml")
    files = sorted(path.name for path in files_of(data) if path.name.endswith(endings))
    assert files == sorted(recipe.file for recipe in RECIPES[data])


@pytest.mark.parametrize("data", RECIPES)
def test_all_formats_are_shipped_and_they_are_small(data):
    files = files_of(data)
    assert {".h5", ".keras", ".skops", ".toml", ".log", ".hist"} <= {path.suffix for path in files}
    assert sum(path.stat().st_size for path in files) < LIMITS[data]


def test_every_notebook_has_its_recipes():
    # Counted in the notebooks: one network; three regressions and four networks; thirteen steps, and two more runs of
    # the eleventh for the average; six models; four linear models and five networks.
    found = [sum(recipe.notebook == notebook for recipe in recipes()) for notebook in NOTEBOOKS]
    assert dict(zip(NOTEBOOKS, found, strict=True)) == {"haby": 1, "dody": 7, "lungu": 15, "harder": 6, "sd": 9}
    without = [recipe.name for recipe in recipes() if recipe.noted is None]
    assert without == [*AVERAGED[1:], "sd_sgd"]  # the notebooks give no figure
    assert all(0.5 < recipe.noted < 1 for recipe in recipes() if recipe.noted is not None)


@of(MODELS)
def test_card(data, recipe):
    card = load_card(path_of(data, recipe))
    assert card.title == recipe.title
    assert card.description.endswith(".")
    assert (card.source, card.split) == (data, "test")
    assert card.class_names == tuple("0123456789")
    assert card.results["n_test"] == N_TEST[data]
    for name in ("train_accuracy", "validation_accuracy", "test_accuracy"):
        assert 0.6 < card.results[name] <= 1


@of([(data, recipe) for data, recipe in MODELS if recipe.history])
def test_history(data, recipe):
    card = load_card(path_of(data, recipe))
    history = load_history(card.history)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(history.columns)
    assert history.n_epochs == card.results["epochs"]
    # The weights that were saved are those of the epoch with the lowest validation loss. Keras rounds otherwise when
    # it measures twice: one image more or less.
    best = history.columns["val_loss"].argmin()
    n = N_VALIDATION["harder" if recipe.notebook == "harder" else data]
    assert history.columns["val_accuracy"][best] == pytest.approx(card.results["validation_accuracy"], abs=1.5 / n)


def test_no_shipped_history_shows_a_warning_as_the_docs_say():
    histories = {
        f"{data}/{recipe.name}": load_history(load_card(path_of(data, recipe)).history)
        for data, recipe in MODELS
        if recipe.history
    }
    signs = training(histories).signs()
    assert signs[signs["severity"] == "warning"].empty
    # One of them by hand: the training loss never twice ends half again above that of the epoch before, and above the
    # median so far.
    for history in histories.values():
        loss = history.columns["loss"]
        jumps = [
            epoch for epoch in range(2, len(loss)) if loss[epoch] > max(1.5 * loss[epoch - 1], np.median(loss[:epoch]))
        ]
        assert len(jumps) < 2
    page = (FOLDER.parent / "docs" / "training.md").read_text(encoding="utf-8")
    assert "the shipped models, which show none of the warnings" in page


@of([each for each in MODELS if each[0] == "digits"])
def test_the_card_gives_the_accuracy_that_the_model_has(data, recipe, digits_test):
    predicted = load_model(path_of(data, recipe)).predict_proba(np.asarray(digits_test.images[:])).argmax(axis=1)
    accuracy = (predicted == digits_test.labels).mean()
    # One image is 0.00125; another processor may round one on the border otherwise.
    said = load_card(path_of(data, recipe)).results["test_accuracy"]
    assert accuracy == pytest.approx(said, abs=2 / 797)


def built(data, recipe):
    """Return the network that a recipe fits, new."""
    if recipe.name == "harder_hyperband":  # of the values that the search found
        from saved_models.recipes.harder import cnn

        best = pd.read_csv(FOLDER / data / f"{recipe.name}_trials.csv").iloc[0]
        return cnn(int(best["units"]), best["activation"], best["dropout"])
    started = {"sd_cnn_target": "sd_cnn_augmented", "lungu_13_pseudo_labels": "lungu_11_annealing"}
    if recipe.name in started:
        return built(data, next(each for each in recipes() if each.name == started[recipe.name]))
    trainer = recipe.trainer
    while not hasattr(trainer, "build"):
        trainer = trainer.trainer
    return trainer.build()


@of(NETWORKS)
def test_the_file_holds_the_network_of_its_recipe(data, recipe):
    new = built(data, recipe)
    saved = load_model(path_of(data, recipe)).keras
    kinds = [type(layer).__name__ for layer in saved.layers if type(layer).__name__ != "InputLayer"]
    assert kinds == [type(layer).__name__ for layer in new.layers if type(layer).__name__ != "InputLayer"]
    assert [weight.shape for weight in saved.weights] == [weight.shape for weight in new.weights]
    assert not any(kind.startswith("Random") for kind in kinds)  # what alters images is no part of what is saved


def test_parameters_counted_by_hand():
    expected = {
        # 784*128+128 + 128*64+64 + 64*32+32 + 32*10+10
        ("digits", "dense.keras"): 111_146,
        ("digits", "dense_dropout.h5"): 111_146,
        ("mnist", "dody_dense.h5"): 111_146,
        # 5*5*8+8 + 5*5*8*16+16 + 7*7*16*64+64 + 64*10+10
        ("digits", "cnn_dody.h5"): 208 + 3216 + 50_240 + 650,
        # As the notebooks say; by hand 5*5*32+32 + 5*5*32*32+32 + 7*7*32*256+256 + 256*10+10
        ("mnist", "dody_cnn.h5"): 430_698,
        ("mnist", "sd_cnn.h5"): 597_066,
        ("mnist", "sd_cnn_target.h5"): 597_066,
        # 784*10+10, and 784*100+100 + 100*10+10
        ("mnist", "lungu_02_linear.keras"): 7_850,
        ("mnist", "lungu_03_hidden.keras"): 79_510,
        # 784*64+64 + 64*10+10
        ("mnist", "harder_dense.h5"): 50_890,
        # 320 + 18,496 of 3x3 and 4*32, 4*64 of normalisation; 2*36,928 and 2*256; 4*4*64*256+256; 2,570
        ("mnist", "haby_cnn.keras"): 320 + 128 + 18_496 + 256 + 2 * (36_928 + 256) + 262_400 + 2_570,
    }
    counted = {(data, file): load_model(FOLDER / data / file).n_params for data, file in expected}
    assert counted == expected


def test_what_is_shipped_for_digits_shap_explains_too():
    activations = {
        layer.activation.__name__
        for data, recipe in NETWORKS
        if data == "digits"
        for layer in load_model(path_of(data, recipe)).keras.layers
        if hasattr(layer, "activation")
    }
    assert activations == {"relu", "softmax"}


def test_the_average_names_its_members_which_lie_beside_it():
    text = (FOLDER / "mnist" / "lungu_12_average.ensemble.toml").read_text(encoding="utf-8")
    model = load_model(FOLDER / "mnist" / "lungu_12_average.ensemble.toml")
    assert model.how == "average"
    assert [member.path.stem for member in model.members] == list(AVERAGED)
    assert str(FOLDER) not in text


def test_readme_has_the_figures_of_the_cards():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for recipe in digits.recipes():
        card = path_of("digits", recipe).with_suffix(".toml")
        results = tomllib.loads(card.read_text(encoding="utf-8"))["results"]
        scores = (results[f"{split}_accuracy"] for split in ("train", "validation", "test"))
        assert f"| `{recipe.file}` | " + " | ".join(f"{score:.4f}" for score in scores) in readme


def test_the_table_in_the_docs_has_the_figures_of_the_cards():
    page = (FOLDER.parent / "docs" / "mnist.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| `")
    ]
    table = {row[0].strip("`"): row for row in rows if len(row) == 7}
    assert list(table) == [recipe.file for recipe in recipes("mnist")]
    for data, recipe in MODELS:
        if data == "mnist":
            _, noted, _, likewise, difference, test, _ = table[recipe.file]
            results = load_card(path_of(data, recipe)).results
            assert test == f"{results['test_accuracy']:.4f}"
            assert likewise == f"{results[f'{recipe.noted_on}_accuracy']:.4f}"
            assert noted == ("–" if recipe.noted is None else f"{recipe.noted:.4f}")
            if recipe.noted is not None:
                assert float(difference.replace("−", "-")) == pytest.approx(
                    (float(likewise) - recipe.noted) * 100, abs=0.011
                )
    for row in table.values():  # of all, also of those that have no card here
        assert row[6] == wilson(float(row[5]), N_TEST["mnist"])


def wilson(p, n, z=1.959964):
    """Return Wilson's 95 % interval of a share of n, as the docs have it (Wilson 1927, JASA 22, 209-212)."""
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = ((middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    return f"{low:.4f} to {high:.4f}"


def test_widths_in_the_docs_are_wilsons():
    said = (FOLDER.parent / "docs" / "mnist.md").read_text(encoding="utf-8").replace("\n", " ")
    widths = [
        np.ptp([float(end) for end in wilson(p, n).split(" to ")])
        for p, n in [(0.994, 10_000), (0.994, 5_000), (0.95, 2_400)]
    ]
    first, second, third = (f"{100 * width:.1f}" for width in widths)
    assert (
        f"is {first} points wide with 10,000 test images, {second} with 5,000 validation images, and {third} " in said
    )


def test_the_search_tried_as_many_sets_of_values_as_the_docs_say():
    trials = pd.read_csv(FOLDER / "mnist" / "harder_hyperband_trials.csv")
    sets = trials[["units", "activation", "dropout", "learning_rate"]].drop_duplicates()
    words = {8: "eight", 10: "ten"}
    said = (FOLDER.parent / "docs" / "mnist.md").read_text(encoding="utf-8")
    assert f"tried {words[len(sets)]} sets of values in {words[len(trials)]} trials" in said
