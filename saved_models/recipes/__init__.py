"""What trains the shipped models: a module a notebook, over `training`, `layers` and `data`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saved_models.recipes.recipe import Recipe

NOTEBOOKS = ("haby", "dody", "lungu", "harder", "sd")


def recipes(data: str = "mnist") -> list[Recipe]:
    """Return all recipes for a data set, "mnist" or "digits"; the shipped small ones first for the latter."""
    from saved_models.recipes import digits, dody, haby, harder, lungu, sd

    notebooks = [recipe for module in (haby, dody, lungu, harder, sd) for recipe in module.recipes()]
    return [*digits.recipes(), *notebooks] if data == "digits" else notebooks


def shipped(data: str) -> list[Recipe]:
    """Return the recipes whose models are trained, and shipped, where none is named: for digits the small ones."""
    from saved_models.recipes import digits

    return digits.recipes() if data == "digits" else recipes(data)
