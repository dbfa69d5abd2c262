"""Which ways of preprocessing are tried for a model and a data set."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.detection.conventions import Units, conventions
from diag.io.layouts import image_shape, layouts_for
from diag.io.preprocessing import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.detection.conventions import Convention
    from diag.io.models import Model


@dataclass(frozen=True, slots=True)
class Choice:
    """One value for each thing that may be open; ``None`` where nothing is to be chosen."""

    convention: int | None
    layout: str | None
    invert: bool | None
    transpose: bool | None
    channel_order: str | None
    fit: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A complete preprocessing.

    Parameters
    ----------
    choice : Choice
        What was chosen.
    name : str
    pins : Preprocessing
        The fields that were open.
    preprocessing : Preprocessing
        All fields.
    unusual : tuple of int
        How far it is from the usual, to be compared: the number of unusual choices, then the convention's place.
    """

    choice: Choice
    name: str
    pins: Preprocessing
    preprocessing: Preprocessing
    unusual: tuple[int, ...]


class Space:
    """All candidates for a model and a data set, in stages.

    Parameters
    ----------
    model : Model
        Not settled: what its preprocessing says is not open.
    shape : tuple of int
        (h, w, c) of the data's images.
    """

    def __init__(self, model: Model, shape: tuple[int, ...]) -> None:
        self._wish = model.preprocessing
        self._native = model.native_shape
        self._image = (int(shape[0]), int(shape[1]), int(shape[2]))
        layouts = (self._wish.layout,) if self._wish.layout else layouts_for(self._native)
        self._target = image_shape(self._native, layouts[0], self._turned(self._wish.transpose), self._wish.resize)
        self._layouts: tuple[str | None, ...] = tuple(layouts) if len(layouts) > 1 else (None,)
        self._inverts: tuple[bool | None, ...] = (False, True) if self._wish.invert is None else (None,)
        self._transposes = self._open_transposes()
        self._orders = self._open_orders()
        self._fits = self._open_fits()
        self._rescales = model.rescales
        self._units, self._byte = Units(0.0, 255.0, True), True
        self._conventions: dict[bool, list[Convention]] = {}

    def _turned(self, transpose: bool | None) -> tuple[int, int, int]:
        height, width, channels = self._image
        return (width, height, channels) if transpose else self._image

    def _open_transposes(self) -> tuple[bool | None, ...]:
        height, width, _ = self._image
        fits = height == width or (width, height) == self._target[:2]
        return (False, True) if self._wish.transpose is None and fits else (None,)

    def _open_orders(self) -> tuple[str | None, ...]:
        colours = self._target[2] == 3 and self._image[2] >= 3
        return ("rgb", "bgr") if self._wish.channel_order is None and colours else (None,)

    def _open_fits(self) -> tuple[str | None, ...]:
        height, width, _ = self._turned(self._wish.transpose)
        said = self._wish.fit is not None or self._wish.resize is not None
        if said or (height, width) == self._target[:2] or (width, height) == self._target[:2]:
            return (None,)
        same_aspect = height * self._target[1] == width * self._target[0]
        return ("stretch", "center") if same_aspect else ("stretch", "crop", "pad", "center")

    @property
    def nothing_open(self) -> bool:
        """Whether there is nothing to choose."""
        axes = (self._layouts, self._inverts, self._transposes, self._orders, self._fits)
        return self._wish.says_values and all(axis == (None,) for axis in axes)

    def look(self, images: NDArray[Any]) -> None:
        """Take the range of pixels, and the data's mean and standard deviation, from a sample (n, h, w, c)."""
        self._units = units = Units.of(images)
        self._byte = images.dtype.kind in "ui"
        if not self._wish.says_values:
            flipped = units.low + units.high - np.asarray(images, dtype=np.float32)
            said = {False: images, True: flipped}
            self._conventions = {
                key: conventions(value, units, self._target, self._rescales) for key, value in said.items()
            }

    def plain(self) -> list[Candidate]:
        """Return every scale and layout, upright and not inverted."""
        return list(self._make(self._inverts[:1], self._transposes[:1]))

    def turned(self) -> list[Candidate]:
        """Return every scale and layout, inverted, transposed, and both."""
        usual = {candidate.choice for candidate in self.plain()}
        return [each for each in self._make(self._inverts, self._transposes) if each.choice not in usual]

    def fitted(self, candidate: Candidate) -> list[Candidate]:
        """Return every scale with every way to the model's size, turned as `candidate` is."""
        if len(self._fits) == 1:
            return []
        wanted = candidate.choice
        found = []
        for each in self._make((wanted.invert,), (wanted.transpose,)):
            if each.choice.layout == wanted.layout:
                found += [self._candidate(dataclasses.replace(each.choice, fit=fit)) for fit in self._fits[1:]]
        return found

    def recoloured(self, candidate: Candidate) -> list[Candidate]:
        """Return the candidate with the other order of channels, if there is one."""
        others = [dataclasses.replace(candidate.choice, channel_order=order) for order in self._orders]
        return [self._candidate(choice) for choice in others if choice != candidate.choice]

    def _make(self, inverts: tuple[bool | None, ...], transposes: tuple[bool | None, ...]) -> Iterator[Candidate]:
        places = range(len(self._conventions[False])) if self._conventions else (None,)
        seen: set[Preprocessing] = set()
        for invert, transpose, layout, place in itertools.product(inverts, transposes, self._layouts, places):
            order = self._orders[0]
            if place is not None and order is not None:
                order = self._conventions[False][place].channel_order or order
            candidate = self._candidate(Choice(place, layout, invert, transpose, order, self._fits[0]))
            if candidate.preprocessing not in seen:
                seen.add(candidate.preprocessing)
                yield candidate

    def _candidate(self, choice: Choice) -> Candidate:
        own = self._byte and self._units == Units(0.0, 255.0, True)
        own = own or (not self._byte and self._units == Units(0.0, 1.0, True))
        flip = bool(choice.invert) or self._wish.invert not in (None, False)
        by_scale = bool(choice.invert) and not own
        fields: dict[str, Any] = {"channel_order": choice.channel_order}
        name = "as given"
        if choice.convention is not None:
            convention = self._conventions[flip][choice.convention]
            name = convention.name
            order = choice.channel_order or self._wish.channel_order
            if convention.channel_order is not None and order is None:
                order = fields["channel_order"] = convention.channel_order  # grey copied: only its means matter
            fields |= convention.fields(self._units, by_scale, reverse=order == "bgr")
        fields |= {
            "invert": None if choice.invert is None else choice.invert and not by_scale,
            "transpose": choice.transpose,
            "fit": choice.fit,
            "layout": choice.layout,
        }
        pins = Preprocessing(**fields)
        whole, _ = self._wish.override(pins).shaped(self._native, self._image)
        pins = dataclasses.replace(pins, resize=whole.resize if choice.fit is not None else None)
        odd = [
            choice.invert,
            choice.transpose,
            choice.channel_order == "bgr",
            choice.fit not in (None, "stretch"),
            choice.layout not in (None, self._layouts[0]),
        ]
        return Candidate(
            choice, _named(name, choice, self._layouts[0]), pins, whole, (sum(map(bool, odd)), choice.convention or 0)
        )


def _named(name: str, choice: Choice, usual_layout: str | None) -> str:
    parts = [name]
    parts += ["inverted"] if choice.invert else []
    parts += ["transposed"] if choice.transpose else []
    parts += ["BGR"] if choice.channel_order == "bgr" else []
    parts += [FIT_NAMES[choice.fit]] if choice.fit in FIT_NAMES else []
    parts += [f"layout {choice.layout}"] if choice.layout not in (None, usual_layout) else []
    return ", ".join(parts)


FIT_NAMES: dict[str | None, str] = {"crop": "cropped", "pad": "padded", "center": "cut or padded without resizing"}
