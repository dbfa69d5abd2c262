"""Calibration in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diag.results.calibration import Calibration

LEVEL = 0.05


def sentence(result: Calibration, name: str) -> str:
    """Return what the figures of a calibration say of a model called `name`, in two or three sentences."""
    if not len(result.run):
        return f"{name}: no images."
    return " ".join(part for part in (_direction(result, name), _error(result), _temperature(result)) if part)


def _leans(result: Calibration) -> bool:
    """Return whether the interval of mean confidence minus accuracy leaves 0 out."""
    low, high = result.values["overconfidence_low"], result.values["overconfidence_high"]
    return low > 0 or high < 0


def _differs(result: Calibration) -> bool:
    """Return whether chance does not explain the calibration error."""
    return result.values["ece_p_value"] < LEVEL


def _direction(result: Calibration, name: str) -> str:
    """Name over- or under-confidence where the interval shows it and the test of the calibration error agrees."""
    mean, low, high = (100 * result.values[f"overconfidence{end}"] for end in ("", "_low", "_high"))
    if not _leans(result):
        return f"{name} is neither over- nor under-confident on average, as far as these images tell."
    more = "more" if mean > 0 else "less"
    ends = sorted([abs(low), abs(high)])
    said = f"{abs(mean):.1f} points {more} sure than it is right (95% {ends[0]:.1f} to {ends[1]:.1f})"
    if _differs(result):
        kind = "over-confident" if mean > 0 else "under-confident"
        return f"{name} is {kind}: on average it is {said}."
    return f"On average {name} is {said}, but the test of its calibration error does not confirm it."


def _error(result: Calibration) -> str:
    values = result.values
    ece, chance, p_value = values["ece"], values["ece_by_chance"], values["ece_p_value"]
    shown = f"Its calibration error is {ece:.3f}; chance alone would show {chance:.3f} with so many images"
    if _differs(result):
        return f"{shown}."
    if _leans(result):
        return f"{shown} (p = {p_value:.2f})."
    return f"{shown}, so that it may well be calibrated (p = {p_value:.2f})."


def _temperature(result: Calibration) -> str:
    fit, values = result.scaled, result.values
    if fit is None:
        return ""
    used, total = len(result.rows), len(result.run)
    one = "A" if used == total else f"On {used:,} sampled images, a"
    if fit.at_edge:
        return "No temperature is best: its log loss falls as far as temperatures are tried."
    if values["log_loss_after"] >= values["log_loss_before"]:
        return f"{one} temperature ({fit.temperature:.2f}) does not lower its log loss on images it was not fitted on."
    tempered = (
        f"{one} temperature of {fit.temperature:.2f} ({values['temperature_low']:.2f} to "
        f"{values['temperature_high']:.2f} between folds) brings"
    )
    loss = f"log loss from {values['log_loss_before']:.3f} to {values['log_loss_after']:.3f}"
    error = f"the calibration error from {values['ece_before']:.3f} to {values['ece_after']:.3f}"
    if values["ece_after"] >= values["ece_before"]:
        return f"{tempered} {loss} on images it was not fitted on, but not {error}, which is no better."
    return f"{tempered} {error} and {loss}, on images it was not fitted on."
