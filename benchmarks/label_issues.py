"""How well planted wrong labels are found: precision and recall of diag's list against cleanlab's.

    python benchmarks/label_issues.py                # the shipped models on digits
    python benchmarks/label_issues.py mnist.npz      # and a CNN trained on 20,000 images of MNIST

Labels of 2 and 5 % of the test images are changed at random, five times; the models were trained on clean labels.
cleanlab (AGPL, for tests only) gets the same mean probabilities.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["DIAG_CACHE_DIR"] = tempfile.mkdtemp(prefix="diag-benchmark-")

import diag

SHIPPED = Path(__file__).resolve().parents[1] / "saved_models" / "digits"
SETS = {
    "CNN sd": ("cnn_sd.h5",),
    "Logistic, L2": ("logistic_l2.skops",),
    "four networks": ("cnn_sd.h5", "cnn_dody.h5", "dense.keras", "dense_dropout.h5"),
}


def planted(data: diag.Dataset, share: float, seed: int) -> tuple[diag.Dataset, np.ndarray]:
    """Return the data with that share of its labels changed, and which are."""
    rng = np.random.default_rng(seed)
    labels = np.array(data.labels)
    wrong = np.sort(rng.choice(len(labels), round(share * len(labels)), replace=False))
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10
    images = np.asarray(data.images[np.arange(len(labels))])
    return diag.load_dataset((images, labels), class_names=data.class_names), wrong


def cleanlab_lists(runs: list[diag.Evaluation]) -> dict[str, np.ndarray]:
    """Return the indices that cleanlab lists, by its way to filter."""
    from cleanlab.filter import find_label_issues

    proba = np.mean([run.proba for run in runs], axis=0).astype(np.float64)
    labels = runs[0].samples["y_true"]
    return {
        f"cleanlab, {way}": np.flatnonzero(find_label_issues(labels, proba, filter_by=way, n_jobs=1))
        for way in ("confident_learning", "prune_by_noise_rate", "both")
    }


def measure(title: str, models: list[diag.Model], data: diag.Dataset, train: diag.Dataset) -> None:
    """Print one row for each share of wrong labels and each list."""
    for share in (0.02, 0.05):
        rows: dict[str, list[tuple[float, float]]] = {}
        seconds = []
        for seed in range(5):
            noisy, wrong = planted(data, share, seed)
            runs = [diag.evaluate(model, noisy, progress=False) for model in models]
            started = time.perf_counter()
            with_train = diag.label_issues(diag.compare(runs), train)
            seconds.append(time.perf_counter() - started)
            alone = diag.label_issues(diag.compare(runs))
            lists = {
                "diag, probably wrong, --train": with_train.of_kind("wrong_label"),
                "diag, probably wrong": alone.of_kind("wrong_label"),
                **cleanlab_lists(runs),
            }
            for name, found in lists.items():
                hits = np.isin(found, wrong).sum()
                rows.setdefault(name, []).append((hits / max(1, len(found)), hits / len(wrong)))
        for name, values in rows.items():
            precision, recall = np.mean(values, axis=0)
            print(f"| {title} | {share:.0%} | {name} | {precision:.2f} | {recall:.2f} |", flush=True)
        print(f"  ({np.median(seconds):.1f} s for the list with --train)", file=sys.stderr)


def mnist_model(path: Path, folder: Path) -> diag.Model:
    """Train a small CNN on 20,000 images for two epochs and return it, loaded by diag."""
    import keras

    keras.utils.set_random_seed(0)
    with np.load(path) as arrays:
        images, labels = arrays["x_train"][:20_000, ..., None] / 255.0, arrays["y_train"][:20_000]
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)), layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
            layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
        ]
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=2, batch_size=128, verbose=0)
    model.save(folder / "mnist_cnn.keras")
    return diag.load_model(folder / "mnist_cnn.keras", preprocessing=diag.Preprocessing(scale=1 / 255))


def main() -> None:
    """Print the tables."""
    print("| models | wrong labels | list | precision | recall |\n|---|---:|---|---:|---:|")
    data, train = diag.load_dataset("digits"), diag.load_dataset("digits", "train")
    for title, names in SETS.items():
        measure(title, [diag.load_model(SHIPPED / name) for name in names], data, train)
    if len(sys.argv) > 1:
        path = Path(sys.argv[1])
        with np.load(path) as arrays:
            test = diag.load_dataset((arrays["x_test"], arrays["y_test"]))
            trained = diag.load_dataset((arrays["x_train"][:20_000], arrays["y_train"][:20_000]))
        with tempfile.TemporaryDirectory() as folder:
            measure("MNIST, small CNN", [mnist_model(path, Path(folder))], test, trained)


if __name__ == "__main__":
    main()
