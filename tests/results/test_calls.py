"""What is passed by mistake - another kind of thing, a number that is not whole - is refused in one line."""

from __future__ import annotations

import re

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError
from diag.results.comparison import Comparison
from tests.fakes import build_run


@pytest.fixture(scope="module")
def run():
    return build_run([0, 1], np.eye(2), images=np.zeros((2, 4, 4, 1), np.uint8))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda run: diag.evaluate(run.model, run.data.images),
            "evaluate: expected a data set. Received: ndarray. Pass",
        ),
        (lambda run: diag.predict(run.model, [1]), "predict: expected a data set. Received: list"),
        (lambda run: diag.submission(run.model, run), "submission: expected a data set. Received: Evaluation"),
        (lambda run: diag.training([run]), "training: expected a comparison or histories by name. Received: list"),
        (lambda run: diag.views.training_chart(run), "training_chart: expected a training. Received: Evaluation"),
        (
            lambda run: diag.views.confusion_chart(Comparison.from_runs([run])),
            "expected an evaluation. Received: Comparison",
        ),
        (lambda run: diag.views.confusion_pair_chart(3), "expected an evaluation. Received: int"),
        (lambda run: diag.views.class_balance_chart(run), "expected a data set. Received: Evaluation"),
        (lambda run: diag.views.attribution_figure([]), "expected maps. Received: none"),
        (lambda run: run.top_confusions(2.5), "n: expected a whole number of at least 1, or None. Received: 2.5"),
        (lambda run: run.correct(order=["random"]), "order: expected one of"),
    ],
)
def test_one_line_says_what_was_expected(run, call, said):
    with pytest.raises(InvalidInputError, match=re.escape(said)):
        call(run)
