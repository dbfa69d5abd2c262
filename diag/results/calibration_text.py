"""Calibration in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diag.results.calibration import Calibration

LEVEL = 0.05


def sentence(result: Calibration) -> str:
    """Return what the figures of a calibration say, in two or three sentences."""
    if not len(result.run):
        return f"{result.name}: no images."
    return " ".join(part for part in (_direction(result), _error(result), _temperature(result)) if part)


def _leans(result: Calibration) -> bool:
    """Return whether confidence and accuracy differ on average."""
    low, high = result.values["overconfidence_low"], result.values["overconfidence_high"]
    return low > 0 or high < 0


def _direction(result: Calibration) -> str:
    mean, low, high = (100 * result.values[f"overconfidence{end}"] for end in ("", "_low", "_high"))
    if _leans(result):
        kind, more = ("over-confident", "more") if mean > 0 else ("under-confident", "less")
        ends = sorted([abs(low), abs(high)])
        return (
            f"{result.name} is {kind}: on average it is {abs(mean):.1f} points {more} sure than it is right "
            f"(95% {ends[0]:.1f} to {ends[1]:.1f})."
        )
    return f"{result.name} is neither over- nor under-confident on average, as far as these images tell."


def _error(result: Calibration) -> str:
    values = result.values
    ece, chance, p_value = values["ece"], values["ece_by_chance"], values["ece_p_value"]
    shown = f"Its calibration error is {ece:.3f}; chance alone would show {chance:.3f} with so many images"
    calm = p_value >= LEVEL and not _leans(result)
    return f"{shown}, so that it may well be calibrated (p = {p_value:.2f})." if calm else f"{shown}."


def _temperature(result: Calibration) -> str:
    fit, values = result.scaled, result.values
    if fit is None:
        return ""
    if fit.at_edge:
        return "No temperature is best: its log loss falls as far as temperatures are tried."
    if values["log_loss_after"] >= values["log_loss_before"]:
        return f"A temperature ({fit.temperature:.2f}) does not lower its log loss on images it was not fitted on."
    return (
        f"A temperature of {fit.temperature:.2f} ({values['temperature_low']:.2f} to {values['temperature_high']:.2f} "
        f"between folds) brings the calibration error from {values['ece_before']:.3f} to {values['ece_after']:.3f} and "
        f"log loss from {values['log_loss_before']:.3f} to {values['log_loss_after']:.3f}, on images it was not "
        "fitted on."
    )
