"""Finding slices: a planted group with its numbers, silence where there is none, the shipped models, and the edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import diag
from diag.engines.slices import find_slices
from diag.errors import InvalidInputError
from diag.results import Comparison
from tests.fakes import build_run

SHIPPED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"


def judged(y_true, wrong, k=2, **more):
    """Return a run that is wrong exactly there."""
    y_true = np.asarray(y_true)
    proba = np.full((len(y_true), k), 0.2 / max(k - 1, 1))
    predicted = np.where(wrong, (y_true + 1) % k, y_true)
    proba[np.arange(len(y_true)), predicted] = 0.8
    return build_run(y_true, proba, **more)


@pytest.fixture(scope="module")
def planted():
    """1,000 images of two classes; camera B: 30 of 100 wrong, elsewhere 45 of 900."""
    rng = np.random.default_rng(0)
    y_true = np.tile([0, 1], 500)
    camera = np.array(["A"] * 900 + ["B"] * 100)
    wrong = np.zeros(1000, dtype=bool)
    wrong[rng.choice(900, 45, replace=False)] = True
    wrong[900 + rng.choice(100, 30, replace=False)] = True
    return judged(y_true, wrong), {"camera": camera, "hour": rng.integers(0, 24, 1000)}


def test_the_planted_group_is_found_with_its_numbers(planted):
    from scipy.stats import fisher_exact

    run, columns = planted
    found = find_slices(run, metadata=columns, by=("class", "metadata"))
    row = found.frame().iloc[0]
    assert row["slice"] == "camera = B"
    assert (row["n"], row["errors"], row["accuracy"]) == (100, 30, 0.7)
    assert row["rest"] == pytest.approx(855 / 900)
    assert row["difference"] == pytest.approx(0.7 - 0.95)
    # Newcombe (1998) gives Wilson's interval; here from statsmodels: proportion_confint(70, 100, method="wilson").
    assert (row["accuracy_low"], row["accuracy_high"]) == (
        pytest.approx(0.60418, abs=1e-4),
        pytest.approx(0.78106, abs=1e-4),
    )
    fisher = fisher_exact([[30, 70], [45, 855]], alternative="greater").pvalue
    assert fisher * (1 - 1e-9) <= row["p_value"] < 1e-9  # the larger of Fisher's and of that within classes
    assert row["inside"] is None
    assert row["p_adjusted"] == pytest.approx(min(1, row["p_value"] * len(found)))
    inside = found.frame().query("slice.str.contains('camera = B, ')")
    assert len(inside)
    assert set(inside["inside"]) == {"camera = B"}
    assert "1 slice with markedly more errors. Worst: camera = B, 70.0% of 100" in found.verdict()


def test_errors_come_first_and_the_surest_before(planted):
    run, columns = planted
    found = find_slices(run, metadata=columns, by=("metadata",))
    indices = found.indices("camera = B")
    assert sorted(indices) == list(range(900, 1000))
    assert not run.correct_mask[indices[:30]].any()
    assert run.correct_mask[indices[30:]].all()
    with pytest.raises(InvalidInputError, match="expected one of"):
        found.indices("camera = C")


def test_every_models_accuracy_is_given(planted):
    run, columns = planted
    other = judged(run.samples["y_true"], np.arange(1000) % 4 == 0, name="other")
    found = find_slices(Comparison.from_runs([other, run]), metadata=columns, by=("metadata",))
    assert found.model_name == "model"  # the better one is searched
    rows = found.models().set_index(["slice", "model"])
    assert rows.loc[("camera = B", "other"), "accuracy"] == 0.75
    assert rows.loc[("camera = B", "model"), "difference"] == found.frame()["difference"][0]


def test_no_planted_group_nothing_found():
    # 200 data sets of two classes, one harder, with 3 columns that say nothing: some 40 groups each. At 5 %, at most
    # 10 are expected to have a false slice; 16 or more have probability 0.04 if exactly so.
    rng = np.random.default_rng(1)
    false_alarms = 0
    for _ in range(200):
        y_true = rng.integers(0, 2, 600)
        run = judged(y_true, rng.random(600) < np.where(y_true == 1, 0.15, 0.05))
        columns = {"a": rng.integers(0, 4, 600), "b": rng.normal(size=600), "c": rng.integers(0, 3, 600)}
        false_alarms += bool(find_slices(run, metadata=columns, by=("metadata",)).significant.any())
    assert false_alarms <= 15


def test_a_hard_class_is_one_slice_and_columns_that_follow_it_are_none():
    rng = np.random.default_rng(2)
    y_true = rng.integers(0, 4, 2000)
    wrong = rng.random(2000) < np.where(y_true == 3, 0.4, 0.05)
    follows = np.where(rng.random(2000) < 0.9, y_true, rng.integers(0, 4, 2000))
    found = find_slices(judged(y_true, wrong, 4), metadata={"copy": follows}, by=("class", "metadata"), depth=1)
    assert found.frame()["slice"].tolist() == ["class 3"]
    everything = found.frame(tried=True).set_index("slice")
    assert everything.loc["copy = 3", "difference"] < -0.2
    assert everything.loc["copy = 3", "p_adjusted"] == 1


def test_clusters_of_given_features():
    rng = np.random.default_rng(3)
    kind = rng.integers(0, 5, 1000)
    features = np.eye(5)[kind] + rng.normal(0, 0.05, (1000, 5))
    run = judged(rng.integers(0, 3, 1000), rng.random(1000) < np.where(kind == 2, 0.5, 0.05), 3)
    found = find_slices(run, features, by=("cluster",), cache=False)
    worst = found.frame().iloc[0]
    assert set(np.flatnonzero(kind == 2)) >= set(found.indices(worst["slice"]))
    assert worst["accuracy"] < 0.6
    with pytest.raises(InvalidInputError, match="features of 1000"):
        find_slices(run, features[:9], by=("cluster",))


def test_the_shipped_models_share_their_worst_threes():
    data = diag.load_dataset("digits")
    run = diag.evaluate(diag.load_model(SHIPPED / "dense.keras"), data)
    first = diag.find_slices(run)
    assert first.frame()["slice"].str.startswith("class 3, cluster").any()
    assert 50 < len(first) < 300
    again = diag.find_slices(run)
    assert first.frame(tried=True).equals(again.frame(tried=True))
    assert "dense" in first.notes[0]


@pytest.mark.parametrize(("k", "n"), [(1, 1), (2, 1), (1, 50), (2, 60), (1000, 1500)])
def test_small_and_large(k, n, empty_cache):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (n, 4, 6, 3), dtype=np.uint8)
    y_true = rng.integers(0, k, n)
    for wrong in (np.zeros(n, dtype=bool), np.full(n, k > 1)):
        run = judged(y_true, wrong, k, images=images)
        found = find_slices(run, rng.normal(size=(n, 7)), {"x<script>": rng.integers(0, 2, n)})
        assert found.frame().empty
        assert found.verdict()
        assert found.models(range(len(found))).shape[0] == len(found)


def test_what_does_not_fit_says_so(planted):
    run, columns = planted
    with pytest.raises(InvalidInputError, match="1000 values a column"):
        find_slices(run, metadata={"camera": ["A"]}, by=("metadata",))
    for wrong in ({"by": ("colour",)}, {"depth": 3}, {"min_size": 0}, {"alpha": 2}):
        with pytest.raises(InvalidInputError, match="expected"):
            find_slices(run, metadata=columns, **wrong)


def test_many_columns_are_bounded():
    rng = np.random.default_rng(4)
    run = judged(rng.integers(0, 2, 3000), rng.random(3000) < 0.1)
    found = find_slices(run, metadata={f"c{i}": rng.integers(0, 8, 3000) for i in range(30)}, by=("metadata",))
    assert len(found) <= 5000
    assert "pairs of columns were left out" in found.notes[-1]
