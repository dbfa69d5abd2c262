"""The accuracies of the same models on several parts of the data, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from diag.errors import InvalidInputError
from diag.io.arguments import require
from diag.results.comparison import Comparison

if TYPE_CHECKING:
    import pandas as pd


def accuracies(comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """Return one row a model and one column a part of the data: accuracies, 0..1.

    Parameters
    ----------
    comparisons : mapping of str to Comparison
        What each part is called, such as ``"training"`` and ``"testing"``, and the models on it.

    Returns
    -------
    DataFrame
        Index ``model``; best first by the last part. A model that is not in a comparison has NaN there.

    Raises
    ------
    InvalidInputError
        If there is none, or one is no comparison.

    Examples
    --------
    >>> accuracies({"training": diag.compare(train), "testing": diag.compare(test)})  # doctest: +SKIP
    """
    import pandas as pd

    require(comparisons, Mapping, "accuracies", 'comparisons by the part of the data: {"testing": diag.compare(runs)}')
    if not comparisons:
        raise InvalidInputError("accuracies: expected at least one comparison. Received: none.")
    for part, each in comparisons.items():
        require(each, Comparison, f"accuracies, {part!r}", "a comparison: diag.compare([run])")
    columns = {
        part: pd.Series({name: run.figures()["accuracy"] for name, run in zip(each.names, each.runs, strict=True)})
        for part, each in comparisons.items()
    }
    frame = pd.DataFrame(columns).rename_axis("model")
    return frame.sort_values(list(columns)[-1], ascending=False, kind="stable")
