"""Data that visitors add: read like any other, seen by their own session alone, refused in one line."""

from __future__ import annotations

import io
import zipfile

import diag_uploads
import numpy as np
import pytest

import diag
from tests.dashboard.test_pages import ROOT, opened, texts

pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals


def packed(images, labels):
    """Return a .npz as bytes."""
    stream = io.BytesIO()
    np.savez(stream, images=images, labels=labels)
    return stream.getvalue()


def digits(n):
    data = diag.load_dataset("digits")
    return packed(np.asarray(data.images[:n]), data.labels[:n])


def added(app, *files):
    return app.file_uploader[1].set_value([(name, content, "") for name, content in files]).run()


def test_added_data_is_chosen_and_gives_the_figures_of_the_library():
    app = added(opened(models="dense.keras"), ("../my set.npz", digits(200)))
    assert not app.exception
    assert not app.error
    assert app.text_input[0].value == "added/my_set.npz"
    assert app.query_params["data"] == "added/my_set.npz"
    data = diag.load_dataset("digits").subset(np.arange(200))
    run = diag.evaluate(diag.load_model(ROOT / "saved_models" / "digits" / "dense.keras"), data)
    assert app.dataframe[0].value["accuracy"].tolist() == run.summary()["accuracy"].tolist()
    assert app.dataframe[0].value["n"].tolist() == [200]
    assert "diag-uploads" not in texts(app)


def test_other_sessions_cannot_name_it():
    one = added(opened(models="dense.keras"), ("mine.npz", digits(100)))
    path = one.session_state["uploads"][0].path
    for source in ("added/mine.npz", str(path), f"added/{path.parent.name}/mine.npz", "added/../mine.npz"):
        for key in ("data", "train"):
            other = opened("doctor" if key == "train" else None, models="dense.keras", **{key: source})
            assert not other.exception
            shown = texts(other)
            assert "expected a file that was added in this session" in shown or "leads outside" in shown
            assert key == "train" or not other.dataframe


def test_removing_it_goes_back_to_what_the_server_shows_and_equal_names_are_two():
    app = added(opened(models="dense.keras"), ("a.npz", digits(100)), ("a.npz", digits(120)))
    assert app.text_input[0].value == "added/a.npz (2)"
    assert app.dataframe[0].value["n"].tolist() == [120]
    first, second = [button.key for button in app.button if str(button.key).startswith("remove-")]
    app.button(key=first).click().run()
    assert app.text_input[0].value == "added/a.npz"  # the same file; it is the only one of its name now
    assert app.dataframe[0].value["n"].tolist() == [120]
    app.button(key=second).click().run()
    assert app.text_input[0].value == ""
    assert app.dataframe[0].value["n"].tolist() == [797]
    assert not app.error


def test_added_training_data_is_used_by_the_doctor():
    app = added(opened("doctor", models="dense.keras"), ("train.npz", digits(300)))
    app.text_input[0].set_value("digits").run()
    app.text_input[1].set_value("added/train.npz").run()
    assert not app.exception
    assert not app.error
    assert "300" in texts(app)


def test_hostile_data_is_one_line_each_and_the_rest_is_shown():
    bomb, pickled = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(64 * 2**20))
    np.savez(pickled, images=np.array([{}], dtype=object), labels=np.array([0]))
    app = opened(models="dense.keras")
    for name, content in (
        ("bomb.npz", bomb.getvalue()),
        ("pickled.npz", pickled.getvalue()),
        ("cut.npz", digits(50)[:300]),
        ("links.csv", b"path,label\n/etc/passwd,0\n../../x.png,1\n"),
        ("cut.h5", b"\x89HDF\r\n\x1a\n and no more"),
    ):
        added(app, (name, content))
        assert not app.exception, name
        assert len(app.error) == 1, name
        assert "\n" not in app.error[0].value
        assert "went wrong" not in app.error[0].value
        assert "diag-uploads" not in app.error[0].value
        assert not app.dataframe
    app.text_input[0].set_value("digits").run()
    assert len(app.dataframe) == 1


@pytest.mark.parametrize(("name", "content"), [("m.keras", b"x"), ("x.npz.exe", b"x"), ("e.npz", b""), ("f", b"x")])
def test_what_is_no_data_is_refused_before_it_is_stored(name, content):
    app = added(opened(models="dense.keras"), (name, content))
    assert "expected a file of labelled images" in app.error[0].value.replace("\\", "")
    assert not app.session_state["uploads"]
    assert len(app.dataframe) == 1


def test_models_and_data_share_one_budget(tmp_path, monkeypatch):
    store = diag_uploads.Uploads(lambda: tmp_path)
    monkeypatch.setattr(diag_uploads, "SESSION_BYTES", 100)
    store.add("a.keras", b"x" * 60, "me")
    with pytest.raises(diag.errors.InvalidInputError, match="of files in a session"):
        store.add("a.npz", b"x" * 60, "me", "data")
