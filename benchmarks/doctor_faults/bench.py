"""What faults are made of: good models on disk, a bench to spoil copies of them on, and the list of all cases."""

from __future__ import annotations

import shutil
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import networks
from .sets import ImageSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

SCALE = {"scale": "1/255"}
"""The preprocessing of every good model, as its card says it."""


@dataclass(frozen=True, slots=True)
class Base:
    """A good model: its kind, and where it, its history and its data lie."""

    images: str
    kind: str
    model: Path
    history: Path
    data: Path

    @property
    def name(self) -> str:
        """Such as ``digits cnn-bn``."""
        return f"{self.images} {self.kind}"


@dataclass(frozen=True, slots=True)
class Specimen:
    """The files that the doctor gets, as a user would pass them.

    Parameters
    ----------
    model : Path
    data : str
        For ``--data``.
    train : str, optional
        For ``--train``.
    rivals : tuple of Path
        The other models of the same command.
    planted : tuple of int
        Images of the test data that carry the fault, where single images do.
    repaired : float
        The accuracy that the evaluation must reach, where it is to repair the fault itself.
    """

    model: Path
    data: str
    train: str | None = None
    rivals: tuple[Path, ...] = ()
    planted: tuple[int, ...] = ()
    repaired: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """A fault by name.

    Parameters
    ----------
    name, group : str
    plant : callable
        Gets a `Bench`, returns the `Specimen`.
    expect : mapping of str to str
        The codes that name this fault, each with the least severity that counts.
    on : tuple of (str, str)
        Image set and kind of the models that it is put into.
    """

    name: str
    group: str
    plant: Callable[[Bench], Specimen]
    expect: Mapping[str, str]
    on: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """A clean case: nothing critical and no warning may be found."""

    name: str
    make: Callable[[Bench], Specimen]
    on: tuple[str, str] | None = None


FAULTS: list[Fault] = []
CONTROLS: list[Control] = []

GREY = (("digits", "cnn-bn"), ("digits", "cnn"), ("digits", "mlp"))
PAIR = (("digits", "cnn-bn"), ("digits", "mlp"))
CONVOLUTIONS = (("digits", "cnn-bn"), ("digits", "cnn"))
NORMALISED = (("digits", "cnn-bn"), ("digits", "mlp-bn"))
SATURABLE = (("digits", "cnn-tanh"), ("digits", "mlp-sigmoid"))
COLOUR = (("colour", "cnn-bn"), ("colour", "cnn"))
COLOUR_FLAT = (("colour", "mlp"), ("colour", "mlp-bn"))
TRAINED = tuple(dict.fromkeys((*GREY, *NORMALISED, *SATURABLE, *COLOUR)))
"""Good models that are trained once and shared."""


def fault(
    name: str, group: str, expect: Mapping[str, str], on: tuple[tuple[str, str], ...] = PAIR
) -> Callable[[Callable[[Bench], Specimen]], Callable[[Bench], Specimen]]:
    """Add the decorated function to `FAULTS`."""

    def add(plant: Callable[[Bench], Specimen]) -> Callable[[Bench], Specimen]:
        FAULTS.append(Fault(name, group, plant, expect, on))
        return plant

    return add


def control(
    name: str, on: tuple[str, str] | None = None
) -> Callable[[Callable[[Bench], Specimen]], Callable[[Bench], Specimen]]:
    """Add the decorated function to `CONTROLS`."""

    def add(make: Callable[[Bench], Specimen]) -> Callable[[Bench], Specimen]:
        CONTROLS.append(Control(name, make, on))
        return make

    return add


def write_base(images: ImageSet, name: str, kind: str, folder: Path) -> Base:
    """Train a good model with a held-out fifth, keep its best epoch, and save it with history and data."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder.parent / f"{name}.npz"
    base = Base(name, kind, folder / "model.keras", folder / "model.log", data)
    if not data.exists():
        np.savez(data, x_train=images.x_train, y_train=images.y_train, x_test=images.x_test, y_test=images.y_test)
    if not base.model.exists():
        import keras

        keras.utils.set_random_seed(0)
        network = networks.build(kind, images.x_train.shape[1:], images.k)
        x = images.x_train / np.float32(255)
        history = good_fit(network, x, images.y_train)
        write_history(history, base.history)
        networks.save(network, base.model)
    return base


def good_fit(network: Any, x: NDArray[Any], y: NDArray[np.int64], **options: Any) -> dict[str, list[float]]:
    """Train as a careful person does: a fifth held out, the best epoch by its loss kept."""
    held = np.zeros(len(x), dtype=bool)
    held[np.random.default_rng(0).permutation(len(x))[: len(x) // 5]] = True
    given = {"epochs": 12, **options}
    return networks.fit(network, x[~held], y[~held], validation=(x[held], y[held]), **given)


def write_history(history: Mapping[str, Sequence[float]], path: Path) -> Path:
    """Write what Keras's CSVLogger would."""
    names = list(history)
    rows = [",".join([str(epoch), *(repr(float(history[name][epoch])) for name in names)]) for epoch in range(
        len(history[names[0]])
    )]  # fmt: skip
    path.write_text("\n".join([",".join(["epoch", *names]), *rows]) + "\n", encoding="utf-8")
    return path


@dataclass(eq=False)
class Bench:
    """Where one fault is put into a copy of one good model, its data or its labels."""

    base: Base | None
    folder: Path
    seed: int = 0
    case: str = ""
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rng = np.random.default_rng([self.seed, zlib.crc32(self.case.encode())])

    @property
    def good(self) -> Base:
        """The good model."""
        if self.base is None:
            raise ValueError(f"{self.case}: this case has no base")
        return self.base

    @property
    def kind(self) -> str:
        """The good model's kind."""
        return self.good.kind

    @cached_property
    def images(self) -> ImageSet:
        """The good model's data, as a copy of one's own."""
        with np.load(self.good.data) as file:
            return ImageSet(*(file[key] for key in ("x_train", "y_train", "x_test", "y_test")))

    def network(self) -> Any:
        """Return the good model, to be spoiled."""
        return networks.load(self.good.model)

    def fresh(self, seed: int = 0, **options: Any) -> Any:
        """Return an untrained network of the same kind."""
        import keras

        keras.utils.set_random_seed(seed)
        return networks.build(self.kind, self.images.x_train.shape[1:], self.images.k, **options)

    def scaled(self, which: str = "train") -> NDArray[np.float32]:
        """Return images as the good model takes them."""
        return getattr(self.images, f"x_{which}") / np.float32(255)

    def accuracy(self, network: Any, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
        """Return the share of right answers."""
        return float((network.predict(x, verbose=0).argmax(axis=1) == y).mean())

    def model(
        self,
        network: Any = None,
        *,
        card: Mapping[str, Any] | None = SCALE,
        history: Mapping[str, Sequence[float]] | None = None,
        name: str = "model.keras",
    ) -> Path:
        """Write a model file, a copy of the good one without `network`, and its card; return its path."""
        path = self.folder / name
        lines = []
        if network is None:
            shutil.copy(self.good.model, path)
            shutil.copy(self.good.history, path.with_suffix(".log"))
        else:
            networks.save(network, path)
        if history is not None:
            write_history(history, path.with_suffix(".log"))
        if path.with_suffix(".log").exists():
            lines.append(f'history = "{path.stem}.log"')
        if card is not None:
            lines += ["[preprocessing]", *(f"{key} = {_toml(value)}" for key, value in card.items())]
            path.with_suffix(".toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def data(self, name: str = "data.npz", **arrays: NDArray[Any]) -> str:
        """Write a ``.npz``: the good model's test part, with `arrays` in place of its own; return its path."""
        parts = {"x_test": self.images.x_test, "y_test": self.images.y_test, **arrays}
        path = self.folder / name
        np.savez(path, **parts)
        return str(path)

    def specimen(
        self,
        network: Any = None,
        *,
        card: Mapping[str, Any] | None = SCALE,
        history: Mapping[str, Sequence[float]] | None = None,
        name: str = "model.keras",
        train: bool | tuple[NDArray[Any], NDArray[Any]] = False,
        rivals: Sequence[Path] = (),
        planted: Sequence[int] | NDArray[Any] = (),
        repaired: float = 0.0,
        **arrays: NDArray[Any],
    ) -> Specimen:
        """Write all files of a case.

        Parameters
        ----------
        network, card, history, name
            As `model` takes them.
        train : bool or (images, labels)
            Whether the training data is passed too, and which.
        rivals, planted, repaired
            As `Specimen` has them.
        **arrays
            ``x_test`` and ``y_test``, where they differ from the good model's.
        """
        path = self.model(network, card=card, history=history, name=name)
        if train is not False:
            x, y = (self.images.x_train, self.images.y_train) if train is True else train
            arrays = {**arrays, "x_train": x, "y_train": y}
        data = self.data(**arrays)
        rows = tuple(int(row) for row in planted)
        return Specimen(path, data, data if train is not False else None, tuple(rivals), rows, repaired)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
