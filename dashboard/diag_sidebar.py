"""The side bar: which models and which data, named by the visitor or added by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from diag_added import add_data, add_models, mine, numbered_names
from diag_arguments import arguments, roots
from diag_state import get, put, widget

from diag.io.model_folders import model_files
from diag.printable import name_text
from diag.worker.roots import inside

if TYPE_CHECKING:
    from pathlib import Path


def sidebar() -> dict[str, Path]:
    """Draw the choice of models and data; return the chosen files by name."""
    with st.sidebar:
        st.header("diag")
        add_models()
        files = listed_files()
        chosen = choose_models(list(files))
        add_data()
        source = st.text_input(
            "Data", key=widget("data", get("data", arguments().data or "")), placeholder="what the model cards name",
            help="digits, mnist, fashion\\_mnist, cifar10, cifar100; a path: a folder, .zip, .npz, .csv, ...; or a "
            "file that you added: added/NAME.",
        )  # fmt: skip
        put("data", source.strip())
        trained = st.text_input(
            "Training data", key=widget("train", get("train", arguments().train or "")), placeholder="not known",
            help="For the doctor's checks of overfitting, duplicates and baselines; the same kinds of source.",
        )  # fmt: skip
        put("train", trained.strip())
    return {name: files[name] for name in chosen}


def listed_files() -> dict[str, Path]:
    """Return the model files that can be chosen, by name; links that lead out of the folders shown are left out."""
    folders = roots()
    files: list[tuple[str, Path]] = []
    files += [(name_text(path.name), path) for path in model_files(arguments().models) if inside(path, folders)]
    files += [(name_text(upload.path.name), upload.path) for upload in mine("model")]
    return numbered_names(files)


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
