"""``diag ensemble`` and ``diag pseudo-label``: what they write, print and refuse."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import diag
from diag.cli import cli
from diag.errors import DiagError

SHIPPED = Path(__file__).resolve().parents[1] / "saved_models" / "digits"
NAMES = ("logistic_l1.skops", "logistic_l2.skops")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    for name in NAMES:
        shutil.copy(SHIPPED / name, place)
        shutil.copy((SHIPPED / name).with_suffix(".toml"), place)
    return place


def invoke(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def refused(*arguments):
    with pytest.raises(DiagError) as caught:
        CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    return str(caught.value)


def test_a_definition_is_written_and_every_command_takes_it(folder):
    out = folder / "both.ensemble.toml"
    models = [folder / name for name in NAMES]
    said = invoke("ensemble", *models, "--how", "weighted", "--weights", "0.7,0.3", "--name", "both", "--out", out)
    assert said.strip() == str(out)
    assert "must" not in said
    assert invoke("ensemble", *models, "--out", out, "--data", "digits", "--force").splitlines()[-1] == str(out)
    assert "expected a new file" in refused("ensemble", *models, "--out", out)
    figures = json.loads(invoke("evaluate", out, models[0], "--data", "digits", "--json"))
    assert [model["model"] for model in figures["models"]] == ["average of 2 models", "Logistic regression, L1"]
    assert "ensemble" in invoke("inspect", out)
    answers = folder / "answers.csv"
    invoke("predict", out, "--data", "digits", "--out", answers)
    assert len(answers.read_text(encoding="utf-8").splitlines()) == 798
    assert invoke("doctor", out, "--data", "digits", "--n", 30, "--json")
    assert "Cards are those of its members" in refused("init", out, "--out", folder / "card.toml", "--data", "digits")
    assert "expected a Keras model. Received: ensemble." in refused("convert", out, folder / "x.keras")


def test_it_is_judged_beside_its_best_member_and_the_oracle(folder):
    models = [folder / name for name in NAMES]
    values = json.loads(invoke("ensemble", *models, "--data", "digits", "--json"))
    data = diag.load_dataset("digits")
    runs = [diag.evaluate(diag.load_model(path), data) for path in models]
    table = diag.compare(runs).table()
    assert values["best_member"]["model"] == table.index[0]
    assert values["best_member"]["accuracy"] == table["accuracy"].iloc[0]
    assert values["oracle"] == diag.ensembles(diag.compare(runs)).oracle
    together = diag.evaluate(diag.ensemble([diag.load_model(path) for path in models]), data)
    assert values["ensemble"]["accuracy"] == together.figures()["accuracy"]
    text = invoke("ensemble", *models, "--data", "digits")
    assert f"oracle:      {values['oracle']:.2%}" in text
    assert f"It mends {values['mends']} and breaks {values['breaks']} answers" in text


def test_wrong_usage_of_ensemble(folder):
    models = [folder / name for name in NAMES]
    assert "--out" in invoke("ensemble", *models, code=2)
    assert "0.7,0.3" in invoke("ensemble", *models, "--how", "weighted", "--weights", "a", "--data", "digits", code=2)
    assert "only there" in refused("ensemble", *models, "--weights", "1,2", "--data", "digits")
    assert "2 to 60 models" in refused("ensemble", models[0], "--data", "digits")


def test_labels_are_written_with_the_error_to_expect(folder, tmp_path):
    out = tmp_path / "candidates.csv"
    arguments = ["pseudo-label", folder / NAMES[1], "--data", "digits", "--split", "train", "--calibrate", "digits"]
    text = invoke(*arguments, "--max-error", 0.05, "--out", out)
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["index", "name", "label", "class", "confidence", "expected_error"]
    assert text.startswith(f"{len(rows)} of 1,000 images have a confidence of at least")
    assert "candidates a class: 0 " in text
    values = json.loads(invoke(*arguments, "--max-error", 0.05, "--out", out, "--json"))
    assert values["candidates"] == len(rows)
    assert values["error_bound"] <= 0.05
    none = invoke(*arguments, "--max-error", 0.001, "--out", out)
    assert "would be needed; there are 797" in none
    assert out.read_text(encoding="utf-8").splitlines() == ["index,name,label,class,confidence,expected_error"]
