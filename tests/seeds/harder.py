"""*harder*: noisy digits in tables of their own kind, six models."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

import diag
from saved_models.recipes.data import harder_parts, made_harder, write_harder
from tests.seeds.pictures import rows_of
from tests.seeds.place import answers

NAMES = ("dense", "cnn", "deep", "deep_augmented", "vgg16", "hyperband")
ALL = [f"harder_{name}.h5" for name in NAMES]
DEEP, VGG16 = ALL[2], ALL[4]


def table_without_a_header(place, folder):
    parts = place.parts(40)
    train, _ = write_harder(parts, folder)
    lines = train.read_text(encoding="ascii").splitlines()
    hard = made_harder(parts.fit[0])
    # 784 numbers with a decimal, and the label last; no line of names.
    assert len(lines) == 40
    assert lines[0].split(",") == [*(f"{value:.1f}" for value in hard[0].ravel()), str(parts.fit[1][0])]
    data = diag.load_dataset(train)
    np.testing.assert_allclose(data.images[:], hard, atol=1e-4)
    np.testing.assert_array_equal(data.labels, parts.fit[1])


def table_without_labels(place, folder):
    parts = place.parts(40)
    _, test = write_harder(parts, folder)
    data = diag.load_dataset(test)
    assert data.labels is None
    np.testing.assert_allclose(data.images[:], made_harder(parts.test[0], 1), atol=1e-4)


def cut_80_to_20_in_order(place, folder):
    parts = place.parts(50)
    cut = harder_parts(parts, folder)
    np.testing.assert_array_equal(cut.fit[1], parts.fit[1][:40])
    np.testing.assert_array_equal(cut.validation[1], parts.fit[1][40:])


def submission_file(place, folder):
    _, test = write_harder(place.parts(40), folder)
    model, data = place.model(DEEP), diag.load_dataset(test)
    frame = diag.submission(model, data, folder / "Submission.csv", id_start=1)
    expected = model.predict_proba(np.asarray(data.images[:])).argmax(axis=1)
    with (folder / "Submission.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["Id", "Category"]
    assert rows == [[str(number), str(label)] for number, label in enumerate(expected, 1)]
    assert frame["Category"].tolist() == [row[1] for row in rows]


def _logged(place, file):
    return pd.read_csv(place.path(file).with_suffix(".log"))


def growing_list_of_validation_accuracies(place, folder):
    frame = diag.training(_compared(place)).frame().set_index("model")
    assert len(frame) == 6
    for file in ALL:
        log, found = _logged(place, file), frame.loc[_run(place, file).name]
        best = log["val_loss"].idxmin()
        assert found["best_epoch"] == best + 1
        assert found["best_val_accuracy"] == pytest.approx(log["val_accuracy"][best])


def _hard(place):
    """One hundred harder images that no model was fitted to."""
    images, labels = place.parts(100).test
    return place.once("hard", lambda: diag.load_dataset((made_harder(images), labels)))


def _run(place, file):
    return place.once(("hard", file), lambda: diag.evaluate(place.model(file), _hard(place)))


def _compared(place):
    return place.once("hard compared", lambda: diag.compare([_run(place, file) for file in ALL]))


def table_of_six_models(place, folder):
    table = _compared(place).table()
    assert len(table) == 6
    assert table["accuracy"].is_monotonic_decreasing
    for file in ALL:
        y_true, y_pred = answers(_run(place, file))
        assert table.loc[_run(place, file).name, "accuracy"] == pytest.approx((y_true == y_pred).mean())
    # Weights that know no image are worse than those of every network that was trained.
    assert table.index[-1] == "harder: VGG16, frozen"


def training_curves(place, folder):
    for file in ALL:
        run, log = _run(place, file), _logged(place, file)
        parts = rows_of(diag.views.training_chart(diag.training(diag.compare([run]))))
        for rows, metric in zip(parts, ("loss", "accuracy"), strict=True):
            for split, prefix in (("train", ""), ("validation", "val_")):
                drawn = [row["value"] for row in rows if row["split"] == split]
                assert drawn == pytest.approx(log[prefix + metric].tolist())


def labels_beside_probability_vectors(place, folder):
    run = _run(place, DEEP)
    frame = run.probabilities(range(10))
    assert frame.shape == (10, 10)
    assert [label for _, label in frame.index] == [str(label) for label in _hard(place).labels[:10]]
    # Keras itself, on the same images of 0..1.
    expected = place.network(DEEP).predict(np.asarray(_hard(place).images[:10]) / np.float32(255), verbose=0)
    np.testing.assert_allclose(frame.to_numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(frame.sum(axis=1), 1, atol=1e-5)


def resized_and_copied_to_three_channels(place, folder):
    model = place.model(VGG16)
    image = np.zeros((1, 28, 28, 1), np.uint8)
    image[0, 7:21, 7:21] = 255
    seen = model.prepare(image)
    assert seen.shape == (1, 32, 32, 3)
    assert (seen == seen[..., :1]).all()
    # The square of 14 of 28 pixels is one of 16 of 32: a quarter of the whole, in the middle.
    assert seen[0, 16, 16, 0] == pytest.approx(1, abs=0.01)
    assert seen[..., 0].mean() == pytest.approx(0.25, abs=0.01)
    assert diag.predict(model, place.data().subset(range(10))).shape == (10, 10)


def frozen_without_a_network(place, folder):
    # Nothing was downloaded: the card says that the weights are not ImageNet's, and only the last layer learnt.
    assert place.model(VGG16).card.results["imagenet_weights"] == 0
    *frozen, last = [layer for layer in place.network(VGG16).layers if layer.weights]
    assert [layer.name for layer in frozen] == ["vgg16"]
    biases = [weight for weight in frozen[0].weights if weight.name == "bias"]
    assert len(biases) == 13
    assert not any(np.asarray(bias).any() for bias in biases)  # as they were at the start
    assert np.asarray(last.get_weights()[1]).any()


def trials_of_the_search(place, folder):
    trials = pd.read_csv(place.path("harder_hyperband_trials.csv"))
    assert list(trials.columns) == [
        "trial", "units", "activation", "dropout", "learning_rate", "epochs", "val_accuracy",
    ]  # fmt: skip
    assert len(trials) == place.model("harder_hyperband.h5").card.results["trials"]
    assert trials["val_accuracy"].is_monotonic_decreasing
    assert trials["units"].between(64, 512).all()
    assert trials["dropout"].between(0, 0.5).all()
    best, network = trials.iloc[0], place.network("harder_hyperband.h5")
    dense = next(layer for layer in network.layers if type(layer).__name__ == "Dense")
    assert (dense.units, dense.activation.__name__) == (best["units"], best["activation"])
    assert [layer.rate for layer in network.layers if type(layer).__name__ == "Dropout"] == pytest.approx(
        [best["dropout"]] if best["dropout"] else []
    )


ROWS = {
    "table without a header, label last": table_without_a_header,
    "test table without labels": table_without_labels,
    "80/20 split unshuffled": cut_80_to_20_in_order,
    "Submission.csv": submission_file,
    "growing list of validation accuracies": growing_list_of_validation_accuracies,
    "table of six models": table_of_six_models,
    "training curves per model": training_curves,
    "ten labels beside ten probability vectors": labels_beside_probability_vectors,
    "VGG16: 32x32 and three channels": resized_and_copied_to_three_channels,
    "VGG16: frozen": frozen_without_a_network,
    "Hyperband's trials": trials_of_the_search,
}
