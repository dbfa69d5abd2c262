"""A few good inputs for every target, made by code; nothing is kept in files."""

from __future__ import annotations

import functools
import gzip
import io
import json
import marshal
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.attacks import models
from tests.attacks.models import (
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
)
from tests.attacks.skops import GOOD
from tests.fuzz.targets import ENDINGS, picture
from tests.io import written
from tests.io.test_event_files import event, simple, tensor

X, Y = written.X, written.Y


def _file(write: Callable[[Path], Any]) -> bytes:
    """Return what a function writes to a path, or the file that it names."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        made = write(path)
        return (made if isinstance(made, Path) else path).read_bytes()


def _data(function: Callable[..., Path]) -> bytes:
    return _file(lambda path: function(path.parent, X, Y))


def _configs() -> list[bytes]:
    conv = thing("Conv2D", name="c", filters=4, kernel_size=[3, 3], strides=[1, 1], padding="same", activation="relu",
                 data_format="channels_last", dilation_rate=[1, 1], groups=1, use_bias=True)  # fmt: skip
    pool = thing("MaxPooling2D", name="p", pool_size=[2, 2], strides=[2, 2], padding="valid")
    norm = thing("BatchNormalization", name="b", axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=True)
    code = models.lambda3(models.lambda_code("x / 255"))
    graph = functional(
        [
            (source([None, 4], "i"), []),
            (dense(4, "d", activation="relu"), [node("i")]),
            (thing("Add", name="a"), [node("i", "d")]),
            (dense(3, "o"), [node("a")]),
        ],
        "o",
    )
    optimizer = thing("Adam", "keras.optimizers", name="adam", learning_rate=0.001)
    compiled = {"optimizer": optimizer, "loss": "mse", "metrics": ["accuracy"]}
    listed = [
        good(), with_layer(conv, pool, norm), graph, with_layer(sequential(source(), conv, name="inner")),
        with_layer(thing("Lambda", name="l", function=code, arguments={}, output_shape=None)),
        with_layer(thing("Rescaling", name="r", scale=1 / 255, offset=0.0), thing("Dropout", name="q", rate=0.5)),
        sequential(source([None, 10], "t"), thing("Embedding", name="e", input_dim=50, output_dim=8),
                   thing("LSTM", name="s", units=4, return_sequences=False), dense()),
        sequential(source(), flatten(), dense(), compile_config=compiled),
    ]  # fmt: skip
    return [json.dumps(each).encode() for each in listed]


def _loadable() -> list[bytes]:
    """Return configurations that the weights of `loaded_weights` fit."""
    conv = thing("Conv2D", name="c", filters=4, kernel_size=[3, 3], strides=[1, 1], padding="same", activation="relu")
    pool, norm = thing("MaxPooling2D", name="p", pool_size=[2, 2]), thing("BatchNormalization", name="b", axis=-1)
    code = models.lambda3(models.lambda_code("K.mean(x - [1.0], axis=-1, keepdims=True)"))
    graph = functional(
        [
            (source([None, 64], "i"), []),
            (dense(2, "d", activation="relu"), [node("i", shape=[None, 64])]),
            (thing("Activation", name="a", activation="tanh"), [node("d", shape=[None, 2])]),
            (thing("Add", name="o"), [node("a", "d", shape=[None, 2])]),
        ],
        "o",
    )
    text = [source([None, 10], "t"), thing("Embedding", name="e", input_dim=50, output_dim=8)]
    listed = [
        good(), with_layer(conv, pool, norm), graph, sequential(*text, thing("LSTM", name="s", units=64), dense()),
        with_layer(thing("Lambda", name="l", function=code, arguments={})),
        with_layer(thing("Rescaling", name="r", scale=1 / 255, offset=0.0), thing("Dropout", name="q", rate=0.5)),
        with_layer(sequential(source(), thing("ZeroPadding2D", name="z", padding=[[1, 1], [1, 1]]),
                              thing("Cropping2D", name="k", cropping=[[1, 1], [1, 1]]), name="inner")),
        with_layer(thing("Permute", name="m", dims=[2, 1, 3]), thing("Reshape", name="h", target_shape=[8, 8, 1])),
        sequential(source(), thing("TimeDistributed", name="td", layer=flatten()), flatten(), dense()),
        sequential(source(), thing("Resizing", name="y", height=16, width=4), flatten(), dense()),
    ]  # fmt: skip
    return [json.dumps(each).encode() for each in listed]


def loaded_weights() -> bytes:
    """Return a weight file for all of `_loadable`."""
    shapes = {"conv2d/vars/0": (3, 3, 1, 4), "conv2d/vars/1": (4,), "embedding/vars/0": (50, 8)}
    shapes |= {f"batch_normalization/vars/{number}": (4,) for number in range(4)}
    shapes |= {"lstm/cell/vars/0": (8, 256), "lstm/cell/vars/1": (64, 256), "lstm/cell/vars/2": (256,)}
    extra = {f"layers/{name}": np.full(shape, 0.5, "f4") for name, shape in shapes.items()}
    return weights(**models.good_arrays(), **extra)


def _old_configs() -> list[bytes]:
    first = layer2("Convolution2D", "c", nb_filter=4, nb_row=3, nb_col=3, border_mode="same", activation="relu",
                   dim_ordering="tf", subsample=[1, 1])  # fmt: skip
    model = {
        "class_name": "Model",
        "config": {
            "name": "m",
            "layers": [
                {**layer2("InputLayer", "i", batch_input_shape=[None, 4]), "name": "i", "inbound_nodes": []},
                {**layer2("Dense", "d", units=4), "name": "d", "inbound_nodes": [[["i", 0, 0, {}]]]},
                {**layer2("Dense", "o", units=2), "name": "o", "inbound_nodes": [[["d", 0, 0, {}]]]},
            ],
            "input_layers": [["i", 0, 0]],
            "output_layers": [["o", 0, 0]],
        },
        "keras_version": "2.2.4",
        "backend": "tensorflow",
    }
    bare = {"class_name": "Sequential", "config": good2()["config"]["layers"], "keras_version": "1.2.2"}
    operation = layer2("TFOpLambda", "tf.math.multiply", function="math.multiply")
    zero = {
        "name": "Sequential",
        "layers": [{"name": "Dense", "input_shape": [64], "output_dim": 2, "activation": "softmax", "init": "uniform"}],
        "loss": "mse",
    }
    listed = [good2(), good2(first), model, bare, good2(operation), zero]
    return [json.dumps(each).encode() for each in listed]


def _attributes() -> bytes:
    return json.dumps({
        "/": {"model_config": json.dumps(good2()), "keras_version": "2.4.0", "backend": "tensorflow",
        "training_config": "{}"},
        "model_weights": {"layer_names": ["dense"], "backend": "tensorflow", "keras_version": "2.4.0"},
        "model_weights/dense": {"weight_names": ["dense/kernel:0", "dense/bias:0"]},
    }).encode()  # fmt: skip


def _hdf5_data() -> bytes:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("x_test", data=X, chunks=(2, 5, 5), compression="gzip", shuffle=True)
            file["y_test"] = Y
            file.attrs["class_names"] = list(written.NAMES)

    return _file(write)


_CARD = b"""title = "A model"
description = "It was trained."
class_names = ["ant", "bee", "cow"]
history = "m.log"
output = "dense"
[data]
source = "digits"
split = "test"
[preprocessing]
scale = 0.00392156862745098
mean = [0.1, 0.2, 0.3]
std = 0.5
resize = [28, 28]
channels = 3
layout = "channels_last"
[results]
accuracy = 0.97
"""
_HISTORY = {"loss": [0.9, 0.5, 0.4], "val_loss": [1.0, 0.7, 0.8], "accuracy": [0.5, 0.8, 0.9]}
_CSV_HISTORY = b"epoch,accuracy,loss,val_loss\n0,0.5,0.9,1.0\n1,0.8,0.5,0.7\n2,0.9,0.4,NaN\n"
_TEXTS = b"emotion,pixels,Usage\n" + b"".join(b'%d,"%b",PublicTest\n' % (n % 2, b"1 2 3 4 " * 16) for n in range(4))
_SIDECAR = b'file_name,age,hospital\ncat/1.png,40,"North, east"\ndog/1.png,51.5,\n'
_GATES = (
    b'recall["traffic light"] drops 2pp p<0.05', b"accuracy < 0.9", b"size rises 20%", b"ece > 0.05",
    b"accuracy drops 1pp ci",
    b"recall[3] <= 50%", b"flips > 5%",
)  # fmt: skip


def _pickles() -> list[bytes]:
    arrays = {name: np.asarray(values, "f4") for name, values in _HISTORY.items()}
    scalars = {name: [np.float32(value) for value in values] for name, values in _HISTORY.items()}
    return [pickle.dumps(each, protocol) for each in (_HISTORY, arrays, scalars) for protocol in (0, 2, 4, 5)]


def _npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), **options)
    return stream.getvalue()


def _lambdas() -> list[bytes]:
    texts = (
        "x / 255",
        "K.mean(x, axis=[1, 2])",
        "tf.image.resize(x, (8, 8))",
        "x[:, ::-1, :, 0:3] - [1., 2., 3.]",
        "x if x else 1",
    )
    found = []
    for text in texts:
        outer = compile(f"lambda x: {text}", "<model>", "eval")
        found.append(marshal.dumps(next(each for each in outer.co_consts if hasattr(each, "co_code"))))
    return found


def _lambda_configs() -> list[bytes]:
    code = models.lambda_code("tf.nn.relu(x) * s")
    forms = (
        {"function": models.lambda3(models.lambda_code("x / 255")), "arguments": {"a": 1}},
        {"function": [code, [1.0], None], "function_type": "lambda", "arguments": {}},
        {"function": {"class_name": "__tuple__", "items": [code, None, [2.0]]}},
        {"function": "relu", "function_type": "function", "module": "keras.activations"},
        {"function": {"class_name": "function", "config": "softmax", "module": "keras.activations"}},
    )
    return [json.dumps(each).encode() for each in forms]


def _examples() -> list[bytes]:
    image = written.png(X[0])
    return [
        written.example(image__encoded=image, image__class__label=[1], image__class__text=b"bee"),
        written.example(image_raw=X[0].tobytes(), label=[2], height=[5], width=[5], depth=[1]),
        written.example(image=[0.5] * 25, label=[0]),
    ]


def _events() -> list[bytes]:
    return [event(1, simple("epoch_loss", 0.5)), event(2, tensor("epoch_accuracy", 0.25), simple("val", 1.0))]


def _with_preprocessing() -> list[bytes]:
    options = {"scale": 0.5, "mean": [0.1, 0.2, 0.3], "std": 0.5, "resize": [8, 8], "channels": 3, "invert": True}
    return [json.dumps(options).encode(), b'{"layout": "channels_first", "mean": 3}', b"{}"]


def _skops() -> bytes:
    with zipfile.ZipFile(GOOD) as archive:
        return archive.read("schema.json")


_SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "keras archive": lambda: [_file(keras_file)],
    "keras config": _configs,
    "keras metadata": lambda: [b'{"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}'],
    "keras weights": lambda: [weights()],
    "hdf5 model": lambda: [_file(legacy_file)],
    "hdf5 attributes": lambda: [_attributes()],
    "hdf5 data": lambda: [_hdf5_data()],
    "legacy config": lambda: _old_configs()[:-1],
    "architecture": lambda: [*_old_configs(), *_configs()[:2],
    b'{"modelTopology": {"model_config": %b}}' % _old_configs()[0]],
    "skops archive": lambda: [GOOD.read_bytes()],
    "skops schema": lambda: [_skops()],
    "loaded config": _loadable,
    "loaded hdf5": lambda: [_file(legacy_file)],
    "card": lambda: [_CARD, b'title = "x"\n'],
    "ensemble": lambda: [b'title = "e"\nhow = "weighted"\nmembers = ["a.keras", "b.keras"]\nweights = [0.5, 0.5]\n',
                         b'how = "average"\nmembers = ["a.keras", "b.keras"]\n'],
    "preprocessing": _with_preprocessing,
    "class names json": lambda: [b'["cat", "dog"]', b'{"0": "cat", "1": "dog"}', b'{"cat": 0, "dog": 1}',
                                 b'{"0": ["n01", "cat"], "1": ["n02", "dog"]}'],
    "class names lines": lambda: [b"cat\ndog\n", "k\u00e4fer\r\nb\n".encode()],
    "class names": lambda: [b"cat, dog", b"c.json"],
    "history csv": lambda: [_CSV_HISTORY, _CSV_HISTORY.replace(b",", b";")],
    "history json": lambda: [json.dumps(_HISTORY).encode(),
                             b'{"loss": {"0": 0.5, "1": 0.25}, "epoch": {"0": 0, "1": 1}}'],
    "history pickle": _pickles,
    "event file": lambda: [b"".join(map(written.record, (event(0), *_events())))],
    "event": _events,
    "csv": lambda: [_data(written.csv_pixels), b"label,p0,p1,p2,p3\n0,1,2,3,4\n1,5,6,7,8\n", b"a,1;2\n",
    b"file,label\nx.png,1\n",
                    _TEXTS],
    "sidecar": lambda: [_SIDECAR],
    "npy": lambda: [_npy(X[:4]), _npy(X[:4].astype(">f4")), _npy(np.asfortranarray(X[:4]), version=(2, 0))],
    "npz": lambda: [_data(written.npz)],
    "npz member": lambda: [_npy(X[:4]), _npy(X[:4].astype("f2"))],
    "idx": lambda: [written.idx(X[:4]), struct.pack(">HBB3I", 0, 0x0D, 3, 4, 2, 2) + bytes(64)],
    "idx in gzip": lambda: [written.idx(X[:4])],
    "gzip": lambda: [gzip.compress(written.idx(X[:4]), mtime=0)],
    "parquet": lambda: [_data(written.parquet_bytes), _data(written.parquet_arrays)],
    "parquet metadata": lambda: [
        b'{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}'
    ],
    "tfrecord": lambda: [_data(written.tfrecord)],
    "example": _examples,
    "zip": lambda: [_data(written.zipped)],
    "zip names": lambda: [b'["pets/cat/1.png", "pets/dog/1.png"]',
                          b'["train/a/1.png", "train/b/1.png", "test/a/2.png", "x.csv"]'],
    "png chunks": lambda: [picture("png"), written.png(np.arange(64, dtype=np.uint8).reshape(8, 8))],
    "gate": lambda: list(_GATES),
    "limits": lambda: [b"layers=5000, seconds=120", b"ratio=1_000"],
    "lambda code": _lambdas,
    "lambda config": _lambda_configs,
    "message": lambda: [b"a.h5: expected a model. Received: none. Pass one.", "k\u00e4fer \u202e \x1b[31m".encode()],
}  # fmt: skip


@functools.cache
def seeds(name: str) -> tuple[bytes, ...]:
    """Return the good inputs of a target."""
    if name.startswith("picture "):
        return (picture(name.split()[1]),)
    return tuple(_SEEDS[name]())


def without_seeds(names: list[str]) -> list[str]:
    """Return the targets that have none."""
    return [name for name in names if name not in _SEEDS and name not in {f"picture {ending}" for ending in ENDINGS}]
