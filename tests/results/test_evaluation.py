"""What one run says and lists: its verdict, probabilities, and images of all classes together."""

from __future__ import annotations

import numpy as np
import pytest

import diag
from diag.errors import InvalidInputError
from diag.results import Comparison
from tests.fakes import build_run


def run_of(true, predicted, names, confidence=0.8, **more):
    k = len(names)
    proba = np.full((len(true), k), (1 - confidence) / max(k - 1, 1))
    proba[np.arange(len(true)), predicted] = confidence
    return build_run(true, proba, class_names=names, **more)


CAT = "Class cat has the most errors: "


@pytest.mark.parametrize(
    ("true", "predicted", "said"),
    [
        ([0, 0, 0, 1], [0, 0, 0, 1], "100.0% of 4 images right. No class has an error."),
        ([0, 0, 0, 1], [0, 1, 0, 1], f"75.0% of 4 images right. {CAT}1 of its 3 images (33.3%), taken for dog."),
        ([0, 0, 0, 1], [1, 1, 0, 1], f"50.0% of 4 images right. {CAT}2 of its 3 images (66.7%), all taken for dog."),
        (
            [0, 0, 0, 0, 1],
            [1, 1, 2, 0, 1],
            f"40.0% of 5 images right. {CAT}3 of its 4 images (75.0%), 2 of them taken for dog.",
        ),
        ([0, 1, 2, 3], [0, 2, 1, 3], "50.0% of 4 images right. Classes dog and owl have the most errors, 1 each."),
        (
            [0, 1, 2, 3],
            [1, 2, 3, 0],
            "0.0% of 4 images right. Classes cat, dog, owl and 1 more have the most errors, 1 each.",
        ),
    ],
)
def test_the_verdict_names_the_class_with_most_errors(true, predicted, said):
    assert run_of(true, predicted, ["cat", "dog", "owl", "fox"]).verdict() == f"model: {said}"


def test_a_class_with_most_errors_is_not_the_one_with_the_lowest_recall():
    # 3 of 10 cats are wrong, and the only dog: 3 errors are more than 1.
    run = run_of([0] * 10 + [1], [1] * 3 + [0] * 7 + [0], ["cat", "dog"])
    assert "Class cat has the most errors: 3 of its 10 images (30.0%)" in run.verdict()


def test_probabilities_have_a_column_a_class_beside_the_label():
    proba = [[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]]
    run = build_run([0, 1, 1], proba, class_names=["index", "true_class"])
    frame = run.probabilities([2, 0])
    assert frame.index.tolist() == [(2, "true_class"), (0, "index")]
    assert frame.columns.tolist() == ["index", "true_class"]
    assert frame.to_numpy().tolist() == [proba[2], proba[0]]
    assert run.probabilities().to_numpy().tolist() == proba


@pytest.mark.parametrize("indices", [[3], [-1], [0.5], [[0]]])
def test_probabilities_of_no_image_are_refused(indices):
    with pytest.raises(InvalidInputError, match=r"expected 0\.\.2"):
        build_run([0, 1, 1], np.full((3, 2), 0.5)).probabilities(indices)


def test_the_worst_errors_of_all_classes():
    # Confidences of the errors 0, 1, 3: 0.6, 0.9, 0.7; image 2 is right.
    run = build_run([0, 0, 1, 1], [[0.4, 0.6], [0.1, 0.9], [0.2, 0.8], [0.7, 0.3]])
    assert run.errors(n=2)["index"].tolist() == [1, 3]
    assert run.errors(n=9)["index"].tolist() == [1, 3, 0]
    assert run.correct(n=5)["index"].tolist() == [2]


def test_images_drawn_at_random_are_of_any_class_and_known_by_the_seed():
    true = np.repeat(np.arange(4), 25)
    run = run_of(true, np.where(np.arange(100) % 2, true, (true + 1) % 4), list("abcd"))
    for draw, wrong in ((lambda seed: run.errors(n=10, by="random", seed=seed), True),
                        (lambda seed: run.correct(n=10, order="random", seed=seed), False)):  # fmt: skip
        first = draw(0)["index"].tolist()
        assert len(set(first)) == 10
        assert all((index % 2 == 0) == wrong for index in first)
        assert draw(0)["index"].tolist() == first
        assert draw(1)["index"].tolist() != first
        assert len(set(true[first])) > 1
    # A class at a time: at most two of each, and the class is that of the image.
    frame = run.errors(per_class=2, by="random")
    assert frame["class"].tolist() == list("aabbccdd")
    assert (frame["class"] == frame["true_class"]).all()


@pytest.mark.parametrize("call", ["errors", "correct"])
def test_no_images_are_no_number_of_images(call):
    run = build_run([0, 1], [[0.9, 0.1], [0.8, 0.2]])
    for options, said in [
        ({"n": 0}, "n: expected a whole number of at least 1, or None. Received: 0"),
        ({"n": 2.5}, "n: expected a whole number of at least 1, or None. Received: 2.5"),
        ({"per_class": "3"}, "per_class: expected a whole number of at least 1, or None. Received: '3'"),
        ({"seed": -1}, "seed: expected a whole number of at least 0. Received: -1"),
        ({"seed": -1, "by" if call == "errors" else "order": "random"}, "seed: expected a whole number"),
    ]:
        with pytest.raises(InvalidInputError, match=said):
            getattr(run, call)(**options)


def test_accuracies_of_parts_stand_side_by_side():
    # On the training part a has 2 of 2 right and b 1; on the test part a has 1 of 4 and b 3.
    train = Comparison.from_runs([run_of([0, 1], [0, 1], "xy", name="a"), run_of([0, 1], [0, 0], "xy", name="b")])
    test = Comparison.from_runs(
        [run_of([0, 0, 1, 1], [0, 1, 0, 0], "xy", name="a"), run_of([0, 0, 1, 1], [0, 0, 1, 0], "xy", name="b")]
    )
    with pytest.raises(InvalidInputError, match=r"accuracies, 'testing': expected a comparison\. Received: Evaluation"):
        diag.accuracies({"training": train, "testing": test.runs[0]})
    with pytest.raises(InvalidInputError, match="Received: Comparison"):
        diag.accuracies(test)
    frame = diag.accuracies({"training": train, "testing": test})
    assert frame.index.tolist() == ["b", "a"]
    assert frame.to_dict("list") == {"training": [0.5, 1.0], "testing": [0.75, 0.25]}
    alone = Comparison.from_runs([test.runs[0]])
    assert np.isnan(diag.accuracies({"training": train, "testing": alone}).loc["b", "testing"])
    with pytest.raises(InvalidInputError, match="at least one comparison"):
        diag.accuracies({})
