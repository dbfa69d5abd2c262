"""Every figure and table that a notebook showed is made by one call of diag, and holds what it should."""

from __future__ import annotations

import pytest

from tests.seeds import dody, haby, harder, lungu, sd

TABLES = {"haby": haby.ROWS, "dody": dody.ROWS, "lungu": lungu.ROWS, "harder": harder.ROWS, "sd": sd.ROWS}
SHOWN = {
    "haby": """
        table with a header, label first; second table without labels; missing values; first 50 images with labels;
        loss and accuracy curves; test loss and accuracy; confusion matrix as counts;
        class with the most errors, a sentence
    """,
    "dody": """
        sample grid of 10 x 10 by class; class histogram; class percentages; missing-value check;
        what a constant classifier would score; table of training and testing accuracy;
        curves of two runs in one figure; confusion matrix; worst predictions; activations of every convolution;
        slip: activations of unscaled images
    """,
    "lungu": """
        channels first, normalised inside; Lambda layer; validation accuracies of thirteen steps; ten random correct;
        ten random wrong; ten most confident correct of each class; ten most confident incorrect of each class;
        average of several models; pseudo-labelling
    """,
    "harder": """
        table without a header, label last; test table without labels; 80/20 split unshuffled; Submission.csv;
        growing list of validation accuracies; table of six models; training curves per model;
        ten labels beside ten probability vectors; VGG16: 32x32 and three channels; VGG16: frozen; Hyperband's trials
    """,
    "sd": """
        NAME.h5, reloaded; NAME.hist, a pickle; NAME_training.log, by CSVLogger; miscategorised examples by true class;
        10 x 10 grid, true across, predicted down; matrix in per cent of the true class;
        matrix of counts, diagonal blanked; SHAP maps of ten correct, one a class; SHAP maps of ten wrong;
        kernels of the first convolution; activations of the first convolution; results table; slip: dropout left on;
        slip: chosen on the test set
    """,
}
"""What each notebook showed, read or got wrong."""


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{notebook}-{figure}")
        for notebook, rows in TABLES.items()
        for figure, check in rows.items()
    ],
)
def test_figure(check, place, tmp_path):
    check(place, tmp_path)


@pytest.mark.parametrize("notebook", SHOWN)
def test_every_figure_has_its_row(notebook):
    figures = [" ".join(figure.split()) for figure in SHOWN[notebook].split(";")]
    assert sorted(figures) == sorted(TABLES[notebook])
    assert len(set(TABLES[notebook].values())) == len(figures)  # a check of its own each
