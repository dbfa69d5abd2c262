"""What the page *Data* computes, kept between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag_loaders import identity
from diag_loaders_kept import kept

import diag
from diag.engines.label_issues import label_issues
from diag.engines.near_duplicates import near_duplicates

if TYPE_CHECKING:
    from diag.io.datasets import Dataset
    from diag.results import Comparison, EmbeddingMap, Evaluation, Slices
    from diag.results.duplicates import Duplicates
    from diag.results.label_issues import LabelIssues


def _key(comparison: Comparison, train: Dataset | None = None) -> str:
    return " ".join([*(identity(run) for run in comparison.runs), train.digest if train is not None else ""])


def load_slices(comparison: Comparison, name: str) -> Slices:
    """Return the slices of one model, with the accuracy of the others in them."""
    return _load_slices(_key(comparison), name, comparison)


@kept("Looking for slices")
def _load_slices(key: str, name: str, _comparison: Comparison) -> Slices:
    return diag.find_slices(_comparison, model=name)


def load_issues(comparison: Comparison, train: Dataset | None) -> LabelIssues:
    """Return the doubtful labels."""
    return _load_issues(_key(comparison, train), comparison, train)


@kept("Looking for doubtful labels")
def _load_issues(key: str, _comparison: Comparison, _train: Dataset | None) -> LabelIssues:
    return label_issues(_comparison, _train)


def load_duplicates(comparison: Comparison, train: Dataset | None) -> Duplicates:
    """Return the pairs of images that are equal or nearly."""
    return _load_duplicates(_key(comparison, train), comparison, train)


@kept("Looking for duplicates")
def _load_duplicates(key: str, _comparison: Comparison, _train: Dataset | None) -> Duplicates:
    return near_duplicates(_comparison, _train)


def load_map(run: Evaluation, method: Any) -> EmbeddingMap:
    """Return the map of a model's embedding."""
    return _load_map(identity(run), method, run)


@kept("Drawing the map")
def _load_map(key: str, method: Any, _run: Evaluation) -> EmbeddingMap:
    return diag.embedding_map(_run, method)
