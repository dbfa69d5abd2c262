"""What stays as long as the server runs, taken out of the sight of the collector of garbage.

Streamlit collects all garbage after every run of every session. With Altair, pandas and diag loaded it looks at 150,000
objects that never go: a tenth of a second of each rerun, of all sessions one after another.
"""

from __future__ import annotations

import gc
import itertools

MOST_RUNS = 4096
_serving = False
_runs = itertools.count(1)


def serve() -> None:
    """Load what pages need, and keep the collector from looking at it. For the server's process alone."""
    global _serving
    import altair  # noqa: F401
    import diag_pages  # noqa: F401
    import diag_parts  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401

    _serving = True
    _freeze()


def settle() -> None:
    """Do so again after the 1st, 2nd, 4th, 8th run, and so on: what is there then mostly stays.

    What goes all the same and is a cycle is never freed: of 13 moments, what the sessions of these held.
    """
    number = next(_runs) if _serving else 0
    if 0 < number <= MOST_RUNS and number.bit_count() == 1:
        _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()
