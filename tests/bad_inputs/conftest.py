"""A place of its own for each case, and the good files, made once."""

from __future__ import annotations

import pytest

from tests.bad_inputs.place import Place, write_good


@pytest.fixture(scope="session")
def good_files(tmp_path_factory):
    """The good files."""
    folder = tmp_path_factory.mktemp("good")
    write_good(folder)
    return folder


@pytest.fixture
def place(tmp_path, good_files, monkeypatch):
    """A folder with an empty ``out``, which is where the command runs."""
    (tmp_path / "place" / "out").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "place" / "out")
    return Place(tmp_path / "place", good_files)
