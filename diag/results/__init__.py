"""Frozen results: arrays are read-only, frames are tidy, provenance is inside."""

from diag.results.activations import Activations
from diag.results.agreement import Agreement
from diag.results.attribution import Attribution
from diag.results.calibration import Calibration
from diag.results.comparison import Comparison
from diag.results.decisions import ExpectedCost
from diag.results.detection import Detection
from diag.results.diagnosis import Diagnosis, Evidence, Finding
from diag.results.discrimination import Discrimination
from diag.results.duplicates import Duplicates
from diag.results.embedding import Embedding
from diag.results.embedding_map import EmbeddingMap
from diag.results.ensembles import Ensembles
from diag.results.evaluation import Evaluation
from diag.results.evidence import DifferentEvidence
from diag.results.faithfulness import Faithfulness
from diag.results.label_issues import LabelIssues
from diag.results.prototypes import MeanMaps, Prototypes
from diag.results.pseudo_labels import PseudoLabels
from diag.results.ranking import Optimism, Ranks
from diag.results.slices import Slices

__all__ = [
    "Activations",
    "Agreement",
    "Attribution",
    "Calibration",
    "Comparison",
    "Detection",
    "Diagnosis",
    "DifferentEvidence",
    "Discrimination",
    "Duplicates",
    "Embedding",
    "EmbeddingMap",
    "Ensembles",
    "Evaluation",
    "Evidence",
    "ExpectedCost",
    "Faithfulness",
    "Finding",
    "LabelIssues",
    "MeanMaps",
    "Optimism",
    "Prototypes",
    "PseudoLabels",
    "Ranks",
    "Slices",
]
