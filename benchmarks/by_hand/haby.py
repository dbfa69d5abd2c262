"""The figures of *haby* by hand, from the files of docs/notebooks/haby.ipynb.

Usage: ``python -m benchmarks.by_hand.haby mnist.npz``, with Matplotlib installed. Pictures: build/by_hand/haby.
"""

import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from saved_models.recipes.data import load_parts, write_kaggle

out = Path("build/by_hand/haby")
mnist = load_parts(sys.argv[1])
labelled, unlabelled = write_kaggle(mnist.test, mnist.pool, out)

# Missing values
table = pd.read_csv(labelled)
print("missing values:", table.isnull().sum().sum())
labels = table.pop("label").to_numpy()
images = table.to_numpy().reshape(-1, 28, 28, 1) / 255

# The first 50 images with their labels
fig, axes = plt.subplots(5, 10, figsize=(12, 7))
for axis, image, label in zip(axes.flat, images, labels, strict=False):
    axis.imshow(image[..., 0], cmap="gray")
    axis.set_title(label)
    axis.axis("off")
fig.savefig(out / "first_50.png")

# Loss and accuracy curves
history = pd.read_csv("saved_models/mnist/haby_cnn.log")
fig, axes = plt.subplots(1, 2, figsize=(12, 4))
for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
    axis.plot(history["epoch"] + 1, history[name], label="training")
    axis.plot(history["epoch"] + 1, history[f"val_{name}"], label="validation")
    axis.set_xlabel("epoch")
    axis.set_ylabel(name)
    axis.legend()
fig.savefig(out / "curves.png")

# Test loss and accuracy
model = keras.models.load_model("saved_models/mnist/haby_cnn.keras")
model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
loss, accuracy = model.evaluate(images, labels, verbose=0)
print(f"loss {loss:.4f}, accuracy {accuracy:.4f}")

# Confusion matrix
predicted = model.predict(images, verbose=0).argmax(axis=1)
matrix = confusion_matrix(labels, predicted)
print(matrix)

# The class with the most errors
errors = matrix.sum(axis=1) - matrix.diagonal()
worst = errors.argmax()
print(f"Class {worst} has the most errors: {errors[worst]} of {matrix[worst].sum()}.")

# Predictions for the table without labels
unknown = pd.read_csv(unlabelled).to_numpy().reshape(-1, 28, 28, 1) / 255
answers = model.predict(unknown, verbose=0).argmax(axis=1)
print(pd.DataFrame({"ImageId": np.arange(1, len(answers) + 1), "Label": answers}).head())
