"""Clean cases: a good model on the data it was made for, in many forms."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from . import networks, sets
from .bench import SCALE, Bench, Specimen, control, good_fit

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"
SHIPPED_FILES = tuple(sorted(path for path in SHIPPED.glob("*.*") if path.suffix in (".keras", ".h5", ".skops")))


def _shipped(path: Path, rivals: tuple[Path, ...] = ()) -> Any:
    return lambda bench: Specimen(path, "digits", "digits", rivals)


for _path in SHIPPED_FILES:
    control(f"shipped {_path.stem}")(_shipped(_path))
control("shipped cnn_sd, all seven ranked")(
    _shipped(SHIPPED / "cnn_sd.h5", tuple(path for path in SHIPPED_FILES if path.stem != "cnn_sd"))
)


@control("no card", on=("digits", "cnn-bn"))
def no_card(bench: Bench) -> Specimen:
    return bench.specimen(card=None, train=True)


@control("no card, mlp", on=("digits", "mlp"))
def no_card_mlp(bench: Bench) -> Specimen:
    return bench.specimen(card=None)


@control("images as 0..1 floats, no card", on=("digits", "cnn"))
def floats(bench: Bench) -> Specimen:
    return bench.specimen(card=None, x_test=bench.scaled("test"))


@control("folder of images", on=("digits", "cnn-bn"))
def folder(bench: Bench) -> Specimen:
    from PIL import Image

    for number, (image, label) in enumerate(zip(bench.images.x_test, bench.images.y_test, strict=True)):
        place = bench.folder / "images" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place / f"{number:04}.png")
    return dataclasses.replace(bench.specimen(), data=str(bench.folder / "images"))


@control("CSV of pixels", on=("digits", "mlp"))
def csv(bench: Bench) -> Specimen:
    x, y = bench.images.x_test, bench.images.y_test
    rows = np.column_stack([y, x.reshape(len(x), -1)])
    path = bench.folder / "data.csv"
    header = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    np.savetxt(path, rows, fmt="%d", delimiter=",", header=header, comments="")
    return dataclasses.replace(bench.specimen(), data=str(path))


@control("flat mlp", on=("digits", "mlp"))
def flat(bench: Bench) -> Specimen:
    network = networks.build("mlp", (784,), 10)
    history = good_fit(network, bench.scaled().reshape(-1, 784), bench.images.y_train)
    return bench.specimen(network, history=history, train=True)


@control("channels first", on=("digits", "cnn"))
def channels_first(bench: Bench) -> Specimen:
    import keras
    from keras import layers

    first = {"data_format": "channels_first"}
    network = keras.Sequential([keras.Input((1, 28, 28))])
    for filters in (8, 16):
        network.add(layers.Conv2D(filters, 5, activation="relu", **first))
        network.add(layers.MaxPooling2D(**first))
    for layer in (layers.Flatten(), layers.Dense(32, activation="relu"), layers.Dense(10, activation="softmax")):
        network.add(layer)
    history = good_fit(network, np.moveaxis(bench.scaled(), -1, 1), bench.images.y_train)
    return bench.specimen(network, history=history, train=True, name="model.h5")


@control("logits, as its loss says", on=("digits", "cnn-bn"))
def logits(bench: Bench) -> Specimen:
    import keras

    network = bench.fresh(head=None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    history = good_fit(network, bench.scaled(), bench.images.y_train, loss=loss)
    return bench.specimen(network, history=history)


@control("trained on -1..1, pinned", on=("digits", "cnn"))
def symmetric(bench: Bench) -> Specimen:
    network = bench.fresh()
    history = good_fit(network, bench.scaled() * 2 - 1, bench.images.y_train)
    return bench.specimen(network, history=history, card={**SCALE, "mean": 0.5, "std": 0.5})


@control("odd or even, one sigmoid", on=("digits", "cnn-bn"))
def one_sigmoid(bench: Bench) -> Specimen:
    y_train, y_test = bench.images.y_train % 2, bench.images.y_test % 2
    network = networks.build("cnn-bn", (28, 28, 1), 1, head="sigmoid")
    history = good_fit(network, bench.scaled(), y_train, loss="binary_crossentropy")
    return bench.specimen(network, history=history, train=(bench.images.x_train, y_train), y_test=y_test)


@control("odd or even, two outputs", on=("digits", "mlp"))
def two_classes(bench: Bench) -> Specimen:
    y_train, y_test = bench.images.y_train % 2, bench.images.y_test % 2
    network = networks.build("mlp", (28, 28, 1), 2)
    history = good_fit(network, bench.scaled(), y_train)
    return bench.specimen(network, history=history, y_test=y_test)


@control("100 classes", on=("digits", "mlp-bn"))
def many_classes(bench: Bench) -> Specimen:
    made = sets.templates()
    network = networks.build("mlp-bn", made.x_train.shape[1:], made.k)
    history = good_fit(network, made.x_train / np.float32(255), made.y_train)
    return bench.specimen(
        network, history=history, train=(made.x_train, made.y_train), x_test=made.x_test, y_test=made.y_test
    )
