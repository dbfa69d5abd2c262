"""Files that visitors add: names, bounds, what other sessions see of them."""

from __future__ import annotations

import stat
from pathlib import Path

import diag_uploads
import pytest
from diag_uploads import Uploads
from streamlit.testing.v1 import AppTest

from diag.errors import InvalidInputError
from tests.dashboard.test_pages import APP, opened, texts

MODELS = Path(__file__).resolve().parents[2] / "saved_models" / "digits"
pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals


@pytest.fixture
def store(tmp_path):
    return Uploads(lambda: tmp_path)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.h5", "passwd.h5"),
        ("a b.keras", "a_b.keras"),
        ("C:\\x\\m.H5", "m.h5"),
        ("/abs/olute.keras", "olute.keras"),
        ("..keras", "_.keras"),
        (".keras", None),
        ("a\0b\n\u202e.h5", "a_b__.h5"),
        ("x" * 5000 + ".h5", "x" * 60 + ".h5"),
        ("evil.exe", None),
        ("model.h5.exe", None),
        ("noending", None),
        ("", None),
    ],
)
def test_a_name_is_never_a_path(store, tmp_path, name, kept):
    if kept is None:
        with pytest.raises(InvalidInputError, match="expected a model file"):
            store.add(name, b"content", "me")
        assert not list(tmp_path.iterdir())
        return
    upload = store.add(name, b"content", "me")
    assert upload.path.name == kept
    assert upload.path.parent.parent == tmp_path
    assert upload.path.read_bytes() == b"content"
    assert stat.S_IMODE(upload.path.parent.stat().st_mode) == 0o700


def test_an_empty_file_is_one_line_and_equal_names_are_two_files(store, tmp_path):
    with pytest.raises(InvalidInputError, match=r"m\.h5: expected a model file\. Received: 0 bytes"):
        store.add("m.h5", b"", "me")
    first, second = store.add("m.h5", b"one", "me"), store.add("m.h5", b"two", "me")
    assert first.path != second.path
    assert (first.path.read_bytes(), second.path.read_bytes()) == (b"one", b"two")


def test_a_session_is_bounded_and_the_server_drops_the_oldest(store, tmp_path, monkeypatch):
    monkeypatch.setattr(diag_uploads, "SESSION_BYTES", 100)
    monkeypatch.setattr(diag_uploads, "SERVER_BYTES", 150)
    first = store.add("a.h5", b"x" * 60, "one")
    with pytest.raises(InvalidInputError, match=r"expected at most .* of files in a session"):
        store.add("b.h5", b"x" * 60, "one")
    second = store.add("c.h5", b"x" * 60, "two")
    assert not first.dropped
    third = store.add("d.h5", b"x" * 60, "three")
    assert [each.dropped for each in (first, second, third)] == [True, False, False]
    assert not first.path.exists()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.h5")) <= 150


def test_what_a_session_added_goes_with_it(store, tmp_path):
    mine, other = store.add("a.h5", b"x", "me"), store.add("b.h5", b"x", "other")
    store.forget("me")
    assert mine.dropped
    assert [path.name for path in tmp_path.rglob("*.h5")] == [other.path.name]


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(store, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InvalidInputError, match=r"m\.h5: cannot be stored, No space left on device"):
        store.add("m.h5", b"x", "me")
    assert not list(tmp_path.iterdir())


def test_two_sessions_do_not_see_each_others_files():
    content = (MODELS / "dense.keras").read_bytes()
    one, two = opened(models="dense.keras"), opened(models="dense.keras")
    one.file_uploader[0].set_value([("mine.keras", content, ""), ("mine.keras", content, "")]).run()
    two.run()
    assert not one.exception
    assert [name for name in one.multiselect[0].options if "mine" in name] == ["mine.keras", "mine.keras (2)"]
    assert set(one.multiselect[0].value) == {"dense.keras", "mine.keras", "mine.keras (2)"}
    assert not [name for name in two.multiselect[0].options if "mine" in name]
    assert not AppTest.from_file(str(APP), default_timeout=120).run().session_state["uploads"]
    two.multiselect[0].set_value(["dense.keras"]).run()
    assert "mine" not in texts(two)
    one.button(key=next(button.key for button in one.button if str(button.key).startswith("remove-"))).click().run()
    assert [name for name in one.multiselect[0].options if "mine" in name] == ["mine.keras"]


def test_hostile_uploads_are_one_line_each_and_the_rest_is_shown():
    app = opened(models="dense.keras")
    files = [("virus.exe", b"MZ", ""), ("../../x.h5", b"", ""), ("r.keras", b"PK\x03\x04 and no more", "")]
    app.file_uploader[0].set_value(files).run()
    assert not app.exception
    told = [error.value.replace("\\", "") for error in app.error]
    assert len(told) == 3
    assert any("virus.exe: expected a model file" in line for line in told)
    assert any("Received: 0 bytes" in line for line in told)
    assert any("r.keras" in line for line in told)
    assert all("diag-uploads" not in line for line in told)
    assert len(app.dataframe) == 1
