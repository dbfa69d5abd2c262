"""Rare classes, and whether the model is worse on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

RATIO = 3.0
"""Most frequent over rarest class from which on classes count as imbalanced; MNIST has 1.2, SVHN 3."""
RARE = 0.5
"""A class is rare below this share of the median class."""
LOST = 0.1
"""Recall that rare classes lack against the others, from which on it is a warning."""
ALPHA = 0.001


def run(case: Case) -> Iterator[Finding]:
    """Test whether recall is lower in rare classes (Fisher's exact test) and falls with their size (Spearman)."""
    result = case.run
    k, y_true = result.n_classes, result.samples["y_true"]
    support = np.bincount(y_true, minlength=k)
    counts, where = _counts(case, support)
    known = np.flatnonzero((support > 0) & (counts > 0))
    if len(known) < 2:
        raise CheckNotApplicable("Fewer than two classes have images.")
    ratio = float(counts[known].max() / counts[known].min())
    if ratio < RATIO or _by_chance(counts[known]):
        return
    right = np.bincount(y_true[result.correct_mask], minlength=k)
    rare = known[counts[known] < RARE * _reference(counts[known])]
    rare = rare if len(rare) else known[counts[known] == counts[known].min()]
    others = np.setdiff1d(known, rare)
    test = _compare(right, support, rare, others)
    order = known[np.argsort(counts[known], kind="stable")]
    names = result.class_names
    listed = ", ".join(names[number] for number in order if number in rare)[:100]
    effect = test["lost"] >= LOST and test["p_value"] < ALPHA
    rho = _spearman(counts[known], right[known] / support[known])
    told = "" if rho is None else f"; rank correlation of recall with size {rho:.2f}"
    yield CHECK.finding(
        "warning" if effect else "note",
        f"The most frequent class of the {where} has {ratio:.1f} times the images of the rarest; recall is "
        f"{test['rare']:.1%} in the rare classes ({listed}) and {test['others']:.1%} in the others "
        f"(p = {test['p_value']:.2g}){told}.",
        "Add images of the rare classes, or weight or resample them in training."
        if effect
        else "Judge by recall a class or balanced accuracy, not by accuracy alone.",
        measured={"ratio": ratio, **test} | ({} if rho is None else {"rank_correlation": rho}),
        samples=[int(row) for row in np.flatnonzero(np.isin(y_true, rare) & ~result.correct_mask)] if effect else (),
        evidence=[
            Evidence(
                f"Recall by images of the class in the {where}",
                tuple(
                    {
                        "class": names[number],
                        "images": int(counts[number]),
                        "recall": float(right[number] / support[number]),
                        "rare": bool(number in rare),
                    }
                    for number in order[:100]
                ),
                "point",
                x="images",
                y="recall",
                colour="rare",
            )
        ],
    )


def _by_chance(counts: NDArray[np.int64]) -> bool:
    """Return whether equally frequent classes would have such counts in so few images (chi-square test)."""
    from scipy.stats import chisquare

    return float(chisquare(counts).pvalue) >= ALPHA


def _counts(case: Case, support: NDArray[np.int64]) -> tuple[NDArray[np.int64], str]:
    try:
        return case.training_counts, "training data"
    except CheckNotApplicable:
        return support, "data"


def _reference(counts: NDArray[np.int64]) -> float:
    """Return the size of an ordinary class: the median, of two classes the larger."""
    return float(np.median(counts)) if len(counts) > 2 else float(counts.max())


def _compare(
    right: NDArray[np.int64], support: NDArray[np.int64], rare: NDArray[np.int64], others: NDArray[np.int64]
) -> dict[str, float]:
    """Return pooled recall of both groups, the difference, and Fisher's one-sided p-value."""
    from scipy.stats import fisher_exact

    hits, totals = (np.array([values[rare].sum(), values[others].sum()]) for values in (right, support))
    table: Any = [hits, totals - hits]
    rare_recall, other_recall = hits / totals
    return {
        "rare": float(rare_recall),
        "others": float(other_recall),
        "lost": float(other_recall - rare_recall),
        "p_value": float(fisher_exact(table, alternative="less").pvalue),
    }


def _spearman(counts: NDArray[np.int64], recall: NDArray[np.float64]) -> float | None:
    if len(counts) < 5 or np.ptp(recall) == 0:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(counts, recall).statistic)


CHECK = Check("DG205", "Class imbalance", run)
