"""*dody*: from logistic regression to a convolutional network, in one table."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy.signal import correlate2d

import diag
from diag.checks import wrong_preprocessing
from tests.seeds.pictures import letters, rows_of, sure_text, tiles
from tests.seeds.place import answers, counted, findings

CNN = "dody_cnn.h5"
ALL = [
    "dody_logistic.h5",
    "dody_logistic_l1.h5",
    "dody_logistic_l2.h5",
    "dody_dense.h5",
    "dody_dense_dropout.h5",
    CNN,
    "dody_cnn_augmented.h5",
]


def sample_grid(place, folder):
    shown, rows = tiles(diag.views.class_grid(place.data("train")))
    known = {image.tobytes(): label for image, label in zip(place.pixels("train"), place.labels("train"), strict=True)}
    assert [known[image.tobytes()] for image in shown] == [label for label in range(10) for _ in range(10)]
    assert rows.tolist() == [row for row in range(10) for _ in range(10)]
    assert len({image.tobytes() for image in shown}) == 100


def class_histogram(place, folder):
    (rows,) = rows_of(diag.views.class_balance_chart(place.data("train")))
    assert [row["class"] for row in rows] == list("0123456789")
    assert [row["images"] for row in rows] == np.bincount(place.labels("train")).tolist()


def class_percentages(place, folder):
    labels = place.labels("train")
    shares = place.data("train").class_counts()["share"]
    assert shares.tolist() == pytest.approx([(labels == label).sum() / len(labels) for label in range(10)])
    assert shares.sum() == pytest.approx(1)


def missing_values(place, folder):
    assert " No missing values. " in place.data().description()
    images = place.pixels()[:20].astype(np.float32)
    images[3, 5, 5] = images[7, 0, 0] = images[7, 9, 9] = np.nan
    assert " 2 images with missing values. " in diag.load_dataset((images, place.labels()[:20])).description()


def constant_classifier(place, folder):
    most = np.bincount(place.labels())
    said = f"always answering {most.argmax()} would have {most.max() / most.sum():.1%} right."
    assert place.data().description().endswith(said)


def table_of_accuracies(place, folder):
    table = diag.accuracies({split: place.compared(*ALL, split=split) for split in ("train", "test")})
    assert list(table.columns) == ["train", "test"]
    assert table["test"].is_monotonic_decreasing
    assert len(table) == 7
    for file in ALL:
        for split in ("train", "test"):
            right = place.model(file).predict_proba(place.data(split).images).argmax(axis=1) == place.labels(split)
            assert table.loc[place.run(file).name, split] == pytest.approx(right.mean())
    # A network of dense layers, worked out with NumPy: x / 255, relu, softmax keeps the order.
    for split in ("train", "test"):
        x = place.pixels(split).reshape(-1, 784) / 255
        *hidden, (kernel, bias) = _pairs(place.network("dody_dense.h5").get_weights())
        for weights, shift in hidden:
            x = np.maximum(x @ weights + shift, 0)
        right = (x @ kernel + bias).argmax(axis=1) == place.labels(split)
        assert table.loc["dody: dense", split] == pytest.approx(right.mean(), abs=0.002)


def _pairs(weights):
    return list(zip(weights[::2], weights[1::2], strict=True))


def curves_of_two_runs(place, folder):
    pair = place.compared(CNN, "dody_cnn_augmented.h5")
    loss, accuracy = rows_of(diag.views.training_chart(diag.training(pair)))
    for file in (CNN, "dody_cnn_augmented.h5"):
        with place.path(file).with_suffix(".log").open(encoding="ascii", newline="") as lines:
            logged = list(csv.DictReader(lines))
        name = place.run(file).name
        for rows, column in ((loss, "val_loss"), (accuracy, "val_accuracy")):
            drawn = [row["value"] for row in rows if (row["model"], row["split"]) == (name, "validation")]
            assert drawn == pytest.approx([float(row[column]) for row in logged])


def confusion_matrix(place, folder):
    run = place.run(CNN)
    counts = counted(*answers(run))
    (rows,) = rows_of(diag.views.confusion_chart(run))
    assert len(rows) == 100
    for row in rows:
        assert row["count"] == counts[row["y_true"], row["y_pred"]]
        assert row["share"] == pytest.approx(row["count"] / counts[row["y_true"]].sum())


def worst_predictions(place, folder):
    run = place.run(CNN)
    y_true, y_pred = answers(run)
    wrong = np.flatnonzero(y_true != y_pred)
    sure = np.asarray(run.proba).max(axis=1)
    worst = run.errors(n=25)
    assert len(wrong) > 0
    assert len(worst) == min(25, len(wrong))
    assert (worst["y_true"] != worst["y_pred"]).all()
    assert worst["confidence"].is_monotonic_decreasing
    assert worst["confidence"].tolist() == pytest.approx(sorted(sure[wrong], reverse=True)[:25], abs=1e-6)
    with letters() as said:
        shown, _ = tiles(diag.views.image_grid(run, worst))
    np.testing.assert_array_equal(shown, place.pixels()[worst["index"]])
    first = worst["index"].iloc[0]
    assert said[:2] == [f"{y_pred[first]} {sure_text(sure[first])}", f"true {y_true[first]}"]


def activations_of_every_convolution(place, folder):
    found = diag.activations(place.model(CNN), place.data(), indices=[3])
    network = place.network(CNN)
    layers = [layer for layer in network.layers if type(layer).__name__ == "Conv2D"]
    assert list(found) == [layer.name for layer in layers]
    assert [values.shape for values in found.values()] == [(1, 28, 28, 32), (1, 14, 14, 32)]
    np.testing.assert_allclose(found[layers[0].name][0], _convolved(place.pixels()[3] / 255, layers[0]), atol=1e-4)
    said = [f"{layer.name}: 32 filters of {side}x{side}" for layer, side in zip(layers, (28, 14), strict=True)]
    assert diag.views.activation_figure(found).alt == "; ".join(["dody: CNN, image 3", *said])


def _convolved(image, layer):
    """Return what a first convolution answers to an image (h, w), edges filled with 0, with SciPy's correlation."""
    kernel, bias = layer.get_weights()
    return np.maximum(
        np.stack([correlate2d(image, kernel[:, :, 0, f], mode="same") + bias[f] for f in range(len(bias))], axis=-1), 0
    )


def activations_of_unscaled_images(place, folder):
    # The author's slip. diag prepares the images as the card says; pinned to 0..255, the doctor finds it.
    first = next(layer for layer in place.network(CNN).layers if type(layer).__name__ == "Conv2D")
    found = diag.activations(place.model(CNN), place.data(), indices=[3])[first.name][0]
    assert np.abs(found - _convolved(place.pixels()[3], first)).max() > 1
    slipped = diag.load_model(place.path(CNN), preprocessing=diag.Preprocessing(scale=1.0))
    found = findings(slipped, place.data(), wrong_preprocessing.CHECK)
    assert [finding.code for finding in found] == ["DG101"]
    assert "--scale 1/255" in found[0].remedy
    assert not findings(place.model(CNN), place.data(), wrong_preprocessing.CHECK)


ROWS = {
    "sample grid of 10 x 10 by class": sample_grid,
    "class histogram": class_histogram,
    "class percentages": class_percentages,
    "missing-value check": missing_values,
    "what a constant classifier would score": constant_classifier,
    "table of training and testing accuracy": table_of_accuracies,
    "curves of two runs in one figure": curves_of_two_runs,
    "confusion matrix": confusion_matrix,
    "worst predictions": worst_predictions,
    "activations of every convolution": activations_of_every_convolution,
    "slip: activations of unscaled images": activations_of_unscaled_images,
}
