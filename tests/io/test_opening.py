"""Only regular files are opened, and no pipe is waited for."""

import os
import socket

import pytest

from diag.errors import DataError, ModelLoadError
from diag.io.opening import open_regular


def test_a_regular_file_is_opened(tmp_path):
    place = tmp_path / "a.bin"
    place.write_bytes(b"abc")
    with open_regular(place) as file:
        assert file.read() == b"abc"
        assert not os.get_inheritable(file.fileno())


def test_a_link_to_a_regular_file_is_opened(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "a.bin")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"abc"


def _pipe(place):
    os.mkfifo(place)


def _folder(place):
    place.mkdir()


def _device(place):
    place.symlink_to("/dev/zero")


def _socket(place):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))  # the name stays when the socket is gone


@pytest.mark.parametrize(
    ("make", "kind"),
    [(_pipe, "a pipe"), (_folder, "a folder"), (_device, "a device"), (_socket, "a socket")],
)
def test_anything_else_is_refused_at_once(tmp_path, monkeypatch, make, kind):
    monkeypatch.chdir(tmp_path)  # names of sockets have to be short
    place = tmp_path / "x.h5"
    make(place if make is not _socket else type(place)("x.h5"))
    with pytest.raises(ModelLoadError, match=f"expected a model file. Received: {kind}. Pass the path"):
        open_regular(place, "model file")


def test_the_type_of_error_is_the_callers(tmp_path):
    for name in ("missing.csv", "nul\0.csv", "x" * 5000):
        with pytest.raises(DataError, match=r"no such data file|expected a readable data file"):
            open_regular(tmp_path / name, "data file", DataError)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    place = tmp_path / "a.h5"
    place.write_bytes(b"abc")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ModelLoadError, match=r"readable model file\. Received: Permission denied\. Check its"):
        open_regular(place, "model file")


def test_a_link_to_a_text_shows_nothing_of_it(tmp_path):
    from diag.io.audit import audit

    (tmp_path / "notes.txt").write_text("password")
    (tmp_path / "net.h5").symlink_to(tmp_path / "notes.txt")
    with pytest.raises(ModelLoadError, match="Received: a text, which is not shown") as caught:
        audit(tmp_path / "net.h5")
    assert "password" not in str(caught.value)
