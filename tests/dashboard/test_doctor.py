"""The Doctor page and the overview's findings: what they show is what the library says."""

from __future__ import annotations

import sys
from types import MappingProxyType

import numpy as np
import pytest

import diag
from diag.checks.base import Check
from diag.results.diagnosis import Diagnosis, Evidence, Finding
from tests.dashboard.test_pages import opened, texts
from tests.fakes import save_model

pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals
HOSTILE = "![](http://x/y.png) :red[a] $b$"
CODES = ("DG991", "DG992", "DG993", "DG994")


@pytest.fixture
def planted(tmp_path, monkeypatch, empty_cache):
    """Two models on files with training data beside them, and checks that find something of each severity."""
    from diag._lazy import import_keras

    layers = import_keras().layers
    folder = tmp_path / "models"
    folder.mkdir()
    for name, seed in (("a", 0), ("b", 1)):
        save_model(folder / f"{name}.keras", [layers.Flatten(), layers.Dense(3, "softmax")], (6, 6, 1), seed)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (30, 6, 6), dtype=np.uint8), rng.integers(0, 3, 30)
    np.savez(tmp_path / "data.npz", x_test=x, y_test=y, x_train=x[:8], y_train=y[:8])
    rows = tuple({"class": str(number), "images": number} for number in range(3))

    def critical(case):
        if case.run.name == "b":
            counts = Evidence("Counts", rows, "bar", "images", "class")
            yield checks[0].finding(
                "critical", f"Bad {HOSTILE}.", "Go.", measured={"share": 0.25}, samples=range(20), evidence=[counts]
            )

    def warning(case):
        if len(case.train) == 8:
            yield checks[1].finding("warning", "Twins.", "Part them.", samples=[5, 6], train_samples=[1, 2])

    def note(case):
        for mark in ("line", "point", "table"):
            yield checks[2].finding(
                "note", f"A {mark}.", "Look.", evidence=[Evidence("T", rows, mark, "images", "images")]
            )

    checks = [Check(code, f"Title {code}", run) for code, run in zip(CODES, (critical, warning, note), strict=False)]
    checks.append(Check(CODES[3], "Passes", lambda case: iter(())))
    monkeypatch.setattr("diag.checks.api.CHECKS", tuple(checks))
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(folder), "--data", str(tmp_path / "data.npz")])
    return tmp_path


def badge_lines(app):
    return [item.value for item in app.markdown if "-badge[" in item.value]


def test_the_page_shows_what_the_library_finds(planted):
    source = str(planted / "data.npz")
    app = opened("doctor", models="", model="b", train=source)
    assert not app.exception
    data, train = diag.load_dataset(source), diag.load_dataset(source, "train")
    run = diag.evaluate(diag.load_model(planted / "models" / "b.keras"), data)
    found = diag.diagnose(run.model, data, train, run=run, cache=False)
    assert f"#### {found.verdict()}" in texts(app)
    boxes = [box.label.replace("\\", "") for box in app.expander]
    assert [label.split("**")[1] for label in boxes[:-1]] == [each.title for each in found.findings]
    assert boxes[0].startswith(":red-badge[✕ critical]")
    assert boxes[1].startswith(":orange-badge[▲ warning]")
    assert boxes[-1] == "All 4 checks"
    # The most severe one is open, the others draw nothing yet.
    assert "share **25.0%**" in texts(app)
    assert "12 of 20" in texts(app)
    assert len(app.get("vega_lite_chart")) == 1
    assert "Twins" not in texts(app)
    outcomes = app.dataframe[-1].value
    assert outcomes["code"].tolist() == list(CODES)
    assert outcomes["status"].tolist() == ["found something"] * 3 + ["passed"]


def test_words_of_files_are_not_markdown(planted):
    app = opened("doctor", models="", model="b", train=str(planted / "data.npz"))
    (message,) = [item.value for item in app.markdown if "Bad" in item.value]
    assert message.replace("\u2060", "") == r"Bad \!\[\]\(http\://x/y\.png\) \:red\[a\] \$b\$\."


def test_one_severity_alone_and_twins_beside_each_other(planted):
    app = opened("doctor", models="", model="b", train=str(planted / "data.npz"))
    app.segmented_control[0].set_value("warning").run()
    assert not app.exception
    assert app.query_params["severity"] == "warning"
    assert len(app.expander) == 2
    assert "with the training image of each" in texts(app)
    assert "training 1" in texts(app)
    assert [button.label for button in app.button] == ["Explain 5", "Explain 6"]
    assert len(app.get("imgs") or app.get("image")) == 4
    app.button[0].click().run()  # an image leads to its maps
    assert not app.exception
    assert app.query_params["index"] == "5"
    app = opened("doctor", models="", model="a", severity="critical", train=str(planted / "data.npz"))
    assert "None." in texts(app)


def test_every_mark_is_drawn_and_its_table_is_there(planted):
    app = opened("doctor", models="", model="a", severity="note")
    digest = diag.load_model(planted / "models" / "a.keras").digest
    for number in (1, 2):
        app.session_state[f"finding-{digest[:12]}-note-DG993-{number}"] = True
    app.run()
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 2
    assert len(app.dataframe) == 2  # the table, and all checks
    switch = next(each for each in app.segmented_control if each.label == "As")
    switch.set_value("Table").run()
    assert len(app.get("vega_lite_chart")) == 1
    assert len(app.dataframe) == 3


def test_without_training_data_a_check_says_what_it_needs(planted):
    app = opened("doctor", models="", model="a")
    outcomes = app.dataframe[-1].value.set_index("code")
    assert outcomes.loc["DG992", "status"] == "did not apply"
    assert "--train" in outcomes.loc["DG992", "reason"]
    app.text_input[1].set_value(str(planted / "data.npz")).run()
    assert app.query_params["train"] == str(planted / "data.npz")
    assert app.dataframe[-1].value.set_index("code").loc["DG992", "status"] == "found something"
    app.text_input[1].set_value("nowhere.npz").run()
    assert not app.exception
    assert "no such file" in texts(app)


def test_the_overview_counts_and_leads_to_the_page(planted):
    app = opened(models="")
    assert not app.exception
    assert badge_lines(app) == []  # several models are checked when somebody asks
    next(button for button in app.button if button.label == "Check the models").click().run()
    lines = badge_lines(app)
    assert lines[0].startswith(":red-badge[✕ 1 critical] :blue-badge[● 3 notes] Title DG991")
    assert lines[1].startswith(":blue-badge[● 3 notes] Title DG993")
    names = [button.label for button in app.button]
    assert names == ["b", "a"]  # the sickest first
    app.button[0].click().run()
    assert not app.exception
    assert app.query_params["model"] == "b"
    assert app.selectbox[0].value == "b"
    assert "1 critical, 3 notes" in texts(app)
    # What was found is kept: another session shows it at once.
    assert len(badge_lines(opened(models=""))) == 2


def test_a_single_model_is_checked_unasked(planted):
    app = opened(models="b.keras")
    assert not app.exception
    assert badge_lines(app) == [":red-badge[✕ 1 critical] :blue-badge[● 3 notes] Title DG991"]
    assert not [button for button in app.button if "Check" in button.label]


def test_a_model_without_findings_has_a_badge_of_its_own():
    import diag_doctor

    well = Diagnosis("m", "d", None, None, (), (), 400, 0, MappingProxyType({}))
    assert diag_doctor.badges(well) == ":green-badge[✓ nothing found]"
    ill = Diagnosis("m", "d", None, None, (Finding("DG1", "T", "warning", "M", "R"),), (), 400, 0, MappingProxyType({}))
    assert diag_doctor.badges(ill) == ":orange-badge[▲ 1 warning]"
