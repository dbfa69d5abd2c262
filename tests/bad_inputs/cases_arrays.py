"""Arrays (npz, npy, HDF5, idx, TFRecord) and images in folders and zips."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np

from tests.bad_inputs.place import IMAGES, LABELS, Place
from tests.io.written import example, idx, png, record

WITH_NAN = np.where(np.arange(25).reshape(5, 5) == 7, np.nan, IMAGES.astype(np.float32))


def npz(*options, command="evaluate", **arrays):
    return lambda place: [command, place.model, "--data", place.npz(**arrays), *options]


def raw(name, content, *options, command="evaluate"):
    return lambda place: [command, place.model, "--data", place.write(name, content), *options]


def spoiled(change, name="data.npz"):
    def make(place: Place) -> list[str]:
        place.npz("whole.npz")
        return ["evaluate", place.model, "--data", place.write(name, change((place.root / "whole.npz").read_bytes()))]

    return make


def hdf5(*options, inside="", **arrays):
    def make(place: Place) -> list[str]:
        import h5py

        with h5py.File(place.root / "data.h5", "w") as file:
            for name, values in arrays.items():
                file[name] = values
        return ["evaluate", place.model, "--data", str(place.root / "data.h5") + inside, *options]

    return make


def npy_pair(x, y, *options):
    def make(place: Place) -> list[str]:
        np.save(place.root / "images.npy", x)
        np.save(place.root / "labels.npy", y)
        return ["evaluate", place.model, "--data", str(place.root / "images.npy"), *options]

    return make


def npy_bytes(content):
    return raw("images.npy", content)


def folder(files, *options, command="evaluate", name="pets"):
    def make(place: Place) -> list[str]:
        place.folder(name)
        for path, content in files.items():
            if content is None:
                place.folder(f"{name}/{path}")
            else:
                place.write(f"{name}/{path}", content)
        return [command, place.model, "--data", str(place.root / name), *options]

    return make


def no_arrays(place: Place) -> list[str]:
    path = place.root / "data.npz"
    with zipfile.ZipFile(path, "w"):
        pass
    return ["evaluate", place.model, "--data", str(path)]


def cut(make, name, size):
    """Return what makes data of another case, and a command about its first bytes."""

    def shorter(place: Place) -> list[str]:
        whole = Path(make(place)[3]).read_bytes()
        return ["evaluate", place.model, "--data", place.write(name, whole[:size])]

    return shorter


def of_other_sizes(place: Place) -> list[str]:
    data = folder({"0/a.png": PNG, "1/b.png": png(np.zeros((9, 4), np.uint8))})(place)[3]
    return ["evaluate", place.copy("wide.skops"), "--data", data]


def class_folders(place: Place, name="pets", n=30) -> str:
    for number in range(n):
        place.write(f"{name}/{LABELS[number]}/{number}.png", png(IMAGES[number]))
    return str(place.root / name)


def zipped(files, *options):
    def make(place: Place) -> list[str]:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return ["evaluate", place.model, "--data", place.write("data.zip", stream.getvalue()), *options]

    return make


def pipe(place: Place) -> list[str]:
    os.mkfifo(place.root / "data.npz")
    return ["evaluate", place.model, "--data", str(place.root / "data.npz")]


def linked_folder(place: Place) -> list[str]:
    place.folder("pets/0")
    os.mkfifo(place.root / "pets/0/a.png")
    (place.root / "pets/0/b.png").symlink_to("/etc/passwd")
    return ["evaluate", place.model, "--data", str(place.root / "pets")]


PNG = png(IMAGES[0])
TWO = {"0/a.png": PNG, "1/b.png": png(IMAGES[1])}
RECORDS = [example(image__encoded=png(i), image__class__label=[int(k)]) for i, k in zip(IMAGES, LABELS, strict=True)]

CASES = (
    ("npz-empty-file", raw("data.npz", b"")),
    ("npz-text", raw("data.npz", b"hello")),
    ("npz-truncated", spoiled(lambda b: b[: len(b) // 2])),
    ("npz-damaged", spoiled(lambda b: b[:200] + bytes(100) + b[300:])),
    (
        "npz-no-arrays",
        no_arrays,
    ),
    ("npz-objects", npz(x=np.array([{}, {}], dtype=object), y=np.array([0, 1]))),
    ("npz-object-labels", npz(x=IMAGES, y=np.array([{"a": 1}] * 30, dtype=object))),
    ("npz-text-images", npz(x=np.array([["a"] * 25] * 30), y=LABELS)),
    ("npz-complex", npz(x=IMAGES.astype(complex), y=LABELS)),
    ("npz-zero-images", npz(x=IMAGES[:0], y=LABELS[:0])),
    ("npz-zero-pixels", npz(x=np.zeros((30, 0, 5)), y=LABELS)),
    ("npz-scalar", npz(x=np.array(3), y=np.array(0))),
    ("npz-5d", npz(x=np.zeros((30, 2, 5, 5, 1)), y=LABELS)),
    ("npz-counts", npz(x=IMAGES, y=LABELS[:29])),
    ("npz-no-labels", npz(x=IMAGES)),
    ("npz-only-labels", npz(y=LABELS)),
    ("npz-nan-pixels", npz(x=WITH_NAN, y=LABELS)),
    ("npz-infinite", npz(x=np.where(np.isnan(WITH_NAN), np.inf, WITH_NAN), y=LABELS)),
    ("npz-nan-labels", npz(x=IMAGES, y=np.where(LABELS == 0, np.nan, LABELS))),
    ("npz-negative-labels", npz(x=IMAGES, y=LABELS - 1)),
    ("npz-float-labels", npz(x=IMAGES, y=LABELS + 0.5)),
    ("npz-complex-labels", npz(x=IMAGES, y=LABELS * 1j)),
    ("npz-more-classes", npz(x=IMAGES, y=np.arange(30) % 7)),
    ("npz-onehot-two", npz(x=IMAGES, y=np.ones((30, 3)))),
    ("npz-onehot-none", npz(x=IMAGES, y=np.zeros((30, 3)))),
    ("npz-onehot-wide", npz(x=IMAGES, y=np.eye(8)[np.arange(30) % 8])),
    ("npz-labels-3d", npz(x=IMAGES, y=np.zeros((30, 3, 3)))),
    ("npz-colour", npz(x=np.zeros((30, 5, 5, 2), np.uint8), y=LABELS)),
    ("npz-several", npz(a_images=IMAGES, b_images=IMAGES, y=LABELS)),
    ("npz-inside-unknown", lambda p: ["evaluate", p.model, "--data", p.data + "::images,labels"]),
    ("npz-split-unknown", npz("--split", "validation")),
    ("npz-label-column", npz("--label-column", "kind")),
    ("npz-is-a-model", lambda p: ["evaluate", p.model, "--data", p.copy("model.skops", "data.npz")]),
    ("npz-pipe", pipe),
    ("npz-is-a-folder", lambda p: ["evaluate", p.model, "--data", p.folder("data.npz")]),
    ("npy-objects", npy_pair(np.array([{}] * 3, dtype=object), np.arange(3))),
    ("npy-counts", npy_pair(IMAGES, LABELS[:7])),
    (
        "npy-truncated",
        npy_bytes(
            b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (9, 5, 5), }"
            + b" " * 50
            + b"\n"
            + b"x" * 30
        ),
    ),
    ("npy-header", npy_bytes(b"\x93NUMPY\x01\x00\x10\x00__import__('os')\n")),
    ("npy-version", npy_bytes(b"\x93NUMPY\x09\x00v\x00" + b"x" * 200)),
    ("npy-empty", npy_bytes(b"")),
    ("hdf5-empty-file", raw("data.h5", b"")),
    ("hdf5-text", raw("data.h5", b"hello hdf5" * 99)),
    (
        "hdf5-truncated",
        cut(hdf5(x=IMAGES, y=LABELS), "cut.h5", 1500),
    ),
    ("hdf5-nothing", hdf5()),
    ("hdf5-inside-unknown", hdf5(x=IMAGES, y=LABELS, inside="::pictures,labels")),
    ("hdf5-only-labels", hdf5(y=LABELS)),
    ("hdf5-texts", hdf5(x=np.array([b"a"] * 30), y=LABELS)),
    ("hdf5-counts", hdf5(x_test=IMAGES, y_test=LABELS[:12])),
    ("hdf5-is-a-model", lambda p: ["evaluate", p.model, "--data", p.copy("net.h5")]),
    ("hdf5-nan", hdf5(x=WITH_NAN, y=LABELS)),
    ("idx-truncated", raw("t10k-images-idx3-ubyte", idx(IMAGES)[:100])),
    ("idx-empty", raw("t10k-images-idx3-ubyte", b"")),
    ("idx-magic", raw("t10k-images-idx3-ubyte", b"\x01" + idx(IMAGES)[1:])),
    ("idx-no-labels-file", raw("t10k-images-idx3-ubyte", idx(IMAGES))),
    ("idx-gz-bad", raw("t10k-images-idx3-ubyte.gz", b"\x1f\x8b" + b"x" * 50)),
    ("tfrecord-empty", raw("a.tfrecord", b"")),
    ("tfrecord-text", raw("a.tfrecord", b"hello" * 50)),
    ("tfrecord-truncated", raw("a.tfrecord", b"".join(map(record, RECORDS))[:-9])),
    ("tfrecord-no-example", raw("a.tfrecord", record(b"\xff" * 40))),
    ("tfrecord-no-image", raw("a.tfrecord", record(example(label=[1])))),
    ("tfrecord-label-column", raw("a.tfrecord", b"".join(map(record, RECORDS)), "--label-column", "kind")),
    ("folder-empty", folder({})),
    ("folder-no-images", folder({"0/readme.md": "x", "1/readme.md": "x"})),
    ("folder-empty-classes", folder({"cat": None, "dog": None})),
    ("folder-one-level", folder({"a.png": PNG, "b.png": PNG})),
    ("folder-broken-image", folder({**TWO, "1/c.png": PNG[:30]})),
    ("folder-not-an-image", folder({**TWO, "1/c.png": b"GIF"})),
    ("folder-labels", folder({"a.png": PNG}, command="labels")),
    ("folder-split", folder(TWO, "--split", "holdout")),
    ("folder-pipes-and-links", linked_folder),
    ("folder-more-classes", folder({f"{k}/a.png": PNG for k in "abcdefg"})),
    ("zip-empty-file", raw("data.zip", b"")),
    ("zip-no-images", zipped({"readme.md": "x"})),
    (
        "zip-truncated",
        cut(zipped(TWO), "cut.zip", -60),
    ),
    ("zip-broken-image", zipped({**TWO, "1/c.png": b"nothing"})),
    ("data-missing", lambda p: ["evaluate", p.model, "--data", "nowhere.npz"]),
    ("data-near-name", lambda p: ["evaluate", p.model, "--data", "digit"]),
    ("data-empty-name", lambda p: ["evaluate", p.model, "--data", ""]),
    ("data-url", lambda p: ["evaluate", p.model, "--data", "http://127.0.0.1:9/data.npz"]),
    ("data-unknown-ending", raw("data.xyz", b"hello")),
    (
        "data-lfs",
        raw("data.npz", "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"),
    ),
    ("data-long-name", lambda p: ["evaluate", p.model, "--data", "x" * 10_000]),
    ("data-hostile-name", lambda p: ["evaluate", p.model, "--data", "a\x1b[31m\n\u202e" + "b" * 300 + ".npz"]),
    ("data-card", lambda p: ["evaluate", p.model, "--data", p.write("a.toml", "title = 1")]),
    ("data-pickle", lambda p: ["evaluate", p.model, "--data", p.write("a.pkl", b"\x80\x04N.")]),
    ("train-missing", lambda p: ["doctor", p.model, "--data", p.data, "--train", "nowhere.npz"]),
    ("train-broken", lambda p: ["doctor", p.model, "--data", p.data, "--train", p.write("t.npz", b"x")]),
)
LEGAL = (
    (
        "folder-ragged",
        of_other_sizes,
    ),
    ("npz-size", npz(x=np.zeros((30, 7, 7), np.uint8), y=LABELS)),
    ("npz-one-image", npz(x=IMAGES[:1], y=LABELS[:1])),
    ("npz-one-class", npz(x=IMAGES[::3], y=LABELS[::3])),
    ("npz-channels-first", npz(x=IMAGES[:, None], y=LABELS)),
    ("npz-flat", npz(x=IMAGES.reshape(30, -1), y=LABELS)),
    ("npz-onehot", npz(x=IMAGES, y=np.eye(3)[LABELS])),
    ("npz-text-labels", npz(x=IMAGES, y=np.array(["ant", "bee", "cow"])[LABELS])),
    ("npz-floats-whole", npz(x=IMAGES, y=LABELS.astype(float))),
    ("npz-unicode-path", lambda p: ["evaluate", p.model, "--data", p.npz("données – 数 据 'q' \"d\".npz")]),
    ("npz-newline-path", lambda p: ["evaluate", p.model, "--data", p.npz("a\nb.npz")]),
    ("folder-good", lambda p: ["evaluate", p.model, "--data", class_folders(p)]),
    ("predict-unlabelled", npz("--out", "a.csv", command="predict", x=IMAGES)),
)
