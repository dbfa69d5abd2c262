"""What stays as long as the server runs, taken out of the sight of the collector of garbage.

Streamlit collects all garbage after every run of every session. With Altair, pandas and diag loaded it looks at 150,000
objects that never go: a tenth of a second of each rerun, of all sessions one after another.
"""

from __future__ import annotations

import gc

_serving = False
_seen: set[str] = set()


def serve() -> None:
    """Load what pages need, and keep the collector from looking at it. For the server's process alone."""
    global _serving
    import altair  # noqa: F401
    import diag_pages  # noqa: F401
    import diag_parts  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401

    _serving = True
    settle("")


def settle(page: str) -> None:
    """Do so again when a page was drawn for the first time: it has loaded more."""
    if _serving and page not in _seen:
        _seen.add(page)
        gc.collect()
        gc.freeze()
