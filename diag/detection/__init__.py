"""Finding out, from labelled samples, what a model wants to be fed with."""

from diag.detection.api import detect
from diag.detection.settling import settle

__all__ = ["detect", "settle"]
