"""*lungu*: thirteen steps, from a linear model on raw pixels to an average and pseudo-labels; channels first."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saved_models.recipes.layers import altered, convolution
from saved_models.recipes.recipe import AS_STORED, Recipe
from saved_models.recipes.training import Network, fresh, load_network, needed, predictions, save_network, scored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from saved_models.recipes.data import Parts
    from saved_models.recipes.recipe import Scores

MEAN, STD = 33.318, 78.567
MAX_ERROR = 0.01
AUGMENTED = {"rotation": 8, "zoom": 0.05, "shift": 0.08}
AVERAGED = ("lungu_11_annealing", "lungu_11_annealing_2", "lungu_11_annealing_3")


def recipes() -> list[Recipe]:
    """Return the steps in the notebook's order; its accuracies are of validation images."""
    steps = [
        (
            "linear_raw",
            "linear, raw pixels",
            "A linear model of pixels from 0 to 255.",
            _linear_raw,
            0.624,
        ),
        ("linear", "linear", "A linear model of normalised pixels.", _linear, 0.9244),
        ("hidden", "one hidden layer", "100 hidden units with a sigmoid.", _hidden, 0.9703),
        ("three_hidden", "three hidden layers", "Three layers of 200 units with relu.", _three_hidden, 0.9775),
        ("convolutions", "three convolutions", "Three convolutions of 7 filters.", _convolutions, 0.9849),
        ("max_pooling", "max pooling", "Three convolutions of 7 filters with max pooling.", _pooled, 0.9837),
        ("vgg", "VGG style", "Two pairs of 3x3 convolutions, each with max pooling.", lambda: vgg(), 0.9694),
        (
            "batch_normalisation",
            "batch normalisation",
            "The VGG style with batch normalisation.",
            lambda: vgg(True),
            0.9893,
        ),
        (
            "dropout",
            "dropout",
            "The same with dropout before the last layer.",
            lambda: vgg(True, 0.5),
            0.9898,
        ),
    ]
    epochs = {"linear_raw": 4, "linear": 4, "vgg": 5, "batch_normalisation": 5, "dropout": 5}
    made = [
        _step(number, name, title, description, Network(build, epochs=epochs.get(name, 6), batch=64), noted)
        for number, (name, title, description, build, noted) in enumerate(steps, start=1)
    ]
    full = Network(lambda: vgg(True, 0.5), epochs=6, batch=64, augmentation=lambda: altered(**AUGMENTED))
    annealed = replace(full, learning_rate=2e-3, schedule=annealing)
    return [
        *made,
        _step(10, "augmentation", "augmentation", "Rotated, zoomed and shifted images.", full, 0.9927),
        _step(11, "annealing", "learning-rate annealing", "The learning rate falls along a cosine.", annealed, 0.9939),
        *(
            _step(
                11,
                f"annealing_{seed}",
                f"annealing, run {seed}",
                "Step 11 with another seed.",
                replace(annealed, seed=seed),
                None,
            )
            for seed in (2, 3)
        ),
        Recipe(
            "lungu_12_average.ensemble.toml",
            "lungu 12: average",
            "The mean of the probabilities of the three runs of step 11.",
            Average(AVERAGED),
            noted=0.995,
            noted_on="validation",
        ),
        _step(13, "pseudo_labels", "pseudo-labels", "Step 11 with its own sure answers.", PseudoLabelled(), 0.9958),
    ]


def _step(number: int, name: str, title: str, description: str, trainer: Any, noted: float | None) -> Recipe:
    return Recipe(
        f"lungu_{number:02d}_{name}.keras",
        f"lungu {number}: {title}",
        description,
        trainer,
        preprocessing=AS_STORED,  # the network normalises
        history="log",
        noted=noted,
        noted_on="validation",
    )


def network(parts: Sequence[Any], *, normalised: bool = True) -> Any:
    """Return a network with the channel first: normalisation, the given layers up to flat ones, a softmax of 10."""
    import keras
    from keras import layers

    begin = [layers.Rescaling(1 / STD, offset=-MEAN / STD)] if normalised else []
    return keras.Sequential([keras.Input((1, 28, 28)), *begin, *parts, layers.Dense(10, activation="softmax")])


def _linear_raw() -> Any:
    return _linear(normalised=False)


def _linear(*, normalised: bool = True) -> Any:
    from keras import layers

    return network([layers.Flatten()], normalised=normalised)


def _hidden() -> Any:
    from keras import layers

    return network([layers.Flatten(), layers.Dense(100, activation="sigmoid")])


def _three_hidden() -> Any:
    from keras import layers

    return network([layers.Flatten(), *(layers.Dense(200, activation="relu") for _ in range(3))])


def _convolutions() -> Any:
    from keras import layers

    return network([*(layer for _ in range(3) for layer in convolution(7, 3, first=True)), layers.Flatten()])


def _pooled() -> Any:
    from keras import layers

    pool = {"data_format": "channels_first"}
    parts: list[Any] = []
    for last in (False, False, True):
        parts += convolution(7, 3, first=True)
        parts += [] if last else [layers.MaxPooling2D(**pool)]
    return network([*parts, layers.Flatten()])


def vgg(normalised: bool = False, dropout: float = 0.0) -> Any:
    """Return 16-16-pool-32-32-pool-256; with batch normalisation, with dropout.

    The notebook does not say how many filters; with these an epoch takes a minute on two cores.
    """
    from keras import layers

    parts: list[Any] = []
    for filters in (16, 32):
        for _ in range(2):
            parts += convolution(filters, 3, normalised=normalised, first=True)
        parts.append(layers.MaxPooling2D(data_format="channels_first"))
    parts += [layers.Flatten(), layers.Dense(256, activation="relu")]
    if normalised:
        parts.append(layers.BatchNormalization())
    if dropout:
        parts.append(layers.Dropout(dropout))
    return network(parts)


def annealing(epoch: int, epochs: int) -> float:
    """Return half a cosine from 1 down to 0.01 in the last epoch."""
    return 0.01 + 0.99 * (1 + math.cos(math.pi * epoch / max(epochs - 1, 1))) / 2


@dataclass(frozen=True)
class Average:
    """Step 12: the definition of an ensemble beside its members."""

    members: tuple[str, ...]

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Write the definition and return the scores."""
        import diag

        models = [diag.load_model(path) for path in [needed(out / f"{name}.keras") for name in self.members]]
        together = diag.ensemble(models, how="average", name=recipe.title)
        together.save(out / recipe.file, force=True)
        return scored(lambda images: together.predict_proba(images).argmax(axis=1), parts)


@dataclass(frozen=True)
class PseudoLabelled:
    """Step 13: step 11 labels images whose labels nobody saw; its sure answers join the fitted images."""

    start: str = "lungu_11_annealing"

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Choose candidates by what the validation images promise, fit on, save, and return the scores."""
        import diag

        model = diag.load_model(needed(out / f"{self.start}.keras"))
        run = diag.evaluate(model, diag.load_dataset(parts.validation))
        found = diag.pseudo_labels(model, diag.load_dataset(parts.pool[0]), run, max_error=MAX_ERROR)
        print(f"  {recipe.name}: {found.sentence()}", flush=True)
        chosen = found.indices
        images = np.concatenate([parts.fit[0], parts.pool[0][chosen]])
        more = replace(parts, fit=(images, np.concatenate([parts.fit[1], found.y_pred[chosen]])))
        fresh()
        net = load_network(out / f"{self.start}.keras")
        trainer = Network(
            lambda: net, epochs=2, batch=64, augmentation=lambda: altered(**AUGMENTED), learning_rate=1e-4
        )
        n_epochs = trainer.fit(net, recipe, more, out)
        save_network(net, out / recipe.file)
        wrong = float((found.y_pred[chosen] != parts.pool[1][chosen]).mean()) if len(chosen) else 0.0
        scores = scored(predictions(net, recipe), parts)
        return scores | {"epochs": n_epochs, "pseudo_labels": len(chosen), "wrong_pseudo_labels": wrong}
