"""Each way of training, on a hundred digits and for two epochs: what it writes, and what decides which weights stay."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import diag
from diag.errors import ModelLoadError
from saved_models.recipes import __main__ as command
from saved_models.recipes import harder, lungu, recipes, sd, table, training
from saved_models.recipes.data import load_parts
from saved_models.recipes.layers import altered, dense
from saved_models.recipes.recipe import AS_STORED, Recipe, write_card
from saved_models.recipes.sd import TargetAccuracy
from saved_models.recipes.training import GradientDescent, Network, save_network

SIZES = {"fit": 100, "validation": 50, "pool": 60, "test": 60}


@pytest.fixture(scope="module")
def parts():
    """Of every part the first images."""
    whole = load_parts("digits")
    few = {name: tuple(array[:size] for array in getattr(whole, name)) for name, size in SIZES.items()}
    return dataclasses.replace(whole, **few)


@pytest.fixture(autouse=True)
def two_epochs(monkeypatch):
    monkeypatch.setattr(training, "SMALL_EPOCHS", 2)


def recipe_of(trainer, file, history="log", preprocessing=None):
    more = {} if preprocessing is None else {"preprocessing": preprocessing}
    return Recipe(file, "A model", "Trained in a test.", trainer, history=history, **more)


def trained(recipe, parts, out):
    """Train, write the card, and hold the file, its card and its history to one another; return model and scores."""
    scores = recipe.trainer.train(recipe, parts, out)
    write_card(recipe, "digits", scores, out)
    model = diag.load_model(out / recipe.file)
    for name, (images, labels) in parts.named().items():
        right = (model.predict_proba(images).argmax(axis=1) == labels).mean()
        assert model.card.results[f"{name}_accuracy"] == pytest.approx(right, abs=1e-4)
    history = diag.load_history(model.card.history)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(history.columns)
    assert history.n_epochs == scores["epochs"]
    return model, scores, history


def log_loss_of(model, part):
    images, labels = part
    true = model.predict_proba(images)[np.arange(len(labels)), labels]
    return -np.log(np.maximum(true, 1e-7)).mean()


def test_gradient_descent_keeps_the_best_epoch_by_validation_loss(parts, tmp_path):
    recipe = recipe_of(GradientDescent("l1", 1e-4, epochs=2), "linear.skops", "hist")
    model, scores, history = trained(recipe, parts, tmp_path)
    assert scores["epochs"] == 8  # four times as many where images are few
    assert log_loss_of(model, parts.validation) == pytest.approx(history.columns["val_loss"].min(), rel=0.05)
    best = history.columns["val_loss"].argmin()
    assert history.columns["val_accuracy"][best] == pytest.approx(scores["validation_accuracy"])
    kept = pickle.loads((tmp_path / "linear.hist").read_bytes())
    assert list(kept) == ["loss", "acc", "val_loss", "val_acc"]
    # Other test images change nothing.
    other = dataclasses.replace(parts, test=(parts.test[0][::-1], parts.test[1]))
    again = tmp_path / "again"
    again.mkdir()
    recipe.trainer.train(recipe, other, again)
    assert (again / "linear.hist").read_bytes() == (tmp_path / "linear.hist").read_bytes()
    np.testing.assert_array_equal(
        diag.load_model(again / "linear.skops").predict_proba(parts.test[0]), model.predict_proba(parts.test[0])
    )


class Watched(Recipe):
    """Notes which images are prepared for a network."""

    def inputs(self, images, native_shape):
        EVENTS.append(images)
        return super().inputs(images, native_shape)


EVENTS = []


def test_a_network_keeps_the_best_epoch_and_no_augmentation_and_sees_no_test_image(parts, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(training, "save_network", lambda *given: (saved.append(len(EVENTS)), save_network(*given)))
    EVENTS.clear()
    # A rate this high makes the second epoch worse than the first.
    trainer = Network(
        lambda: dense([16]), 5, augmentation=lambda: altered(rotation=5, zoom=0.05, shift=0.05), learning_rate=0.3
    )
    recipe = Watched("net.h5", "A model", "Trained in a test.", trainer, history="log")
    model, _, history = trained(recipe, parts, tmp_path)
    assert history.n_epochs == 2
    assert log_loss_of(model, parts.validation) == pytest.approx(history.columns["val_loss"].min(), rel=1e-2)
    assert [type(layer).__name__ for layer in model.keras.layers][-3:] == ["Flatten", "Dense", "Dense"]
    before = EVENTS[: saved[0]]
    assert any(images is parts.fit[0] for images in before)
    assert not any(images is parts.test[0] for images in before)
    # Saved for use: no optimizer in the file.
    import h5py

    with h5py.File(tmp_path / "net.h5") as file:
        assert "optimizer_weights" not in file


def test_images_are_altered_while_training_alone(parts):
    network = dense([4])
    behind = Network(lambda: network, 1, augmentation=lambda: altered(rotation=20, shift=0.2)).altering(network)
    images = (parts.fit[0][:8] / 255).astype(np.float32)
    still, moved = (np.asarray(behind(images, training=mode)) for mode in (False, True))
    np.testing.assert_allclose(still, np.asarray(network(images)), atol=1e-6)
    assert np.abs(moved - still).max() > 1e-4


def test_training_to_a_target_stops_there_and_keeps_the_best_round(parts, tmp_path):
    training.fresh()
    save_network(dense([16]), tmp_path / "begun.h5")
    fast = Network(lambda: dense([16]), 1, batch=8, learning_rate=3e-3)
    recipe = recipe_of(TargetAccuracy("begun", 0.3, rounds=20, images=60, trainer=fast), "target.h5", "hist")
    _, scores, history = trained(recipe, parts, tmp_path)
    reached = history.columns["val_accuracy"]
    assert len(reached) < 20
    assert (reached[:-1] < 0.3).all()
    assert reached[-1] >= 0.3
    assert scores["validation_accuracy"] == pytest.approx(reached[-1])
    # The training figures are of the same images each round, those that the card's are of.
    assert history.columns["accuracy"][-1] == pytest.approx(scores["train_accuracy"])
    assert scores["target"] == 0.3
    assert -1 <= scores["optimism_of_choosing_on_test"] <= 1
    # Other test images change the optimism, and nothing else.
    other = dataclasses.replace(parts, test=(parts.test[0][::-1], parts.test[1]))
    again = recipe.trainer.train(recipe, other, tmp_path)
    assert again["validation_accuracy"] == pytest.approx(scores["validation_accuracy"], abs=0.02)
    assert again["epochs"] == scores["epochs"]


def test_training_to_a_target_keeps_the_round_of_the_lowest_validation_loss(parts, tmp_path, monkeypatch):
    training.fresh()
    save_network(dense([4]), tmp_path / "begun.h5")
    # The second of four rounds has the lowest loss; the third reaches the target, and is not kept for that.
    losses, accuracies, weights = [3.0, 1.0, 2.0, 4.0], [0.5, 0.4, 0.9, 0.6], []

    def planned(network, *_):
        row = {"loss": 0.0, "accuracy": 0.0, "val_loss": losses[len(weights)], "val_accuracy": accuracies[len(weights)]}
        weights.append(network.get_weights())
        return row

    monkeypatch.setattr(sd, "_measured", planned)
    fast = Network(lambda: dense([4]), 1, batch=8, learning_rate=3e-3)
    recipe = recipe_of(TargetAccuracy("begun", 0.8, rounds=4, images=60, trainer=fast), "target.h5", "hist")
    recipe.trainer.train(recipe, parts, tmp_path)
    assert len(weights) == 4
    kept = diag.load_model(tmp_path / "target.h5", preprocessing=diag.Preprocessing(scale=1 / 255)).keras.get_weights()
    for saved, second, third in zip(kept, weights[1], weights[2], strict=True):
        np.testing.assert_array_equal(saved, second)
        assert not np.array_equal(second, third)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("sd_cnn_target", "sd_cnn_augmented.h5"),
        ("lungu_12_average", "lungu_11_annealing.keras"),
        ("lungu_13_pseudo_labels", "lungu_11_annealing.keras"),
    ],
)
def test_a_model_that_a_recipe_needs_is_asked_for_in_one_line(parts, tmp_path, name, first):
    recipe = next(recipe for recipe in recipes() if recipe.name == name)
    with pytest.raises(ModelLoadError) as said:
        recipe.trainer.train(recipe, parts, tmp_path)
    assert str(said.value) == (
        f"{first}: expected a model that this recipe needs. Received: no such file in {tmp_path}. "
        f"Train it first: --only {first.split('.')[0]}."
    )
    assert list(tmp_path.iterdir()) == []


def test_pseudo_labels_are_the_models_own_and_the_true_ones_are_looked_up_at_the_end(parts, tmp_path, monkeypatch):
    from keras import layers

    monkeypatch.setattr(lungu, "MAX_ERROR", 0.3)
    monkeypatch.setattr(training, "SMALL_EPOCHS", 12)
    begun = recipe_of(Network(lambda: lungu.network([layers.Flatten()]), 5), "begun.keras", preprocessing=AS_STORED)
    trained(begun, parts, tmp_path)
    monkeypatch.setattr(training, "SMALL_EPOCHS", 2)
    recipe = recipe_of(lungu.PseudoLabelled("begun"), "pseudo.keras", preprocessing=AS_STORED)
    seen = []
    fit = Network.fit

    def noted(self, network, given, more, out):
        seen.append(more)
        return fit(self, network, given, more, out)

    monkeypatch.setattr(Network, "fit", noted)
    model, scores, _ = trained(recipe, parts, tmp_path)
    n = scores["pseudo_labels"]
    assert 0 < n <= SIZES["pool"]
    images, labels = seen[0].fit
    assert len(images) == len(labels) == SIZES["fit"] + n
    np.testing.assert_array_equal(images[: SIZES["fit"]], parts.fit[0])
    given = diag.load_model(tmp_path / "begun.keras").predict_proba(images[SIZES["fit"] :]).argmax(axis=1)
    np.testing.assert_array_equal(labels[SIZES["fit"] :], given)
    assert 0 <= scores["wrong_pseudo_labels"] <= 0.5
    assert model.keras.input_shape == (None, 1, 28, 28)


def test_an_average_is_a_definition_beside_its_members(parts, tmp_path):
    from keras import layers

    for name, units in (("one", 8), ("two", 16)):
        trainer = Network(lambda units=units: lungu.network([layers.Flatten(), layers.Dense(units)]), 2)
        trained(recipe_of(trainer, f"{name}.keras", preprocessing=AS_STORED), parts, tmp_path)
    recipe = recipe_of(lungu.Average(("one", "two")), "both.ensemble.toml", None)
    scores = recipe.trainer.train(recipe, parts, tmp_path)
    assert recipe.is_ensemble
    members = [diag.load_model(tmp_path / f"{name}.keras").predict_proba(parts.test[0]) for name in ("one", "two")]
    both = diag.load_model(tmp_path / "both.ensemble.toml").predict_proba(parts.test[0])
    np.testing.assert_allclose(both, np.mean(members, axis=0), atol=1e-6)
    assert scores["test_accuracy"] == pytest.approx((both.argmax(axis=1) == parts.test[1]).mean())


@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner.*")
def test_a_search_writes_its_trials_and_fits_the_best(parts, tmp_path):
    pytest.importorskip("keras_tuner")
    recipe = recipe_of(harder.Hyperband(max_epochs=2, epochs=2), "searched.h5")
    model, scores, _ = trained(recipe, parts, tmp_path)
    trials = pd.read_csv(tmp_path / "searched_trials.csv")
    assert len(trials) == scores["trials"] > 1
    assert trials["val_accuracy"].is_monotonic_decreasing
    assert trials["trial"].is_unique
    first = next(layer for layer in model.keras.layers if type(layer).__name__ == "Dense")
    assert (first.units, first.activation.__name__) == tuple(trials.loc[0, ["units", "activation"]])


def test_harder_models_see_the_tables_and_are_judged_on_plain_images_too(parts, tmp_path):
    recipe = recipe_of(harder.OnHarder(Network(lambda: dense([8]), 2)), "hard.h5")
    scores = recipe.trainer.train(recipe, parts, tmp_path)
    write_card(recipe, "digits", scores, tmp_path)
    predicted = diag.load_model(tmp_path / "hard.h5").predict_proba(parts.test[0]).argmax(axis=1)
    assert scores["test_accuracy"] == pytest.approx((predicted == parts.test[1]).mean())
    assert 0 <= scores["harder_test_accuracy"] <= 1
    assert list(scores)[-1] == "n_test"


def test_a_name_that_is_no_recipe_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["recipes", "--data", "mnist", "--only", "nobody"])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--only: expected one of haby, dody, lungu, harder, sd, haby_cnn, " in said
    assert said.endswith("Received: nobody.")


def run_command(monkeypatch, home, *arguments):
    """Run the command as if the repository lay in a folder, in this process: TensorFlow stays as it is set."""
    monkeypatch.setattr(command, "HERE", home / "saved_models")
    experimental = SimpleNamespace(enable_op_determinism=lambda: None)
    monkeypatch.setattr(
        command, "import_tensorflow", lambda: SimpleNamespace(config=SimpleNamespace(experimental=experimental))
    )
    monkeypatch.setattr(sys, "argv", ["recipes", *arguments])
    command.main()


def test_models_of_a_file_lie_apart_from_the_shipped_ones_and_their_cards_name_it(monkeypatch, capsys, parts, tmp_path):
    arrays = {f"x_{name}": parts.named()[name][0] for name in ("train", "test")}
    arrays |= {f"y_{name}": parts.named()[name][1] for name in ("train", "test")}
    np.savez(tmp_path / "own.npz", **arrays)
    given = "--data", str(tmp_path / "own.npz"), "--only", "sd_l1"
    run_command(monkeypatch, tmp_path, *given)
    folder = tmp_path / "build" / "models" / "own"
    said = capsys.readouterr().out
    assert said.splitlines()[0] == f"Models are written to {folder}."
    assert "  sd_l1: epoch 1 of 48, loss " in said  # gradient descent never stops early
    assert sorted(path.name for path in folder.iterdir()) == ["sd_l1.hist", "sd_l1.skops", "sd_l1.toml"]
    assert '\nsource = "own.npz"\n' in (folder / "sd_l1.toml").read_text(encoding="utf-8")
    assert not (tmp_path / "saved_models").exists()
    # With --keep what is there is left as it is.
    (folder / "sd_l1.skops").write_bytes(b"there")
    run_command(monkeypatch, tmp_path, *given, "--keep")
    assert "sd_l1.skops" in capsys.readouterr().out
    assert (folder / "sd_l1.skops").read_bytes() == b"there"
    run_command(monkeypatch, tmp_path, *given)
    assert len((folder / "sd_l1.skops").read_bytes()) > 1000


def test_only_models_that_are_shipped_are_written_where_the_shipped_ones_lie():
    own = {data: {recipe.name: recipe for recipe in recipes(data)} for data in ("digits", "mnist")}
    shipped, apart = command.HERE, command.HERE.parent / "build" / "models"
    for data, name, folder in [
        ("digits", "dense", shipped / "digits"),
        ("digits", "sd_cnn", apart / "digits"),
        ("mnist", "sd_cnn", shipped / "mnist"),
        ("copies/mnist.npz", "sd_cnn", apart / "mnist"),
    ]:
        known = own["digits" if data == "digits" else "mnist"]
        assert command.default_folder(data, [known[name]]) == folder
    assert command.default_folder("digits", [own["digits"]["dense"], own["digits"]["sd_cnn"]]) == apart / "digits"


def test_other_data_are_refused_by_the_command_in_one_line(monkeypatch, capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run_command(monkeypatch, tmp_path, "--data", "fashion_mnist", "--only", "sd_l1")
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("Error: fashion_mnist: expected digits, mnist, or a file ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["nowhere", ""])
def test_a_table_without_models_is_refused(monkeypatch, capsys, tmp_path, folder):
    monkeypatch.setattr(sys, "argv", ["table", "--data", "digits", "--models", str(tmp_path / folder)])
    with pytest.raises(SystemExit) as stopped:
        table.main()
    assert stopped.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"Error: {tmp_path / folder}: expected a folder with models of the recipes. Received: none of them there. "
        "Train some first: python -m saved_models.recipes.\n"
    )


def test_names_of_models_begin_with_their_notebooks():
    for recipe in recipes():
        assert recipe.name.startswith(f"{recipe.notebook}_")
    assert len({recipe.name for recipe in recipes("digits")}) == len(recipes("digits"))


def test_the_table_prints_what_the_card_says(parts):
    recipe = next(each for each in recipes("digits") if each.name == "logistic_l1")
    folder = command.HERE / "digits"
    cells = list(table.row(recipe, folder, load_parts("digits")))
    said = diag.load_model(folder / recipe.file).card.results["test_accuracy"]
    assert len(cells) == len(table.HEAD)
    assert cells[0] == "`logistic_l1.skops`"
    assert cells[5] == f"{said:.4f}"
    low, high = map(float, cells[6].split(" to "))
    assert low < said < high
