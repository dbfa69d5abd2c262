"""Results and models made without files, and tiny models made with Keras."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np

from diag.io.preprocessing import Preprocessing
from diag.metrics.samples import sample_columns
from diag.results.evaluation import Evaluation

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def build_run(y_true, y_proba, name="model", class_names=None, digest="data", sample_names=None, images=None):
    """Return an Evaluation from labels and probabilities alone: no file, no network."""
    y_true, y_proba = np.asarray(y_true), np.asarray(y_proba, dtype=np.float64)
    data = SimpleNamespace(
        name="toy",
        source="toy",
        digest=digest,
        sample_names=sample_names,
        metadata=None,
        split="test",
        notes=(),
        labels=y_true,
        images=np.zeros((len(y_true), 2, 2, 1), np.uint8) if images is None else images,
    )
    file = SimpleNamespace(file_size=99)
    model = SimpleNamespace(name=name, n_params=7, file=file, path=Path(f"{name}.h5"), digest=f"digest of {name}")
    model.preprocessing = Preprocessing()
    return Evaluation(
        model=model,
        data=data,
        samples=MappingProxyType(sample_columns(y_true, y_proba)),
        proba=y_proba.astype(np.float32),
        class_names=tuple(class_names or map(str, range(y_proba.shape[1]))),
        notes=(),
        seconds=0.5,
        from_cache=False,
        versions=MappingProxyType({}),
    )


def save_model(path, layers, shape, seed=0):
    """Save a Sequential of `layers` on inputs of `shape` to `path`, with seeded weights; return it."""
    import warnings

    from diag._lazy import import_keras

    keras = import_keras()
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input(shape), *layers])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return model
