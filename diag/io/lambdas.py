"""What a Lambda layer computes, read out of its bytecode as data; the code itself is never run.

A straight line of arithmetic and of well-known functions becomes an expression (`diag.io.expressions`). Everything
else - loops, conditions, values of the notebook that are not in the file - is not recognised, and the reason is said.
"""

from __future__ import annotations

import base64
import binascii
import math
import operator
import re
from dataclasses import dataclass, field
from typing import Any

from diag.errors import DiagError
from diag.io.bytecode import DIALECTS, Dialect, Step, steps
from diag.io.expressions import Node, UnknownExpressionError, call, operation_name
from diag.io.marshalled import Code, MarshalError, read_code
from diag.io.weighing import WeighedStack

_MODULES = ("tf", "tensorflow", "K", "backend", "keras", "np", "numpy", "ops", "nn", "image", "math", "imagenet_utils",
            "keras_applications", "tensorflow_core")  # fmt: skip
_CONSTANTS = {
    "floatx": "float32", "float32": "float32", "float16": "float16", "float64": "float64", "int32": "int32",
    "uint8": "uint8", "newaxis": None, "pi": math.pi, "BILINEAR": "bilinear", "NEAREST_NEIGHBOR": "nearest",
    "BICUBIC": "bicubic", "epsilon": 1e-7, "None": None, "True": True, "False": False,
}  # fmt: skip
_BUILTINS = ("float", "int", "tuple", "list", "str", "bool")
_ARITHMETIC = {
    "+": ("add", operator.add), "-": ("subtract", operator.sub), "*": ("multiply", operator.mul),
    "/": ("divide", operator.truediv), "//": ("floor_divide", operator.floordiv), "%": ("mod", operator.mod),
    "**": ("power", operator.pow), "/ of 2": ("divide", operator.truediv),
}  # fmt: skip


# What instructions in a wrong order do: parts of what has none, more arguments than there are, names that are no texts.
_MISUSED = (TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError)


class UnrecognisedError(DiagError):
    """The function is not one of the harmless kinds; the message says why, as half a sentence."""


@dataclass(frozen=True, slots=True)
class _Path:
    """A function or module by its dotted name, such as ``tf.image.resize``."""

    name: str


@dataclass(frozen=True, slots=True)
class _Method:
    """A method of a value, such as ``x.get_shape``."""

    owner: Any
    name: str


def expression_of(config: dict[str, Any]) -> Any:
    """Return what a Lambda layer computes of its input (or inputs), as a tree.

    Parameters
    ----------
    config : dict
        The layer's configuration, as Keras 1, 2 or 3 wrote it.

    Returns
    -------
    Node
        Its inputs are ``Node("input", (number,))``.

    Raises
    ------
    UnrecognisedError
        If it is not understood; half a sentence that says why.
    """
    arguments = config.get("arguments") or {}
    if not isinstance(arguments, dict):
        raise UnrecognisedError("its arguments are not named")
    function = unpacked(config.get("function"))
    if isinstance(function, str):
        return _named(function, arguments)
    code, defaults, closure = function
    data = bytes_of(code)
    reasons: list[str] = []
    for dialect in DIALECTS:
        try:
            described = read_code(data, dialect.layout)
        except MarshalError:
            continue
        try:
            return _Reading(described, dialect, defaults, closure, arguments).result()
        except (UnrecognisedError, MarshalError) as error:
            reasons.append(str(error))
        except _MISUSED:
            reasons.append("its instructions do not fit what they work on")
    # The reason of the version that was understood furthest: a wrong version fails at an instruction.
    telling = [
        reason
        for reason in reasons
        if not reason.startswith(("instruction", "an inline", "it names", "its instructions"))
    ]
    raise UnrecognisedError((telling or reasons or ["it is no bytecode of Python 2.7 or 3.0 to 3.13"])[0])


def unpacked(function: Any) -> Any:
    """Return a function's name, or (code, defaults, closure).

    Raises
    ------
    UnrecognisedError
        If it is written in an unknown way.
    """
    if isinstance(function, dict):
        if function.get("class_name") == "__lambda__" and isinstance(function.get("config"), dict):
            inner = function["config"]
            return unpacked([inner.get("code"), inner.get("defaults"), inner.get("closure")])
        if function.get("class_name") == "__tuple__":
            return unpacked(function.get("items"))
        if function.get("class_name") == "function":
            home = str(function.get("module") or "builtins").split(".")[0]
            if home not in (*_MODULES, "builtins", "tf_keras"):
                raise UnrecognisedError(f"it names a function of {home!r}")
            return unpacked(function.get("config"))
    if isinstance(function, str) and function:
        # A long text is code: the earliest versions wrote it without a list.
        return function if re.fullmatch(r"[A-Za-z_][\w.]{0,63}", function) else (function, (), ())
    if isinstance(function, list) and len(function) == 3 and isinstance(function[0], str):
        code, defaults, closure = function
        return code, _listed(defaults), _listed(closure)
    raise UnrecognisedError("it is written in an unknown way")


def _listed(values: Any) -> tuple[Any, ...]:
    """Return the values that a function brings along."""
    plain = _plain(values)
    if plain is None or isinstance(plain, list | tuple):
        return tuple(plain or ())
    raise UnrecognisedError("it is written in an unknown way")


def _plain(value: Any) -> Any:
    """Return a stored value without the wrapping that Keras gives tuples and arrays."""
    if isinstance(value, dict):
        if value.get("class_name") == "__tuple__":
            return _listed(value.get("items"))
        if value.get("class_name") in ("__numpy__", "__tensor__") and isinstance(value.get("config"), dict):
            return _plain(value["config"].get("value"))
        if value.get("type") == "ndarray":
            return _plain(value.get("value"))
        raise UnrecognisedError("it uses an object of the notebook")
    return [_plain(item) for item in value] if isinstance(value, list) else value


def bytes_of(code: str) -> bytes:
    """Return code as bytes: base64, or as the earliest versions wrote it into JSON."""
    try:
        return base64.b64decode(code.encode("ascii").replace(b"\n", b""), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return code.encode("raw_unicode_escape")


def _named(name: str, arguments: dict[str, Any]) -> Node:
    """Return a function that the file names only; a name alone counts where no other meaning is usual."""
    try:
        known = operation_name(name)
    except UnknownExpressionError:
        known = ""
    if known not in _NAMED_ALONE:
        raise UnrecognisedError(f"the file holds only its name, {name!r}")
    return call(name, [Node("input", (0,))], {key: _plain(value) for key, value in arguments.items()})


_NAMED_ALONE = (
    "softmax", "relu", "relu6", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "silu", "gelu", "square",
    "sqrt", "absolute", "exp", "log", "flatten", "expand_dims", "squeeze", "normalize", "mean", "identity", "reshape",
)  # fmt: skip


@dataclass(slots=True)
class _Reading:
    """One function, read in one dialect, with a stack of values that are not computed."""

    code: Code
    dialect: Dialect
    defaults: tuple[Any, ...]
    closure: tuple[Any, ...]
    arguments: dict[str, Any]
    stack: WeighedStack = field(default_factory=WeighedStack)
    local: dict[str, Any] = field(default_factory=dict)

    def result(self) -> Any:
        """Return the tree of what is returned."""
        self._take_arguments()
        for step in steps(self.code, self.dialect):
            if step[0] == "return":
                value = self._pop()
                if not _is_tensor(value):
                    raise UnrecognisedError("what it returns does not come from its input")
                return value
            self._do(step)
        raise UnrecognisedError("it returns nothing")

    def _take_arguments(self) -> None:
        names = self.code.varnames[: self.code.argcount]
        if not names:
            raise UnrecognisedError("it takes no input")
        self.local = {names[0]: Node("input", (0,))}
        for name, value in zip(reversed(names[1:]), reversed(self.defaults), strict=False):
            self.local[name] = _plain(value)
        self.local |= {name: _plain(value) for name, value in self.arguments.items() if name in names}

    def _do(self, step: Step) -> None:
        kind, *rest = step
        if kind in ("const", "local", "deref", "global", "import"):
            self.stack.append(self._value(kind, rest[0]))
        elif kind == "from":
            self.stack.append(_attribute(self.stack[-1], rest[0]))
        elif kind == "attribute":
            self.stack.append(_attribute(self._pop(), rest[0]))
        elif kind == "store":
            self.local[rest[0]] = self._pop()
        elif kind == "pop":
            self._pop()
        elif kind in ("tuple", "list"):
            parts = self._several(rest[0])
            self.stack.append(tuple(parts) if kind == "tuple" else parts)
        elif kind == "slice":
            self.stack.append(slice(*self._several(rest[0])))
        elif kind == "extend":
            more = self._pop()
            self.stack.append([*self._pop(), *more])
        elif kind == "to_tuple":
            self.stack.append(tuple(self._pop()))
        elif kind == "negative":
            value = self._pop()
            self.stack.append(Node("negative", (value,)) if _is_tensor(value) else -_number(value))
        elif kind in ("binary", "part"):
            self._binary(kind, rest)
        else:
            self._call(kind, rest)

    def _value(self, kind: str, given: Any) -> Any:
        if kind == "const":
            if isinstance(given, Code | bytes):
                raise UnrecognisedError("it holds a function of its own")
            return given
        if kind == "local":
            if given in self.local:
                return self.local[given]
            raise UnrecognisedError(f"it uses {given!r}, whose value is not in the file")
        if kind == "deref":
            if given in self.local:
                return self.local[given]
            free = self.code.freevars
            if given in free and free.index(given) < len(self.closure):
                return _plain(self.closure[free.index(given)])
            raise UnrecognisedError(f"it uses {given!r}, whose value is not in the file")
        if kind == "import":
            self._several(2)  # level and names
            if given.split(".")[0] not in _MODULES:
                raise UnrecognisedError(f"it imports {given!r}")
            return _Path(given)
        return None if given == "None" else given == "True" if given in ("True", "False") else _Path(given)

    def _binary(self, kind: str, rest: list[Any]) -> None:
        if kind == "part":
            start, stop = self._several(2)
            owner, key = self._pop(), slice(start, stop)
            self.stack.append(_item(owner, key))
            return
        left, right = self._several(2)
        symbol = rest[0]
        self.stack.append(_item(left, right) if symbol == "[]" else _combined(symbol, left, right))

    def _call(self, kind: str, rest: list[Any]) -> None:
        """Take a call's arguments from the stack, in the way of each version, and put down what it gives."""
        kwargs: dict[str, Any] = {}
        if kind == "call_pairs":
            for _ in range(rest[1]):
                key, value = self._several(2)
                kwargs[str(key)] = value
            args = self._several(rest[0])
        elif kind == "call_names":
            names = self._pop()
            args = self._several(rest[0])
            kwargs = dict(zip(names, args[len(args) - len(names) :], strict=True))
            args = args[: len(args) - len(names)]
        elif kind == "call":
            names = rest[1]
            args = self._several(rest[0])
            kwargs = dict(zip(names, args[len(args) - len(names) :], strict=True))
            args = args[: len(args) - len(names)]
        else:
            raise UnrecognisedError("it does more than arithmetic")
        self.stack.append(_called(self._pop(), args, kwargs))

    def _pop(self) -> Any:
        if not self.stack:
            raise MarshalError("it names a value that is not there")
        return self.stack.pop()

    def _several(self, count: int) -> list[Any]:
        return [self._pop() for _ in range(count)][::-1]


def _called(function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if isinstance(function, _Method):
        if function.name in ("get_shape", "as_list") and not args and not kwargs:
            return function.owner if function.name == "as_list" else Node("shape", (function.owner,))
        raise UnrecognisedError(f"it calls the method {function.name!r}")
    if not isinstance(function, _Path):
        raise UnrecognisedError("it calls something that is not a function")
    last = function.name.split(".")[-1]
    tensors = any(_is_tensor(value) for value in (*args, *kwargs.values()))
    if not tensors:
        if last in ("floatx", "epsilon") and not args:
            return _CONSTANTS[last]
        if last in ("array", "asarray", "constant", "variable", *_BUILTINS, "float32", "float64") and len(args) >= 1:
            return _constant(last, args[0])
    try:
        return call(function.name, args, kwargs)
    except UnknownExpressionError:
        raise UnrecognisedError(f"it calls {function.name!r}, which diag does not know") from None


def _constant(kind: str, value: Any) -> Any:
    if kind in ("tuple", "list"):
        return tuple(value) if kind == "tuple" else list(value)
    if kind in ("float", "int") and isinstance(value, int | float):
        return float(value) if kind == "float" else int(value)
    if kind in ("str", "bool"):
        raise UnrecognisedError(f"it calls {kind!r}")
    return list(value) if isinstance(value, tuple) else value


def _attribute(owner: Any, name: str) -> Any:
    if isinstance(owner, _Path):
        if name in _CONSTANTS and name not in ("floatx", "epsilon"):
            return _CONSTANTS[name]
        return _Path(f"{owner.name}.{name}")
    if isinstance(owner, Node):
        if name == "shape":
            return Node("shape", (owner,))
        if name == "T":
            return Node("transpose", (owner,))
        return _Method(owner, name)
    raise UnrecognisedError(f"it uses the attribute {name!r}")


def _item(owner: Any, key: Any) -> Any:
    if _is_tensor(owner):
        return Node("getitem", (owner, key)) if isinstance(owner, Node) else _of_list(owner, key)
    if isinstance(owner, _Path):
        raise UnrecognisedError(f"it uses {owner.name!r}, whose value is not in the file")
    return _of_list(owner, key)


def _of_list(owner: Any, key: Any) -> Any:
    if isinstance(owner, list | tuple) and isinstance(key, int | slice):
        try:
            return owner[key]
        except IndexError:
            pass
    raise UnrecognisedError("it looks something up")


def _combined(symbol: str, left: Any, right: Any) -> Any:
    if symbol not in _ARITHMETIC:
        raise UnrecognisedError(f"it uses the operation {symbol!r}")
    name, plain = _ARITHMETIC[symbol]
    for value in (left, right):
        if isinstance(value, _Path):
            raise UnrecognisedError(f"it uses {value.name!r}, whose value is not in the file")
    if _is_tensor(left) or _is_tensor(right):
        return Node(name, (left, right))
    left, right = _number(left), _number(right)
    if symbol == "/ of 2" and isinstance(left, int) and isinstance(right, int):
        plain = operator.floordiv
    if symbol == "**" and (abs(left) > 1e6 or abs(right) > 64):
        raise UnrecognisedError("it computes with very large numbers")
    try:
        return plain(left, right)
    except (ArithmeticError, ValueError) as error:
        raise UnrecognisedError(f"its arithmetic fails ({error})") from error


def _number(value: Any) -> Any:
    if isinstance(value, int | float):
        return value
    raise UnrecognisedError("it computes with something that is not a number")


def _is_tensor(value: Any) -> bool:
    if isinstance(value, Node):
        return True
    return isinstance(value, list | tuple) and any(_is_tensor(part) for part in value)
