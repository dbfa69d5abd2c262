"""The real server: where it listens, whose requests it answers, its settings from any folder, and a crowd."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib.util
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import diag_server
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "dashboard" / "app.py"


def crowd():
    """Return the load driver of the benchmarks."""
    spec = importlib.util.spec_from_file_location("crowd", ROOT / "benchmarks" / "crowd.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["crowd"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A dashboard that was started from another folder, with no setting on its command line but the port."""
    place = tmp_path_factory.mktemp("elsewhere")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(APP), f"--server.port={port}", "--server.headless=true"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    log = place / "log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=place, stdout=out, stderr=subprocess.STDOUT, env=environment)
        for _ in range(1200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)  # until it listens
        yield SimpleNamespace(port=port, process=process, log=log)
        process.terminate()
        process.wait(timeout=30)


def asked(server, method="GET", path="/", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer, content


def test_it_listens_on_this_machine_only(server):
    listening = Path("/proc/net/tcp")
    if not listening.exists():
        pytest.skip("no /proc")
    port = f"{server.port:04X}"
    rows = [line.split() for line in listening.read_text().splitlines()[1:]]
    assert [row[1] for row in rows if row[1].endswith(f":{port}") and row[3] == "0A"] == [f"0100007F:{port}"]


def test_the_settings_are_found_from_another_folder(server):
    import json

    assert "Collecting usage statistics" not in server.log.read_text()
    answer, content = asked(server, path="/_stcore/host-config")
    assert answer.status == 200
    assert "mapboxToken" in content or json.loads(content)
    assert answer.getheader("Access-Control-Allow-Origin") != "*"


def test_settings_are_one_file_for_both_folders():
    assert (ROOT / ".streamlit").is_symlink()
    assert (ROOT / ".streamlit").resolve() == ROOT / "dashboard" / ".streamlit"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", ""])
def test_other_host_names_get_nothing(server, host):
    answer, content = asked(server, Host=host)
    assert answer.status in (400, 421)
    assert "diag" not in content


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8501", "LocalHost"])
def test_this_machines_names_are_answered(server, host):
    answer, _ = asked(server, Host=host)
    assert answer.status == 200
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("X-Frame-Options") == "SAMEORIGIN"
    assert answer.getheader("Referrer-Policy") == "no-referrer"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost.evil.example"])
def test_pages_of_other_sites_get_no_session(server, origin):
    async def open_one():
        url = f"ws://127.0.0.1:{server.port}/_stcore/stream"
        async with connect(url, subprotocols=["streamlit"], additional_headers={"Origin": origin}):
            pass

    with pytest.raises(InvalidStatus, match="403"):
        asyncio.run(open_one())


@pytest.mark.parametrize(
    ("length", "status"), [(None, 411), ("x", 411), ("-5", 411), (str(10**12), 413), ("9" * 30, 411)]
)
def test_uploads_say_their_length_and_are_no_longer_than_allowed(server, length, status):
    given = {} if length is None else {"Content_Length": length}
    answer, content = asked(server, "PUT", "/_stcore/upload_file/some/one", **given)
    assert answer.status in (status, 400)  # the web server itself refuses some
    assert "Traceback" not in content


@pytest.mark.parametrize(
    "path", ["/app/static/../app.py", "/media/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"]
)
def test_no_file_of_the_machine_is_served(server, path):
    _, content = asked(server, path=path)
    assert "root:" not in content
    assert "streamlit run" not in content


def test_a_misspelt_option_stops_the_start(tmp_path):
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.headless=true", "--", "--rot", "x"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 2
    assert "unrecognized arguments: --rot x" in done.stderr


def test_a_crowd_sees_no_error_and_nothing_of_each_other(server):
    driver = crowd()
    seconds, errors = asyncio.run(driver.crowd(server.port, 6, ("", "confusion", "errors"), 4, 0.0))
    assert not errors
    assert len(seconds) == 24
    assert "Traceback" not in server.log.read_text()


def guarded(monkeypatch, session="s", length="10", waiting=0, loopback=True, signed_in=()):
    """Return what the guard says to an upload; None when Streamlit gets it."""
    monkeypatch.setattr(diag_server, "_waiting", lambda: waiting)
    monkeypatch.setattr("diag_access.loopback", lambda: loopback)
    monkeypatch.setattr("diag_access.SIGNED_IN", set(signed_in))
    told, passed = [], []

    async def app(scope, receive, send):
        passed.append(scope)

    async def send(message):
        told.append(message)

    headers = [(b"host", b"localhost"), (b"content-length", length.encode())]
    scope = {"type": "http", "method": "PUT", "path": f"/_stcore/upload_file/{session}/f", "headers": headers}
    asyncio.run(diag_server.Guard(app)(scope, None, send))
    return None if passed else told[0]["status"]


def test_uploads_in_memory_are_bounded_and_only_taken_from_those_who_signed_in(monkeypatch):
    assert guarded(monkeypatch) is None
    assert guarded(monkeypatch, waiting=diag_server.WAITING_BYTES) == 503
    assert guarded(monkeypatch, loopback=False) == 403
    assert guarded(monkeypatch, loopback=False, signed_in=["s"]) is None
    assert guarded(monkeypatch, loopback=False, signed_in=["another"]) == 403
