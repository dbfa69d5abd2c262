"""One small network, trained once, and the means to spoil copies of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from diag.checks.case import Case
from diag.io.datasets import load_dataset
from diag.io.models import load_model
from diag.io.preprocessing import Preprocessing
from tests.fakes import save_model

AS_IS = Preprocessing(scale=1.0, layout="channels_last")


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """A convolutional network for scikit-learn's digits (8 x 8, 0..1): its file, the network, data and training data.

    Layers: conv (8 filters, 3 x 3), bn, relu, conv_2 (16, relu), dropout, hidden (32, relu), head (10, softmax).
    It is right on about 95 % of the 500 test images.
    """
    from keras import layers, optimizers, utils
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("good")
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8, 1) / 16).astype(np.float32)
    utils.set_random_seed(1)  # layers draw their seeds when they are made
    stem = [
        layers.Conv2D(8, 3, padding="same", name="conv"),
        layers.BatchNormalization(momentum=0.9, name="bn"),
        layers.ReLU(name="relu"),
        layers.Conv2D(16, 3, activation="relu", name="conv_2"),
        layers.Flatten(name="flatten"),
        layers.Dropout(0.25, name="dropout"),
        layers.Dense(32, activation="relu", name="hidden"),
        layers.Dense(10, activation="softmax", name="head"),
    ]
    path = folder / "good.keras"
    network = save_model(path, stem, (8, 8, 1))
    fresh = network.get_weights()
    network.compile(optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    network.fit(x[500:], y[500:], batch_size=32, epochs=4, verbose=0)
    network.save(path)
    return SimpleNamespace(
        path=path,
        network=network,
        fresh=fresh,
        data=load_dataset((x[:500], y[:500])),
        train=load_dataset((x[500:], y[500:])),
        x=x[:500],
        y=y[:500],
    )


@pytest.fixture
def spoil(good, tmp_path):
    """Return a function: an edit of a copy of the good network -> its `Case` on the good data, on other `data`, or on
    none (``data=False``).

    The edit changes the copy, or returns another network.
    """

    def case(edit=lambda network: None, data=None, n=150):
        import keras

        network = keras.models.load_model(good.path, compile=False)
        network = edit(network) or network
        path = tmp_path / "spoilt.keras"
        network.save(path)
        model = load_model(path, preprocessing=AS_IS)
        return Case(model, None if data is False else data or good.data, n=n, cache=False)

    return case


def change(network, name, edit):
    """Edit the weights of a layer in place: `edit` gets the list of arrays."""
    layer = network.get_layer(name)
    weights = [np.array(weight) for weight in layer.get_weights()]
    edit(weights)
    layer.set_weights(weights)


def rewired(network, **call):
    """Return the same layers in a row as a functional network, some called with ``training=True``."""
    import keras

    tensor = inputs = keras.Input(network.input_shape[1:])
    for layer in network.layers:
        tensor = layer(tensor, training=True) if call.get(layer.name) else layer(tensor)
    return keras.Model(inputs, tensor)
