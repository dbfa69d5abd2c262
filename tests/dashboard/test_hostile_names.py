"""Names from files in the dashboard, in a real browser: nothing of them runs, is fetched, or becomes a link."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diag.printable import distinct
from tests.fakes import save_model
from tests.hostile import counting_server, hostile_names, watched_page

ROOT = Path(__file__).resolve().parents[2]
FILES = ("<img src=x onerror=alert(1)> ![](x)", "[a](javascript:alert(2)) $x^2$ :smile:", "constructor")
VIEWS = (
    "", "doctor", "compare", "compare?part=all", "calibration?part=curves", "confusion?cell=0-0", "errors",
    "data?part=slices&slice=0", "data?part=labels", "data?part=map", "training", "training?curve=constructor",
    "explain", "filters",
)  # fmt: skip
"""Pages, and what is chosen on them."""
FOUND = """() => ({
  links: [...document.querySelectorAll('[data-testid=stMain] a, [data-testid=stSidebar] a')].map((each) => each.href),
  frames: document.querySelectorAll('iframe, object, embed').length,
  images: [...document.images].map((each) => each.src).filter((src) => !src.startsWith('data:')),
  errors: [...document.querySelectorAll('[data-testid=stException], [data-testid=stAlertContentError]')]
    .map((each) => each.textContent),
  text: document.querySelector('[data-testid=stMain]').innerText,
  wider: document.documentElement.scrollWidth - window.innerWidth,
})"""
DONE = """() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
  && document.querySelector('[data-testid=stMain]').innerText.length > 40"""


@pytest.fixture(scope="module")
def site():
    with counting_server() as (address, asked):
        yield address, asked


@pytest.fixture(scope="module")
def files(site, tmp_path_factory):
    """Three networks with hostile cards and histories, and images with hostile names and columns."""
    from PIL import Image

    from diag._lazy import import_keras

    layers = import_keras().layers
    folder = tmp_path_factory.mktemp("hostile")
    names = distinct(hostile_names(site[0]))
    for place, stem in enumerate(FILES):
        save_model(
            folder / f"{stem}.keras",
            [layers.Conv2D(2, 3, name="toString"), layers.Flatten(), layers.Dense(len(names))],
            (9, 9, 1),
            seed=place,
        )
        card = f"title = {json.dumps(names[place + 1])}\ndescription = {json.dumps(names[0])}\n"
        card += f'class_names = {json.dumps(list(names))}\nhistory = "log.csv"\n'
        (folder / f"{stem}.toml").write_text(card, encoding="utf-8")
    with (folder / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["epoch", "loss", names[2], "constructor"], [0, 1, 1, 2], [1, 0.5, 2, 1]])
    rng = np.random.default_rng(0)
    table = [["file", names[2].replace("/", "|"), "constructor"]]
    for row in range(2 * len(names)):
        place = folder / "images" / str(row % len(names)) / f"![]({row}) <b>.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8)).save(place)
        table.append([str(place.relative_to(folder / "images")), names[row % 3], names[row % 2 + 10]])
    with (folder / "images" / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(table)
    return folder


@pytest.fixture(scope="module")
def server(files):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.fileWatcherType=none"]
    command += ["--", "--models", str(files), "--data", str(files / "images")]
    with (files / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=os.environ.copy())
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(timeout=30)


def opened(page, address):
    """Open an address as soon as the server listens."""
    from playwright.sync_api import Error

    for attempt in range(600):
        try:
            return page.goto(address)
        except Error:
            if attempt == 599:
                raise
            page.wait_for_timeout(200)
    return None


@pytest.mark.browser
def test_no_page_fetches_runs_or_links_a_name(server, site, chromium):
    with watched_page(chromium, 420) as (page, told):
        page.set_default_timeout(120_000)
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("websocket", lambda socket: requests.append(socket.url))
        found = {}
        for view in VIEWS:
            opened(page, f"{server}/{view}")
            page.wait_for_function(DONE)
            found[view] = page.evaluate(FOUND)
    own = (server, server.replace("http", "ws"), "data:", "blob:")
    assert site[1] == []
    assert [url for url in requests if not url.startswith(own)] == []
    assert [said for said in told if "Failed to load resource" not in said] == []  # Streamlit seeks its own base
    for view, each in found.items():
        assert each["errors"] == [], view
        assert each["frames"] == 0, view
        assert [href for href in each["links"] if not href.startswith(server)] == [], view
        assert [src for src in each["images"] if not src.startswith(f"{server}/media/")] == [], view
        assert each["wider"] <= 0, view
    assert f"]({site[0]}/markdown)" in found[""]["text"].replace("\u2060", "")  # shown as it is
    assert "\\" not in found["training"]["text"]  # no escape is left to be seen
