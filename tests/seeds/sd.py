"""*sd*: saved models, error analysis and SHAP."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
from scipy.signal import correlate2d

import diag
from diag.checks import nondeterministic
from saved_models.recipes.sd import dropout_left_on
from tests.seeds.pictures import letters, page_of, rows_of, tiles
from tests.seeds.place import answers, counted, findings

CNN, DENSE = "sd_cnn.h5", "sd_dense.h5"
ALL = [
    "sd_sgd.skops",
    "sd_l1.skops",
    "sd_l2.skops",
    "sd_elastic_net.skops",
    DENSE,
    "sd_dense_dropout.h5",
    CNN,
    "sd_cnn_augmented.h5",
    "sd_cnn_target.h5",
]


def reloaded_models(place, folder):
    for file in (DENSE, CNN):
        expected = place.network(file).predict(place.pixels()[:50, ..., None] / np.float32(255), verbose=0)
        np.testing.assert_allclose(place.run(file).proba[:50], expected, atol=1e-4)


def hist_pickles(place, folder):
    for file in ALL:
        path = place.path(file).with_suffix(".hist")
        kept = pickle.loads(path.read_bytes())  # our own file
        assert list(kept) == ["loss", "acc", "val_loss", "val_acc"]
        history = diag.load_history(path)
        for old, name in (("loss", "loss"), ("acc", "accuracy"), ("val_loss", "val_loss"), ("val_acc", "val_accuracy")):
            assert history.columns[name].tolist() == kept[old]


def csv_logger(place, folder):
    import keras

    network = keras.models.clone_model(place.network("sd_dense.h5"))
    network.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    path = folder / "sd_dense_training.log"
    images, labels = place.pixels()[:64, ..., None] / 255, place.labels()[:64]
    logger = keras.callbacks.CSVLogger(path)
    fitted = network.fit(images, labels, validation_split=0.5, epochs=2, verbose=0, callbacks=[logger])
    history = diag.load_history(path)
    assert set(history.columns) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name, values in fitted.history.items():
        assert history.columns[name].tolist() == pytest.approx(values)
    # Named by the card, it is drawn beside the model.
    shutil.copy(place.path("sd_dense.h5"), folder)
    (folder / "sd_dense.toml").write_text('history = "sd_dense_training.log"\n[preprocessing]\nscale = "1/255"\n')
    run = diag.evaluate(diag.load_model(folder / "sd_dense.h5"), place.data())
    loss, _ = rows_of(diag.views.training_chart(diag.training(diag.compare([run]))))
    drawn = [row["value"] for row in loss if row["split"] == "validation"]
    assert drawn == pytest.approx(fitted.history["val_loss"])


def misclassified_by_true_class(place, folder):
    run = place.run(CNN)
    y_true, y_pred = answers(run)
    picture = diag.views.class_grid(run, run.errors())
    shown, rows = tiles(picture)
    assert "A row a true class." in picture.alt
    numbers = {image.tobytes(): number for number, image in enumerate(place.pixels())}
    indices = np.array([numbers[image.tobytes()] for image in shown])
    assert len(indices) == np.minimum(np.bincount(y_true[y_true != y_pred], minlength=10), 10).sum() > 0
    assert (y_true[indices] != y_pred[indices]).all()
    assert (np.diff(y_true[indices]) >= 0).all()
    np.testing.assert_array_equal(rows, np.unique(y_true[indices], return_inverse=True)[1])


def true_by_predicted_in_images(place, folder):
    run = place.run(CNN)
    y_true, y_pred = answers(run)
    counts, sure = counted(y_true, y_pred), np.asarray(run.proba).max(axis=1)
    with letters() as said:
        shown, _ = tiles(diag.views.confusion_grid(run))
    expected = []
    for predicted in range(10):  # down
        for true in range(10):  # across
            members = np.flatnonzero((y_true == true) & (y_pred == predicted))
            if len(members):
                expected.append(members[np.argmax(sure[members])])
    assert len(expected) == np.count_nonzero(counts) > 10
    np.testing.assert_array_equal(shown, place.pixels()[expected])
    assert said[:11] == ["pred. \\ true", *"0123456789"]
    numbers = [text for text in said[11:] if text.replace(",", "").isdigit()]
    # Row by row: the predicted class, then the number of images of each cell that has some.
    wished = [
        text
        for predicted in range(10)
        for text in (str(predicted), *(str(count) for count in counts[:, predicted] if count))
    ]
    assert numbers == wished


def per_cent_of_the_true_class(place, folder):
    run = place.run(CNN)
    counts = counted(*answers(run))
    shares, _ = rows_of(diag.views.confusion_pair_chart(run))
    drawn = np.zeros((10, 10))
    for row in shares:
        drawn[row["y_true"], row["y_pred"]] = row["share"]
    np.testing.assert_allclose(drawn, counts / counts.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    np.testing.assert_allclose(drawn, run.confusion_matrix("true").to_numpy())


def counts_without_the_diagonal(place, folder):
    run = place.run(CNN)
    counts = counted(*answers(run))
    _, errors = rows_of(diag.views.confusion_pair_chart(run))
    assert len(errors) == 90
    drawn = {(row["y_true"], row["y_pred"]): row["count"] for row in errors}
    assert not any(true == predicted for true, predicted in drawn)
    assert all(count == counts[cell] for cell, count in drawn.items())
    # The colours span the errors alone.
    chart = diag.views.confusion_chart(run, None, blank_diagonal=True).to_dict()
    off = counts - np.diag(np.diag(counts))
    assert chart["layer"][0]["encoding"]["color"]["scale"]["domain"] == [0, off.max()]


def _explained(place, rows):
    """Return the maps of some images against 50 of the training images, and hold them to what maps have to be."""
    maps = diag.explain(place.model(CNN), place.data(), indices=rows["index"].to_numpy(), background=50)
    indices = rows["index"].to_numpy()
    np.testing.assert_array_equal(maps.indices, indices)
    assert maps.values.shape == (len(rows), 28, 28, 1, 10)
    assert "50" in maps.background_note
    # A column a class, and each adds up: the mean over the background, and the pixels, give Keras's own probability.
    inputs = place.pixels()[indices, ..., None] / np.float32(255)
    proba = place.network(CNN).predict(inputs, verbose=0)
    np.testing.assert_allclose(maps.base_values + maps.values.sum(axis=(1, 2, 3)), proba, atol=0.01)
    np.testing.assert_allclose(maps.images, inputs, atol=1e-6)
    assert maps.warning() is None or "add up" not in maps.warning()
    # What speaks for the predicted class is more than what speaks against it: it won.
    own = maps.sums[np.arange(len(rows)), maps.y_pred]
    assert (own > 0).all()
    with letters() as said:
        picture = diag.views.attribution_figure(maps)
    assert [text for text in said if text.startswith("index")] == [f"index {index}" for index in indices]
    page = page_of(picture)
    assert page.shape[0] > len(rows) * 224
    assert page.shape[1] > 11 * 224  # the image, why it was taken for its class, and ten classes
    return maps, said


def maps_of_ten_right(place, folder):
    rows = place.run(CNN).correct(per_class=1)
    assert rows["y_true"].tolist() == list(range(10))
    maps, said = _explained(place, rows)
    assert (maps.y_pred == maps.y_true).all()
    assert said.count("right") == 10


def maps_of_ten_wrong(place, folder):
    run = place.run(CNN)
    y_true, y_pred = answers(run)
    rows = run.errors(n=10)
    assert len(rows) == 10
    maps, said = _explained(place, rows)
    assert (maps.y_pred != maps.y_true).all()
    for index in rows["index"]:
        assert f"{y_true[index]}, taken for {y_pred[index]}" in said


def first_kernels(place, folder):
    layer = next(layer for layer in place.network(CNN).layers if type(layer).__name__ == "Conv2D")
    kernels = diag.kernels(place.model(CNN))
    assert len(kernels) == 6
    name, first = next(iter(kernels.items()))
    assert name == layer.name
    np.testing.assert_array_equal(first, layer.get_weights()[0])
    assert diag.views.kernel_figure(kernels).alt == f"{name}: 32 kernels of 3x3"
    # Of a sheet alone: 16 kernels a row, each 3x3 enlarged 16 times in a frame of 2, black its lowest weight.
    page = page_of(diag.views.kernel_figure(first))
    for number in range(32):
        top, left = (place_ * 52 + 2 for place_ in divmod(number, 16))
        weights = first[:, :, 0, number]
        grey = np.rint((weights - weights.min()) / np.ptp(weights) * 255)
        np.testing.assert_array_equal(page[top : top + 48 : 16, left : left + 48 : 16], grey)


def first_activations(place, folder):
    layer = next(layer for layer in place.network(CNN).layers if type(layer).__name__ == "Conv2D")
    found = diag.activations(place.model(CNN), place.data(), layers=[layer.name], indices=[3])
    kernel, bias = layer.get_weights()
    image = place.pixels()[3] / 255
    expected = [correlate2d(image, kernel[:, :, 0, f], mode=layer.padding) + bias[f] for f in range(32)]
    np.testing.assert_allclose(found[layer.name][0], np.maximum(np.stack(expected, axis=-1), 0), atol=1e-4)
    assert f"{layer.name}: 32 filters of 28x28" in diag.views.activation_figure(found).alt


def results_table(place, folder):
    table = diag.accuracies({split: place.compared(*ALL, split=split) for split in ("train", "test")})
    assert len(table) == 9
    for file in ALL:
        for split in ("train", "test"):
            y_true, y_pred = answers(place.run(file, split))
            assert table.loc[place.run(file).name, split] == pytest.approx((y_true == y_pred).mean())
    # Networks of convolutions know strangers' digits better than linear models do.
    assert table.index[0].startswith("sd: CNN")


def wavering_accuracy(place, folder):
    """The slip: with the learning phase at 1, dropout stayed on, and every evaluation gave another accuracy."""
    import keras

    names = [layer.name for layer in place.network(CNN).layers if type(layer).__name__ == "Dropout"]
    assert len(names) == 3
    path = dropout_left_on(place.path(CNN), folder / "wavering.h5")
    network = keras.saving.load_model(path, compile=False)
    images, labels = place.pixels()[..., None] / np.float32(255), place.labels()
    evaluated = [(np.asarray(network(images)).argmax(axis=1) == labels).mean() for _ in range(4)]
    assert len(set(evaluated)) > 1  # it wavers
    card = {"preprocessing": diag.Preprocessing(scale=1 / 255), "class_names": tuple("0123456789")}
    found = findings(diag.load_model(path, **card), place.data(), nondeterministic.CHECK)
    assert [finding.code for finding in found] == ["DG106"]
    assert all(name in found[0].message for name in names)
    low, high = found[0].measured["accuracy_low"], found[0].measured["accuracy_high"]
    assert low < high
    assert f"{low:.1%} to {high:.1%} right" in found[0].message
    assert found[0].evidence[0].frame()["accuracy"].between(low, high).all()
    assert "without training=True" in found[0].remedy
    assert not findings(place.model(CNN), place.data(), nondeterministic.CHECK)


def chosen_on_the_test_set(place, folder):
    """The slip: what choosing flatters by is said of the models together, and measured of training to a target."""
    right = np.stack([np.equal(*answers(place.run(file))) for file in ALL])
    accuracies = right.mean(axis=1)
    best, n = int(accuracies.argmax()), right.shape[1]
    # Chosen on one half, judged on the other, 2,000 times; those that are equally good on the first share it.
    rng, judged = np.random.default_rng(1), []
    for _ in range(2000):
        order = rng.permutation(n)
        here, there = (right[:, half].sum(axis=1) for half in (order[: n // 2], order[n // 2 :]))
        judged.append(there[here == here.max()].mean() / (n - n // 2))
    expected, error = np.mean(judged), np.std(judged) / np.sqrt(2000)
    found = place.compared(*ALL).optimism()
    assert found.best == place.run(ALL[best]).name
    assert found.observed == pytest.approx(accuracies[best])
    assert found.expected == pytest.approx(min(expected, accuracies[best]), abs=4 * np.sqrt(2) * error)
    # Less than 0.05 points is not given as a figure.
    small = accuracies[best] - expected < 0.0005
    assert abs(accuracies[best] - expected - 0.0005) > 4 * np.sqrt(2) * error, "which sentence is said is no chance"
    assert ("is not flattered noticeably" in found.sentence()) == small
    assert (f"expect {found.expected:.1%} rather than {accuracies[best]:.1%}" in found.sentence()) != small


ROWS = {
    "NAME.h5, reloaded": reloaded_models,
    "NAME.hist, a pickle": hist_pickles,
    "NAME_training.log, by CSVLogger": csv_logger,
    "miscategorised examples by true class": misclassified_by_true_class,
    "10 x 10 grid, true across, predicted down": true_by_predicted_in_images,
    "matrix in per cent of the true class": per_cent_of_the_true_class,
    "matrix of counts, diagonal blanked": counts_without_the_diagonal,
    "SHAP maps of ten correct, one a class": maps_of_ten_right,
    "SHAP maps of ten wrong": maps_of_ten_wrong,
    "kernels of the first convolution": first_kernels,
    "activations of the first convolution": first_activations,
    "results table": results_table,
    "slip: dropout left on": wavering_accuracy,
    "slip: chosen on the test set": chosen_on_the_test_set,
}
