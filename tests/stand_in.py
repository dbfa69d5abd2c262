"""A small stand-in for MNIST, so that what wants MNIST is tested without it."""

from __future__ import annotations

import numpy as np


def mnist_file(path, n_train=1000, n_test=797):
    """Write scikit-learn's digits to `path` in the layout of Keras's ``mnist.npz``; return `path`.

    Each 8x8 digit is enlarged to 20x20 (bicubic, 0..16 becomes 0..255) and stands in the middle of 28x28, as MNIST's
    digits do, so that networks trained on MNIST know most of them. The first `n_train` images in file order are for
    training and the last `n_test` of the 1,797 for testing: the writers are others.

    Put it at ``$KERAS_HOME/datasets/mnist.npz`` and ``diag.load_dataset("mnist")`` reads it.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    if n_train + n_test > 1797:
        raise ValueError(f"expected at most 1,797 images together. Received: {n_train} and {n_test}.")
    raw = load_digits()
    images = np.zeros((len(raw.images), 28, 28), dtype=np.uint8)
    for place, image in enumerate(np.rint(raw.images * (255 / 16)).astype(np.uint8)):
        images[place, 4:24, 4:24] = np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC))
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
