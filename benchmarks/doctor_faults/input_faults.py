"""Faults between the image file and the network: scale, colour, axes, sizes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from . import networks
from .bench import COLOUR, COLOUR_FLAT, GREY, PAIR, SCALE, Bench, Specimen, fault, good_fit

GROUP = "input"
WRONG = {"DG101": "warning"}
SEEN = {"DG101": "note"}
"""Nothing pins it: the doctor must find what fits, say so, and show the accuracy that the model has."""
REPAIRED = 0.9


@fault("0..255 fed to a model for 0..1", GROUP, WRONG, GREY)
def raw_bytes(bench: Bench) -> Specimen:
    return bench.specimen(card={"scale": 1})


@fault("divided by 255 twice", GROUP, WRONG, GREY)
def scaled_twice(bench: Bench) -> Specimen:
    return bench.specimen(card={"scale": "1/65025"})


@fault("-1..1 fed to a model for 0..1", GROUP, WRONG, GREY)
def symmetric(bench: Bench) -> Specimen:
    return bench.specimen(card={"scale": "1/255", "mean": 0.5, "std": 0.5})


@fault("0..1 fed to a model for standardised images", GROUP, WRONG)
def unstandardised(bench: Bench) -> Specimen:
    mean, std = _standard(bench)
    network = bench.fresh()
    good_fit(network, (bench.scaled() - mean) / std, bench.images.y_train)
    return bench.specimen(network)


@fault("no scale said, a model for -1..1", GROUP, SEEN)
def symmetric_unsaid(bench: Bench) -> Specimen:
    network = bench.fresh()
    good_fit(network, bench.scaled() * 2 - 1, bench.images.y_train)
    return bench.specimen(network, card=None, repaired=REPAIRED)


@fault("no scale said, a model for standardised images", GROUP, SEEN)
def standardised_unsaid(bench: Bench) -> Specimen:
    mean, std = _standard(bench)
    network = bench.fresh()
    good_fit(network, (bench.scaled() - mean) / std, bench.images.y_train)
    return bench.specimen(network, card=None, repaired=REPAIRED)


@fault("images inverted, all conventions pinned", GROUP, WRONG, GREY)
def inverted(bench: Bench) -> Specimen:
    return bench.specimen(card={**SCALE, "invert": False}, x_test=255 - bench.images.x_test)


@fault("images inverted, nothing said", GROUP, SEEN, GREY)
def inverted_unsaid(bench: Bench) -> Specimen:
    return bench.specimen(card=None, repaired=REPAIRED, x_test=255 - bench.images.x_test)


@fault("images transposed", GROUP, WRONG, GREY)
def transposed(bench: Bench) -> Specimen:
    return bench.specimen(x_test=bench.images.x_test.swapaxes(1, 2))


@fault("images transposed, nothing said", GROUP, SEEN)
def transposed_unsaid(bench: Bench) -> Specimen:
    return bench.specimen(card=None, repaired=REPAIRED, x_test=bench.images.x_test.swapaxes(1, 2))


@fault("BGR files for an RGB model", GROUP, {"DG102": "warning"}, COLOUR)
def bgr(bench: Bench) -> Specimen:
    return bench.specimen(x_test=bench.images.x_test[..., ::-1])


@fault("BGR files, RGB pinned", GROUP, {"DG102": "warning"}, COLOUR)
def bgr_pinned(bench: Bench) -> Specimen:
    return bench.specimen(card={**SCALE, "channel_order": "rgb"}, x_test=bench.images.x_test[..., ::-1])


@fault("flat input in channels-first order", GROUP, WRONG, COLOUR_FLAT)
def flat_order(bench: Bench) -> Specimen:
    network, flat = _flat(bench, order=(0, 3, 1, 2))
    good_fit(network, flat, bench.images.y_train, epochs=20)
    return bench.specimen(network)


@fault("channel planes read as if channels were last", GROUP, {"DG203": "critical", "DG101": "warning"}, COLOUR)
def scrambled_layout(bench: Bench) -> Specimen:
    x = bench.images.x_test
    return bench.specimen(x_test=np.ascontiguousarray(np.moveaxis(x, -1, 1)).reshape(x.shape))


@fault("images of other proportions stretched", GROUP, {"DG108": "note"}, PAIR)
def stretched(bench: Bench) -> Specimen:
    wide = np.repeat(bench.images.x_test, 2, axis=2)
    return bench.specimen(card={**SCALE, "resize": [28, 28]}, x_test=wide)


@fault("folder of images of mixed sizes", GROUP, {"DG108": "note"}, PAIR)
def mixed_sizes(bench: Bench) -> Specimen:
    from PIL import Image

    sizes = ((28, 28), (40, 28), (28, 44), (56, 30))
    for number, (image, label) in enumerate(zip(bench.images.x_test, bench.images.y_test, strict=True)):
        folder = bench.folder / "images" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        height, width = sizes[number % len(sizes)]
        Image.fromarray(image[..., 0]).resize((width, height)).save(folder / f"{number:04}.png")
    return dataclasses.replace(bench.specimen(), data=str(bench.folder / "images"))


def _standard(bench: Bench) -> tuple[np.float32, np.float32]:
    x = bench.scaled()
    return np.float32(x.mean()), np.float32(x.std())


def _flat(bench: Bench, order: tuple[int, ...]) -> tuple[Any, np.ndarray[Any, Any]]:
    x = bench.scaled().transpose(order)
    flat = np.ascontiguousarray(x).reshape(len(x), -1)
    return networks.build(bench.kind, flat.shape[1:], bench.images.k), flat
