"""Event files of TensorBoard: written here byte by byte, by TensorFlow's own writers, and by Keras's callback."""

from __future__ import annotations

import contextlib
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.errors import DataError
from diag.io import event_files
from diag.io.histories import history_digest, load_history
from diag.io.protobuf import masked_crc

NAME = "events.out.tfevents.170000000{}.host.1.0.v2"


def varint(number):
    parts = []
    while True:
        parts.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(parts)


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def event(step, *values):
    summary = b"".join(field(1, value) for value in values)
    return b"\x09" + struct.pack("<d", 1.7e9) + b"\x10" + varint(step) + (field(5, summary) if values else b"")


def simple(tag, number):
    return field(1, tag.encode()) + b"\x15" + struct.pack("<f", number)


def tensor(tag, number, dtype=1, kind="<f"):
    return field(1, tag.encode()) + field(
        8, b"\x08" + varint(dtype) + field(2, b"") + field(4, struct.pack(kind, number))
    )


def record(data):
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc(head)) + data + struct.pack("<I", masked_crc(data))


def write(folder, *events, number=0):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME.format(number)
    path.write_bytes(b"".join(map(record, (event(0), *events))))
    return path


def test_a_log_folder_as_keras_writes_it(tmp_path):
    write(tmp_path / "train", *(event(step, tensor("epoch_loss", 1 / (step + 1))) for step in range(3)))
    write(
        tmp_path / "validation",
        event(0, tensor("evaluation_loss_vs_iterations", 9.0)),
        event(0, tensor("epoch_loss", 0.5)),
        event(2, tensor("epoch_loss", 0.25), tensor("epoch_accuracy", 1.0)),
    )
    history = load_history(tmp_path)
    assert list(history.columns) == ["loss", "val_loss", "val_accuracy"]
    assert history.columns["loss"].tolist() == pytest.approx([1, 1 / 2, 1 / 3])
    assert history.columns["val_loss"].tolist() == pytest.approx([0.5, math.nan, 0.25], nan_ok=True)
    assert history.n_epochs == 3
    assert history.notes == ()


def test_one_file_and_the_values_of_version_1(tmp_path):
    events = [event(step, simple("acc", 0.5 + step / 8), simple("val_acc", 0.5)) for step in range(2)]
    history = load_history(write(tmp_path, *events, event(0, simple("batch_loss", 3.0))))
    assert {name: column.tolist() for name, column in history.columns.items()} == {
        "accuracy": [0.5, 0.625],
        "val_accuracy": [0.5, 0.5],
    }
    alone = load_history(write(tmp_path / "validation", event(0, simple("epoch_loss", 0.5))))
    assert list(alone.columns) == ["val_loss"]


@pytest.mark.parametrize(
    ("dtype", "kind", "number"), [(1, "<f", 0.5), (2, "<d", 0.1), (3, "<i", 3), (9, "<q", -4), (19, "<e", 0.5)]
)
def test_numbers_of_every_kind(tmp_path, dtype, kind, number):
    history = load_history(write(tmp_path, event(0, tensor("epoch_x", number, dtype, kind))))
    assert history.columns["x"].tolist() == [number]


def test_packed_floats_and_what_is_no_scalar(tmp_path):
    packed = field(1, b"epoch_a") + field(8, b"\x08\x01" + field(5, struct.pack("<f", 2.0)))
    vector = field(1, b"epoch_b") + field(8, b"\x08\x01" + field(2, field(2, b"\x08\x01")) + field(4, b"\0\0\0\0"))
    text = field(1, b"keras") + field(8, b"\x08\x07" + field(8, b"{}"))
    picture = field(1, b"image") + field(4, b"png")
    history = load_history(write(tmp_path, event(0, packed, vector, text, picture)))
    assert list(history.columns) == ["a"]


def test_a_run_that_was_started_again(tmp_path):
    write(tmp_path, *(event(step, simple("epoch_loss", step)) for step in range(4)), number=1)
    write(tmp_path, *(event(step, simple("epoch_loss", 10 + step)) for step in range(2, 4)), number=2)
    history = load_history(tmp_path)
    assert history.columns["loss"].tolist() == [0, 1, 12, 13]
    assert "started again" in history.notes[0]
    write(tmp_path, event(0, simple("epoch_loss", 20)), number=3)  # from the first epoch on
    assert load_history(tmp_path).columns["loss"].tolist() == [20]


def test_a_run_that_goes_on_in_a_second_file_needs_no_note(tmp_path):
    write(tmp_path, event(0, simple("epoch_loss", 1)), number=1)
    write(tmp_path, event(1, simple("epoch_loss", 2)), number=2)
    assert load_history(tmp_path).columns["loss"].tolist() == [1, 2]
    assert load_history(tmp_path).notes == ()


def test_a_file_that_is_still_written_is_read_as_far_as_it_is_whole(tmp_path):
    path = write(tmp_path, *(event(step, simple("epoch_loss", step)) for step in range(3)))
    whole = path.read_bytes()
    for cut in (1, 5, 20):
        path.write_bytes(whole[:-cut])
        history = load_history(path)
        assert history.columns["loss"].tolist() == [0, 1]
        assert "ends within a record" in history.notes[0]


@pytest.mark.parametrize("place", [0, 9, 14, -5, -1])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, place):
    path = write(tmp_path, event(1, simple("epoch_loss", 1)), event(2, simple("epoch_loss", 2)))
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"it is damaged: (no record|the checksum)") as refused:
        load_history(path)
    assert "\n" not in str(refused.value)


def test_folders_without_events_files_without_scalars_and_too_much(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="expected a log folder"):
        load_history(tmp_path)
    path = write(tmp_path, event(0, simple("batch_loss", 1)))
    with pytest.raises(DataError, match=r"expected scalars by epoch, such as epoch_loss. Received: batch_loss"):
        load_history(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="Received: no scalars"):
        load_history(path)
    write(tmp_path, *(event(step, simple("epoch_loss", step)) for step in range(6)))
    monkeypatch.setattr(event_files, "MAX_VALUES", 5)
    with pytest.raises(DataError, match="at most 5 values"):
        load_history(tmp_path)
    monkeypatch.setattr(event_files, "MAX_BYTES", 50)
    with pytest.raises(DataError, match="at most 50 bytes"):
        load_history(tmp_path)
    monkeypatch.setattr(event_files, "MAX_FILES", 0)
    with pytest.raises(DataError, match="at most 0 event files"):
        load_history(tmp_path)


def test_long_records_are_passed_over(tmp_path):
    graph = event(0) + field(4, b"x" * (event_files.LONGEST + 1))
    history = load_history(write(tmp_path, graph, event(0, simple("epoch_loss", 1))))
    assert history.columns["loss"].tolist() == [1]


def test_hostile_tags_do_not_reach_a_message(tmp_path):
    path = write(tmp_path, event(0, simple("epoch_\x1b[2J\n", 1)))
    with pytest.raises(DataError) as refused:
        load_history(path)
    assert str(refused.value).isprintable()


def test_the_digest_of_a_folder_follows_its_content(tmp_path):
    assert history_digest(tmp_path) == history_digest(tmp_path / "none.csv") == "missing"
    write(tmp_path, event(0, simple("epoch_loss", 1)))
    first = history_digest(tmp_path)
    write(tmp_path, event(0, simple("epoch_loss", 2)))
    assert len(first) == 64
    assert history_digest(tmp_path) != first


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory, data, framed):
    path = tmp_path_factory.mktemp("any") / NAME.format(0)
    path.write_bytes(record(data) if framed else data)
    with contextlib.suppress(DataError):
        load_history(path)


def test_files_of_tensorflows_own_writers(tmp_path):
    """Version 1 events as protocol buffers, version 2 by `tf.summary.write`."""
    tf = pytest.importorskip("tensorflow")
    with tf.io.TFRecordWriter(str(tmp_path / NAME.format(0))) as writer:
        for step in range(3):
            summary = tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag="epoch_loss", simple_value=step / 4)])
            writer.write(tf.compat.v1.Event(wall_time=1, step=step, summary=summary).SerializeToString())
    assert load_history(tmp_path).columns["loss"].tolist() == [0, 0.25, 0.5]
    writer = tf.summary.create_file_writer(str(tmp_path / "v2"))
    with writer.as_default():
        for dtype in (tf.float32, tf.float64, tf.int64, tf.float16, tf.bfloat16):
            tf.summary.write(f"epoch_{dtype.name}", tf.constant(2, dtype), step=1)
    writer.close()
    columns = load_history(tmp_path / "v2").columns
    assert {name: column.tolist() for name, column in columns.items()} == {
        name: [2.0] for name in ("float32", "float64", "int64", "float16")
    }


def test_a_folder_of_keras_tensorboard_is_its_history(tmp_path, monkeypatch):
    """The callback's scalars need the package tensorboard; `tf.summary.write` is what that calls."""
    tf = pytest.importorskip("tensorflow")
    import keras
    import tensorflow.summary as summary

    monkeypatch.setattr(
        summary,
        "scalar",
        lambda name, data, step=None: tf.summary.write(name, tf.cast(data, tf.float32), step=step),
        raising=False,
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 3)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    callback = keras.callbacks.TensorBoard(str(tmp_path), update_freq=1)
    expected = model.fit(x, y, validation_split=0.25, epochs=3, verbose=0, callbacks=[callback]).history
    history = load_history(tmp_path)
    assert set(expected) <= set(history.columns)
    for name, values in expected.items():
        assert history.columns[name] == pytest.approx(values, rel=1e-6)
