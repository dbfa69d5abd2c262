"""The figures of *dody* by hand, from the files of docs/notebooks/dody.ipynb.

Usage: ``python -m benchmarks.by_hand.dody mnist.npz``, with Matplotlib installed. Pictures: build/by_hand/dody.
"""

import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay

out = Path("build/by_hand/dody")
out.mkdir(parents=True, exist_ok=True)
mnist = np.load(sys.argv[1])
train_images, train_labels, test_images, test_labels = (
    mnist[part] for part in ("x_train", "y_train", "x_test", "y_test")
)

# Sample grid by class
fig, axes = plt.subplots(10, 10, figsize=(10, 10))
for row, label in zip(axes, range(10), strict=True):
    for axis, image in zip(row, train_images[train_labels == label], strict=False):
        axis.imshow(image, cmap="gray")
        axis.axis("off")
fig.savefig(out / "samples.png")

# Class histogram and percentages
counts = np.bincount(train_labels)
fig, axis = plt.subplots()
axis.bar(range(10), counts)
axis.set_xlabel("class")
axis.set_ylabel("images")
fig.savefig(out / "classes.png")
print(pd.DataFrame({"images": counts, "share": counts / counts.sum()}))

# Missing values, and what a constant classifier would score
print("missing values:", np.isnan(train_images.astype(float)).sum())
print(f"always answering {counts.argmax()} would have {counts.max() / counts.sum():.1%} right")

# Training and testing accuracy
train_inputs, test_inputs = train_images[..., None] / 255, test_images[..., None] / 255
rows, answers, networks = [], {}, {}
for path in sorted(Path("saved_models/mnist").glob("dody_*.h5")):
    networks[path.stem] = model = keras.models.load_model(path, compile=False)
    answers[path.stem] = model.predict(test_inputs, verbose=0)
    on_train = model.predict(train_inputs, verbose=0).argmax(axis=1)
    on_test = answers[path.stem].argmax(axis=1)
    rows.append((path.stem, (on_train == train_labels).mean(), (on_test == test_labels).mean()))
print(pd.DataFrame(rows, columns=["model", "training", "testing"]).sort_values("testing", ascending=False))

# Curves of two runs in one figure
fig, axes = plt.subplots(1, 2, figsize=(12, 4))
for name in ("dody_dense", "dody_dense_dropout"):
    history = pd.read_csv(f"saved_models/mnist/{name}.log")
    for axis, metric in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(history["epoch"] + 1, history[metric], linestyle="--", label=f"{name}, training")
        axis.plot(history["epoch"] + 1, history[f"val_{metric}"], label=f"{name}, validation")
        axis.set_xlabel("epoch")
        axis.set_ylabel(metric)
        axis.legend()
fig.savefig(out / "curves.png")

# Confusion matrix
proba = answers["dody_cnn"]
predicted, confidence = proba.argmax(axis=1), proba.max(axis=1)
ConfusionMatrixDisplay.from_predictions(test_labels, predicted, normalize="true", values_format=".0%")
plt.savefig(out / "confusion.png")

# Worst predictions
wrong = np.flatnonzero(predicted != test_labels)
worst = wrong[np.argsort(-confidence[wrong])][:25]
fig, axes = plt.subplots(5, 5, figsize=(8, 9))
for axis, index in zip(axes.flat, worst, strict=False):
    axis.imshow(test_images[index], cmap="gray")
    axis.set_title(f"{predicted[index]} {confidence[index]:.1%}\ntrue {test_labels[index]}")
    axis.axis("off")
fig.tight_layout()
fig.savefig(out / "worst.png")

# Activations of every convolution layer
model = networks["dody_cnn"]
layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
looking = keras.Model(model.inputs, [layer.output for layer in layers])
for layer, values in zip(layers, looking.predict(test_inputs[3:4], verbose=0), strict=True):
    fig, axes = plt.subplots(2, 16, figsize=(16, 2.5))
    for axis, channel in zip(axes.flat, np.moveaxis(values[0], -1, 0), strict=True):
        axis.imshow(channel, cmap="gray")
        axis.axis("off")
    fig.suptitle(layer.name)
    fig.savefig(out / f"{layer.name}.png")
