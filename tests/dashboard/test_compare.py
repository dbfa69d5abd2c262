"""The dashboard's page *Compare*."""

from __future__ import annotations

import pytest

import diag
from diag.results.pairs import shown_differences
from tests.dashboard.test_pages import ROOT, opened, texts

pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals
NAMES = ("cnn_lungu.keras", "dense.keras", "logistic_l2.skops")


@pytest.fixture(scope="module")
def comparison():
    data = diag.load_dataset("digits")
    models = [diag.load_model(ROOT / "saved_models" / "digits" / name) for name in NAMES]
    return diag.compare([diag.evaluate(model, data) for model in models])


def test_the_verdict_and_a_cell_of_the_table(comparison):
    app = opened("compare", models="|".join(NAMES), pair="0-1", quadrant="only_b")
    assert not app.exception
    a, b = comparison.names[:2]
    said = texts(app)
    assert comparison.sentence(a, b) in said
    assert f"Only {b} is right" in said
    assert f"{comparison.pair(a, b)['only_b']:,} image" in said
    labels = {button.key.removeprefix("quadrant-"): button.label for button in app.button if button.key}
    row = comparison.pair(a, b)
    words = {
        "both_right": "both right",
        "only_a": f"only {a} right",
        "only_b": f"only {b} right",
        "both_wrong": "both wrong",
    }
    assert {key: label.replace("\\", "") for key, label in labels.items() if key in words} == {
        key: f"**{row[key]:,}**  \n{word}" for key, word in words.items()
    }
    shown = app.dataframe[0].value
    expected = shown_differences(comparison, comparison.differences(), a, b)
    assert len(expected) == 4
    for column in ("difference", "low", "high"):
        assert shown[column].tolist() == expected[column].tolist()


def test_tables_are_in_the_reports_units():
    import diag_parts
    import pandas as pd

    frame = pd.DataFrame({"a": [0.904, 0.5529], "gap": [0.0757, -0.1056], "p": [3e-9, 0.25]})
    columns = {"a": ("A", "share2"), "gap": ("gap", "points_said"), "p": ("p", "p_value")}
    lines = diag_parts.written(frame, columns, [False, True]).to_string(delimiter="|").splitlines()
    assert lines[1:3] == ["0|90.40%|+7.6 points|< 0.0001", "1|0.553|−0.106|0.250"]


def test_the_better_model_may_stand_later(comparison):
    app = opened("compare", models="|".join(NAMES), pair="1-0")
    shown = app.dataframe[0].value
    assert shown["difference"].iloc[0] == pytest.approx(comparison.pair(*comparison.names[1::-1])["difference"])


def test_a_click_on_the_table_changes_the_images_and_the_url(comparison):
    app = opened("compare", models="|".join(NAMES), pair="0-1")
    next(button for button in app.button if button.key == "quadrant-both_wrong").click().run()
    assert not app.exception
    assert app.query_params["quadrant"] == "both_wrong"
    assert f"{comparison.names[0]} and {comparison.names[1]} are wrong" in texts(app)


@pytest.mark.parametrize("part", ["all", "ensembles"])
def test_the_other_parts(comparison, part):
    app = opened("compare", models="|".join(NAMES), part=part)
    assert not app.exception
    table = app.dataframe[0].value
    assert len(table) == (3 if part == "all" else len(diag.ensembles(comparison).frame()))


def test_the_images_behind_a_change_and_nonsense_in_the_url(comparison):
    app = opened("compare", models="|".join(NAMES), pair="0-1", change="c8")
    assert "Class 8, right in one of" in texts(app)
    app = opened("compare", models="|".join(NAMES), pair="7-x", change="c99", quadrant="<b>", combo="9", ensemble="?")
    assert not app.exception
    assert any("change: expected a class" in str(warning.value).replace("\\", "") for warning in app.warning)


def test_one_model_is_asked_for_another():
    app = opened("compare", models=NAMES[1])
    assert not app.exception
    assert "at least two models" in app.info[0].value
