"""A `ModelFile` as JSON and back: how it crosses from the process that read the file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.io.layer_shapes import End, LayerInfo
from diag.io.model_file import ModelFile

if TYPE_CHECKING:
    from collections.abc import Mapping


def to_json(file: ModelFile) -> dict[str, Any]:
    """Return a model file's description as JSON holds it."""
    values = {each.name: getattr(file, each.name) for each in dataclasses.fields(file)}
    for name in ("layers", "inputs", "outputs"):
        values[name] = [dataclasses.asdict(each) for each in values[name]]
    return {**values, "path": str(file.path)}


def from_json(values: Mapping[str, Any]) -> ModelFile:
    """Return what `to_json` was given."""
    layers = tuple(
        LayerInfo(
            **{
                **each,
                "weight_shapes": tuple(tuple(shape) for shape in each["weight_shapes"]),
                "output_shape": _shape(each["output_shape"]),
            }
        )
        for each in values["layers"]
    )
    ends: dict[str, Any] = {
        name: tuple(End(**{**each, "shape": _shape(each["shape"])}) for each in values[name])
        for name in ("inputs", "outputs")
    }
    rest: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    known: dict[str, Any] = {**rest, **ends, "layers": layers, "path": Path(values["path"])}
    return ModelFile(**known)


def _shape(sizes: list[int | None] | None) -> tuple[int | None, ...] | None:
    return None if sizes is None else tuple(sizes)
