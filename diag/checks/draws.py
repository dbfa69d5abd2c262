"""Random draws of the checks: a generator of its own for each purpose, the same in every process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def draws(seed: int, purpose: str) -> np.random.Generator:
    """Return a generator of its own for each purpose, so that checks do not depend on their order.

    Parameters
    ----------
    seed : int
    purpose : str
        A few words, such as ``"rows"``.

    Examples
    --------
    >>> draws(0, "rows").random() == draws(0, "rows").random() != draws(0, "noise").random()
    True
    """
    import numpy as np

    return np.random.default_rng([seed, *purpose.encode()])
