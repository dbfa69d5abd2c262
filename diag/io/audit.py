"""What a model file contains, read as data: h5py, json and zipfile, never Keras, nothing executed."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from diag.errors import ModelLoadError, UnsafeModelError
from diag.io.audit_hdf5 import damaged_heap, damaged_heap_of, refuse_strange_types
from diag.io.early_keras import completed
from diag.io.ends import combined_digest, with_output
from diag.io.input_sizes import missing_input, with_input
from diag.io.layer_shapes import End, entries, head_of, layer_infos
from diag.io.model_file import ModelFile as ModelFile

if TYPE_CHECKING:
    from pathlib import Path

    from diag.io.architectures import Architecture
    from diag.io.shape_rules import Shape

os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")  # no filter plug-ins: a file may name one to be loaded
MAX_CONFIG = 32 * 2**20
MAX_WEIGHTS = 8 * 2**30
MAX_MEMBERS = 200_000  # groups and data sets of a weight file
MAX_RATIO = 1000  # no real weights shrink further than this when compressed
# What h5py, zipfile, json and arithmetic on a stranger's numbers raise when a file is damaged.
READ_ERRORS = (
    OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError, ArithmeticError,
    MemoryError, EOFError, struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
_LOOKS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"version https://git-lfs", "a Git LFS pointer: run 'git lfs pull' to fetch the file itself"),
    (b"\x80", "a pickle, which runs code when it is loaded: save it with skops.io.dump"),
    (b"<", "an HTML or XML page: the download went wrong"),
    (b"\x1f\x8b", "a gzip file: unpack it first"),
    (b"{", "JSON, perhaps an architecture without weights: save the whole model with model.save"),
)


def audit(
    path: Path | str, *, architecture: Architecture | None = None, input_shape: tuple[int | None, ...] | None = None
) -> ModelFile:
    """Read what a model file contains, without running anything in it.

    Parameters
    ----------
    path : Path or str
    architecture : Architecture, optional
        Of a file that holds weights only; without it, a JSON file beside the weights is looked for.
    input_shape : tuple of int or None, optional
        Of one sample, where the file does not say it.

    Raises
    ------
    ModelLoadError
        If there is no such file, or it is not a saved classifier; the message says what it looks like.
    UnsafeModelError
        If its weights point outside the file.
    """
    from pathlib import Path

    path = Path(path)
    size = _regular_size(path)
    from diag.io.sources import file_digest

    try:
        with path.open("rb") as file:
            first = file.read(32)
        common = {"path": path, "digest": file_digest(path), "file_size": size}
    except OSError as error:
        raise ModelLoadError(
            f"{path.name}: expected a readable file. {error.strerror}. Check its permissions."
        ) from error
    if first.startswith(b"PK"):
        return _audit_zip(common, input_shape)
    if first.startswith(b"\x89HDF\r\n\x1a\n"):
        return _audit_hdf5(common, architecture, input_shape)
    raise ModelLoadError(
        f"{path.name}: expected a Keras .keras, .h5 or .hdf5 file, or .skops. Received: {_look(first)}."
    )


def _regular_size(path: Path) -> int:
    try:
        info = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ModelLoadError(f"{str(path)[:200]!r}: no such model file. Check the path. ({reason})") from error
    if stat.S_ISDIR(info.st_mode):
        if (path / "saved_model.pb").exists():
            raise ModelLoadError(
                f"{path}: a TensorFlow SavedModel, which Keras 3 does not load. "
                "Save it again with model.save('name.keras')."
            )
        raise ModelLoadError(f"{path}: expected a model file. Received: a folder.")
    if not stat.S_ISREG(info.st_mode):
        raise ModelLoadError(f"{path}: expected a regular file. Received: a pipe or device.")
    if info.st_size == 0:
        raise ModelLoadError(f"{path}: expected a model file. Received: an empty file.")
    return info.st_size


def _look(first: bytes) -> str:
    for start, name in _LOOKS:
        if first.startswith(start):
            return name
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in first):
        return f"a text that begins {first[:20].decode('ascii')!r}"
    return f"bytes that begin {first[:8].hex(' ')}"


def _audit_zip(common: dict[str, Any], input_shape: Shape | None) -> ModelFile:
    path = common["path"]
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "schema.json" in names:
                from diag.io.skops_files import audit_skops

                return ModelFile(**common, format="skops", **audit_skops(_json(archive, "schema.json", path), archive))
            if "config.json" not in names:
                raise ModelLoadError(
                    f"{path.name}: expected a .keras or .skops archive. "
                    "Received: a zip archive without config.json or schema.json."
                )
            config = _json(archive, "config.json", path)
            metadata = _json(archive, "metadata.json", path) if "metadata.json" in names else {}
            weights = _archive_weights(archive, path) if "model.weights.h5" in names else {}
    except READ_ERRORS as error:
        raise _damaged(path, "archive", error) from error
    said = _Said(config, str(metadata.get("keras_version", "3")), "tensorflow", input_shape=input_shape)
    return _model_file(common, "keras", said, weights)


def _json(archive: zipfile.ZipFile, member: str, path: Path) -> dict[str, Any]:
    if archive.getinfo(member).file_size > MAX_CONFIG:
        raise ModelLoadError(f"{path.name}: {member} is larger than {MAX_CONFIG >> 20} MiB: not a model's description.")
    with archive.open(member) as file:
        return parsed_json(file.read(MAX_CONFIG + 1), f"{path.name}: {member}")


def parsed_json(text: bytes | str, where: str) -> dict[str, Any]:
    """Return a JSON object of at most `MAX_CONFIG` bytes.

    Raises
    ------
    ModelLoadError
        If it is none; the message begins with `where`.
    """
    if not isinstance(text, bytes | str) or len(text) > MAX_CONFIG:
        raise ModelLoadError(
            f"{where}: expected JSON of at most {MAX_CONFIG >> 20} MiB. Received: {type(text).__name__}."
        )
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # half a character in a name fails here, not in a table
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{where}: expected JSON. {str(error)[:120]}") from error
    if not isinstance(value, dict):
        raise ModelLoadError(f"{where}: expected a JSON object. Received: {type(value).__name__}.")
    return value


def _archive_weights(archive: zipfile.ZipFile, path: Path) -> dict[str, tuple[int, ...]]:
    info = archive.getinfo("model.weights.h5")
    if info.file_size > MAX_WEIGHTS or info.file_size > 200 * max(info.compress_size, 1):
        raise UnsafeModelError(f"{path.name}: its weights claim to unpack to {info.file_size:,} bytes: refused.")
    import h5py

    with archive.open(info) as member:
        data = member.read(MAX_WEIGHTS)
    _refuse_damaged_heap(damaged_heap(data), path)
    with io.BytesIO(data) as buffer:
        try:
            with h5py.File(buffer, "r") as file:
                return _dataset_shapes(file, path)
        except READ_ERRORS as error:
            raise _damaged(path, "weight file inside the archive", error) from error


def _audit_hdf5(common: dict[str, Any], architecture: Architecture | None, input_shape: Shape | None) -> ModelFile:
    import h5py

    path = common["path"]
    _refuse_damaged_heap(damaged_heap_of(path), path)
    try:
        with h5py.File(path, "r") as file:
            refuse_strange_types(file)
            said = _said(file, path, architecture, input_shape)
            shapes = _dataset_shapes(file, path)  # of the whole file: a name in it may lead to any part
    except READ_ERRORS as error:
        raise _damaged(path, "HDF5 file", error) from error
    inner = {
        name.removeprefix("model_weights/"): shape
        for name, shape in shapes.items()
        if name.startswith("model_weights/")
    }
    weights = inner or {name: shape for name, shape in shapes.items() if not name.startswith("optimizer_weights/")}
    return _model_file(common, "hdf5", said, weights)


def _said(file: Any, path: Path, architecture: Architecture | None, input_shape: Shape | None) -> _Said:
    """Return what an HDF5 file says of its model, or what lies beside it says."""
    from diag.io.architectures import beside

    version, backend = _text(file.attrs.get("keras_version")), _text(file.attrs.get("backend"))
    if architecture is None and "model_config" not in file.attrs:
        architecture = beside(path)
    if architecture is None:
        config = parsed_json(_bytes_or_text(file.attrs["model_config"]), f"{path.name}: model_config")
        version, backend = version or _text(config.get("keras_version")), backend or _text(config.get("backend"))
        return _Said(completed(config), version, backend, input_shape=input_shape)
    return _Said(
        completed(architecture.config), version or architecture.keras_version, backend or architecture.backend,
        input_shape=input_shape, architecture=architecture, archive="model_weights" not in file
        and not {"layer_names", "layer_names0", "nb_layers"} & set(file.attrs),
    )  # fmt: skip


def _dataset_shapes(group: Any, path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all data sets by name. Links out of the file and virtual data are refused."""
    import h5py

    shapes: dict[str, tuple[int, ...]] = {}
    budget = iter(range(MAX_MEMBERS))
    seen = {h5py.h5o.get_info(group.id).addr}

    def visit(node: Any, prefix: str, depth: int) -> None:
        for key in node:
            if depth > 40 or next(budget, None) is None:
                raise UnsafeModelError(f"{path.name}: its weights are nested too deep or too many: refused.")
            link = node.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise UnsafeModelError(
                    f"{path.name}: weight {prefix}{key} is a link, perhaps out of the file: refused."
                )
            item = node[key]
            refuse_strange_types(item)
            if isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:
                    raise UnsafeModelError(f"{path.name}: group {prefix}{key} is in the file twice over: refused.")
                seen.add(address)
                visit(item, f"{prefix}{key}/", depth + 1)
            elif isinstance(item, h5py.Dataset):
                if item.is_virtual or item.external:
                    raise UnsafeModelError(f"{path.name}: weight {prefix}{key} lies in another file: refused.")
                if item.nbytes > 2**20 and item.nbytes > MAX_RATIO * item.id.get_storage_size():
                    raise UnsafeModelError(
                        f"{path.name}: weight {prefix}{key} claims {item.nbytes:,} bytes and stores "
                        f"{item.id.get_storage_size():,}: refused."
                    )
                if item.shape is not None:
                    shapes[f"{prefix}{key}"] = tuple(int(size) for size in item.shape)

    visit(group, "", 0)
    return shapes


@dataclass(frozen=True, slots=True)
class _Said:
    """What a file, or what lies beside it, says of its model."""

    config: dict[str, Any]
    version: str | None
    backend: str | None
    input_shape: Shape | None = None
    architecture: Architecture | None = None
    archive: bool = False


def _model_file(common: dict[str, Any], kind: str, said: _Said, weights: dict[str, tuple[int, ...]]) -> ModelFile:
    config = said.config
    class_name = config.get("class_name")
    if not isinstance(class_name, str) or not isinstance(config.get("config"), dict | list):
        raise ModelLoadError(f"{common['path'].name}: expected a model's configuration. Received: none that is known.")
    archive = kind == "keras" or said.archive
    try:
        layers = layer_infos(config, weights, archive=archive, shape=said.input_shape)
        head = head_of(config, layers)
        shape, found = missing_input(config, layers, head, weights, said.input_shape, archive=archive)
        if shape != head.input_shape:
            layers = layer_infos(with_input(config, shape) if shape else config, weights, archive=archive)
            head = head_of(config, layers)
    except READ_ERRORS as error:
        raise ModelLoadError(
            f"{common['path'].name}: its configuration is not understood: {one_line(repr(error), 120)}"
        ) from error
    architecture = said.architecture
    file = ModelFile(
        **common,
        format=kind,
        class_name=class_name,
        layers=layers,
        n_params=sum(layer.n_params for layer in layers),
        input_shape=shape,
        n_outputs=None,
        activation=None,
        keras_version=said.version,
        backend=said.backend,
        config=config,
        notes=(*found, *(architecture.notes if architecture else ()), *_backend_notes(config, said.version,
               said.backend)),
        inputs=head.inputs if shape is None or len(head.inputs) != 1 else (End(head.inputs[0].name, shape),),
        outputs=head.outputs,
        architecture=architecture.source if architecture else None,
    )  # fmt: skip
    if architecture is not None:
        file = replace(file, digest=combined_digest(file.digest, architecture.digest))
    if said.input_shape is not None:
        file = replace(file, digest=combined_digest(file.digest, f"input {said.input_shape}"))
    return with_output(file, None)


def _backend_notes(config: dict[str, Any], version: str | None, backend: str | None) -> tuple[str, ...]:
    """Theano turns kernels round; where Keras 1 did not write down the backend, nobody can know."""
    first = any(
        isinstance(entry["config"], dict) and entry["config"].get("dim_ordering") == "th"
        for entry in entries(config)
        if str(entry["class_name"]).startswith(("Conv", "Deconv", "Atrous"))
    )
    if not first or backend is not None or not (version or "1").startswith("1"):
        return ()
    return (
        "The file does not say whether TensorFlow or Theano wrote it: kernels are used as they stand. "
        "If accuracy is far below what the authors report, it was Theano, which turns kernels round.",
    )


def _refuse_damaged_heap(place: int | None, path: Path) -> None:
    """Raise before h5py opens a file whose texts the HDF5 library would read for ever."""
    if place is not None:
        raise _damaged(path, "HDF5 file", ValueError(f"The heap at byte {place:,} contradicts itself."))


def _damaged(path: Path, kind: str, error: BaseException) -> ModelLoadError:
    return ModelLoadError(
        f"{path.name}: a damaged {kind}; perhaps an unfinished download: fetch it again. {one_line(str(error), 120)}"
    )


def one_line(text: str, length: int) -> str:
    """Return a message of another library on one line, cut to `length`."""
    return " ".join(text.split())[:length]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    value = _bytes_or_text(value)
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _bytes_or_text(value: Any) -> Any:
    """Return an attribute as bytes or text; some writers keep an array of one."""
    if getattr(value, "shape", None) is not None and getattr(value, "size", 0) == 1:
        value = value.reshape(-1)[0] if hasattr(value, "reshape") else value
    return bytes(value) if isinstance(value, bytes) else value
