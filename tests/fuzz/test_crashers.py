"""Inputs that fuzzing found: each once ended in another exception than `DiagError`, and is refused or read now."""

from __future__ import annotations

import json
import marshal

import pytest

from tests.attacks.models import lambda_code, with_layer
from tests.fuzz.judging import judged
from tests.fuzz.targets import BY_NAME


def crash(target, data, expected="refused"):
    """One input, what it is given to, and how it ends now."""
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return pytest.param(target, content, expected, id=f"{target}-{len(content)}")


def layer(**entry):
    """A model with one strange layer."""
    return with_layer(entry)


def spoiled(text, *changes):
    """The bytecode of ``lambda x: TEXT`` in Python 3.11's format, with instructions changed by number."""
    import dis

    outer = compile(f"lambda x: {text}", "<model>", "eval")
    inner = next(each for each in outer.co_consts if hasattr(each, "co_code"))
    code = bytearray(inner.co_code)
    for name, argument in changes:
        place = next(step.offset for step in dis.get_instructions(inner) if step.opname == name)
        code[place + 1] = argument
    return marshal.dumps(inner.replace(co_code=bytes(code)))


CODE = lambda_code("x / 255")
CRASHERS = (
    crash("limits", b"seconds=" + b"9" * 5000),
    crash("keras config", layer(class_name="Lambda", config=[], module="keras.layers"), "read"),
    crash("legacy config", {"class_name": "Sequential", "config": [{"class_name": "Lambda", "config": [1]}]}, "read"),
    crash("lambda config", {"function": [CODE, 1.5, None]}),
    crash("lambda config", {"function": {"class_name": "__tuple__", "items": [CODE, None, 3]}}),
    crash("lambda config", {"function": [CODE, {"class_name": "__tuple__", "items": 3}, None]}),
    crash("lambda config", {"function": [CODE, {"class_name": "__numpy__", "config": 1}, None]}),
    crash("ensemble", b"title = 0x" + b"9" * 4000),
    crash("card", b"title = 0x" + b"9" * 4000),
    crash("lambda code", spoiled("x[1:2]", ("BUILD_SLICE", 0))),
    crash("lambda code", spoiled("tf.nn.softmax(x, axis=-1)", ("CALL", 0))),
    crash("lambda code", spoiled("x[[1, 2, 3, *x]]", ("LIST_EXTEND", 1))),
)  # fmt: skip


@pytest.mark.parametrize(("target", "data", "expected"), CRASHERS)
def test_once_a_crash(target, data, expected, tmp_path):
    outcome = judged(BY_NAME[target], data, folder=tmp_path / "x")
    assert outcome.kind == expected, outcome.text
