"""Frozen results: arrays are read-only, frames are tidy, provenance is inside."""

from diag.results.activations import Activations
from diag.results.attribution import Attribution
from diag.results.comparison import Comparison
from diag.results.evaluation import Evaluation
from diag.results.faithfulness import Faithfulness
from diag.results.prototypes import MeanMaps, Prototypes

__all__ = ["Activations", "Attribution", "Comparison", "Evaluation", "Faithfulness", "MeanMaps", "Prototypes"]
