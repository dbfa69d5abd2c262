"""A small stand-in for MNIST, so that what wants MNIST is tested without it."""

from __future__ import annotations

import numpy as np


def mnist_file(path, n_train=1000, n_test=797):
    """Write scikit-learn's digits to `path` in the layout of Keras's ``mnist.npz``; return `path`.

    The images are made as MNIST's were: each digit is enlarged from 8x8 to 20x20, and put into 28x28 so that its centre
    of mass is in the middle. Networks trained on MNIST know most of them. The first `n_train` in file order are for
    training and the last `n_test` of the 1,797 for testing: these were written by others.

    Put it at ``$KERAS_HOME/datasets/mnist.npz`` and ``diag.load_dataset("mnist")`` reads it.
    """
    from sklearn.datasets import load_digits

    if n_train + n_test > 1797:
        raise ValueError(f"expected at most 1,797 images together. Received: {n_train} and {n_test}.")
    raw = load_digits()
    images = np.stack([_as_in_mnist(image) for image in np.rint(raw.images * (255 / 16)).astype(np.uint8)])
    labels = raw.target.astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        x_train=images[:n_train],
        y_train=labels[:n_train],
        x_test=images[len(images) - n_test :],
        y_test=labels[len(labels) - n_test :],
    )
    return path


def _as_in_mnist(image):
    """Return an 8x8 image at 20x20 (Lanczos), placed in 28x28 by its centre of mass, to the nearest pixel."""
    from PIL import Image

    large = np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.LANCZOS))
    top, left = (
        np.clip(round(13.5 - float(np.average(np.arange(20), weights=large.sum(axis=1 - axis)))), 0, 8)
        for axis in (0, 1)
    )
    placed = np.zeros((28, 28), dtype=np.uint8)
    placed[top : top + 20, left : left + 20] = large
    return placed
