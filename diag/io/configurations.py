"""Configurations as JSON: bounded in bytes, depth, count and the size of their numbers before anything walks them."""

from __future__ import annotations

import json
from typing import Any

from diag.errors import ModelLoadError
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

_BYTES_A_VALUE = 16
"""A configuration may have one value in as many of the bytes that are allowed."""


def parsed_json(text: bytes | str, where: str) -> dict[str, Any]:
    """Return a JSON object within the limits.

    Parameters
    ----------
    text : bytes or str
    where : str
        What messages begin with.

    Raises
    ------
    ModelLoadError
        If it is none, or is larger or deeper than the limits.
    """
    limits = Limits.current()
    if not isinstance(text, bytes | str):
        raise ModelLoadError(f"{where}: expected JSON. Received: {type(text).__name__}. Save the model again.")
    if len(text) > limits.config_bytes:
        raise too_large(where, len(text), limits)
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # half a character in a name fails here, not in a table
    except RecursionError:
        raise _too_deep(where, 10 * limits.config_depth, limits) from None
    except ValueError as error:
        raise ModelLoadError(
            f"{where}: expected JSON. Received: {printable(str(error), 120)}. Save the model again."
        ) from error
    if not isinstance(value, dict):
        raise ModelLoadError(
            f"{where}: expected a JSON object. Received: {type(value).__name__}. Save the model again."
        )
    _refuse_depth(value, where, limits)
    return value


def too_large(where: str, size: int, limits: Limits) -> ModelLoadError:
    """Return the error for a configuration of too many bytes."""
    return ModelLoadError(
        f"{where}: expected JSON of at most {limits.config_bytes:,} bytes. Received: {size:,}: not a model's "
        f"description. {raise_hint('config_bytes', size)}"
    )


def _refuse_depth(value: Any, where: str, limits: Limits) -> None:
    """Walk down level by level, without recursion."""
    level, depth, count = [value], 0, 0
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > limits.config_depth:
            raise _too_deep(where, 2 * limits.config_depth, limits)
        if count > limits.config_bytes // _BYTES_A_VALUE:
            raise ModelLoadError(
                f"{where}: expected at most {limits.config_bytes // _BYTES_A_VALUE:,} values. Received: more. "
                f"{raise_hint('config_bytes', 2 * limits.config_bytes)}"
            )
        level = [inner for part in level for inner in _inside(part)]


def _inside(part: Any) -> Any:
    if isinstance(part, dict):
        return part.values()
    return part if isinstance(part, list) else ()


def _too_deep(where: str, depth: int, limits: Limits) -> ModelLoadError:
    return ModelLoadError(
        f"{where}: expected JSON with at most {limits.config_depth} objects or lists in one another. Received: more. "
        f"{raise_hint('config_depth', depth)}"
    )
