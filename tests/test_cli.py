"""The command line: every command has help, does its work, and refuses in one line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from diag.cli import cli, main
from diag.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "saved_models" / "digits"
LINEAR, DENSE, CNN = SHIPPED / "logistic_l2.skops", SHIPPED / "dense.keras", SHIPPED / "cnn_lungu.keras"


def invoke(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_and_stands_in_the_readme(command):
    assert command.help
    assert f"diag {command.name}" in (ROOT / "README.md").read_text(encoding="utf-8")
    output = invoke(command.name, "--help")
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name
            assert parameter.opts[0] in output


def test_help_imports_nothing_heavy():
    heavy = ("numpy", "pandas", "tensorflow", "keras", "shap", "streamlit", "sklearn", "altair", "rich")
    code = f"import sys, diag.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_library_never_imports_streamlit_and_import_diag_is_light():
    code = (
        "import sys, diag\n"
        "known = ('__version__', 'views')\n"
        "odd = [name for name in dir(diag) if name not in known and not callable(getattr(diag, name))]\n"
        "print(odd, 'streamlit' in sys.modules)"
    )
    light = subprocess.run(
        [sys.executable, "-c", "import sys, diag; print('numpy' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert light.stdout.strip() == "False"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"
    for path in (ROOT / "diag").rglob("*.py"):
        assert "import streamlit" not in path.read_text(encoding="utf-8"), path


def test_evaluate_json_is_the_notebooks_figure():
    import diag

    values = json.loads(invoke("evaluate", LINEAR, DENSE, "--json"))
    run = diag.evaluate(diag.load_model(DENSE), diag.load_dataset("digits"))
    assert values["models"][1]["accuracy"] == run.summary()["accuracy"].iloc[0]
    assert values["models"][1]["confusion"] == run.confusion_matrix().to_numpy().tolist()
    assert values["data"]["n"] == 797
    assert "McNemar" in values["verdict"]
    comparison = diag.compare([diag.evaluate(diag.load_model(LINEAR), run.data), run])
    assert values["pairs"][0]["relation"] == comparison.pairs()["relation"].iloc[0] == "worse"
    assert [row["difference"] for row in values["differences"]] == comparison.differences()["difference"].tolist()
    assert values["optimism"]["expected"] == comparison.optimism().expected


def test_evaluate_prints_a_sentence_for_each_pair_with_the_best():
    lines = invoke("evaluate", LINEAR, DENSE, CNN).splitlines()
    assert lines[2].split("  ")[0] == "CNN lungu"
    assert "~ 92.10%" in lines[2]
    assert lines[-2].startswith("The data cannot separate Dense and CNN lungu (p = ")
    assert lines[-1].startswith("Dense is better than Logistic regression, L2 by 2.5 points (95% ")


def test_evaluate_prints_a_table():
    output = invoke("evaluate", DENSE)
    assert "log loss" in output
    assert "digits, test: 797 images, 10 classes" in output


def test_report_writes_one_file(tmp_path):
    out = tmp_path / "report.html"
    output = invoke("report", LINEAR, DENSE, "--out", out, "--no-explain")
    assert output.strip().splitlines()[-1] == str(out)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_inspect_reads_without_running():
    output = invoke("inspect", CNN)
    assert "Conv2D" in output
    assert "keras_version" in output
    values = json.loads(invoke("inspect", LINEAR, "--json"))
    assert values["class"] == "LogisticRegression"
    assert values["parameters"] == 10 * 784 + 10


def test_explain_writes_a_picture_a_page_or_arrays(tmp_path):
    from PIL import Image

    import diag

    chosen = ("--index", 3, "--background", 5)
    png, html, npz = (tmp_path / f"map.{ending}" for ending in ("png", "html", "npz"))
    invoke("explain", CNN, *chosen, "--out", png)
    with Image.open(png) as picture:
        assert picture.format == "PNG"
        assert picture.width > 2500  # an image, its contrast and ten maps
    output = invoke("explain", CNN, DENSE, *chosen, "--outputs", "true+predicted", "--out", html)
    assert "CNN lungu: DeepSHAP" in output
    page = html.read_text(encoding="utf-8")
    assert page.count(" rather than ") == 4  # two models, each as text and as what a picture is of
    assert "script-src &#39;sha256-" in page
    assert "script-src &#39;unsafe" not in page
    assert "http" not in page.replace("http-equiv", "")
    invoke("explain", CNN, *chosen, "--outputs", "2,3", "--target", "logit", "--out", npz)
    options = {"background": 5, "outputs": [2, 3], "target": "logit"}
    expected = diag.explain(diag.load_model(CNN), diag.load_dataset("digits"), [3], **options)
    with np.load(npz) as arrays:
        np.testing.assert_array_equal(arrays["values"], expected.values)
        assert arrays["outputs"].tolist() == [[2, 3]]
        assert str(arrays["target"]) == "logit"


def test_explain_says_what_a_tolerance_reached(tmp_path):
    arguments = ("--index", 3, "--background", 60, "--tolerance", 0.3, "--out", tmp_path / "map.npz")
    assert "of 60 references used; standard error at most" in invoke("explain", CNN, *arguments)


@pytest.mark.parametrize(
    "wrong",
    [("--background", "means:3"), ("--tolerance", "1"), ("--out", "map.pdf"), ("--method", "lime")],
)
def test_explain_refuses_wrong_options(wrong):
    result = CliRunner().invoke(cli, ["explain", str(CNN), "--index", "3", *wrong])
    assert result.exit_code == 2
    assert wrong[1] in result.output


def test_trust_says_how_far_maps_can_be_trusted():
    import diag

    output = invoke("trust", DENSE, "--n", 6, "--background", 5)
    found = diag.faithfulness(diag.load_model(DENSE), diag.load_dataset("digits"), n=6, background=5)
    assert output == f"Dense: {found.verdict()}\n"
    (model,) = json.loads(invoke("trust", DENSE, "--n", 6, "--background", 5, "--json"))["models"]
    assert model["verdict"] == found.verdict()
    assert len(model["differences"]) == 4


def test_predict_writes_a_submission(tmp_path):
    # Pixels are whole numbers, no header, no label: the third layout of the notebooks.
    from diag import load_dataset, load_model, submission

    data = load_dataset("digits")
    source, out = tmp_path / "test.csv", tmp_path / "Submission.csv"
    np.savetxt(source, data.images[:5].reshape(5, -1), fmt="%d", delimiter=",")
    invoke(
        "predict",
        DENSE,
        "--data",
        source,
        "--out",
        out,
        "--id-column",
        "ImageId",
        "--label-column",
        "Label",
        "--id-start",
        1,
    )
    rows = list(csv.reader(out.read_text().splitlines()))
    small = tmp_path / "small.npz"
    np.savez(small, x=np.zeros((2, 14, 14), np.uint8))
    said = invoke("predict", DENSE, "--data", small, "--out", tmp_path / "small.csv")
    assert "note: Images of 14x14 were stretched to the model's 28x28" in said
    expected = load_model(DENSE).predict_proba(data.images[:5]).argmax(axis=1)
    assert rows[0] == ["ImageId", "Label"]
    assert rows[1:] == [[str(place + 1), str(label)] for place, label in enumerate(expected)]
    # What a notebook calls: the same table, and by default the columns that the command has by default.
    frame = submission(load_model(DENSE), load_dataset(source), tmp_path / "same.csv", id_column="ImageId", id_start=1)
    assert frame.columns.tolist() == ["ImageId", "Category"]
    assert frame.astype(str).to_numpy().tolist() == rows[1:]
    assert (tmp_path / "same.csv").read_text() == out.read_text().replace("Label", "Category")


def test_submission_keeps_the_datas_own_ids():
    from diag.engines.submission import submission_frame
    from diag.io.csv_out import csv_text

    frame = submission_frame(("a", "b"), np.array([1, 0]), ("7", "x,y"))
    assert csv_text(frame) == 'Id,Category\n7,b\n"x,y",a\n'
    doubled = submission_frame(("=a", "b"), np.array([0]), None, ("x", "x"), 5)
    assert csv_text(doubled) == "x,x\n5,'=a\n"


def test_cache_commands(empty_cache):
    assert "0 results" in invoke("cache", "info")
    invoke("evaluate", LINEAR)
    assert "1 results" in invoke("cache", "info")
    invoke("cache", "clear")
    assert "0 results" in invoke("cache", "info")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "nowhere.h5"], "no such model file"),
        (["evaluate", str(DENSE), "--data", "minst"], "Did you mean mnist?"),
        (["evaluate", str(DENSE), "--data", "nowhere.csv"], "no such file"),
        (["evaluate", str(DENSE), "--scale", "big"], "1/255"),
        (["evaluate", str(ROOT / "README.md")], "expected a Keras"),
        (["explain", str(DENSE), "--index", "797"], "0..796"),
        (["explain", str(LINEAR), "--index", "1"], "expected a Keras network"),
        (["report", str(DENSE), "--out", "/nowhere/at/all/report.html", "--no-explain"], "folder that exists"),
        (["demo", "--models", str(ROOT / "tests" / "metrics")], "expected model files"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(arguments, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["diag", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    assert caught.value.code == 1
    assert captured.err.startswith("error: ")
    assert len(captured.err.strip().splitlines()) == 1
    assert said in captured.err


def test_wrong_usage_is_status_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["diag", "report"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "Missing argument" in capsys.readouterr().err
