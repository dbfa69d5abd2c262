"""The model card that says what was found out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from diag.detection.settling import settle
from diag.errors import DataError, UnsupportedModelError
from diag.io.modelcard import ModelCard
from diag.io.pairing import GUESSED, match_classes
from diag.io.preprocessing import Preprocessing

if TYPE_CHECKING:
    from diag.io.datasets import Dataset
    from diag.io.models import Model

MAX_ROWS = 6


def propose_card(model: Model, data: Dataset, cache: bool = True) -> tuple[ModelCard, tuple[str, ...]]:
    """Return a card for a model, and the evidence for its preprocessing, line by line.

    What an earlier card says of other things is kept; what it says of preprocessing is found out again.

    Parameters
    ----------
    model : Model
        Its preprocessing without that of the card is what is given and not to be found out.
    data : Dataset
    cache : bool
        Use a detection that is kept.

    Raises
    ------
    DataError
        If the data has no labels and nothing says the scale: a guess is not pinned.
    UnsupportedModelError
        For an ensemble, which has no card.
    """
    if model.members:
        raise UnsupportedModelError(
            f"{model.name}: expected one model. Received: {model.kind}. Cards are those of its members: write one for "
            "each."
        )
    if data.labels is None and not model.preprocessing.says_values:
        raise DataError(
            f"{data.name}: expected labelled data, to find out the preprocessing with. Received: no labels. "
            "Pass labelled data, or say the scale, such as --scale 1/255."
        )
    settled, found, notes = settle(model, data, cache=cache)
    names = model.card.class_names
    if data.labels is not None:
        try:
            names, _, _ = match_classes(settled, data)
        except DataError as error:
            notes = (*notes, str(error))
    if found is not None and found.label_order is not None and names is not None:
        names = found.label_order.class_names(names)
    comments = [*notes]
    if found is not None:
        comments = [found.sentence(), *filter(None, [found.label_sentence()])]
        comments += [
            f"{row.name}: accuracy {row.accuracy:.1%}, log loss {row.log_loss:.3f} on {row.n} images"
            for row in found.evidence[:MAX_ROWS]
        ]
    guessed = any(note.startswith(GUESSED) for note in data.notes)
    in_file = data.source != "arrays" and not guessed
    card = replace(
        model.card,
        title=model.card.title or model.name,
        class_names=names,
        source=data.source if in_file else model.card.source,
        split=data.split if in_file else model.card.split,
        preprocessing=settled.preprocessing,
        pinned=True,
        output=model.file.output if len(model.file.outputs) > 1 else model.card.output,
    )
    return card, tuple(comments)


def without_card_preprocessing(model: Model, wishes: Preprocessing) -> Model:
    """Return a model for which only `wishes` are given, whatever its card says of preprocessing."""
    card = replace(model.card, preprocessing=Preprocessing(), pinned=False)
    return replace(model, card=card, preprocessing=wishes, settled=False)
