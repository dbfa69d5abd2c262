"""What the page *Calibration* computes, kept between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag_loaders import identity
from diag_loaders_kept import kept

from diag.results.calibration import Calibration, calibration
from diag.results.decisions import ExpectedCost, expected_cost
from diag.results.discrimination import Discrimination, discrimination

if TYPE_CHECKING:
    from diag.results import Comparison, Evaluation

    Costs = tuple[tuple[float, ...], ...]


def load_calibrations(comparison: Comparison) -> dict[str, Calibration]:
    """Return how far each model's probabilities can be believed, the best model first."""
    return {name: _calibration(identity(run), run) for name, run in comparison.ranked().items()}


@kept("Resampling")
def _calibration(key: str, _run: Evaluation) -> Calibration:
    return calibration(_run)


def load_discriminations(comparison: Comparison) -> dict[str, Discrimination]:
    """Return how well each model tells classes apart."""
    return {name: _discrimination(identity(run), run) for name, run in comparison.ranked().items()}


@kept("Ranking")
def _discrimination(key: str, _run: Evaluation) -> Discrimination:
    return discrimination(_run)


def load_costs(comparison: Comparison, costs: Costs | None) -> dict[str, ExpectedCost]:
    """Return what each model's decisions cost."""
    return {name: _costs(identity(run), costs, run) for name, run in comparison.ranked().items()}


@kept()
def _costs(key: str, costs: Costs | None, _run: Evaluation) -> ExpectedCost:
    return expected_cost(_run, costs)
