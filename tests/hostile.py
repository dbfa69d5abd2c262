"""Names that try to get out of a page, a terminal or a table; a server that counts requests; a page that is watched."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from tests.fakes import CHROMIUM_FLAGS


def hostile_names(address):
    """Return names of classes, models, images; those with an address would fetch or open it."""
    return [
        f"<img src={address}/img onerror=alert(1)>",
        f"</script><script>alert(2);fetch('{address}/script')</script>",
        f"![]({address}/markdown)",
        "[a](javascript:alert(3))",
        f'=HYPERLINK("{address}/formula")',
        f"\x1b]8;;{address}/osc\x1b\\link\x1b]8;;\x1b\\ \x1b[31mred",
        "gpj.\u202eexe\u202c \u2066x",
        "{{7*7}} ${7*7} $x^2$",
        "datum.x",
        "a.b[0]\"'\\",
        "__proto__",
        "constructor",
        "nul\x00 and \ud800 surrogate",
        "x" * 10_000,
        "",
        " \t\u200b",
        "cat",
        "cat\u200b",
        f"<a href={address}/a>&lt;b&gt;</a> www.example.com {address}/auto",
        "--><!-- <style>*{display:none}</style>",
    ]


@contextlib.contextmanager
def counting_server():
    """Give the address of a local server and the list of paths that it is asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *told):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def watched_page(chromium, width=1400, height=1000):
    """Give a page of a browser and what it did that it should not: dialogs, errors, windows, foreign requests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(60_000)
        told = []
        page.on("dialog", lambda dialog: (told.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: told.append(f"error: {error}"))
        page.on("popup", lambda popup: told.append(f"window: {popup.url}"))
        page.on("console", lambda said: told.append(f"console: {said.text}") if said.type == "error" else None)
        try:
            yield page, told
        finally:
            browser.close()
