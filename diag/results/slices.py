"""Groups of samples in which a model is markedly worse than elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError
from diag.metrics.intervals import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

FRAME = (
    "slice", "kind", "n", "errors", "accuracy", "accuracy_low", "accuracy_high", "rest", "difference", "expected",
    "shrunken", "p_value", "p_adjusted", "significant", "inside",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """The groups that were tried, those that are worse than chance allows first.

    Parameters
    ----------
    labels, kinds : tuple of str, length g
        What each group is called, and where it comes from: "class", "metadata", "image", "cluster" or "pair".
    members : tuple of tuple of (str, int)
        Of each group, the groupings and codes that a sample in it has: one, or two of a pair.
    codes : mapping of str to ndarray of int32, shape (n,)
        The group of each sample in each grouping, -1 for none.
    columns : mapping of str to ndarray, shape (g,)
        ``n``, ``errors``, ``expected_errors``, ``shrunken``, ``p_value``, ``p_adjusted``, ``inside`` (the number of
        the more general significant group that holds it, else -1).
    right : mapping of str to ndarray of bool, shape (n,)
        By model, whether each sample is right. The first is the model whose errors were searched.
    confidence : ndarray of float64, shape (n,)
        That model's confidence, by which `indices` are ordered.
    alpha : float
        With no group worse than its classes explain, one is called significant with at most this probability.
    min_size : int
        Smaller groups were not tried.
    variance : float
        Of true differences between groups, estimated; see `diag.metrics.slices.shrunken_differences`.
    notes : tuple of str
    model_digest, data_digest : str
    seed : int
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    members: tuple[tuple[tuple[str, int], ...], ...]
    codes: Mapping[str, NDArray[np.int32]]
    columns: Mapping[str, NDArray[Any]]
    right: Mapping[str, NDArray[np.bool_]]
    confidence: NDArray[np.float64]
    alpha: float
    min_size: int
    variance: float
    notes: tuple[str, ...]
    model_digest: str
    data_digest: str
    seed: int

    def __len__(self) -> int:
        """Return the number of groups tried."""
        return len(self.labels)

    @property
    def model_name(self) -> str:
        """The model whose errors were searched."""
        return next(iter(self.right))

    @property
    def significant(self) -> NDArray[np.bool_]:
        """Whether each group is worse than chance allows, after correction for all groups tried, shape (g,)."""
        mask: NDArray[np.bool_] = self.columns["p_adjusted"] < self.alpha
        return mask

    def frame(self, tried: bool = False) -> pd.DataFrame:
        """Return one row a group.

        Parameters
        ----------
        tried : bool
            Also the groups that are not significant.

        Returns
        -------
        DataFrame
            ``slice``, ``kind``, ``n``, ``errors``, ``accuracy`` with its Wilson interval ``accuracy_low`` and
            ``accuracy_high``, ``rest`` (accuracy of all other samples), ``difference`` (to the rest), ``expected``
            (accuracy of samples of the same classes), ``shrunken`` (difference to the accuracy of all, shrunken: the
            order of rows), ``p_value``, ``p_adjusted`` (Holm over all groups tried), ``significant`` and ``inside``
            (the more general slice that holds at least 80 % of it, else None).
        """
        import pandas as pd

        columns = self.columns
        n, errors = columns["n"], columns["errors"]
        right = self.right[self.model_name]
        low, high = wilson_interval(n - errors, n)
        accuracy = 1 - errors / n
        rest = (right.sum() - (n - errors)) / (len(right) - n)
        holders = columns["inside"].tolist()
        frame = pd.DataFrame(
            {
                "slice": list(self.labels),
                "kind": list(self.kinds),
                "n": n,
                "errors": errors,
                "accuracy": accuracy,
                "accuracy_low": low,
                "accuracy_high": high,
                "rest": rest,
                "difference": accuracy - rest,
                "expected": 1 - columns["expected_errors"] / n,
                "shrunken": columns["shrunken"],
                "p_value": columns["p_value"],
                "p_adjusted": columns["p_adjusted"],
                "significant": self.significant,
                "inside": pd.Series([self.labels[row] if row >= 0 else None for row in holders], dtype=object),
            },
            columns=list(FRAME),
        )
        return frame if tried else frame[self.significant].reset_index(drop=True)

    def models(self, which: Iterable[str | int] | None = None) -> pd.DataFrame:
        """Return the accuracy of every model in slices.

        Parameters
        ----------
        which : iterable of str or int, optional
            As `mask` takes them; the significant ones when left out.

        Returns
        -------
        DataFrame
            One row a slice and model: ``slice``, ``model``, ``n``, ``errors``, ``accuracy``, ``accuracy_low``,
            ``accuracy_high`` (Wilson), ``rest`` and ``difference``.
        """
        import pandas as pd

        parts = []
        for each in np.flatnonzero(self.significant).tolist() if which is None else which:
            label, mask = self.labels[self._number(each)], self.mask(each)
            n = int(mask.sum())
            for name, right in self.right.items():
                good = int(right[mask].sum())
                low, high = wilson_interval(good, n)
                rest = (int(right.sum()) - good) / (len(right) - n)
                parts.append((label, name, n, n - good, good / n, float(low), float(high), rest, good / n - rest))
        names = ["slice", "model", "n", "errors", "accuracy", "accuracy_low", "accuracy_high", "rest", "difference"]
        return pd.DataFrame(parts, columns=names)

    def mask(self, which: str | int) -> NDArray[np.bool_]:
        """Return whether each sample is in a slice, shape (n,).

        Parameters
        ----------
        which : str or int
            A label of `frame`, or the number of a row of ``frame(tried=True)``.

        Raises
        ------
        InvalidInputError
            If there is no such slice.
        """
        mask = np.ones(len(self.confidence), dtype=bool)
        for name, code in self.members[self._number(which)]:
            mask &= self.codes[name] == code
        return mask

    def indices(self, which: str | int) -> NDArray[np.int64]:
        """Return the samples of a slice: errors first, the surest before; then right ones, the least sure before.

        Raises
        ------
        InvalidInputError
            If there is no such slice.
        """
        rows = np.flatnonzero(self.mask(which))
        right = self.right[self.model_name][rows]
        sure = self.confidence[rows]
        order = np.lexsort((rows, np.where(right, sure, -sure), right))
        found: NDArray[np.int64] = rows[order]
        return found

    def verdict(self) -> str:
        """Return one sentence: how many slices were found, the worst of them, and how many groups were tried."""
        tried = f"{len(self):,} groups of at least {self.min_size} images tried"
        found = self.frame()
        if found.empty:
            found_none = "no group has markedly more errors than the rest and than its classes explain"
            return f"{self.model_name}: {found_none} ({tried}, Holm, {self.alpha:.0%})."
        worst = found.iloc[0]
        top = int(found["inside"].isna().sum())
        return (
            f"{self.model_name}: {_counted(top, 'slice')} with markedly more errors. Worst: {worst['slice']}, "
            f"{worst['accuracy']:.1%} of {int(worst['n']):,} images right, {worst['rest']:.1%} elsewhere "
            f"({tried}, Holm, {self.alpha:.0%})."
        )

    def _number(self, which: str | int) -> int:
        if isinstance(which, str) and which in self.labels:
            return self.labels.index(which)
        if isinstance(which, int | np.integer) and 0 <= which < len(self):
            return int(which)
        shown = ", ".join(self.labels[:3]) + (", ..." if len(self) > 3 else "")
        raise InvalidInputError(f"slice: expected one of {shown or 'none, as none was tried'}. Received: {which!r}.")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
