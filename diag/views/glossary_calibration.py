"""The glossary's block of calibration, ranking and costs: label, explanation, and heading in ``docs/``."""

from __future__ import annotations

CALIBRATION: dict[str, tuple[str, str, str]] = {
    "reliability_diagram": (
        "Reliability", "Share of right answers by how sure the model was; below the diagonal it was too sure.",
        "calibration.md#reliability-diagram",
    ),
    "consistency_band": (
        "Band", "Where the share of right answers would lie, 95 times in 100, if all confidences of the bin were true.",
        "calibration.md#consistency-band",
    ),
    "overconfidence": (
        "Over-confidence", "Mean confidence minus accuracy, in points; too sure where the interval is above 0.",
        "calibration.md#over-confidence",
    ),
    "ece_interval": (
        "95% interval", "Of the calibration error that endless images would show; it reaches 0 where p is above 0.025.",
        "calibration.md#expected-calibration-error",
    ),
    "ece_by_chance": (
        "By chance", "The ECE that a model with these confidences would show if all of them were true.",
        "calibration.md#expected-calibration-error",
    ),
    "ece_p_value": (
        "p", "How often a model whose confidences are true would show at least this ECE.",
        "calibration.md#expected-calibration-error",
    ),
    "ece_equal_mass": (
        "ECE, equal mass", "Mean gap between confidence and accuracy over 15 bins of equally many images.",
        "calibration.md#equal-mass",
    ),
    "debiased_error": (
        "Debiased", "Root of the mean squared gap over bins of equal mass, without what chance adds; 0 is best.",
        "calibration.md#debiased-calibration-error",
    ),
    "classwise_ece": (
        "Classwise", "Mean over classes of the gap between a class's probability and how often it is the true one.",
        "calibration.md#classwise-calibration-error",
    ),
    "brier_reliability": (
        "Brier: reliability", "Part of the Brier score that calibration can mend; 0 is best.",
        "calibration.md#parts-of-the-brier-score",
    ),
    "brier_resolution": (
        "Brier: resolution", "Part of the Brier score that the model's knowledge takes off; more is better.",
        "calibration.md#parts-of-the-brier-score",
    ),
    "brier_uncertainty": (
        "Brier: uncertainty", "Brier score of always stating the classes' shares; a property of the data.",
        "calibration.md#parts-of-the-brier-score",
    ),
    "brier_within": (
        "Brier: within", "What differs inside bins: with the other three parts it makes their Brier score exactly.",
        "calibration.md#parts-of-the-brier-score",
    ),
    "brier_of_parts": (
        "Brier of the parts", "Brier score of the images that were split into parts: a random part of very many.",
        "calibration.md#parts-of-the-brier-score",
    ),
    "temperature": (
        "Temperature", "Divides the logits so that log loss is least; above 1 the model was too sure.",
        "calibration.md#temperature-scaling",
    ),
    "temperature_range": (
        "Between folds", "Lowest and highest temperature of five fits, each on four fifths of the images.",
        "calibration.md#temperature-scaling",
    ),
    "after_scaling": (
        "After", "With a temperature that was fitted on other images than those it is measured on.",
        "calibration.md#temperature-scaling",
    ),
    "auc": (
        "AUC", "Chance that an image of the class gets a higher probability of it than another image; 0.5 is chance.",
        "calibration.md#roc-and-auc",
    ),
    "auc_interval": (
        "95% interval", "DeLong's; under 500 images of the class wide enough for Newcombe's, too; none under 2.",
        "calibration.md#roc-and-auc",
    ),
    "average_precision": (
        "Average precision", "Mean precision at the class's own images; chance gives the class's share.",
        "calibration.md#precision-recall-and-average-precision",
    ),
    "ap_interval": (
        "95% interval", "Infinitesimal jackknife with Student's t; none under 2 images of the class, or at 1.",
        "calibration.md#precision-recall-and-average-precision",
    ),
    "macro_average": (
        "Macro average", "Mean over the classes, each counting the same.", "calibration.md#macro-and-micro-average"
    ),
    "micro_average": (
        "Micro average", "All pairs of image and class in one order; frequent classes count more.",
        "calibration.md#macro-and-micro-average",
    ),
    "top_k": (
        "Top-k accuracy", "Share of images whose true class is among the k most probable, with Wilson's interval.",
        "calibration.md#top-k-accuracy",
    ),
    "coverage": (
        "Coverage", "Share of the images that the model answers, the surest first.",
        "calibration.md#coverage-and-accuracy",
    ),
    "aurc": (
        "AURC", "Mean error rate of the surest answers over all coverages; 0 is best. No interval without errors.",
        "calibration.md#aurc",
    ),
    "excess_aurc": (
        "Excess AURC", "The part of AURC that a perfect order of the same answers would avoid; 0 is best.",
        "calibration.md#aurc",
    ),
    "accuracy_at_coverage": (
        "Accuracy at 90%", "Accuracy when the tenth of the images of which the model is least sure is left out.",
        "calibration.md#accuracy-at-90-per-cent-coverage",
    ),
    "coverage_at_accuracy": (
        "Coverage at 99%", "Largest share of images that can be answered, the surest first, with 99% of them right.",
        "calibration.md#coverage-at-99-per-cent-accuracy",
    ),
    "expected_cost": (
        "Cost", "Mean cost of an answer: the most probable class is said.", "calibration.md#expected-cost"
    ),
    "minimal_cost": (
        "Cost, by cost", "Mean cost when the class with the least expected cost is said.",
        "calibration.md#expected-cost",
    ),
    "cost_difference": (
        "Difference", "Cost of deciding by expected cost minus that of the most probable class, on the same images.",
        "calibration.md#expected-cost",
    ),
    "indifferent_threshold": (
        "Threshold by costs", "Where both answers cost the same if the probabilities are true.",
        "calibration.md#threshold-for-two-classes",
    ),
    "best_threshold": (
        "Best threshold", "The one that costs least on these very images; never: no probability is high enough.",
        "calibration.md#threshold-for-two-classes"
    ),
    "cross_validated_cost": (
        "Cost, cross-validated", "Cost on images other than those that chose the threshold.",
        "calibration.md#threshold-for-two-classes",
    ),
}  # fmt: skip
