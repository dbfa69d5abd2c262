"""What goes into a network and what comes out of it, where its file does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from diag.io.store import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from numpy.typing import NDArray

    from diag.io.backends import Backend

    Ends = Mapping[str, list[list[int | None]]]

_KNOWN: MutableMapping[Backend, Ends] = WeakKeyDictionary()


def ends(
    network: Any,
    arrays: Mapping[str, NDArray[Any]],
    options: Mapping[str, Any],
    progress: Callable[[int, int], None] | None = None,
) -> Entry:
    """Return the shapes of a network's ends, batch axis first: an operation of `diag.io.backends.OPERATIONS`.

    Parameters
    ----------
    network : keras.Model
    arrays, options : mapping
        Nothing is looked at.
    progress : callable, optional
        Is not called.

    Returns
    -------
    Entry
        ``meta["inputs"]`` and ``meta["outputs"]``, each a list of shapes; None for a size that is left open.
    """
    found = {"inputs": network.inputs, "outputs": network.outputs}
    return Entry(meta={name: [_shape(tensor) for tensor in tensors] for name, tensors in found.items()})


def _shape(tensor: Any) -> list[int | None]:
    return [None if size is None else int(size) for size in tensor.shape]


def ends_of(backend: Backend) -> Ends:
    """Return what `ends` says of a backend's network, asked for once."""
    if backend not in _KNOWN:
        _KNOWN[backend] = backend.run("ends", {}, {}).meta
    return _KNOWN[backend]
