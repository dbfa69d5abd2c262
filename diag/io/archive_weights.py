"""Weights in the layout of ``.keras`` archives and ``.weights.h5``: a folder for each layer, by class and number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import ModelLoadError
from diag.io.allowed import RENAMED
from diag.io.layer_shapes import folder_name
from diag.io.legacy_weights import give

if TYPE_CHECKING:
    from diag.io.legacy_weights import Origin, Piece

_FOLDERS = ("layers", "_layer_checkpoint_dependencies")  # the second by TF 2.12 and 2.13
_WRITTEN = {name: written for written, name in RENAMED.items()}


def assign_archive(pieces: tuple[Piece, ...], group: Any, origin: Origin) -> None:
    """Give every layer its weights.

    Parameters
    ----------
    pieces : tuple of Piece
        In the order of the model's configuration, by which folders are numbered.
    group : h5py.Group
        That of the model: its layers lie in ``layers``.
    origin : Origin

    Raises
    ------
    ModelLoadError
        If a layer's folder is not there, or its weights do not fit.
    """
    folder = next((group[name] for name in _FOLDERS if name in group), None)
    used: dict[str, int] = {}
    for piece in pieces:
        place = folder_name(_WRITTEN.get(piece.kind, piece.kind), used)
        if folder is None or (place not in folder and piece.name in folder):
            place = piece.name  # the earliest archives went by name
        if folder is None or place not in folder:
            if piece.layer.weights:
                raise ModelLoadError(
                    f"{origin.name}: layer {piece.name}: the file has no weights for it. Save the model again."
                )
            continue
        _assign_piece(piece, folder[place], origin)


def _assign_piece(piece: Piece, group: Any, origin: Origin) -> None:
    if piece.kind in ("Bidirectional", "TimeDistributed"):
        ways = ("forward_layer", "backward_layer") if piece.kind == "Bidirectional" else ("layer",)
        for way, part in zip(ways, piece.parts, strict=False):
            if way in group:
                _assign_piece(part, group[way], origin)
    elif piece.parts:
        assign_archive(piece.parts, group, origin)
    elif piece.layer.weights:
        if piece.fit is not None or not _inside(group):
            give(piece, _arrays(group), origin)
        else:
            _assign_inside(piece, piece.layer, group, origin)


def _inside(group: Any) -> list[str]:
    """Return the folders of the layers inside a layer."""
    return [name for name in group if name != "vars" and hasattr(group[name], "keys")]


def _arrays(group: Any) -> list[Any]:
    values = group.get("vars", {})
    return [np.asarray(values[name]) for name in sorted(values, key=int)]


def _assign_inside(piece: Piece, layer: Any, group: Any, origin: Origin) -> None:
    """Give weights to a layer made of layers, such as a recurrent one of its cell; folders are attributes."""
    for name in _inside(group):
        inner = getattr(layer, name, None)
        if inner is not None and hasattr(inner, "weights"):
            _assign_inside(piece, inner, group[name], origin)
        elif isinstance(inner, list):
            used: dict[str, int] = {}
            for part in inner:
                _assign_inside(piece, part, group[name][folder_name(type(part).__name__, used)], origin)
    arrays = _arrays(group)
    if arrays:
        give(type(piece)(piece.name, piece.kind, _Own(layer)), arrays, origin)


class _Own:
    """A layer's own variables, as Keras writes them: without those of the layers inside it."""

    def __init__(self, layer: Any) -> None:
        inner = [name for name in ("layer", "cell") if hasattr(getattr(layer, name, None), "weights")]
        own = getattr(layer, "_trainable_variables", None)
        self.weights = [*own, *layer._non_trainable_variables] if inner and own is not None else layer.weights
        if hasattr(layer, "finalize_state"):
            self.finalize_state = layer.finalize_state
