"""*haby*: one network from Kaggle's tables."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from sklearn.metrics import log_loss

import diag
from diag.errors import DataError
from saved_models.recipes.data import write_kaggle
from tests.seeds.pictures import letters, rows_of, tiles
from tests.seeds.place import answers, counted

CNN = "haby_cnn.keras"


def table_with_a_header(place, folder):
    parts = place.parts()
    train, _ = write_kaggle(parts.fit, parts.test, folder)
    head = train.read_text(encoding="ascii").split("\n", 1)[0].split(",")
    assert head == ["label", *(f"pixel{number}" for number in range(784))]
    data = diag.load_dataset(train)
    np.testing.assert_array_equal(data.images[:], parts.fit[0])
    np.testing.assert_array_equal(data.labels, parts.fit[1])
    # The same images, so the same answers as from the arrays.
    run = diag.evaluate(place.model(CNN), data)
    np.testing.assert_allclose(run.proba, place.model(CNN).predict_proba(parts.fit[0]), atol=1e-6)


def table_to_predict(place, folder):
    parts = place.parts()
    _, test = write_kaggle(parts.fit, parts.test, folder)
    data = diag.load_dataset(test)
    assert data.labels is None
    np.testing.assert_array_equal(data.images[:], parts.test[0])
    np.testing.assert_allclose(diag.predict(place.model(CNN), data), place.run(CNN).proba[: len(data)], atol=1e-6)


def missing_values(place, folder):
    train, _ = write_kaggle(place.parts().fit, place.parts().test, folder)
    assert " No missing values. " in diag.load_dataset(train).description()
    assert diag.load_dataset(train).summary()["missing"].tolist() == [0]
    rows = train.read_text(encoding="ascii").splitlines()
    cells = rows[3].split(",")
    cells[10] = cells[20] = ""
    rows[3] = ",".join(cells)
    train.write_text("\n".join(rows), encoding="ascii")
    with pytest.raises(DataError, match="2 pixel values are missing, the first in row 2"):
        diag.load_dataset(train)


def first_images(place, folder):
    with letters() as said:
        picture = diag.views.image_grid(place.data("train"), range(50))
    shown, _ = tiles(picture)
    np.testing.assert_array_equal(shown, place.pixels("train")[:50])
    assert said[:50] == [str(label) for label in place.labels("train")[:50]]


def training_curves(place, folder):
    with place.path("haby_cnn.log").open(encoding="ascii", newline="") as file:
        logged = list(csv.DictReader(file))
    trained = diag.training(place.compared(CNN))
    loss, accuracy = rows_of(diag.views.training_chart(trained))
    for metric, rows in (("loss", loss), ("accuracy", accuracy)):
        for split, prefix in (("train", ""), ("validation", "val_")):
            drawn = [row["value"] for row in rows if row["split"] == split]
            assert drawn == pytest.approx([float(row[prefix + metric]) for row in logged])


def loss_and_accuracy(place, folder):
    run, labels = place.run(CNN), place.labels()
    # What Keras itself answers to images of 0..1, judged by scikit-learn.
    proba = place.network(CNN).predict(place.pixels()[..., None] / np.float32(255), verbose=0)
    found = run.summary().iloc[0]
    assert found["accuracy"] == pytest.approx((proba.argmax(axis=1) == labels).mean())
    assert found["log_loss"] == pytest.approx(log_loss(labels, proba / proba.sum(axis=1, keepdims=True)), rel=1e-3)


def confusion_matrix(place, folder):
    run = place.run(CNN)
    matrix = run.confusion_matrix()
    np.testing.assert_array_equal(matrix.to_numpy(), counted(*answers(run)))
    assert list(matrix.index) == list(matrix.columns) == list("0123456789")


def class_with_most_errors(place, folder):
    run = place.run(CNN)
    y_true, y_pred = answers(run)
    errors = np.bincount(y_true[y_true != y_pred], minlength=10)
    assert errors.max() > 0
    worst = np.flatnonzero(errors == errors.max())
    said = run.verdict()
    assert f"{(y_true == y_pred).mean():.1%} of {len(y_true)} images right" in said
    if len(worst) == 1:
        assert (
            f"Class {worst[0]} has the most errors: {errors.max()} of its {(y_true == worst[0]).sum()} images" in said
        )
    else:
        assert f"Classes {worst[0]}" in said
        assert f"have the most errors, {errors.max()} each." in said


ROWS = {
    "table with a header, label first": table_with_a_header,
    "second table without labels": table_to_predict,
    "missing values": missing_values,
    "first 50 images with labels": first_images,
    "loss and accuracy curves": training_curves,
    "test loss and accuracy": loss_and_accuracy,
    "confusion matrix as counts": confusion_matrix,
    "class with the most errors, a sentence": class_with_most_errors,
}
