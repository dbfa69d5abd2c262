"""What all recipes share: fitting, keeping the best epoch by validation, histories, saving, scoring."""

from __future__ import annotations

import copy
import logging
import pickle
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from saved_models.recipes.data import Parts
    from saved_models.recipes.recipe import Recipe, Scores

SEED = 0
SMALL_EPOCHS, SMALL_PATIENCE, SMALL_BATCH = 60, 10, 32
N_SCORED = 10_000
"""Of the fitted images at most so many are scored."""
_SHORT = {"loss": "loss", "accuracy": "acc", "val_loss": "val_loss", "val_accuracy": "val_acc"}


@dataclass(frozen=True)
class Network:
    """Fits a network and keeps the weights of its best epoch by validation loss.

    Parameters
    ----------
    build : callable
        Returns a new network.
    epochs, batch : int
        For 50,000 images; small data sets get more and smaller steps.
    augmentation : callable, optional
        Returns layers that alter the images while training; they are no part of the saved network.
    learning_rate : float
    optimizer : {"Adam", "RMSprop", "SGD"}
    schedule : callable, optional
        Epoch from 0, number of epochs -> what the learning rate is multiplied by.
    plateau : bool
        Halve the learning rate when the validation loss does not fall.
    seed : int
        Of the weights to begin with, of the order of the images and of dropout.
    """

    build: Callable[[], Any]
    epochs: int
    batch: int = 128
    augmentation: Callable[[], Sequence[Any]] | None = None
    learning_rate: float = 1e-3
    optimizer: str = "Adam"
    schedule: Callable[[int, int], float] | None = None
    plateau: bool = False
    seed: int = SEED

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Fit, save, and return the scores."""
        fresh(self.seed)
        network = self.build()
        n_epochs = self.fit(network, recipe, parts, out)
        save_network(network, out / recipe.file)
        return scored(predictions(network, recipe), parts) | {"epochs": n_epochs}

    def fit(self, network: Any, recipe: Recipe, parts: Parts, out: Path) -> int:
        """Fit a network, write its history, and return how many epochs there were."""
        import keras

        epochs, patience, batch = self.epochs, max(2, self.epochs // 3), self.batch
        if parts.is_small:
            epochs, patience, batch = SMALL_EPOCHS, SMALL_PATIENCE, SMALL_BATCH
        shape = network.input_shape[1:]
        data = {
            name: (recipe.inputs(images, shape), labels) for name, (images, labels) in parts.while_fitting().items()
        }
        trained = self.altering(network)
        optimizer = getattr(keras.optimizers, self.optimizer)(self.learning_rate)
        trained.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        with tempfile.TemporaryDirectory() as folder:
            best = Path(folder) / "best.weights.h5"
            callbacks = [
                keras.callbacks.EarlyStopping("val_loss", patience=patience),
                keras.callbacks.ModelCheckpoint(best, "val_loss", save_best_only=True, save_weights_only=True),
                progress_lines(recipe.name, epochs),
                *self._rates(epochs),
            ]
            if recipe.history == "log":
                callbacks.insert(0, keras.callbacks.CSVLogger(out / f"{recipe.name}.log"))
            fitted = trained.fit(
                *data["train"],
                validation_data=data["validation"],
                epochs=epochs,
                batch_size=batch,
                callbacks=callbacks,
                verbose=0,
            )
            trained.load_weights(best)
        if recipe.history == "hist":
            write_hist(fitted.history, out / f"{recipe.name}.hist")
        return len(fitted.epoch)

    def altering(self, network: Any) -> Any:
        """Return the network behind the layers that alter images; they see them with channels last."""
        import keras

        if self.augmentation is None:
            return network
        layers = list(self.augmentation())
        shape = network.input_shape[1:]
        if shape[0] != 1:
            return keras.Sequential([keras.Input(shape), *layers, network])
        there, back = keras.layers.Permute((2, 3, 1)), keras.layers.Permute((3, 1, 2))
        return keras.Sequential([keras.Input(shape), there, *layers, back, network])

    def _rates(self, epochs: int) -> list[Any]:
        import keras

        rates: list[Any] = []
        if self.schedule is not None:
            schedule = self.schedule
            rates.append(
                keras.callbacks.LearningRateScheduler(lambda epoch, _: self.learning_rate * schedule(epoch, epochs))
            )
        if self.plateau:
            rates.append(keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2, min_lr=1e-5))
        return rates


@dataclass(frozen=True)
class Estimator:
    """Fits an estimator of scikit-learn on flat pixels, in one go."""

    build: Callable[[], Any]

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Fit, save, and return the scores."""
        from sklearn.exceptions import ConvergenceWarning

        estimator = self.build()
        images, labels = parts.fit
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # saga stops well before the last digit
            estimator.fit(flat(recipe, images), labels)
        return save_estimator(estimator, recipe, parts, out)


@dataclass(frozen=True)
class GradientDescent:
    """Fits logistic regressions, a class against the others, by stochastic gradient descent on flat pixels.

    Parameters
    ----------
    penalty : {"l1", "l2", "elasticnet"}, optional
    alpha : float
        Weight of the penalty.
    epochs : int
    """

    penalty: str | None = None
    alpha: float = 1e-5
    epochs: int = 12

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Fit, keep the best epoch by validation loss, save, and return the scores."""
        from sklearn.linear_model import SGDClassifier
        from sklearn.metrics import log_loss

        estimator = SGDClassifier("log_loss", penalty=self.penalty, alpha=self.alpha, random_state=SEED)
        rng = np.random.default_rng(SEED)
        data = {name: (flat(recipe, images), labels) for name, (images, labels) in parts.while_fitting().items()}
        classes = np.unique(parts.fit[1])
        images, labels = data["train"]
        best, least, rows = estimator, np.inf, []
        epochs = self.epochs * (4 if parts.is_small else 1)
        for epoch in range(epochs):
            started = time.perf_counter()
            order = rng.permutation(len(labels))
            estimator.partial_fit(images[order], labels[order], classes)
            row: dict[str, float] = {"epoch": epoch}
            for prefix, part in (("", "train"), ("val_", "validation")):
                proba = estimator.predict_proba(data[part][0][:N_SCORED])
                true = data[part][1][:N_SCORED]
                row[f"{prefix}accuracy"] = float((estimator.predict(data[part][0][:N_SCORED]) == true).mean())
                row[f"{prefix}loss"] = float(log_loss(true, np.clip(proba, 1e-7, 1), labels=classes))
            rows.append(row)
            say_epoch(recipe.name, epoch + 1, str(epochs), row, time.perf_counter() - started)
            if row["val_loss"] < least:
                best, least = copy.deepcopy(estimator), row["val_loss"]
        if recipe.history == "hist":
            write_hist({name: [row[name] for row in rows] for name in _SHORT}, out / f"{recipe.name}.hist")
        else:
            write_log(rows, out / f"{recipe.name}.log")
        return save_estimator(best, recipe, parts, out) | {"epochs": len(rows)}


def fresh(seed: int = SEED) -> None:
    """Forget earlier networks and begin all random numbers anew."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)


def flat(recipe: Recipe, images: NDArray[Any]) -> NDArray[np.float32]:
    """Return images as rows of pixels."""
    return recipe.inputs(images, (int(np.prod(images.shape[1:])),))


def predictions(network: Any, recipe: Recipe) -> Callable[[NDArray[Any]], NDArray[np.int64]]:
    """Return a function from images to classes."""
    shape = network.input_shape[1:]
    return lambda images: network.predict(recipe.inputs(images, shape), batch_size=512, verbose=0).argmax(axis=1)


def scored(predict: Callable[[NDArray[Any]], NDArray[np.int64]], parts: Parts) -> Scores:
    """Return the accuracies on all parts, on the first 10,000 of the fitted images."""
    scores: Scores = {}
    for name, (images, labels) in parts.named().items():
        images, labels = (images[:N_SCORED], labels[:N_SCORED]) if name == "train" else (images, labels)
        scores[f"{name}_accuracy"] = float((predict(images) == labels).mean())
    return scores | {"n_test": len(parts.test[1])}


def save_estimator(estimator: Any, recipe: Recipe, parts: Parts, out: Path) -> Scores:
    """Save an estimator with skops and return its scores."""
    from skops import io as skops_io

    skops_io.dump(estimator, out / recipe.file)
    return scored(lambda images: estimator.predict(flat(recipe, images)), parts)


def needed(path: Path) -> Path:
    """Return the path of a model that a recipe needs.

    Raises
    ------
    ModelLoadError
        If it is not there.
    """
    if not path.exists():
        raise ModelLoadError(
            f"{path.name}: expected a model that this recipe needs. Received: no such file in {path.parent}. "
            f"Train it first: --only {path.stem}."
        )
    return path


def load_network(path: Path) -> Any:
    """Return a network that a recipe saved.

    Raises
    ------
    ModelLoadError
        If it is not there.
    """
    import keras

    return keras.saving.load_model(needed(path), compile=False)


def save_network(network: Any, path: Path) -> None:
    """Save a network, without its optimizer and without Keras's advice against the HDF5 format."""
    bare = type(network).from_config(network.get_config())  # never compiled: there is no optimizer to be saved
    bare.set_weights(network.get_weights())
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        bare.save(path)
    finally:
        logger.setLevel(level)


def write_hist(history: Mapping[str, Sequence[float]], path: Path) -> None:
    """Write a training history as *sd* did: a pickled dict of lists under the old names ``acc`` and ``val_acc``."""
    short = {name: [float(value) for value in history[long]] for long, name in _SHORT.items()}
    path.write_bytes(pickle.dumps(short, protocol=4))


def write_log(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Write a training history in the layout of `keras.callbacks.CSVLogger`."""
    import pandas as pd

    columns = ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)


def progress_lines(name: str, epochs: int) -> Any:
    """Return a callback that prints a line an epoch."""
    import keras

    begun = [0.0]

    def begin(*_: Any) -> None:
        begun[0] = time.perf_counter()

    def end(epoch: int, logs: Mapping[str, float]) -> None:
        say_epoch(name, epoch + 1, f"at most {epochs}", logs, time.perf_counter() - begun[0])

    return keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)


def say_epoch(name: str, epoch: int, epochs: str, logs: Mapping[str, float], seconds: float) -> None:
    """Print how an epoch went; `epochs` says of how many."""
    print(
        f"  {name}: epoch {epoch} of {epochs}, loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.4f}, "
        f"validation {logs['val_loss']:.4f} and {logs['val_accuracy']:.4f}, {seconds:.0f} s",
        flush=True,
    )
