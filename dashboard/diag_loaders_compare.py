"""What the page *Compare* computes, kept between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag_loaders import identity
from diag_loaders_kept import kept

from diag.results.agreement import Agreement, agreement
from diag.results.ensembles import Ensembles, ensembles
from diag.results.pairs import shown_differences

if TYPE_CHECKING:
    import pandas as pd

    from diag.results import Comparison


def _key(comparison: Comparison) -> str:
    return " ".join(identity(run) for run in comparison.runs)


def load_differences(comparison: Comparison, a: str, b: str) -> pd.DataFrame:
    """Return the differences of two models, a minus b, in four figures with their intervals."""
    return shown_differences(comparison, _load_differences(_key(comparison), comparison), a, b)


@kept("Resampling")
def _load_differences(key: str, _comparison: Comparison) -> pd.DataFrame:
    return _comparison.differences()


def load_agreement(comparison: Comparison) -> Agreement:
    """Return how far the models agree."""
    return _load_agreement(_key(comparison), comparison)


@kept()
def _load_agreement(key: str, _comparison: Comparison) -> Agreement:
    return agreement(_comparison)


def load_ensembles(comparison: Comparison) -> Ensembles:
    """Return what the models give together."""
    return _load_ensembles(_key(comparison), comparison)


@kept("Averaging the models")
def _load_ensembles(key: str, _comparison: Comparison) -> Ensembles:
    return ensembles(_comparison)
