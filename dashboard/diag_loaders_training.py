"""What the page *Training* reads, kept between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag_loaders import identity
from diag_loaders_kept import kept

from diag.io.histories import history_digest
from diag.results.training import Training, training

if TYPE_CHECKING:
    from diag.results import Comparison


def load_training(comparison: Comparison) -> Training:
    """Return how the models were trained; read again when a history has changed."""
    paths = [run.model.card.history for run in comparison.runs]
    digests = ["" if path is None else history_digest(path) for path in paths]
    key = " ".join(f"{identity(run)} {digest}" for run, digest in zip(comparison.runs, digests, strict=True))
    return _load_training(key, comparison)


@kept()
def _load_training(key: str, _comparison: Comparison) -> Training:
    return training(_comparison)
