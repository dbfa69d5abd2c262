"""Near-duplicates on digits: clean data has none, planted ones are found, whatever was done to them."""

from __future__ import annotations

import numpy as np
import pytest

import diag
from diag.engines import near_duplicates as module
from tests.checks.cases import make_run
from tests.metrics.test_altered_copies import jpeg

CHANGES = {
    "equal": lambda images: images,
    "compressed": lambda images: jpeg(images[..., 0])[..., None].astype(np.uint8),
    "brighter": lambda images: (images * 0.8 + 30).astype(np.uint8),
    "moved": lambda images: np.roll(images, (1, 1), (1, 2)),
    "mirrored": lambda images: images[:, :, ::-1],
}


@pytest.fixture(scope="module")
def digits():
    return diag.load_dataset("digits"), diag.load_dataset("digits", "train")


@pytest.fixture(scope="module")
def model():
    return diag.load_model("saved_models/digits/logistic_l2.skops")


def test_the_digits_have_no_duplicates(digits, model):
    data, train = digits
    found = diag.near_duplicates(diag.evaluate(model, data, progress=False), train)
    assert len(found) == 0
    assert found.verdict() == (
        "None of 797 images repeats another one, as it is or nearly; none is among the 1,000 training images."
    )
    assert found.groups() == []
    assert list(found.frame().columns)[:4] == ["image", "other", "where", "way"]


@pytest.mark.parametrize("change", CHANGES)
def test_planted_copies_are_found(digits, model, change):
    data, train = digits
    images, labels = np.asarray(data.images[np.arange(300)]), np.array(data.labels[:300])
    theirs = np.asarray(train.images[np.arange(5)])
    planted = np.concatenate([CHANGES[change](theirs), CHANGES[change](images[:4])])
    wrong = (labels[:4] + 1) % 10
    mixed = diag.load_dataset(
        (np.concatenate([images, planted]), np.concatenate([labels, train.labels[:5], wrong])),
        class_names=data.class_names,
    )
    run = diag.evaluate(model, mixed, cache=False, progress=False)
    found = diag.near_duplicates(run, train, cache=False)
    assert found.leaked().tolist() == list(range(300, 305))
    assert found.repeated().tolist() == list(range(305, 309))
    frame = found.frame()
    across = frame[frame["where"] == "train"].set_index("image")
    assert across["other"].to_dict() == {300 + place: place for place in range(5)}
    assert not across["labels_differ"].any()
    within = frame[frame["where"] == "test"].set_index("image")
    assert within["other"].to_dict() == {305 + place: place for place in range(4)}
    turned = change == "mirrored"  # another label may then be legitimate, and contradicts nothing
    assert within["labels_differ"].tolist() == [not turned] * 4
    assert found.turned_labels_differ.sum() == 4 * turned
    assert set(frame["way"]) == {"mirrored" if change == "mirrored" else "equal" if change == "equal" else "as it is"}
    assert found.counts() == {"repeated": 4, "leaked": 5, "pairs": 9, "labels_differ": 0 if turned else 4}
    said = "4 mirrored or upside-down pairs with another label may be right." if turned else ""
    assert found.verdict().endswith(said or " 4 of the 9 pairs have different labels.")
    if change == "equal":
        assert (frame["cosine_distance"] < 1e-6).all()


def test_the_cache_gives_the_same_and_csv_is_the_frame(digits, model, empty_cache, tmp_path):
    data, train = digits
    rows = np.r_[np.arange(200), 7, 7]
    run = diag.evaluate(model, data.subset(rows), progress=False)
    first, again = (diag.near_duplicates(run, train) for _ in range(2))
    assert first.frame().equals(again.frame())
    assert (empty_cache / "near_duplicates").is_dir()
    tests, trains = first.groups()[0]
    assert tests.tolist() == [7, 200, 201]
    assert trains.tolist() == []
    path = first.to_csv(tmp_path / "pairs.csv")
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1 + len(first)


def test_large_data_is_sampled_and_says_so(digits, model, monkeypatch):
    data, train = digits
    monkeypatch.setattr(module, "MOST", 300)
    monkeypatch.setattr(module, "MOST_TRAIN", 500)
    monkeypatch.setattr(module, "PAIRS", 0)  # hashes first, as with large data
    run = diag.evaluate(model, data, progress=False)
    found = diag.near_duplicates(run, train, cache=False)
    assert (found.n, found.n_train) == (300, 500)
    assert any("300 of 797 images" in note for note in found.notes)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_small_data_without_a_network(n):
    images = np.random.default_rng(0).integers(0, 256, (n, 12, 12, 1)).astype(np.uint8)
    images[-1] = images[0]
    run = make_run(np.zeros(n, int), np.tile([0.7, 0.3], (n, 1)), images=images)
    assert len(module._within(module._prints(run.data, 100, "images", 0)[0], np.random.default_rng(0))[0].image) == (
        0 if n == 1 else 1
    )
