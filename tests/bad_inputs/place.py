"""The folder that a case works in: good models and data, and ways to spoil them."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

RNG = np.random.default_rng(11)
LABELS = np.arange(30) % 3
IMAGES = (RNG.integers(0, 80, (30, 5, 5)) + 60 * LABELS[:, None, None]).astype(np.uint8)


@dataclass(frozen=True)
class Place:
    """A case's own folder, with an empty folder ``out`` in it to which commands write."""

    root: Path
    good: Path = field(repr=False)

    def copy(self, name: str, to: str | None = None) -> str:
        """Copy one of the good files here."""
        shutil.copy(self.good / name, self.root / (to or name))
        return str(self.root / (to or name))

    def write(self, name: str, content: str | bytes) -> str:
        """Write a file here."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def npz(self, name: str = "data.npz", **arrays: object) -> str:
        """Write arrays here; without any, good images and labels."""
        np.savez(self.root / name, **(arrays or {"x": IMAGES, "y": LABELS}))
        return str(self.root / name)

    def folder(self, name: str) -> str:
        """Make a folder here."""
        (self.root / name).mkdir(parents=True, exist_ok=True)
        return str(self.root / name)

    @property
    def model(self) -> str:
        """A good model of 3 classes, which takes 5x5 images."""
        return self.copy("model.skops")

    def carded(self, content: str | bytes, model: str = "model.skops") -> str:
        """Copy a good model here, and write a card beside it."""
        self.write(f"{model.partition('.')[0]}.toml", content)
        return self.copy(model)

    def definition(self, content: str) -> str:
        """Write the definition of an ensemble beside two good models."""
        self.copy("model.skops")
        self.copy("rival.skops")
        return self.write("x.ensemble.toml", content)

    @property
    def rival(self) -> str:
        """Another good model of 3 classes."""
        return self.copy("rival.skops")

    @property
    def data(self) -> str:
        """Good data of 3 classes."""
        return self.npz()

    def out(self, name: str) -> str:
        """Return a path to write."""
        return str(self.root / "out" / name)


def write_good(folder: Path) -> None:
    """Write the good files: small estimators, and the networks whose files tell enough without TensorFlow."""
    from sklearn.linear_model import LogisticRegression
    from skops import io as skops_io

    flat = IMAGES.reshape(30, -1) / 255.0
    wide = np.pad(IMAGES, ((0, 0), (0, 1), (0, 1))).reshape(30, -1) / 255.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, x, y, strength in (
            ("model", flat, LABELS, 1.0),
            ("rival", flat, LABELS, 0.01),
            ("four", flat, np.arange(30) % 4, 1.0),
            ("wide", wide, LABELS, 1.0),
        ):
            skops_io.dump(LogisticRegression(C=strength, max_iter=200).fit(x, y), folder / f"{name}.skops")
    write_network(folder / "net.h5", 3, "softmax")
    write_network(folder / "logits.h5", 3, "linear")
    write_network(folder / "binary.h5", 1, "sigmoid")
    write_network(folder / "first.h5", 3, "softmax", shape=(3, 8, 8))
    write_network(folder / "rank.h5", 3, "softmax", shape=(2, 2, 2, 2, 2))


def write_network(path: Path, units: int, activation: str, shape: tuple[int, ...] = (5, 5)) -> None:
    """Write an HDF5 model as Keras does: Flatten and Dense; no Keras is needed for it."""
    import h5py

    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, *shape], "dtype": "float32", "name": "input"}},
        {"class_name": "Flatten", "config": {"name": "flatten", "dtype": "float32"}},
        {
            "class_name": "Dense",
            "config": {"name": "dense", "dtype": "float32", "units": units, "activation": activation, "use_bias": True},
        },
    ]
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "3.10.0"
        file.attrs["backend"] = "tensorflow"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"flatten", b"dense"]
        group.create_group("flatten").attrs["weight_names"] = np.zeros(0, "S1")
        dense = group.create_group("dense")
        dense.attrs["weight_names"] = [b"dense/kernel", b"dense/bias"]
        dense["dense/kernel"] = RNG.normal(size=(int(np.prod(shape)), units)).astype(np.float32)
        dense["dense/bias"] = np.zeros(units, np.float32)


def tree(root: Path) -> dict[str, bytes | None]:
    """Return every file below a folder with its content; folders and what is no regular file have none."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))
    }
