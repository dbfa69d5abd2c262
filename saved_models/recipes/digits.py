"""The seven small models of scikit-learn's digits that are shipped; a small version of a notebook's model each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saved_models.recipes import dody, sd
from saved_models.recipes.data import with_pool
from saved_models.recipes.layers import convolution, dense
from saved_models.recipes.lungu import MEAN, STD
from saved_models.recipes.recipe import AS_STORED, Recipe
from saved_models.recipes.training import SMALL_EPOCHS, Estimator, Network

if TYPE_CHECKING:
    from pathlib import Path

    from saved_models.recipes.data import Parts
    from saved_models.recipes.recipe import Scores


@dataclass(frozen=True)
class WithPool:
    """Fits all 800 images that are not for validation: none are kept back for pseudo-labels."""

    trainer: Any

    def train(self, recipe: Recipe, parts: Parts, out: Path) -> Scores:
        """Train, save, and return the scores."""
        return self.trainer.train(recipe, with_pool(parts), out)


def recipes() -> list[Recipe]:
    """Return the recipes, simplest model first."""
    from sklearn.linear_model import LogisticRegression

    saga = {"solver": "saga", "tol": 1e-3, "max_iter": 400, "random_state": 0}
    return [
        Recipe(
            "logistic_l1.skops",
            "Logistic regression, L1",
            "Multinomial logistic regression with an L1 penalty, after dody.",
            WithPool(Estimator(lambda: LogisticRegression(l1_ratio=1, C=0.3, **saga))),
        ),
        Recipe(
            "logistic_l2.skops",
            "Logistic regression, L2",
            "Multinomial logistic regression with an L2 penalty, after dody.",
            WithPool(Estimator(lambda: LogisticRegression(l1_ratio=0, C=0.01, **saga))),
        ),
        Recipe(
            "dense.keras",
            "Dense",
            "Three dense layers 128-64-32 without dropout, after dody.",
            WithPool(Network(lambda: dense((128, 64, 32)), SMALL_EPOCHS)),
            history="log",
        ),
        Recipe(
            "dense_dropout.h5",
            "Dense with dropout",
            "Three dense layers 128-64-32 with dropout 0.2, after dody.",
            WithPool(Network(lambda: dense((128, 64, 32), 0.2), SMALL_EPOCHS)),
            history="hist",
        ),
        Recipe(
            "cnn_dody.h5",
            "CNN dody",
            "Two 5x5 convolutions with max pooling and dropout, after dody.",
            WithPool(Network(lambda: dody.cnn((8, 16), 64), SMALL_EPOCHS)),
            history="log",
        ),
        Recipe(
            "cnn_sd.h5",
            "CNN sd",
            "Six convolutions with batch normalisation and dropout, after sd.",
            WithPool(Network(lambda: sd.cnn((8, 16), 64, padding="valid"), SMALL_EPOCHS)),
            history="hist",
        ),
        Recipe(
            "cnn_lungu.keras",
            "CNN lungu",
            "Channels first, scaling inside the network, two convolutions with max pooling, after lungu.",
            WithPool(Network(cnn_lungu, SMALL_EPOCHS)),
            preprocessing=AS_STORED,  # the network rescales
            history="log",
        ),
    ]


def cnn_lungu() -> Any:
    """After *lungu*: channels first, scaling inside (a Lambda layer there), convolution and pooling."""
    import keras
    from keras import layers

    parts: list[Any] = [keras.Input((1, 28, 28)), layers.Rescaling(1 / STD, offset=-MEAN / STD)]
    for _ in range(2):
        parts += [*convolution(16, 3, first=True), layers.MaxPooling2D(data_format="channels_first")]
    parts += [layers.Flatten(), layers.Dense(32, activation="relu")]
    return keras.Sequential([*parts, layers.Dense(10, activation="softmax")])
