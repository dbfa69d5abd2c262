"""Histories: what the notebooks wrote is read; what is not numbers is refused and never run."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import DataError, InvalidInputError
from diag.io.histories import load_history

PROTOCOLS = range(6)

# Written out by hand from what the sd notebook's first two epochs look like: loss, acc, val_loss, val_acc.
AS_SD = {"loss": [0.5, 0.25], "acc": [0.75, 0.875], "val_loss": [0.5, 0.625], "val_acc": [0.5, 0.75]}


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("suffix", [".hist", ".pkl", ".pickle"])
def test_pickled_dict_of_lists(tmp_path, protocol, suffix):
    history = load_history(write(tmp_path, "a" + suffix, pickle.dumps(AS_SD, protocol)))
    assert list(history.columns) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.columns["accuracy"].tolist() == [0.75, 0.875]
    assert history.n_epochs == 2
    assert history.source.endswith("a" + suffix)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i1", "u2", "i8", "?"])
def test_numpy_scalars_and_arrays(tmp_path, protocol, dtype):
    array = np.array([1, 0, 1], dtype)
    content = {"loss": list(array), "lr": array, "b": [1, True, np.float64(0.5)]}
    history = load_history(write(tmp_path, "a.hist", pickle.dumps(content, protocol)))
    assert history.columns["loss"].tolist() == [1.0, 0.0, 1.0]
    assert history.columns["lr"].tolist() == [1.0, 0.0, 1.0]
    assert history.columns["b"].tolist() == [1.0, 1.0, 0.5]


def test_names_of_numpy_before_2(tmp_path):
    data = pickle.dumps({"loss": [np.float32(1.5)], "lr": np.array([2.0])}, 2)
    old = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != data
    history = load_history(write(tmp_path, "a.hist", old))
    assert (history.columns["loss"].tolist(), history.columns["lr"].tolist()) == ([1.5], [2.0])


def test_python_2_protocol_0_with_byte_strings(tmp_path):
    # By hand, as Python 2 and NumPy 1 wrote {'loss': [numpy.float32(1.5)]}: 1.5 is 00 00 c0 3f.
    data = (
        b"(dp0\nS'loss'\np1\n(lp2\ncnumpy.core.multiarray\nscalar\np3\n(cnumpy\ndtype\np4\n(S'f4'\np5\nI0\nI1\ntp6\n"
        b"Rp7\n(I3\nS'<'\np8\nNNNI-1\nI-1\nI0\ntp9\nbS'\\x00\\x00\\xc0?'\np10\ntp11\nRp12\nas."
    )
    assert load_history(write(tmp_path, "a.hist", data)).columns["loss"].tolist() == [1.5]


def test_python_2_protocol_2_with_latin1_strings(tmp_path):
    # By hand: SHORT_BINSTRING 'U' holds raw bytes; the key is e with an acute accent, 0xe9 in latin1.
    data = b"\x80\x02}U\x01\xe9](G?\xe0" + bytes(6) + b"G?\xd0" + bytes(6) + b"es."
    assert load_history(write(tmp_path, "a.hist", data)).columns["é"].tolist() == [0.5, 0.25]


def test_shared_objects_are_read_from_the_memo(tmp_path):
    shared = [1.0, 2.0]
    history = load_history(write(tmp_path, "a.hist", pickle.dumps({"loss": shared, "val_loss": shared})))
    assert history.columns["val_loss"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("separator", [",", ";"])
def test_csv_logger(tmp_path, separator):
    text = "epoch,acc,loss,val_loss\n0,0.5,2.5,NA\n1,0.75,1.25,1.5\n".replace(",", separator)
    history = load_history(write(tmp_path, "a.log", text))
    assert list(history.columns) == ["accuracy", "loss", "val_loss"]
    assert history.columns["loss"].tolist() == [2.5, 1.25]
    assert math.isnan(history.columns["val_loss"][0])


def test_tables_of_pandas(tmp_path):
    frame = pd.DataFrame(AS_SD)
    frame.to_csv(tmp_path / "a.csv")
    frame.to_json(tmp_path / "a.json")
    for name in ("a.csv", "a.json"):
        columns = load_history(tmp_path / name).columns
        assert list(columns) == ["loss", "accuracy", "val_loss", "val_accuracy"]
        assert columns["val_loss"].tolist() == [0.5, 0.625]


def test_json_keeps_nan_and_reads_null_as_nan(tmp_path):
    history = load_history(write(tmp_path, "a.json", '{"loss": [NaN, 1, null, 0.5]}'))
    assert np.isnan(history.columns["loss"]).tolist() == [True, False, True, False]


def test_both_the_old_and_the_new_name(tmp_path):
    history = load_history(write(tmp_path, "a.json", '{"acc": [0.5], "accuracy": [0.25]}'))
    assert {name: column[0] for name, column in history.columns.items()} == {"acc": 0.5, "accuracy": 0.25}


def test_what_callback_csvlogger_itself_writes(tmp_path):
    keras = pytest.importorskip("keras")
    logger = keras.callbacks.CSVLogger(str(tmp_path / "a.log"))
    logger.set_model(type("Model", (), {"stop_training": False})())
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 2.0, "val_loss": 3.0})
    logger.on_epoch_end(1, {"loss": 1.0, "val_loss": 2.5})
    logger.on_train_end()
    columns = load_history(tmp_path / "a.log").columns
    assert {name: column.tolist() for name, column in columns.items()} == {
        "loss": [2, 1],
        "val_loss": [3, 2.5],
    }


# ------------------------------------------------------------------------------ the result


def test_frame_is_tidy(tmp_path):
    frame = load_history(write(tmp_path, "a.json", '{"acc": [0.5, 1], "val_acc": [0, 0.25], "lr": [1, 2]}')).frame()
    assert list(frame.columns) == ["epoch", "metric", "split", "value"]
    assert frame.to_numpy().tolist() == [
        [1, "accuracy", "train", 0.5],
        [2, "accuracy", "train", 1.0],
        [1, "accuracy", "validation", 0.0],
        [2, "accuracy", "validation", 0.25],
        [1, "lr", "train", 1.0],
        [2, "lr", "train", 2.0],
    ]
    assert frame["epoch"].dtype == np.int64
    assert frame["value"].dtype == np.float64


def test_columns_cannot_be_changed(tmp_path):
    history = load_history(write(tmp_path, "a.json", '{"loss": [1, 2]}'))
    with pytest.raises(ValueError, match="read-only"):
        history.columns["loss"][0] = 0
    with pytest.raises(TypeError):
        history.columns["loss"] = np.zeros(2)
    with pytest.raises(AttributeError):
        history.source = "b"


def test_best_epoch(tmp_path):
    text = '{"val_loss": [NaN, 2, 1, 1], "val_acc": [0.5, 0.75, NaN, 0.75], "loss": [NaN, NaN, NaN, NaN]}'
    history = load_history(write(tmp_path, "a.json", text))
    assert history.best_epoch() == 3  # the lowest, first of two
    assert history.best_epoch("val_accuracy") == 2  # the highest, first of two
    with pytest.raises(DataError, match="NaN in every epoch"):
        history.best_epoch("loss")
    with pytest.raises(InvalidInputError, match=r"one of val_loss, val_accuracy, loss. Received: metric='f1'"):
        history.best_epoch("f1")


# ------------------------------------------------------------------------------ what is not a history


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{"loss": [1, 2], "val_loss": [1]}', "Received: 'loss' 2, 'val_loss' 1"),
        ("a.json", '{"loss": ["a"]}', "column 'loss' must hold one number an epoch; Received: str"),
        ("a.json", '{"loss": [[1]]}', "Received: list"),
        ("a.json", '{"loss": 1}', "must be a list of numbers. Received: int"),
        ("a.json", '{"loss": [1' + "0" * 400 + "]}", "must hold one number an epoch"),
        ("a.json", '{"lo\\nss": [1]}', "names of metrics. Received: 'lo\\nss'"),
        ("a.json", '{"loss": []}', "at least one epoch"),
        ("a.json", "{}", "Received: an empty dict"),
        ("a.json", "[1, 2]", "Received: list"),
        ("a.json", '{"loss": [1', "cannot be read"),
        ("a.json", "[" * 200_000, "cannot be read"),
        ("a.json", b"\xff\xfe\x00", "cannot be read"),
        ("a.csv", "", "the file is empty"),
        ("a.csv", "epoch,loss\n", "at least one epoch"),
        ("a.csv", "0,0.5\n1,0.25\n", "a header of different column names. Received: '0,0.5'"),
        ("a.csv", "loss,loss\n1,2\n", "a header of different column names"),
        ("a.csv", "epoch,loss\n0,1\n1\n", "expected 2 values in row 3, as in the header. Received: 1"),
        ("a.csv", "epoch,loss\n0,high\n", "expected a number in row 2. Received: 'high'"),
        ("a.log", b"\x89HDF\r\n\x1a\n", "a table with a header"),
        ("a.txt", "", "expected a history in .hist, .pkl, .pickle, .log, .csv, .json. Received: '.txt'"),
        ("a.hist", b"", "the file is damaged"),
        ("a.hist", pickle.dumps([1.0]), "expected a dict of lists, as in history.history. Received: list"),
        ("a.hist", pickle.dumps({"loss": [[1.0]]}), "Received: list"),
        ("a.hist", pickle.dumps({"loss": b"12"}), "Received: bytes"),
        ("a.hist", pickle.dumps({1: [1.0]}), "the file is damaged (a str is missing where one is needed)"),
    ],
)
def test_one_line_says_what_is_wrong(tmp_path, name, content, message):
    with pytest.raises(DataError) as error:
        load_history(write(tmp_path, name, content))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "[" + "0," * 2_000_001 + "0]"),
        ("a.csv", "loss\n" + "1\n" * 2_000_001),
        ("a.log", "a;b\n" + ";" * 2_000_001),
    ],
)
def test_more_numbers_than_a_history_has(tmp_path, name, content):
    with pytest.raises(DataError, match="at most 2000000 numbers"):
        load_history(write(tmp_path, name, content))


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "a.hist", tmp_path):
        with pytest.raises(DataError, match=r"expected a|no such training history"):
            load_history(path)


# ------------------------------------------------------------------------------ invariants

numbers = st.floats(width=64) | st.integers(-(2**70), 2**70) | st.booleans() | st.none()
names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=20)


@st.composite
def tables(draw):
    n = draw(st.integers(1, 5))
    column = st.lists(numbers, min_size=n, max_size=n)
    return draw(st.dictionaries(names.filter(lambda name: name != "epoch"), column, min_size=1, max_size=4))


def as_floats(values):
    return [math.nan if value is None else float(value) for value in values]


@settings(max_examples=100, deadline=None)
@given(tables(), st.sampled_from(PROTOCOLS), st.sampled_from([None, "f8", "scalars"]))
def test_round_trip(tmp_path_factory, table, protocol, kind):
    folder = tmp_path_factory.mktemp("histories")
    stored = {
        name: values
        if kind is None
        else np.array(as_floats(values))
        if kind == "f8"
        else list(map(np.float64, as_floats(values)))
        for name, values in table.items()
    }
    read = [load_history(write(folder, "a.hist", pickle.dumps(stored, protocol)))]
    if kind is None:
        read.append(load_history(write(folder, "a.json", json.dumps(stored))))
    new_names = {"acc": "accuracy", "val_acc": "val_accuracy"}
    for history in read:
        assert len(history.columns) == len(table)
        for name, values in table.items():
            column = history.columns[name if name in history.columns else new_names[name]]
            np.testing.assert_array_equal(column, as_floats(values))
