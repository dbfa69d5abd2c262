"""Files of which every part is small: what they make of one another is not."""

from __future__ import annotations

import base64
import marshal
from typing import Any

import numpy as np

from tests.attacks.models import (
    Config,
    dense,
    functional,
    keras_file,
    lambda3,
    node,
    source,
    thing,
    weights,
    with_layer,
)  # fmt: skip
from tests.attacks.trap import Attack, Trap

_MEMORY, _TIME = "takes all memory when it is built or asked", "takes for ever to be built or asked"


def _attack(name: str, tries: str, make: Any, arrays: dict[str, Any] | None = None, harmless: bool = False) -> Attack:
    def build(trap: Trap) -> Any:
        stored = None if arrays is None else weights(**arrays)
        return keras_file(trap.path("model.keras"), make(trap), stored)

    return Attack(f"growth_{name}", tries, "ours", "model", build, harmless)


def _lambda(first: str, again: str, last: str) -> Config:
    """Return a Lambda of a function whose middle line stands there sixty times."""
    text = "def f(x):\n " + "\n ".join([first, *[again] * 60, f"return {last}"]) + "\n"
    code = next(value for value in compile(text, "<model>", "exec").co_consts if hasattr(value, "co_code"))
    return thing("Lambda", name="l", function=lambda3(base64.b64encode(marshal.dumps(code)).decode()), arguments={})


def _pooled(*layers: tuple[Config, list[Config]], shape: list[int | None] | None = None) -> Config:
    """Return a network of layers, the last of which is called ``big`` and gives images."""
    ends = [(thing("GlobalAveragePooling2D", name="g"), [node("big")]), (dense(), [node("g")])]
    return functional([(source(shape), []), *layers, *ends], "dense")


def _operation(name: str, kind: str, **config: Any) -> Attack:
    layer = thing(kind, "keras.src.ops.numpy", kind, name="big", **config)
    return _attack(name, _MEMORY, lambda t: _pooled((layer, [node("input_layer")])), _DENSE_1)


def _branches(count: int) -> Config:
    ups = [
        (thing("UpSampling2D", name=f"u{number}", size=[1000, 1000]), [node("input_layer")]) for number in range(count)
    ]
    add = thing("Add", name="big")
    return _pooled(*ups, (add, [node(*(f"u{number}" for number in range(count)))]))


def _doubled(trap: Trap) -> Config:
    """Return a network in a network in a network, each of which calls the next one twice, one after the other."""
    inner = functional(
        [(source(), []), (thing("Activation", name="end", activation="relu"), [node("input_layer")])], "end"
    )
    for number in range(25):
        inner = {**inner, "name": f"n{number}", "config": {**inner["config"], "name": f"n{number}"}}
        inner = functional([(source(), []), (inner, [node("input_layer"), node(f"n{number}")])], f"n{number}")
        inner["config"]["output_layers"] = [[f"n{number}", 1, 0]]
    inner = {**inner, "name": "twice", "config": {**inner["config"], "name": "twice"}}
    ends = [(thing("Flatten", name="f"), [node("twice")]), (dense(), [node("f")])]
    return functional([(source(), []), (inner, [node("input_layer")]), *ends], "dense")


def _heads(trap: Trap) -> Config:
    layers = [
        (source([None, 64, 64, 1]), []),
        (thing("Reshape", name="r", target_shape=[4096, 1]), [node("input_layer")]),
        (thing("MultiHeadAttention", name="m", num_heads=4096, key_dim=1, value_dim=1, use_bias=False),
         [{"args": [node("r")["args"][0], node("r")["args"][0]], "kwargs": {}}]),
        (thing("GlobalAveragePooling1D", name="g"), [node("m")]),
        (dense(), [node("g")]),
    ]  # fmt: skip
    return functional(layers, "dense")


def _rider(trap: Trap, around: str) -> Config:
    """Return a Lambda that is understood, and brings a function of Keras's own, where Keras would build it."""
    shape = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
    known = {"module": "keras.activations", "class_name": "function", "config": "relu", "registered_name": "relu"}
    inner = thing("TimeDistributed", name="t", layer=thing("Lambda", name="l", function=known, output_shape=shape))
    return with_layer(thing(around, name="p", **({"layers": [inner]} if around == "Pipeline" else {"layer": inner})))


_DENSE_1 = {"layers/dense/vars/0": np.ones((1, 2), "f4"), "layers/dense/vars/1": np.zeros(2, "f4")}
_HEADS = _DENSE_1 | {
    f"layers/multi_head_attention/{part}_dense/vars/0": np.zeros(
        (1, 4096, 1) if part != "output" else (4096, 1, 1), "f4"
    )
    for part in ("query", "key", "value", "output")
}
GROWTH = (
    _attack("lambda_sums", _TIME, lambda t: with_layer(_lambda("y = x + x", "y = y + y", "y"))),
    _attack("lambda_products", _TIME, lambda t: with_layer(_lambda("y = x * x", "y = y * y + y", "y"))),
    _attack("lambda_tuples", _TIME, lambda t: with_layer(_lambda("y = (1, x)", "y = (y, y)", "y[1]"))),
    _attack("lambda_numbers", _TIME, lambda t: with_layer(_lambda("y = 3", "y = y * y", "x * y"))),
    _attack("lambda_lists", _MEMORY, lambda t: with_layer(_lambda("y = [1, 2]", "y = [*y, *y]", "x + y"))),
    _attack("lambda_ridden_pipeline", "has Keras call a function of its own", lambda t: _rider(t, "Pipeline")),
    _attack("lambda_ridden_norm", "has Keras call a function of its own", lambda t: _rider(t, "SpectralNormalization")),
    _operation("repeats_batch", "Repeat", repeats=10**7, axis=0),
    _operation("pads_batch", "Pad", pad_width=[[10**7, 10**7], [0, 0], [0, 0], [0, 0]]),
    _operation("tiles_batch", "Tile", repeats=[10**6, 100, 100, 1]),
    _attack("heads", _MEMORY, _heads, _HEADS),
    _attack("calls", _TIME, _doubled),
    _attack("rounds", _TIME, lambda t: with_layer(thing("RandAugment", name="r", num_ops=10**6))),
    _attack("chains", _TIME, lambda t: with_layer(thing("AugMix", name="r", num_chains=10**6, chain_depth=10**6))),
    _attack("branches", _MEMORY, lambda t: _branches(40), _DENSE_1, harmless=True),
)  # fmt: skip
