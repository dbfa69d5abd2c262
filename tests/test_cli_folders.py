"""Folders of models on the command line, and cards that name data which is not there."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from diag.cli import cli, main
from diag.io.readers import builtin
from tests.test_cli import SHIPPED

LINEAR_MODELS = ["logistic_l1.skops", "logistic_l2.skops"]


@pytest.fixture
def folder(tmp_path):
    """Two estimators, their cards, a history and a description."""
    place = tmp_path / "models"
    place.mkdir()
    for name in LINEAR_MODELS:
        for file in (name, name.replace(".skops", ".toml")):
            shutil.copy(SHIPPED / file, place / file)
    (place / "logistic_l1.log").write_text("epoch,loss\n0,1.0\n")
    (place / "README.md").write_text("# Models\n")
    return place


def printed(*arguments):
    result = CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code in (0, 3, 4), result.output
    return result


@pytest.mark.parametrize("command", ["evaluate", "compare", "doctor", "labels", "report"])
def test_a_folder_is_all_models_in_it_for_every_command(command, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # "labels" writes a file
    printed("evaluate", folder)  # so that both find the same kept results
    out = ["--out", tmp_path / "out.html", "--no-checks"] if command == "report" else []
    found = json.loads(printed(command, folder, "--json", *out).stdout)
    named = json.loads(printed(command, *(folder / name for name in LINEAR_MODELS), "--json", *out).stdout)
    assert found == named


def test_everything_in_a_folder_is_the_folder_and_what_is_left_out_is_said(folder):
    result = printed("evaluate", *sorted(folder.iterdir()), "--json")
    assert len(json.loads(result.stdout)["models"]) == 2
    left = "README.md, logistic_l1.log, logistic_l1.toml and 1 more"
    assert result.stderr == f"note: no models, but beside them and named after them: {left}.\n"
    assert printed("evaluate", folder, "--json").stderr == ""


def test_two_models_of_a_folder_pass_a_gate(folder):
    assert printed("compare", folder, "--fail-if", "accuracy drops 50pp").exit_code == 0


@pytest.fixture
def without_mnist(folder, tmp_path, monkeypatch):
    """The folder with cards that name MNIST, on a machine without it and without a network."""
    for card in folder.glob("*.toml"):
        card.write_text(card.read_text().replace('source = "digits"', 'source = "mnist"'))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(builtin, "_unreachable", lambda origin: "Network is unreachable")
    return folder


@pytest.mark.parametrize(
    "arguments", [["report", "--out", "out.html"], ["evaluate"], ["compare"], ["doctor"], ["explain", "--index", "3"]]
)
def test_without_mnist_one_line_says_where_to_get_it(arguments, without_mnist, monkeypatch, capsys):
    monkeypatch.chdir(without_mnist)
    monkeypatch.setattr("diag.engines.local.evaluate", lambda *_, **__: pytest.fail("nothing is to be computed"))
    monkeypatch.setattr(sys, "argv", ["diag", arguments[0], str(without_mnist), *arguments[1:]])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr()
    assert caught.value.code == 1
    assert said.out == ""
    (line,) = said.err.splitlines()
    place = without_mnist.parent / "keras" / "datasets"
    assert line.startswith(f"error: mnist: expected mnist.npz in {place}. Received: nothing there")
    assert "Network is unreachable" in line
    assert line.endswith("--data with a .npz of your own, or judge on other digits: --data digits.")
    assert not (without_mnist / "out.html").exists()


def test_mnist_is_taken_from_kerass_folder_from_a_file_and_replaced_by_digits(without_mnist, tmp_path):
    x, y = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8), np.arange(60) % 10
    digits = json.loads(printed("evaluate", without_mnist, "--data", "digits", "--json").stdout)
    assert digits["data"]["n"] == 797
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    kept = tmp_path / "keras" / "datasets" / "mnist.npz"
    np.savez(kept, x_train=x[:4], y_train=y[:4], x_test=x, y_test=y)
    by_card, by_name, by_path = (
        json.loads(printed("evaluate", without_mnist, *more, "--json").stdout)
        for more in ([], ["--data", "mnist"], ["--data", kept])
    )
    assert by_card["data"]["n"] == by_path["data"]["n"] == 60
    for model in range(2):
        found = [said["models"][model]["confusion"] for said in (by_card, by_name, by_path)]
        assert found[0] == found[1] == found[2]
