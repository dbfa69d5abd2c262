"""Accuracy under small changes of the images, measured once for all robustness checks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from diag.checks.budget import spent
from diag.checks.corruptions import FAMILIES, span_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.checks.corruptions import Family
    from diag.io.models import Model

ANY = "in any direction"
BUDGET = 3e10
"""Multiply-adds that one family of changes may cost: about a second on two cores; `FEWEST` images are always used."""
FEWEST = 32
"""Images, at least: one-sided, 32 images show a loss of 20 points (7 lost, none won: p = 0.008)."""
ENOUGH = 100
"""Before fewer images than this are used, directions take turns and then only the mildest level is measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One level of one direction: what the model said of the changed images.

    Parameters
    ----------
    severity : int
        1 for the mildest level.
    level : float
        In the unit of its family.
    variant : str
        The direction, such as ``"left"``.
    places : ndarray of int64, shape (m,)
        Which images of the sweep were changed so.
    right : ndarray of bool, shape (m,)
        Whether the model is right on the changed image.
    clean : ndarray of bool, shape (m,)
        Whether it is right on the image as it is.
    """

    severity: int
    level: float
    variant: str
    places: NDArray[np.int64]
    right: NDArray[np.bool_]
    clean: NDArray[np.bool_]

    @property
    def loss(self) -> float:
        """Accuracy lost, as a share of the images."""
        return float(self.clean.mean() - self.right.mean())

    @property
    def p_value(self) -> float:
        """Of the exact one-sided McNemar test that accuracy falls."""
        from scipy.stats import binomtest

        lost, won = int((self.clean & ~self.right).sum()), int((~self.clean & self.right).sum())
        return float(binomtest(lost, lost + won, alternative="greater").pvalue) if lost + won else 1.0


class Sweep:
    """The model on changed images of the sample, one family at a time, each when it is first asked for.

    Parameters
    ----------
    case : Case
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self.cost = multiply_adds(case.model, case.images.shape[1:3])
        self.points = cache(self._points)

    def plan(self, family: Family) -> tuple[NDArray[np.int64], tuple[float, ...], bool]:
        """Return rows of the sample to use, the levels, and whether each image meets every direction."""
        total, n_variants = len(self._case.rows), len(family.variants)
        affordable = BUDGET / self.cost
        levels, every = family.levels, True
        if affordable / (len(levels) * n_variants) < min(ENOUGH, total):
            every = False
            if affordable / len(levels) < min(ENOUGH, total):
                levels = levels[:1]
        passes = len(levels) * (n_variants if every else 1)
        n = min(total, max(FEWEST, int(affordable / passes)))
        rows = np.arange(total) if n == total else np.sort(self._case.rng("sweep").permutation(total)[:n])
        return rows, levels, every

    def _points(self, name: str) -> tuple[Point, ...]:
        family = FAMILIES[name]
        rows, levels, every = self.plan(family)
        passes = len(levels) * (len(family.variants) if every else 1)
        spent(f"to change the images ({name})", len(rows) * passes * self.cost)
        images, clean = self._case.images[rows], self.clean[rows]
        span = span_of(self._case.images)
        variants = list(family.variants.items())
        found = []
        for severity, level in enumerate(levels, start=1):
            for number, (variant, change) in enumerate(variants):
                places = np.arange(len(rows)) if every else np.arange(number, len(rows), len(variants))
                if not len(places):
                    continue
                rng = self._case.rng(f"{name} {level} {variant}")
                y_pred = self._case.predict(change(images[places], level, span, rng)).argmax(axis=1)
                right = y_pred == self._case.y_true[rows[places]]
                found.append(Point(severity, level, variant, rows[places], right, clean[places]))
        return tuple(found)

    @property
    def clean(self) -> NDArray[np.bool_]:
        """Whether the model is right on each image of the sample as it is, shape (m,)."""
        right: NDArray[np.bool_] = self._case.proba.argmax(axis=1) == self._case.y_true
        return right

    def tested(self, name: str) -> tuple[Point, ...]:
        """Return the points of a family to test: each direction, or all together when images took them in turn."""
        return self.points(name) if self.plan(FAMILIES[name])[2] else self.levels(name)

    def levels(self, name: str) -> tuple[Point, ...]:
        """Return the points of a family with the directions of each level put together."""
        points = self.points(name)
        merged = []
        for severity in dict.fromkeys(point.severity for point in points):
            same = [point for point in points if point.severity == severity]
            if len(same) == 1:
                merged.append(same[0])
                continue
            parts = [np.concatenate([getattr(each, key) for each in same]) for key in ("places", "right", "clean")]
            merged.append(Point(severity, same[0].level, ANY, *parts))
        return tuple(merged)


def multiply_adds(model: Model, size: tuple[int, ...]) -> float:
    """Return about how many multiply-adds one image costs: every layer's weights, times the places they are used at.

    Parameters
    ----------
    model : Model
    size : (int, int)
        Height and width of an image; a layer whose size the file leaves open is taken to have a quarter of it.
    """
    open_size = max(1, round(math.sqrt(size[0] * size[1]) / 4))
    first = len(model.native_shape) == 3 and model.native_shape[0] in (1, 3) and model.native_shape[2] not in (1, 3)
    total = 0.0
    for layer in model.file.layers:
        shape = [places or open_size for places in layer.output_shape or ()]
        total += layer.n_params * max(1, math.prod(shape[1:] if first else shape[:-1]))
    return max(total, float(model.n_params), 1.0)
