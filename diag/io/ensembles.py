"""Several models that answer as one: a `Model` like any other, and the small TOML file that defines it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from diag.errors import InvalidInputError, UnsupportedModelError
from diag.io.batches import affordable
from diag.io.ends import combined_digest
from diag.io.extra_inputs import inputs_of
from diag.io.joining import average, normalized_weights, vote_probabilities
from diag.io.model_file import ModelFile
from diag.io.modelcard import ModelCard
from diag.io.models import Model
from diag.io.preprocessing import Preprocessing
from diag.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

How = Literal["average", "weighted", "vote"]
WAYS: tuple[How, ...] = ("average", "weighted", "vote")
ENDING = ".ensemble.toml"
MOST = 60
"""Members, at most."""
_WORDS = {"average": "an average", "weighted": "a weighted average", "vote": "a vote"}


class _Members:
    """The backend of an ensemble, which takes no prepared input: every member prepares its own."""

    @property
    def model(self) -> Any:
        raise UnsupportedModelError("An ensemble has no network of its own: ask its members.")

    def prepare(self) -> None:
        """Do nothing: members are loaded when they are asked."""

    def predict(
        self, inputs: NDArray[np.float32], extra: Mapping[str, NDArray[Any]] | None = None
    ) -> NDArray[np.float32]:
        raise UnsupportedModelError("An ensemble has no input of its own: ask its members, or call predict_proba.")

    def run(
        self,
        name: str,
        arrays: Mapping[str, NDArray[Any]],
        options: Mapping[str, Any],
        progress: Any = None,
    ) -> Any:
        raise UnsupportedModelError("An ensemble has no network of its own: ask its members.")


class _ReadOnce:
    """Images of which the last slice is kept: all members ask for the same one, and it is read from the disk once."""

    def __init__(self, images: Any) -> None:
        self._images = images
        self._key: Any = None
        self._kept: Any = None
        self.shape, self.dtype = images.shape, getattr(images, "dtype", None)
        self.inputs = inputs_of(images)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, slice):
            return self._images[key]
        if key != self._key:
            self._key, self._kept = key, np.asarray(self._images[key])
        return self._kept


@dataclass(frozen=True, slots=True, eq=False)
class EnsembleModel(Model):
    """Several models that answer as one.

    Every member keeps its own preprocessing, which is found out or assumed for each by itself. What an ensemble takes
    are images in the data's own units.

    Parameters
    ----------
    members : tuple of Model
    how : {"average", "weighted", "vote"}
    weights : tuple of float
        One a member, with the sum 1.
    """

    members: tuple[Model, ...] = field(default=())
    how: How = "average"
    weights: tuple[float, ...] = ()

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return f"an ensemble of {len(self.members)} models"

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages that make its members' predictions."""
        return tuple(dict.fromkeys(name for member in self.members for name in member.libraries))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that the first member takes."""
        return self.members[0].input_shape

    @property
    def rescales(self) -> bool:
        """Whether every member scales its input itself."""
        return all(member.rescales for member in self.members)

    def with_members(self, members: Sequence[Model], label_rule: str | None = None) -> EnsembleModel:
        """Return this ensemble with its members' preprocessing fixed."""
        return replace(
            self,
            members=tuple(members),
            preprocessing=Preprocessing(layout="channels_last"),
            settled=True,
            label_rule=label_rule,
        )

    def resolve(self, images: Any) -> tuple[Model, tuple[str, ...]]:
        """Return this ensemble with every member's preprocessing fixed for these images, and what was assumed."""
        found = [(member, ()) if member.settled else member.resolve(images) for member in self.members]
        notes = [said for _, said in found]
        return self.with_members([member for member, _ in found]), (*self.output_notes(), *self.named(notes))

    def named(self, notes: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """Return what was said of each member, with its name in front where it does not hold for all."""
        every = [note for note in dict.fromkeys(notes[0]) if all(note in said for said in notes)] if notes else []
        own = [
            f"{member.name}: {note}"
            for member, said in zip(self.members, notes, strict=True)
            for note in said
            if note not in every
        ]
        return (*every, *own)

    def output_notes(self) -> tuple[str, ...]:
        """Return one sentence on how the members' answers become one."""
        listed = ", ".join(member.name for member in self.members)
        if self.how == "weighted":
            pairs = zip(self.members, self.weights, strict=True)
            listed = ", ".join(f"{member.name} ({weight:.3g})" for member, weight in pairs)
        ties = "; ties go to the class with the larger mean probability" if self.how == "vote" else ""
        return (f"The answer is {_WORDS[self.how]} of {listed}{ties}.",)

    def predict_batches(self, images: Any, batch_size: int = 256) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield (index of the first image, probabilities) batch by batch; every member prepares the images itself."""
        once = _ReadOnce(images)
        batch_size = min(affordable(batch_size, member.file, images) for member in self.members)
        walks = [member.predict_batches(once, batch_size) for member in self.members]
        for answers in zip(*walks, strict=True):
            yield answers[0][0], self.joined([proba for _, proba in answers])

    def joined(self, probas: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the members' probabilities, each (n, k), as the ensemble's."""
        return vote_probabilities(probas) if self.how == "vote" else average(probas, self.weights)

    def raw_outputs(self, images: Any, batch_size: int = 256) -> NDArray[np.float32]:
        """Return the probabilities: an ensemble has no other outputs."""
        return self.predict_proba(images, batch_size)

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the definition, ``NAME.ensemble.toml``: members as paths seen from its folder, how, and weights.

        Raises
        ------
        InvalidInputError
            If the name does not end so, a file is there and not to be replaced, or a member lies outside the folder.
        """
        from diag.io.ensemble_files import save_ensemble

        return save_ensemble(self, Path(path), force=force)


def ensemble(
    models: Sequence[Model], how: How = "average", weights: Sequence[float] | None = None, name: str | None = None
) -> EnsembleModel:
    """Return several models as one.

    Parameters
    ----------
    models : sequence of Model
        At least two, of the same classes; every one keeps its own preprocessing.
    how : {"average", "weighted", "vote"}
        Mean of the probabilities, their weighted mean, or one vote each, with ties to the class of the larger mean
        probability.
    weights : sequence of float, optional
        For ``"weighted"``: one a model, none negative.
    name : str, optional
        Shown for it.

    Raises
    ------
    InvalidInputError
        If there are fewer than two models, classes differ, or weights do not fit.

    Examples
    --------
    >>> both = ensemble([load_model("a.h5"), load_model("b.keras")])  # doctest: +SKIP
    >>> evaluate(both, load_dataset("digits")).summary()  # doctest: +SKIP
    """
    return made(tuple(models), how, weights, name, None)


def made(
    members: tuple[Model, ...], how: How, weights: Sequence[float] | None, name: str | None, path: Path | None
) -> EnsembleModel:
    """Return an ensemble that is defined by the file at `path`, or by nothing but the call."""
    if not 2 <= len(members) <= MOST:
        remedy = "Name another one" if len(members) < 2 else "Leave some out"
        raise InvalidInputError(f"ensemble: expected 2 to {MOST} models. Received: {len(members)}. {remedy}.")
    if how not in WAYS:
        raise InvalidInputError(f"how: expected one of {', '.join(WAYS)}. Received: {how!r}. Choose one.")
    if any(member.members for member in members):
        raise InvalidInputError("ensemble: expected single models. Received: an ensemble. Name its members instead.")
    shares = _shares(weights, len(members), how)
    names = _class_names(members)
    title = printable(name) if name else f"{how} of {len(members)} models"
    return EnsembleModel(
        file=_file(members, how, shares, path or Path(f"{_stem(title)}{ENDING}")),
        card=_card(members, title, names),
        preprocessing=Preprocessing(),
        name=title,
        _backend=_Members(),
        members=members,
        how=how,
        weights=shares,
    )


def _shares(weights: Sequence[float] | None, m: int, how: str) -> tuple[float, ...]:
    if (weights is not None) != (how == "weighted"):
        said = "weights" if weights is not None else "none"
        raise InvalidInputError(
            f"weights: expected with how = 'weighted', and only there. Received: {said} with {how}. "
            "Give weights and how = 'weighted' together."
        )
    return tuple(normalized_weights(weights, m).tolist())


def _class_names(members: tuple[Model, ...]) -> tuple[str, ...] | None:
    """Return the class names that members' cards agree on; None where no card names any."""
    sizes = {member.name: member.n_classes for member in members}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} with {size}" for name, size in sizes.items())
        raise InvalidInputError(
            f"ensemble: expected models of the same classes. Received: {listed}. Leave out what differs."
        )
    named = [member for member in members if member.card.class_names is not None]
    for member in named[1:]:
        if member.class_names != named[0].class_names:
            raise InvalidInputError(
                f"ensemble: expected models of the same classes in the same order. Received: other class names in the "
                f"cards of {named[0].name} and {member.name}."
            )
    return named[0].class_names if named else None


def _file(members: tuple[Model, ...], how: str, weights: tuple[float, ...], path: Path) -> ModelFile:
    """Return what stands in the place of a model file; the digest is that of all that decides the answers."""
    parts = [json.dumps(_said_of(member), default=str) for member in members]
    return ModelFile(
        path=path,
        format="ensemble",
        digest=combined_digest("ensemble", how, *(repr(weight) for weight in weights), *parts),
        file_size=sum(member.file.file_size for member in members),
        class_name=f"{how} of {len(members)}",
        layers=(),
        n_params=sum(member.n_params for member in members),
        input_shape=members[0].native_shape,
        n_outputs=members[0].n_classes,
        activation=None,
        notes=tuple(f"Member: {member.name} ({member.path.name})." for member in members),
    )


def _said_of(member: Model) -> list[Any]:
    """Return all that decides a member's answers to given data."""
    steps = member.preprocessing.to_dict()
    return [member.digest, steps, member.card.pinned, member.card.class_names, member.settled, member.label_rule]


def _card(members: tuple[Model, ...], title: str, names: tuple[str, ...] | None) -> ModelCard:
    """Return the card: the data is the members' where all name the same."""
    sources = {(member.card.source, member.card.split) for member in members}
    source, split = sources.pop() if len(sources) == 1 else (None, None)
    return ModelCard(title=title, class_names=names, source=source, split=split)


def _stem(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title).strip("-")[:60] or "ensemble"
