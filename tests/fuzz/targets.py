"""What is fuzzed: a name, how bytes become a file, and diag's own function that reads it.

Bytes that would fail at a checksum, or at a wrapping, are put inside a good one: a configuration into an archive, an
example into a record, an array into a gzip file.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from diag.errors import DataError
from tests.attacks.models import keras_file, legacy_file, weights
from tests.attacks.skops import GOOD
from tests.fuzz.mutations import Mutate, mutated_bytes, mutated_json, mutated_text
from tests.io.written import png, record

IMAGES = 20
"""Images of a data set that are fetched."""
EVENTS = "events.out.tfevents.1700000000.host.1.0.v2"


@dataclass(frozen=True, slots=True)
class Target:
    """One reader under test.

    Parameters
    ----------
    name : str
    read : callable
        Gets a folder of its own, and the bytes; writes what has to be written there, and reads it with diag.
    mutate : callable
        How good bytes are changed.
    native : bool
        Read in the process that may die only: libraries in C open it, and it may crash or hang them.
    network : bool
        Builds a network: slow, not in the smoke run.
    """

    name: str
    read: Callable[[Path, bytes], Any]
    mutate: Mutate = mutated_bytes
    native: bool = False
    network: bool = False


def _audited(folder: Path, data: bytes, name: str = "m.keras") -> None:
    from diag.io.isolated import audit

    (folder / name).write_bytes(data)
    audit(folder / name)


def _archive(folder: Path, member: str, data: bytes) -> None:
    """Audit an archive of which one member is given."""
    keras_file(folder / "base.keras")
    path = folder / "m.keras"
    with zipfile.ZipFile(folder / "base.keras") as base, zipfile.ZipFile(path, "w") as archive:
        for name in base.namelist():
            archive.writestr(name, data if name == member else base.read(name))
    _audited(folder, path.read_bytes())


def _legacy_config(folder: Path, data: bytes) -> None:
    from diag.io.isolated import audit

    with h5py.File(legacy_file(folder / "m.h5"), "a") as file:
        del file.attrs["model_config"]
        file.attrs["model_config"] = np.void(data or b"\0") if b"\0" in data or not data else np.bytes_(data[:60_000])
    audit(folder / "m.h5")


def _attributes(folder: Path, data: bytes) -> None:
    """Audit a legacy file whose attributes JSON describes: ``{"group": {"name": value}}``."""
    from diag.io.isolated import audit

    with h5py.File(legacy_file(folder / "m.h5"), "a") as file:
        for group, values in _table(_json_or_none(data)).items():
            for name, value in _table(values).items():
                if group in file and name and "\0" not in name:
                    _set_attribute(file[group], name.encode("utf-8", "replace").decode(), value)
    audit(folder / "m.h5")


def _set_attribute(group: Any, name: str, value: Any) -> None:
    group.attrs.pop(name, None)
    try:
        group.attrs[name] = value
    except (TypeError, ValueError, OSError, RuntimeError, OverflowError):  # h5py cannot store it
        group.attrs[name] = np.bytes_(json.dumps(value).encode()[:60_000] or b" ")


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _json_or_none(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _architecture(folder: Path, data: bytes) -> None:
    from diag.io.architectures import load_architecture
    from diag.io.isolated import audit

    (folder / "a.json").write_bytes(data)
    (folder / "w.weights.h5").write_bytes(weights())
    audit(folder / "w.weights.h5", architecture=load_architecture(folder / "a.json"))


def _loaded(folder: Path, data: bytes, name: str) -> None:
    """Load a model and have it answer one black image."""
    from diag.io.models import load_model

    (folder / name).write_bytes(data)
    model = load_model(folder / name)
    model._backend.prepare()
    shape = model.input_shape if len(model.input_shape) == 3 else (1, math.prod(model.input_shape), 1)
    model.predict_proba(np.zeros((1, *shape), np.float32))


def _loaded_config(folder: Path, data: bytes) -> None:
    from tests.fuzz.corpus import loaded_weights

    keras_file(folder / "n.keras", config=data, weight_file=loaded_weights())
    _loaded(folder, (folder / "n.keras").read_bytes(), "m.keras")


def _skops(folder: Path, data: bytes) -> None:
    """Read a skops file with another schema, and have it answer."""
    with zipfile.ZipFile(GOOD) as base, zipfile.ZipFile(folder / "s.skops", "w") as archive:
        for name in base.namelist():
            archive.writestr(name, data if name == "schema.json" else base.read(name))
    _loaded(folder, (folder / "s.skops").read_bytes(), "m.skops")


def _card(folder: Path, data: bytes) -> None:
    from diag.io.modelcard import card_text, load_card

    (folder / "m.toml").write_bytes(data)
    card_text(load_card(folder / "m.keras"), folder)


def _ensemble(folder: Path, data: bytes) -> None:
    from diag.io.ensemble_files import load_ensemble

    for name in ("a.keras", "b.keras"):
        keras_file(folder / name)
    (folder / "e.ensemble.toml").write_bytes(data)
    load_ensemble(folder / "e.ensemble.toml")


def _preprocessing(_: Path, data: bytes) -> None:
    from diag.io.preprocessing import Preprocessing

    Preprocessing.from_dict(_table(_json_or_none(data)))


def _names(folder: Path, data: bytes, name: str) -> None:
    from diag.io.class_names import class_names_from

    (folder / name).write_bytes(data)
    class_names_from(folder / name)


def _history(folder: Path, data: bytes, name: str) -> None:
    from diag.io.histories import load_history

    (folder / name).write_bytes(data)
    history = load_history(folder / name)
    history.frame()
    for metric in list(history.columns)[:5]:
        with contextlib.suppress(DataError):  # no finite number in it
            history.best_epoch(metric)


def _event(folder: Path, data: bytes) -> None:
    _history(folder, record(b"\x09" + bytes(8) + b"\x10\x00") + record(data), EVENTS)


def _data(folder: Path, data: bytes, name: str, given: str = "") -> None:
    (folder / name).write_bytes(data)
    _looked_at(folder / (given or name))


def _looked_at(path: Path) -> None:
    """Load data, fetch some images, and make a table of what is said of all."""
    from diag.io.datasets import load_dataset

    data = load_dataset(str(path))
    np.asarray(data.images[: min(IMAGES, len(data))])
    if len(data) < 10_000:
        data.frame()


def _npy_pair(folder: Path, data: bytes) -> None:
    np.save(folder / "labels.npy", np.arange(4) % 2)
    _data(folder, data, "images.npy")


def _npz_member(folder: Path, data: bytes) -> None:
    labels = io.BytesIO()
    np.save(labels, np.arange(4) % 2)
    _data(folder, _zip({"x.npy": data, "y.npy": labels.getvalue()}), "a.npz")


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def _idx(folder: Path, data: bytes) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 4) + bytes((0, 1, 0, 1)))
    _data(folder, data, "t10k-images-idx3-ubyte")


def _idx_gzip(folder: Path, data: bytes, packed: bool) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(struct.pack(">HBBI", 0, 8, 1, 4) + bytes((0, 1, 0, 1)), mtime=0)
    )
    _data(folder, data if packed else gzip.compress(data, 1, mtime=0), "t10k-images-idx3-ubyte.gz")


def _sidecar(folder: Path, data: bytes) -> None:
    for name in ("cat", "dog"):
        (folder / "pets" / name).mkdir(parents=True, exist_ok=True)
        (folder / "pets" / name / "1.png").write_bytes(_good_png())
    (folder / "pets" / "metadata.csv").write_bytes(data)
    _looked_at(folder / "pets")


@functools.cache
def _good_png() -> bytes:
    return png(np.arange(75, dtype=np.uint8).reshape(5, 5, 3))


def _picture(folder: Path, data: bytes, ending: str) -> None:
    for name, content in ((f"cat/1.{ending}", data), ("dog/1.png", picture("png"))):
        (folder / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "pets" / name).write_bytes(content)
    _looked_at(folder / "pets")


def _png_chunks(folder: Path, data: bytes) -> None:
    """Read a PNG whose checksums are right whatever its chunks hold."""
    _picture(folder, checked_png(data), "png")


def checked_png(data: bytes) -> bytes:
    """Return a PNG with every chunk's checksum made anew."""
    out, place = bytearray(data), 8
    while place + 12 <= len(out):
        size = int.from_bytes(out[place : place + 4], "big")
        end = place + 8 + size
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(out)


def _zip_names(folder: Path, data: bytes) -> None:
    """Read an archive of pictures with the names in a JSON list."""
    names = _json_or_none(data)
    listed = [str(name).encode("utf-8", "replace").decode()[:5000] for name in names] if isinstance(names, list) else []
    _data(folder, _zip(dict.fromkeys(listed[:500], _good_png())), "a.zip")


def _parquet_metadata(folder: Path, data: bytes) -> None:
    """Read a table with the notes of Hugging Face in its schema, which are JSON."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"image": [{"bytes": _good_png(), "path": None}] * 4, "label": [0, 1, 0, 1]})
    parquet.write_table(table.replace_schema_metadata({"huggingface": data}), folder / "a.parquet")
    _looked_at(folder / "a.parquet")


def _text(function: str, data: bytes) -> None:
    import importlib

    module, name = function.split(":")
    home: Any = importlib.import_module(module)
    for part in name.split("."):
        home = getattr(home, part)
    home(data.decode("utf-8", "replace"))


def _code(_: Path, data: bytes) -> None:
    from diag.io.lambdas import expression_of

    expression_of({"function": [base64.b64encode(data).decode(), None, None]})


def _lambda_config(_: Path, data: bytes) -> None:
    from diag.io.lambdas import expression_of

    expression_of(_table(_json_or_none(data)))


def _message(_: Path, data: bytes) -> None:
    raise DataError("x: " + data.decode("utf-8", "surrogateescape"))


def picture(ending: str) -> bytes:
    """Return a good picture in a format of Pillow's."""
    stream = io.BytesIO()
    image = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    image.save(stream, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()))
    return stream.getvalue()


ENDINGS = ("png", "jpg", "bmp", "gif", "tif", "webp")
_part = functools.partial
TARGETS: tuple[Target, ...] = (
    Target("keras archive", _audited, native=True),
    Target("keras config", lambda folder, data: _archive(folder, "config.json", data), mutated_json),
    Target("keras metadata", lambda folder, data: _archive(folder, "metadata.json", data), mutated_json),
    Target("keras weights", lambda folder, data: _archive(folder, "model.weights.h5", data), native=True),
    Target("hdf5 model", _part(_audited, name="m.h5"), native=True),
    Target("hdf5 attributes", _attributes, mutated_json),
    Target("hdf5 data", _part(_data, name="a.h5"), native=True),
    Target("legacy config", _legacy_config, mutated_json),
    Target("architecture", _architecture, mutated_json),
    Target("skops archive", _part(_audited, name="m.skops")),
    Target("skops schema", _skops, mutated_json, native=True),
    Target("loaded config", _loaded_config, mutated_json, native=True, network=True),
    Target("loaded hdf5", _part(_loaded, name="m.h5"), native=True, network=True),
    Target("card", _card, mutated_text),
    Target("ensemble", _ensemble, mutated_text),
    Target("preprocessing", _preprocessing, mutated_json),
    Target("class names json", _part(_names, name="c.json"), mutated_json),
    Target("class names lines", _part(_names, name="c.txt"), mutated_text),
    Target("class names", lambda _, data: _text("diag.io.class_names:class_names_from", data), mutated_text),
    Target("history csv", _part(_history, name="h.csv"), mutated_text),
    Target("history json", _part(_history, name="h.json"), mutated_json),
    Target("history pickle", _part(_history, name="h.hist")),
    Target("event file", _part(_history, name=EVENTS)),
    Target("event", _event),
    Target("csv", _part(_data, name="a.csv"), mutated_text),
    Target("sidecar", _sidecar, mutated_text),
    Target("npy", _npy_pair),
    Target("npz", _part(_data, name="a.npz")),
    Target("npz member", _npz_member),
    Target("idx", _idx),
    Target("idx in gzip", _part(_idx_gzip, packed=False)),
    Target("gzip", _part(_idx_gzip, packed=True)),
    Target("parquet", _part(_data, name="a.parquet")),
    Target("parquet metadata", _parquet_metadata, mutated_json),
    Target("tfrecord", _part(_data, name="a.tfrecord")),
    Target("example", lambda folder, data: _data(folder, record(data) * 2, "a.tfrecord")),
    Target("zip", _part(_data, name="a.zip")),
    Target("zip names", _zip_names, mutated_json),
    *(Target(f"picture {ending}", _part(_picture, ending=ending)) for ending in ENDINGS),
    Target("png chunks", _png_chunks),
    Target("gate", lambda _, data: _text("diag.results.gate_grammar:parse", data), mutated_text),
    Target("limits", lambda _, data: _text("diag.worker.limits:Limits.parsed", data), mutated_text),
    Target("lambda code", _code),
    Target("lambda config", _lambda_config, mutated_json),
    Target("message", _message, mutated_text),
)
BY_NAME = {target.name: target for target in TARGETS}
