"""Configurations whose building or running takes all memory, or for ever."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tests.attacks.models import (
    Config,
    dense,
    flatten,
    functional,
    good,
    good2,
    keras_file,
    layer2,
    legacy_file,
    node,
    sequential,
    source,
    thing,
    weights,
    with_layer,
)  # fmt: skip
from tests.attacks.trap import Attack, Trap

_MEMORY, _TIME = "takes all memory when it is built or asked", "takes for ever to be built or asked"


def _keras(name: str, tries: str, config: Any, harmless: bool = False, arrays: Any = None) -> Attack:
    """Return a model of a configuration, with the good model's weights or with those that `arrays` makes."""

    def build(trap: Trap) -> Any:
        made = config() if callable(config) else config
        return keras_file(trap.path("model.keras"), made, None if arrays is None else weights(**arrays()))

    return Attack(f"size_{name}", tries, "the issue" if name in _ISSUE else "ours", "model", build, harmless)


def _legacy(name: str, tries: str, config: Any, harmless: bool = False) -> Attack:
    return Attack(f"size_{name}_h5", tries, "ours", "model", lambda t: legacy_file(
        t.path("model.h5"), config() if callable(config) else config), harmless)  # fmt: skip


_ISSUE = ("units", "layers_1000", "nested_10000")


def _one(name: str, kind: str, tries: str = _MEMORY, shape: list[int | None] | None = None, **config: Any) -> Attack:
    """Return a model whose one strange layer is flattened and led to the end."""
    return _keras(name, tries, lambda: sequential(source(shape), thing(kind, name="big", **config), flatten(), dense()))


def _conv(number: int, filters: int, kernel: int) -> Config:
    return thing("Conv2D", name=f"c{number}", filters=filters, kernel_size=[kernel, kernel], padding="same",
                 strides=[1, 1], data_format="channels_last", dilation_rate=[1, 1], groups=1, activation="linear",
                 use_bias=True)  # fmt: skip


def _nested(depth: int) -> str:
    """Return a Sequential in a Sequential and so on, as text: json itself would give up."""
    start = (
        '{"module": "keras", "class_name": "Sequential", "registered_name": null, "config": {"name": "s", "layers": ['
    )
    return start * depth + json.dumps(source()) + "]}}" * depth


def _doubling(kind: str, count: int, **config: Any) -> Config:
    """Return layers that each take the one before twice over."""
    layers = [(source([None, 4]), [])]
    before = "input_layer"
    for number in range(count):
        layers.append((thing(kind, name=f"m{number}", **config), [node(before, before)]))
        before = f"m{number}"
    layers.append((dense(), [node(before)]))
    return functional(layers, "dense")


def _nested_doubling(depth: int) -> Config:
    """Return models that each call the one inside them twice: 2 ** depth layers to be run."""
    inner: Config = thing("Activation", name="n0", activation="relu")
    for number in range(1, depth):
        calls = [node("in"), node(inner["config"]["name"])]
        name = f"n{number}"
        outer = functional([(source([None, 4], "in"), []), (inner, calls)], inner["config"]["name"], name)
        outer["config"]["output_layers"] = [[inner["config"]["name"], 1, 0]]
        inner = outer
    return functional([(source([None, 4]), []), (inner, [node("input_layer")]),
                       (dense(), [node(inner["config"]["name"])])], "dense")  # fmt: skip


def _circle() -> Config:
    layers = [(source([None, 4]), []), (thing("Dense", name="a", units=4), [node("b")]),
              (thing("Dense", name="b", units=4), [node("a")]), (dense(), [node("b")])]  # fmt: skip
    return functional(layers, "dense")


def _many_calls(count: int) -> Config:
    layers = [(source([None, 4]), []), (thing("Activation", name="a", activation="relu"),
        [node("input_layer")] * count),
              (dense(), [node("a")])]  # fmt: skip
    return functional(layers, "dense")


def _dense_arrays(count: int) -> dict[str, Any]:
    """Return the weights of `count` small dense layers and of the last one."""
    found = {}
    for number in range(count + 1):
        name = f"layers/dense_{number}".removesuffix("_0") + "/vars"
        units = 2 if number == count else 4
        found[f"{name}/0"] = np.ones((64 if number == 0 else 4, units), "f4")
        found[f"{name}/1"] = np.zeros(units, "f4")
    return found


def _lstm_arrays(units: int) -> dict[str, Any]:
    """Return the weights of a recurrent layer that takes as many numbers as it has units, and of the last layer."""
    found = {f"layers/lstm/cell/vars/{number}": np.ones((units, 4 * units), "f4") for number in range(2)}
    found |= {"layers/lstm/cell/vars/2": np.zeros(4 * units, "f4"), "layers/dense/vars/0": np.ones((units, 2), "f4")}
    return {**found, "layers/dense/vars/1": np.zeros(2, "f4")}


def _pairwise(count: int) -> Config:
    """Return a graph in which each layer takes all those before it."""
    layers = [(source([None, 4]), [])]
    names = ["input_layer"]
    for number in range(count):
        layers.append((thing("Concatenate", name=f"m{number}", axis=-1), [node(*names)] if len(names) > 1 else []))
        names.append(f"m{number}")
    return functional(layers, names[-1])


def _array(value: Any, dtype: str) -> Config:
    argument = {"class_name": "__numpy__", "config": {"value": value, "dtype": dtype}}
    return functional([(source([None, 4]), []), (dense(), [node("input_layer", mask=argument)])], "dense")


def _operation(name: str, kind: str, module: str = "keras.src.ops.numpy", **config: Any) -> Attack:
    return _keras(f"operation_{name}", _MEMORY, lambda: functional(
        [(source([None, 4]), []), ({**thing(kind, module, name="op", **config)}, [node("input_layer")]),
         (dense(), [node("op")])], "dense"))  # fmt: skip


_SEQUENCE: list[int | None] = [None, 8, 8]
SIZES = (
    _one("units", "Dense", units=2**28, activation="linear"),
    _legacy("units", _MEMORY, lambda: good2(layer2("Dense", "big", units=2**28, activation="linear"))),
    _one("units_text", "Dense", units="268435456", activation="linear"),
    _one("units_float", "Dense", units=2.0**28, activation="linear"),
    _one("units_4000_digits", "Dense", units=10**4000, activation="linear"),
    _one("units_infinite", "Dense", units=float("inf"), activation="linear"),
    _one("units_negative", "Dense", units=-5, activation="linear"),
    _keras("units_each_allowed", _MEMORY, lambda: sequential(source(), flatten(), *(
        dense(16_384, f"d{number}", activation="linear") for number in range(24)), dense())),
    _legacy("units_each_allowed", _MEMORY, lambda: good2(layer2("Flatten", "f"), *(
        layer2("Dense", f"d{number}", units=16_384, activation="linear", use_bias=True) for number in range(24)))),
    _keras("kernel_times_filters", _MEMORY, lambda: with_layer(_conv(1, 16_000, 255))),
    _keras("kernels_in_a_row", _MEMORY, lambda: with_layer(*(_conv(n, 4096, 15) for n in range(6)))),
    _one("embedding", "Embedding", shape=[None, 8], input_dim=2**30, output_dim=64),
    _one("embedding_vocabulary", "Embedding", shape=[None, 8], input_dim=2**14, output_dim=2**14),
    _one("upsampling", "UpSampling2D", size=[10**6, 10**6], interpolation="nearest", data_format="channels_last"),
    _one("upsampling_bilinear", "UpSampling2D", size=[4096, 4096], interpolation="bilinear"),
    _one("upsampling_1d", "UpSampling1D", shape=_SEQUENCE, size=10**9),
    _one("upsampling_3d", "UpSampling3D", shape=[None, 8, 8, 8, 1], size=[999, 999, 999]),
    _one("resizing", "Resizing", height=10**5, width=10**5, interpolation="bilinear"),
    _one("resizing_lanczos", "Resizing", height=30_000, width=30_000, interpolation="lanczos5"),
    _one("zero_padding", "ZeroPadding2D", padding=[[10**6, 10**6], [10**6, 10**6]], data_format="channels_last"),
    _one("zero_padding_1d", "ZeroPadding1D", shape=_SEQUENCE, padding=[2**40, 2**40]),
    _one("repeat_vector", "RepeatVector", shape=[None, 8], n=2**34),
    _one("stride_and_dilation", "Conv2D", filters=1, kernel_size=[3, 3], dilation_rate=[10**9, 10**9],
         padding="same", activation="linear"),
    _one("transpose_strides", "Conv2DTranspose", filters=64, kernel_size=[3, 3], strides=[9999, 9999], padding="same",
         activation="linear"),
    _one("pool_size", "MaxPooling2D", pool_size=[2**40, 2**40], strides=[1, 1], padding="same"),
    _one("lstm_units", "LSTM", shape=_SEQUENCE, units=2**20),
    _one("heads", "MultiHeadAttention", shape=_SEQUENCE, num_heads=10**6, key_dim=4096),
    _one("einsum", "EinsumDense", shape=_SEQUENCE, equation="abc,cd->abd", output_shape=[8, 2**30]),
    _one("category_encoding", "CategoryEncoding", shape=[None, 8], num_tokens=2**31, output_mode="multi_hot"),
    _one("hashing", "Hashing", shape=[None, 8], num_bins=2**31, output_mode="one_hot"),
    _one("integer_lookup", "IntegerLookup", shape=[None, 8], max_tokens=2**33, output_mode="one_hot",
         vocabulary=[1, 2]),
    _one("adaptive_pooling", "AdaptiveAveragePooling2D", output_size=[50_000, 50_000]),
    _one("spectrogram", "STFTSpectrogram", shape=[None, 16_000], mode="log", fft_length=2**30, frame_length=2**29,
         frame_step=1),
    _one("locally_connected", "LocallyConnected2D", shape=[None, 512, 512, 16], filters=512, kernel_size=[9, 9]),
    _keras("batch_shape", _MEMORY, lambda: sequential(source([None, 10**9, 10**9, 1]), thing(
        "GlobalAveragePooling2D", name="g"), dense())),
    _keras("batch_size", _MEMORY, lambda: sequential(source([10**9, 8, 8, 1]), flatten(), dense())),
    _keras("batch_shape_negative", _MEMORY, lambda: sequential(source([None, -8, -8, -1]), flatten(), dense())),
    _keras("batch_shape_ranks", _MEMORY, lambda: sequential(source([None, *[1] * 200]), flatten(), dense())),
    _keras("build_config", "a shape only for building", lambda: sequential(
        source(), flatten(), {**dense(), "build_config": {"input_shape": [None, 2**30]}}), harmless=True),
    _keras("build_config_of_the_model", "a shape only for building", lambda: {
        **sequential(flatten(), dense()), "build_config": {"input_shape": [None, 2**16, 2**16, 1]}}),
    _keras("layers_1000", _TIME, lambda: with_layer(*(
        thing("Dropout", name=f"d{number}", rate=0.5) for number in range(1000))), harmless=True),
    _keras("layers_20000", _TIME, lambda: with_layer(*(
        thing("Dropout", name=f"d{number}", rate=0.5) for number in range(20_000)))),
    _keras("dense_1500", _TIME, lambda: sequential(source(), flatten(), *(
        dense(4, f"d{number}", activation="relu") for number in range(1500)), dense()), harmless=True,
        arrays=lambda: _dense_arrays(1500)),
    _legacy("layers_1000", _TIME, lambda: good2(*(
        layer2("Dropout", f"d{number}", rate=0.5) for number in range(1000))), harmless=True),
    _legacy("layers_20000", _TIME, lambda: good2(*(
        layer2("Dropout", f"d{number}", rate=0.5) for number in range(20_000)))),
    _keras("nested_100", _TIME, lambda: _nested(90), harmless=True),
    _keras("nested_1000", _TIME, lambda: _nested(1000)),
    _keras("nested_10000", _TIME, lambda: _nested(10_000)),
    _keras("lists_10000", "lists in lists", lambda: json.dumps(with_layer(thing(
        "Reshape", name="r", target_shape="HERE"))).replace('"HERE"', "[" * 10_000 + "]" * 10_000)),
    _keras("wrappers_300", _TIME, lambda: _wrapped(300)),
    _keras("concatenate_doubling", _MEMORY, lambda: _doubling("Concatenate", 60, axis=-1)),
    _keras("add_doubling", _TIME, lambda: _doubling("Add", 200), harmless=True),
    _keras("models_doubling", _TIME, lambda: _nested_doubling(30)),
    _keras("pairwise", _TIME, lambda: _pairwise(26)),
    _keras("many_calls", _TIME, lambda: _many_calls(40_000)),
    _keras("circle", "a graph that runs in a circle", _circle),
    _keras("node_from_nowhere", "a node that is not there", lambda: functional(
        [(source([None, 4]), []), (dense(), [node("nothing")])], "dense")),
    _keras("unrolled", _TIME, lambda: sequential(source([None, 4]), thing("RepeatVector", name="v", n=20_000), thing(
        "LSTM", name="l", units=4, unroll=True), dense()), harmless=True, arrays=lambda: _lstm_arrays(4)),
    _keras("long_sequence", _TIME, lambda: sequential(source([None, 4]), thing("RepeatVector", name="v", n=10**7),
                                                      thing("LSTM", name="l", units=4), dense()),
           arrays=lambda: _lstm_arrays(4)),
    _keras("stacked_cells", _TIME, lambda: sequential(source(_SEQUENCE), thing("RNN", name="r", cell=thing(
        "StackedRNNCells", cells=[thing("LSTMCell", units=2048) for _ in range(200)])), dense())),
    _keras("array_text_of_2_gb", _MEMORY, lambda: _array(["a"], "S2000000000")),
    _keras("array_void_of_4_gb", _MEMORY, lambda: _array([0], "V4000000000")),
    _keras("array_of_objects", "objects by way of NumPy", lambda: _array([["a"]], "O")),
    _operation("tile", "Tile", repeats=[1, 2**30]),
    _operation("repeat", "Repeat", repeats=2**31, axis=1),
    _operation("pad", "Pad", pad_width=[[0, 0], [0, 2**32]], mode="constant"),
    _operation("broadcast", "BroadcastTo", shape=[2**16, 2**16, 4]),
    _operation("one_hot", "OneHot", "keras.src.ops.nn", num_classes=2**32),
    _operation("fori", "ForiLoop", "keras.src.ops.core", lower=0, upper=2**40, body_fun=None),
    _keras("policy_gptq", "a dtype policy that quantises", lambda: with_layer(dense(4, "d", dtype=thing(
        "GPTQDTypePolicy", "keras.dtype_policies", mode="gptq/4/999999999", source_name="float32"))), harmless=True),
    _keras("policy_map", "a dtype policy of many policies", lambda: with_layer(dense(4, "d", dtype=thing(
        "DTypePolicyMap", "keras.dtype_policies", default_policy=None, policy_map={
            f"k{number}": thing("DTypePolicy", "keras", name="float32") for number in range(50_000)}))), harmless=True),
    _keras("lora_rank", _MEMORY, lambda: sequential(source(), flatten(), dense(lora_rank=2**27))),
    _keras("names_of_a_megabyte", "names that fill the screen", lambda: with_layer(thing(
        "Lambda", name="\u202e\x1b[2J" + "n" * 10**6, function="x"))),
    _keras("names_of_control_characters", "names that write over the line", lambda: with_layer(thing(
        "Evil\r\n\x1b]0;owned\x07", "evil\u2066_module", name="\x1b[31m\n\u202e" * 100))),
    _keras("name_with_a_path", "a name that is a path", lambda: with_layer(thing(
        "Dropout", name="../../../../tmp/x", rate=0.5)), harmless=True),
    _keras("numbers_that_are_none", "NaN and infinities for sizes", lambda: with_layer(thing(
        "Dropout", name="d", rate=float("nan")), _conv(1, 4, 3), thing(
            "BatchNormalization", name="b", axis=[float("inf")]))),
    _keras("wrong_types", "lists for texts, texts for lists", lambda: {
        **good(), "config": {"name": ["a"], "layers": {"0": source()}}}),
    _keras("layers_of_texts", "texts for layers", lambda: {**good(), "config": {"name": "s", "layers": ["Dense"] * 9}}),
    _keras("half_a_character", "half of a pair of characters", lambda: json.dumps(with_layer(thing(
        "Dropout", name="HALF", rate=0.5))).replace("HALF", "\\udc80")),
    _keras("config_in_text", "JSON in JSON in JSON", lambda: {**good(), "config": json.dumps(good()["config"])}),
    Attack("size_json_in_json_nested", "JSON in JSON that is nested without end", "ours", "architecture",
           lambda t: _inside(t)),
)  # fmt: skip


def _wrapped(depth: int) -> str:
    start = ('{"module": "keras.layers", "class_name": "TimeDistributed", "registered_name": null, "config": '
             '{"name": "t", "layer": ')  # fmt: skip
    whole = json.dumps(sequential(source(), thing("Dropout", name="HERE", rate=0.5), flatten(), dense()))
    inner = json.dumps(thing("Dropout", name="HERE", rate=0.5))
    return whole.replace(inner, start * depth + inner + "}}" * depth)


def _inside(trap: Trap) -> Any:
    legacy_file(trap.path("model.h5"), change=lambda file: file.attrs.pop("model_config"))
    path = trap.path("model.json")
    path.write_text(json.dumps({"class_name": "Sequential", "config": "[" * 200_000}))
    return path
