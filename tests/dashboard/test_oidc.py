"""Sign-in at a server that others can reach, in a real browser, by a provider of our own that speaks OpenID Connect."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.fakes import CHROMIUM_FLAGS

ROOT = Path(__file__).resolve().parents[2]
SECRETS = """
[auth]
redirect_uri = "{site}/oauth2callback"
cookie_secret = "a secret of a test that is long enough for everybody"
client_id = "diag"
client_secret = "known to both"
server_metadata_url = "{provider}/.well-known/openid-configuration"

[diag]
allow = ["@example.org"]
"""


class Provider(BaseHTTPRequestHandler):
    """Lets in whoever comes, as the person that `server.email` names."""

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            self.server.nonce = asked["nonce"]
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{urlencode({'code': 'c', 'state': asked['state']})}")
            self.end_headers()
            return
        keys = {"keys": [self.server.key.as_dict(private=False)]}
        self.say(keys if url.path == "/keys" else self.metadata())

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        from joserfc import jwt

        now = int(time.time())
        person = {"iss": self.site(), "aud": "diag", "sub": "1", "iat": now, "exp": now + 600}
        person |= {"nonce": self.server.nonce, "email": self.server.email, "email_verified": True}
        token = jwt.encode({"alg": "RS256", "kid": self.server.key.kid}, person, self.server.key)
        self.say({"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def site(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def metadata(self):
        return {
            "issuer": self.site(),
            "authorization_endpoint": f"{self.site()}/authorize",
            "token_endpoint": f"{self.site()}/token",
            "jwks_uri": f"{self.site()}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
        }

    def say(self, value):
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def provider():
    joserfc = pytest.importorskip("joserfc.jwk")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.key = joserfc.RSAKey.generate_key(2048, {"kid": "k"})
    server.email = "ana@example.org"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(provider, tmp_path):
    """A dashboard that says it can be reached as another machine, though the test reaches it here."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://localhost:{port}"
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        SECRETS.format(site=address, provider=f"http://127.0.0.1:{provider.server_port}")
    )
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py"), "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=0.0.0.0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT, env=environment)
        yield address
        process.terminate()
        process.wait(timeout=30)


def opened(page, address):
    from playwright.sync_api import Error

    for attempt in range(600):
        try:
            return page.goto(address)
        except Error:
            if attempt == 599:
                raise
            page.wait_for_timeout(200)  # the server is not listening yet


@pytest.mark.browser
def test_sign_in_shows_the_models_to_those_on_the_list(site, provider, chromium):
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page()
        page.set_default_timeout(60_000)
        opened(page, f"{site}/?models=logistic_l2.skops")
        expect(page.get_by_text("Sign in to see the models")).to_be_visible()
        expect(page.get_by_text("Models", exact=True)).to_have_count(0)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Add models")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("Sign in to see the models")).to_be_visible()

        provider.email = "eve@evil.org"
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("not on the list of this server")).to_be_visible()
        expect(page.get_by_text("Add models")).to_have_count(0)
        browser.close()
