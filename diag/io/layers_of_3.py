"""Layers of Keras 3, each made by Keras from its admitted configuration."""

from __future__ import annotations

from typing import Any

from diag._lazy import import_keras
from diag.errors import DiagError
from diag.io.legacy_config import arguments_of

_ALWAYS = frozenset(("name", "dtype", "trainable", "batch_shape"))
# All that Keras gets to see of an entry: how layers are joined, and how they were built, is diag's work.
_SEEN = ("class_name", "module", "registered_name", "config")


def layer_of_3(entry: dict[str, Any]) -> Any:
    """Return the `keras.Layer` (or operation) of an entry; arguments of later versions that Keras lacks are left out.

    Parameters
    ----------
    entry : dict
        As `diag.io.admission.admitted` wrote it.
    """
    made = import_keras().saving.deserialize_keras_object
    seen = {key: entry[key] for key in _SEEN if key in entry}
    try:
        return made(seen, safe_mode=True)
    except DiagError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError):
        fewer = _pruned(seen)
        if fewer == seen:
            raise
        return made(fewer, safe_mode=True)


def _pruned(node: Any) -> Any:
    """Return a configuration without arguments that today's layers do not know."""
    if isinstance(node, dict):
        fresh = {key: _pruned(value) for key, value in node.items()}
        known = arguments_of(str(node.get("class_name"))) if isinstance(node.get("config"), dict) else None
        if known is not None:
            fresh["config"] = {key: value for key, value in fresh["config"].items() if key in known | _ALWAYS}
        return fresh
    return [_pruned(value) for value in node] if isinstance(node, list) else node
