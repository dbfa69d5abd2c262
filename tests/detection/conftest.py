"""Two networks, trained once for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.detection import planted


@pytest.fixture(scope="session")
def digits():
    """Grey 8x8 digits of ten classes."""
    return planted.digits()


@pytest.fixture(scope="session")
def colours():
    """Colour 8x8 images of six classes."""
    return planted.colours()


@pytest.fixture
def layers():
    from diag._lazy import import_keras

    return import_keras().layers
