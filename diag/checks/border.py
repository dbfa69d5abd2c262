"""A border or a corner that decides the class by itself."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import Check
from diag.checks.swaps import regions, swaps
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.checks.swaps import Swap
    from diag.results.diagnosis import Finding, Severity

ALPHA = 0.001
"""Of the exact one-sided McNemar test, adjusted by Holm for all regions and classes."""
CARRIES = 0.5
"""Share of images that take the class of the region pasted in, from which on the region carries the class; so does a
small one that names the class, when so many right answers are lost. Of one class alone the share is a warning."""
LEANS, SLIGHTLY = 0.15, 0.05
"""The same for a warning and for a note. The seven shipped models, whose digits touch the border, reach 0.035 and 0.11
for one class; small networks trained on MNIST reach 0.003."""
READABLE = 0.9
"""Accuracy of a decision tree that sees the region alone, from which on the region names the class. The whole border of
the digits gives 0.5, that of MNIST 0.1."""
SMALL = 0.08
"""Share of the pixels up to which a region that names the class is a mark rather than content: a corner or one side."""
READ_BY = 400
"""Images that the decision tree sees, at most."""
PIXELS = 256
"""Pixels of a region that it sees, at most: evenly many."""
CLASSES = 50
"""With more classes it sees fewer pixels: a split costs pixels times classes."""
REMEDY = (
    "Mask or crop the {region} in training and test images and train again: "
    "until then the accuracy is that of the mark, not of the content."
)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How far predictions follow one region: of images of any class (``number`` is None), or of one class."""

    swap: Swap
    number: int | None
    followed: float
    p_value: float


def run(case: Case) -> Iterator[Finding]:
    """Paste borders and corners of one class onto images of another, and see whether predictions follow them."""
    masks = regions(*case.images.shape[1:3])
    if not masks:
        raise CheckNotApplicable("The images are too small to have a border.")
    if len(np.unique(case.y_true)) < 2:
        raise CheckNotApplicable("The data has one class only.")
    found = list(swaps(case))
    if not found:
        raise CheckNotApplicable("Border and corners are the same in every image, or no class has two images.")
    alone = {name: readable(case.images[:, mask], case.y_true) for name, mask in masks.items()}
    readings = _readings(found)
    told = [each for each in readings if each.followed >= (SLIGHTLY if each.number is None else CARRIES)]
    if told:
        yield _followed(case, max(told, key=lambda each: _rank(each, alone)), found, alone)
    elif max(alone.values()) >= READABLE:
        yield _unused(case, found, alone)


def readable(pixels: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Return the cross-validated accuracy of a decision tree on a few pixels, 0 when it is that of guessing.

    Parameters
    ----------
    pixels : ndarray, shape (n, p, c)
    labels : ndarray of int64, shape (n,)
    """
    from scipy.stats import binomtest
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    y_true = labels[:READ_BY]
    n_classes = len(np.unique(y_true))
    step = -(-pixels.shape[1] * max(CLASSES, n_classes) // (PIXELS * CLASSES))
    values = pixels[:READ_BY, ::step].reshape(len(y_true), -1).astype(np.float32)
    if len(y_true) < 20 or 2 * n_classes > len(y_true) or not np.ptp(values, axis=0).any():
        return 0.0  # a class with one image cannot be read from others
    tree = DecisionTreeClassifier(random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        y_pred = cross_val_predict(tree, values, y_true, cv=KFold(5, shuffle=True, random_state=0))
    right = int((y_pred == y_true).sum())
    share = float(np.bincount(y_true).max() / len(y_true))
    guessing = binomtest(right, len(y_true), share, alternative="greater").pvalue >= ALPHA
    return 0.0 if guessing else right / len(y_true)


def _readings(found: list[Swap]) -> list[Reading]:
    """Return what is proved, for all classes together and for each class that was pasted often enough."""
    from diag.metrics.comparison import holm_adjust

    readings = []
    for swap in found:
        readings.append(Reading(swap, None, swap.followed(), swap.p_value()))
        for number, chosen in swap.classes().items():
            readings.append(Reading(swap, number, swap.followed(chosen), swap.p_value(chosen)))
    adjusted = holm_adjust([each.p_value for each in readings])
    return [each for each, p_value in zip(readings, adjusted, strict=True) if p_value < ALPHA]


def _severity(reading: Reading, alone: dict[str, float]) -> Severity:
    if reading.number is not None:
        return "warning"
    swap = reading.swap
    named = swap.area <= SMALL and alone.get(swap.region, 0.0) >= READABLE
    if reading.followed >= CARRIES or (named and swap.lost() >= CARRIES):
        return "critical"
    return "warning" if reading.followed >= LEANS or named else "note"


def _rank(reading: Reading, alone: dict[str, float]) -> tuple[int, float]:
    """Return what to show first: the most severe, then what is followed the most for its size."""
    level = {"critical": 2, "warning": 1, "note": 0}[_severity(reading, alone)]
    return level, reading.followed - reading.swap.area / 2


def _followed(case: Case, reading: Reading, found: list[Swap], alone: dict[str, float]) -> Finding:
    swap = reading.swap
    chosen = np.ones(len(swap.places), dtype=bool) if reading.number is None else swap.pasted == reading.number
    before, after = (float((answers == swap.own)[chosen].mean()) for answers in (swap.same, swap.other))
    took = chosen & (swap.other == swap.pasted) & (swap.same != swap.pasted)
    who = "an image of another class" if reading.number is None else f"class {case.run.class_names[reading.number]}"
    source = "" if swap.donors == "data" else f", taken from the {swap.donors},"
    reads = alone.get(swap.region, 0.0)
    return CHECK.finding(
        _severity(reading, alone),
        f"With the {swap.region} of {who}{source} pasted in ({swap.area:.1%} of the pixels), {took.sum()} of "
        f"{chosen.sum()} images get that class, and accuracy is {after:.1%} instead of {before:.1%} with the "
        f"{swap.region} of their own class"
        + (f"; a decision tree reads the class from it alone in {reads:.0%} of the images." if reads else "."),
        REMEDY.format(region=swap.region),
        measured={
            "region": swap.region,
            "share_of_pixels": swap.area,
            "followed": reading.followed,
            "p_value": reading.p_value,
            "accuracy_pasted": after,
            "accuracy_own": before,
            "readable_alone": reads,
            "n": int(chosen.sum()),
        },
        samples=[int(case.rows[place]) for place in swap.places[took]],
        evidence=[_bars(found, alone)],
    )


def _unused(case: Case, found: list[Swap], alone: dict[str, float]) -> Finding:
    region = max(alone, key=lambda name: (alone[name] >= READABLE, -float(_area(case, name))))
    return CHECK.finding(
        "note",
        f"A decision tree that sees nothing but the {region} names the class of {alone[region]:.0%} of the images; "
        "this model does not follow it.",
        f"Look at the {region} of the images: a mark there would let another model pass without learning the content.",
        measured={"region": region, "readable_alone": alone[region]},
        evidence=[_bars(found, alone)],
    )


def _area(case: Case, name: str) -> float:
    return float(regions(*case.images.shape[1:3])[name].mean())


def _bars(found: list[Swap], alone: dict[str, float]) -> Evidence:
    rows = []
    for swap in found:
        name = swap.region if swap.donors == "data" else f"{swap.region} ({swap.donors})"
        rows.append({"region": name, "what": "predictions that follow it", "share": max(0.0, swap.followed())})
        if swap.donors == "data" and swap.region in alone:
            rows.append({"region": name, "what": "classes readable from it alone", "share": alone[swap.region]})
    return Evidence("What border and corners decide, share of images", tuple(rows), "bar", "share", "region", "what")


CHECK = Check("DG606", "A border or corner carries the class", run)
