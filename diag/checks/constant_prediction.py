"""One answer for every image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.results.diagnosis import Finding

SHARE = 0.99
"""From this share of all images on, one predicted class counts as constant."""
MAJORITY = 0.9
"""Where so many labels are of that class, the answer is the majority's: most of it is right, and may be all there is
to say of a rare class at the usual threshold."""
ALPHA = 0.001
"""Chance that a model whose answers are as frequent as the labels names one class only."""
BETTER = 0.01
"""Of the test that balanced accuracy is above chance; and that probabilities rank the images rightly."""
SAME = 1e-6
"""Probabilities that differ by less do not depend on the image."""


def run(case: Case) -> Iterator[Finding]:
    """Look for one class that (almost) all images get, and whether that is more than the labels explain."""
    samples, n = case.run.samples, len(case.run)
    if len(np.unique(samples["y_true"])) < 2 or n < 2:
        raise CheckNotApplicable("The data has one class only.")
    counts = np.bincount(samples["y_pred"], minlength=case.run.n_classes)
    top, share = int(counts.argmax()), float(counts.max() / n)
    true_share = float((samples["y_true"] == top).mean())
    if share < SHARE:
        return
    spread = float(np.ptp(case.proba, axis=0).max())
    if true_share < MAJORITY:
        yield _constant(case, counts, true_share, spread)
    elif true_share**n < ALPHA:
        if spread < SAME:
            yield _constant(case, counts, true_share, spread)
        elif case.balance.p_value >= BETTER:
            yield _majority(case, counts, true_share, spread)


def _constant(case: Case, counts: NDArray[np.int64], true_share: float, spread: float) -> Finding:
    name, share, same = _name(case, counts), float(counts.max() / counts.sum()), spread < SAME
    return CHECK.finding(
        "critical",
        f"{share:.1%} of {counts.sum():,} images are called {name}; {true_share:.1%} of the labels say so."
        + (" The probabilities do not depend on the image at all." if same else ""),
        "Look for dead units, for weights that were never trained, and for a wrong scale of the input."
        if same
        else "Check the scale of the input first (diag init shows what fits), then the training labels.",
        measured={"class": name, "share": share, "label_share": true_share, "largest_spread": spread},
        evidence=[_table(case, counts)],
    )


def _majority(case: Case, counts: NDArray[np.int64], true_share: float, spread: float) -> Finding:
    """Return what holds of a model that names the most frequent class and no other, or others as by chance."""
    name, share = _name(case, counts), float(counts.max() / counts.sum())
    area, p_value = _ranking(case, int(counts.argmax()))
    ranks = area > 0.5 and p_value < BETTER
    balanced = f"balanced accuracy is {case.balance.value:.1%}, by chance {case.balance.chance:.1%}"
    return CHECK.finding(
        "warning",
        f"{share:.1%} of {counts.sum():,} images are called {name}, which is {true_share:.1%} of the labels: "
        f"{_others(case, counts)}; {balanced}. Its probability "
        + ("does tell" if ranks else "does not tell")
        + f" the other classes apart (ROC AUC {area:.2f}, p = {p_value:.2g}).",
        "Lower the threshold for the rare classes, or weight them in training; judge by average precision, recall a "
        "class or costs, not by accuracy."
        if ranks
        else "Weight the rare classes in training or show more images of them, and look at their labels; judge by "
        "recall a class or balanced accuracy, not by accuracy.",
        title="Only the most frequent class",
        measured={
            "class": name,
            "share": share,
            "label_share": true_share,
            "largest_spread": spread,
            "balanced_accuracy": case.balance.value,
            "roc_auc": area,
            "roc_auc_p_value": p_value,
        },
        samples=np.flatnonzero(case.run.samples["y_true"] != counts.argmax()).tolist(),
        evidence=[_table(case, counts)],
    )


def _others(case: Case, counts: NDArray[np.int64]) -> str:
    """Return which classes with images are never predicted, as words; how the other answers do when none is missed."""
    true = np.bincount(case.run.samples["y_true"], minlength=len(counts))
    missed = np.flatnonzero((true > 0) & (counts == 0))
    if not len(missed):
        return "the few other answers are right no more often than by chance"
    missed = missed[np.argsort(-true[missed], kind="stable")]
    listed = ", ".join(f"{case.run.class_names[number]} ({true[number]:,} images)" for number in missed[:5])
    return f"{listed}{', ...' if len(missed) > 5 else ''} {'is' if len(missed) == 1 else 'are'} never predicted"


def _ranking(case: Case, top: int) -> tuple[float, float]:
    """Return how well a low probability of the class finds the images of others: ROC AUC, and Mann and Whitney's p."""
    from scipy.stats import mannwhitneyu

    own = case.y_true == top
    probability = case.proba[:, top].astype(np.float64)
    if own.all() or not own.any():
        return 0.5, 1.0
    test = mannwhitneyu(probability[own], probability[~own], alternative="greater")
    return float(test.statistic / (own.sum() * (~own).sum())), float(test.pvalue)


def _name(case: Case, counts: NDArray[np.int64]) -> str:
    return case.run.class_names[int(counts.argmax())]


def _table(case: Case, counts: NDArray[np.int64]) -> Evidence:
    shown = np.argsort(-counts, kind="stable")[:20]
    return Evidence(
        "Images a predicted class",
        tuple({"class": case.run.class_names[number], "images": int(counts[number])} for number in shown),
        "bar",
        x="images",
        y="class",
    )


CHECK = Check("DG202", "Constant prediction", run)
