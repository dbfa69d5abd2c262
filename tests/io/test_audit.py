"""Model files read as data. Shapes and counts are compared with Keras's own, or counted by hand."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from diag.errors import DataError, DiagError, ModelLoadError, UnsafeModelError
from diag.io.audit import audit
from diag.io.audit_hdf5 import damaged_heap
from diag.io.datasets import load_dataset
from diag.io.models import load_model

# Saving a model is Keras's own work; TensorFlow's tensors do not know NumPy 2's copy argument yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

VERSION = {1: "1.2.2", 2: "2.2.4", 3: "3.4.1"}


def write_h5(path, config, weights, *, keras=2, backend="tensorflow"):
    """Write a file in the legacy layout by hand: `weights` maps layer -> weight name -> array."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = VERSION[keras].encode()
        if backend:
            file.attrs["backend"] = backend.encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                inner.create_dataset(name, data=np.asarray(array, dtype=np.float32))
    return path


def layer(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def sequential(*layers, **more):
    return {"class_name": "Sequential", "config": {"name": "model", "layers": list(layers), **more}}


def dense(name, units, **config):
    return layer("Dense", name, units=units, **{"activation": "softmax", "use_bias": True, **config})


def linear_file(path, **options):
    """A single Dense(3) on 4 numbers: 4 * 3 + 3 = 15 parameters."""
    weights = {"d": {"d/kernel:0": np.arange(12).reshape(4, 3), "d/bias:0": np.zeros(3)}}
    return write_h5(path, sequential(dense("d", 3, batch_input_shape=[None, 4])), weights, **options)


@pytest.fixture(scope="module")
def convnet():
    """Convolutions of every common kind, and a nested model."""
    import keras

    layers = keras.layers
    inner = keras.Sequential([keras.Input((6, 6, 4)), layers.Conv2D(5, 3, padding="same")], name="inner")
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.BatchNormalization(name="bn"),
            layers.ZeroPadding2D(1),
            layers.MaxPooling2D(2),
            inner,
            layers.SeparableConv2D(6, 3, strides=2, padding="same"),
            layers.DepthwiseConv2D(2),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", name="head"),
        ]
    )


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_what_a_file_says_is_what_keras_builds(convnet, tmp_path, ending):
    path = tmp_path / f"net.{ending}"
    convnet.save(path)
    file = audit(path)
    assert file.format == ("keras" if ending == "keras" else "hdf5")
    assert file.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file.file_size == path.stat().st_size
    assert (file.class_name, file.keras_version[0]) == ("Sequential", "3")
    assert (file.input_shape, file.n_outputs, file.activation) == ((12, 12, 1), 3, "softmax")
    assert file.n_params == convnet.count_params()
    flat = [step for outer in convnet.layers for step in getattr(outer, "layers", [outer])]
    found = [one for one in file.layers if one.class_name != "InputLayer"]
    assert [one.output_shape for one in found] == [tuple(one.output.shape[1:]) for one in flat]
    assert [one.n_params for one in found] == [one.count_params() for one in flat]
    assert any(one.name.startswith("inner/") for one in found)


def test_frame_has_a_row_a_layer(tmp_path):
    frame = audit(linear_file(tmp_path / "a.h5")).frame()
    assert list(frame.columns) == ["layer", "type", "output_shape", "parameters", "activation"]
    assert frame.iloc[0].tolist() == ["d", "Dense", "3", 15, "softmax"]  # 4 * 3 + 3


def test_functional_file_of_keras_2_with_a_sigmoid_head(tmp_path):
    entries = [
        {**layer("InputLayer", "in", batch_input_shape=[None, 4]), "name": "in", "inbound_nodes": []},
        {**dense("d", 1, activation="sigmoid"), "name": "d", "inbound_nodes": [[["in", 0, 0, {}]]]},
    ]
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["d", 0, 0]]}
    config = {"class_name": "Model", "config": {"name": "m", "layers": entries, **ends}}
    file = audit(write_h5(tmp_path / "m.h5", config, {"d": {"d/kernel:0": np.ones((4, 1))}}))
    assert (file.class_name, file.input_shape, file.n_outputs, file.activation) == (
        "Model",
        (4,),
        1,
        "sigmoid",
    )


def test_keras_1_list_of_layers_and_unknown_backend(tmp_path):
    conv = layer("Convolution2D", "c", nb_filter=2, nb_row=3, nb_col=3, border_mode="valid", dim_ordering="th")
    conv["config"]["batch_input_shape"] = [None, 1, 5, 7]
    file = audit(
        write_h5(tmp_path / "one.h5", {"class_name": "Sequential", "config": [conv]}, {}, keras=1, backend=None)
    )
    assert file.input_shape == (1, 5, 7)
    assert file.layers[0].output_shape == (2, 3, 5)  # 5 - 3 + 1 rows, 7 - 3 + 1 columns
    assert "Theano" in file.notes[0]


def test_skops_is_read_without_scikit_learn_objects(tmp_path):
    from sklearn.linear_model import LogisticRegression
    from skops import io as skops_io

    x = np.random.default_rng(0).normal(size=(30, 4))
    skops_io.dump(LogisticRegression().fit(x, np.arange(30) % 3), tmp_path / "m.skops")
    file = audit(tmp_path / "m.skops")
    assert (file.format, file.class_name) == ("skops", "LogisticRegression")
    assert (file.input_shape, file.n_outputs, file.n_params) == (
        (4,),
        3,
        15,
    )  # 3 x 4 coefficients, 3 intercepts


def test_neither_keras_nor_tensorflow_nor_sklearn_is_imported(tmp_path):
    linear_file(tmp_path / "a.h5")
    code = (
        "import sys; from diag.io.audit import audit; audit(sys.argv[1]);"
        "print([m for m in ('keras', 'tensorflow', 'sklearn') if m in sys.modules])"
    )
    run = [sys.executable, "-c", code, str(tmp_path / "a.h5")]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def _zip(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 40, "PNG"),
        (b"\x80\x04\x95" + b"0" * 40, "skops.io.dump"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"label,pixel0\n1,2\n", "text"),
        (b"\x01\x02\x03\x04", "01 02 03 04"),
        (b"PK\x03\x04" + b"0" * 40, "cannot be read"),
        (b"\x89HDF\r\n\x1a\n" + b"0" * 40, "damaged"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, content, says):
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=says) as caught:
        audit(path)
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_files(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    os.mkfifo(tmp_path / "pipe")
    for path, says in [
        (tmp_path / "absent.h5", "no such"),
        ("a\0b", "no such"),
        (tmp_path, "folder"),
        (tmp_path / "saved", "SavedModel"),
        (tmp_path / "pipe", "pipe"),
    ]:
        with pytest.raises(ModelLoadError, match=says):
            audit(path)


def test_a_name_that_no_file_can_have_is_refused_by_the_caller_as_well():
    for read, error in [(load_model, ModelLoadError), (load_dataset, DataError)]:
        with pytest.raises(error, match="no such"):
            read("a\0b.h5")


def test_archives_without_a_model(tmp_path):
    _zip(tmp_path / "a.keras", readme__txt="hello")
    _zip(tmp_path / "b.keras", config__json="{")
    _zip(tmp_path / "c.keras", config__json="[" * 100_000)
    _zip(tmp_path / "d.keras", config__json="[]")
    for name, says in [("a", "config.json"), ("b", "JSON"), ("c", "JSON"), ("d", "JSON object")]:
        with pytest.raises(ModelLoadError, match=says):
            audit(tmp_path / f"{name}.keras")


def test_zip_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(sequential()))
        archive.writestr("model.weights.h5", bytes(2**24))
    with pytest.raises(UnsafeModelError, match="16,777,216"):
        audit(tmp_path / "a.keras")


def test_weights_without_architecture(tmp_path):
    linear_file(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file.attrs["model_config"]
    with pytest.raises(ModelLoadError, match=r"model\.save"):
        audit(tmp_path / "a.h5")


def _external_link(file, tmp_path):
    linear_file(tmp_path / "other.h5")
    del file["model_weights"]
    file["model_weights"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/model_weights")


def _absolute_name(file, tmp_path):
    linear_file(tmp_path / "other.h5")
    file["elsewhere"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/model_weights/d")
    file["model_weights"].attrs["layer_names"] = [b"/elsewhere"]


def _external_storage(file, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(400))
    file["model_weights/d"].create_dataset("raw", (100,), "f4", external=[(str(tmp_path / "raw"), 0, 400)])


def _virtual(file, tmp_path):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(str(linear_file(tmp_path / "other.h5")), "model_weights/d/d/kernel:0", (4, 3))
    file["model_weights/d"].create_virtual_dataset("v", layout)


def _circle(file, tmp_path):
    group = file["model_weights/d"].create_group("g")
    group["one"] = group["two"] = group  # two ways at each of 40 depths: never to be walked to the end


def _claims(file, tmp_path):
    file["model_weights/d"].create_dataset("k", (10**6, 10**6), "f4", chunks=(1000, 1000))


@pytest.mark.parametrize("change", [_external_link, _absolute_name, _external_storage, _virtual, _circle, _claims])
def test_weights_outside_the_file_or_never_stored(tmp_path, change):
    path = linear_file(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        change(file, tmp_path)
    with pytest.raises(UnsafeModelError, match="refused"):
        audit(path)


def _overwrite(path, place, old, new):
    """Change one number in the file; it must have been what the HDF5 specification says."""
    content = bytearray(path.read_bytes())
    assert content[place : place + len(old)] == old
    content[place : place + len(new)] = new
    path.write_bytes(content)


def test_a_text_heap_that_would_hang_the_library(tmp_path):
    """A free place of length 0 in the global heap: the HDF5 library steps on by 0 bytes for ever."""
    path = linear_file(tmp_path / "a.h5")
    whole = path.read_bytes()
    start = whole.find(b"GCOL")
    (size,) = struct.unpack_from("<Q", whole, start + 8)
    place = start + 16
    while struct.unpack_from("<H", whole, place)[0]:  # objects: index, references, reserved, length; padded to 8
        place += 16 + -(-struct.unpack_from("<Q", whole, place + 8)[0] // 8) * 8
    rest = struct.pack("<Q", start + size - place)  # the free place reaches to the heap's end
    _overwrite(path, place + 8, rest, bytes(8))
    assert damaged_heap(path.read_bytes()) == start
    with pytest.raises(ModelLoadError, match="heap"):
        audit(path)


def test_free_places_in_a_circle_would_hang_the_library(tmp_path):
    path = linear_file(tmp_path / "a.h5")
    whole = path.read_bytes()
    start = whole.find(b"HEAP")
    _, free, address = struct.unpack_from("<QQQ", whole, start + 8)
    _overwrite(path, address + free, struct.pack("<Q", 1), struct.pack("<Q", free))  # 1 ends the list
    assert damaged_heap(whole) is None
    assert damaged_heap(path.read_bytes()) == start
    with pytest.raises(ModelLoadError, match="heap"):
        audit(path)


def test_attributes_are_numbers_or_texts(tmp_path):
    """Other types, which one changed byte makes of a text, can crash the library while it reads them."""
    path = linear_file(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["odd"] = file["model_weights"].ref
    with pytest.raises(ModelLoadError, match="neither numbers nor texts"):
        audit(path)


def test_half_a_character_in_a_name(tmp_path):
    """JSON can write half of a pair of characters, which no table can show."""
    config = json.dumps(sequential(dense("d", 3, batch_input_shape=[None, 4]))).replace('"d"', '"\\udc80"')
    _zip(tmp_path / "a.keras", config__json=config)
    with pytest.raises(ModelLoadError, match="JSON"):
        audit(tmp_path / "a.keras")


STRANGE = [
    None,
    [],
    {"class_name": 3, "config": {}},
    {"class_name": "Sequential", "config": {"layers": None}},
    {"class_name": "Sequential", "config": {"layers": [{"config": {}}]}},
    sequential(layer("Conv2D", "c", filters=1, kernel_size="x", batch_input_shape=[None, 8, 8, 1])),
    sequential(layer("Conv2D", "c", filters=1, kernel_size=[3, 3], strides=[0, 0], batch_input_shape=[None, 8, 8, 1])),
    sequential(layer("Reshape", "r", target_shape=[0, -1], batch_input_shape=[None, 8, 8, 1])),
]


@pytest.mark.parametrize("config", STRANGE)
def test_strange_configurations(tmp_path, config):
    with pytest.raises(ModelLoadError):
        audit(write_h5(tmp_path / "a.h5", config, {}))


@pytest.mark.parametrize("ending", ["h5", "keras", "skops"])
def test_truncated_and_mutated_files_end_in_one_line(tmp_path, ending, convnet):
    path = tmp_path / f"model.{ending}"
    if ending == "skops":
        from sklearn.linear_model import LogisticRegression
        from skops import io as skops_io

        skops_io.dump(LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]), path)
    else:
        convnet.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[: int(size)] for size in rng.integers(1, len(whole), 40)]
    for _ in range(150):
        bad = np.frombuffer(whole, np.uint8).copy()
        start = len(bad) - 3000 if rng.random() < 0.5 else 0  # headers and directories are at both ends
        bad[start + rng.integers(0, 3000, 12)] = rng.integers(0, 256, 12)
        damaged.append(bad.tobytes())
    messages = [_message(path, content) for content in damaged]
    assert sum(bool(message) for message in messages) > 40  # truncated ones at least
    assert not any("\n" in message for message in messages)


def _message(path, content):
    """Return what `audit` has against a file, "" for nothing; any other error than a DiagError comes through."""
    path.write_bytes(content)
    try:
        audit(path)
    except DiagError as error:
        return str(error)
    return ""
