"""Lambda layers read as data. Functions of the running Python are marshalled by Python itself; those of other versions
are put together here by hand from the instruction numbers in each version's ``opcode`` module."""

from __future__ import annotations

import base64
import marshal
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import UnsafeModelError
from diag.io.expressions import OPERATIONS, Node, UnknownExpressionError, evaluate
from diag.io.keras_files import load_keras
from diag.io.lambdas import UnrecognisedError, expression_of
from diag.io.marshalled import MarshalError, read_code
from tests.io.test_audit import dense, layer, sequential, write_h5

needs_known_python = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="the instructions of Python 3.14 are not read; they are said to be unknown"
)
INPUT = Node("input", (0,))
STANDARD = Node("divide", (Node("subtract", (INPUT, 33.318)), 78.567))  # (x - 33.318) / 78.567
tf = K = mean_px = None  # names that the functions below mention; nothing here calls them


def config_of(function):
    """Return a Lambda's configuration as Keras 2 writes it."""
    closure = [cell.cell_contents for cell in function.__closure__] if function.__closure__ else None
    code = base64.b64encode(marshal.dumps(function.__code__)).decode()
    return {"function": [code, function.__defaults__, closure], "function_type": "lambda", "arguments": {}}


def computed(function, x):
    return np.asarray(evaluate(expression_of(config_of(function)), [np.asarray(x, np.float32)]))


def closed_over(mean, spread):
    return lambda x: (x - mean) / spread


def with_import_and_locals(x):
    import tensorflow as tf

    y = tf.cast(x, tf.float32)
    y /= 127.5
    return y - 1.0


X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
# What each computes, by NumPy.
KNOWN = {
    "scale": (lambda x: x / 255, X / 255),
    "inverse": (lambda x: x * (1 / 255.0), X / 255),
    "standardise": (lambda x: (x - 33.318) / 78.567, (X - 33.318) / 78.567),
    "closure": (closed_over(3.0, 2.0), (X - 3) / 2),
    "default": (lambda x, a=2.0: x * a, X * 2),
    "turned": (lambda x: 1 - x, 1 - X),
    "negative": (lambda x: -x + 1, 1 - X),
    "statements": (with_import_and_locals, X / 127.5 - 1),
    "expand": (lambda x: tf.expand_dims(x, axis=-1), X[..., np.newaxis]),
    "squeeze": (lambda x: K.squeeze(K.expand_dims(x, 1), axis=1), X),
    "reshape": (lambda x: tf.reshape(x, (-1, 3 * 4)), X.reshape(2, 12)),
    "reshape by shape": (lambda x: tf.reshape(x, [tf.shape(x)[0], x.shape[1] * 4]), X.reshape(2, 12)),
    "permute": (lambda x: K.permute_dimensions(x, (0, 2, 1)), X.transpose(0, 2, 1)),
    "channels turned": (lambda x: x[..., ::-1], X[..., ::-1]),
    "part": (lambda x: x[:, 1:, :2], X[:, 1:, :2]),
    "mean": (lambda x: K.mean(x, axis=[1, 2], keepdims=True), X.mean(axis=(1, 2), keepdims=True)),
    "norm": (lambda x: K.l2_normalize(x, axis=-1), X / np.linalg.norm(X, axis=-1, keepdims=True)),
    "relu": (lambda x: K.relu(x - 5), np.maximum(X - 5, 0)),
    "joined": (lambda x: tf.concat([x, x], axis=1), np.concatenate([X, X], axis=1)),
    "power": (lambda x: x**2 / 2, X**2 / 2),
}


@needs_known_python
@pytest.mark.parametrize("name", KNOWN)
def test_functions_of_this_python(name):
    function, expected = KNOWN[name]
    np.testing.assert_allclose(computed(function, X), expected, rtol=1e-5, atol=1e-6)


@needs_known_python
def test_resize_is_that_of_tensorflow():
    import tensorflow

    x = np.random.default_rng(0).uniform(size=(1, 5, 4, 2)).astype(np.float32)
    ours = computed(lambda x: tf.image.resize(x, (7, 9)), x)
    np.testing.assert_allclose(ours, tensorflow.image.resize(x, (7, 9)).numpy(), rtol=1e-5)
    old = computed(lambda x: tf.image.resize_bilinear(x, (7, 9)), x)
    np.testing.assert_allclose(old, tensorflow.compat.v1.image.resize_bilinear(x, (7, 9)).numpy(), rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- other versions of Python, by hand


def text(value, old=False):
    return (b"t" if old else b"u") + struct.pack("<i", len(value)) + value.encode()


def number(value):
    return b"g" + struct.pack("<d", value) if isinstance(value, float) else b"i" + struct.pack("<i", value)


def tuple_of(*parts):
    return b"(" + struct.pack("<i", len(parts)) + b"".join(parts)


def marshalled(layout, code, consts, names=()):
    """Return a code object of one argument, x, in the layout that begins with a version of Python."""
    old = layout == "2.7"
    numbers = {"2.7": (1, 1, 2, 67), "3.0": (1, 0, 1, 2, 67), "3.8": (1, 0, 0, 1, 2, 67), "3.11": (1, 0, 0, 2, 3)}[
        layout
    ]
    raw = b"s" + struct.pack("<i", len(code)) + code
    constants = tuple_of(b"N", *map(number, consts))
    own = tuple_of(text("x", old))
    parts = [b"c", *(struct.pack("<i", value) for value in numbers), raw, constants,
             tuple_of(*(text(name, old) for name in names)), own]  # fmt: skip
    empty = b"s" + struct.pack("<i", 0)
    if layout == "3.11":
        parts += [b"s" + struct.pack("<i", 1) + b"\x20", text("f.py"), text("f"), text("f"), struct.pack("<i", 1)]
        return b"".join([*parts, empty, empty])
    return b"".join([*parts, tuple_of(), tuple_of(), text("f.py", old), text("f", old), struct.pack("<i", 1), empty])


def wide(*pairs):
    """Instructions before 3.6: two bytes of operand from number 90 on."""
    return b"".join(bytes([op]) + (struct.pack("<H", arg) if op >= 90 else b"") for op, arg in pairs)


def words(*pairs):
    return b"".join(bytes(pair) for pair in pairs)


# LOAD_FAST x, LOAD_CONST 1, subtract, LOAD_CONST 2, divide, RETURN_VALUE in each version's numbers.
OLD = ((124, 0), (100, 1), (24, 0), (100, 2))
BYTECODE = {
    "2.7": marshalled("2.7", wide(*OLD, (21, 0), (83, 0)), (33.318, 78.567)),
    "3.5": marshalled("3.0", wide(*OLD, (27, 0), (83, 0)), (33.318, 78.567)),
    "3.6": marshalled("3.0", words(*OLD, (27, 0), (83, 0)), (33.318, 78.567)),
    "3.8": marshalled("3.8", words(*OLD, (27, 0), (83, 0)), (33.318, 78.567)),
    "3.11": marshalled(
        "3.11", words((151, 0), (124, 0), (100, 1), (122, 10), (0, 0), (100, 2), (122, 11), (0, 0), (83, 0)),
        (33.318, 78.567),
    ),
    "3.13": marshalled(
        "3.11", words((149, 0), (85, 0), (83, 1), (45, 10), (0, 0), (83, 2), (45, 11), (0, 0), (36, 0)),
        (33.318, 78.567),
    ),
}  # fmt: skip
CACHE, EXPAND = [(0, 0)], ("tf", "expand_dims")
# tf.expand_dims(x, -1): names 0 tf, 1 expand_dims; constant 1.
CALLS = {
    "2.7": marshalled("2.7", wide((116, 0), (106, 1), (124, 0), (100, 1), (131, 2), (83, 0)), (-1,), EXPAND),
    "3.7": marshalled("3.0", words((116, 0), (160, 1), (124, 0), (100, 1), (161, 2), (83, 0)), (-1,), EXPAND),
    "3.12": marshalled(
        "3.11",
        words(
            (151, 0), (116, 0), *CACHE * 4, (106, 3), *CACHE * 9, (124, 0), (100, 1), (171, 2), *CACHE * 3, (83, 0)
        ),
        (-1,), EXPAND,
    ),
    "3.13": marshalled(
        "3.11",
        words(
            (149, 0), (91, 0), *CACHE * 4, (82, 3), *CACHE * 9, (85, 0), (83, 1), (53, 2), *CACHE * 3, (36, 0)
        ),
        (-1,), EXPAND,
    ),
}  # fmt: skip


@pytest.mark.parametrize("version", BYTECODE)
def test_the_standardisation_of_every_version(version):
    """Keras 1 and early Keras 2 kept the bytes as text of one character a byte; later ones as base64."""
    data = BYTECODE[version]
    for code in (data.decode("latin-1"), base64.b64encode(data).decode(), base64.encodebytes(data).decode()):
        assert expression_of({"function": [code, None, None]}) == STANDARD


@pytest.mark.parametrize("version", CALLS)
def test_a_call_of_every_version(version):
    code = base64.b64encode(CALLS[version]).decode()
    assert expression_of({"function": [code, None, None]}) == Node("expand_dims", (INPUT, -1))


def test_integers_of_python_2_divide_without_a_rest():
    code = wide((124, 0), (100, 1), (100, 2), (21, 0), (20, 0), (83, 0))  # x * (1 / 255)
    data = marshalled("2.7", code, (1, 255))
    tree = expression_of({"function": [data.decode("latin-1"), None, None]})
    assert tree == Node("multiply", (INPUT, 0))


@pytest.mark.parametrize(
    "function",
    [
        {"class_name": "__lambda__", "config": {"code": base64.b64encode(BYTECODE["3.8"]).decode()}},
        {"class_name": "__tuple__", "items": [base64.b64encode(BYTECODE["3.8"]).decode(), None, None]},
    ],
)
def test_how_keras_3_and_tensorflow_write_functions(function):
    assert expression_of({"function": function}) == STANDARD


def test_names_alone():
    assert expression_of({"function": "softmax", "function_type": "function"}) == Node("softmax", (INPUT,))
    with pytest.raises(UnrecognisedError, match="only its name, 'preprocess'"):
        expression_of({"function": "preprocess", "function_type": "function"})


# ---------------------------------------------------------------- what is not recognised


def looping(x):
    for _ in range(3):
        x = x * 2
    return x


def guarded(x):
    try:
        return x / 255
    except ValueError:
        return x


UNKNOWN = {
    "a system call": (lambda x: __import__("os").system("true") or x, "__import__"),
    "a builtin": (lambda x: input(x), "input"),
    "a condition": (lambda x: x if x is not None else 0, "instruction"),
    "a loop": (looping, "range|instruction"),
    "a handler": (guarded, "exception handler"),
    "a value of the notebook": (lambda x: x - mean_px, "'mean_px', whose value is not in the file"),
    "a method": (lambda x: x.numpy(), "method 'numpy'"),
    "a function of its own": (lambda x: (lambda y: y)(x), "instruction|function of its own"),
    "no input used": (lambda x: 3, "does not come from its input"),
    "a huge number": (lambda x: x * 9**9**9, "large numbers|instruction|arithmetic"),
    "an unknown operation": (lambda x: tf.io.read_file(x), "'tf.io.read_file'"),
}


@needs_known_python
@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_recognised_says_why(name):
    function, says = UNKNOWN[name]
    with pytest.raises(UnrecognisedError, match=says):
        expression_of(config_of(function))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 5), st.integers(0, 400), st.integers(0, 255))
def test_changed_bytes_end_in_an_expression_or_a_reason(noise, which, place, value):
    good = bytearray(list(BYTECODE.values())[which])
    good[place % len(good)] = value
    for data in (noise, b"\xe3" + noise, bytes(good), bytes(good)[: place % len(good)]):
        try:
            tree = expression_of({"function": [base64.b64encode(data).decode(), None, None]})
        except UnrecognisedError:
            continue
        assert all(name in OPERATIONS or name == "input" for name in _names(tree))


def _names(tree):
    if isinstance(tree, Node):
        return {tree.name}.union(*(_names(part) for part in (*tree.args, *tree.kwargs.values())))
    return set().union(*map(_names, tree)) if isinstance(tree, list | tuple) else set()


def test_deep_and_long_bytes_are_refused():
    for data in (b"(\x01\x00\x00\x00" * 5000, b"l" + struct.pack("<i", 2**30), b"c" + b"\x00" * 70_000):
        with pytest.raises(UnrecognisedError):
            expression_of({"function": [base64.b64encode(data).decode(), None, None]})


GROWING = {
    "a sum of itself": ("y = x + x", "y = y + y", "y"),
    "a tuple of itself": ("y = (1, x)", "y = (y, y)", "y[1]"),
    "a number times itself": ("y = 3", "y = y * y", "x * y"),
    "a list twice over": ("y = [1, 2]", "y = [*y, *y]", "x + y"),
}


@needs_known_python
@pytest.mark.parametrize("name", GROWING)
def test_a_short_function_that_doubles_something_sixty_times_is_refused(name):
    first, again, last = GROWING[name]
    lines = "\n ".join([first, *[again] * 60, f"return {last}"])
    made = {}
    exec(f"def growing(x):\n {lines}\n", made)  # noqa: S102 - the test's own text
    with pytest.raises(UnrecognisedError, match=r"makes more of its input|very large numbers"):
        expression_of(config_of(made["growing"]))


def test_values_that_refer_to_one_another_are_counted_as_often_as_they_are_met():
    doubled = b"".join(b"\xa8\x02\x00\x00\x00" + 2 * (b"r" + struct.pack("<i", place)) for place in range(1, 40))
    data = b"\xa8\x28\x00\x00\x00" + b"\xa8\x00\x00\x00\x00" + doubled
    with pytest.raises(MarshalError, match="too many"):
        read_code(data, "3.8")


def test_what_a_function_makes_on_its_way_is_bounded_by_numbers_an_image():
    import keras

    tree = Node("mean", (Node("tile", (Node("input", (0,)), (1, 9000, 9000, 1))),), {"axis": (1, 2)})
    with pytest.raises(UnknownExpressionError, match="very many numbers"):
        evaluate(tree, [keras.Input((8, 8, 1))])


# ---------------------------------------------------------------- in a model


def lambda_layer(function, **more):
    return layer("Lambda", "scale", **config_of(function), **more)


def test_the_standardised_network_of_channels_first(tmp_path):
    """A Lambda with channels first, as a Theano user wrote it under Python 2.7, before Keras's own layers."""
    rng = np.random.default_rng(0)
    kernel, images = rng.normal(size=(784, 3)), rng.uniform(0, 255, size=(2, 1, 28, 28))
    first = layer(
        "Lambda", "norm", function=[BYTECODE["2.7"].decode("latin-1"), None, None], function_type="lambda",
        output_shape=None, output_shape_type="raw", arguments={}, batch_input_shape=[None, 1, 28, 28],
    )  # fmt: skip
    config = sequential(first, layer("Flatten", "f"), dense("d", 3, activation="linear", use_bias=False))
    model = load_keras(write_h5(tmp_path / "a.h5", config, {"d": {"d/kernel:0": kernel}}))
    expected = ((images - 33.318) / 78.567).reshape(2, -1) @ kernel
    np.testing.assert_allclose(model(images.astype(np.float32), training=False), expected, rtol=1e-4, atol=1e-4)
    assert [type(one).__name__ for one in model.layers][1] == "Rescaling"


@needs_known_python
def test_replacements_are_layers_of_keras(tmp_path):
    import keras

    functions = (
        lambda x: x / 255,
        lambda x: tf.expand_dims(x, -1),
        lambda x: tf.image.resize(x, (6, 6)),
        lambda x: K.permute_dimensions(x, (0, 3, 1, 2)),
        lambda x: K.relu(x),
        lambda x: K.batch_flatten(x),
    )
    steps = [layer("Lambda", f"l{n}", **config_of(function)) for n, function in enumerate(functions)]
    steps[0]["config"]["batch_input_shape"] = [None, 4, 4]
    config = sequential(*steps, dense("d", 2))
    model = load_keras(write_h5(tmp_path / "a.h5", config, {"d": {"k:0": np.ones((36, 2)), "b:0": np.zeros(2)}}))
    kinds = [type(one).__name__ for one in model.layers]
    assert kinds == ["InputLayer", "Rescaling", "Reshape", "Resizing", "Permute", "Activation", "Reshape", "Dense"]
    assert model.layers[1].name == "l0"
    model.save(tmp_path / "new.keras")
    assert keras.saving.load_model(tmp_path / "new.keras").count_params() == 74  # 36 * 2 + 2


@needs_known_python
@pytest.mark.parametrize("keras", [2, 3])
def test_an_unknown_function_in_a_file_names_layer_and_reason(tmp_path, keras):
    config = sequential(lambda_layer(lambda x: x - mean_px, batch_input_shape=[None, 4]), dense("d", 3))
    with pytest.raises(
        UnsafeModelError, match=r"'scale' is a Lambda layer.*mean_px.*Replace it by Rescaling"
    ) as caught:
        load_keras(write_h5(tmp_path / "a.h5", config, {}, keras=keras))
    assert "\n" not in str(caught.value)


@needs_known_python
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
def test_lambdas_in_an_archive_of_keras_3(tmp_path):
    import keras

    start = keras.Input((4, 4))
    x = keras.layers.Lambda(lambda x: (x - 2.0) * 0.5, name="shift")(start)
    x = keras.layers.Dense(3, name="d")(keras.layers.Flatten()(x))
    model = keras.Model(start, keras.ops.add(x, 1.0))
    model.save(tmp_path / "a.keras")
    images = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    loaded = load_keras(tmp_path / "a.keras")
    np.testing.assert_allclose(loaded(images), model(images), rtol=1e-5, atol=1e-6)
    assert type(loaded.get_layer("shift")).__name__ == "Rescaling"
