"""The one place where anything that goes wrong in a page ends."""

from __future__ import annotations

import contextlib
import logging
import secrets
import traceback
from typing import TYPE_CHECKING

import streamlit as st
from diag_state import plain

from diag.errors import DiagError
from diag.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = logging.getLogger("diag.dashboard")


@contextlib.contextmanager
def boundary() -> Iterator[None]:
    """Show an error of ours as one line, any other as a sentence with a number, under which the server's log has it."""
    try:
        yield
    except DiagError as error:
        st.error(plain(error))
    except Exception as error:  # noqa: BLE001 - the boundary of the surface
        failed(error)


def failed(error: Exception) -> bool:
    """Show one sentence with a number, and log the error under it; what `st.App` calls for errors outside of a page."""
    number = secrets.token_hex(4)
    st.error(f"Something went wrong that should not have. The server's log has it under number {number}.")
    LOG.error("number %s\n%s", number, _written(error))
    return True


def _written(error: Exception) -> str:
    """Return a traceback whose texts from files cannot steer a terminal."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(f"{line[: len(line) - len(line.lstrip(' '))]}{printable(line, 500)}" for line in lines)
