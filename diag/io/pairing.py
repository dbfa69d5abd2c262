"""Which data set belongs to which models when nobody said, and which label to which output."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diag.errors import DataError, InvalidInputError, UnsupportedModelError
from diag.io.datasets import load_dataset
from diag.io.modelcard import lies_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
GUESSED = "No data was named"
"""How the note of `data_for` begins when a built-in set was taken."""


def data_for(
    models: Sequence[Model],
    source: str | None = None,
    split: str | None = None,
    *,
    size: tuple[int, int] | None = None,
    label_column: str | int | None = None,
    class_names: str | Sequence[str] | None = None,
) -> Dataset:
    """Return the data that models are to be judged on: `source`, else their cards', else a built-in set that fits.

    Encoded images that differ in size among themselves are brought to what the first model takes.

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
    data = load_dataset(source, split or "test", size=size, label_column=label_column, class_names=class_names)
    if size is None and data.sizes is not None and len(data.sizes) > 1:
        target = _target_size(models[0], data.sizes)
        data = load_dataset(source, split or "test", label_column=label_column, class_names=class_names, stretch=target)
    return replace(data, notes=(*note, *data.notes)) if note else data


def _target_size(model: Model, sizes: Mapping[str, int]) -> tuple[int, int]:
    """Return height and width that a model takes; where it leaves them open, the most frequent of the images."""
    try:
        return model.input_shape[:2]
    except (InvalidInputError, UnsupportedModelError):
        height, width = max(sizes, key=lambda name: sizes[name]).split("x")
        return int(height), int(width)


def _implied(models: Sequence[Model]) -> tuple[str, str | None, tuple[str, ...]]:
    for model in models:
        _require_near(model)
    named = {(model.card.source, model.card.split) for model in models if model.card.source is not None}
    if len(named) > 1:
        listed = ", ".join(sorted(f"{name} ({part or 'test'})" for name, part in named))
        raise DataError(
            "expected one data set. Received: the models' cards name different data: "
            f"{listed}. Pass --data to judge them on the same."
        )
    if named:
        source, split = named.pop()
        if source is not None:
            return source, split, ()
    shape, k = models[0].input_shape, models[0].n_classes
    fitting = _BUILTIN.get((shape, k), ())
    if not fitting:
        raise DataError(
            "expected data to judge on. Received: none, and no built-in set has images of "
            f"{'x'.join(map(str, shape))} and {k} classes. Pass --data with a folder of class folders, a "
            ".zip, .npz, .csv, .h5 or .parquet (see docs/data.md)."
        )
    others = f" (so do {', '.join(fitting[1:])}: pass --data for another)" if fitting[1:] else ""
    note = (
        f"{GUESSED}: the built-in set {fitting[0]} was taken, because it fits the model's input and "
        f"number of classes{others}. The figures say nothing if the model was trained for something else.",
    )
    return fitting[0], None, note


def _require_near(model: Model) -> None:
    """Refuse data outside of the model's folder: a card may be a stranger's, and would choose what is read."""
    from diag.io.readers import BUILTIN

    if not model.card.source:
        return
    path = Path(model.card.source.partition("::")[0])
    if str(path) in BUILTIN or not path.exists() or lies_in(path, model.path.parent):
        return
    raise DataError(
        f"{model.name}: expected its card to name data in its own folder or below. Received: {str(path)!r}. "
        "Pass it yourself, if that is what you want: --data."
    )


RULES = {
    "names": "Labels were matched to the model's classes by name.",
    "numbers": "Class names come from the data; the model file names none.",
    "minus_one": "Labels start at 1: 1 was subtracted, because the model's answers fit that.",
    "last_is_first": "Labels start at 1, and the last is the model's first class, because its answers fit that.",
    "alphabetical": "The model's classes are in alphabetical order of their numbers (1, 10, 2), because its answers "
    "fit that.",
    "natural": "The model's classes are in natural order of their names (a1, a2, a10), because its answers fit that.",
}
"""How labels become class numbers, and the note that says so."""


@dataclass(frozen=True, slots=True, eq=False)
class Labeling:
    """One way to read labels: class names and labels (n,) in the model's order, and what was done."""

    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def match_classes(model: Model, data: Dataset) -> tuple[tuple[str, ...], NDArray[np.int64], tuple[str, ...]]:
    """Return class names in the model's order, the labels as the model's class numbers, and what was done to them.

    Which of `labelings` holds is said by the model's `label_rule`; without one it is the usual.

    Raises
    ------
    DataError
        If the data has no labels, more classes than the model, or names that the model does not know.
    """
    found = labelings(model, data)
    usual = found.get("names") or found.get("numbers")
    chosen = found.get(model.label_rule, usual) if model.label_rule is not None else usual
    if chosen is None:
        numbers = _numbers(data)
        top = max(numbers.values()) if numbers else len(data.class_names) - 1
        hint = "Labels that start at 1? Subtract 1." if "minus_one" in found else ""
        has = "one output, which tells two classes" if model.file.n_outputs == 1 else f"{model.n_classes} outputs"
        raise DataError(
            f"{data.name}: expected labels 0..{model.n_classes - 1}, because {model.name} has {has}. "
            f"Received: labels up to {top}. {hint or 'Pass the data that this model was trained for.'}"
        )
    return chosen.class_names, chosen.labels, chosen.notes


def labelings(model: Model, data: Dataset) -> dict[str, Labeling]:
    """Return the ways in which labels can be a model's class numbers, by their name in `RULES`.

    Names that the model's card lists decide alone. Otherwise ``"numbers"`` is the usual way; it is missing when there
    are more classes than outputs. Whether another one holds is for the model's answers to say.

    Raises
    ------
    DataError
        If the data has no labels or no image, or some of its names are not in the model's card.
    """
    if data.labels is None:
        columns = f" Name their column with --label-column, of {', '.join(data.metadata)};" if data.metadata else ""
        otherwise = f"{columns} or use" if columns else " Use"
        raise DataError(
            f"{data.name}: expected labelled data. Received: no labels.{otherwise} 'diag predict' for such data."
        )
    if len(data) == 0:
        raise DataError(f"{data.name}: expected at least one image. Received: none. Pass data that has some.")
    labels = np.asarray(data.labels, dtype=np.int64)
    used = [int(label) for label in np.unique(labels)]
    named = _by_name(model, data, used)
    orders = {"names": named} if named else _orders(model.n_classes, data, used)
    found: dict[str, Labeling] = {}
    known: list[list[int]] = []
    for rule, order in orders.items():
        places = [order[label] for label in used]
        if max(places) >= model.n_classes or len(set(places)) < len(places) or places in known:
            continue
        known.append(places)
        table = np.full(used[-1] + 1, -1, dtype=np.int64)
        table[used] = places
        said = {"names": places != used, "numbers": _numbers(data) is None and model.card.class_names is None}
        note = (RULES[rule],) if said.get(rule, True) else ()
        found[rule] = Labeling(_class_names(model, data, order), table[labels], note)
    return found


def _by_name(model: Model, data: Dataset, used: list[int]) -> dict[int, int] | None:
    """Return label -> class number by the names of the model's card; None where that has none of them."""
    if model.card.class_names is None:
        return None
    known = {name: number for number, name in enumerate(model.class_names)}
    if len(known) < len(model.class_names) or len(set(data.class_names)) < len(data.class_names):
        return None  # two classes of one name: only their numbers tell them apart
    names = dict(enumerate(data.class_names))
    if _numbers(data) is not None:  # numbers up to the largest: only those that occur are names
        names = {label: names[label] for label in used}
        if any(name not in known for name in names.values()):
            return None
    missing = [name for name in names.values() if name not in known]
    if missing and len(missing) < len(names):
        raise DataError(
            f"{data.name}: expected classes of the model's: {', '.join(model.class_names[:10])}. "
            f"Received: class {missing[0]!r} is not among the model's. Correct the names in the card or the data."
        )
    return None if missing else {label: known[name] for label, name in names.items()}


def _orders(k: int, data: Dataset, used: list[int]) -> dict[str, dict[int, int]]:
    """Return, by rule, label -> class number."""
    numbers = _numbers(data)
    if numbers is None:
        ranks = {name: place for place, name in enumerate(sorted(data.class_names, key=_natural))}
        labels = range(len(data.class_names))
        return {
            "numbers": {label: label for label in labels},
            "natural": {label: ranks[data.class_names[label]] for label in labels},
        }
    orders = {"numbers": numbers}
    if min(numbers[label] for label in used) >= 1:
        orders["minus_one"] = {label: number - 1 for label, number in numbers.items()}
        orders["last_is_first"] = {label: number % k for label, number in numbers.items()}
    # The numbers of k folders as texts: from 0, or from 1 where 0 does not occur.
    for start in (0, 1):
        texts = sorted(str(number) for number in range(start, k + start))
        if all(str(numbers[label]) in texts for label in used) and "alphabetical" not in orders:
            orders["alphabetical"] = {
                label: texts.index(str(number)) if str(number) in texts else k for label, number in numbers.items()
            }
    return orders


def _numbers(data: Dataset) -> dict[int, int] | None:
    """Return label -> the number that is its class's name, None where a name is no number."""
    if not all(name.isdecimal() and len(name) < 10 for name in data.class_names):
        return None
    return {label: int(name) for label, name in enumerate(data.class_names)}


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts ``a2`` before ``a10``."""
    parts = re.findall(r"\d+|\D+", name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _class_names(model: Model, data: Dataset, order: dict[int, int]) -> tuple[str, ...]:
    if model.card.class_names is not None:
        return model.class_names
    k = model.n_classes
    numbers = _numbers(data)
    names = [str(place) if numbers == order else f"output {place}" for place in range(k)]
    for label, place in order.items():
        if 0 <= place < k:
            names[place] = data.class_names[label]
    return tuple(names)
