"""What every statistic means: its label, one line for the reader who hovers over it, and where the docs explain it.

Report, dashboard and tables take their texts from here, so that a figure is explained in the same words everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from diag.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Term:
    """One statistic.

    Parameters
    ----------
    label : str
        What a table's head says.
    explanation : str
        One line: what it is, its range, which way is better.
    anchor : str
        The heading of the page in ``docs/`` that explains it and names its source, ``"page.md#heading"``.
    """

    label: str
    explanation: str
    anchor: str


def term(key: str) -> Term:
    """Return the term of that key.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    if key not in TERMS:
        raise InvalidInputError(f"glossary: expected one of {', '.join(TERMS)}. Received: {key!r}.")
    return TERMS[key]


_RESULTS = {
    "n": Term("Images", "Number of labelled images.", "comparing.md#results-table"),
    "accuracy": Term("Accuracy", "Share of right answers, 0 to 1; higher is better.", "comparing.md#accuracy"),
    "accuracy_interval": Term(
        "95% interval", "Wilson's score interval of the accuracy: where it would lie on other images of this kind.",
        "comparing.md#accuracy",
    ),
    "top3_accuracy": Term(
        "Top 3", "Share of images whose true class is among the three most probable; higher is better.",
        "comparing.md#top-3-accuracy",
    ),
    "log_loss": Term(
        "Log loss", "Mean of -ln of the true class's probability, in nats; lower is better.", "comparing.md#log-loss"
    ),
    "brier": Term(
        "Brier", "Squared error of the probabilities, summed over classes, 0 to 2; lower is better.",
        "comparing.md#brier-score",
    ),
    "ece": Term(
        "ECE", "Expected calibration error, 15 equal bins: mean gap between confidence and accuracy; lower is better.",
        "calibration.md#expected-calibration-error",
    ),
    "n_params": Term("Parameters", "Number of weights, trained or not.", "comparing.md#results-table"),
    "file_size": Term("File", "Size of the model's file.", "comparing.md#results-table"),
    "images_per_second": Term(
        "Images/s", "Measured on this machine when the predictions were made.", "comparing.md#results-table"
    ),
    "recall": Term(
        "Recall", "Of the images of a class, the share that is recognised, with Wilson's 95% interval.",
        "comparing.md#recall-precision-f1",
    ),
    "precision": Term(
        "Precision", "Of the images taken for a class, the share that is of it, with Wilson's 95% interval.",
        "comparing.md#recall-precision-f1",
    ),
    "f1": Term(
        "F1", "Harmonic mean of recall and precision, with a 95% interval.", "comparing.md#recall-precision-f1"
    ),
}  # fmt: skip

# Each block below belongs to one page of docs/.
_COMPARING: dict[str, Term] = {}
_ENSEMBLES: dict[str, Term] = {}
_CALIBRATION: dict[str, Term] = {}
_DATA: dict[str, Term] = {}
_TRAINING: dict[str, Term] = {}
_CLASSES: dict[str, Term] = {
    "confusion_share": Term(
        "Of the class", "Share of the true class's images that were taken for the other class.",
        "comparing.md#top-confusions",
    ),
    "confusion_share_of_errors": Term(
        "Of all errors", "Share of all errors of the model that are this confusion.", "comparing.md#top-confusions"
    ),
    "confusion_reverse": Term(
        "Reverse", "Images of the other class that were taken for this one.", "comparing.md#top-confusions"
    ),
    "evidence_disagreement": Term(
        "Maps apart", "1 - cosine similarity of two models' maps of one image: 0 the same pixels, 1 nothing in common, "
        "2 opposite.",
        "comparing.md#same-answer-different-evidence",
    ),
}  # fmt: skip

TERMS = {**_RESULTS, **_COMPARING, **_ENSEMBLES, **_CALIBRATION, **_DATA, **_TRAINING, **_CLASSES}
