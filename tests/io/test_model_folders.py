"""A folder of models, and a shell's ``folder/*``."""

from __future__ import annotations

from pathlib import Path

import pytest

from diag.io.model_folders import model_files

MODELS = ["all.ensemble.toml", "cnn.h5", "cnn.v2.keras", "dense.hdf5", "logistic.skops"]
BESIDE = [
    "README.md", "all.csv", "cnn.hist", "cnn.toml", "cnn.v2.log", "cnn_training.log", "dense.toml", "logistic.toml",
    "logistic_trials.csv",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in [*MODELS, *BESIDE, ".hidden.h5", "notes.h5.bak"]:
        (tmp_path / name).touch()
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "cnn.h5").touch()
    return tmp_path


def names(paths):
    return [path.name for path in paths]


def test_a_folder_stands_for_the_models_in_it(folder):
    assert names(model_files([folder])) == MODELS  # sorted; cards, histories, hidden files and folders are no models


def test_everything_in_a_folder_is_the_folder(folder):
    everything = [folder / name for name in sorted([*MODELS, *BESIDE])]  # as a shell's * gives it
    assert model_files(everything) == model_files([folder])


def test_the_order_and_repetitions_are_those_given(folder):
    given = [folder / "dense.hdf5", folder / "cnn.h5", folder / "dense.hdf5"]
    assert model_files(given) == given


@pytest.mark.parametrize("name", ["test.csv", "cnn.toml.npz", "dense2.toml", "logistic.pkl", "cnn", "nowhere.h5"])
def test_what_is_no_text_about_a_model_is_kept_to_be_refused(folder, name):
    given = [folder / "cnn.h5", folder / "dense.hdf5", folder / "logistic.skops", folder / name]
    assert model_files(given) == given


@pytest.mark.parametrize("name", ["cnn.toml", "cnn.log"])
def test_a_text_alone_is_kept_to_be_refused(folder, name):
    assert names(model_files([folder / name])) == [name]
    assert names(model_files([folder / "older" / "cnn.h5", folder / name])) == ["cnn.h5", name]  # not beside it


def test_what_is_no_folder_of_models_is_returned_as_it_is(tmp_path):
    (tmp_path / "empty").mkdir()
    odd = [tmp_path / "empty", tmp_path / "nowhere", Path("a\0b"), Path("x" * 5000), Path()]
    assert model_files(odd) == odd
