"""One small data set written in every format that diag reads."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from diag.io.protobuf import masked_crc

X = np.random.default_rng(7).integers(0, 256, (9, 5, 5), dtype=np.uint8)
Y = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])  # sorted, as files in class folders are
NAMES = ("ant", "bee", "cow")


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def idx(array):
    head = struct.pack(">HBB", 0, 0x08, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def example(**features):
    """A serialised tf.Example; a feature is bytes, a list of int, or a list of float."""
    entries = b""
    for name, value in features.items():
        if isinstance(value, bytes):
            feature = field(1, field(1, value))
        elif isinstance(value[0], float):
            feature = field(2, field(1, np.asarray(value, "<f4").tobytes()))
        else:
            feature = field(3, field(1, b"".join(varint(item) for item in value)))
        entries += field(1, field(1, name.replace("__", "/").encode()) + field(2, feature))
    return field(1, entries)


def record(data):
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc(head)) + data + struct.pack("<I", masked_crc(data))


def npz(folder, x, y):
    np.savez(folder / "a.npz", x=x, y=y)
    return folder / "a.npz"


def npy(folder, x, y):
    np.save(folder / "images.npy", x)
    np.save(folder / "labels.npy", y)
    return folder / "images.npy"


def npy_folder(folder, x, y):
    (folder / "arrays").mkdir()
    np.save(folder / "arrays" / "X_test.npy", x)
    np.save(folder / "arrays" / "y_test.npy", y)
    return folder / "arrays"


def hdf5(folder, x, y):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("x_test", data=x, chunks=(2, 5, 5), compression="gzip")
        file["y_test"] = y
    return folder / "a.h5"


def idx_plain(folder, x, y):
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(x))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(y))
    return folder / "t10k-images-idx3-ubyte"


def idx_gzip(folder, x, y):
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x), mtime=0))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(y), mtime=0))
    return folder / "t10k-images-idx3-ubyte.gz"


def table(x, y):
    images = [{"bytes": png(image), "path": None} for image in x]
    return pa.table({"image": images, "label": pa.array(y, pa.int64())})


def parquet_bytes(folder, x, y):
    parquet.write_table(table(x, y), folder / "a.parquet", row_group_size=2)
    return folder / "a.parquet"


def parquet_shards(folder, x, y):
    (folder / "data").mkdir()
    for number, rows in enumerate((slice(0, 4), slice(4, None))):
        parquet.write_table(table(x[rows], y[rows]), folder / "data" / f"test-0000{number}-of-00002.parquet")
    return folder


def parquet_arrays(folder, x, y):
    parquet.write_table(pa.table({"image": x.tolist(), "label": y}), folder / "a.parquet", row_group_size=4)
    return folder / "a.parquet"


def tfrecord(folder, x, y):
    data = (
        example(image__encoded=png(image), image__class__label=[int(label)]) for image, label in zip(x, y, strict=True)
    )
    (folder / "a.tfrecord").write_bytes(b"".join(map(record, data)))
    return folder / "a.tfrecord"


def tfrecord_raw_gzip(folder, x, y):
    data = (example(image_raw=image.tobytes(), label=[int(label)]) for image, label in zip(x, y, strict=True))
    (folder / "a.tfrecord.gz").write_bytes(gzip.compress(b"".join(map(record, data)), mtime=0))
    return folder / "a.tfrecord.gz"


def class_folders(folder, x, y):
    for number, (image, label) in enumerate(zip(x, y, strict=True)):
        path = folder / "pets" / str(label) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    return folder / "pets"


def zipped(folder, x, y):
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (image, label) in enumerate(zip(x, y, strict=True)):
            archive.writestr(zipfile.ZipInfo(f"pets/{label}/{number}.png"), png(image), zipfile.ZIP_DEFLATED)
    return folder / "a.zip"


def csv_pixels(folder, x, y):
    pd.DataFrame({"label": y, **{f"pixel{i}": column for i, column in enumerate(x.reshape(len(x), -1).T)}}).to_csv(
        folder / "a.csv", index=False
    )
    return folder / "a.csv"


def csv_paths(folder, x, y):
    lines = ["file,label"]
    for number, (image, label) in enumerate(zip(x, y, strict=True)):
        (folder / f"{number}.png").write_bytes(png(image))
        lines.append(f"{number}.png,{label}")
    (folder / "a.csv").write_text("\n".join(lines) + "\n")
    return folder / "a.csv"


FORMATS = (
    npz, npy, npy_folder, hdf5, idx_plain, idx_gzip, parquet_bytes, parquet_shards, parquet_arrays, tfrecord,
    tfrecord_raw_gzip, class_folders, zipped, csv_pixels, csv_paths,
)  # fmt: skip
