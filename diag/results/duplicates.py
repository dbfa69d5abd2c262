"""Images that are there more than once, as they are or in other clothes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diag.io.csv_out import write_csv

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

WAYS = ("equal", "as it is", "mirrored", "upside down")
"""How the two images of a pair are the same: pixel for pixel, or nearly, in which position."""
MAY_DIFFER = " (may be legitimate: the image is turned)"
"""What stands behind the two labels of a mirrored or upside-down pair."""


@dataclass(frozen=True, slots=True, eq=False)
class Duplicates:
    """Pairs of images of which one is a copy of the other. Every array has shape (p,).

    Parameters
    ----------
    image : ndarray of int64
        A test image.
    other : ndarray of int64
        The image that it is like: a training image where `in_train`, else another test image, of a smaller number.
    in_train : ndarray of bool
    way : ndarray of int64
        Numbers in `WAYS`.
    correlation : ndarray of float64
        Of the pixels at the best shift of at most one pixel, at most 32 x 32 pixels, -1..1.
    expected : ndarray of float64
        So many pairs as close as this one are expected by chance among all images, from how the data lies; 0 of equal
        images.
    hash_distance : ndarray of int64
        Bits of 64 in which the perceptual hashes differ, in the position of `way`; of the images as they are and of
        those moved to their centre, the smaller.
    cosine_distance : ndarray of float64
        One less the cosine of the features in the penultimate layer, 0..2; NaN where unknown.
    cosine_percentile : ndarray of float64
        Share of unrelated pairs of images with the same predicted class that are nearer than this pair, 0..100; NaN
        where unknown. Small values confirm the pair.
    label, other_label : ndarray of object
        Names of the two labels; None where there is none.
    group : ndarray of int64
        Number of the pair's group: images that are connected by pairs. 0 is the largest.
    n, n_train : int
        Images looked at; `n_train` is 0 without training data.
    sample_names : tuple of str, optional
        Of all test images.
    notes : tuple of str
    model_name, data_digest : str
    seed : int
    """

    image: NDArray[np.int64]
    other: NDArray[np.int64]
    in_train: NDArray[np.bool_]
    way: NDArray[np.int64]
    correlation: NDArray[np.float64]
    expected: NDArray[np.float64]
    hash_distance: NDArray[np.int64]
    cosine_distance: NDArray[np.float64]
    cosine_percentile: NDArray[np.float64]
    label: NDArray[np.object_]
    other_label: NDArray[np.object_]
    group: NDArray[np.int64]
    n: int
    n_train: int
    sample_names: tuple[str, ...] | None
    notes: tuple[str, ...]
    model_name: str
    data_digest: str
    seed: int

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.image)

    @property
    def labels_differ(self) -> NDArray[np.bool_]:
        """Whether the labels contradict each other: one of the two is wrong. False for images that are turned.

        A mirrored or upside-down image may rightly have another label: signs that point left and right, b and d.
        """
        return self._other_labels & (self.way <= WAYS.index("as it is"))

    @property
    def turned_labels_differ(self) -> NDArray[np.bool_]:
        """Whether one image is the other mirrored or upside down and has another label, which may be legitimate."""
        return self._other_labels & (self.way > WAYS.index("as it is"))

    @property
    def _other_labels(self) -> NDArray[np.bool_]:
        """Whether the two images have different labels; false where one has none."""
        differ: NDArray[np.bool_] = np.array(
            [a is not None and b is not None and a != b for a, b in zip(self.label, self.other_label, strict=True)],
            dtype=bool,
        )
        return differ

    def groups(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return (test images, training images) of each group, the largest first; numbers ascending."""
        found = []
        for number in range(int(self.group.max(initial=-1)) + 1):
            rows = self.group == number
            inside = rows & ~self.in_train
            found.append(
                (np.unique(np.concatenate([self.image[rows], self.other[inside]])),
                 np.unique(self.other[rows & self.in_train]))
            )  # fmt: skip
        return found

    def leaked(self) -> NDArray[np.int64]:
        """Return the test images that are like a training image, ascending."""
        return np.unique(self.image[self.in_train])

    def repeated(self) -> NDArray[np.int64]:
        """Return the test images that are like one of a smaller number, ascending: those to leave out."""
        return np.unique(self.image[~self.in_train])

    def counts(self) -> dict[str, int]:
        """Return the number of images: ``repeated``, ``leaked``; and of ``pairs`` and ``labels_differ`` among them."""
        return {
            "repeated": len(self.repeated()),
            "leaked": len(self.leaked()),
            "pairs": len(self),
            "labels_differ": int(self.labels_differ.sum()),
        }

    def verdict(self) -> str:
        """Return one or two sentences: how many images are repeated or leaked."""
        counts = self.counts()
        repeated, leaked, differ = counts["repeated"], counts["leaked"], counts["labels_differ"]
        said = f"{repeated or 'None':{',' if repeated else ''}} of {self.n:,} images "
        said += f"{'repeat' if repeated > 1 else 'repeats'} another one, as it is or nearly"
        if self.n_train:
            some = f"{leaked:,} {'are' if leaked > 1 else 'is'}" if leaked else "none is"
            said += f"; {some} among the {self.n_train:,} training images"
        said += "."
        if differ:
            said += f" {differ:,} of the {len(self):,} pairs {'has' if differ == 1 else 'have'} different labels."
        turned = int(self.turned_labels_differ.sum())
        if turned:
            said += (
                f" {turned:,} mirrored or upside-down pair{'' if turned == 1 else 's'} with another label may be right."
            )
        return said

    def frame(self) -> pd.DataFrame:
        """Return one row a pair: exact copies first, then the largest correlation.

        Returns
        -------
        DataFrame
            ``image``, ``sample_name`` where there are names, ``other``, ``where`` ("test" or "train"), ``way`` of
            `WAYS`, ``correlation``, ``expected``, ``hash_distance``, ``cosine_distance``, ``cosine_percentile``,
            ``label``, ``other_label``, ``labels_differ``, ``group``.
        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                "image": self.image,
                "other": self.other,
                "where": np.where(self.in_train, "train", "test"),
                "way": np.asarray(WAYS, dtype=object)[self.way],
                "correlation": self.correlation,
                "expected": self.expected,
                "hash_distance": self.hash_distance,
                "cosine_distance": self.cosine_distance,
                "cosine_percentile": self.cosine_percentile,
                "label": self.label,
                "other_label": self.other_label,
                "labels_differ": self.labels_differ,
                "group": self.group,
            }
        )
        if self.sample_names is not None:
            frame.insert(1, "sample_name", np.asarray(self.sample_names, dtype=object)[self.image])
        return frame

    def to_csv(self, path: str | Path) -> Path:
        """Write `frame` as a CSV, whole or not at all, formulas quoted; return the file."""
        return write_csv(path, self.frame())
