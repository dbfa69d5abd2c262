"""The figures of *lungu* by hand, from the files of docs/notebooks/lungu.ipynb.

Usage: ``python -m benchmarks.by_hand.lungu mnist.npz``, with Matplotlib installed. Pictures: build/by_hand/lungu.
"""

import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

out = Path("build/by_hand/lungu")
out.mkdir(parents=True, exist_ok=True)
mnist = np.load(sys.argv[1])
images, labels = mnist["x_test"], mnist["y_test"]
inputs = images[:, None].astype("float32")
averaged = "lungu_11_annealing", "lungu_11_annealing_2", "lungu_11_annealing_3"

# Validation accuracies of all models
rows, answers = [], {}
for path in sorted(Path("saved_models/mnist").glob("lungu_*.keras")):
    answers[path.stem] = keras.models.load_model(path, compile=False).predict(inputs, verbose=0)
    history = pd.read_csv(path.with_suffix(".log"))
    best = history.loc[history["val_loss"].idxmin(), "val_accuracy"]
    rows.append((path.stem, len(history), best, (answers[path.stem].argmax(axis=1) == labels).mean()))
proba = np.mean([answers[name] for name in averaged], axis=0)
predicted, confidence = proba.argmax(axis=1), proba.max(axis=1)
rows.append(("lungu_12_average", None, None, (predicted == labels).mean()))
table = pd.DataFrame(rows, columns=["model", "epochs", "best validation accuracy", "test accuracy"])
print(table.sort_values("test accuracy", ascending=False))


def draw(axis, index):
    """Draw an image with the answer to it."""
    axis.imshow(images[index], cmap="gray")
    axis.set_title(f"{predicted[index]} {confidence[index]:.1%}\ntrue {labels[index]}", fontsize=7)


# Ten random correct, ten random wrong
rng = np.random.default_rng(0)
right = predicted == labels
for name, chosen in (("correct", right), ("wrong", ~right)):
    fig, axes = plt.subplots(1, 10, figsize=(12, 2))
    for axis, index in zip(axes, rng.permutation(np.flatnonzero(chosen)), strict=False):
        draw(axis, index)
    for axis in axes:
        axis.axis("off")
    fig.savefig(out / f"random_{name}.png")

# Ten most confident correct, and incorrect, of each class
for name, chosen in (("correct", right), ("incorrect", ~right)):
    fig, axes = plt.subplots(10, 10, figsize=(10, 13))
    for row, label in zip(axes, range(10), strict=True):
        members = np.flatnonzero(chosen & (labels == label))
        for axis, index in zip(row, members[np.argsort(-confidence[members])], strict=False):
            draw(axis, index)
        for axis in row:
            axis.axis("off")
    fig.savefig(out / f"most_confident_{name}.png")
