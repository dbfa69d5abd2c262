"""The shipped MNIST models on a data set, each evaluated once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

import diag
from diag.checks import api
from saved_models.recipes import recipes
from saved_models.recipes.data import Parts
from saved_models.recipes.recipe import write_card

MODELS = Path(__file__).resolve().parents[2] / "saved_models" / "mnist"
NOT_SHIPPED = {"harder_vgg16.h5"}  # 59 MB


class Place:
    """Models, and the data that their cards name.

    A model that is not shipped is trained by its recipe on some images of the data, into a folder of its own.
    """

    def __init__(self, folder):
        self._folder = folder
        self._kept = {}

    def once(self, key, make):
        """Return what `make` makes, the first time and ever after."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def path(self, file):
        return self.once(("path", file), lambda: self._trained(file) if file in NOT_SHIPPED else MODELS / file)

    def data(self, split="test"):
        return self.once(("data", split), lambda: diag.load_dataset("mnist", split))

    def pixels(self, split="test"):
        """Images (n, 28, 28) uint8, as the file has them."""
        return np.asarray(self.data(split).images[:])[..., 0]

    def labels(self, split="test"):
        return np.asarray(self.data(split).labels)

    def model(self, file):
        return self.once(("model", file), lambda: diag.load_model(self.path(file)))

    def run(self, file, split="test"):
        return self.once(("run", file, split), lambda: diag.evaluate(self.model(file), self.data(split)))

    def compared(self, *files, split="test"):
        return self.once(("compared", files, split), lambda: diag.compare([self.run(file, split) for file in files]))

    def network(self, file):
        """The network as Keras itself loads it."""
        import keras

        return self.once(("network", file), lambda: keras.saving.load_model(self.path(file), compile=False))

    def _trained(self, file):
        recipe = next(recipe for recipe in recipes() if recipe.file == file)
        with no_download():
            scores = recipe.trainer.train(recipe, self.parts(250), self._folder)
        write_card(recipe, "mnist", scores, self._folder)
        return self._folder / file

    def parts(self, n=200):
        """A few images as a recipe sees them: as many for fitting and for testing, none for anything else."""
        fit, test = (
            (np.asarray(self.data(split).images[:n]), self.labels(split)[:n].astype(np.int64))
            for split in ("train", "test")
        )
        return Parts("mnist", fit=fit, validation=fit, pool=fit, test=test)


@contextlib.contextmanager
def no_download():
    """Let Keras have no network: ImageNet's weights cannot be fetched, as on a machine without one."""
    import keras

    build = keras.applications.VGG16

    def offline(*args, weights="imagenet", **more):
        if weights == "imagenet":
            raise Exception("URL fetch failure: there is no network in tests")
        return build(*args, weights=weights, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "VGG16", offline)
        yield


def findings(model, data, check):
    """Return what one check of the doctor finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "CHECKS", (check,))  # the others would take minutes
        return diag.diagnose(model, data, cache=False).findings


def counted(y_true, y_pred, k=10):
    """Return a confusion matrix, counted answer by answer."""
    counts = np.zeros((k, k), dtype=int)
    for true, predicted in zip(y_true, y_pred, strict=True):
        counts[true, predicted] += 1
    return counts


def answers(run):
    """Return the true and the predicted classes, these from the probabilities of the run."""
    return np.asarray(run.data.labels), np.asarray(run.proba).argmax(axis=1)
