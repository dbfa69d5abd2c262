"""The figures of *harder* by hand, from the files of docs/notebooks/harder.ipynb.

Usage: ``python -m benchmarks.by_hand.harder mnist.npz``, with Matplotlib installed. Pictures: build/by_hand/harder.
"""

import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from saved_models.recipes.data import load_parts, write_harder

out = Path("build/by_hand/harder")
train, test = write_harder(load_parts(sys.argv[1]), out)
table = pd.read_csv(train, header=None).to_numpy()
images, labels = table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1].astype(int)
start = len(labels) * 4 // 5
held, true = images[start:], labels[start:]

# The images
fig, axes = plt.subplots(2, 10, figsize=(12, 3))
for axis, image, label in zip(axes.flat, held, true, strict=False):
    axis.imshow(image[..., 0], cmap="gray")
    axis.set_title(label)
    axis.axis("off")
fig.savefig(out / "images.png")


def prepare(pixels, model):
    """Return images as a network takes them: VGG16 wants 32x32 and three channels."""
    inputs = pixels / 255
    if model.input_shape[1:] == (32, 32, 3):
        inputs = np.repeat(keras.ops.image.resize(inputs, (32, 32)), 3, axis=-1)
    return inputs


# The list of validation accuracies
rows, answers, networks = [], {}, {}
for path in sorted(Path("saved_models/mnist").glob("harder_*.h5")):
    networks[path.stem] = model = keras.models.load_model(path, compile=False)
    answers[path.stem] = model.predict(prepare(held, model), verbose=0)
    rows.append((path.stem, (answers[path.stem].argmax(axis=1) == true).mean()))
accuracies = pd.DataFrame(rows, columns=["model", "accuracy"]).sort_values("accuracy", ascending=False)
print(accuracies)

# Training curves of each model
for name in answers:
    history = pd.read_csv(f"saved_models/mnist/{name}.log")
    fig, axes = plt.subplots(1, 2, figsize=(12, 4))
    for axis, metric in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(history["epoch"] + 1, history[metric], label="training")
        axis.plot(history["epoch"] + 1, history[f"val_{metric}"], label="validation")
        axis.set_xlabel("epoch")
        axis.set_ylabel(metric)
        axis.legend()
    fig.suptitle(name)
    fig.savefig(out / f"{name}.png")

# Ten labels beside their predicted probabilities
best = accuracies["model"].iloc[0]
print(pd.DataFrame(answers[best][:10], index=pd.Index(true[:10], name="label")).round(3))

# Submission.csv
unknown = pd.read_csv(test, header=None).to_numpy().reshape(-1, 28, 28, 1)
predicted = networks[best].predict(prepare(unknown, networks[best]), verbose=0).argmax(axis=1)
submission = pd.DataFrame({"Id": np.arange(len(predicted)), "Category": predicted})
submission.to_csv(out / "Submission.csv", index=False)
