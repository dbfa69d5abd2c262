"""*lungu*: thirteen steps, channels first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import diag
from saved_models.recipes.lungu import AVERAGED, MEAN, STD
from tests.fakes import save_model
from tests.seeds.pictures import letters, sure_text, tiles
from tests.seeds.place import answers

STEPS = [
    "lungu_01_linear_raw.keras",
    "lungu_02_linear.keras",
    "lungu_03_hidden.keras",
    "lungu_04_three_hidden.keras",
    "lungu_05_convolutions.keras",
    "lungu_06_max_pooling.keras",
    "lungu_07_vgg.keras",
    "lungu_08_batch_normalisation.keras",
    "lungu_09_dropout.keras",
    "lungu_10_augmentation.keras",
    "lungu_11_annealing.keras",
    "lungu_12_average.ensemble.toml",
    "lungu_13_pseudo_labels.keras",
]
LINEAR, SHOWN, AVERAGE = STEPS[1], STEPS[5], STEPS[11]


def normalised_inside(place, folder):
    # By hand: 0..255, less the mean, over the deviation, one linear layer, softmax.
    model = place.model(LINEAR)
    assert place.network(LINEAR).input_shape == (None, 1, 28, 28)
    kernel, bias = place.network(LINEAR).get_weights()
    logits = (place.pixels()[:50].reshape(50, 784) - MEAN) / STD @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(place.data().images[:50]), expected, atol=1e-4)


def lambda_layer(place, folder):
    # As the notebook had it: Python code inside the file, which is read and never run.
    from keras import layers

    normalise = layers.Lambda(lambda x: (x - 33.318) / 78.567, output_shape=(1, 28, 28))
    stem = [normalise, layers.Flatten(), layers.Dense(10, activation="softmax")]
    for ending in ("keras", "h5"):
        network = save_model(folder / f"lambda.{ending}", stem, (1, 28, 28))
        network.set_weights(place.network(LINEAR).get_weights())
        save_again(network, folder / f"lambda.{ending}")
        model = diag.load_model(folder / f"lambda.{ending}", preprocessing=diag.Preprocessing(scale=1.0))
        images = place.data().images[:50]
        np.testing.assert_allclose(model.predict_proba(images), place.model(LINEAR).predict_proba(images), atol=1e-5)


def save_again(network, path):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's advice against its own older format
        network.save(path)


def accuracies_of_all_steps(place, folder):
    # Validation, as training wrote it down: at the epoch of the lowest validation loss in the file's own columns.
    trained = [file for file in STEPS if file != AVERAGE]
    found = diag.training(place.compared(*STEPS)).frame().set_index("model")["best_val_accuracy"]
    assert len(found) == len(trained) == 12  # an average is not trained
    for file in trained:
        log = pd.read_csv(place.path(f"{file.removesuffix('.keras')}.log"))
        assert found[place.run(file).name] == pytest.approx(log["val_accuracy"][log["val_loss"].idxmin()])
    # And on the test images.
    table = place.compared(*STEPS).table()
    assert len(table) == 13
    assert table["accuracy"].is_monotonic_decreasing
    for file in STEPS:
        y_true, y_pred = answers(place.run(file))
        assert table.loc[place.run(file).name, "accuracy"] == pytest.approx((y_true == y_pred).mean())


def _drawn_at_random(place, rows_for, wanted):
    run = place.run(SHOWN)
    y_true, y_pred = answers(run)
    found = rows_for(0)
    indices = found["index"].to_numpy()
    assert len(set(indices)) == 10
    assert ((y_true == y_pred)[indices] == wanted).all()
    assert set(rows_for(1)["index"]) != set(indices)  # another draw
    assert rows_for(0)["index"].tolist() == indices.tolist()
    with letters() as said:
        shown, _ = tiles(diag.views.image_grid(run, found))
    np.testing.assert_array_equal(shown, place.pixels()[indices])
    sure = np.asarray(run.proba).max(axis=1)
    for index in indices:
        assert f"{y_pred[index]} {sure_text(sure[index])}" in said


def ten_random_correct(place, folder):
    run = place.run(SHOWN)
    _drawn_at_random(place, lambda seed: run.correct(n=10, order="random", seed=seed), True)


def ten_random_wrong(place, folder):
    run = place.run(SHOWN)
    _drawn_at_random(place, lambda seed: run.errors(n=10, by="random", seed=seed), False)


def _surest_of_each_class(place, found, right):
    """Compare with a sort by hand; the picture has a row a class that has any."""
    run = place.run(SHOWN)
    y_true, y_pred = answers(run)
    sure = np.asarray(run.proba).max(axis=1)
    for label in range(10):
        members = np.flatnonzero((y_true == label) & ((y_true == y_pred) == right))
        rows = found[found["class"] == str(label)]
        assert len(rows) == min(10, len(members))
        assert rows["confidence"].tolist() == pytest.approx(sorted(sure[members], reverse=True)[:10], abs=1e-6)
        assert set(rows["index"]) <= set(members)
    with letters() as said:
        shown, tops = tiles(diag.views.class_grid(run, found))
    np.testing.assert_array_equal(shown, place.pixels()[found["index"]])
    np.testing.assert_array_equal(tops, np.unique(found["class"], return_inverse=True)[1])
    for index, own in zip(found["index"], found["class"], strict=True):
        name = "" if str(y_pred[index]) == own else f"{y_pred[index]} "
        assert f"{name}{sure_text(sure[index])}" in said


def most_confident_correct(place, folder):
    found = place.run(SHOWN).correct()
    assert len(found) == 100
    _surest_of_each_class(place, found, True)


def most_confident_incorrect(place, folder):
    found = place.run(SHOWN).errors()
    assert len(found) > 20
    _surest_of_each_class(place, found, False)


def average_of_probabilities(place, folder):
    members = [np.asarray(place.run(f"{name}.keras").proba, dtype=np.float64) for name in AVERAGED]
    run = place.run(AVERAGE)
    np.testing.assert_allclose(run.proba, np.mean(members, axis=0), atol=1e-6)
    # A mean is wrong only where not all of its members are right.
    y_true, y_pred = answers(run)
    all_right = np.logical_and.reduce([member.argmax(axis=1) == y_true for member in members])
    assert (y_pred == y_true)[all_right].all()
    found = diag.ensembles(place.compared(*(f"{name}.keras" for name in AVERAGED))).frame()
    average = found.set_index("key").loc["average"]
    assert average["accuracy"] == pytest.approx((y_true == y_pred).mean())


def pseudo_labels(place, folder):
    model = place.model("lungu_11_annealing.keras")
    train = place.data("train")
    known, unknown = train.subset(np.arange(500)), np.asarray(train.images[500:])
    proba = model.predict_proba(unknown)
    found = diag.pseudo_labels(model, diag.load_dataset(unknown), diag.evaluate(model, known), max_error=0.05)
    chosen = found.indices
    assert 0 < len(chosen) <= len(unknown)
    np.testing.assert_array_equal(found.y_pred[chosen], proba.argmax(axis=1)[chosen])
    # The surest ones are taken, and the promise of at most 5 % wrong ones is kept where the labels are looked up.
    left = np.setdiff1d(np.arange(len(unknown)), chosen)
    if len(left):
        assert proba.max(axis=1)[chosen].min() >= proba.max(axis=1)[left].max() - 1e-6
    assert (found.y_pred[chosen] != place.labels("train")[500:][chosen]).mean() <= 0.05


ROWS = {
    "channels first, normalised inside": normalised_inside,
    "Lambda layer": lambda_layer,
    "validation accuracies of thirteen steps": accuracies_of_all_steps,
    "ten random correct": ten_random_correct,
    "ten random wrong": ten_random_wrong,
    "ten most confident correct of each class": most_confident_correct,
    "ten most confident incorrect of each class": most_confident_incorrect,
    "average of several models": average_of_probabilities,
    "pseudo-labelling": pseudo_labels,
}
