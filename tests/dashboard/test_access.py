"""Who may see anything, and which folders a visitor can reach: the text fields, the URL, cards, links."""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path

import diag_access
import diag_arguments
import diag_boundary
import pytest
from streamlit.testing.v1 import AppTest

from diag.errors import DataError
from tests.dashboard.test_pages import APP, opened, texts

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "saved_models" / "digits"
pytestmark = pytest.mark.filterwarnings("ignore")  # Streamlit's test harness warns of its own internals
AUTH = {"redirect_uri": "https://diag.example.org/oauth2callback", "client_id": "diag"}


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("::1", True),
        ("[::1]", True),
        ("http://127.0.0.1:8501", True),
        ("http://[::1]:8501/x", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("", False),
        ("10.0.0.7", False),
        ("localhost.evil.org", False),
        ("*", False),
        ("*.example.org", False),
        ("https://localhost.evil.org", False),
    ],
)
def test_loopback(name, own):
    assert diag_arguments.is_loopback(name) is own


@pytest.mark.parametrize(
    ("person", "rules", "let_in"),
    [
        ({"email": "ana@example.org"}, ["ana@example.org"], True),
        ({"email": "Ana@Example.org", "email_verified": True}, ["@example.org"], True),
        ({"email": "ana@evil-example.org"}, ["@example.org"], False),
        ({"email": "ana@example.org.evil.org"}, ["@example.org"], False),
        ({"email": "eve@evil.org@example.org"}, ["@example.org"], False),
        ({"email": "ana@example.org", "email_verified": False}, ["ana@example.org"], False),
        ({"email": "ana@example.org", "email_verified": "false"}, ["ana@example.org"], False),
        ({"email": None}, ["@example.org"], False),
        ({}, ["@example.org", ""], False),
        ({}, ["*"], True),
    ],
)
def test_the_list(person, rules, let_in):
    assert diag_access.on_the_list(person, rules) is let_in


def visited(monkeypatch, secrets=None, user=None):
    """Return the dashboard of a server that others can reach."""
    monkeypatch.setattr(diag_access, "loopback", lambda: False)
    monkeypatch.setattr(diag_access, "_section", lambda name: (secrets or {}).get(name, {}))
    app = AppTest.from_file(str(APP), default_timeout=120)
    app.query_params["models"] = "dense.keras"
    if user is not None:
        app.user = user
    return app.run()


@pytest.mark.parametrize(
    "secrets", [None, {"auth": AUTH}, {"diag": {"allow": ["*"]}}, {"auth": AUTH, "diag": {"allow": []}}]
)
def test_beyond_loopback_nothing_is_shown_without_sign_in(monkeypatch, secrets):
    app = visited(monkeypatch, secrets)
    assert not app.exception
    assert "it shows nothing without sign-in" in texts(app)
    assert not app.dataframe
    assert not app.multiselect
    assert not app.file_uploader


def test_a_stranger_is_asked_to_sign_in(monkeypatch):
    app = visited(monkeypatch, {"auth": AUTH, "diag": {"allow": ["@example.org"]}}, {"is_logged_in": False})
    assert [button.label for button in app.button] == ["Sign in"]
    assert not app.dataframe
    assert not app.file_uploader


def test_an_account_that_is_not_on_the_list_sees_nothing(monkeypatch):
    user = {"is_logged_in": True, "email": "eve@evil.org"}
    app = visited(monkeypatch, {"auth": AUTH, "diag": {"allow": ["@example.org"]}}, user)
    assert "not on the list" in texts(app)
    assert not app.dataframe


def test_who_is_on_the_list_sees_the_models(monkeypatch):
    monkeypatch.setattr(diag_access, "SIGNED_IN", set())
    user = {"is_logged_in": True, "email": "ana@example.org", "email_verified": True}
    app = visited(monkeypatch, {"auth": AUTH, "diag": {"allow": ["@example.org"]}}, user)
    assert len(app.dataframe) == 1
    assert diag_access.SIGNED_IN  # may upload now
    assert not diag_access.may_upload("another session")


OUTSIDE = (
    "/etc/passwd",
    "../../../../etc",
    "/etc/../etc/passwd::x",
    "~/x.npz/../../..",
    "a.npy::/etc/passwd.npy",
    "/nowhere/x.npz",
)


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A folder with one model, where a server is started for it from elsewhere."""
    folder = tmp_path / "shown"
    folder.mkdir()
    for name in ("dense.keras", "dense.toml"):
        shutil.copy(MODELS / name, folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(folder), "--data", "digits"])
    return folder


@pytest.mark.parametrize("source", OUTSIDE)
def test_sources_outside_are_refused(shown, source):
    with pytest.raises(DataError, match="Received: a path that leads outside"):
        diag_arguments.admit(source)


def test_sources_inside_are_taken_and_so_are_built_in_sets_and_roots(shown, tmp_path, monkeypatch):
    assert diag_arguments.admit("digits") == "digits"
    assert diag_arguments.admit(str(shown / "x.npz")) == str(shown / "x.npz")
    assert diag_arguments.admit("here.npz") == "here.npz"  # the current folder, as only this machine comes
    more = tmp_path / "more"
    with pytest.raises(DataError):
        diag_arguments.admit(str(more))
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--root", str(more)])
    assert diag_arguments.admit(str(more / "x.npz"))
    monkeypatch.setattr(diag_arguments, "loopback", lambda: False)
    with pytest.raises(DataError):
        diag_arguments.admit("here.npz")
    with pytest.raises(DataError):
        diag_arguments.admit(str(diag_arguments.upload_folder() / "x"))


def test_links_out_are_refused(shown, tmp_path):
    (shown / "out.npz").symlink_to("/etc/hostname")
    with pytest.raises(DataError):
        diag_arguments.admit(str(shown / "out.npz"))
    (shown / "out.keras").symlink_to(tmp_path / "private.keras")
    shutil.copy(MODELS / "dense.keras", tmp_path / "private.keras")
    app = opened(models="")
    assert app.multiselect[0].options == ["dense.keras"]


@pytest.mark.parametrize("key", ["data", "train"])
def test_the_url_reaches_nothing_outside(shown, key):
    app = opened("doctor" if key == "train" else None, models="dense.keras", **{key: "/etc/passwd"})
    assert not app.exception
    assert "Received: a path that leads outside" in texts(app)
    assert "root:" not in texts(app)


@pytest.mark.parametrize("line", ['history = "../private.log"', '[data]\nsource = "../private.npz"'])
def test_a_card_reaches_nothing_outside(shown, tmp_path, monkeypatch, line):
    (tmp_path / "private.log").write_text("epoch,loss\n0,1\n")
    (tmp_path / "private.npz").write_bytes(b"x")
    (shown / "dense.toml").write_text(line)
    monkeypatch.setattr(sys, "argv", ["app.py", "--models", str(shown)])
    app = opened(models="dense.keras")
    assert not app.exception
    assert "leads outside" in texts(app) or "in the card's folder or below" in texts(app)
    assert not app.dataframe


def test_messages_name_no_folder_of_the_machine(shown):
    (shown / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    app = opened(models="", data=str(shown / "nothing.npz"))
    assert app.error
    assert str(shown) not in " ".join(error.value for error in app.error).replace("\\", "")
    assert diag_arguments.without_places(f"{shown}/x.h5: no") == "x.h5: no"


def test_trust_is_said_visibly(shown, monkeypatch):
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--trust"])
    assert any("Started with --trust" in warning.value for warning in opened(models="dense.keras").warning)


def test_what_goes_wrong_is_a_number_in_the_page_and_a_traceback_in_the_log(caplog):
    def script():
        from diag_boundary import boundary

        with boundary():
            raise ValueError("secret \x1b[31m/etc/place")

    with caplog.at_level(logging.ERROR, logger="diag.dashboard"):
        app = AppTest.from_function(script).run()
    assert not app.exception
    number = app.error[0].value.split("number ")[1].strip(".")
    assert "secret" not in app.error[0].value
    assert number in caplog.text
    assert "ValueError: secret" in caplog.text
    assert "\x1b" not in caplog.text
    caplog.clear()


def test_streamlits_own_signals_pass_the_boundary():
    def script():
        import streamlit as st
        from diag_boundary import boundary

        with boundary():
            st.stop()

    app = AppTest.from_function(script).run()
    assert not app.error
    assert diag_boundary.LOG.name == "diag.dashboard"
