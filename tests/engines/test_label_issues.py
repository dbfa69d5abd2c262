"""Label issues on digits: planted wrong labels are found, odd images are told apart, and what is missing is said.

Measured with the shipped "CNN sd" on 797 digits with 40 wrong labels (means of five seeds, benchmarks/label_issues.py):
of the labels called wrong 94 % are planted (98 % without training data), and 88 % of those planted are found; of
cleanlab's list 78 % are planted. With four networks 95 % and 79 %. The bounds below leave a margin.
"""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner

import diag
from diag.cli import cli
from diag.engines import label_issues as module
from diag.engines import witnesses
from diag.errors import UnsupportedModelError
from tests.fakes import build_run


@pytest.fixture(scope="module")
def digits():
    return diag.load_dataset("digits"), diag.load_dataset("digits", "train")


@pytest.fixture(scope="module")
def models():
    names = ("cnn_sd.h5", "dense.keras", "logistic_l2.skops")
    return [diag.load_model(f"saved_models/digits/{name}") for name in names]


def planted(data, share=0.05, seed=0, extra=None):
    """Return the data with wrong labels and further images, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    labels = np.array(data.labels)
    wrong = np.sort(rng.choice(len(labels), round(share * len(labels)), replace=False))
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10
    images = np.asarray(data.images[np.arange(len(labels))])
    if extra is not None:
        images = np.concatenate([images, extra])
        labels = np.concatenate([labels, rng.integers(0, 10, len(extra))])
    return diag.load_dataset((images, labels), class_names=data.class_names), wrong


def evaluated(models, data):
    return diag.compare([diag.evaluate(model, data, progress=False) for model in models])


def scores(found, wrong):
    named = found.of_kind("wrong_label")
    return np.isin(named, wrong).mean(), np.isin(wrong, named).mean()


@pytest.mark.parametrize("with_train", [True, False])
def test_planted_labels_are_found_by_one_network(digits, models, with_train):
    data, wrong = planted(digits[0])
    found = diag.label_issues(evaluated(models[:1], data), digits[1] if with_train else None)
    precision, recall = scores(found, wrong)
    assert precision >= 0.85
    assert recall >= 0.8
    assert found.reference == ("train" if with_train else "test")
    assert any("One model" in note for note in found.notes)
    assert any("No training data" in note for note in found.notes) is not with_train
    assert 0.03 < found.estimated_share < 0.1
    others = np.setdiff1d(wrong, found.indices)  # every sure error has a kind, no right answer has one
    assert found.counts()["wrong_label"] + found.counts()["confusion"] <= len(found)
    assert len(others) < 8


def test_several_models_must_agree(digits, models):
    data, wrong = planted(digits[0])
    found = diag.label_issues(evaluated(models, data), digits[1])
    precision, recall = scores(found, wrong)
    assert precision >= 0.85
    assert recall >= 0.65
    assert found.evidence.n_models == 3
    named = found.kinds == 0
    assert (found.evidence.votes[named] >= 2).all()
    row = found.frame().query("kind == 'wrong_label'").iloc[0]
    assert row["sentence"].startswith(f"Labelled {row['label']}; all 3 models say {row['suggested']} (")
    assert "of the nearest training images" in row["sentence"]


@pytest.mark.parametrize("what", ["noise", "inverted"])
def test_odd_images_are_unlike_anything(digits, models, what):
    n, rng = 25, np.random.default_rng(1)
    noise = rng.integers(0, 256, (n, 28, 28, 1)).astype(np.uint8)
    odd = noise if what == "noise" else 255 - np.asarray(digits[0].images[np.arange(n)])
    data, _ = planted(digits[0], share=0, extra=odd)
    comparison = evaluated(models[:1], data)
    found = diag.label_issues(comparison, digits[1])
    answered = np.flatnonzero(~comparison.runs[0].correct_mask)
    missed = np.setdiff1d(answered[answered >= 797], found.of_kind("unlike_training"))
    assert len(missed) <= 2
    assert len(found.of_kind("unlike_training")) <= n + 25
    assert "than" in found.sentence(int(np.flatnonzero(found.kinds == 2)[0]))


def test_the_order_of_samples_does_not_matter(digits, models):
    data, _ = planted(digits[0])
    order = np.random.default_rng(0).permutation(len(data))
    one = diag.label_issues(evaluated(models[2:], data), digits[1])
    two = diag.label_issues(evaluated(models[2:], data.subset(order)), digits[1])
    assert sorted(order[two.indices].tolist()) == sorted(one.indices.tolist())
    kinds = dict(zip(one.indices.tolist(), one.kinds.tolist(), strict=True))
    assert all(kinds[order[index]] == kind for index, kind in zip(two.indices, two.kinds.tolist(), strict=True))


def test_the_scale_of_features_does_not_matter(digits, models, monkeypatch):
    data, _ = planted(digits[0])
    run = diag.evaluate(models[2], data, progress=False)
    plain = diag.label_issues(run, digits[1], cache=False)
    embed = witnesses.embed

    def scaled(*arguments):
        found = embed(*arguments)
        return dataclasses.replace(found, features=found.features * np.float32(64))

    monkeypatch.setattr(witnesses, "embed", scaled)
    again = diag.label_issues(run, digits[1], cache=False)
    assert again.frame().equals(plain.frame())


@pytest.mark.parametrize("large", [0, 10**9])
def test_the_cache_gives_the_same(digits, models, empty_cache, monkeypatch, large):
    monkeypatch.setattr(module, "LARGE", large)
    run = diag.evaluate(models[2], planted(digits[0])[0], progress=False)
    first, again = (diag.label_issues(run, digits[1]) for _ in range(2))
    assert (empty_cache / "label_issues").is_dir()
    assert first.frame().equals(again.frame())
    assert first.notes == again.notes
    assert not first.scores.flags.writeable


def test_long_lists_are_cut_and_large_data_is_sampled(digits, models, monkeypatch):
    data, _ = planted(digits[0])
    monkeypatch.setattr(module, "MOST", 10)
    monkeypatch.setattr(witnesses, "MOST", 300)
    monkeypatch.setattr(witnesses, "USUAL", 100)
    monkeypatch.setattr(witnesses, "ALIKE", 50)
    monkeypatch.setattr(witnesses, "PIXEL_BUDGET", 28 * 28 * 200)
    for train in (digits[1], None):
        found = diag.label_issues(diag.evaluate(models[2], data, progress=False), train, cache=False)
        assert found.sure.sum() == 10 < found.found
        assert "the 10 with the least probable label" in " ".join(found.notes)
        assert "drawn by class" in " ".join(found.notes)
        said = "among 200 of the 300 images searched, drawn at random (seed 0), and with 50 of 100 right answers"
        assert f"pixel by pixel {said}" in " ".join(found.notes)
        assert "(the worst 10 are listed)" in found.verdict()
        assert (found.neighbours < (1000 if train else 797)).all()
        assert not (found.neighbours == found.indices[:, None]).any() or train


def test_csv_quotes_hostile_names(digits, models, tmp_path):
    data, _ = planted(digits[0])
    run = diag.evaluate(models[2], data, progress=False)
    names = ("=HYPERLINK(1)", *run.class_names[1:])
    found = dataclasses.replace(diag.label_issues(run, digits[1]), class_names=names)
    with found.to_csv(tmp_path / "issues.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found)
    assert not any(value.startswith("=") for row in rows for value in row.values())
    assert any(row["label"] == "'=HYPERLINK(1)" for row in rows)


def test_models_without_an_embedding_leave_votes_and_similar_images(digits, models, monkeypatch):
    def refuse(*_):
        raise UnsupportedModelError("no layers")

    monkeypatch.setattr(witnesses, "embed", refuse)
    data, wrong = planted(digits[0])
    found = diag.label_issues(evaluated(models[1:], data), digits[1], cache=False)
    assert np.isnan(found.evidence.near_named).all()
    assert any("No model has an embedding: no layers" in note for note in found.notes)
    assert scores(found, wrong)[0] >= 0.85


@pytest.mark.parametrize(("y", "proba"), [([0], [[1.0]]), ([0, 0], [[1.0], [1.0]]), ([0, 1], [[0.9, 0.1], [0.1, 0.9]])])
def test_nothing_to_doubt(y, proba):
    found = diag.label_issues(build_run(y, proba), cache=False)
    assert len(found) == 0
    assert found.verdict() == f"No label of {len(y)} is contradicted by a sure answer."
    assert list(found.frame()["kind"]) == []
    assert found.counts() == {"wrong_label": 0, "confusion": 0, "unlike_training": 0}


def test_the_command_prints_counts_and_writes_the_csv(tmp_path):
    out = tmp_path / "issues.csv"
    arguments = [
        "labels",
        "saved_models/digits/logistic_l2.skops",
        "--data",
        "digits",
        "--train",
        "digits",
        "--out",
        out,
    ]
    done = CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    assert "labels are contradicted by a sure answer" in done.output
    assert str(out) in done.output
    assert out.read_text(encoding="utf-8").startswith("index,label,suggested,kind,sure,score")
