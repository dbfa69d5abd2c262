"""Many models in the dashboard: pages that draw model beside model draw a few that are chosen."""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.dashboard.test_pages import ROOT, opened, texts

pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals
NAMES = [f"copy {number}" for number in range(8)]


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Two estimators, four times each under other names; the even ones are the better ones."""
    for number, name in enumerate(NAMES):
        source = "logistic_l1" if number % 2 else "logistic_l2"
        shutil.copy(ROOT / "saved_models" / "digits" / f"{source}.skops", tmp_path / f"m{number}.skops")
        card = (ROOT / "saved_models" / "digits" / f"{source}.toml").read_text().splitlines()
        (tmp_path / f"m{number}.toml").write_text("\n".join([f'title = "{name}"', *card[1:]]))
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(tmp_path)])


def side_by_side(app):
    return next(box for box in app.multiselect if box.label == "Models side by side")


def test_four_at_first_then_those_that_are_chosen(models):
    app = opened("confusion", models="")
    assert not app.exception
    assert side_by_side(app).value == ["copy 0", "copy 2", "copy 4", "copy 6"]  # the best
    assert len(app.get("vega_lite_chart")) == 4
    side_by_side(app).set_value(["copy 1", "copy 6"]).run()
    assert "copy 1" in texts(app)
    assert "copy 0" not in texts(app)
    assert app.query_params["shown"] == "1-6"
    again = opened("confusion", models="", shown="1-6")
    assert side_by_side(again).value == ["copy 1", "copy 6"]


def test_the_chosen_model_is_among_them_and_nonsense_in_a_link_is_not(models):
    app = opened("confusion", models="", model="copy 5", shown="99-x")
    assert side_by_side(app).value[0] == "copy 5"
    assert len(side_by_side(app).value) == 4


def test_few_models_are_all_drawn():
    app = opened("confusion")
    assert not any(box.label == "Models side by side" for box in app.multiselect)
    assert len(app.get("vega_lite_chart")) == 2
