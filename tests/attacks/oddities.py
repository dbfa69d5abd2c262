"""Models that are strange, or stay just below a limit: read or refused in one line, never a traceback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.attacks.archives import member, packed
from tests.attacks.models import (
    Config,
    dense,
    flatten,
    functional,
    good,
    good2,
    good_arrays,
    keras_file,
    layer2,
    legacy_file,
    node,
    sequential,
    source,
    thing,
    weights,
    with_layer,
)
from tests.attacks.trap import Attack, Trap

MIB = 2**20


def _keras(name: str, tries: str, config: Any, harmless: bool = True, arrays: dict[str, Any] | None = None) -> Attack:
    def build(trap: Trap) -> Path:
        made = config() if callable(config) else config
        return keras_file(trap.path("model.keras"), made, weights(**arrays) if arrays is not None else None)

    return Attack(f"odd_{name}", tries, "ours", "model", build, harmless)


def _layer(name: str, kind: str, shape: list[int | None] | None = None, **config: Any) -> Attack:
    """Return a model with a layer that Keras cannot build or run."""
    return _keras(name, f"a {kind} that cannot be", lambda: sequential(
        source(shape), thing(kind, name="odd", **config), flatten(), dense()))  # fmt: skip


def _input(name: str, shape: Any, **config: Any) -> Attack:
    first = source([None, 8, 8, 1])
    first["config"] = {**first["config"], "batch_shape": shape, **config}
    return _keras(f"input_{name}", "an input that cannot be", lambda: sequential(first, flatten(), dense()))


def _named(name: str, label: Any) -> Attack:
    """Return a good model whose layers have a strange name, and its weights under that name."""
    return _keras(f"name_{name}", "a name that TensorFlow does not take", lambda: sequential(
        source(), thing("Dropout", name=label, rate=0.5), flatten(), dense(name=label)))  # fmt: skip


def _weight(name: str, value: Any) -> Attack:
    arrays = {**good_arrays(), "layers/dense/vars/0": value}
    return _keras(f"weight_{name}", "weights that are none", good, arrays=arrays)


def _ends(inputs: Any, outputs: Any) -> Config:
    made = functional([(source([None, 4]), []), (dense(), [node("input_layer")])], "dense")
    made["config"] |= {"input_layers": inputs, "output_layers": outputs}
    return made


def _text(name: str, tries: str, change: Callable[[str], str | bytes], harmless: bool = True) -> Attack:
    return _keras(f"json_{name}", tries, lambda: change(json.dumps(good())), harmless)


def _runtime() -> Config:
    """Return a network that can be built, and cannot be asked."""
    return sequential(source([None, None, None, 1]), thing("Reshape", name="r", target_shape=[7]), thing(
        "Activation", name="a", activation="softmax"))  # fmt: skip


def _sparse_kernel(trap: Trap) -> Path:
    """Write 1.5 GiB of weights that are packed 900 times smaller: just allowed by the ratio."""
    units, rows = 6_000_000, 64
    path = trap.path("model.h5")
    config = good2()
    config["config"]["layers"][-1]["config"]["units"] = units

    def change(file: h5py.File) -> None:
        del file["model_weights/dense/dense"]
        kernel = file["model_weights/dense"].create_dataset(
            "dense/kernel:0", (rows, units), "f4", chunks=(1, 600_000), compression="gzip")  # fmt: skip
        noise = np.zeros((1, 600_000), "f4")
        noise[0, :: 600_000 // 90] = np.random.default_rng(0).normal(size=len(noise[0, :: 600_000 // 90]))
        first = None
        for row in range(rows):
            for place in range(0, units, 600_000):
                if first is None:
                    kernel[row, place : place + 600_000] = noise[0]
                    first = kernel.id.read_direct_chunk((0, 0))[1]
                kernel.id.write_direct_chunk((row, place), first)
        file["model_weights/dense"].create_dataset("dense/bias:0", data=np.zeros(units, "f4"), compression="gzip")

    return legacy_file(path, config, change)


def _pools(count: int) -> Config:
    """Return a network of little memory that multiplies for hours."""
    return sequential(source([None, 512, 512, 1]), *(thing(
        "AveragePooling2D", name=f"p{number}", pool_size=[255, 255], strides=[1, 1], padding="same",
        data_format="channels_last") for number in range(count)), thing(
            "GlobalAveragePooling2D", name="g", data_format="channels_last"), thing(
                "Activation", name="a", activation="sigmoid"))  # fmt: skip


def _upsampled(count: int) -> Config:
    """Return layers that each stay just below what one may give out."""
    up = thing("UpSampling2D", name="u", size=[2040, 2040], interpolation="nearest", data_format="channels_last")
    return sequential(source(), up, *(thing("Activation", name=f"a{n}", activation="relu") for n in range(count)),
        thing(
        "GlobalAveragePooling2D", name="g", data_format="channels_last"), thing(
            "Activation", name="a", activation="sigmoid"))  # fmt: skip


def _honest_sparse(name: str) -> Callable[[Trap], Path]:
    def build(trap: Trap) -> Path:
        path = trap.path(name)
        shape = (10**6, 320, 320, 1)
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            file.truncate(file.tell() + 10**6 * 320 * 320)
        return path

    return build


def _loop(trap: Trap) -> Path:
    trap.path("a.h5").symlink_to("b.h5")
    trap.path("b.h5").symlink_to("a.h5")
    return trap.path("a.h5")


def _zip(name: str, tries: str, make: Callable[[], bytes]) -> Attack:
    def build(trap: Trap) -> Path:
        trap.path("model.keras").write_bytes(make())
        return trap.path("model.keras")

    return Attack(f"odd_zip_{name}", tries, "ours", "model", build, harmless=True)


def _members(*more: tuple[str, bytes | str]) -> bytes:
    return packed(member("metadata.json", '{"keras_version": "3.15.1"}'), member("config.json", json.dumps(good())),
                  member("model.weights.h5", weights()), *(member(*each) for each in more))  # fmt: skip


def _empty_kernel(file: h5py.File) -> None:
    del file["model_weights/dense/dense/kernel:0"]
    file["model_weights/dense/dense/kernel:0"] = h5py.Empty("f4")


_TWICE = thing("Dropout", name="same", rate=0.5)
ODDITIES = (
    _input("zero_batch", [0, 8, 8, 1]),
    _input("zero_sides", [None, 0, 0, 1]),
    _input("no_axes", [None]),
    _input("nothing", []),
    _input("null", None),
    _input("texts", ["a", "b"]),
    _input("lists", [None, [8], [8], 1]),
    _input("floats", [None, 8.5, 8.0, 1]),
    _input("truths", [None, True, True, True]),
    _input("five_axes", [None, 2, 8, 8, 1]),
    _input("sparse", [None, 8, 8, 1], sparse=True),
    _input("ragged", [None, 8, 8, 1], ragged=True),
    _input("text_dtype", [None, 8, 8, 1], dtype="string"),
    _input("complex_dtype", [None, 8, 8, 1], dtype="complex64"),
    _input("tiny_dtype", [None, 8, 8, 1], dtype="float8_e4m3fn"),
    _input("no_dtype", [None, 8, 8, 1], dtype="\x1b[2J"),
    _layer("reshape", "Reshape", target_shape=[-1, -1, -1]),
    _layer("reshape_zero", "Reshape", target_shape=[0]),
    _layer("permute", "Permute", dims=[9, 8, 7]),
    _layer("cropping", "Cropping2D", cropping=[[9, 9], [9, 9]]),
    _layer("groups", "Conv2D", filters=2, kernel_size=[3, 3], groups=0),
    _layer("kernel_zero", "Conv2D", filters=2, kernel_size=[0, 0]),
    _layer("stride_zero", "MaxPooling2D", pool_size=[2, 2], strides=[0, 0]),
    _layer("group_normalization", "GroupNormalization", groups=0, axis=-1),
    _layer("softmax_axis", "Softmax", axis=[7, 8]),
    _layer("rescaling_list", "Rescaling", scale=[1.0] * 300_000),
    _layer("dropout", "Dropout", rate=7),
    _layer("dropout_seed", "Dropout", rate=0.5, seed=10**30),
    _layer("normalization", "Normalization", axis=-1, mean=["a"], variance=[-1.0]),
    _layer("activation_number", "Activation", activation=7),
    _layer("activation_long", "Activation", activation="x" * 10**6),
    _layer("no_config", "Dense"),
    _layer("abstract", "Layer"),
    _layer("wrapper", "Wrapper", layer=None),
    _layer("bidirectional", "Bidirectional", shape=[None, 8, 8], layer=thing("Flatten", name="f")),
    _layer("time_distributed_of_nothing", "TimeDistributed", layer=None),
    _named("space", "my <layer>"),
    _named("underscore", "_x"),
    _named("prototype", "__proto__"),
    _named("empty", ""),
    _named("number", 7),
    _named("null", None),
    _named("lines", "a\nb\tc"),
    _named("slashes", "a/b/../c"),
    _named("surrogates", "\U0001f600" * 3000),
    _keras("same_name_twice", "two layers of one name", lambda: with_layer(_TWICE, _TWICE)),
    _keras("runs_into_an_error", "a network that cannot be asked", _runtime),
    _keras("no_layers", "a model of nothing", lambda: sequential()),
    _keras("only_an_input", "a model of an input", lambda: sequential(source())),
    _keras("no_input", "a model without an input", lambda: sequential(flatten(), dense())),
    _keras("ends_nowhere", "outputs that are not there", lambda: _ends([["input_layer", 0, 0]], [])),
    _keras("starts_nowhere", "inputs that are not there", lambda: _ends([], [["dense", 0, 0]])),
    _keras("ends_by_name", "outputs in a dictionary", lambda: _ends([["input_layer", 0, 0]], {"a": ["dense", 0, 0]})),
    _keras("ends_nested", "outputs in lists", lambda: _ends([[["input_layer", 0, 0]]], [[[["dense", 0, 0]]]])),
    _keras("ends_far", "outputs of a far node", lambda: _ends([["input_layer", 0, 0]], [["dense", 10**9, -5]])),
    _keras("ends_of_texts", "texts for numbers", lambda: _ends([["input_layer", "0", None]], [["dense", {}, []]])),
    _keras("pools", "a network of little memory that works for hours", lambda: _pools(40)),
    _keras("outputs_just_below", "outputs of 1 GiB each, just below the limit", lambda: _upsampled(6)),
    Attack("odd_ratio_just_below", "1.5 GiB of weights packed 900 times", "ours", "model", _sparse_kernel,
        harmless=True),
    Attack("odd_weight_empty", "weights of nothing", "ours", "model",
           lambda t: legacy_file(t.path("model.h5"), change=_empty_kernel), harmless=True),
    Attack("odd_link_in_a_circle", "a link to a link to itself", "ours", "model", _loop),
    Attack("odd_sparse_images", "100 GB of black images that take no space", "ours", "data",
           _honest_sparse("images.npy"), harmless=True),
    Attack("odd_name_dash", "a name that looks like an option", "ours", "model",
           lambda t: keras_file(t.path("--help.keras")), harmless=True),
    Attack("odd_name_spaces", "a name of spaces and lines", "ours", "model",
           lambda t: keras_file(t.path(" a\n\tb .keras")), harmless=True),
    Attack("odd_name_bytes", "a name that is no text", "ours", "model",
           lambda t: Path(os.fsdecode(bytes(keras_file(t.path("x")).rename(
               os.fsdecode(bytes(t.folder) + b"/\xff\xfe.keras"))))), harmless=True),
    _weight("texts", np.array([[b"a", b"b"]] * 64)),
    _weight("complex", np.ones((64, 2), "c8")),
    _weight("truths", np.ones((64, 2), bool)),
    _weight("wide", np.ones((64, 2), ">f8")),
    _weight("scalar", np.float32(1)),
    _weight("no_rows", np.ones((0, 2), "f4")),
    _weight("not_finite", np.full((64, 2), np.nan, "f4")),
    _weight("other_shape", np.ones((2, 64), "f4")),
    _text("twice", "the same key twice: the second counts", lambda text: text.replace(
        '"class_name": "Flatten"', '"class_name": "Flatten", "class_name": "Evil"'), harmless=False),
    _text("behind", "something behind the end", lambda text: text + "}}]"),
    _text("before", "a mark of the encoding before the beginning", lambda text: "\ufeff" + text),
    _text("latin", "a letter that is no UTF-8", lambda text: text.replace("flatten", "fl\u00e4tten").encode("latin1")),
    _text("zero_bytes", "bytes of zero", lambda text: text + "\0" * 100),
    _text("not_numbers", "NaN for a size", lambda text: text.replace('"units": 2', '"units": NaN'), harmless=False),
    _zip("comment", "a comment of 64 kB", lambda: _members()[:-2] + b"\xff\xff" + b"c" * 65_535),
    _zip("long_name", "a name of 60,000 letters", lambda: _members(("a" * 60_000, b""))),
    _zip("zero_name", "a name with a byte of zero", lambda: _members(("config.json\0.txt", b"{}"))),
    _zip("no_name", "a member without a name", lambda: _members(("", b"x"))),
    _zip("backslashes", "names with backslashes", lambda: _members(("..\\..\\x", b"x"), ("C:\\x", b"x"))),
    _zip("behind", "something behind the end", lambda: _members() + b"x" * 5000),
    _zip("two_ends", "two directories", lambda: _members() + _members(("config.json", "{}"))),
    Attack("odd_layers_of_keras_1", "a list of layers that are none", "ours", "model", lambda t: legacy_file(
        t.path("model.h5"), {"class_name": "Sequential", "config": [layer2("Dense", "d"), 7, [], None]}),
            harmless=True),
    Attack("odd_version", "a version that is a number of lines", "ours", "model",
           lambda t: legacy_file(t.path("model.h5"), keras_version="\x1b[2J\n" * 900, backend=7), harmless=True),
)  # fmt: skip
