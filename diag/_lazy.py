"""Heavy imports, one function each, so that nothing pays for what it does not use.

Importing TensorFlow takes seconds. Every function here imports on its first call and names the command to run
when the package is missing.
"""

from __future__ import annotations

import importlib
import os
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
    return _import("keras", "keras")


def import_tensorflow() -> Any:
    """Return the ``tensorflow`` module, with its start-up messages off.

    Raises
    ------
    MissingDependencyError
        If TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return _import("tensorflow", "tensorflow")


def import_shap() -> Any:
    """Return the ``shap`` module.

    Raises
    ------
    MissingDependencyError
        If shap is not installed.
    """
    return _import("shap", "shap")


def import_ray() -> Any:
    """Return the ``ray`` module.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    """
    return _import("ray", "diag[ray]")
