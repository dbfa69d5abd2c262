"""What is refused, in words: the layer, what it would run, and what to do."""

from __future__ import annotations

from typing import Any

from diag.errors import UnsafeModelError
from diag.io.bytecode import DIALECTS
from diag.io.lambdas import UnrecognisedError, bytes_of, unpacked
from diag.io.marshalled import Code, MarshalError, read_code
from diag.printable import printable

# They read another file, or run what is in it.
_RUNS_CODE = ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
_MOST_NAMES = 12


def named(node: dict[str, Any]) -> str:
    """Return the name of an object's layer, else its class."""
    inner = node.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return printable(str(name or node.get("name") or str(node.get("class_name")).lower()), 80)


def described(value: Any) -> str:
    """Return what would be run, imported or built: an object of a configuration, or any text of it."""
    if not isinstance(value, dict):
        return printable(str(value), 80)
    kind = value.get("class_name")
    if kind == "Lambda" and isinstance(value.get("config"), dict):
        return _lambda_text(value["config"])
    if kind == "__lambda__":
        return _lambda_text({"function": value})
    home = value.get("module") or value.get("registered_name")
    inner = value.get("config")
    name = inner if kind == "function" and isinstance(inner, str) else kind
    return printable(f"{'function' if kind == 'function' else 'class'} {f'{home}.' if home else ''}{name}", 120)


def _lambda_text(config: dict[str, Any]) -> str:
    """Return what a Lambda layer's code names: the modules, functions and attributes that it uses."""
    try:
        function = unpacked(config.get("function"))
    except UnrecognisedError:
        return "Python code that is written in an unknown way"
    if isinstance(function, str):
        return f"the function {printable(function, 80)}"
    data = bytes_of(function[0])
    for dialect in DIALECTS:
        try:
            names = _names(read_code(data, dialect.layout))
        except MarshalError:
            continue
        if names:
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            return printable(f"Python code that uses {', '.join(names[:_MOST_NAMES])}{more}", 300)
        return "Python code"
    return "Python code of an unknown version"


def _names(code: Code) -> tuple[str, ...]:
    found = [str(name) for name in code.names]
    for constant in code.consts:
        if isinstance(constant, Code):
            found += _names(constant)
    return tuple(dict.fromkeys(found))


def refused(name: str, label: str, node: dict[str, Any]) -> UnsafeModelError:
    """Return the error for an object that is not one of those that diag builds."""
    kind = node.get("class_name")
    shown = printable(str(kind), 80)
    if kind in ("Lambda", "__lambda__"):
        return refused_lambda(name, label, "it stands where Keras's own layers and functions stand")
    if kind in _RUNS_CODE:
        return UnsafeModelError(
            f"{name}: layer {label!r} ({shown}) runs a program outside of Keras, which diag never does. "
            "Rebuild the model with Keras's layers and save it again."
        )
    home = node.get("module") or node.get("registered_name")
    if str(home).startswith(("keras.quantizers", "keras.dtype_policies")):
        return UnsafeModelError(
            f"{name}: layer {label!r} ({shown}) is quantized, which diag does not build. Save the model before "
            "quantize(), or, if you trust the file, pass trust=True (--trust)."
        )
    told = f" ({printable(str(home), 80)})" if home else ""
    return UnsafeModelError(
        f"{name}: layer {label!r} ({shown}) is not one of Keras's own{told}. "
        "diag loads no foreign code: rebuild the model with Keras's layers and save it again, or, if you trust the "
        "file, pass trust=True (--trust)."
    )


def refused_lambda(name: str, label: str, reason: str) -> UnsafeModelError:
    """Return the error for a Lambda layer that is not understood."""
    return UnsafeModelError(
        f"{name}: layer {label!r} is a Lambda layer: it holds Python code, which diag never runs, and it is not one "
        f"of the harmless kinds that diag replaces ({printable(reason, 160)}). Replace it by Rescaling or "
        "Normalization (or put the scaling into the model card) and save the model again; or, if you trust the file, "
        "pass trust=True (--trust)."
    )
