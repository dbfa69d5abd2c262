"""What the server does with a request before Streamlit sees it: hosts, uploads, headers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import streamlit as st
from diag_access import may_upload
from diag_arguments import loopback, parser, roots, upload_folder
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from streamlit.runtime import Runtime
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from diag.worker.roots import confine

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

WAITING_BYTES = 1024**3
"""Uploads that lie in memory at the same time, before a page has taken them."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_UPLOAD = "/_stcore/upload_file/"


def prepare() -> None:
    """Read the command line strictly, and confine the process to the folders that may be shown."""
    try:
        given = parser().parse_args(sys.argv[1:])
    except Exception as error:  # argparse raises three kinds  # noqa: BLE001
        raise SystemExit(f"error: {error}. See: streamlit run dashboard/app.py -- --help") from None
    confine([*roots(), upload_folder()])
    if given.trust:
        print("diag: --trust: models that hold code of their own are loaded, and run it in this process.")
    if not loopback():
        print("diag: this server can be reached from other machines: it asks for sign-in (docs/serving.md).")


class Guard:
    """Refuse requests to foreign host names and too many uploads; say in every answer what browsers may do with it.

    Parameters
    ----------
    app : ASGI application
        Streamlit.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.arriving = 0
        """Bytes of uploads that are on the way."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # Streamlit itself looks at hosts and origins of websockets
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not is_host_allowed(headers.get("host")):
            await PlainTextResponse("This server has another name.", 421)(scope, receive, send)
        elif _UPLOAD in scope["path"] and scope["method"] in ("PUT", "POST"):
            await self._take(scope, receive, send, headers)
        else:
            await self.app(scope, receive, _with_headers(send))

    async def _take(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        length = headers.get("content-length", "")
        session = scope["path"].partition(_UPLOAD)[2].partition("/")[0]
        refusal = self._refusal(session, length)
        if refusal is not None:
            await PlainTextResponse(refusal[1], refusal[0])(scope, receive, send)
            return
        self.arriving += int(length)
        try:
            await self.app(scope, receive, _with_headers(send))
        finally:
            self.arriving -= int(length)

    def _refusal(self, session: str, length: str) -> tuple[int, str] | None:
        """Return status and text for an upload that is not taken."""
        if not may_upload(session):
            return 403, "Sign in first."
        if not (length.isascii() and length.isdecimal()) or len(length) > 15:
            return 411, "Expected the length of the upload."
        if int(length) > st.get_option("server.maxUploadSize") * 2**20 + 2**20:
            return 413, "The file is too large."
        if self.arriving + _waiting() + int(length) > WAITING_BYTES:
            return 503, "Too many uploads at once. Try again in a minute."
        return None


def _waiting() -> int:
    """Return the bytes of uploads that Streamlit holds in memory."""
    families: dict[str, Any] = Runtime.instance().uploaded_file_mgr.get_stats()
    return sum(stat.byte_length for stats in families.values() for stat in stats)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
