"""Small networks with seeded weights, and what maps are compared with: shap, and differences taken by hand."""

from __future__ import annotations

import warnings

import numpy as np


def stack(make, shape, outputs=2, seed=0):
    """Return a Sequential of what `make(layers)` returns, ended by Flatten and Dense, with random weights."""
    from diag._lazy import import_keras

    keras = import_keras()
    end = [keras.layers.Flatten(), keras.layers.Dense(outputs)] if outputs else []
    return randomised(keras.Sequential([keras.Input(shape), *make(keras.layers), *end]), seed)


def graph(make, shape, outputs=2, seed=0):
    """Return a functional network of what `make(keras, input)` returns, ended by Flatten and Dense."""
    from diag._lazy import import_keras

    keras = import_keras()
    source = keras.Input(shape)
    target = make(keras, source)
    if outputs:
        target = keras.layers.Dense(outputs)(keras.layers.Flatten()(target))
    return randomised(keras.Model(source, target), seed)


def randomised(model, seed=0):
    """Give all weights random values (Keras starts with biases and slopes of 0 and statistics of 0 and 1)."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype.startswith("float") or weight.dtype == "bfloat16":
            scale = 1 / np.sqrt(max(1, np.prod(weight.shape[:-1])))
            value = rng.normal(0, max(scale, 0.3), weight.shape)
            weight.assign(0.5 + np.abs(value) if "variance" in weight.path else value)
    return model


def batches(shape, seed=0, n=2, m=3, scale=1.0):
    """Return (images, references)."""
    rng = np.random.default_rng(seed)
    return tuple((scale * rng.normal(size=(size, *shape))).astype(np.float32) for size in (n, m))


def maps(model, x, r, *, activation=None, **arguments):
    """Return the engine's maps, and raise where they do not add up."""
    from diag.explain.deepshap import DeepShap

    found = DeepShap(model, x.shape[1:], activation).maps(x, r, **arguments)
    assert additivity_error(found) < 1e-4
    assert np.isfinite(found.values).all()
    return found


def additivity_error(found):
    """Return the largest |base + sum of the map - prediction|, relative to the largest |prediction - base|."""
    total = found.values.astype(np.float64).sum(axis=tuple(range(1, found.values.ndim - 1)))
    difference = found.predictions - found.base_values
    return np.abs(total - difference).max() / max(np.abs(difference).max(), 1e-12)


def one_at_a_time(model, x, r):
    """Return the mean over references of f(reference with one value of the image) - f(reference).

    It is the Shapley value of each value wherever f is a sum of functions of single values (Lundberg & Lee 2017,
    equation 8), linear networks among them.
    """
    n, m, pixels = len(x), len(r), int(np.prod(x.shape[1:]))
    mixed = np.tile(r.reshape(1, m, 1, pixels), (n, 1, pixels, 1))
    place = np.arange(pixels)
    mixed[:, :, place, place] = x.reshape(n, 1, pixels)
    values = np.asarray(model(mixed.reshape(-1, *x.shape[1:]), training=False)).reshape(n, m, pixels, -1)
    values = (values - np.asarray(model(r, training=False)).reshape(1, m, 1, -1)).mean(axis=1)
    return values.reshape(*x.shape, -1)


def shap_values(model, x, r):
    """Return what `shap.DeepExplainer` says."""
    from diag._lazy import import_shap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_shap().DeepExplainer(model, r).shap_values(x, check_additivity=False)
