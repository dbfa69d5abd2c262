"""The files that visitors have added, one store for the server, and a name for each session in it."""

from __future__ import annotations

import secrets

import streamlit as st
from diag_arguments import upload_folder
from diag_uploads import Uploads


@st.cache_resource(show_spinner=False)
def uploads() -> Uploads:
    """Return the store of this server."""
    return Uploads(upload_folder)


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda name: uploads().forget(name))
def owner() -> str:
    """Return this session's name in the store; what it added is deleted when it ends."""
    return secrets.token_hex(8)
