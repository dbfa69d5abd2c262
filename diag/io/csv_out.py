"""Tables written as CSV: a whole file or none, and no text in it that a spreadsheet would run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.io.out_files import write_output

if TYPE_CHECKING:
    import pandas as pd

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A cell that begins with one of these is a formula to a spreadsheet, or becomes one when it is trimmed."""


def escaped(value: Any) -> Any:
    """Return a cell as it may stand in a CSV: a text that a spreadsheet would run as a formula gets a quote in front.

    Numbers stay as they are, negative ones too.

    References
    ----------
    OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection.

    Examples
    --------
    >>> escaped("=HYPERLINK(1)"), escaped("cat"), escaped(-1.5)
    ("'=HYPERLINK(1)", 'cat', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(STARTS) else value


def csv_text(frame: pd.DataFrame, index: bool = False) -> str:
    r"""Return a frame as the text of a CSV, one header line, numbers in full, what is missing as an empty cell.

    Parameters
    ----------
    frame : DataFrame
    index : bool
        Whether the index becomes the first columns.

    Examples
    --------
    >>> import pandas as pd
    >>> csv_text(pd.DataFrame({"class": ["@cat", "dog"], "share": [0.25, float("nan")]}))
    "class,share\n'@cat,0.25\ndog,\n"
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    table = frame.reset_index() if index else frame.copy()
    for place in range(table.shape[1]):
        column = table.iloc[:, place]
        if not (is_numeric_dtype(column.dtype) or is_bool_dtype(column.dtype)):
            table.isetitem(place, list(map(escaped, column.astype(object))))
    table.columns = [escaped(str(name)) for name in table.columns]
    return str(table.to_csv(index=False, lineterminator="\n"))


def write_csv(path: str | Path, frame: pd.DataFrame, index: bool = False) -> Path:
    """Write a frame as `csv_text` makes it, UTF-8; an older file is replaced whole or not at all.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InvalidInputError
        If the folder does not exist or cannot be written.
    """
    return write_output(path, csv_text(frame, index))
