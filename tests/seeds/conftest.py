"""A stand-in for MNIST where Keras keeps it, and the shipped models on it."""

from __future__ import annotations

import pytest

from tests.seeds.place import Place
from tests.stand_in import mnist_file


@pytest.fixture(scope="package")
def place(tmp_path_factory):
    """The shipped models; ``mnist`` is the stand-in."""
    home = tmp_path_factory.mktemp("keras")
    mnist_file(home / "datasets" / "mnist.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(home))
        yield Place(tmp_path_factory.mktemp("trained"))
