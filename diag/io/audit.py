"""What a model file contains, read as data: h5py, json and zipfile, never Keras, nothing executed."""

from __future__ import annotations

import math
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from diag.errors import DiagError, ModelLoadError, UnsafeModelError
from diag.io.admission import Problem, problems
from diag.io.audit_hdf5 import damaged_heap_of, refuse_strange_types
from diag.io.configurations import parsed_json, too_large
from diag.io.early_keras import completed
from diag.io.ends import combined_digest, with_output
from diag.io.hdf5_walk import Shapes, dataset_shapes
from diag.io.input_sizes import missing_input, with_input
from diag.io.layer_shapes import End, entries, head_of, layer_infos
from diag.io.model_file import ModelFile as ModelFile
from diag.io.model_folders import MODEL_ENDINGS, is_saved_model
from diag.io.opening import open_regular
from diag.io.refusals import refuse_oversized, refuse_unfilled
from diag.io.weight_files import WEIGHTS, digest_of, opened_hdf5, unpacked
from diag.io.zips import checked_members, opened_zip, read_member
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from diag.io.architectures import Architecture
    from diag.io.shape_rules import Shape

# What h5py, zipfile, json and arithmetic on a stranger's numbers raise when a file is damaged.
READ_ERRORS = (
    OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError, ArithmeticError,
    MemoryError, EOFError, struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
_HOLLOW = 2**30  # bytes from which on a file has to be there, not only its size
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
    _refuse_folder(path)
    with open_regular(path, "model file") as file:
        info = os.fstat(file.fileno())
        size = info.st_size
        _refuse_size(size, 512 * info.st_blocks, path)
        try:
            first = file.read(32)
            digest = digest_of(file)
        except OSError as error:
            raise ModelLoadError(f"{path}: expected a readable model file. {error.strerror}. Copy it again.") from error
        common = {"path": path, "digest": digest, "bytes_digest": digest, "file_size": size}
        if first.startswith(b"PK"):
            return _audit_zip(file, common, input_shape)
        if first.startswith(b"\x89HDF\r\n\x1a\n"):
            return _audit_hdf5(file, common, architecture, input_shape)
    raise ModelLoadError(
        f"{path.name}: expected a Keras .keras, .h5 or .hdf5 file, or .skops. Received: {_look(first)}."
    )


def _refuse_size(size: int, stored: int, path: Path) -> None:
    """Raise for an empty file, one that is too large, and one of which next to nothing is on the disk."""
    limits = Limits.current()
    if size == 0:
        raise ModelLoadError(f"{path}: expected a model file. Received: an empty file. Copy it again.")
    if size > limits.model_bytes:
        raise ModelLoadError(
            f"{path.name}: expected a file of at most {limits.model_bytes:,} bytes. Received: {size:,}. "
            f"{raise_hint('model_bytes', size)}"
        )
    if size > _HOLLOW and size > limits.ratio * stored:
        raise ModelLoadError(
            f"{path.name}: expected a whole file. Received: {size:,} bytes, of which {stored:,} are on the disk. "
            "Copy or download it again."
        )


def _refuse_folder(path: Path) -> None:
    try:
        if not path.is_dir():
            return
        saved = is_saved_model(path)
    except (OSError, ValueError):
        return
    if saved:
        raise ModelLoadError(
            f"{path}: expected a model file. Received: a TensorFlow SavedModel, which Keras 3 does not load. "
            "Save it again with model.save('name.keras')."
        )
    raise ModelLoadError(
        f"{path}: expected a model file. Received: a folder. Name a file that ends in {', '.join(MODEL_ENDINGS)}."
    )


def _look(first: bytes) -> str:
    for start, name in _LOOKS:
        if first.startswith(start):
            return name
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in first):
        return "a text, which is not shown. Pass the file that model.save wrote"  # a link may lead to any file
    return f"bytes that begin {first[:8].hex(' ')}. Pass the file that model.save wrote"


def _audit_zip(file: BinaryIO, common: dict[str, Any], input_shape: Shape | None) -> ModelFile:
    name = common["path"].name
    with opened_zip(file, name, ModelLoadError) as archive:
        members = {info.filename: info for info in checked_members(archive, name, UnsafeModelError)}
        if "schema.json" in members:
            from diag.io.skops_files import audit_skops

            schema = _json(archive, members["schema.json"], name)
            try:
                return ModelFile(**common, format="skops", **audit_skops(schema, archive, name))
            except READ_ERRORS as error:
                raise _damaged(name, "archive", error) from error
        if "config.json" not in members:
            raise ModelLoadError(
                f"{name}: expected a .keras or .skops archive. "
                "Received: a zip archive without config.json or schema.json. Save the model again."
            )
        config = _json(archive, members["config.json"], name)
        metadata = _json(archive, members["metadata.json"], name) if "metadata.json" in members else {}
        weights: Shapes = {}
        if WEIGHTS in members:
            info = members[WEIGHTS]
            with unpacked(archive, info, name) as inner:
                weights = _weights(inner, name, info.compress_size)
    said = _Said(config, str(metadata.get("keras_version", "3")), "tensorflow", input_shape=input_shape)
    return _model_file(common, "keras", said, weights, sum(map(math.prod, weights.values())))


def _json(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> dict[str, Any]:
    limits = Limits.current()
    where = f"{name}: {info.filename}"
    if info.file_size > limits.config_bytes:
        raise too_large(where, info.file_size, limits)
    hint = raise_hint("config_bytes", info.file_size)
    return parsed_json(
        read_member(archive, info, limits.config_bytes, error=ModelLoadError, name=name, hint=hint), where
    )


def _weights(file: IO[bytes], name: str, stored: int) -> Shapes:
    """Return the shapes in the weight file of an archive."""
    _refuse_damaged_heap(damaged_heap_of(file), name)
    try:
        with opened_hdf5(file) as opened:
            return dataset_shapes(opened, name, stored)
    except DiagError:
        raise
    except READ_ERRORS as error:
        raise _damaged(name, "weight file inside the archive", error) from error


def _audit_hdf5(
    file: BinaryIO, common: dict[str, Any], architecture: Architecture | None, input_shape: Shape | None
) -> ModelFile:
    path = common["path"]
    _refuse_damaged_heap(damaged_heap_of(file), path.name)
    try:
        with opened_hdf5(file) as opened:
            refuse_strange_types(opened)
            said = _said(opened, path, architecture, input_shape)
            # Of the whole file: a name in it may lead to any part.
            shapes = dataset_shapes(opened, path.name, common["file_size"])
    except DiagError:
        raise
    except READ_ERRORS as error:
        raise _damaged(path.name, "HDF5 file", error) from error
    inner = {
        name.removeprefix("model_weights/"): shape
        for name, shape in shapes.items()
        if name.startswith("model_weights/")
    }
    weights = inner or {name: shape for name, shape in shapes.items() if not name.startswith("optimizer_weights/")}
    return _model_file(common, "hdf5", said, weights, sum(map(math.prod, shapes.values())))


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


@dataclass(frozen=True, slots=True)
class _Said:
    """What a file, or what lies beside it, says of its model."""

    config: dict[str, Any]
    version: str | None
    backend: str | None
    input_shape: Shape | None = None
    architecture: Architecture | None = None
    archive: bool = False


def _model_file(common: dict[str, Any], kind: str, said: _Said, weights: Shapes, stored: int) -> ModelFile:
    config = said.config
    class_name = config.get("class_name")
    if not isinstance(class_name, str) or not isinstance(config.get("config"), dict | list):
        raise ModelLoadError(f"{common['path'].name}: expected a model's configuration. Received: none that is known.")
    archive = kind == "keras" or said.archive
    own_code = said.architecture is not None and said.architecture.is_code
    against = () if own_code else problems(config, common["path"].name)
    if against and against[0].crowd:
        raise against[0].error
    try:
        layers = layer_infos(config, weights, archive=archive, shape=said.input_shape)
        head = head_of(config, layers)
        shape, found = missing_input(config, layers, head, weights, said.input_shape, archive=archive)
        if shape != head.input_shape:
            layers = layer_infos(with_input(config, shape) if shape else config, weights, archive=archive)
            head = head_of(config, layers)
    except READ_ERRORS as error:
        raise ModelLoadError(
            f"{common['path'].name}: its configuration is not understood: {printable(repr(error), 120)}. "
            "The file is damaged: get it again, or save the model again."
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
        stored=stored,
    )  # fmt: skip
    if architecture is not None:
        file = replace(file, digest=combined_digest(file.digest, architecture.digest))
    if said.input_shape is not None:
        file = replace(file, digest=combined_digest(file.digest, f"input {said.input_shape}"))
    return with_output(_judged(file, against, len(weights)), None)


def _judged(file: ModelFile, found: tuple[Problem, ...], arrays: int) -> ModelFile:
    """Return what a file says, with what loading it would run, and why it is refused."""
    code = tuple(dict.fromkeys(problem.code for problem in found if problem.code))
    errors = [problem.error for problem in found]
    try:
        refuse_oversized(file)
        refuse_unfilled(file, arrays)
    except ModelLoadError as error:
        errors.append(error)
    return replace(file, code=code, refusal=str(errors[0]) if errors else None)


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


def _refuse_damaged_heap(place: int | None, name: str) -> None:
    """Raise before h5py opens a file whose texts the HDF5 library would read for ever."""
    if place is not None:
        raise _damaged(name, "HDF5 file", ValueError(f"The heap at byte {place:,} contradicts itself."))


def _damaged(name: str, kind: str, error: BaseException) -> ModelLoadError:
    return ModelLoadError(
        f"{name}: expected a whole file. Received: a damaged {kind}; perhaps an unfinished download "
        f"({printable(str(error), 120)}). Fetch it again."
    )


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
