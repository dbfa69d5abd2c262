"""Small models written by hand, without Keras: good ones, into which attacks are planted."""

from __future__ import annotations

import base64
import io
import json
import marshal
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SIDE = 8  # images of 8 x 8 x 1, two classes
Config = dict[str, Any]


def thing(kind: str, module: str | None = "keras.layers", registered: str | None = None, **config: Any) -> Config:
    """Return an object in Keras 3's own words."""
    return {"module": module, "class_name": kind, "config": config, "registered_name": registered}


def source(shape: list[int | None] | None = None, name: str = "input_layer") -> Config:
    """Return an input layer."""
    shape = [None, SIDE, SIDE, 1] if shape is None else shape
    return thing("InputLayer", batch_shape=shape, dtype="float32", sparse=False, name=name)


def dense(units: int = 2, name: str = "dense", **config: Any) -> Config:
    """Return a dense layer."""
    return thing("Dense", **{"name": name, "units": units, "activation": "softmax", "use_bias": True, **config})


def flatten() -> Config:
    """Return a flattening layer."""
    return thing("Flatten", name="flatten", data_format="channels_last")


def sequential(*layers: Config, **more: Any) -> Config:
    """Return a Sequential model."""
    return {**thing("Sequential", "keras", name="sequential", layers=list(layers)), **more}


def with_layer(*layers: Config) -> Config:
    """Return the good model with layers between its input and its end."""
    return sequential(source(), *layers, flatten(), dense())


def good() -> Config:
    """Return the good model: flatten and a dense layer."""
    return with_layer()


def node(*names: str, shape: list[int | None] | None = None, **keywords: Any) -> Config:
    """Return an inbound node of Keras 3 that calls a layer on the outputs of others."""
    shape = shape or [None, 4]
    tensors = [
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": shape, "dtype": "float32", "keras_history": [name, 0, 0]},
        }
        for name in names
    ]
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": keywords}


def functional(layers: list[tuple[Config, list[Config]]], last: str, name: str = "net") -> Config:
    """Return a Functional model of (layer, inbound nodes); the first is the input."""
    listed = [{**layer, "name": layer["config"]["name"], "inbound_nodes": nodes} for layer, nodes in layers]
    first = layers[0][0]["config"]["name"]
    ends = {"input_layers": [[first, 0, 0]], "output_layers": [[last, 0, 0]]}
    return thing("Functional", "keras.src.models.functional", "Functional", name=name, layers=listed, **ends)


def weights(**arrays: Any) -> bytes:
    """Return a Keras 3 weight file; without arguments that of the good model."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, array in (arrays or good_arrays()).items():
            file[name.replace("__", "/")] = array
        file.require_group("layers/flatten/vars")
    return stream.getvalue()


def good_arrays() -> dict[str, Any]:
    """Return the weights of the good model."""
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(SIDE * SIDE, 2)).astype("f4")
    return {"layers/dense/vars/0": kernel, "layers/dense/vars/1": np.zeros(2, "f4")}


def keras_file(
    path: Path, config: Any = None, weight_file: bytes | None = None, extra: Mapping[str, bytes | str] | None = None
) -> Path:
    """Write a ``.keras`` archive; the good model where nothing else is given."""
    text = config if isinstance(config, str | bytes) else json.dumps(good() if config is None else config)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}))
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", weights() if weight_file is None else weight_file)
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return path


def layer2(kind: str, name: str, **config: Any) -> Config:
    """Return a layer in the words of Keras 2."""
    return {"class_name": kind, "config": {"name": name, **config}}


def good2(*layers: Config) -> Config:
    """Return the good model in the words of Keras 2, with layers at its beginning."""
    start = [
        layer2("InputLayer", "input_1", batch_input_shape=[None, SIDE, SIDE, 1], dtype="float32"),
        *layers,
        layer2("Flatten", "flatten", data_format="channels_last"),
        layer2("Dense", "dense", units=2, activation="softmax", use_bias=True),
    ]
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": start}}


def legacy_file(path: Path, config: Any = None, change: Any = None, **attributes: Any) -> Path:
    """Write a legacy ``.h5``; `change` is called with the open file at the end."""
    with h5py.File(path, "w") as file:
        text = config if isinstance(config, str | bytes) else json.dumps(good2() if config is None else config)
        _attribute(file, "model_config", text)
        for name, value in {"keras_version": "2.4.0", "backend": "tensorflow", **attributes}.items():
            file.attrs[name] = value
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense"]
        inner = group.create_group("dense")
        inner.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        kernel, bias = good_arrays().values()
        inner["dense/kernel:0"], inner["dense/bias:0"] = kernel, bias
        if change is not None:
            change(file)
    return path


def _attribute(file: h5py.File, name: str, text: str | bytes) -> None:
    """Write a text as h5py does for any length: short ones lie in the header, long ones in a heap."""
    raw = text.encode() if isinstance(text, str) else text
    file.attrs.create(
        name, raw.decode() if len(raw) > 60_000 else raw, dtype=h5py.string_dtype() if len(raw) > 60_000 else None
    )


def lambda_code(expression: str) -> str:
    """Return ``lambda x: EXPRESSION`` as Keras stores it: marshalled, in base64. It is compiled, not called."""
    outer = compile(f"lambda x: {expression}", "<model>", "eval")
    inner = next(value for value in outer.co_consts if hasattr(value, "co_code"))
    return base64.b64encode(marshal.dumps(inner)).decode()


def lambda3(code: str) -> Config:
    """Return a function in Keras 3's words."""
    return {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}
