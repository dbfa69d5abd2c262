"""Train the shipped models on scikit-learn's digits: ``python saved_models/recipes/train.py [--only NAME]``.

The training split (1,000 images) is cut into 800 for fitting and 200 for validation; the length of training
is chosen on the latter, and the test split is looked at once, at the end. Seeds are fixed and TensorFlow's
operations are deterministic, so the same machine and versions give the same accuracies again.
"""

from __future__ import annotations

import argparse
import logging
import pickle
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag import load_dataset
from diag._lazy import import_tensorflow
from diag.io.readers.builtin import test_rows

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parents[1] / "digits"
N_VALIDATION = 200
EPOCHS, PATIENCE, BATCH = 60, 10, 32


@dataclass(frozen=True)
class Recipe:
    """A shipped model. ``history``: "hist" (pickled dict, as *sd*), "log" (CSVLogger, as *dody*), or none."""

    file: str
    title: str
    description: str
    build: Callable[[], Any]
    scale: str = '"1/255"'  # as the card writes it
    history: str | None = None


def recipes() -> list[Recipe]:
    """Return all recipes, simplest model first."""
    from sklearn.linear_model import LogisticRegression

    from saved_models.recipes import architectures as nets

    saga = {"solver": "saga", "tol": 1e-3, "max_iter": 400, "random_state": 0}
    return [
        Recipe(
            "logistic_l1.skops",
            "Logistic regression, L1",
            "Multinomial logistic regression with an L1 penalty, after dody.",
            lambda: LogisticRegression(l1_ratio=1, C=0.3, **saga),
        ),
        Recipe(
            "logistic_l2.skops",
            "Logistic regression, L2",
            "Multinomial logistic regression with an L2 penalty, after dody.",
            lambda: LogisticRegression(l1_ratio=0, C=0.01, **saga),
        ),
        Recipe(
            "dense.keras",
            "Dense",
            "Three dense layers 128-64-32 without dropout, after dody.",
            lambda: nets.dense(0),
            history="log",
        ),
        Recipe(
            "dense_dropout.h5",
            "Dense with dropout",
            "Three dense layers 128-64-32 with dropout 0.2, after dody.",
            lambda: nets.dense(0.2),
            history="hist",
        ),
        Recipe(
            "cnn_dody.h5",
            "CNN dody",
            "Two 5x5 convolutions with max pooling and dropout, after dody.",
            nets.cnn_dody,
            history="log",
        ),
        Recipe(
            "cnn_sd.h5",
            "CNN sd",
            "Six convolutions with batch normalisation and dropout, after sd.",
            nets.cnn_sd,
            history="hist",
        ),
        Recipe(
            "cnn_lungu.keras",
            "CNN lungu",
            "Channels first, scaling inside the network, two convolutions with max pooling, after lungu.",
            nets.cnn_lungu,
            scale="1",  # the network rescales
            history="log",
        ),
    ]


def split() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return images (uint8) and labels for fit, validation and test."""
    train, test = load_dataset("digits", split="train"), load_dataset("digits", split="test")
    held = test_rows(train.labels, N_VALIDATION)
    images, labels = np.asarray(train.images[:]), train.labels
    return {
        "fit": (images[~held], labels[~held]),
        "validation": (images[held], labels[held]),
        "test": (np.asarray(test.images[:]), test.labels),
    }


def train_linear(recipe: Recipe, parts: dict[str, Any], out: Path) -> dict[str, float]:
    """Fit a scikit-learn estimator on flat pixels 0..1 and save it with skops."""
    from sklearn.exceptions import ConvergenceWarning
    from skops import io as skops_io

    flat = {
        name: (images.reshape(len(images), -1) / np.float32(255), labels) for name, (images, labels) in parts.items()
    }
    estimator = recipe.build()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # saga stops after max_iter, well before the last digit
        estimator.fit(*flat["fit"])
    skops_io.dump(estimator, out / recipe.file)
    return {name: float(estimator.score(*flat[name])) for name in flat}


def train_network(recipe: Recipe, parts: dict[str, Any], out: Path) -> dict[str, float]:
    """Fit a network, keep the weights of its best epoch by validation loss, save it with its history."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    model = recipe.build()
    scale = np.float32(1 if recipe.scale == "1" else 1 / 255)
    first = model.input_shape[1] == 1
    data = {
        name: (np.moveaxis(images, -1, 1) * scale if first else images * scale, labels)
        for name, (images, labels) in parts.items()
    }
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    stem = Path(recipe.file).stem
    with tempfile.TemporaryDirectory() as folder:
        best = Path(folder) / "best.weights.h5"
        callbacks = [
            keras.callbacks.EarlyStopping("val_loss", patience=PATIENCE),
            keras.callbacks.ModelCheckpoint(best, "val_loss", save_best_only=True, save_weights_only=True),
        ]
        if recipe.history == "log":
            callbacks.append(keras.callbacks.CSVLogger(out / f"{stem}.log"))
        fitted = model.fit(
            *data["fit"],
            validation_data=data["validation"],
            epochs=EPOCHS,
            batch_size=BATCH,
            callbacks=callbacks,
            verbose=0,
        )
        model.load_weights(best)
    if recipe.history == "hist":
        names = {"loss": "loss", "accuracy": "acc", "val_loss": "val_loss", "val_accuracy": "val_acc"}
        history = {short: [float(value) for value in fitted.history[long]] for long, short in names.items()}
        (out / f"{stem}.hist").write_bytes(pickle.dumps(history, protocol=4))
    save_network(model, out / recipe.file)
    scores = {name: float(model.evaluate(*data[name], verbose=0)[1]) for name in data}
    return scores | {"epochs": len(fitted.epoch)}


def save_network(model: Any, path: Path) -> None:
    """Save a network without Keras's advice, logged through absl, against the HDF5 format."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        model.save(path)
    finally:
        logger.setLevel(level)


def write_card(recipe: Recipe, scores: dict[str, float], out: Path) -> None:
    """Write the model card beside the model."""
    stem = Path(recipe.file).stem
    lines = [f'title = "{recipe.title}"', f'description = "{recipe.description}"']
    if recipe.history:
        lines.append(f'history = "{stem}.{recipe.history}"')
    lines += ['class_names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]', ""]
    lines += [
        "[data]",
        'source = "digits"',
        'split = "test"',
        "",
        "[preprocessing]",
        f"scale = {recipe.scale}",
        "",
    ]
    lines += [
        "[results]",
        f"train_accuracy = {scores['fit']:.4f}",
        f"validation_accuracy = {scores['validation']:.4f}",
    ]
    lines += [f"test_accuracy = {scores['test']:.4f}", "n_test = 797"]
    if "epochs" in scores:
        lines.append(f"epochs = {int(scores['epochs'])}")
    (out / f"{stem}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Train what was asked for and print one line a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="one model, by its file name without the ending")
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    tf = import_tensorflow()
    tf.config.experimental.enable_op_determinism()
    parts = split()
    chosen = [recipe for recipe in recipes() if arguments.only in (None, Path(recipe.file).stem)]
    if not chosen:
        parser.error(f"--only: expected one of {', '.join(Path(recipe.file).stem for recipe in recipes())}")
    for recipe in chosen:
        started = time.perf_counter()
        trainer = train_linear if recipe.file.endswith(".skops") else train_network
        scores = trainer(recipe, parts, arguments.out)
        write_card(recipe, scores, arguments.out)
        size = (arguments.out / recipe.file).stat().st_size
        print(
            f"{recipe.file:20} train {scores['fit']:.4f}  validation {scores['validation']:.4f}  "
            f"test {scores['test']:.4f}  {size / 1e3:,.0f} kB  {time.perf_counter() - started:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
