"""*harder*: 12,000 digits made harder, six models. All see the tables that `data.write_harder` writes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.errors import MissingDependencyError
from saved_models.recipes.data import harder_parts
from saved_models.recipes.layers import SHAPE, altered, convolution, dense
from saved_models.recipes.recipe import AS_STORED, SCALED, Recipe
from saved_models.recipes.training import SEED, Network, fresh, load_network, predictions, save_network, scored

if TYPE_CHECKING:
    import pandas as pd

    from saved_models.recipes.data import Labelled, Parts
    from saved_models.recipes.recipe import Scores

_SEARCHED = ("units", "activation", "dropout", "learning_rate")
COPIED = {"resize": [32, 32], "channels": 3, "scale": "1/255"}


def recipes() -> list[Recipe]:
    """Return the six recipes; the notebook's accuracies are of its 2,400 validation images."""
    shift = 2 / 28
    listed: list[tuple[str, str, str, Any, float]] = [
        ("dense", "dense", "One dense layer of 64.", Network(lambda: dense([64]), epochs=15, plateau=True), 0.801),
        ("cnn", "CNN", "Three 3x3 convolutions 32-64-64 with pooling.", Network(cnn, epochs=12, plateau=True), 0.959),
        (
            "deep",
            "deep CNN",
            "Five 3x3 convolutions 64-64-128-128-128 with batch normalisation and dropout.",
            Network(deep, epochs=12, batch=64, plateau=True),
            0.976,
        ),
        (
            "deep_augmented",
            "deep CNN, augmented",
            "The same network, fitted to images that are rotated and shifted at random.",
            Network(deep, epochs=20, batch=64, plateau=True, augmentation=lambda: altered(rotation=15, shift=shift)),
            0.983,
        ),
        ("vgg16", "VGG16, frozen", "VGG16 as it is, and one layer upon it.", FrozenVGG16(), 0.578),
        ("hyperband", "searched CNN", "The last layers found by Keras Tuner's Hyperband search.", Hyperband(), 0.976),
    ]
    return [
        Recipe(
            f"harder_{name}.h5",
            f"harder: {title}",
            description,
            OnHarder(trainer),
            preprocessing=COPIED if name == "vgg16" else SCALED,
            history="log",
            noted=noted,
            noted_on="validation",
        )
        for name, title, description, trainer, noted in listed
    ]


@dataclass(frozen=True)
class OnHarder:
    """Trains on the harder images; the card says the accuracy on plain test images, and on harder ones."""

    trainer: Any

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Train on what the tables hold, and return the scores."""
        scores = self.trainer.train(recipe, _from_tables(parts), out)
        scores["harder_test_accuracy"] = scores.pop("test_accuracy")
        n_test = scores.pop("n_test")
        plain = _plain_accuracy(recipe, parts, out)
        return scores | {"test_accuracy": plain, "n_test": n_test}


@lru_cache(maxsize=1)
def _from_tables(parts: Parts) -> Parts:
    """Return *harder*'s parts; its tables are written and read once for all its recipes."""
    with tempfile.TemporaryDirectory() as folder:
        return harder_parts(parts, Path(folder))


def _plain_accuracy(recipe: Recipe, parts: Parts, out: Path) -> float:
    images, labels = parts.test
    return float((predictions(load_network(out / recipe.file), recipe)(images) == labels).mean())


def cnn(units: int = 64, activation: str = "relu", dropout: float = 0.0) -> Any:
    """Return 32-pool-64-pool-64 of 3x3, and a dense layer of so many units."""
    import keras
    from keras import layers

    parts: list[Any] = [keras.Input(SHAPE)]
    for place, filters in enumerate((32, 64, 64)):
        parts += [layers.MaxPooling2D()] if place else []
        parts += convolution(filters, 3)
    parts += [layers.Flatten(), layers.Dense(units, activation=activation)]
    parts += [layers.Dropout(dropout)] if dropout else []
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])


def deep() -> Any:
    """Return 64-64-BN-pool-128-128-BN-pool-128 of 3x3 with dropout, and a dense layer of 128."""
    import keras
    from keras import layers

    parts: list[Any] = [keras.Input(SHAPE)]
    for filters in (64, 128):
        parts += [*convolution(filters, 3), *convolution(filters, 3, normalised=True)]
        parts += [layers.MaxPooling2D(), layers.Dropout(0.25)]
    parts += [*convolution(128, 3), layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.5)]
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])


@dataclass(frozen=True)
class FrozenVGG16:
    """Trains one layer upon VGG16, with ImageNet's weights if they can be had, else with random ones."""

    epochs: int = 10

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Compute the frozen features once, fit the layer, join both, and return the scores."""
        import keras
        from keras import layers

        fresh()
        base, pretrained = vgg16()
        print(f"  {recipe.name}: {'ImageNet' if pretrained else 'no network: random'} weights", flush=True)
        base.trainable = False
        head = keras.Sequential([keras.Input((512,)), layers.Dense(10, activation="softmax")])
        fit, validation = (_features(base, recipe, part) for part in (parts.fit, parts.validation))
        seen = replace(parts, fit=fit, validation=validation)
        # What the layer upon it takes is what VGG16 gave: nothing is scaled again.
        n_epochs = Network(lambda: head, self.epochs, plateau=True).fit(
            head, replace(recipe, preprocessing=AS_STORED), seen, out
        )
        network = keras.Sequential([keras.Input((32, 32, 3)), base, layers.Flatten(), *head.layers])
        save_network(network, out / recipe.file)
        scores = scored(predictions(network, recipe), parts)
        return scores | {"epochs": n_epochs, "imagenet_weights": int(pretrained)}


def _features(base: Any, recipe: Recipe, part: Labelled) -> Labelled:
    """Return what VGG16 makes of images, as (n, 1, 512, 1)."""
    images, labels = part
    values = base.predict(recipe.inputs(images, (32, 32, 3)), batch_size=256, verbose=0)
    return values.reshape(len(values), 1, -1, 1), labels


def vgg16() -> tuple[Any, bool]:
    """Return VGG16 without its top for 32x32x3, and whether its weights are ImageNet's."""
    import keras

    shape = {"include_top": False, "input_shape": (32, 32, 3)}
    try:
        return keras.applications.VGG16(weights="imagenet", **shape), True
    except Exception:  # noqa: BLE001 - Keras raises a plain Exception when a download fails
        return keras.applications.VGG16(weights=None, **shape), False


@dataclass(frozen=True)
class Hyperband:
    """Searches the last layers with Keras Tuner's Hyperband, writes the table of trials, and fits the best anew.

    References
    ----------
    Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar (2018), Hyperband: a novel bandit-based approach to hyperparameter
    optimization. JMLR 18(185), 1-52.
    """

    max_epochs: int = 5
    epochs: int = 10

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Search, write ``NAME_trials.csv``, fit the best of the search, and return the scores."""
        table, best = self.search(recipe, parts)
        table.to_csv(out / f"{recipe.name}_trials.csv", index=False)
        print(table.head(10).to_string(index=False), flush=True)
        trainer = Network(
            lambda: cnn(best["units"], best["activation"], best["dropout"]),
            epochs=self.epochs,
            learning_rate=best["learning_rate"],
            plateau=True,
        )
        return trainer.train(recipe, parts, out) | {"trials": len(table)}

    def search(self, recipe: Recipe, parts: Parts) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the trials, best first, and the values of the best.

        Returns
        -------
        tuple of DataFrame and dict
            A row a trial: ``trial``, ``units``, ``activation``, ``dropout``, ``learning_rate``, ``epochs``,
            ``val_accuracy``.
        """
        import pandas as pd

        fresh()
        tuner_package = import_tuner()
        data = {
            name: (recipe.inputs(images, SHAPE), labels) for name, (images, labels) in parts.while_fitting().items()
        }
        with tempfile.TemporaryDirectory() as folder:
            tuner = tuner_package.Hyperband(
                _tunable,
                objective="val_accuracy",
                max_epochs=self.max_epochs,
                factor=3,
                seed=SEED,
                directory=folder,
                project_name="search",
            )
            tuner.search(*data["train"], validation_data=data["validation"], batch_size=128, verbose=0)
            trials = tuner.oracle.get_best_trials(num_trials=len(tuner.oracle.trials))
            rows = [
                {"trial": int(trial.trial_id)}
                | {name: trial.hyperparameters.get(name) for name in _SEARCHED}
                | {"epochs": trial.hyperparameters.get("tuner/epochs"), "val_accuracy": round(float(trial.score), 4)}
                for trial in trials
            ]
        return pd.DataFrame(rows), {name: rows[0][name] for name in _SEARCHED}


def _tunable(hp: Any) -> Any:
    """Return a compiled network of the values that the search proposes."""
    import keras

    network = cnn(
        hp.Int("units", 64, 512, step=64),
        hp.Choice("activation", ["relu", "tanh"]),
        hp.Float("dropout", 0.0, 0.5, step=0.1),
    )
    rate = hp.Choice("learning_rate", [1e-2, 1e-3, 1e-4])
    network.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def import_tuner() -> Any:
    """Return the ``keras_tuner`` module.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        import keras_tuner
    except ImportError as error:
        raise MissingDependencyError(
            'keras-tuner is needed for this recipe and is not installed. Run: pip install "diag[tuner]"'
        ) from error
    return keras_tuner
