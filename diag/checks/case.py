"""What checks look at: a model, its data, and what several checks need, computed once."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.budget import image_count
from diag.checks.draws import draws
from diag.checks.parts import part
from diag.engines.local import evaluate
from diag.errors import CheckNotApplicable, DiagError
from diag.io.pairing import match_classes
from diag.metrics.beyond_chance import balanced_accuracy_test
from diag.metrics.pixels import Prints, prints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from diag.checks.facts import KernelFacts, Structure, WeightFacts
    from diag.checks.linear_baseline import LinearAnswers
    from diag.checks.sweep import Sweep
    from diag.checks.trial import Trial
    from diag.checks.units import Units
    from diag.io.datasets import Dataset
    from diag.io.histories import History
    from diag.io.models import Model
    from diag.io.store import Entry
    from diag.metrics.beyond_chance import BalancedAccuracy
    from diag.results.evaluation import Evaluation

SAMPLE = 50_000
"""So many weights of a kernel are drawn from larger ones, to be compared with initialisers."""


class Case:
    """A model and its data, as checks see them. Every part is computed when it is first asked for.

    Parameters
    ----------
    model : Model
        As it was loaded.
    data : Dataset, optional
        The data it is judged on.
    train : Dataset, optional
        The data it was trained on.
    run : Evaluation, optional
        Of this model on this data, when there is one already.
    rivals : sequence of Evaluation
        All models that are shown beside it, itself included.
    n : int
        Images that costly checks look at, at most.
    seed : int
        Seeds every draw.
    cache : bool
        Use and keep evaluations by content.
    """

    def __init__(
        self,
        model: Model,
        data: Dataset | None = None,
        train: Dataset | None = None,
        *,
        run: Evaluation | None = None,
        rivals: Sequence[Evaluation] = (),
        n: int = 400,
        seed: int = 0,
        cache: bool = True,
    ) -> None:
        self.data = data
        self.rivals = tuple(rivals)
        self.n = n
        self.seed = seed
        self._loaded = model
        self._train = train
        self._cache = cache
        if run is not None:
            self.__dict__["run"] = run

    # What there is to look at.

    @property
    def labelled(self) -> Dataset:
        """The data, which has labels."""
        if self.data is None:
            raise CheckNotApplicable("There is no data: pass --data.")
        if self.data.labels is None:
            raise CheckNotApplicable("The data has no labels.")
        return self.data

    @property
    def train(self) -> Dataset:
        """The data that the model was trained on."""
        if self._train is None:
            raise CheckNotApplicable("The training data is not known: pass --train.")
        return self._train

    @part
    def run(self) -> Evaluation:
        """The model on the whole of the data. Raises `DiagError` when it cannot be evaluated."""
        return evaluate(self._loaded, self.labelled, cache=self._cache, progress=False)

    @part
    def balance(self) -> BalancedAccuracy:
        """Balanced accuracy on the whole of the data, and whether it is above chance."""
        samples = self.run.samples
        return balanced_accuracy_test(samples["y_true"], samples["y_pred"], self.rng("balance"))

    @part
    def training(self) -> Evaluation:
        """The model on at most 5,000 images of its training data, with the preprocessing of `run`."""
        train = self.train
        if train.labels is None:
            raise CheckNotApplicable("The training data has no labels.")
        if len(train) > 5000:
            train = train.subset(self.rng("training").choice(len(train), 5000, replace=False))
        return evaluate(self.model, train, cache=self._cache, progress=False)

    @part
    def train_labels(self) -> NDArray[np.int64]:
        """The labels of all training images as the model's class numbers."""
        if self.train.labels is None:
            raise CheckNotApplicable("The training data has no labels.")
        return match_classes(self.model, self.train)[1]

    @part
    def training_counts(self) -> NDArray[np.int64]:
        """How many training images each class of the model has, shape (k,)."""
        return np.bincount(self.train_labels, minlength=self.model.n_classes)

    @part
    def prints(self) -> Prints:
        """The images of the data, small."""
        if self.data is None:
            raise CheckNotApplicable("There is no data: pass --data.")
        return prints(self.data, self.rng("prints"))

    @part
    def train_prints(self) -> Prints:
        """The images of the training data, small."""
        return prints(self.train, self.rng("train prints"))

    @part
    def linear(self) -> LinearAnswers:
        """A linear model's answers on the data. Raises `CheckNotApplicable` when none can be fitted."""
        from diag.checks.linear_baseline import linear_answers

        return linear_answers(self)

    @part
    def model(self) -> Model:
        """The model with its preprocessing fixed; as it was loaded when it cannot be evaluated."""
        try:
            return self.run.model
        except DiagError:
            return self._loaded.resolve(self.data.images)[0] if self.data is not None else self._loaded

    @property
    def loaded(self) -> Model:
        """The model with what its card and the caller said of its preprocessing, and no more."""
        return self._loaded

    @part
    def history(self) -> History:
        """The training history that the card names."""
        from diag.io.histories import load_history

        path = self._loaded.card.history
        if path is None:
            raise CheckNotApplicable("The model card names no training history.")
        return load_history(path)

    # A sample of the data that costly checks share.

    @part
    def most(self) -> int:
        """How many images costly checks look at: `n`, or fewer large ones."""
        if self.data is None:
            raise CheckNotApplicable("There is no data: pass --data.")
        shapes = [self.data.images.shape[1:]]
        with suppress(DiagError):
            shapes.append(tuple(size or 1 for size in self._loaded.native_shape))
        return image_count(self.n, max(math.prod(shape) for shape in shapes))

    @part
    def rows(self) -> NDArray[np.int64]:
        """Numbers of at most `most` images, ascending; every class has its share, at least one."""
        if self.data is None:
            raise CheckNotApplicable("There is no data: pass --data.")
        if len(self.data) <= self.most:
            return np.arange(len(self.data))
        rng = self.rng("rows")
        if self.data.labels is None:
            return np.sort(rng.choice(len(self.data), self.most, replace=False))
        return stratified(np.asarray(self.data.labels), self.most, rng)

    @part
    def images(self) -> NDArray[Any]:
        """The images of `rows`, shape (m, h, w, c), in the data's own units."""
        if self.data is None:
            raise CheckNotApplicable("There is no data: pass --data.")
        return np.asarray(self.data.images[self.rows])

    @part
    def inputs(self) -> NDArray[np.float32]:
        """`images` as the model takes them."""
        return self.model.prepare(self.images)

    @part
    def outputs(self) -> NDArray[np.float32]:
        """The model's own outputs for `inputs`, shape (m, outputs), before anything is made of them."""
        return self.model.raw_outputs(self.images)

    @part
    def y_true(self) -> NDArray[np.int64]:
        """The labels of `rows` as the model's class numbers, shape (m,)."""
        labels: NDArray[np.int64] = self.run.samples["y_true"][self.rows]
        return labels

    @part
    def proba(self) -> NDArray[np.float32]:
        """Probabilities for `images`, shape (m, k)."""
        kept = self.run.proba
        return kept[self.rows] if kept is not None else self.predict(self.images)

    def predict(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return probabilities (n, k) for images in the data's own units, with the preprocessing of `run`."""
        return self.model.predict_proba(images)

    @part
    def sweep(self) -> Sweep:
        """The model on changed images of `rows`: shifts, rotations, light, JPEG, noise, blur."""
        from diag.checks.sweep import Sweep

        return Sweep(self)

    @part
    def trial(self) -> Trial:
        """Other ways to prepare the images, beside the one in use."""
        from diag.checks.trial import Trial

        return Trial(self)

    # Inside the network.

    def ask_network(
        self, operation: str, arrays: Mapping[str, NDArray[Any]] | None = None, options: Mapping[str, Any] | None = None
    ) -> Entry:
        """Return what an operation of `diag.io.backends.OPERATIONS` finds out about the network, where it lives."""
        if not self._loaded.is_keras:
            raise CheckNotApplicable(f"This is {self._loaded.kind}: it has no layers.")
        return self._loaded.run(operation, arrays, options)

    @part
    def structure(self) -> Structure:
        """How the network is built."""
        from diag.checks.facts import Structure

        return Structure.of(self.ask_network("structure"))

    @part
    def weights(self) -> WeightFacts:
        """What the network's weights are like."""
        from diag.checks.facts import WeightFacts

        return WeightFacts.of(self.ask_network("weight_statistics", options={"seed": self.seed, "sample": SAMPLE}))

    @part
    def units(self) -> tuple[Units, ...]:
        """What every unit answers to `inputs`, in the order of execution, nested models opened; first the input."""
        from diag.checks.units import BATCH_NUMBERS, asked, observed

        cost = self.structure.cost
        inputs = self.inputs[: asked(len(self.inputs), cost)]
        return observed(self.ask_network("units", {"inputs": inputs}, {"batch_numbers": BATCH_NUMBERS}))

    @property
    def kernels(self) -> tuple[KernelFacts, ...]:
        """The kernels of dense and convolution layers, in the order of the network."""
        return self.weights.kernels

    def rng(self, purpose: str) -> np.random.Generator:
        """Return a generator of its own for each purpose, so that checks do not depend on their order."""
        return draws(self.seed, purpose)


def stratified(labels: NDArray[Any], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `n` row numbers, ascending: classes in turn, so that the rare ones are whole and the others share."""
    order = rng.permutation(len(labels))
    _, codes = np.unique(labels, return_inverse=True)
    rank = np.empty(len(labels), dtype=np.int64)
    seen = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.int64)
    for row in order:
        rank[row] = seen[codes[row]]
        seen[codes[row]] += 1
    chosen = np.lexsort((order.argsort(), rank))[:n]
    return np.sort(chosen)
