"""Faults of labels and of the head that they are compared with."""

from __future__ import annotations

import numpy as np

from . import networks
from .bench import COLOUR, GREY, Bench, Specimen, fault

GROUP = "labels"
ORDER = {"DG103": "critical"}
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@fault("class numbers shuffled", GROUP, ORDER, GREY)
def shuffled(bench: Bench) -> Specimen:
    ring = bench.rng.permutation(10)
    order = np.empty(10, dtype=np.int64)
    order[ring] = np.roll(ring, 1)  # one ring: no class keeps its number
    return bench.specimen(y_test=order[bench.images.y_test])


@fault("two classes swapped", GROUP, ORDER, GREY)
def swapped(bench: Bench) -> Specimen:
    order = np.arange(10)
    order[[3, 8]] = 8, 3
    return bench.specimen(y_test=order[bench.images.y_test])


@fault("class numbers off by one", GROUP, ORDER, GREY)
def off_by_one(bench: Bench) -> Specimen:
    return bench.specimen(y_test=(bench.images.y_test - 1) % 10)


@fault("class numbers sorted as text", GROUP, ORDER, COLOUR)
def text_order(bench: Bench) -> Specimen:
    order = np.argsort(np.argsort([str(number) for number in range(bench.images.k)], kind="stable"))
    return bench.specimen(y_test=order[bench.images.y_test])


@fault("names sorted alphabetically", GROUP, ORDER)
def alphabetical(bench: Bench) -> Specimen:
    return bench.specimen(y_test=np.array(WORDS)[bench.images.y_test])


@fault("labels count from 1", GROUP, {"DG103": "note"})
def from_one(bench: Bench) -> Specimen:
    """Nothing is lost where it is seen: the doctor must subtract 1 and say so."""
    return bench.specimen(y_test=bench.images.y_test + 1, repaired=0.9)


@fault("label values with gaps: 0, 2, 4, ...", GROUP, {"DG105": "critical", "DG109": "warning"})
def every_other(bench: Bench) -> Specimen:
    return bench.specimen(y_test=bench.images.y_test * 2)


def _noisy(bench: Bench, share: float) -> Specimen:
    labels = np.array(bench.images.y_test)
    rows = np.sort(bench.rng.choice(len(labels), round(share * len(labels)), replace=False))
    labels[rows] = (labels[rows] + bench.rng.integers(1, 10, len(rows))) % 10
    return bench.specimen(y_test=labels, planted=rows)


@fault("5% of labels wrong", GROUP, {"DG504": "note"}, GREY)
def noisy_5(bench: Bench) -> Specimen:
    return _noisy(bench, 0.05)


@fault("10% of labels wrong", GROUP, {"DG504": "warning"}, GREY)
def noisy_10(bench: Bench) -> Specimen:
    return _noisy(bench, 0.1)


@fault("20% of labels wrong", GROUP, {"DG504": "warning"}, GREY)
def noisy_20(bench: Bench) -> Specimen:
    return _noisy(bench, 0.2)


@fault("all labels the same", GROUP, {"DG109": "note", "DG203": "critical"})
def constant(bench: Bench) -> Specimen:
    return bench.specimen(y_test=np.full_like(bench.images.y_test, 3))


@fault("a class missing from the data", GROUP, {"DG109": "note"}, GREY)
def missing_class(bench: Bench) -> Specimen:
    kept = bench.images.y_test != 7
    return bench.specimen(x_test=bench.images.x_test[kept], y_test=bench.images.y_test[kept])


@fault("head with twice as many outputs as classes", GROUP, {"DG105": "note"}, GREY)
def many_outputs(bench: Bench) -> Specimen:
    network = bench.network()
    kernel, bias = networks.head_weights(network)
    more = bench.rng.normal(0, kernel.std(), kernel.shape).astype(np.float32)
    wider = networks.with_head(network, np.hstack([kernel, more]), np.concatenate([bias, np.full_like(bias, -15)]))
    return bench.specimen(wider)


@fault("head with fewer outputs than classes", GROUP, {"DG105": "critical"}, GREY)
def few_outputs(bench: Bench) -> Specimen:
    network = bench.network()
    kernel, bias = networks.head_weights(network)
    return bench.specimen(networks.with_head(network, kernel[:, :8], bias[:8]))


@fault("head without softmax", GROUP, {"DG104": "note"}, GREY)
def logits(bench: Bench) -> Specimen:
    network = bench.network()
    return bench.specimen(networks.with_head(network, *networks.head_weights(network), activation="linear"))


@fault("softmax twice", GROUP, {"DG104": "warning"}, GREY)
def softmax_twice(bench: Bench) -> Specimen:
    from keras import layers

    network = bench.network()
    return bench.specimen(
        networks.rewire(network, lambda layer, tensor: layer(tensor), [*network.layers, layers.Softmax()])
    )
