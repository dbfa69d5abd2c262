"""Every page by Streamlit's AppTest, on the shipped models: real content, the URL, and what fails alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "dashboard" / "app.py"
PAGES = ("confusion", "errors", "explain", "filters")
pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals


def opened(page=None, **url):
    app = AppTest.from_file(str(APP), default_timeout=120)
    for key, value in {"models": "dense.keras|logistic_l2.skops", **url}.items():
        app.query_params[key] = value
    app.run()
    if page is not None:
        app.switch_page(f"app_pages/{page}.py").run()
    return app


def texts(app):
    kinds = (app.markdown, app.caption, app.subheader, app.warning, app.error)
    return " ".join(item.value for kind in kinds for item in kind).replace("\\", "")


def test_overview_says_what_the_library_says():
    import diag

    app = opened()
    assert not app.exception
    paths = [ROOT / "saved_models" / "digits" / name for name in ("dense.keras", "logistic_l2.skops")]
    data = diag.load_dataset("digits")
    comparison = diag.compare([diag.evaluate(diag.load_model(path), data) for path in paths])
    assert comparison.verdict() in texts(app)
    shown = app.dataframe[0].value
    assert shown["accuracy"].tolist() == comparison.table()["accuracy"].tolist()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_runs(page):
    app = opened(page, models="cnn_lungu.keras|logistic_l2.skops", index="3")
    assert not app.exception
    assert not app.error
    assert "CNN lungu" in texts(app)
    if page in ("explain", "filters"):  # the linear model says why it has no maps; the other is shown all the same
        assert "expected a Keras network" in texts(app)
        assert len(app.get("image")) > 1


def test_the_selection_in_the_url_gives_the_view():
    import diag

    app = opened("confusion", cell="4-9", model="Dense", view="errors")
    path = ROOT / "saved_models" / "digits" / "dense.keras"
    run = diag.evaluate(diag.load_model(path), diag.load_dataset("digits"))
    expected = run.confusion_matrix().loc["4", "9"]
    assert f"Dense: 4 taken for 9, {expected} images" in texts(app)
    assert app.query_params["cell"] == "4-9"
    assert app.query_params["view"] == "errors"
    assert app.query_params["models"] == "dense.keras|logistic_l2.skops"


@pytest.mark.parametrize(
    "url", [{"cell": "99-0"}, {"cell": "<script>"}, {"index": "-7"}, {"index": "9" * 40}, {"models": "no"}]
)
def test_nonsense_in_the_url_does_no_harm(url):
    for page in ("confusion", "explain"):
        assert not opened(page, **url).exception


def test_an_image_leads_to_its_maps():
    app = opened("errors", model="Dense")
    app.button[0].click().run()
    assert not app.exception
    assert app.number_input[0].value == int(app.query_params["index"])


def test_a_broken_file_leaves_the_rest_alive(tmp_path, monkeypatch):
    import shutil

    (tmp_path / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    for name in ("dense.keras", "dense.toml"):
        shutil.copy(ROOT / "saved_models" / "digits" / name, tmp_path)
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(tmp_path)])
    app = opened(models="")
    assert not app.exception
    assert len(app.error) == 1
    assert "broken" in app.error[0].value
    assert len(app.dataframe) == 1


def test_a_wrong_data_source_is_one_line():
    app = opened(data="nowhere.npz")
    assert not app.exception
    assert "no such file" in texts(app)


def test_texts_of_files_are_not_markdown():
    import diag_state

    shown = diag_state.plain("![](http://x/y.png) :red[a]\n*b*")
    assert (
        shown == "\\!\\[\\]\\(http\\:\u2060//x/y\\.png\\) \\:red\\[a\\] \\*b\\*"
    )  # a joiner, so that no address is seen


def test_a_cached_page_does_not_import_tensorflow():
    code = (
        "import sys; sys.argv = ['app.py']; sys.path.insert(0, 'dashboard')\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('dashboard/app.py', default_timeout=120)\n"
        "app.query_params['models'] = 'dense.keras'; app.run()\n"
        "print(len(app.dataframe), bool(app.exception), 'tensorflow' in sys.modules)"
    )
    opened(models="dense.keras")  # makes sure that it is cached
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "1 False False"


def test_pages_are_short_and_hold_no_altair():
    for path in (ROOT / "dashboard" / "app_pages").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 60, path.name
        assert "import altair" not in text
        assert "st.cache" not in text


def test_the_second_of_two_changes_counts_too():
    # A widget whose default follows the selection would be a new widget after each change, and lose every second one.
    app = opened("explain")
    for value in (6, 5, 8):
        app.number_input[0].set_value(value).run()
        assert app.number_input[0].value == value
        assert app.query_params["index"] == str(value)
        assert f"index {value}," in texts(app)
    for chosen in (["dense.keras"], ["dense.keras", "cnn_lungu.keras"], ["cnn_lungu.keras"]):
        app.multiselect[0].set_value(chosen).run()
        assert app.multiselect[0].value == chosen
        assert app.query_params["models"] == "|".join(chosen)


def test_the_best_model_is_shown_where_none_is_chosen():
    names = ("cnn_lungu.keras", "dense.keras")  # the second is the better one
    for page in ("errors", "calibration"):
        app = opened(page, models="|".join(names))
        assert app.selectbox[0].value == "Dense"
        assert app.query_params["model"] == "Dense"
    app = opened("errors", models="|".join(names), model="CNN lungu")
    assert app.selectbox[0].value == "CNN lungu"


def test_switches_and_choices_follow_every_change():
    app = opened("errors")
    for value in ("unsure", "sure", "errors"):
        app.segmented_control[0].set_value(value).run()
        assert app.query_params["list"] == value
    for value in ("Logistic L2", "Dense", "Logistic L2"):
        name = next(option for option in app.selectbox[0].options if option.lower().startswith(value.lower()[:5]))
        app.selectbox[0].set_value(name).run()
        assert app.selectbox[0].value == name
        assert app.query_params["model"] == name
