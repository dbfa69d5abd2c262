"""How far maps of a model can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

Kind = Literal["map", "random", "edges"]
Order = Literal["deletion", "insertion"]

KINDS: tuple[Kind, ...] = ("map", "random", "edges")
ORDERS: tuple[Order, ...] = ("deletion", "insertion")
BASELINES: tuple[Kind, ...] = ("random", "edges")
ALIKE = 0.5
"""From which rank correlation on two maps are said to look alike."""
FEWEST = 6
"""Images below which nothing is claimed: with five that all agree, a sign test still has p = 2 / 2**5 > 5 %."""
NOISE = 1e-6
"""Differences of probabilities that are rounding errors of 32-bit numbers."""
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Faithfulness:
    """Whether the pixels that maps mark matter to the model, and whether maps depend on what it learned.

    Parameters
    ----------
    fractions : ndarray of float64, shape (steps + 1,)
        Share of the pixels that is replaced, 0 to 1.
    probabilities : mapping of (kind, order) to ndarray of float64, shape (n, steps + 1)
        Probability of the class that was predicted for the whole image. Kinds: ``map``, ``random``, ``edges``: what
        orders the pixels. Orders: ``deletion`` (the first pixels go first) and ``insertion`` (they come first).
    layers : tuple of str
        One a stage of the randomisation check: the layer down to which weights were re-initialised, output first.
    correlations : ndarray of float64, shape (stages, m)
        Rank correlation of each image's ``|map|`` with that of the re-initialised model; NaN for a flat map.
    signed_correlations : ndarray of float64, shape (stages, m)
        The same with the maps' signs.
    indices : ndarray of int64, shape (n,)
        Which samples of the data set they are.
    y_pred : ndarray of int64, shape (n,)
        The predicted class.
    method : str
        What made the maps.
    background_note : str
        Where the references came from.
    model_name, model_digest, data_name, data_digest : str
    seed : int
        Seeds the draws of images, references, orders, weights and the bootstrap.
    """

    fractions: NDArray[np.float64]
    probabilities: Mapping[tuple[Kind, Order], NDArray[np.float64]]
    layers: tuple[str, ...]
    correlations: NDArray[np.float64]
    signed_correlations: NDArray[np.float64]
    indices: NDArray[np.int64]
    y_pred: NDArray[np.int64]
    method: str = ""
    background_note: str = ""
    model_name: str = ""
    model_digest: str = ""
    data_name: str = ""
    data_digest: str = ""
    seed: int = 0

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.indices)

    def auc(self, kind: Kind, order: Order) -> NDArray[np.float64]:
        """Return the area under each image's curve (trapezoids, in fraction of pixels), shape (n,), 0..1."""
        return np.asarray(np.trapezoid(self.probabilities[kind, order], self.fractions, axis=1), dtype=np.float64)

    def frame(self) -> pd.DataFrame:
        """Return one row an image, kind and order: ``index``, ``kind``, ``order``, ``auc``."""
        import pandas as pd

        parts = [
            pd.DataFrame({"index": self.indices, "kind": kind, "order": order, "auc": self.auc(kind, order)})
            for order in ORDERS
            for kind in KINDS
        ]
        return pd.concat(parts, ignore_index=True)

    def curves(self) -> pd.DataFrame:
        """Return mean curves: ``order``, ``kind``, ``fraction``, ``mean``, ``low``, ``high`` (95 %, bootstrap)."""
        import pandas as pd

        parts = []
        for order in ORDERS:
            for kind in KINDS:
                values = self.probabilities[kind, order]
                low, high = self._interval(values)
                columns = {"fraction": self.fractions, "mean": values.mean(axis=0), "low": low, "high": high}
                parts.append(pd.DataFrame({"order": order, "kind": kind, **columns}))
        return pd.concat(parts, ignore_index=True)

    def differences(self) -> pd.DataFrame:
        """Return how maps compare with orders that know nothing of the model.

        Returns
        -------
        DataFrame
            ``order``, ``baseline``, ``auc`` and ``baseline_auc`` (means), ``difference`` (auc minus baseline_auc) with
            ``low`` and ``high`` (95 %, percentile bootstrap over images, paired; NaN for one image), and ``better``:
            the whole interval is below 0 in deletion, above 0 in insertion, on at least `FEWEST` images.

        References
        ----------
        Efron & Tibshirani (1993), An introduction to the bootstrap, section 13.3.
        """
        import pandas as pd

        rows = []
        for order in ORDERS:
            for baseline in BASELINES:
                own, other = self.auc("map", order), self.auc(baseline, order)
                low, high = (float(end) for end in self._interval(own - other))
                rows.append(
                    {
                        "order": order,
                        "baseline": baseline,
                        "auc": float(own.mean()),
                        "baseline_auc": float(other.mean()),
                        "difference": float((own - other).mean()),
                        "low": low,
                        "high": high,
                        "better": self._better(baseline, order),
                    }
                )
        return pd.DataFrame(rows)

    def sanity_frame(self) -> pd.DataFrame:
        """Return one row a stage: ``stage``, ``layer``, ``correlation``, ``signed_correlation`` (means over images)."""
        import pandas as pd

        return pd.DataFrame(
            {
                "stage": np.arange(1, len(self.layers) + 1),
                "layer": list(self.layers),
                "correlation": [_mean(row) for row in self.correlations],
                "signed_correlation": [_mean(row) for row in self.signed_correlations],
            }
        )

    @property
    def beats_random(self) -> bool:
        """Whether deleting what maps mark lowers the probability faster than deleting pixels at random."""
        return self._better("random", "deletion")

    @property
    def beats_edges(self) -> bool:
        """Whether deleting what maps mark lowers the probability faster than deleting edges."""
        return self._better("edges", "deletion")

    @property
    def depends_on_weights(self) -> bool:
        """Whether ``|map|`` of the wholly re-initialised model differs: mean rank correlation below `ALIKE`."""
        return bool(self._last(self.correlations) < ALIKE)

    @property
    def signs_depend_on_weights(self) -> bool:
        """Whether maps with their signs differ for the wholly re-initialised model."""
        return bool(self._last(self.signed_correlations) < ALIKE)

    @property
    def passed(self) -> bool:
        """Whether maps beat random order and edges in deletion, and depend on the weights."""
        return self.beats_random and self.beats_edges and self.depends_on_weights

    def verdict(self) -> str:
        """Return one line: how far to trust maps of this model."""
        return f"{self._deletion()}; {self._randomisation()}."

    def _deletion(self) -> str:
        random, edges = (self._against(baseline) for baseline in BASELINES)
        if len(self) < FEWEST:
            return (
                f"Too few images to tell ({len(self)}; at least {FEWEST}): deletion AUC "
                f"{self.auc('map', 'deletion').mean():.2f} against {self.auc('random', 'deletion').mean():.2f} in "
                f"random order and {self.auc('edges', 'deletion').mean():.2f} for edges"
            )
        faster = "deleting what they mark lowers the probability faster than"
        if self.beats_random and self.beats_edges:
            return f"Maps are faithful: {faster} random order ({random}) and than edges ({edges}){self._insertion()}"
        if self.beats_random:
            return (
                f"Maps are faithful in part: {faster} random order ({random}), but they are not better than an edge "
                f"detector ({edges})"
            )
        slower = "deleting what they mark does not lower the probability faster than random order"
        if self.beats_edges:
            return f"Maps are not faithful: {slower} ({random}), though faster than edges ({edges})"
        return f"Maps are not faithful: {slower} ({random}), and they are not better than an edge detector ({edges})"

    def _insertion(self) -> str:
        """Return what inserting says, where it contradicts."""
        names = {"random": "random order", "edges": "edges"}
        missed = [names[baseline] for baseline in BASELINES if not self._better(baseline, "insertion")]
        return f", but inserting it does not raise it faster than {' or '.join(missed)}" if missed else ""

    def _randomisation(self) -> str:
        strength, signed = self._last(self.correlations), self._last(self.signed_correlations)
        found = f"rank correlation {_plain(strength)}, {_plain(signed)} with signs"
        if np.isnan(strength):
            return "whether they depend on the weights cannot be tested: maps are flat, or there are no weights"
        if strength < ALIKE:
            return f"they depend on the weights ({found}, after re-initialisation)"
        if signed < ALIKE:
            return (
                f"without their signs, maps look alike for a re-initialised model ({found}): where they are strong "
                "shows the image more than what the model learned, their signs depend on the weights"
            )
        return (
            f"maps look alike for a re-initialised model ({found}): they show the image more than what the model "
            "learned"
        )

    def _against(self, baseline: Kind) -> str:
        own, other = self.auc("map", "deletion"), self.auc(baseline, "deletion")
        low, high = (float(end) for end in self._interval(own - other))
        return (
            f"AUC {own.mean():.2f} against {other.mean():.2f}, difference {_plain((own - other).mean())}, "
            f"95% {_plain(low)} to {_plain(high)}"
        )

    def _better(self, baseline: Kind, order: Order) -> bool:
        low, high = self._interval(self.auc("map", order) - self.auc(baseline, order))
        return len(self) >= FEWEST and bool(high < -NOISE if order == "deletion" else low > NOISE)

    def _interval(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of the 95 % interval of the mean over images (the first axis)."""
        if len(values) < 2:
            nothing = np.full(values.shape[1:], np.nan)
            return nothing, nothing
        rng = np.random.default_rng(self.seed)
        # How often each image is drawn, in each resample: the mean is then one product of matrices.
        counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=_RESAMPLES)
        means = counts @ values / len(values)
        low, high = np.quantile(means, [0.025, 0.975], axis=0)
        return low, high

    @staticmethod
    def _last(correlations: NDArray[np.float64]) -> float:
        return _mean(correlations[-1]) if len(correlations) else float("nan")


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of what is a number; NaN if nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _plain(value: float) -> str:
    """Return a number with two digits, and no "-0.00"."""
    return f"{round(float(value), 2) + 0.0:.2f}"
