"""What checks may cost: counted work, the same on every machine, and a row where it would be more."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from diag.checks import border, budget, linear_baseline, noise, units, wrong_preprocessing
from diag.checks.api import diagnose, run_check
from diag.checks.case import Case
from diag.checks.parts import part
from diag.errors import CheckNotApplicable, ModelLoadError, UnsupportedModelError
from diag.io.datasets import load_dataset
from diag.io.models import load_model
from diag.io.preprocessing import Preprocessing
from tests.checks.cases import make_case, one_hot
from tests.checks.conftest import AS_IS
from tests.fakes import save_model


def test_large_images_are_fewer_and_small_ones_are_all_looked_at():
    y = np.arange(60) % 2
    images = np.zeros((60, 4, 4, 1), dtype=np.uint8)
    case = make_case(y, one_hot(y, 2), images=images)
    assert (case.most, len(case.rows)) == (400, 60)
    large = Case(case.loaded, SimpleNamespace(images=SimpleNamespace(shape=(60, 2000, 1500, 3))), cache=False)
    assert large.most == 32  # 2**27 / 9e6 is 14, but 32 of them are below 2**30
    huge = Case(case.loaded, SimpleNamespace(images=SimpleNamespace(shape=(60, 9000, 9000, 3))), cache=False)
    assert huge.most == 4  # 2**30 / 2.43e8


def test_the_models_own_size_counts_where_it_is_larger():
    model = SimpleNamespace(native_shape=(None, 6000, 6000, 3))
    case = Case(model, SimpleNamespace(images=SimpleNamespace(shape=(60, 28, 28, 1))), cache=False)
    assert case.most == 9  # 2**30 / 1.08e8


def test_a_check_that_would_cost_too_much_has_a_row_with_both_figures(monkeypatch, tmp_path):
    from keras import layers

    stem = [layers.Flatten(), layers.Dense(2, activation="softmax")]
    network = save_model(tmp_path / "m.keras", stem, (8, 8, 1))
    x = np.random.default_rng(0).standard_normal((80, 8, 8, 1), dtype=np.float32)
    y = np.asarray(network(x)).argmax(axis=1)  # a model that is always right has something to lose
    assert 0.1 < y.mean() < 0.9
    case = Case(load_model(tmp_path / "m.keras", preprocessing=AS_IS), load_dataset((x, y)), cache=False)
    for module in ("sweep", "swaps"):
        monkeypatch.setattr(f"diag.checks.{module}.spent", lambda what, work: budget.spent(what, work, 5000))
    monkeypatch.setattr(units, "MOST_NUMBERS", 1000)
    for check in (noise.CHECK, border.CHECK):
        found, outcome = run_check(check, case)
        assert (found, outcome.status) == ([], "skipped")
        assert outcome.reason.startswith("Not finished: to ")
        assert "one check may take 5.0e+03" in outcome.reason
    with pytest.raises(CheckNotApplicable, match=r"to look into the network would take .* numbers"):
        _ = case.units


def test_scales_are_not_tried_on_a_network_for_which_they_cost_too_much():
    y = np.arange(60) % 2
    case = make_case(y, one_hot(1 - y, 2))
    case.__dict__["sweep"] = SimpleNamespace(cost=1e12)
    trial = SimpleNamespace(_case=case, open=None, in_use=Preprocessing(scale=1.0))
    from diag.checks.trial import Trial

    with pytest.raises(CheckNotApplicable, match="Not finished: to try other scales"):
        Trial.found.func(trial)


def test_a_linear_model_reads_fewer_large_images(monkeypatch):
    rng = np.random.default_rng(0)
    y = np.arange(300) % 2
    images = (rng.integers(0, 100, (300, 8, 8, 1)) + 100 * y[:, None, None, None]).astype(np.uint8)
    case = make_case(y, one_hot(y, 2), images=images)
    monkeypatch.setattr(linear_baseline, "READ", 64 * 120)
    assert len(linear_baseline.linear_answers(case).rows) == 120


def test_what_cannot_be_had_is_tried_once():
    class Holder:
        tries = 0

        @part
        def network(self):
            """Fail like a model process that died."""
            self.tries += 1
            raise ModelLoadError("m.keras: the process died")

        @part
        def figure(self):
            """Count."""
            self.tries += 1
            return 7

    holder = Holder()
    for _ in range(3):
        with pytest.raises(ModelLoadError, match="died"):
            _ = holder.network
    assert holder.tries == 1
    assert holder.figure + holder.figure == 14
    assert holder.tries == 2


def test_a_model_that_fails_is_asked_once_for_all_checks(tmp_path, monkeypatch):
    from keras import layers

    save_model(tmp_path / "m.keras", [layers.Flatten(), layers.Dense(2)], (4, 4, 1))
    model = load_model(tmp_path / "m.keras", preprocessing=AS_IS)
    asked = []

    def fail(self, operation, *rest):
        asked.append(operation)
        raise UnsupportedModelError("m.keras: the model process died")

    monkeypatch.setattr(type(model), "run", fail)
    diagnosis = diagnose(model, cache=False)
    assert len(diagnosis.outcomes) == 38
    assert sorted(asked) == sorted(set(asked))
    assert any("It could not be measured. m.keras" in (each.reason or "") for each in diagnosis.outcomes)


def test_one_dominant_class_leaves_the_preprocessing_open():
    found = SimpleNamespace(chance=0.98)
    with pytest.raises(CheckNotApplicable, match=r"98.0% of the labels are one class"):
        wrong_preprocessing._require_even(found)
    wrong_preprocessing._require_even(SimpleNamespace(chance=0.5))


def test_a_border_is_not_read_where_classes_have_one_image_and_cheaply_where_there_are_many(monkeypatch):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (400, 300, 1))
    assert border.readable(pixels, rng.integers(0, 1000, 400)) == 0.0
    y = np.arange(400) % 100
    marked = np.repeat(y[:, None, None], 300, axis=1)  # each pixel is the class: any of them names it
    seen = []
    from sklearn import model_selection

    whole = model_selection.cross_val_predict

    def counted(tree, values, *rest, **options):
        seen.append(values.shape[1])
        return whole(tree, values, *rest, **options)

    monkeypatch.setattr(model_selection, "cross_val_predict", counted)
    assert border.readable(marked, y) > 0.95  # four images a class: a fold may hold all of one
    assert border.readable(marked % 10, y % 10) == 1.0
    assert seen == [100, 150]  # every third of 300 pixels with 100 classes, every second with few
