"""One answer for all: the model as it is used on a data set, found out once and kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from diag.detection.api import LEAST_IMAGES, SAMPLE, detect
from diag.detection.candidates import Space
from diag.errors import DataError, DiagError, InvalidInputError
from diag.io import store
from diag.io.ensembles import EnsembleModel
from diag.io.pairing import labelings, match_classes
from diag.results.detection import Detection

if TYPE_CHECKING:
    from diag.io.datasets import Dataset
    from diag.io.models import Model

VERSION = 2
"""Raised when other candidates are tried or another one would be chosen: kept detections are then not found."""


def settle(
    model: Model, data: Dataset, *, n: int = SAMPLE, seed: int = 0, cache: bool = True
) -> tuple[Model, Detection | None, tuple[str, ...]]:
    """Return the model with its preprocessing fixed for a data set, how that was found, and what was done.

    Everything that shows a figure or a map of a model on a data set takes the model from here, so that all show the
    same.

    Parameters
    ----------
    model : Model
        One that is settled already comes back as it is.
    data : Dataset
    n, seed : int
        As `detect` takes them.
    cache : bool
        Look the detection up by content, and keep it.

    Returns
    -------
    (Model, Detection or None, tuple of str)
        No detection where the model card has a table ``[preprocessing]`` or nothing is open, where there are no labels,
        fewer than 20 of them or several inputs: what is open is then assumed, by `Model.resolve`.

    Raises
    ------
    DataError
        If the labels have names that the model does not know.
    InvalidInputError
        If the images cannot be brought to the model's input.
    """
    if model.settled and model.preprocessing.layout is not None:
        return model, None, model.output_notes()
    if isinstance(model, EnsembleModel):
        return _settled_members(model, data, n, seed, cache)
    if not _wanted(model, data):
        return _resolved(model, data)
    if model.card.pinned:  # only how its labels are to be read is open
        model = replace(model, preprocessing=model.resolve(data.images)[0].preprocessing.closed())
    key = store.content_key(
        result="detection",
        method=VERSION,
        model=model.digest,
        data=data.digest,
        wishes=model.preprocessing.to_dict(),
        classes=model.card.class_names,
        head=[model.card.output, model.file.activation, model.file.n_outputs, *model.output_notes()],
        n=n,
        seed=seed,
        guessed=[note for note in data.notes if note.startswith("No data")],
        versions=store.versions(model.libraries),
    )
    kept = store.load("detections", key) if cache else None
    if kept is not None:
        found = Detection.from_dict(kept.meta)
    else:
        try:
            found = detect(model, data, n, seed)
        except DataError:  # labels that do not fit at all: whoever needs them will say so
            return _resolved(model, data)
        except InvalidInputError as error:
            raise InvalidInputError(f"{model.name}: {error}") from error
        if cache:
            store.save("detections", key, store.Entry(meta=found.to_dict()))
    settled = replace(model, preprocessing=found.preprocessing, settled=True, label_rule=found.label_rule)
    _, changes = model.preprocessing.override(found.pins).shaped(model.native_shape, tuple(data.images.shape[1:]))
    return settled, found, (*found.notes(), *changes, *model.output_notes())


def _settled_members(
    model: EnsembleModel, data: Dataset, n: int, seed: int, cache: bool
) -> tuple[Model, None, tuple[str, ...]]:
    """Return an ensemble whose members are settled each for itself, and read the labels alike."""
    found = [settle(member, data, n=n, seed=seed, cache=cache) for member in model.members]
    members = [member for member, _, _ in found]
    first = next((member for member in members if member.card.class_names is not None), members[0])
    for member in members:
        if not _read_alike(first, member, data):
            raise InvalidInputError(
                f"{model.name}: expected members whose classes are in the same order. Received: {first.name} and "
                f"{member.name}, which fit other labels. Name the classes in their model cards, in the order of each "
                "one's outputs, or leave one out."
            )
    settled = model.with_members(members, first.label_rule)
    return settled, None, (*model.output_notes(), *model.named([notes for _, _, notes in found]))


def _read_alike(first: Model, second: Model, data: Dataset) -> bool:
    """Return whether two models take labels for the same classes; labels that fit neither are for others to refuse."""
    if data.labels is None:
        return True
    try:
        return np.array_equal(match_classes(first, data)[1], match_classes(second, data)[1])
    except DataError:
        return True


def _resolved(model: Model, data: Dataset) -> tuple[Model, None, tuple[str, ...]]:
    resolved, notes = model.resolve(data.images)
    return resolved, None, notes


def _wanted(model: Model, data: Dataset) -> bool:
    """Whether there is something to find out, and the means for it."""
    if data.labels is None or len(data) < LEAST_IMAGES or data.inputs or len(model.file.inputs) > 1:
        return False
    try:
        if not model.card.pinned and not Space(model, data.images.shape[1:]).nothing_open:
            return True
        found = labelings(model, data)
    except DiagError:  # neither fits: whoever needs it will say so
        return False
    return bool(found) and "names" not in found and "numbers" not in found
