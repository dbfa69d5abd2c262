"""What the weights of a network are like: the operations `weight_statistics` and `duplicate_filters`.

They run where the network lives. Figures leave it, not weights: those of a large network are half a gigabyte.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.draws import draws
from diag.checks.kernels import biases, kernels
from diag.checks.network import leaves
from diag.io.store import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from diag.checks.kernels import Kernel

    Progress = Callable[[int, int], None]

CHUNK = 2**24
"""Weights that are looked at together, about."""
NEAR_ZERO = 1e-2
"""Norm of a filter in parts of its layer's median. Of networks trained without fault the smallest is 0.23."""
COSINE = 0.999
"""Of two filters with their biases. In networks trained without fault the largest is 0.97 (units of four inputs)."""
LEAST_WEIGHTS = 9
"""Filters of fewer weights, the bias included, are alike by chance."""
MAX_WIDTH = 512
"""Longer rows are first compared through so many random projections."""
ROUGH = 0.98


def weight_statistics(
    network: Any, arrays: Mapping[str, NDArray[Any]], options: Mapping[str, Any], progress: Progress | None
) -> Entry:
    """Return what the weights of every layer are like.

    Parameters
    ----------
    network : keras.Model
    arrays : mapping
        Nothing is needed.
    options : mapping
        ``seed``, and how many weights of a kernel are drawn (``sample``).
    progress : callable, optional
        Gets (layers done, in all).

    Returns
    -------
    Entry
        As `diag.checks.facts.WeightFacts` reads it.
    """
    layers = [(name, layer) for name, layer in leaves(network) if layer.weights]
    normal = [_normalisation(name, layer) for name, layer in layers if type(layer).__name__ == "BatchNormalization"]
    bad = []
    for done, (name, layer) in enumerate(layers):
        bad += list(_not_finite(name, layer))
        if progress is not None:
            progress(done + 1, len(layers))
    touched = [bool(np.any(bias)) for bias in biases(network)]
    fresh = bool(normal or touched) and all(each["fresh"] for each in normal) and not any(touched)
    rows = [_kernel(kernel, fresh, options) for kernel in kernels(network)]
    facts, norms, rms, samples = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Entry(
        meta={
            "kernels": list(facts),
            "drawn": [len(sample) for sample in samples],
            "normalisations": normal,
            "not_finite": bad,
        },
        arrays={
            "norms": np.concatenate([*norms, np.zeros(0)]),
            "rms": np.array(rms, dtype=np.float64),
            "sample": np.concatenate([*samples, np.zeros(0, dtype=np.float32)]),
        },
    )


def _not_finite(name: str, layer: Any) -> Iterator[dict[str, Any]]:
    for variable in layer.weights:
        array = np.asarray(variable)
        bad = 0
        if "float" in array.dtype.name:
            parts = np.array_split(array.reshape(-1), max(1, array.size // CHUNK))
            bad = sum(int((~np.isfinite(part.astype(np.float64))).sum()) for part in parts)
        if bad:
            yield {"layer": name, "weight": variable.name, "not_finite": bad, "of": int(array.size)}


def _normalisation(name: str, layer: Any) -> dict[str, Any]:
    """Return whether batch normalisation is as it was made: statistics; scale and offset too."""
    unfilled = _only(layer.moving_mean, 0) and _only(layer.moving_variance, 1)
    scaled = (layer.scale and not _only(layer.gamma, 1)) or (layer.center and not _only(layer.beta, 0))
    return {"name": name, "unfilled": unfilled, "fresh": unfilled and not scaled}


def _only(variable: Any, value: float) -> bool:
    return bool((np.asarray(variable) == value).all())


def _kernel(
    kernel: Kernel, fresh: bool, options: Mapping[str, Any]
) -> tuple[dict[str, Any], NDArray[np.float64], float, NDArray[np.float32]]:
    """Return the plain facts of a kernel, its rows' norms, the root mean square and a sample of its weights."""
    norms, rms = _scale(kernel)
    untouched = not np.any(kernel.bias) if kernel.bias is not None else fresh
    facts = {
        "layer": kernel.layer,
        "part": kernel.part,
        "kind": kernel.kind,
        "units": int(kernel.rows.shape[0]),
        "width": int(kernel.rows.shape[1]),
        "fan_in": int(kernel.fan_in),
        "fan_out": int(kernel.fan_out),
        "depthwise": kernel.depthwise,
        "trainable": kernel.trainable,
        "initializer": _initializer(kernel.initializer),
        "finite": kernel.finite,
        "zero": not np.any(kernel.rows),
        "constant": bool(kernel.rows.size and kernel.rows.min() == kernel.rows.max()),
        "untouched": untouched,
    }
    return facts, norms, rms, _sample(kernel, options) if untouched else np.zeros(0, dtype=np.float32)


def _scale(kernel: Kernel) -> tuple[NDArray[np.float64], float]:
    """Return the norm of every row, and the root mean square of all weights; large kernels in parts."""
    n_parts = -(-kernel.rows.size // CHUNK) or 1
    norms, squares = [], 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for part in np.array_split(kernel.rows, n_parts):
            wide = part.astype(np.float64)
            norms.append(np.linalg.norm(wide, axis=1))
            squares += float(np.sum(wide**2))
    return np.concatenate(norms), math.sqrt(squares / kernel.rows.size) if kernel.rows.size else 0.0


def _sample(kernel: Kernel, options: Mapping[str, Any]) -> NDArray[np.float32]:
    weights = kernel.rows.reshape(-1)
    if weights.size <= options["sample"]:
        return weights
    rng = draws(options["seed"], f"weights {kernel.layer}")
    drawn: NDArray[np.float32] = rng.choice(weights, options["sample"], replace=False)
    return drawn


def _initializer(initializer: Any) -> dict[str, Any]:
    """Return the class of an initialiser and those of its numbers that say how weights are spread."""
    numbers = {key: getattr(initializer, key, None) for key in ("mean", "stddev", "minval", "maxval")}
    kept = {key: float(value) for key, value in numbers.items() if isinstance(value, int | float)}
    return {
        "kind": type(initializer).__name__,
        **{key: value for key, value in kept.items() if math.isfinite(value)},
    }


def duplicate_filters(
    network: Any, arrays: Mapping[str, NDArray[Any]], options: Mapping[str, Any], progress: Progress | None
) -> Entry:
    """Return, for every layer whose filters can be compared, the groups of those that are copies of each other.

    Parameters
    ----------
    network : keras.Model
    arrays : mapping
        Nothing is needed.
    options : mapping
        ``seed``, and the multiply-adds that one kernel may cost (``work``).
    progress : callable, optional
        Gets (kernels done, in all).

    Returns
    -------
    Entry
        ``meta["kernels"]``: ``layer``, number of ``filters``, ``groups`` of their numbers (None where the comparison
        would cost too much), and whether it is the network's last kernel (``head``).
    """
    found: list[dict[str, Any]] = []
    last, total = "", len(leaves(network))
    for place, kernel in enumerate(kernels(network)):
        last = f"{kernel.layer} {kernel.part}"
        if _comparable(kernel):
            rng = draws(options["seed"], f"duplicates {kernel.layer}")
            groups = duplicates(kernel, rng) if _work(kernel) <= options["work"] else None
            found.append({"layer": kernel.layer, "filters": len(kernel.rows), "groups": groups, "head": last})
        if progress is not None:
            progress(min(place + 1, total), total)
    return Entry(meta={"kernels": [each | {"head": each["head"] == last} for each in found]})


def _comparable(kernel: Kernel) -> bool:
    width = kernel.rows.shape[1] + (kernel.bias is not None)
    return len(kernel.rows) > 1 and width >= LEAST_WEIGHTS and not kernel.depthwise and kernel.finite


def _work(kernel: Kernel) -> float:
    """Return the multiply-adds of the comparison of all pairs; wide rows are projected first."""
    units, width = (float(size) for size in kernel.rows.shape)
    return units * units * min(width, MAX_WIDTH) + (units * width * MAX_WIDTH if width > MAX_WIDTH else 0.0)


def duplicates(kernel: Kernel, rng: np.random.Generator) -> list[list[int]]:
    """Return groups of filters with the same direction, with and without their bias; filters near zero are in none."""
    zero = near_zero(_scale(kernel)[0])
    alive = np.flatnonzero(~zero) if np.any(kernel.rows) else np.zeros(0, dtype=np.int64)
    unit = _unit(kernel.rows[alive])
    whole = unit if kernel.bias is None else _unit(np.column_stack([kernel.rows, kernel.bias])[alive])
    groups: list[list[int]] = []
    taken = np.zeros(len(alive), dtype=bool)
    for first, near in _neighbours(unit, rng):
        if taken[first]:
            continue
        alike = (unit[near] @ unit[first] >= COSINE) & (whole[near] @ whole[first] >= COSINE)
        same = near[alike & ~taken[near]]
        if len(same) > 1:
            taken[same] = True
            groups.append([int(alive[place]) for place in same])
    return groups


def near_zero(norms: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows of a kernel are zero beside the others, from their norms, shape (units,)."""
    typical = float(np.median(norms[norms > 0])) if np.any(norms) else 0.0
    mask: NDArray[np.bool_] = norms <= NEAR_ZERO * typical
    return mask


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _neighbours(unit: NDArray[np.float32], rng: np.random.Generator) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield (row, rows that may have its direction, itself included) for rows that have any.

    Random projections keep the distance of near rows near (Johnson and Lindenstrauss 1984): a rough comparison of
    short rows leaves few pairs for the exact one.
    """
    short = unit
    if unit.shape[1] > MAX_WIDTH:
        short = _projected(unit, rng)
    limit = ROUGH if short is not unit else COSINE
    size = int(np.clip(2**26 // max(1, len(short)), 1, 1024))
    for start in range(0, len(short), size):
        alike = short[start : start + size] @ short.T >= limit
        for row in np.flatnonzero(alike.sum(axis=1) > 1):
            yield start + int(row), np.flatnonzero(alike[row])


def _projected(unit: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return rows (n, width) as (n, `MAX_WIDTH`) random projections of length 1; wide rows in parts."""
    wide = max(1, CHUNK // MAX_WIDTH)
    short = np.zeros((len(unit), MAX_WIDTH), dtype=np.float32)
    for start in range(0, unit.shape[1], wide):
        part = unit[:, start : start + wide]
        short += part @ rng.standard_normal((part.shape[1], MAX_WIDTH), dtype=np.float32)
    short /= np.maximum(np.linalg.norm(short, axis=1, keepdims=True), 1e-12)
    return short
