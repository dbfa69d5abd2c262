"""What pages about many classes load, kept between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag_loaders import identity, progress
from diag_loaders_kept import kept

import diag
from diag.metrics.confusion_order import class_order

if TYPE_CHECKING:
    import pandas as pd

    from diag.metrics.confusion_order import ClassOrder
    from diag.results import DifferentEvidence, Evaluation

CANDIDATES = 100
"""Images with the same answer that two models are asked to explain."""


def load_order(run: Evaluation) -> ClassOrder:
    """Return a model's classes in the order of their confusions."""
    return _load_order(identity(run), run)


@kept("Ordering the classes")
def _load_order(key: str, _run: Evaluation) -> ClassOrder:
    return class_order(_run.counts().confusion)


def load_confusions(run: Evaluation) -> pd.DataFrame:
    """Return all confusions of a model, the largest first."""
    return _load_confusions(identity(run), run)


@kept()
def _load_confusions(key: str, _run: Evaluation) -> pd.DataFrame:
    return _run.top_confusions(None)


def load_evidence(first: Evaluation, second: Evaluation) -> DifferentEvidence:
    """Return the images on which two networks agree, those whose maps differ most first."""
    return _load_evidence(f"{identity(first)} {identity(second)}", first, second)


@kept()
def _load_evidence(key: str, _first: Evaluation, _second: Evaluation) -> DifferentEvidence:
    with progress(f"Explaining images by {_first.name} and {_second.name}") as report:
        return diag.different_evidence(_first, _second, CANDIDATES, progress=report)
