"""Files outside the folders that a server shows are refused, however a path gets there."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from diag.errors import DataError
from diag.io.datasets import load_dataset
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


def test_grants_are_narrowed_to_what_is_shown(shown, tmp_path):
    assert roots.narrowed(["/", tmp_path, "/etc/passwd"]) == [Path("/"), tmp_path, Path("/etc/passwd")]
    with roots.confined([shown]):
        assert roots.narrowed([shown, shown / "in.npz"]) == [shown, shown / "in.npz"]
        assert roots.narrowed(["/"]) == [shown]
        assert roots.narrowed([tmp_path]) == [shown]
        assert roots.narrowed(["/etc", tmp_path / "other", shown / "out.npz"]) == []
        with roots.confined([tmp_path]):
            assert roots.narrowed(["/"]) == [tmp_path]
    assert roots.narrowed(["/"]) == [Path("/")]


def in_a_thread(*paths):
    found = []
    thread = threading.Thread(target=lambda: found.extend(roots.narrowed(paths)))
    thread.start()
    thread.join()
    return found


def test_a_thread_is_confined_alone_and_a_process_in_every_thread(shown, tmp_path, monkeypatch):
    with roots.confined([shown]):
        assert in_a_thread("/") == [Path("/")]
    monkeypatch.setattr(roots, "_process", None)
    roots.confine([tmp_path])
    assert in_a_thread("/", "/etc") == [tmp_path]
    with roots.confined([shown]):
        assert roots.narrowed(["/"]) == [shown]


def test_a_worker_reads_nothing_else(shown, tmp_path):
    (tmp_path / "private.png").write_bytes(b"x")
    table = shown / "paths.csv"
    table.write_text("path,label\n../private.png,a\n")
    with roots.confined([shown]), pytest.raises(DataError) as error:
        load_dataset(str(table)).images[0:1]
    assert "x" not in str(error.value).split()
