"""Files outside the folders that a server shows are refused, however a path gets there."""

from __future__ import annotations

import threading

import pytest

from diag.errors import DataError, ModelLoadError
from diag.worker import roots


@pytest.fixture
def shown(tmp_path):
    folder = tmp_path / "shown"
    folder.mkdir()
    (folder / "in.npz").touch()
    (tmp_path / "shown too.npz").touch()
    (folder / "out.npz").symlink_to(tmp_path / "shown too.npz")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    return folder


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("in.npz", True),
        (".", True),
        ("not there.npz", True),
        ("out.npz", False),
        ("up/shown/in.npz", True),
        ("up/elsewhere", False),
        ("../shown too.npz", False),
        ("../shownmore", False),
        ("/etc/passwd", False),
        ("a\0b", False),
    ],
)
def test_after_links_are_followed(shown, name, inside):
    assert roots.inside(shown / name, [shown]) is inside


def test_a_folder_that_is_a_link_is_what_it_points_to(shown, tmp_path):
    (tmp_path / "link").symlink_to(shown)
    assert roots.inside(shown / "in.npz", [tmp_path / "link"])


def test_only_where_a_thread_is_confined(shown):
    roots.refuse_outside(["/etc/passwd"])
    with roots.confined([shown]):
        roots.refuse_outside([shown / "in.npz"])
        with pytest.raises(ModelLoadError, match=r"passwd: expected a file in the folders .*outside\. .*--root FOLDER"):
            roots.refuse_outside([shown / "in.npz", "/etc/passwd"], ModelLoadError)
        other = threading.Thread(target=roots.refuse_outside, args=(["/etc/passwd"],))
        other.start()
        other.join()
    roots.refuse_outside(["/etc/passwd"])


def test_a_confined_process_is_confined_in_every_thread(shown, monkeypatch):
    monkeypatch.setattr(roots, "_process", None)
    roots.confine([shown])
    refused = []

    def look():
        with pytest.raises(DataError) as error:
            roots.refuse_outside(["/etc/passwd"])
        refused.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert len(refused) == 1


def test_the_message_is_the_same_whether_or_not_there_is_such_a_file(shown, tmp_path):
    (tmp_path / "there").touch()
    told = []
    with roots.confined([shown]):
        for name in ("there", "nowhere"):
            with pytest.raises(DataError) as error:
                roots.refuse_outside([tmp_path / name])
            told.append(str(error.value).replace(name, "x"))
    assert told[0] == told[1]
    assert str(tmp_path) not in told[0]
