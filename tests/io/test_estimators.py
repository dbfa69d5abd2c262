"""What a scikit-learn estimator answers, through its file."""

from __future__ import annotations

import numpy as np
import pytest

from diag.io.models import load_model
from diag.io.preprocessing import Preprocessing


@pytest.mark.parametrize("names", [None, "abc"])
def test_where_several_classes_are_equally_sure_the_answer_is_that_of_predict(names, tmp_path):
    from sklearn.linear_model import SGDClassifier
    from skops import io as skops_io

    rng = np.random.default_rng(0)
    centres = rng.random((3, 16))
    y = np.arange(300) % 3
    x = (centres[y] + rng.normal(0, 0.4, (300, 16))).astype(np.float32)
    labels = y if names is None else np.array(list(names))[y]
    estimator = SGDClassifier("log_loss", random_state=0).fit(x, labels)
    estimator.coef_ *= 100  # so steep that the sigmoids are 0 or 1
    estimator.intercept_ *= 100
    skops_io.dump(estimator, tmp_path / "steep.skops")
    theirs = estimator.predict_proba(x)
    answers = np.searchsorted(estimator.classes_, estimator.predict(x))
    assert (theirs.argmax(axis=1) != answers).sum() > 3  # scikit-learn itself differs from its probabilities here
    model = load_model(tmp_path / "steep.skops", preprocessing=Preprocessing(scale=1.0))
    proba = model.predict_proba(x.reshape(300, 4, 4, 1))
    np.testing.assert_array_equal(proba.argmax(axis=1), answers)
    np.testing.assert_allclose(proba, theirs, atol=2e-6)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
