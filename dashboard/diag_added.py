"""Files that a visitor adds in the side bar, models and data, and the names that they are chosen by."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import streamlit as st
from diag_arguments import admit, arguments
from diag_loaders_uploads import owner, uploads
from diag_state import get, plain, put, widget
from diag_uploads import DATA_ENDINGS, ENDINGS, Upload
from streamlit.runtime.scriptrunner import get_script_run_ctx

from diag.errors import DataError, DiagError
from diag.printable import name_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from streamlit.runtime.uploaded_file_manager import UploadedFile

SHORT = 24
"""Characters of a name on a button, at most."""
ADDED = "added/"
"""How the name of data begins that this session has added."""


def add_models() -> None:
    """Draw the place to add models, and what was added."""
    _draw("Add models", "model", ENDINGS)


def add_data() -> None:
    """Draw the place to add data, and what was added; the newest is chosen at once."""
    _draw("Add data", "data", DATA_ENDINGS)


def mine(kind: str) -> list[Upload]:
    """Return what this session has added and the server still holds."""
    return [upload for upload in _all() if upload.kind == kind and not upload.dropped]


def numbered_names(files: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Return paths by name; equal names get numbers."""
    named: dict[str, Path] = {}
    for name, path in files:
        number = 2
        free = name
        while free in named:
            free, number = f"{name} ({number})", number + 1
        named[free] = path
    return named


def admitted(source: str) -> str:
    """Return a source that a visitor named: what this session has added, or what `admit` lets in.

    Raises
    ------
    DataError
        If this session has added no such file, or the source leads outside.
    """
    if not source.startswith(ADDED):
        return admit(source)
    found = _data().get(source)
    if found is None:
        raise DataError(
            f"{source}: expected a file that was added in this session. Received: another name, or a file that is gone "
            "with its session. Add it again."
        )
    return str(found)


def _all() -> list[Upload]:
    found: list[Upload] = st.session_state.setdefault("uploads", [])
    return found


def _data() -> dict[str, Path]:
    return numbered_names((f"{ADDED}{name_text(upload.path.name)}", upload.path) for upload in mine("data"))


def _draw(label: str, kind: str, endings: tuple[str, ...]) -> None:
    """Draw an uploader; take new files out of Streamlit's memory."""
    turn = st.session_state.setdefault(f"uploader-{kind}", secrets.token_hex(4))
    # Without `type`: what has another ending is refused here, in one line; Streamlit's own check ends the page.
    added = st.file_uploader(
        label, accept_multiple_files=True, key=f"uploader-{turn}", help=f"Files in {', '.join(endings)}."
    )
    if added:
        _take(added, kind)
        st.session_state[f"uploader-{kind}"] = secrets.token_hex(4)  # an empty one
        st.rerun()
    for problem in st.session_state.get(f"upload-problems-{kind}", []):
        st.error(plain(problem))
    for upload in [each for each in _all() if each.kind == kind]:
        if upload.dropped:
            st.warning(f"{plain(upload.name)} was dropped to make room for newer files. Add it again.")
        if st.button(f"Remove {plain(upload.name, SHORT)}", key=f"remove-{upload.path.parent.name}", type="tertiary",
                     icon=":material/close:"):  # fmt: skip
            _remove(upload)
            st.rerun()


def _take(added: list[UploadedFile], kind: str) -> None:
    problems = []
    context = get_script_run_ctx()
    for file in added:
        try:
            _all().append(uploads().add(file.name, file.getbuffer(), owner(), kind))
            if kind == "data":
                _choose("data", list(_data())[-1])
        except DiagError as error:
            problems.append(str(error))
        if context is not None:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    st.session_state[f"upload-problems-{kind}"] = problems


def _remove(upload: Upload) -> None:
    chosen = {key: _data().get(get(key)) for key in ("data", "train")}
    uploads().remove(upload)
    _all().remove(upload)
    for key, path in chosen.items():
        if path is not None:  # names may have moved up
            left = next((name for name, each in _data().items() if each == path), None)
            _choose(key, left or getattr(arguments(), key) or "")


def _choose(key: str, source: str) -> None:
    """Let a text field hold a source; it has not been drawn yet in this run."""
    put(key, source)
    st.session_state[widget(key, source)] = source
