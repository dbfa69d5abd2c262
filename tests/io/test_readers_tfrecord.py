"""TFRecord files: our parser against TensorFlow's writer, and the layouts that people use."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.errors import DataError
from diag.io.datasets import load_dataset
from diag.io.protobuf import example, masked_crc, records
from tests.io.written import NAMES, X, Y, png, record
from tests.io.written import example as serialised


def test_the_checksum_is_crc32c():
    """RFC 3720, appendix B.4: the CRC-32C of 32 zero bytes is 8a9136aa, of 32 times ff 62a8ab43."""
    for data, crc in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)):
        assert masked_crc(data) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_what_tensorflow_writes_is_read(tmp_path):
    from diag._lazy import import_tensorflow

    tf = import_tensorflow()
    made = tf.train.Example(
        features=tf.train.Features(
            feature={
                "a": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"one", b"two"])),
                "b": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5, -2])),
                "c": tf.train.Feature(int64_list=tf.train.Int64List(value=[3, -1, 2**62])),
                "d": tf.train.Feature(),
            }
        )
    ).SerializeToString()
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        writer.write(made)
        writer.write(b"second")
    content = (tmp_path / "a.tfrecord").read_bytes()
    assert content == record(made) + record(b"second")
    assert [data for _, data in records(io.BytesIO(content), len(content))] == [made, b"second"]
    found = example(made)
    assert found["a"] == [b"one", b"two"]
    assert found["b"].tolist() == [0.5, -2]
    assert found["c"].tolist() == [3, -1, 2**62]
    assert len(found["d"]) == 0


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data):
    try:
        features = example(data)
    except ValueError:
        features = {}
    assert all(isinstance(value, list | np.ndarray) for value in features.values())


def written(path, *examples):
    path.write_bytes(b"".join(map(record, examples)))
    return path


def test_class_names_come_with_the_labels(tmp_path):
    examples = [
        serialised(image__encoded=png(image), image__class__label=[label + 1], image__class__text=NAMES[label].encode())
        for image, label in zip(X, Y.tolist(), strict=True)
    ]
    data = load_dataset(written(tmp_path / "a.tfrecord", *examples))
    assert data.class_names == ("0", *NAMES)  # numbered from 1, as ImageNet's records are
    assert data.labels.tolist() == (Y + 1).tolist()
    assert data.sizes == {"5x5": 9}


def test_pixels_with_a_stated_shape(tmp_path):
    wide = X[:, :4]
    sizes = {"height": [4], "width": [5], "depth": [1]}
    examples = [serialised(image_raw=image.tobytes(), label=[1], **sizes) for image in wide]
    np.testing.assert_array_equal(load_dataset(written(tmp_path / "a.tfrecord", *examples)).images[:][..., 0], wide)
    floats = [serialised(x=(image / 2).astype(float).ravel().tolist(), y=[0, 1]) for image in X]
    data = load_dataset(written(tmp_path / "b.tfrecord", *floats))
    np.testing.assert_array_equal(data.images[:][..., 0], X / 2)
    assert set(data.labels) == {1}  # one-hot


def test_shards_of_tensorflow_datasets(tmp_path):
    for name, rows in (("train", slice(0, 5)), ("test", slice(5, 9))):
        examples = [serialised(image=png(x), label=[int(y)]) for x, y in zip(X[rows], Y[rows], strict=True)]
        written(tmp_path / f"toy-{name}.tfrecord-00000-of-00001", *examples)
    (tmp_path / "label.labels.txt").write_text("\n".join(NAMES))
    data = load_dataset(tmp_path)
    assert data.labels.tolist() == Y[5:].tolist()
    assert data.class_names == NAMES
    assert len(load_dataset(tmp_path, split="train")) == 5
    assert len(load_dataset(tmp_path / "toy-test.tfrecord-00000-of-00001", split="train")) == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected records. Received: none"),
        (b"\x10" + bytes(40), "no record at byte 0"),
        (record(b"abc")[:-5], "is cut off"),
        (record(b"\xff\xff\xff"), "tf.Example"),
        (record(serialised(text=b"hello")), "image/encoded"),
        (record(serialised(image=png(X[0]), label=[1])) + record(serialised(label=[1])), "record 1 has no feature"),
        (record(serialised(image=png(X[0]), label=[1])) + record(serialised(image=png(X[0]))), "label in every record"),
    ],
)
def test_refusals(tmp_path, content, said):
    (tmp_path / "a.tfrecord").write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        load_dataset(tmp_path / "a.tfrecord")
    assert "\n" not in str(caught.value)
