"""Whether processes run."""

from __future__ import annotations

import os


def runs(number: int) -> bool:
    """Return whether a process of this number runs."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # another user's
    return True
