"""Who may see anything: everybody on this machine; from elsewhere only those who signed in and are on the list."""

from __future__ import annotations

from typing import Any

import streamlit as st
from diag_arguments import loopback
from streamlit.runtime.scriptrunner import get_script_run_ctx

SIGNED_IN: set[str] = set()
"""Sessions that may upload. Streamlit takes files before any script runs, so the server asks here."""


def allowed_in() -> bool:
    """Return whether the page may be drawn; draw what is needed for that when it may not."""
    if loopback():
        return True
    rules = _section("diag").get("allow")
    if not _section("auth") or not isinstance(rules, list | tuple) or not rules:
        st.error(
            "This server can be reached from other machines, so it shows nothing without sign-in. Whoever runs it: "
            "write the sections auth and diag of secrets.toml (docs/serving.md says how), or start it with "
            "`--server.address=127.0.0.1`."
        )
        return False
    if not st.user.is_logged_in:
        st.header("diag")
        st.markdown("Sign in to see the models of this server.")
        st.button("Sign in", on_click=st.login, type="primary")
        return False
    if not on_the_list(st.user.to_dict(), [str(rule) for rule in rules]):
        st.error("Your account is not on the list of this server. Ask whoever runs it.")
        st.button("Sign out", on_click=st.logout)
        return False
    _remember()
    with st.sidebar:
        st.button("Sign out", on_click=st.logout, type="tertiary", icon=":material/logout:")
    return True


def on_the_list(person: dict[str, Any], rules: list[str]) -> bool:
    """Return whether one of `rules` lets somebody in: an address, ``@`` and a domain, or ``*`` for all who sign in.

    An address that its provider calls unverified counts as none.

    Examples
    --------
    >>> on_the_list({"email": "Ana@Example.org"}, ["@example.org"])
    True
    >>> on_the_list({"email": "eve@evil.org", "email_verified": False}, ["eve@evil.org"])
    False
    """
    if "*" in rules:
        return True
    address = str(person.get("email") or "").lower()
    if address.count("@") != 1 or person.get("email_verified", True) not in (True, "true"):
        return False
    return any(address == rule.lower() or (rule.startswith("@") and address.endswith(rule.lower())) for rule in rules)


def may_upload(session: str) -> bool:
    """Return whether files of a session are taken."""
    return loopback() or session in SIGNED_IN


def _remember() -> None:
    context = get_script_run_ctx()
    if context is not None:
        SIGNED_IN.add(context.session_id)


def _section(name: str) -> dict[str, Any]:
    """Return a section of the server's secrets; empty without one."""
    try:
        return dict(st.secrets.get(name) or {})
    except FileNotFoundError:
        return {}
