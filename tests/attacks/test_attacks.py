"""Every attack, one after the other, on one process of diag; then some by the real command line; then good files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diag.io.models import load_model
from tests.attacks.damaged import SAVED
from tests.attacks.harness import ROOT, Range
from tests.attacks.models import good2, good_arrays, keras_file, legacy_file, weights
from tests.attacks.table import ATTACKS, planted
from tests.attacks.trap import FEEDS, Trap

BY_NAME = {attack.name: attack for attack in ATTACKS}


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = Range(tmp_path_factory.mktemp("attacks"))
    yield made
    made.close()


def test_the_table_is_as_large_as_was_asked_for_and_tells_its_attacks_apart():
    assert len(BY_NAME) == len(ATTACKS) >= 80
    assert {attack.feed for attack in ATTACKS} == set(FEEDS)
    assert sum(not attack.harmless for attack in ATTACKS) >= 80


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_held_off_in_one_line(ground, attack):
    outcome, wrong = ground.fire(attack)
    assert not wrong, f"{attack.tries}: {outcome.kind}, {outcome.text[:300]}"


COMMANDS = (
    ("inspect", "lambda_layer"),
    ("inspect", "hdf5_external_link"),
    ("inspect", "archive_config_600_mib"),
    ("inspect", "size_names_of_control_characters"),
    ("inspect", "skops_os_system"),
    ("evaluate", "gadget_boston_housing"),
    ("evaluate", "size_units"),
    ("evaluate", "path_fifo_model"),
    ("evaluate", "ensemble_absolute"),
    ("data", "data_npy_objects"),
    ("data", "picture_png_claims"),
    ("data", "path_url_0.npz_data"),
)


@pytest.mark.parametrize(("command", "name"), COMMANDS)
def test_the_real_command_line_ends_in_one_line(ground, tmp_path, command, name):
    trap = Trap(tmp_path / name, ground.marker, ground.canary, "http://127.0.0.1:9")
    given = planted(BY_NAME[name], trap)
    data = tmp_path / "tiny.npz"
    np.savez(data, x=np.zeros((4, 8, 8, 1), np.uint8), y=np.arange(4) % 2)
    model = keras_file(tmp_path / "good.keras")
    arguments = {
        "inspect": ["inspect", given],
        "evaluate": ["evaluate", given, "--data", str(data)],
        "data": ["evaluate", str(model), "--data", given],
    }[command]
    run = subprocess.run(
        [sys.executable, "-m", "diag", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
        env=ground.environment(), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert run.returncode in ((0, 1) if command == "inspect" else (1,)), run.stderr
    assert "Traceback" not in run.stderr
    if run.returncode == 1:
        assert len(run.stderr.splitlines()) == 1
        assert run.stderr.startswith("error: ")
        assert run.stderr.rstrip("\n").isprintable()
        assert len(run.stderr) < 520
    assert not any(char in run.stdout for char in "\x1b\u202e\x07")
    assert not ground.marker.exists()


def _weights_and_architecture(folder):
    legacy_file(folder / "w.h5", change=lambda file: file.attrs.pop("model_config"))
    (folder / "w.json").write_text(json.dumps(good2()))
    return folder / "w.h5"


def _keras_1(folder):
    layers = [
        {"class_name": "Flatten", "config": {"name": "flatten", "batch_input_shape": [None, 8, 8, 1]}},
        {"class_name": "Dense", "config": {"name": "dense", "output_dim": 2, "activation": "softmax", "input_dim": 64}},
    ]
    config = {"class_name": "Sequential", "config": layers}
    return legacy_file(folder / "one.h5", config, keras_version="1.2.2")


def _ensemble(folder):
    keras_file(folder / "a.keras")
    keras_file(folder / "b.keras")
    path = folder / "both.ensemble.toml"
    path.write_text('members = ["a.keras", "b.keras"]\n')
    return path


def _with_optimiser(folder):
    training = {"optimizer_config": {"class_name": "Adam", "config": {"lr": 0.1}}, "loss": "mse", "metrics": ["acc"]}
    return legacy_file(folder / "t.h5", training_config=json.dumps(training))


def _copied(source, name):
    return lambda folder: Path(shutil.copy(SAVED / source, folder / name))


LEGITIMATE = {
    "keras": lambda folder: keras_file(folder / "a.keras"),
    "keras_written_by_keras": _copied("dense.keras", "a.keras"),
    "keras_with_convolutions": _copied("cnn_lungu.keras", "a.keras"),
    "h5": lambda folder: legacy_file(folder / "a.h5"),
    "h5_written_by_keras": _copied("cnn_sd.h5", "a.h5"),
    "h5_with_a_loss": _with_optimiser,
    "h5_of_keras_1": _keras_1,
    "skops": _copied("logistic_l1.skops", "a.skops"),
    "ensemble": _ensemble,
    "weights_beside_an_architecture": _weights_and_architecture,
    "keras_called_h5": _copied("dense.keras", "a.h5"),
    "h5_called_keras": _copied("cnn_sd.h5", "a.keras"),
    "h5_without_ending": _copied("cnn_sd.h5", "model"),
    "skops_called_zip": _copied("logistic_l1.skops", "a.zip"),
    "keras_with_assets": lambda folder: keras_file(folder / "a.keras", extra={"assets/words.txt": "a\nb\n"}),
    "keras_with_a_few_weights_more": lambda folder: keras_file(
        folder / "a.keras", weight_file=weights(**_adam(folder))
    ),
}


def _adam(_):
    return {**good_arrays(), "optimizer/vars/0": np.zeros((), np.int64), "optimizer/vars/1": np.zeros((64, 2), "f4")}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_honest_models_of_every_format_load_and_answer(tmp_path, name):
    model = load_model(LEGITIMATE[name](tmp_path))
    images = np.random.default_rng(0).random((3, *model.input_shape), np.float32)
    proba = model.predict_proba(images)
    assert proba.shape == (3, model.n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)


def test_the_corpus_can_be_written_for_other_tools(tmp_path, monkeypatch, capsys):
    from tests.attacks import __main__ as written

    monkeypatch.setattr(written, "ATTACKS", ATTACKS[:3])
    monkeypatch.setattr(sys, "argv", ["attacks", str(tmp_path / "corpus")])
    assert written.main() == 0
    assert "3 attacks" in capsys.readouterr().out
    assert len((tmp_path / "corpus" / "attacks.tsv").read_text().splitlines()) == 4
    assert not (tmp_path / "corpus" / "MARKER").exists()
    assert written.main() == 2  # the folder is there
