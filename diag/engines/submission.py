"""The predicted class of images without labels, as a table that a competition takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diag.detection import settle
from diag.errors import InvalidInputError
from diag.io.arguments import require, whole_number
from diag.io.csv_out import write_csv
from diag.io.datasets import Dataset
from diag.io.out_files import check_output

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from diag.io.models import Model


def submission(
    model: Model,
    data: Dataset,
    out: str | Path | None = None,
    *,
    id_column: str = "Id",
    label_column: str = "Category",
    id_start: int = 0,
) -> pd.DataFrame:
    """Return one row an image: its Id and the predicted class.

    Parameters
    ----------
    model : Model
    data : Dataset
        Labels are not needed.
    out : str or Path, optional
        The CSV to write.
    id_column, label_column : str
        Names of the two columns.
    id_start : int
        The first image's Id, when the data has no Ids of its own.

    Returns
    -------
    DataFrame
        ``attrs["notes"]`` says what was assumed, one sentence each, as the notes of an `Evaluation` do: images of
        another size or with other channels than the model's input are brought to it.

    Raises
    ------
    InvalidInputError
        If `data` is no data set, its images cannot be brought to the model's input, the columns have no names or the
        same, `id_start` is no whole number, or the file cannot be written.

    Examples
    --------
    >>> submission(model, diag.load_dataset("test.csv"), "Submission.csv")  # doctest: +SKIP
    """
    require(data, Dataset, "submission", "a data set: diag.load_dataset(...)")
    if out is not None:
        check_output(Path(out), "out", endings=(".csv",), inputs=(model.path, data.source))
    columns = _columns(id_column, label_column)
    id_start = whole_number("id_start", id_start, 0)
    model, _, assumed = settle(model, data)
    predicted = model.predict_proba(data.images).argmax(axis=1)
    frame = submission_frame(model.class_names, predicted, data.sample_names, columns, id_start)
    frame.attrs["notes"] = (*data.notes, *assumed)
    if out is not None:
        write_csv(out, frame)
    return frame


def _columns(id_column: str, label_column: str) -> tuple[str, str]:
    """Return the names of the columns, which are two."""
    for name, text in (("id_column", id_column), ("label_column", label_column)):
        if not isinstance(text, str) or not text.strip():
            raise InvalidInputError(f"{name}: expected the name of a column. Received: {text!r}. Pass one.")
    if id_column == label_column:
        raise InvalidInputError(
            f"label_column: expected another name than id_column. Received: {label_column!r} for both. Change one."
        )
    return id_column, label_column


def submission_frame(
    class_names: tuple[str, ...],
    predicted: NDArray[np.int64],
    sample_names: tuple[str, ...] | None,
    columns: tuple[str, str] = ("Id", "Category"),
    id_start: int = 0,
) -> pd.DataFrame:
    """Return the frame of `submission` for class numbers, shape (n,); Ids are the names of images that have some."""
    import pandas as pd

    ids = list(sample_names) if sample_names is not None else list(range(id_start, id_start + len(predicted)))
    frame = pd.DataFrame({0: ids, 1: np.asarray(class_names, dtype=object)[predicted]})
    return frame.set_axis(list(columns), axis=1)
