"""Which data set belongs to which models when nobody said, and which label to which output."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from diag.errors import DataError, InvalidInputError
from diag.io.datasets import load_dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from diag.io.datasets import Dataset
    from diag.io.models import Model

# Built-in sets by what a model takes (h, w, c) and how many classes it has. Digits comes first: it is the one
# that needs no network.
_BUILTIN = {
    ((28, 28, 1), 10): ("digits", "mnist", "fashion_mnist"),
    ((32, 32, 3), 10): ("cifar10",),
    ((32, 32, 3), 100): ("cifar100",),
}


def data_for(
    models: Sequence[Model],
    source: str | None = None,
    split: str | None = None,
    *,
    size: tuple[int, int] | None = None,
    label_column: str | int | None = None,
) -> Dataset:
    """Return the data that models are to be judged on: `source`, else their cards', else a built-in set that fits.

    Raises
    ------
    DataError
        If the cards name different data, or there is none and nothing built in fits; the message says what to pass.
    """
    if not models:
        raise InvalidInputError("expected at least one model. Received: none.")
    note: tuple[str, ...] = ()
    if source is None:
        source, card_split, note = _implied(models)
        split = split or card_split
    data = load_dataset(source, split=split or "test", size=size, label_column=label_column)
    return replace(data, notes=(*note, *data.notes)) if note else data


def _implied(models: Sequence[Model]) -> tuple[str, str | None, tuple[str, ...]]:
    named = {(model.card.source, model.card.split) for model in models if model.card.source is not None}
    if len(named) > 1:
        listed = ", ".join(sorted(f"{name} ({part or 'test'})" for name, part in named))
        raise DataError(f"the models' cards name different data: {listed}. Pass --data to judge them on the same.")
    if named:
        source, split = named.pop()
        if source is not None:
            return source, split, ()
    shape, k = models[0].input_shape, models[0].n_classes
    fitting = _BUILTIN.get((shape, k), ())
    if not fitting:
        raise DataError(
            f"no data was given, and no built-in set has images of {'x'.join(map(str, shape))} and {k} classes. "
            "Pass --data with a .npz, a .csv or a folder of class folders."
        )
    others = f" (so do {', '.join(fitting[1:])}: pass --data for another)" if fitting[1:] else ""
    note = (
        f"No data was named: the built-in set {fitting[0]} was taken, because it fits the model's input and "
        f"number of classes{others}. The figures say nothing if the model was trained for something else.",
    )
    return fitting[0], None, note


def match_classes(model: Model, data: Dataset) -> tuple[tuple[str, ...], NDArray[np.int64], tuple[str, ...]]:
    """Return class names in the model's order, the labels as the model's class numbers, and what was done to them.

    Raises
    ------
    DataError
        If the data has no labels, more classes than the model, or names that the model does not know.
    """
    labels = data.labels
    if labels is None:
        raise DataError(f"{data.name}: expected labelled data. Received: no labels. Use 'diag predict' for such data.")
    if len(data) == 0:
        raise DataError(f"{data.name}: expected at least one image. Received: none.")
    k = model.n_classes
    labels = np.asarray(labels, dtype=np.int64)
    named = not all(name.isdigit() for name in data.class_names)
    if named and model.card.class_names is not None:
        known = {name: number for number, name in enumerate(model.class_names)}
        missing = [name for name in data.class_names if name not in known]
        if missing and len(missing) < len(data.class_names):
            raise DataError(
                f"{data.name}: class {missing[0]!r} is not among the model's: {', '.join(model.class_names[:10])}."
            )
        if not missing:
            numbers = np.array([known[name] for name in data.class_names], dtype=np.int64)
            moved = not np.array_equal(numbers, np.arange(len(numbers)))
            note = ("Labels were matched to the model's classes by name.",) if moved else ()
            return model.class_names, numbers[labels], note
    if labels.max() >= k:
        hint = "Labels that start at 1? Subtract 1." if labels.min() == 1 and labels.max() == k else ""
        raise DataError(
            f"{data.name}: expected labels 0..{k - 1}, because {model.name} has {k} outputs. "
            f"Received: labels up to {labels.max()}. {hint or 'Pass the data that this model was trained for.'}"
        )
    if model.card.class_names is not None:
        return model.class_names, labels, ()
    names = data.class_names if len(data.class_names) == k else tuple(str(number) for number in range(k))
    if named and len(data.class_names) < k:
        names = (*data.class_names, *(f"output {number}" for number in range(len(data.class_names), k)))
    note = ("Class names come from the data; the model file names none.",) if named else ()
    return names, labels, note
