"""Architectures apart from their weights: a JSON file, which is data, or a function of the user's, if asked for."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diag._lazy import import_keras
from diag.errors import ModelLoadError
from diag.io.configurations import parsed_json
from diag.io.early_keras import from_keras_0, is_keras_0
from diag.io.opening import open_regular

_MAX_JSON = 32 * 2**20
_BY_THEANO = (
    "The architecture was written by Keras before version 1, which ran on Theano: convolution kernels are turned round."
)


@dataclass(frozen=True, slots=True, eq=False)
class Architecture:
    """A model without weights.

    Parameters
    ----------
    source : str
        The JSON file's path, or ``module:function``.
    config : dict
        ``{"class_name": ..., "config": ...}``.
    digest : str
        SHA-256 of the configuration.
    keras_version, backend : str, optional
        As the JSON says.
    notes : tuple of str
    """

    source: str
    config: dict[str, Any]
    digest: str
    keras_version: str | None = None
    backend: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_code(self) -> bool:
        """Whether a function of the user's builds the model."""
        return is_code(self.source)


def is_code(source: str) -> bool:
    """Return whether an architecture's source is ``module:function``, not a file."""
    return ":" in source and not source.endswith(".json") and not Path(source).exists()


def load_architecture(source: str | Path) -> Architecture:
    """Read a JSON file, or call the function that the user named.

    Parameters
    ----------
    source : str or Path
        ``model.json``, as ``model.to_json()`` gives it; or ``module:function``: the module is imported from the
        working folder or the Python path, and the function must return a Keras model. That is the user's own code.

    Raises
    ------
    ModelLoadError
        If the file is no architecture, or there is no such function, or it gives no model.
    """
    if is_code(str(source)):
        model = called(str(source))
        text = model.to_json()
        notes: tuple[str, ...] = (f"The architecture is that of {source}, which was called.",)
        name = str(source)
    else:
        path = Path(source)
        try:
            with open_regular(path, "JSON file with the architecture") as file:
                content = file.read(_MAX_JSON + 1)
            if len(content) > _MAX_JSON:
                raise ModelLoadError(
                    f"{path.name}: expected an architecture of at most {_MAX_JSON >> 20} MiB. Received: a larger file. "
                    "Pass what model.to_json() writes."
                )
            text = content.decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelLoadError(
                f"{str(source)[:200]!r}: expected a JSON file with the architecture, or module:function. {error}"
            ) from error
        notes, name = (f"The architecture is that of {path.name}.",), str(path)
    return _from_text(text, name, notes)


def _from_text(text: str, source: str, notes: tuple[str, ...]) -> Architecture:
    values = parsed_json(text, Path(source).name)
    if isinstance(values.get("modelTopology"), dict):  # TensorFlow.js wraps it
        values = values["modelTopology"]
        values = values.get("model_config", values)
        if not isinstance(values, dict):
            raise ModelLoadError(
                f"{Path(source).name}: expected an architecture in modelTopology. Received: {type(values).__name__}. "
                "Write it with model.to_json()."
            )
    if isinstance(values.get("config"), str):  # some wrote JSON inside JSON
        values = {**values, "config": parsed_json(values["config"], f"{Path(source).name}: config")}
    if is_keras_0(values):
        values = from_keras_0(values, Path(source).name)
        if values["backend"] == "theano":
            notes = (*notes, _BY_THEANO)
    if not isinstance(values.get("class_name"), str) or not isinstance(values.get("config"), dict | list):
        raise ModelLoadError(
            f"{Path(source).name}: expected a model's architecture, as model.to_json() writes it. "
            "Received: JSON without class_name and config."
        )
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    version, backend = (values.get(key) for key in ("keras_version", "backend"))
    return Architecture(
        source, values, digest, str(version) if version else None, str(backend) if backend else None, notes
    )


def called(source: str) -> Any:
    """Return the model that ``module:function`` builds. This runs the user's own code.

    Raises
    ------
    ModelLoadError
        If it cannot be imported, or gives no Keras model.
    """
    module_name, _, name = source.partition(":")
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        if importlib.util.find_spec(module_name) is not None:
            import_keras()  # with its messages off, before the user's module imports it
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise ModelLoadError(
            f"--architecture {source}: expected module:function. Received: {type(error).__name__}: {error}. Correct "
            "the name, or run diag in the folder of the module."
        ) from error
    finally:
        sys.path.remove(folder)
    model = function() if callable(function) else function
    if not hasattr(model, "to_json") or not getattr(model, "inputs", None):
        raise ModelLoadError(
            f"--architecture {source}: expected a function that returns a Keras model with known inputs. "
            f"Received: {type(model).__name__}."
        )
    return model


def candidates(path: Path) -> list[Path]:
    """Return where the architecture of a weight file may lie beside it.

    Examples
    --------
    >>> [found.name for found in candidates(Path("net_weights.h5"))][:2]
    ['net_weights.json', 'net.json']
    """
    stem = path.name.removesuffix(path.suffix).removesuffix(".weights")
    plain = stem
    for ending in ("_weights", "-weights", "weights"):
        plain = plain.removesuffix(ending)
    names = [f"{stem}.json", f"{plain}.json", f"{stem}_architecture.json", f"{plain}_architecture.json", "model.json"]
    return [path.with_name(name) for name in dict.fromkeys(names) if name != ".json"]


def beside(path: Path) -> Architecture:
    """Return the architecture in the only JSON file beside a weight file that can be meant.

    Raises
    ------
    ModelLoadError
        If there is none, or more than one; the message says how to name one.
    """
    found = []
    for candidate in candidates(path):
        if candidate.is_file():
            try:
                found.append(load_architecture(candidate))
            except ModelLoadError:
                continue  # some other JSON
    if len(found) == 1:
        return found[0]
    several = f" Beside it lie {' and '.join(Path(one.source).name for one in found)}." if found else ""
    raise ModelLoadError(
        f"{path.name}: expected a whole model. Received: a file that holds weights but no architecture.{several} "
        "Pass it: --architecture model.json (written by "
        "model.to_json()) or module:function; or save the whole model with model.save('name.keras')."
    )
