"""What every statistic means: its label, one line for the reader who hovers over it, and where the docs explain it.

Report, dashboard and tables take their texts from here, so that a figure is explained in the same words everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from diag.errors import InvalidInputError
from diag.views.glossary_calibration import CALIBRATION


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
        "95% interval",
        "Wilson's score interval of the accuracy: where the accuracy over endless images of this kind lies.",
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
_COMPARING: dict[str, Term] = {
    "balanced_accuracy": Term(
        "Balanced accuracy", "Mean recall of the classes, each counting the same however many images it has; 0 to 1.",
        "comparing.md#balanced-accuracy",
    ),
    "macro_f1": Term(
        "Macro F1", "Mean F1 of the classes, each counting the same; 0 to 1, higher is better.",
        "comparing.md#macro-f1",
    ),
    "tied": Term(
        "Tied", "Whether the data cannot separate the model from the best one (McNemar's exact test, Holm).",
        "comparing.md#ties",
    ),
    "quadrants": Term(
        "Who is right where", "The 2x2 table of two models on the same images: both right, only A, only B, both wrong.",
        "comparing.md#two-by-two-table",
    ),
    "paired_difference": Term(
        "A - B", "Figure of A minus figure of B on the same images; the interval is of this pair alone.",
        "comparing.md#difference-and-interval",
    ),
    "bca_interval": Term(
        "95% interval", "Of this figure alone. Accuracy: Agresti and Min; the others: paired bootstrap (BCa).",
        "comparing.md#paired-bootstrap",
    ),
    "p_adjusted": Term(
        "p, adjusted", "McNemar's exact test that both are right equally often, adjusted by Holm over all pairs.",
        "comparing.md#mcnemars-exact-test",
    ),
    "smallest_detectable": Term(
        "Visible from", "Difference in points that 4 of 5 such test sets would show; smaller ones are often missed.",
        "comparing.md#smallest-detectable-difference",
    ),
    "n_needed": Term(
        "Images needed", "Images that would show the observed difference in 4 of 5 test sets.",
        "comparing.md#smallest-detectable-difference",
    ),
    "relation": Term(
        "Verdict", "A is better, worse, equivalent within the margin, or undecided; from adjusted p-values alone.",
        "comparing.md#the-verdict",
    ),
    "equivalent": Term(
        "Equivalent", "Two one-sided tests exclude a difference as large as the margin: the 90% interval lies within.",
        "comparing.md#equivalence",
    ),
    "class_difference": Term(
        "Recall, A - B", "Difference of the class's recall, McNemar's test within it, adjusted by Benjamini-Hochberg.",
        "comparing.md#class-by-class",
    ),
    "bootstrap_rank": Term(
        "Rank, resampled", "Mean rank by accuracy over bootstrap resamples of the images, with its 95% range.",
        "comparing.md#critical-difference",
    ),
    "best_share": Term(
        "Best in", "Share of bootstrap resamples of the images in which the model has the highest accuracy.",
        "comparing.md#critical-difference",
    ),
    "optimism": Term(
        "Flattered by", "By how much the best model's accuracy is too high because it was chosen on these images.",
        "comparing.md#choosing-the-best",
    ),
    "critical_difference": Term(
        "Average ranks", "Mean rank by recall over the classes, 1 is best; bars join those that cannot be told apart.",
        "comparing.md#critical-difference",
    ),
}  # fmt: skip
_ENSEMBLES: dict[str, Term] = {
    "same_answer": Term(
        "Same answer", "Share of images to which both models give the same class, right or wrong.",
        "ensembles.md#agreement",
    ),
    "kappa": Term(
        "Kappa", "Cohen's kappa: agreement beyond chance; 1 always the same answer, 0 as often as by chance.",
        "ensembles.md#cohens-kappa",
    ),
    "fleiss_kappa": Term(
        "Fleiss' kappa", "Agreement of all models beyond chance; 1 always the same answer, 0 as often as by chance.",
        "ensembles.md#fleiss-kappa",
    ),
    "q_statistic": Term(
        "Q", "Yule's Q of being right: 1 right and wrong on the same images, 0 independent, below 0 errors apart.",
        "ensembles.md#q-statistic",
    ),
    "double_fault": Term(
        "Both wrong", "Share of images that both models have wrong: choosing one of the two answers mends none.",
        "ensembles.md#double-fault",
    ),
    "disagreement": Term(
        "One right", "Share of images that exactly one of the two models has right.",
        "ensembles.md#disagreement",
    ),
    "error_overlap": Term(
        "Errors in common", "Which models are wrong on the same images; each image counts in exactly one set.",
        "ensembles.md#error-overlap",
    ),
    "same_wrong_class": Term(
        "Same wrong class", "Images on which all models of the set give the same wrong class: look at their labels.",
        "ensembles.md#error-overlap",
    ),
    "ensemble_average": Term(
        "Average", "The models' probabilities are averaged; the largest mean is the answer.", "ensembles.md#average"
    ),
    "ensemble_vote": Term(
        "Vote", "Every model votes for its class; ties go to the larger mean probability.", "ensembles.md#vote"
    ),
    "greedy_selection": Term(
        "Greedy selection", "Models are added to the average one by one, again if that helps, while log loss falls.",
        "ensembles.md#greedy-selection",
    ),
    "oracle": Term(
        "Oracle", "Share of images that at least one model has right: the ceiling for choosing among their answers.",
        "ensembles.md#oracle",
    ),
    "naive_accuracy": Term(
        "Naive", "Accuracy on the very images that the choice was made on: too good. Beside it stands the honest one.",
        "ensembles.md#choosing-in-folds",
    ),
    "ensemble_p": Term(
        "p, adjusted", "McNemar's exact test against the best single model, adjusted by Holm over all ensembles.",
        "ensembles.md#against-the-best-model",
    ),
    "mends": Term(
        "Mends", "Images that the ensemble has right and the best model wrong.", "ensembles.md#against-the-best-model"
    ),
    "breaks": Term(
        "Breaks", "Images that the best model has right and the ensemble wrong.", "ensembles.md#against-the-best-model"
    ),
    "expected_error": Term(
        "Expected error", "Estimated error rate among images of such confidence, from labelled data; 0 to 1.",
        "ensembles.md#expected-error",
    ),
    "pseudo_label": Term(
        "Pseudo-label", "The model's answer to an image without a label, taken as one where errors are rare enough.",
        "ensembles.md#pseudo-labels",
    ),
}  # fmt: skip
_CALIBRATION = {key: Term(*each) for key, each in CALIBRATION.items()}
_DATA: dict[str, Term] = {
    "slice": Term(
        "Slice", "A group of images, by a column, its class or a cluster, with more errors than the rest and than its "
        "classes explain.", "data-quality.md#slices",
    ),
    "slice_rest": Term(
        "Elsewhere", "Accuracy on all images that are not in the slice.", "data-quality.md#slices",
    ),
    "slice_difference": Term(
        "Difference", "Accuracy in the slice minus accuracy elsewhere; below 0 the slice is worse.",
        "data-quality.md#slices",
    ),
    "slice_p": Term(
        "p, adjusted", "Exact test that the slice is no worse than chance makes it, corrected by Holm for all groups "
        "tried.", "data-quality.md#slices",
    ),
    "slice_shrunken": Term(
        "Shrunken", "Difference to the accuracy of all images, drawn toward 0 the more the smaller the slice.",
        "data-quality.md#slices",
    ),
    "embedding_map": Term(
        "Embedding map", "Images near each other in the network's last features, drawn in two dimensions.",
        "data-quality.md#embedding-map",
    ),
    "trustworthiness": Term(
        "Trustworthiness", "How far neighbours in the map are neighbours in the features, 0 to 1; higher is better.",
        "data-quality.md#embedding-map",
    ),
    "label_issue": Term(
        "Label issue", "A label that models contradict as surely as they know the other class's own images.",
        "data-quality.md#label-issues",
    ),
    "issue_kind": Term(
        "Kind", "Probably a wrong label, real confusion, or unlike anything in training: what models and neighbours "
        "say of a sure error.", "data-quality.md#label-issues",
    ),
    "issue_score": Term(
        "Score", "How strongly models and neighbours speak against the label, 0 to 1.", "data-quality.md#label-issues",
    ),
    "issue_votes": Term(
        "Votes", "Models that name the suggested class.", "data-quality.md#label-issues",
    ),
    "near_suggested": Term(
        "Neighbours", "Share of the nearest images in the penultimate layer that have the suggested class.",
        "data-quality.md#label-issues",
    ),
    "alike_suggested": Term(
        "Similar images", "Share of the most similar images, pixel by pixel, that have the suggested class.",
        "data-quality.md#label-issues",
    ),
    "distance_percentile": Term(
        "Distance", "Share of right answers that lie nearer to their neighbours; above 99 % an image is unlike "
        "anything in training.", "data-quality.md#label-issues",
    ),
    "estimated_share": Term(
        "Estimated share", "Share of wrong labels by the calibrated confident joint; rough: it counts real confusion.",
        "data-quality.md#label-issues",
    ),
    "duplicates": Term(
        "Duplicates", "Images that are equal, or nearly: moved, brighter, compressed, mirrored.",
        "data-quality.md#duplicates",
    ),
    "hash_distance": Term(
        "Hash", "Bits of 64 in which the perceptual hashes differ; 0 is the same, 32 is chance.",
        "data-quality.md#duplicates",
    ),
    "pixel_correlation": Term(
        "Correlation", "Of the pixels at the best shift of one pixel, -1 to 1.", "data-quality.md#duplicates",
    ),
    "duplicate_expected": Term(
        "By chance", "So many pairs as close as this one are expected among all images, from how the data lies.",
        "data-quality.md#duplicates",
    ),
    "cosine_distance": Term(
        "Cosine", "1 - cosine of the two images' features in the penultimate layer, 0 to 2; 0 is the same.",
        "data-quality.md#duplicates",
    ),
    "labels_differ": Term(
        "Labels differ", "Two images that are equal, or nearly in the same position, have different labels: at least "
        "one is wrong. Mirrored pairs do not count.",
        "data-quality.md#duplicates",
    ),
    "embedding": Term(
        "Embedding", "What the classifying layer of a network gets, one row of numbers an image.",
        "data-quality.md#embedding",
    ),
}  # fmt: skip
_TRAINING: dict[str, Term] = {
    "epochs": Term("Epochs", "Passes over the training data that the history holds.", "training.md#best-epoch"),
    "best_epoch": Term(
        "Best epoch", "Lowest validation loss; without one, highest validation accuracy. Counted from 1.",
        "training.md#best-epoch",
    ),
    "best_val_loss": Term("Val. loss, best", "Validation loss at the best epoch.", "training.md#best-epoch"),
    "last_val_loss": Term("Val. loss, last", "Validation loss at the last epoch.", "training.md#best-epoch"),
    "best_val_accuracy": Term("Val. acc., best", "Validation accuracy at the best epoch.", "training.md#best-epoch"),
    "last_val_accuracy": Term("Val. acc., last", "Validation accuracy at the last epoch.", "training.md#best-epoch"),
    "gap_best": Term(
        "Gap, best", "Training minus validation accuracy at the best epoch, in points; large means overfitting.",
        "training.md#gap",
    ),
    "gap_last": Term(
        "Gap, last", "Training minus validation accuracy at the last epoch, in points; large means overfitting.",
        "training.md#gap",
    ),
    "gap_by_epoch": Term(
        "Gap", "Training minus validation accuracy at each epoch, in points; above 0 training is better.",
        "training.md#gap",
    ),
    "loss_rise": Term(
        "Loss rise", "Last validation loss over the lowest one; 1 where it never rose.", "training.md#loss-rise"
    ),
    "saved": Term(
        "Saved", "Which epoch the file holds, claimed only where these images give its validation figures.",
        "training.md#what-was-saved",
    ),
    "saved_reason": Term(
        "How one knows", "What was compared to tell which epoch the file holds.", "training.md#what-was-saved"
    ),
    "signs": Term(
        "Signs", "Over- and underfitting, jumps, and drops of the learning rate, by the doctor's rules.",
        "training.md#signs",
    ),
}  # fmt: skip
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
