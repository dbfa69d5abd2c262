"""The pages, and what is done before and after each: who may see it, which folders, what happens to errors."""

from __future__ import annotations

import streamlit as st
from diag_access import allowed_in
from diag_arguments import arguments, roots, upload_folder
from diag_boundary import boundary
from diag_settled import settle
from diag_state import enter, keep_url

from diag.worker.roots import confined

PAGES = {
    "overview": ("Overview", "leaderboard"),
    "doctor": ("Doctor", "stethoscope"),
    "compare": ("Compare", "compare_arrows"),
    "calibration": ("Calibration", "straighten"),
    "confusion": ("Confusion", "grid_on"),
    "errors": ("Errors", "error"),
    "data": ("Data", "dataset"),
    "training": ("Training", "show_chart"),
    "explain": ("Explain", "visibility"),
    "trust": ("Trust", "verified_user"),
    "filters": ("Filters", "filter_alt"),
}
"""Title and icon of each page; the first is shown when none is named."""


def draw() -> None:
    """Draw the page that was asked for, to those who may see it."""
    st.set_page_config(page_title="diag", page_icon="🔎", layout="wide")
    pages = [
        st.Page(f"app_pages/{name}.py", title=title, icon=f":material/{icon}:", default=name == "overview")
        for name, (title, icon) in PAGES.items()
    ]
    with boundary(), confined([*roots(), upload_folder()]):
        let_in = allowed_in()
        page = st.navigation(pages, position="top" if let_in else "hidden")
        if let_in:
            if arguments().trust:
                st.warning(
                    "Started with --trust: models that hold code of their own run it here.", icon=":material/gpp_maybe:"
                )
            enter(page.url_path)
            page.run()
            keep_url()
            settle()
