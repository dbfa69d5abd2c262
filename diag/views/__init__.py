"""Frozen results in, pictures out. No statistics here.

What a notebook shows is found here by name: ``diag.views.confusion_chart(run)``. Names are imported when they are first
used (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diag.views.agreement_charts import agreement_chart as agreement_chart
    from diag.views.agreement_charts import ensembles_chart as ensembles_chart
    from diag.views.agreement_charts import overlap_chart as overlap_chart
    from diag.views.charts import accuracy_chart as accuracy_chart
    from diag.views.charts import class_balance_chart as class_balance_chart
    from diag.views.charts import confidence_histogram as confidence_histogram
    from diag.views.charts import confusion_chart as confusion_chart
    from diag.views.charts import confusion_pair_chart as confusion_pair_chart
    from diag.views.charts import per_class_chart as per_class_chart
    from diag.views.comparison_charts import class_difference_chart as class_difference_chart
    from diag.views.comparison_charts import confusion_difference_chart as confusion_difference_chart
    from diag.views.comparison_charts import difference_chart as difference_chart
    from diag.views.data_charts import embedding_map_chart as embedding_map_chart
    from diag.views.data_charts import slices_chart as slices_chart
    from diag.views.figures import activation_figure as activation_figure
    from diag.views.figures import attribution_figure as attribution_figure
    from diag.views.figures import kernel_figure as kernel_figure
    from diag.views.grids import class_grid as class_grid
    from diag.views.grids import confusion_grid as confusion_grid
    from diag.views.grids import image_grid as image_grid
    from diag.views.picture import Picture as Picture
    from diag.views.rank_charts import critical_difference_chart as critical_difference_chart
    from diag.views.training_charts import curve_chart as curve_chart
    from diag.views.training_charts import gap_chart as gap_chart
    from diag.views.training_figure import training_chart as training_chart
    from diag.views.trust import faithfulness_chart as faithfulness_chart
    from diag.views.trust import sanity_chart as sanity_chart

_HOMES = {
    "agreement_charts": ("agreement_chart", "ensembles_chart", "overlap_chart"),
    "charts": (
        "accuracy_chart", "class_balance_chart", "confidence_histogram", "confusion_chart", "confusion_pair_chart",
        "per_class_chart",
    ),
    "comparison_charts": ("class_difference_chart", "confusion_difference_chart", "difference_chart"),
    "data_charts": ("embedding_map_chart", "slices_chart"),
    "figures": ("activation_figure", "attribution_figure", "kernel_figure"),
    "grids": ("class_grid", "confusion_grid", "image_grid"),
    "picture": ("Picture",),
    "rank_charts": ("critical_difference_chart",),
    "training_charts": ("curve_chart", "gap_chart"),
    "training_figure": ("training_chart",),
    "trust": ("faithfulness_chart", "sanity_chart"),
}  # fmt: skip
_MODULES = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module 'diag.views' has no attribute {name!r}")
    value = getattr(import_module(f"diag.views.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
