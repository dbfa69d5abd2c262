"""Cases for checks, made of labels and probabilities alone: no file, no network."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType, SimpleNamespace

import numpy as np

from diag.checks.case import Case
from diag.errors import CheckNotApplicable
from diag.io.datasets import load_dataset
from diag.io.histories import History
from diag.io.modelcard import ModelCard
from diag.io.preprocessing import Preprocessing
from tests.fakes import build_run


def one_hot(y_pred, k, confidence=0.9):
    """Return probabilities (n, k): `confidence` for the class of each row, the rest shared."""
    y_pred = np.asarray(y_pred)
    proba = np.full((len(y_pred), k), (1 - confidence) / (k - 1))
    proba[np.arange(len(y_pred)), y_pred] = confidence
    return proba


def noise_images(n, side=12, seed=0):
    """Return n images of uniform noise: no two are alike."""
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 1)).astype(np.uint8)


def make_run(y_true, proba, images=None, class_names=None, card_names=None, name="model", digest=None):
    """Return an Evaluation on a real Dataset, of a model that is a name only."""
    y_true, proba = np.asarray(y_true), np.asarray(proba, dtype=np.float64)
    k = proba.shape[1]
    images = noise_images(len(y_true)) if images is None else images
    data = load_dataset((images, y_true), class_names=class_names)
    names = tuple(card_names or (class_names if class_names and len(class_names) == k else map(str, range(k))))
    run = build_run(y_true, proba, name=name, class_names=names)
    own = {
        "digest": digest or name,
        "is_keras": False,
        "kind": "a scikit-learn model",
        "label_rule": None,
        "n_classes": k,
        "native_shape": images.shape[1:],
        "class_names": names,
        "card": ModelCard(class_names=tuple(card_names) if card_names else None),
        "preprocessing": Preprocessing(resize=tuple(images.shape[1:3])),
    }
    return dataclasses.replace(run, model=SimpleNamespace(**vars(run.model) | own), data=data)


def make_case(y_true, proba, *, train=None, history=None, training=None, rivals=(), **options):
    """Return a Case around `make_run`.

    `train` is (images, labels); `history` a dict of lists; `training` (y_true, proba) of the training images.
    """
    run = make_run(y_true, proba, **options)
    trained_on = load_dataset(train) if train is not None else None
    case = Case(run.model, run.data, trained_on, run=run, rivals=rivals, cache=False)
    if history is not None:
        columns = {name: np.asarray(values, dtype=np.float64) for name, values in history.items()}
        case.__dict__["history"] = History("test.log", MappingProxyType(columns))
    if training is not None:
        case.__dict__["training"] = build_run(*training)
    return case


def found(check, case):
    """Return the findings of a check as a list."""
    return list(check.run(case))


def only(check, case):
    """Return the one finding of a check."""
    findings = found(check, case)
    assert len(findings) == 1, [each.message for each in findings]
    return findings[0]


def reason(check, case):
    """Return why a check does not apply."""
    try:
        findings = found(check, case)
    except CheckNotApplicable as error:
        return str(error)
    raise AssertionError(f"{check.code} applies: {[each.message for each in findings]}")
