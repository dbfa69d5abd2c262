"""Small networks trained once on 0..1, and the same networks for inputs of another kind: exact, by their weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import diag


@dataclass(frozen=True)
class Trained:
    """A network on images 0..1, its test images (bytes) and labels, and its accuracy on them."""

    images: Any
    labels: Any
    kernel: Any  # of the first layer, a convolution
    bias: Any
    rest: Any  # keras layers behind it
    accuracy: float

    def network(self, gain=1.0, offset=0.0, before=(), shape=None, kernel=None, batch=None):
        """Return the network for inputs ``gain * x + offset`` instead of x, with layers put before."""
        from diag._lazy import import_keras

        keras = import_keras()
        kernel = self.kernel if kernel is None else kernel
        first = keras.layers.Conv2D(kernel.shape[-1], kernel.shape[:2], activation="relu")
        entrance = keras.Input(shape or self.images.shape[1:], batch_size=batch)
        model = keras.Sequential([entrance, *before, first, *self.rest])
        gain, offset = np.asarray(gain, np.float64), np.asarray(offset, np.float64)
        scaled = kernel / gain.reshape(1, 1, -1, 1)
        shift = (scaled * offset.reshape(1, 1, -1, 1)).sum(axis=(0, 1, 2))
        first.set_weights([scaled, self.bias - shift])
        return model

    def data(self, images=None, labels=None, **options):
        """Return test data; anything may be replaced."""
        given = (self.images if images is None else images, self.labels if labels is None else labels)
        return diag.load_dataset(given, **options)


def train(images, labels, test_images, test_labels, epochs, seed=0):
    """Fit convolution, flatten, dense on images / 255."""
    from diag._lazy import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(seed)
    k = int(labels.max()) + 1
    first = keras.layers.Conv2D(12, 3, activation="relu")
    rest = [keras.layers.Flatten(), keras.layers.Dense(k, activation="softmax")]
    model = keras.Sequential([keras.Input(images.shape[1:]), first, *rest])
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    model.fit(images / np.float32(255), labels, batch_size=32, epochs=epochs, verbose=0)
    right = model.predict(test_images / np.float32(255), verbose=0).argmax(axis=1) == test_labels
    kernel, bias = first.get_weights()
    return Trained(test_images, test_labels, kernel, bias, rest, float(right.mean()))


def digits():
    """scikit-learn's digits, 8x8, as bytes."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.clip(np.rint(found.images[..., None] * 255 / 16), 0, 255).astype(np.uint8)
    return train(images[:1000], found.target[:1000], images[1000:], found.target[1000:], epochs=12)


def colours(n=1200, side=8, seed=0):
    """Six classes: red, green or blue light in the upper left or the lower half, on noise. Rows differ from columns."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, n)
    images = rng.integers(0, 110, (n, side, side, 3)).astype(np.float64)
    for image, label in zip(images, labels, strict=True):
        colour, low = label % 3, label >= 3
        part = image[side // 2 :, 2:] if low else image[: side // 2 - 1, : side - 3]
        part[..., colour] += rng.uniform(10, 70)
    images = np.clip(images, 0, 255).astype(np.uint8)
    return train(images[:700], labels[:700], images[700:], labels[700:], epochs=8)


def saved(network, path):
    """Save a network and load it with diag."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.save(path)
    return diag.load_model(path)


def accuracy_with(model, found, data):
    """Return a model's accuracy on labelled data with the preprocessing found."""
    settled = replace(model, preprocessing=found.preprocessing, settled=True)
    return float((settled.predict_proba(data.images).argmax(axis=1) == data.labels).mean())
