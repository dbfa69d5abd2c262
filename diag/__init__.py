"""The debugger for saved Keras classifiers: which one is better, where does each fail, and why.

Names are imported when they are first used: ``import diag`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import diag.explain  # noqa: F401

# The package diag.explain is loaded (it holds nothing but a docstring) and its name given free, so that
# diag.explain is the function below, whichever of the package's modules somebody imports first.
del explain  # noqa: F821

if TYPE_CHECKING:
    from diag import views as views
    from diag.checks.api import diagnose as diagnose
    from diag.detection.api import detect as detect
    from diag.engines.embedding_map import embedding_map as embedding_map
    from diag.engines.label_issues import label_issues as label_issues
    from diag.engines.local import compare as compare
    from diag.engines.local import evaluate as evaluate
    from diag.engines.local import predict as predict
    from diag.engines.near_duplicates import near_duplicates as near_duplicates
    from diag.engines.pseudo_labels import pseudo_labels as pseudo_labels
    from diag.engines.slices import find_slices as find_slices
    from diag.engines.submission import submission as submission
    from diag.errors import DiagError as DiagError
    from diag.explain.api import explain as explain
    from diag.explain.evidence import different_evidence as different_evidence
    from diag.explain.faithfulness import faithfulness as faithfulness
    from diag.explain.prototypes import find_prototypes as find_prototypes
    from diag.explain.prototypes import mean_maps as mean_maps
    from diag.explain.prototypes import prototypes as prototypes
    from diag.filters.embedding import embed as embed
    from diag.filters.layers import activations as activations
    from diag.filters.layers import kernels as kernels
    from diag.io.datasets import Dataset as Dataset
    from diag.io.datasets import load_dataset as load_dataset
    from diag.io.ensembles import ensemble as ensemble
    from diag.io.histories import load_history as load_history
    from diag.io.isolated import audit as audit
    from diag.io.models import Model as Model
    from diag.io.models import load_model as load_model
    from diag.io.preprocessing import Preprocessing as Preprocessing
    from diag.results import Activations as Activations
    from diag.results import Attribution as Attribution
    from diag.results import Calibration as Calibration
    from diag.results import Comparison as Comparison
    from diag.results import Detection as Detection
    from diag.results import Diagnosis as Diagnosis
    from diag.results import Discrimination as Discrimination
    from diag.results import Duplicates as Duplicates
    from diag.results import Embedding as Embedding
    from diag.results import Evaluation as Evaluation
    from diag.results import ExpectedCost as ExpectedCost
    from diag.results import Faithfulness as Faithfulness
    from diag.results import Finding as Finding
    from diag.results import LabelIssues as LabelIssues
    from diag.results import MeanMaps as MeanMaps
    from diag.results import Optimism as Optimism
    from diag.results import Prototypes as Prototypes
    from diag.results import Ranks as Ranks
    from diag.results import Slices as Slices
    from diag.results.accuracies import accuracies as accuracies
    from diag.results.agreement import agreement as agreement
    from diag.results.attribution import disagreement as disagreement
    from diag.results.calibration import calibration as calibration
    from diag.results.decisions import expected_cost as expected_cost
    from diag.results.discrimination import discrimination as discrimination
    from diag.results.ensembles import ensembles as ensembles
    from diag.results.gate import Gate as Gate
    from diag.results.gate import gate as gate
    from diag.results.training import Training as Training
    from diag.results.training import training as training
    from diag.results.training import training_frame as training_frame
    from diag.views.report import report as report

__version__ = "0.1.0"

_HOMES = {
    "diagnose": "diag.checks.api",
    "detect": "diag.detection.api",
    "label_issues": "diag.engines.label_issues",
    "compare": "diag.engines.local",
    "evaluate": "diag.engines.local",
    "predict": "diag.engines.local",
    "near_duplicates": "diag.engines.near_duplicates",
    "find_slices": "diag.engines.slices",
    "submission": "diag.engines.submission",
    "embedding_map": "diag.engines.embedding_map",
    "pseudo_labels": "diag.engines.pseudo_labels",
    "DiagError": "diag.errors",
    "explain": "diag.explain.api",
    "different_evidence": "diag.explain.evidence",
    "faithfulness": "diag.explain.faithfulness",
    "find_prototypes": "diag.explain.prototypes",
    "mean_maps": "diag.explain.prototypes",
    "prototypes": "diag.explain.prototypes",
    "embed": "diag.filters.embedding",
    "activations": "diag.filters.layers",
    "kernels": "diag.filters.layers",
    "audit": "diag.io.isolated",
    "Dataset": "diag.io.datasets",
    "load_dataset": "diag.io.datasets",
    "ensemble": "diag.io.ensembles",
    "load_history": "diag.io.histories",
    "Model": "diag.io.models",
    "load_model": "diag.io.models",
    "Preprocessing": "diag.io.preprocessing",
    "Activations": "diag.results.activations",
    "Attribution": "diag.results.attribution",
    "Calibration": "diag.results.calibration",
    "Comparison": "diag.results.comparison",
    "Diagnosis": "diag.results.diagnosis",
    "Detection": "diag.results.detection",
    "Duplicates": "diag.results.duplicates",
    "Embedding": "diag.results.embedding",
    "Discrimination": "diag.results.discrimination",
    "Evaluation": "diag.results.evaluation",
    "ExpectedCost": "diag.results.decisions",
    "Finding": "diag.results.diagnosis",
    "LabelIssues": "diag.results.label_issues",
    "Faithfulness": "diag.results.faithfulness",
    "MeanMaps": "diag.results.prototypes",
    "Optimism": "diag.results.ranking",
    "Prototypes": "diag.results.prototypes",
    "Ranks": "diag.results.ranking",
    "Slices": "diag.results.slices",
    "accuracies": "diag.results.accuracies",
    "agreement": "diag.results.agreement",
    "calibration": "diag.results.calibration",
    "disagreement": "diag.results.attribution",
    "discrimination": "diag.results.discrimination",
    "expected_cost": "diag.results.decisions",
    "ensembles": "diag.results.ensembles",
    "Gate": "diag.results.gate",
    "gate": "diag.results.gate",
    "Training": "diag.results.training",
    "training": "diag.results.training",
    "training_frame": "diag.results.training",
    "report": "diag.views.report",
}
__all__ = sorted([*_HOMES, "__version__", "views"])


def __getattr__(name: str) -> object:
    """Import a public name from its home (PEP 562)."""
    if name == "views":
        return import_module("diag.views")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'diag' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
