"""Maps, made where the network is: what `diag.io.backends.OPERATIONS` names. Arrays and plain values in and out."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from diag._lazy import import_keras
from diag.errors import InvalidInputError, UnsupportedModelError
from diag.explain.deepshap import DeepShap, Maps
from diag.explain.expected_gradients import ExpectedGradients
from diag.explain.heads import NOT_FINITE
from diag.explain.randomisation import n_stages, reinitialised
from diag.io.store import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]
    Options = Mapping[str, Any]
    Progress = Callable[[int, int], None]
    Engine = Callable[[Any, tuple[int, ...], str | None], DeepShap]

KEPT_ENGINES = 4
"""Engines kept for one network: by shape of the input and by its last activation."""
_LOCK = threading.Lock()
_ENGINES: MutableMapping[Any, dict[tuple[tuple[int, ...], str | None], DeepShap]] = WeakKeyDictionary()


def maps(network: Any, arrays: Arrays, options: Options, progress: Progress | None = None) -> Entry:
    """Return maps of some images.

    Parameters
    ----------
    network : keras.Model
        With one input. It is not changed.
    arrays : mapping
        ``inputs`` (n, ...) and ``references`` (m, ...), as the network takes them, ``classes`` (n, k), and ``weights``
        (m,) where references have shares.
    options : mapping
        ``method``, ``target``, ``tolerance``, ``seed`` and ``max_memory`` of `diag.explain`; ``activation``, the last
        layer's as the file has it, and ``look``: whether the outputs have to tell what they are.
    progress : callable, optional
        Gets (work done, work in all).

    Returns
    -------
    Entry
        With the arrays of `diag.explain.deepshap.Maps`.

    Raises
    ------
    UnsupportedModelError
        If a layer has no rule, or logits are asked for where there are none.
    InvalidInputError
        If maps are not finite, or do not fit into the memory.
    """
    found = _maps(network, arrays, options, progress, _kept_engine)
    names = ("values", "base_values", "predictions", "n_used", "relative_error")
    return Entry(meta={}, arrays={name: getattr(found, name) for name in names})


def reinitialised_maps(network: Any, arrays: Arrays, options: Options, progress: Progress | None = None) -> Entry:
    """Return maps of a copy of a network whose weights are drawn anew, layer after layer from the output down.

    Parameters
    ----------
    network : keras.Model
        It is not changed.
    arrays : mapping
        ``inputs`` and ``references`` as for `maps`; ``classes`` (n,), the class of each image's map.
    options : mapping
        As for `maps`, with ``classes``: all that are explained together.
    progress : callable, optional
        Gets (work done, work in all).

    Returns
    -------
    Entry
        ``meta["layers"]``, the layer of each stage, and ``values`` (stages, n, ...): each image's map in each stage.
    """
    copy = _copy(network)
    engine = functools.cache(DeepShap)  # what is drawn anew changes in place
    wanted = np.asarray(options["classes"], dtype=np.int64)
    column = np.searchsorted(wanted, arrays["classes"])
    given = {**arrays, "classes": np.tile(wanted, (len(column), 1))}
    layers: list[str] = []
    values = []
    total = n_stages(copy)
    for layer in reinitialised(copy, options["seed"]):
        report = None if progress is None else _part(progress, len(layers), total)
        found = _maps(copy, given, options, report, engine).values
        values.append(found[np.arange(len(column)), ..., column])
        layers.append(layer)
    empty = np.zeros((0, *arrays["inputs"].shape), np.float32)
    return Entry(meta={"layers": layers}, arrays={"values": np.stack(values) if values else empty})


def _part(progress: Progress, place: int, parts: int) -> Progress:
    """Return what reports on one of several parts, whatever it counts in itself."""
    return lambda done, total: progress(place * total + done, parts * total)


def _maps(network: Any, arrays: Arrays, options: Options, progress: Progress | None, engine: Engine) -> Maps:
    inputs, references, classes = (arrays[name] for name in ("inputs", "references", "classes"))
    activation = _seen_activation(network, inputs) if options["look"] and len(inputs) else options["activation"]
    weights, target, seed = arrays.get("weights"), options["target"], options["seed"]
    memory = options["max_memory"]
    if options["method"] == "expected_gradients":
        estimate = ExpectedGradients(network, activation)
        found = estimate.maps(
            inputs, references, classes, target, seed=seed, weights=weights, max_memory=memory, progress=progress
        )
    else:
        with _LOCK:
            made = engine(network, inputs.shape[1:], activation)
        found = made.maps(
            inputs, references, classes, target, tolerance=options["tolerance"], seed=seed, weights=weights,
            max_memory=memory, progress=progress,
        )  # fmt: skip
    if not np.isfinite(found.values).all():
        raise InvalidInputError(NOT_FINITE)
    return found


def _kept_engine(network: Any, shape: tuple[int, ...], activation: str | None) -> DeepShap:
    """Return the engine of a network, built once: the dashboard asks for one image after the other."""
    kept = _ENGINES.setdefault(network, {})
    made = kept.pop((shape, activation), None) or DeepShap(network, shape, activation)
    kept[shape, activation] = made
    if len(kept) > KEPT_ENGINES:
        kept.pop(next(iter(kept)))
    return made


def _seen_activation(network: Any, inputs: NDArray[Any]) -> str:
    """Return what outputs look like, as `Model.predict_proba` takes them: rows that are no probabilities are logits."""
    raw = np.asarray(network(inputs[:32], training=False)).reshape(len(inputs[:32]), -1)
    proba = raw if raw.shape[1] > 1 else np.concatenate([1 - raw, raw], axis=1)
    if raw.min() >= 0 and raw.max() <= 1 and np.allclose(proba.sum(axis=1), 1, atol=1e-3):
        return "probability"
    return "linear"


def _copy(network: Any) -> Any:
    """Return a network of the same layers and weights, which may be changed."""
    try:
        copy = import_keras().models.clone_model(network)
        copy.set_weights(network.get_weights())
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UnsupportedModelError(
            f"{network.name}: expected a network that can be copied, to draw its weights anew. {error}"
        ) from error
    return copy
