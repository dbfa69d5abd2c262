"""Heavy imports, one function each, so that nothing pays for what it does not use.

Importing TensorFlow takes seconds. Every function here imports on its first call and names the command to run
when the package is missing.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from diag.errors import MissingDependencyError


def _import(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".")[0]:
            raise
        message = f"{package} is needed here and is not installed. Run: pip install {package}"
        raise MissingDependencyError(message) from error


def import_keras() -> Any:
    """Return the ``keras`` module on its TensorFlow backend, with TensorFlow's start-up messages off.

    Raises
    ------
    MissingDependencyError
        If Keras or TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import_tensorflow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _import("keras", "keras")


def import_tensorflow() -> Any:
    """Return the ``tensorflow`` module, with its start-up messages off.

    Raises
    ------
    MissingDependencyError
        If TensorFlow is not installed.
    """
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _import("tensorflow", "tensorflow")


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what native libraries write to standard error: TensorFlow's greeting ignores its own log level."""
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(sink)
        os.close(kept)


def import_shap() -> Any:
    """Return the ``shap`` module.

    Raises
    ------
    MissingDependencyError
        If shap is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _import("shap", "shap")


def import_ray() -> Any:
    """Return the ``ray`` module.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    """
    return _import("ray", "diag[ray]")


def import_umap() -> Any:
    """Return the ``umap`` module. Importing it takes long: it compiles itself.

    Raises
    ------
    MissingDependencyError
        If umap-learn is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _import("umap", "diag[umap]")
