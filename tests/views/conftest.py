"""What is drawn into a picture."""

from __future__ import annotations

import pytest


@pytest.fixture
def captions(monkeypatch):
    """Return the texts that are drawn, in order, each with its colour."""
    from PIL import ImageDraw

    drawn = []
    text = ImageDraw.ImageDraw.text

    def kept(self, xy, said, fill=None, *args, **more):
        drawn.extend([(said, fill)] if said else [])
        return text(self, xy, said, fill, *args, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", kept)
    return drawn
