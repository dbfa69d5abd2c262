"""Models whose weights are written by hand, so that every answer can be worked out on paper."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from diag._lazy import import_keras
from diag.checks.case import Case
from diag.io.datasets import load_dataset
from diag.io.models import load_model
from diag.io.preprocessing import Preprocessing

BYTES = Preprocessing(scale=1 / 255).closed()
"""Everything pinned: bytes become 0..1, nothing is detected."""


def linear(path, templates, bias=None, preprocessing=BYTES):
    """Save and load softmax(images . templates + bias); `templates` has shape (h, w, c, k)."""
    keras = import_keras()
    shape, k = templates.shape[:-1], templates.shape[-1]
    network = keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(k, activation="softmax")]
    )
    network.layers[-1].set_weights(
        [templates.reshape(-1, k).astype(np.float32), np.zeros(k, np.float32) if bias is None else np.asarray(bias)]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.save(path)
    return load_model(path, preprocessing=preprocessing)


def case_of(model, x, y, train=None, n=400, names=None):
    """Return a case on arrays, without the cache."""
    data = load_dataset((x, y), class_names=names) if y is not None else load_dataset(x)
    return Case(model, data, None if train is None else load_dataset(train), n=n, cache=False)


def pixels(height, width, places, gain=100.0):
    """Return templates (h, w, 1, k): class c is the brightness of pixel ``places[c]``, times `gain`."""
    templates = np.zeros((height, width, 1, len(places)))
    for number, (row, column) in enumerate(places):
        templates[row, column, 0, number] = gain
    return templates


def marked(labels, height, width, places, background=0, level=255):
    """Return uint8 images (n, h, w, 1) with one bright pixel, that of their class."""
    images = np.full((len(labels), height, width, 1), background, dtype=np.uint8)
    for number, label in enumerate(labels):
        images[(number, *places[label])] = level
    return images


def findings(check, case):
    """Return what a check finds."""
    return list(check.run(case))


def without_card(model):
    """Return the model with nothing said of its preprocessing."""
    return dataclasses.replace(model, preprocessing=Preprocessing())
