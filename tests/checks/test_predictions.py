"""DG104, DG105, DG108, DG109, DG201, DG204, DG205, DG206."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.checks import (
    class_count,
    class_imbalance,
    confidence_gap,
    linear_baseline,
    never_predicted,
    outputs_scale,
    stretched_images,
    unused_labels,
)
from diag.checks.case import Case
from diag.checks.confidence_gap import fitted_temperature, tempered
from diag.checks.facts import LastLayer
from diag.checks.outputs_scale import squeezed
from diag.checks.stretched_images import distortion
from diag.io.datasets import load_dataset
from diag.io.models import load_model
from diag.io.preprocessing import Preprocessing
from tests.checks.cases import found, make_case, noise_images, one_hot, only, reason
from tests.fakes import save_model


def keras_case(tmp_path, layers, k=4, n=40):
    """Return a case of an untrained Keras network on noise."""
    save_model(tmp_path / "net.keras", layers, (6, 6, 1))
    labels = np.arange(n) % k
    return Case(load_model(tmp_path / "net.keras"), load_dataset((noise_images(n, 6), labels)), cache=False)


# DG104


def test_two_softmax_layers_in_a_row_are_named(tmp_path):
    from keras import layers

    head = [layers.Dense(4, activation="softmax", name="head"), layers.Dropout(0.1), layers.Softmax(name="again")]
    finding = only(outputs_scale.CHECK, keras_case(tmp_path, [layers.Flatten(), *head]))
    assert finding.severity == "warning"
    assert "head and again" in finding.message
    assert finding.measured["bound"] == pytest.approx(np.e / (np.e + 3))


def test_a_nested_model_with_softmax_under_another_softmax_is_opened(tmp_path):
    import keras
    from keras import layers

    inner = keras.Sequential([keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(4, activation="softmax")])
    finding = only(outputs_scale.CHECK, keras_case(tmp_path, [inner, layers.Activation("softmax")]))
    assert "twice" in finding.message


def test_softmax_and_one_sigmoid_are_in_order(tmp_path):
    from keras import layers

    softmax = [layers.Flatten(), layers.Dense(8, activation="relu"), layers.Dense(4, activation="softmax")]
    assert found(outputs_scale.CHECK, keras_case(tmp_path, softmax)) == []
    sigmoid = [layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    assert found(outputs_scale.CHECK, keras_case(tmp_path, sigmoid, k=2)) == []


def test_logits_and_a_sigmoid_a_class_are_worth_a_note(tmp_path):
    from keras import layers

    logits = only(outputs_scale.CHECK, keras_case(tmp_path, [layers.Flatten(), layers.Dense(4)]))
    assert logits.severity == "note"
    assert "softmax was applied" in logits.message
    several = [layers.Flatten(), layers.Dense(4, activation="sigmoid")]
    assert "divided by its sum" in only(outputs_scale.CHECK, keras_case(tmp_path, several)).message
    one = only(outputs_scale.CHECK, keras_case(tmp_path, [layers.Flatten(), layers.Dense(1)], k=2))
    assert "sigmoid was applied" in one.message


def fake_outputs(outputs, activation):
    """Return a case of a head that says `activation` and gives `outputs`."""
    return SimpleNamespace(
        structure=SimpleNamespace(last=(LastLayer("head", softmax=False),)),
        outputs=np.asarray(outputs, dtype=np.float32),
        model=SimpleNamespace(file=SimpleNamespace(activation=activation)),
    )


def test_a_declared_softmax_whose_rows_do_not_sum_to_one_is_a_warning():
    finding = only(outputs_scale.CHECK, fake_outputs([[0.9, 0.4], [0.2, 0.1]], "softmax"))
    assert finding.severity == "warning"
    assert finding.measured["largest_sum"] == pytest.approx(1.3)
    assert only(outputs_scale.CHECK, fake_outputs([[1.2], [-0.1]], "sigmoid")).severity == "warning"


def test_probabilities_behind_a_linear_head_are_a_warning():
    finding = only(outputs_scale.CHECK, fake_outputs([[0.9, 0.1], [0.2, 0.8]], "linear"))
    assert "softmax was put on top" in finding.message


def test_outputs_with_nan_do_not_apply():
    assert "NaN" in reason(outputs_scale.CHECK, fake_outputs([[np.nan, 0.1]], "softmax"))


def test_a_scikit_learn_model_has_no_layers_to_look_at():
    case = make_case([0, 1], one_hot([0, 1], 2))
    assert "scikit-learn" in reason(outputs_scale.CHECK, case)


def softmax(values):
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def test_squeezed_probabilities_are_told_from_those_of_an_untrained_network():
    rng = np.random.default_rng(0)
    sure = softmax(10 * np.eye(10)[rng.integers(0, 10, 50)])
    assert squeezed(softmax(sure))
    assert not squeezed(sure)
    assert not squeezed(softmax(rng.normal(0, 0.1, (50, 10))))
    assert not squeezed(softmax(rng.normal(0, 3, (50, 10))))


# DG105


def labelled_case(tmp_path, labels, outputs, class_names=None, card=""):
    """Return a case of an untrained network with so many outputs."""
    from keras import layers

    save_model(tmp_path / "net.keras", [layers.Flatten(), layers.Dense(outputs, activation="softmax")], (6, 6, 1))
    (tmp_path / "net.toml").write_text(card, encoding="utf-8")
    data = load_dataset((noise_images(len(labels), 6), np.asarray(labels)), class_names=class_names)
    return Case(load_model(tmp_path / "net.keras"), data, cache=False)


def test_labels_without_an_output_are_critical_and_named(tmp_path):
    finding = only(class_count.CHECK, labelled_case(tmp_path, [0, 1, 3, 0, 2, 3], 2))
    assert finding.severity == "critical"
    assert finding.samples == (2, 4, 5)
    assert finding.measured == {"outputs": 2, "classes": 4, "largest_label": 3, "images": 3}
    assert [row["images"] for row in finding.evidence[0].rows] == [2, 1, 1, 2]


def test_the_remedy_says_what_numbering_would_fit(tmp_path):
    assert "without gaps" in only(class_count.CHECK, labelled_case(tmp_path, [0, 4, 0], 3)).remedy
    assert "take" in only(class_count.CHECK, labelled_case(tmp_path, [0, 1, 2, 3], 2)).remedy.lower()


def test_names_that_the_card_does_not_have_are_critical(tmp_path):
    card = 'class_names = ["bird", "cat", "dog"]'
    case = labelled_case(tmp_path, [0, 1, 1], 3, ("cat", "cow"), card)
    finding = only(class_count.CHECK, case)
    assert finding.severity == "critical"
    assert "cow" in finding.message
    assert finding.samples == (1, 2)


def test_outputs_that_stand_for_no_class_are_counted():
    y = np.arange(200) % 3
    predicted = y.copy()
    predicted[7] = 5
    finding = only(class_count.CHECK, make_case(y, one_hot(predicted, 6, 0.95)))
    assert finding.severity == "warning"  # (1/2)**200
    assert finding.measured["classes"] == 3
    assert finding.measured["outputs"] == 6
    assert finding.samples == (7,)
    assert finding.measured["mean_probability"] == pytest.approx((199 * 0.03 + 0.97) / 200, abs=1e-6)


def test_a_class_that_chance_left_out_is_a_note_and_a_full_head_is_nothing():
    few = make_case([0, 1, 0, 1], one_hot([0, 1, 0, 1], 3))  # (2/3)**4 = 0.2
    assert only(class_count.CHECK, few).severity == "note"
    assert found(class_count.CHECK, make_case([0, 1, 2], one_hot([0, 1, 2], 3))) == []
    assert "one class" in reason(class_count.CHECK, make_case([0, 0], one_hot([0, 0], 3)))


def test_outputs_that_the_card_names_are_classes():
    case = make_case([0, 1], one_hot([0, 1], 3), card_names=("0", "1", "2"))
    assert found(class_count.CHECK, case) == []
    assert only(unused_labels.CHECK, case).measured["absent"] == 1


# DG108


def stretched_case(shape, target, sizes=None, n=10):
    images = np.zeros((n, *shape, 1), np.uint8)
    case = make_case(np.arange(n) % 2, one_hot(np.arange(n) % 2, 2), images=images)
    case.run.model.preprocessing = Preprocessing(resize=target)
    data = dataclasses.replace(case.data, sizes=sizes) if sizes else case.data
    return Case(case.run.model, data, run=case.run, cache=False)


def test_other_proportions_are_noted_with_their_factor():
    finding = only(stretched_images.CHECK, stretched_case((28, 56), (28, 28)))
    assert finding.severity == "note"
    assert finding.measured["largest_factor"] == 2.0
    assert finding.measured["stretched"] == 10


def test_mixed_sizes_are_counted_from_the_headers():
    finding = only(stretched_images.CHECK, stretched_case((28, 28), (28, 28), {"28x28": 6, "56x56": 1, "28x42": 3}))
    assert finding.measured["stretched"] == 3
    assert finding.measured["sizes"] == 3
    assert finding.measured["largest_factor"] == pytest.approx(1.5)


def test_equal_proportions_are_fine():
    assert found(stretched_images.CHECK, stretched_case((56, 56), (28, 28))) == []
    assert found(stretched_images.CHECK, stretched_case((28, 30), (28, 28))) == []
    assert "no data" in reason(stretched_images.CHECK, Case(SimpleNamespace(), None))


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 500), st.integers(1, 500))
def test_distortion_does_not_depend_on_which_side_is_which(a, b, c, d):
    value = distortion((a, b), (c, d))
    assert value >= 1
    assert value == pytest.approx(distortion((b, a), (d, c)))
    assert value == pytest.approx(distortion((c, d), (a, b)))


# DG109


def test_classes_without_images_are_a_note_and_a_warning_when_training_lacks_them_too():
    y = np.array([0, 1, 3] * 10)
    proba = one_hot(np.where(np.arange(30) == 4, 2, y), 4)
    finding = only(unused_labels.CHECK, make_case(y, proba))
    assert finding.severity == "note"
    assert finding.samples == (4,)
    assert finding.measured == {"absent": 1, "classes": 4, "predicted": 1}
    both = make_case(y, proba, train=(noise_images(30, seed=1), y))
    assert only(unused_labels.CHECK, both).severity == "warning"
    trained = make_case(y, proba, train=(noise_images(4, seed=1), np.arange(4)))
    assert only(unused_labels.CHECK, trained).severity == "note"


def test_outputs_behind_the_last_label_are_left_to_dg105():
    assert found(unused_labels.CHECK, make_case([0, 1, 2], one_hot([0, 1, 2], 5))) == []


# DG201


def test_a_class_that_is_never_predicted_is_a_warning_and_several_are_critical():
    y = np.repeat(np.arange(10), 20)
    one = np.where(y == 3, 5, y)
    finding = only(never_predicted.CHECK, make_case(y, one_hot(one, 10)))
    assert finding.severity == "warning"
    assert finding.measured == {"classes": 1, "images": 20, "share": 0.1}
    assert set(finding.samples) == set(range(60, 80))
    assert finding.evidence[0].rows == ({"class": "3", "called": "5", "images": 20},)
    two = np.where(y == 4, 5, one)
    assert only(never_predicted.CHECK, make_case(y, one_hot(two, 10))).severity == "critical"


def test_few_images_of_a_class_do_not_prove_that_it_is_never_predicted():
    # 4 of 204 images: (1 - 4/204)**204 * 11 classes = 0.19
    y = np.concatenate([np.repeat(np.arange(10), 20), np.full(4, 10)])
    assert found(never_predicted.CHECK, make_case(y, one_hot(np.where(y == 10, 0, y), 11))) == []


def test_constant_answers_and_one_class_are_left_to_other_checks():
    y = np.arange(40) % 2
    assert "DG202" in reason(never_predicted.CHECK, make_case(y, one_hot(np.zeros(40, int), 2)))
    assert "one class" in reason(never_predicted.CHECK, make_case(np.zeros(40, int), one_hot(y, 2)))


# DG204


def blobs(n, k=3, seed=0):
    """Return images whose left, middle or right third is bright: a linear model tells them apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    images = rng.integers(0, 60, (n, 12, 12, 1))
    for row, label in enumerate(y):
        images[row, :, 4 * label : 4 * label + 4] += 100
    return images.astype(np.uint8), y


def test_a_model_that_a_linear_one_beats_is_a_warning_with_the_mcnemar_counts():
    images, y = blobs(300)
    predicted = np.where(np.arange(300) < 90, (y + 1) % 3, y)
    finding = only(linear_baseline.CHECK, make_case(y, one_hot(predicted, 3), images=images))
    assert finding.severity == "warning"
    assert finding.measured["linear_accuracy"] == 1.0
    assert (finding.measured["only_linear"], finding.measured["only_model"]) == (90, 0)
    assert finding.measured["p_value"] == pytest.approx(0.5**90)
    assert finding.samples == tuple(range(90))


def test_the_training_images_are_used_when_they_are_known():
    images, y = blobs(200)
    other, labels = blobs(150, seed=1)
    case = make_case(y, one_hot((y + 1) % 3, 3), images=images, train=(other, labels))
    finding = only(linear_baseline.CHECK, case)
    assert finding.measured["fitted_on"] == 150
    assert "150 training images" in finding.message


def test_a_model_that_beats_the_linear_one_is_not_reported():
    y = np.arange(200) % 2  # noise images: nothing to learn
    assert found(linear_baseline.CHECK, make_case(y, one_hot(y, 2))) == []


def test_an_equal_model_is_worth_a_note():
    images, y = blobs(200)
    predicted = np.where(np.arange(200) < 2, (y + 1) % 3, y)
    assert only(linear_baseline.CHECK, make_case(y, one_hot(predicted, 3), images=images)).severity == "note"
    assert found(linear_baseline.CHECK, make_case(y, one_hot(y, 3), images=images)) == []


def test_too_few_images_one_class_and_other_sizes_do_not_apply():
    assert "too few" in reason(linear_baseline.CHECK, make_case([0, 1] * 10, one_hot([0, 1] * 10, 2)))
    same = np.zeros(60, int)
    assert "one class" in reason(linear_baseline.CHECK, make_case(same, one_hot(same, 2)))
    y = np.arange(60) % 2
    blank = make_case(y, one_hot(y, 2), images=np.zeros((60, 8, 8, 1), np.uint8))
    assert "all alike" in reason(linear_baseline.CHECK, blank)
    other = make_case(y, one_hot(y, 2), train=(noise_images(60, 8), y))
    assert "different sizes" in reason(linear_baseline.CHECK, other)


# DG205


def test_low_recall_of_rare_classes_is_a_warning():
    y = np.repeat([0, 1, 2, 3], [200, 200, 200, 40])
    predicted = y.copy()
    predicted[600:620] = 0  # half of the rare class
    finding = only(class_imbalance.CHECK, make_case(y, one_hot(predicted, 4)))
    assert finding.severity == "warning"
    assert finding.measured["ratio"] == 5.0
    assert (finding.measured["rare"], finding.measured["others"]) == (0.5, 1.0)
    assert set(finding.samples) == set(range(600, 620))


def test_the_training_data_says_what_is_rare_when_it_is_known():
    y = np.repeat([0, 1, 2], 100)
    predicted = np.where((y == 2) & (np.arange(300) % 2 == 0), 0, y)
    train = np.repeat([0, 1, 2], [80, 80, 8])
    case = make_case(y, one_hot(predicted, 3), train=(noise_images(168, seed=1), train))
    finding = only(class_imbalance.CHECK, case)
    assert finding.severity == "warning"
    assert finding.measured["ratio"] == 10.0
    assert "training data" in finding.message


def test_imbalance_without_effect_is_a_note_and_balance_is_nothing():
    y = np.repeat([0, 1], [300, 50])
    assert only(class_imbalance.CHECK, make_case(y, one_hot(y, 2))).severity == "note"
    even = np.arange(100) % 2
    assert found(class_imbalance.CHECK, make_case(even, one_hot(even, 2))) == []
    few = np.repeat([0, 1], [7, 2])  # chi-square of 25/9 with one degree of freedom: p = 0.096
    assert found(class_imbalance.CHECK, make_case(few, one_hot(few, 2))) == []
    assert "Fewer than two" in reason(class_imbalance.CHECK, make_case([0, 0], one_hot([0, 0], 2)))


# DG206


def calibration_case(confidence, n=1000, accuracy=0.8):
    y = np.arange(n) % 4
    wrong = np.arange(n) >= accuracy * n
    return make_case(y, one_hot(np.where(wrong, (y + 1) % 4, y), 4, confidence))


def test_overconfidence_is_a_warning_and_the_temperature_mends_it():
    finding = only(confidence_gap.CHECK, calibration_case(0.97))
    assert finding.severity == "warning"
    assert finding.measured["gap"] == pytest.approx(0.17, abs=1e-6)
    assert finding.measured["ece"] == pytest.approx(0.17, abs=1e-6)
    # All rows are alike, so that scaling can make the confidence equal to the accuracy:
    # odds 0.97 / 0.01 ** (1/T) = 0.8 / (0.2 / 3), T = ln 97 / ln 12
    assert finding.measured["temperature"] == pytest.approx(np.log(97) / np.log(12), rel=1e-3)
    assert finding.measured["ece_scaled"] < 0.05
    assert all(sample >= 800 for sample in finding.samples)


def test_underconfidence_is_a_note_unless_it_is_very_large():
    assert only(confidence_gap.CHECK, calibration_case(0.7)).severity == "note"
    assert only(confidence_gap.CHECK, calibration_case(0.4)).severity == "warning"


def test_a_small_gap_with_a_large_temperature_is_a_warning():
    # 97 % right at 99.9999 %: T = ln(3e6) / ln(97) = 3.26 instead of 1
    assert only(confidence_gap.CHECK, calibration_case(1 - 1e-6, accuracy=0.97)).severity == "warning"
    # 97 % right at 99.7 %: T = ln(997) / ln(97) = 1.5
    assert only(confidence_gap.CHECK, calibration_case(0.997, accuracy=0.97)).severity == "note"


def test_calibrated_confidence_and_few_images_are_not_reported():
    assert found(confidence_gap.CHECK, calibration_case(0.8)) == []
    assert found(confidence_gap.CHECK, calibration_case(0.81)) == []
    assert "Fewer than 50" in reason(confidence_gap.CHECK, calibration_case(0.97, n=40))


@given(st.floats(0.2, 5), st.integers(0, 100))
def test_the_fitted_temperature_undoes_a_known_one(factor, seed):
    rng = np.random.default_rng(seed)
    logs = np.log(rng.dirichlet(np.ones(3), 400))
    labels = (np.exp(logs).cumsum(axis=1) > rng.random((400, 1))).argmax(axis=1)  # drawn from these probabilities
    base = fitted_temperature(logs, labels)
    assert fitted_temperature(logs * factor, labels) == pytest.approx(base * factor, rel=0.01)
    assert np.allclose(tempered(logs * factor, factor), np.exp(logs))
