"""Faults of training: how long, on what, how sure it made the model."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import networks
from .bench import GREY, PAIR, Bench, Specimen, fault
from .networks import change

GROUP = "training"


@fault("overfitted to 100 images", GROUP, {"DG401": "warning"}, GREY)
def overfitted(bench: Bench) -> Specimen:
    rows = bench.rng.choice(len(bench.images.x_train), 100, replace=False)
    network = bench.fresh(dropout=0.0)
    networks.fit(network, bench.scaled()[rows], bench.images.y_train[rows], epochs=60)
    return bench.specimen(network, train=(bench.images.x_train[rows], bench.images.y_train[rows]))


@fault("overfitted, as its history says", GROUP, {"DG401": "warning", "DG403": "warning"}, PAIR)
def overfitted_curves(bench: Bench) -> Specimen:
    rows = bench.rng.choice(len(bench.images.x_train), 100, replace=False)
    network = bench.fresh(dropout=0.0)
    history = networks.fit(
        network,
        bench.scaled()[rows],
        bench.images.y_train[rows],
        validation=(bench.scaled("test"), bench.images.y_test),
        epochs=60,
        restore=False,
    )
    return bench.specimen(network, history=history)


@fault("stopped after the first steps", GROUP, {"DG402": "warning"}, GREY)
def underfitted(bench: Bench) -> Specimen:
    network, history = _short(bench, epochs=3)
    return bench.specimen(network, history=history, train=True)


@fault("stopped after the first steps, no training data given", GROUP, {"DG402": "warning"}, PAIR)
def underfitted_curves(bench: Bench) -> Specimen:
    network, history = _short(bench, epochs=3)
    return bench.specimen(network, history=history)


def _short(bench: Bench, epochs: int) -> tuple[Any, dict[str, list[float]]]:
    network = bench.fresh()
    history = networks.fit(
        network,
        bench.scaled(),
        bench.images.y_train,
        validation=(bench.scaled("test"), bench.images.y_test),
        epochs=epochs,
        rate=1e-4,
        restore=False,
    )
    return network, history


@fault("last epoch saved, a far better one earlier", GROUP, {"DG403": "warning"}, GREY)
def last_epoch(bench: Bench) -> Specimen:
    """Raise the rate in the last epoch, as a schedule by mistake does."""
    network = bench.network()
    good = networks.fit(network, *_training(bench), validation=_testing(bench), epochs=3, rate=1e-3, restore=False)
    bad = networks.fit(network, *_training(bench), validation=_testing(bench), epochs=1, rate=2e-2, restore=False)
    return bench.specimen(network, history={key: [*good[key], *bad[key]] for key in good})


@fault("trained on few images of some classes", GROUP, {"DG205": "warning"}, GREY)
def imbalanced(bench: Bench) -> Specimen:
    y = bench.images.y_train
    rows = np.concatenate([np.flatnonzero(y == label)[: 5 if label in (2, 5, 8) else None] for label in range(10)])
    network = bench.fresh()
    networks.fit(network, bench.scaled()[rows], y[rows], epochs=8)
    return bench.specimen(network, train=(bench.images.x_train[rows], y[rows]))


@fault("only the majority class learned, data imbalanced", GROUP, {"DG202": "warning", "DG203": "warning"}, GREY)
def majority(bench: Bench) -> Specimen:
    y = bench.images.y_test
    rows = np.sort(np.concatenate([np.flatnonzero(y == label)[: None if label == 0 else 3] for label in range(10)]))
    network = bench.network()

    def edit(weights: list[np.ndarray[Any, Any]]) -> None:
        weights[1][0] += 50

    change(network.layers[-1], edit)
    return bench.specimen(network, x_test=bench.images.x_test[rows], y_test=y[rows])


@fault("worse than a linear model", GROUP, {"DG204": "warning"}, GREY)
def worse_than_linear(bench: Bench) -> Specimen:
    network = bench.fresh(dropout=0.7)
    networks.fit(network, bench.scaled(), bench.images.y_train, epochs=2, rate=5e-4)
    return bench.specimen(network, train=True)


@fault("overconfident: logits x5", GROUP, {"DG206": "warning"}, GREY)
def overconfident(bench: Bench) -> Specimen:
    return bench.specimen(_tempered(bench, 5))


@fault("underconfident: logits / 5", GROUP, {"DG206": "warning"}, GREY)
def underconfident(bench: Bench) -> Specimen:
    return bench.specimen(_tempered(bench, 0.2))


@fault("two models ranked on 40 images", GROUP, {"DG501": "note"}, GREY)
def small_test(bench: Bench) -> Specimen:
    rows = np.sort(bench.rng.choice(len(bench.images.y_test), 40, replace=False))
    rival = bench.network()
    networks.fit(rival, *_training(bench), epochs=2, rate=5e-4)
    path = bench.model(rival, name="rival.keras")
    return bench.specimen(x_test=bench.images.x_test[rows], y_test=bench.images.y_test[rows], rivals=[path])


@fault("one model tested on 30 images", GROUP, {"DG501": "note"}, PAIR)
def very_small_test(bench: Bench) -> Specimen:
    rows = np.sort(bench.rng.choice(len(bench.images.y_test), 30, replace=False))
    return bench.specimen(x_test=bench.images.x_test[rows], y_test=bench.images.y_test[rows])


def _training(bench: Bench) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return bench.scaled(), bench.images.y_train


def _testing(bench: Bench) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return bench.scaled("test"), bench.images.y_test


def _tempered(bench: Bench, factor: float) -> Any:
    network = bench.network()

    def edit(weights: list[np.ndarray[Any, Any]]) -> None:
        weights[0] *= np.float32(factor)
        weights[1] *= np.float32(factor)

    change(network.layers[-1], edit)
    return network
