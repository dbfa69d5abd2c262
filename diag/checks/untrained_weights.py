"""Weights that training never touched: constant, or still as their initialiser drew them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks import batch_statistics
from diag.checks.base import Check
from diag.errors import CheckNotApplicable, DiagError
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.checks.facts import KernelFacts
    from diag.results.diagnosis import Finding

ALPHA = 0.01
"""Of the test that weights still follow the distribution that they were drawn from."""
LEAST_WEIGHTS = 32
"""Fewer weights follow any distribution."""
_TRUNCATED = 0.87962566103423978
"""Standard deviation of the normal distribution truncated at two: Keras divides by it."""


def run(case: Case) -> Iterator[Finding]:
    """Look for constant kernels, kernels as drawn with a bias of exactly zero, and fresh batch normalisation."""
    kernels = [kernel for kernel in case.kernels if kernel.finite]
    if not kernels:
        raise CheckNotApplicable("There are no convolution or dense layers with usable weights.")
    states = {kernel.layer: "trained" for kernel in kernels}
    for kernel in kernels:
        state = _state(kernel)
        if state != "trained" and states[kernel.layer] != "untrained":
            states[kernel.layer] = state
    told = {name: state for name, state in states.items() if state != "trained"}
    if told:
        yield _finding(states, told, kernels[-1].layer, _works(case))
    if len(told) < len(states):
        yield from _never_filled(case)


def _works(case: Case) -> bool:
    """Return whether the labels say that the model is of use: half-way from naming one class to being always right.

    A head drawn at random gives each class of images some output, and for one or two classes of ten the right one:
    that alone is significantly better than chance.
    """
    try:
        correct, y_true = case.run.correct_mask, case.run.samples["y_true"]
    except DiagError:
        return False
    share = float(np.bincount(y_true).max() / len(y_true))
    return bool(correct.mean() > (1 + share) / 2)


def _finding(states: dict[str, str], told: dict[str, str], head: str, works: bool) -> Finding:
    alls = len(told) == len(states)
    parts = [f"{name} ({told[name]})" for name in list(told)[:5]]
    more = f" and {len(told) - 5} more" if len(told) > 5 else ""
    return CHECK.finding(
        "critical" if head in told and not works else "warning",
        f"{'All' if alls else len(told)} of {len(states)} layers look untrained: {', '.join(parts)}{more}.",
        "Load the trained weights into the model and save it again: they may have been loaded by other layer names, or "
        "before the model was built.",
        measured={"layers": list(told), "of": len(states), "head": head in told},
        evidence=[
            Evidence(
                "State of the weights, by layer",
                tuple({"layer": name, "state": state} for name, state in list(states.items())[:100]),
            )
        ],
    )


def _state(kernel: KernelFacts) -> str:
    """Return trained, all zero, constant, or as initialised."""
    if kernel.zero:
        return "all zero"
    if kernel.size >= LEAST_WEIGHTS and kernel.constant and kernel.trainable:
        return "all the same"
    if kernel.size < LEAST_WEIGHTS or not kernel.untouched:
        return "trained"
    return "as initialised" if as_drawn(kernel) else "trained"


def as_drawn(kernel: KernelFacts) -> bool:
    """Return whether weights follow an initialiser's distribution (Kolmogorov-Smirnov, within its bounds).

    The layer's own initialiser is tried, and those that layers have by default: a file may have lost its own.
    """
    from scipy.stats import kstest

    weights = kernel.sample.astype(np.float64)
    for bound, cumulative in _distributions(kernel):
        if np.abs(weights).max() <= bound * (1 + 1e-6) and kstest(weights, cumulative).pvalue > ALPHA:
            return True
    return False


def _distributions(kernel: KernelFacts) -> Iterator[tuple[float, Callable[[NDArray[Any]], NDArray[Any]]]]:
    """Yield (largest value, cumulative distribution) of the initialisers that may have drawn a kernel.

    References
    ----------
    Glorot and Bengio 2010; He et al. 2015, eq. 10; LeCun et al. 1998: variance ``scale / n``, with n the mean of both
    fans, the fan in, and the fan in.
    """
    from scipy.stats import norm, truncnorm, uniform

    own = kernel.initializer
    if own["kind"] == "RandomNormal" and {"mean", "stddev"} <= own.keys():
        yield np.inf, norm(own["mean"], own["stddev"]).cdf
    elif own["kind"] == "TruncatedNormal" and {"mean", "stddev"} <= own.keys():
        mean, sigma = own["mean"], own["stddev"]
        yield abs(mean) + 2 * sigma, truncnorm(-2, 2, mean, sigma).cdf
    elif own["kind"] == "RandomUniform" and {"minval", "maxval"} <= own.keys():
        low, high = own["minval"], own["maxval"]
        yield max(abs(low), abs(high)), uniform(low, high - low).cdf
    for variance in (2 / (kernel.fan_in + kernel.fan_out), 2 / kernel.fan_in, 1 / kernel.fan_in):
        limit, sigma = math.sqrt(3 * variance), math.sqrt(variance)
        yield limit, uniform(-limit, 2 * limit).cdf
        yield 2 * sigma / _TRUNCATED, truncnorm(-2, 2, 0, sigma / _TRUNCATED).cdf
        yield np.inf, norm(0, sigma).cdf


def _never_filled(case: Case) -> Iterator[Finding]:
    """Look for trained batch normalisation whose moving statistics are at their start and not those of the data.

    Statistics of 0 and 1 are right where they were merged into the weights, so that the data decides.
    """
    layers = case.weights.normalisations
    unfilled = [layer.name for layer in layers if layer.unfilled and not layer.fresh]
    if not unfilled:
        return
    try:
        off = {layer.name for layer in batch_statistics.layers(case) if layer.disagrees}
    except DiagError:
        off = None
    wrong = [name for name in unfilled if off is None or name.rsplit("/", 1)[-1] in off]
    if wrong:
        yield CHECK.finding(
            "note" if off is None else "warning",
            f"The moving statistics of {len(wrong)} of {len(layers)} layers of batch normalisation are exactly 0 and 1 "
            f"although the layers are trained, first of {wrong[0]}.",
            "Run training batches through the model in training mode before it is saved.",
            measured={"layers": wrong, "of": len(layers)},
        )


CHECK = Check("DG307", "Weights look untrained", run)
