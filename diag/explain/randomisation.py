"""Networks whose weights are gone, and how much of a map is left of them.

References
----------
Adebayo, Gilmer, Muelly et al. (2018), Sanity checks for saliency maps. arXiv:1810.03292, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MAX_STAGES = 6


def reinitialised(network: Any, seed: int) -> Iterator[str]:
    """Draw a network's weights anew in place, from the output down; yield a layer's name after each stage.

    Parameters
    ----------
    network : keras.Model
        It is changed: pass a copy.
    seed : int
        Seeds the draws.

    Yields
    ------
    str
        The layer down to which weights are drawn; at most `MAX_STAGES` times, spread evenly over the layers that have
        arrays with two axes or more. With the last one, nothing of them is left.
    """
    rng = np.random.default_rng(seed)
    cascade = _cascade(network)
    ends = set(np.linspace(1, len(cascade), min(len(cascade), MAX_STAGES)).round().astype(int).tolist())
    for number, (name, kernels) in enumerate(cascade, start=1):
        for kernel in kernels:
            trained = np.asarray(kernel)
            kernel.assign(rng.normal(0, trained.std(), trained.shape).astype(trained.dtype))
        if number in ends:
            yield name


def n_stages(network: Any) -> int:
    """Return how many stages `reinitialised` has for a network."""
    return min(len(_cascade(network)), MAX_STAGES)


def _cascade(network: Any) -> list[tuple[str, list[Any]]]:
    """Return the layers that have arrays with two axes or more, from the output down, and these arrays."""
    cascade: list[tuple[str, list[Any]]] = []
    known: set[int] = set()
    for layer in reversed(list(_walk(network))):
        kernels = [weight for weight in layer.weights if len(weight.shape) >= 2 and id(weight) not in known]
        known.update(id(weight) for weight in kernels)  # a layer may be used twice
        if kernels:
            cascade.append((layer.name, kernels))
    return cascade


def rank_correlation(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation over the pixels that either map marks.

    NaN if `before` is flat there; 0 if only `after` is: nothing of the map is left.
    """
    from scipy.stats import spearmanr

    marked = (before != 0) | (after != 0)
    first, second = before[marked], after[marked]
    if not len(first) or np.ptp(first) == 0:
        return float("nan")
    return 0.0 if np.ptp(second) == 0 else float(spearmanr(first, second).statistic)


def _walk(network: Any) -> Iterator[Any]:
    """Yield the layers of a network, those of nested networks too, inputs first."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from _walk(layer)
        else:
            yield layer
