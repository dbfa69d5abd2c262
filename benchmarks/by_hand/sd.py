"""The figures of *sd* by hand, from the files of docs/notebooks/sd.ipynb.

Usage: ``python -m benchmarks.by_hand.sd mnist.npz``, with Matplotlib installed. Pictures: build/by_hand/sd.
"""

import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import shap
from sklearn.metrics import confusion_matrix
from skops import io as skops_io

out = Path("build/by_hand/sd")
out.mkdir(parents=True, exist_ok=True)
mnist = np.load(sys.argv[1])
train_images, train_labels, images, labels = (mnist[part] for part in ("x_train", "y_train", "x_test", "y_test"))
train_inputs, inputs = train_images[..., None] / 255, images[..., None] / 255

# Results table
rows = []
for path in sorted(Path("saved_models/mnist").glob("sd_*.skops")):
    estimator = skops_io.load(path, trusted=skops_io.get_untrusted_types(file=path))
    on_train, on_test = (part.reshape(len(part), -1) for part in (train_inputs, inputs))
    rows.append((path.stem, estimator.score(on_train, train_labels), estimator.score(on_test, labels)))
for path in sorted(Path("saved_models/mnist").glob("sd_*.h5")):
    model = keras.models.load_model(path, compile=False)
    on_train, on_test = (model.predict(part, verbose=0).argmax(axis=1) for part in (train_inputs, inputs))
    rows.append((path.stem, (on_train == train_labels).mean(), (on_test == labels).mean()))
print(pd.DataFrame(rows, columns=["model", "training", "testing"]).sort_values("testing", ascending=False))

model = keras.models.load_model("saved_models/mnist/sd_cnn_augmented.h5", compile=False)
proba = model.predict(inputs, verbose=0)
predicted, confidence = proba.argmax(axis=1), proba.max(axis=1)
wrong = predicted != labels


def surest(chosen, n):
    """Return the numbers of the surest of some images."""
    rows = np.flatnonzero(chosen)
    return rows[np.argsort(-confidence[rows])][:n]


# Miscategorised examples by true class
fig, axes = plt.subplots(10, 10, figsize=(10, 13))
for label, row in enumerate(axes):
    for axis in row:
        axis.axis("off")
    for axis, index in zip(row, surest(wrong & (labels == label), 10), strict=False):
        axis.imshow(images[index], cmap="gray")
        axis.set_title(f"{predicted[index]} {confidence[index]:.1%}", fontsize=7)
fig.savefig(out / "by_class.png")

# One example of each confusion: true class across, predicted class down
fig, axes = plt.subplots(10, 10, figsize=(10, 10))
for down in range(10):
    for across in range(10):
        axes[down, across].axis("off")
        for index in surest((labels == across) & (predicted == down), 1):
            axes[down, across].imshow(images[index], cmap="gray")
fig.savefig(out / "confusions.png")

# Two confusion matrices: per cent of the true class, and counts of the errors
counts = confusion_matrix(labels, predicted)
errors = np.where(np.eye(10, dtype=bool), np.nan, counts)
percent = 100 * counts / counts.sum(axis=1, keepdims=True)
fig, axes = plt.subplots(1, 2, figsize=(14, 6))
for axis, matrix, title in zip(axes, (percent, errors), ("per cent of the true class", "errors"), strict=True):
    axis.imshow(matrix, cmap="Blues")
    axis.set_title(title)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    axis.set_xticks(range(10))
    axis.set_yticks(range(10))
    for (row, column), value in np.ndenumerate(matrix):
        if value > 0:
            dark = value > np.nanmax(matrix) / 2
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", color="white" if dark else "black")
fig.savefig(out / "matrices.png")

# SHAP: ten correct examples, ten wrong examples
rng = np.random.default_rng(0)
explainer = shap.DeepExplainer(model, train_inputs[rng.choice(len(train_inputs), 500, replace=False)])
for name, chosen in (("correct", ~wrong), ("wrong", wrong)):
    indices = np.concatenate([surest(chosen & (labels == label), 1) for label in range(10)])
    values = explainer.shap_values(inputs[indices], check_additivity=False)
    maps = [values[..., label] for label in range(10)]
    shap.image_plot(maps, inputs[indices], show=False)
    plt.savefig(out / f"shap_{name}.png")

# Kernels, and activations for an image, of the first convolution layer
layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
kernels = layer.get_weights()[0][:, :, 0]
activations = keras.Model(model.inputs, layer.output).predict(inputs[3:4], verbose=0)[0]
for name, tiles in (("kernels", kernels), ("activations", activations)):
    fig, axes = plt.subplots(2, 16, figsize=(16, 2.5))
    for axis, tile in zip(axes.flat, np.moveaxis(tiles, -1, 0), strict=True):
        axis.imshow(tile, cmap="gray")
        axis.axis("off")
    fig.savefig(out / f"{name}.png")
