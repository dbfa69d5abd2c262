"""The side bar: which models and which data, named by the visitor or added by them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import streamlit as st
from diag_arguments import arguments, roots
from diag_loaders_uploads import owner, uploads
from diag_state import get, plain, put, widget
from diag_uploads import ENDINGS, Upload
from streamlit.runtime.scriptrunner import get_script_run_ctx

from diag.errors import DiagError
from diag.printable import name_text
from diag.worker.roots import inside

if TYPE_CHECKING:
    from pathlib import Path

LISTED = (*ENDINGS, ".ensemble.toml")
"""Endings of what a folder of models shows."""


def sidebar() -> dict[str, Path]:
    """Draw the choice of models and data; return the chosen files by name."""
    with st.sidebar:
        st.header("diag")
        if arguments().trust:
            st.warning(
                "Started with --trust: models that hold code of their own are run here.", icon=":material/gpp_maybe:"
            )
        add_uploads()
        files = model_files()
        chosen = choose_models(list(files))
        source = st.text_input(
            "Data", key=widget("data", get("data", arguments().data or "")), placeholder="what the model cards name",
            help="digits, mnist, fashion\\_mnist, cifar10, cifar100, or a path: a folder, .zip, .npz, .csv, .h5, ...",
        )  # fmt: skip
        put("data", source.strip())
        trained = st.text_input(
            "Training data", key=widget("train", get("train", arguments().train or "")), placeholder="not known",
            help="For the doctor's checks of overfitting, duplicates and baselines; the same kinds of source.",
        )  # fmt: skip
        put("train", trained.strip())
    return {name: files[name] for name in chosen}


def add_uploads() -> None:
    """Draw the place to add files, and what was added; take new ones out of Streamlit's memory."""
    turn = st.session_state.setdefault("uploader", secrets.token_hex(4))
    # Without `type`: what has another ending is refused here, in one line; Streamlit's own check ends the page.
    added = st.file_uploader(
        "Add models", accept_multiple_files=True, key=f"uploader-{turn}", help=f"Files in {', '.join(ENDINGS)}."
    )
    if added:
        _take(added)
        st.session_state["uploader"] = secrets.token_hex(4)  # an empty one
        st.rerun()
    for problem in st.session_state.get("upload-problems", []):
        st.error(plain(problem))
    for upload in mine():
        if upload.dropped:
            st.warning(f"{plain(upload.name)} was dropped to make room for newer files. Add it again.")
        if st.button(f"Remove {plain(upload.name)}", key=f"remove-{upload.path.parent.name}", type="tertiary",
                     icon=":material/close:"):  # fmt: skip
            uploads().remove(upload)
            mine().remove(upload)
            st.rerun()


def mine() -> list[Upload]:
    """Return what this session has added."""
    found: list[Upload] = st.session_state.setdefault("uploads", [])
    return found


def _take(added: list[st.runtime.uploaded_file_manager.UploadedFile]) -> None:
    problems = []
    context = get_script_run_ctx()
    for file in added:
        try:
            mine().append(uploads().add(file.name, file.getbuffer(), owner()))
        except DiagError as error:
            problems.append(str(error))
        if context is not None:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    st.session_state["upload-problems"] = problems


def model_files() -> dict[str, Path]:
    """Return the model files that can be chosen, by name; links that lead out of the folders shown are left out."""
    folders = roots()
    files: list[tuple[str, Path]] = []
    for place in arguments().models:
        found = sorted(path for path in place.iterdir() if path.name.endswith(LISTED)) if place.is_dir() else [place]
        files += [(name_text(path.name), path) for path in found if inside(path, folders)]
    files += [(name_text(upload.path.name), upload.path) for upload in mine() if not upload.dropped]
    named: dict[str, Path] = {}
    for name, path in files:
        number = 2
        free = name
        while free in named:
            free, number = f"{name} ({number})", number + 1
        named[free] = path
    return named


def choose_models(names: list[str]) -> list[str]:
    """Draw the choice of models; a file that was added is chosen at once, one that is gone is dropped."""
    known = st.session_state.get("known-models", names)
    name = widget("models", [file for file in get("models").split("|") if file in names] or names)
    if known != names:
        kept = [file for file in names if file in st.session_state[name] or file not in known]
        st.session_state[name] = kept
    st.session_state["known-models"] = names
    chosen = st.multiselect("Models", names, key=name)
    put("models", "" if set(chosen) == set(names) else "|".join(chosen))
    return chosen
