"""Loss and accuracy of training runs in one figure, for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diag.errors import InvalidInputError
from diag.io.arguments import require
from diag.results.training import Training
from diag.views.charts import side_by_side
from diag.views.training_charts import curve_chart

if TYPE_CHECKING:
    import altair as alt

WIDTH, HEIGHT = 340, 260


def training_chart(trained: Training) -> alt.HConcatChart:
    """Return loss and accuracy side by side, of one model or of several: training dashed, validation solid.

    Parameters
    ----------
    trained : Training
        Such as ``diag.training(diag.compare([run]))``, or ``diag.training({"cnn": diag.load_history("cnn.log")})``.

    Raises
    ------
    InvalidInputError
        If no model has a history with a loss or an accuracy, or `trained` is another thing.
    """
    require(trained, Training, "training_chart", "a training: diag.training(comparison)")
    metrics = [name for name in trained.metrics() if name in ("loss", "accuracy")]
    if not metrics:
        raise InvalidInputError(
            "training_chart: expected a history with loss or accuracy. Received: none. Name it in the model card."
        )
    return side_by_side(*(curve_chart(trained, name).properties(width=WIDTH, height=HEIGHT) for name in metrics))
