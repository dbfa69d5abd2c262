"""Faults inside the network: weights, layers that act wrongly at inference, predictions that collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import networks
from .bench import CONVOLUTIONS, GREY, NORMALISED, PAIR, SATURABLE, Bench, Specimen, fault
from .networks import change

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

GROUP = "network"
NOT_FINITE = {"DG107": "critical"}
DEAD_BIAS = -100.0


@fault("dropout active at inference", GROUP, {"DG106": "warning"}, GREY)
def dropout_active(bench: Bench) -> Specimen:
    return bench.specimen(_training(bench, "Dropout"))


@fault("noise layer active at inference", GROUP, {"DG106": "warning"}, GREY)
def noise_active(bench: Bench) -> Specimen:
    from keras import layers

    network = bench.network()
    noise = layers.GaussianNoise(0.2)

    def call(layer: Any, tensor: Any) -> Any:
        return layer(tensor, training=True) if layer is noise else layer(tensor)

    return bench.specimen(networks.rewire(network, call, [noise, *network.layers]))


@fault("batch normalisation in training mode", GROUP, {"DG106": "warning"}, NORMALISED)
def normalisation_active(bench: Bench) -> Specimen:
    return bench.specimen(_training(bench, "BatchNormalization"))


@fault("one weight is NaN", GROUP, NOT_FINITE, GREY)
def nan_weight(bench: Bench) -> Specimen:
    return bench.specimen(_edited(bench, _put(np.nan)))


@fault("some weights are infinite", GROUP, NOT_FINITE, GREY)
def infinite_weights(bench: Bench) -> Specimen:
    return bench.specimen(_edited(bench, _put(np.inf, 3)))


@fault("images with NaN", GROUP, NOT_FINITE, GREY)
def nan_images(bench: Bench) -> Specimen:
    x = bench.scaled("test")
    rows = np.sort(bench.rng.choice(len(x), 5, replace=False))
    x[rows, 10:14, 10:14] = np.nan
    return bench.specimen(card={"scale": 1}, x_test=x, planted=rows)


@fault("batch normalisation: moving means shifted", GROUP, {"DG306": "warning"}, NORMALISED)
def means_shifted(bench: Bench) -> Specimen:
    def edit(weights: list[NDArray[Any]]) -> None:
        weights[2] += 3 * np.sqrt(weights[3])

    return bench.specimen(_normalisation(bench, edit))


@fault("batch normalisation: moving variances x100", GROUP, {"DG306": "warning"}, NORMALISED)
def variances_scaled(bench: Bench) -> Specimen:
    def edit(weights: list[NDArray[Any]]) -> None:
        weights[3] *= 100

    return bench.specimen(_normalisation(bench, edit))


@fault("batch normalisation: statistics never filled", GROUP, {"DG306": "warning", "DG307": "warning"}, NORMALISED)
def statistics_reset(bench: Bench) -> Specimen:
    def edit(weights: list[NDArray[Any]]) -> None:
        weights[2][:], weights[3][:] = 0, 1

    return bench.specimen(_normalisation(bench, edit))


@fault("batch normalisation: momentum too slow for the training", GROUP, {"DG306": "warning"}, NORMALISED)
def momentum_slow(bench: Bench) -> Specimen:
    network = bench.network()
    for layer in networks.of_type(network, "BatchNormalization"):
        change(layer, _towards_start)
    return bench.specimen(network)


def _towards_start(weights: list[NDArray[Any]]) -> None:
    """Leave the moving statistics where 50 steps of momentum .99 leave them: 61% of the way still to go."""
    kept = 0.99**50
    weights[2] *= 1 - kept
    weights[3] += kept * (1 - weights[3])


@fault("most units of a layer dead", GROUP, {"DG301": "warning"}, GREY)
def dead_units(bench: Bench) -> Specimen:
    network = bench.network()
    layer = networks.of_type(network, "Dense")[-2]
    rows = bench.rng.choice(32, 24, replace=False)

    def edit(weights: list[NDArray[Any]]) -> None:
        weights[1][rows] = DEAD_BIAS

    change(layer, edit)
    return bench.specimen(network)


@fault("all units of a layer dead", GROUP, {"DG301": "warning", "DG202": "critical"}, GREY)
def dead_layer(bench: Bench) -> Specimen:
    network = bench.network()

    def edit(weights: list[NDArray[Any]]) -> None:
        weights[1][:] = DEAD_BIAS

    change(networks.of_type(network, "Dense")[-2], edit)
    return bench.specimen(network)


@fault("saturated units", GROUP, {"DG302": "warning"}, SATURABLE)
def saturated(bench: Bench) -> Specimen:
    return bench.specimen(_edited(bench, _scale(50)))


@fault("half of the filters zero", GROUP, {"DG303": "warning"}, CONVOLUTIONS)
def zero_filters(bench: Bench) -> Specimen:
    network = bench.network()

    def edit(weights: list[NDArray[Any]]) -> None:
        weights[0][..., ::2] = 0
        weights[1][::2] = 0

    change(networks.of_type(network, "Conv2D")[-1], edit)
    return bench.specimen(network)


@fault("duplicate filters", GROUP, {"DG304": "note"}, CONVOLUTIONS)
def duplicate_filters(bench: Bench) -> Specimen:
    network = bench.network()

    def edit(weights: list[NDArray[Any]]) -> None:
        weights[0][..., 1:6] = weights[0][..., :1]
        weights[1][1:6] = weights[1][0]

    change(networks.of_type(network, "Conv2D")[-1], edit)
    return bench.specimen(network)


@fault("exploded weights", GROUP, {"DG305": "warning"}, GREY)
def exploded(bench: Bench) -> Specimen:
    return bench.specimen(_edited(bench, _scale(100)))


@fault("vanished weights", GROUP, {"DG305": "warning"}, GREY)
def vanished(bench: Bench) -> Specimen:
    return bench.specimen(_edited(bench, _scale(0.01)))


@fault("untrained", GROUP, {"DG307": "warning"}, GREY)
def untrained(bench: Bench) -> Specimen:
    return bench.specimen(bench.fresh())


@fault("head not loaded", GROUP, {"DG307": "warning", "DG203": "critical"}, GREY)
def head_not_loaded(bench: Bench) -> Specimen:
    network = bench.network()
    network.layers[-1].set_weights(bench.fresh(seed=1).layers[-1].get_weights())
    return bench.specimen(network)


@fault("constant prediction", GROUP, {"DG202": "critical"}, GREY)
def constant(bench: Bench) -> Specimen:
    return bench.specimen(_head_bias(bench, 4, 50))


@fault("a class never predicted", GROUP, {"DG201": "warning"}, GREY)
def never_predicted(bench: Bench) -> Specimen:
    return bench.specimen(_head_bias(bench, 6, -50))


@fault("two classes never predicted", GROUP, {"DG201": "warning"}, PAIR)
def two_never_predicted(bench: Bench) -> Specimen:
    network = _head_bias(bench, 6, -50)

    def edit(weights: list[NDArray[Any]]) -> None:
        weights[1][2] -= 50

    change(network.layers[-1], edit)
    return bench.specimen(network)


def _training(bench: Bench, name: str) -> Any:
    """Return the good model with the layers of a class called with ``training=True``."""

    def call(layer: Any, tensor: Any) -> Any:
        return layer(tensor, training=True) if type(layer).__name__ == name else layer(tensor)

    return networks.rewire(bench.network(), call)


def _edited(bench: Bench, edit: Callable[[list[NDArray[Any]]], None]) -> Any:
    """Return the good model with the weights of its last hidden layer edited."""
    network = bench.network()
    change(networks.hidden(network)[-1], edit)
    return network


def _normalisation(bench: Bench, edit: Callable[[list[NDArray[Any]]], None]) -> Any:
    """Return the good model with gamma, beta, moving mean and moving variance edited in every layer that has them."""
    network = bench.network()
    for layer in networks.of_type(network, "BatchNormalization"):
        change(layer, edit)
    return network


def _put(value: float, count: int = 1) -> Callable[[list[NDArray[Any]]], None]:
    def edit(weights: list[NDArray[Any]]) -> None:
        weights[0].reshape(-1)[:count] = value

    return edit


def _scale(factor: float) -> Callable[[list[NDArray[Any]]], None]:
    def edit(weights: list[NDArray[Any]]) -> None:
        weights[0] *= np.float32(factor)

    return edit


def _head_bias(bench: Bench, number: int, by: float) -> Any:
    network = bench.network()

    def edit(weights: list[NDArray[Any]]) -> None:
        weights[1][number] += by

    change(network.layers[-1], edit)
    return network
