"""One run through the real dashboard in a real browser: from a confusion cell to an image to its SHAP map."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import CHROMIUM_FLAGS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(tmp_path):
    """The dashboard on a free port, with two of the shipped models."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.fileWatcherType=none"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=os.environ.copy())
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.browser
def test_from_a_cell_to_a_map(server, chromium):
    from playwright.sync_api import Error, expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.set_default_timeout(120_000)
        expect.set_options(timeout=120_000)
        for attempt in range(600):
            try:
                page.goto(f"{server}/confusion?models=cnn_lungu.keras|dense.keras")
                break
            except Error:
                if attempt == 599:
                    raise
                page.wait_for_timeout(200)  # the server is not listening yet
        matrix = page.locator("[data-testid=stVegaLiteChart]").first
        expect(matrix.locator("canvas, svg").first).to_be_visible()
        box = matrix.locator("canvas, svg").first.bounding_box()
        # Along one row of the matrix, until the cell is the class itself: there are always images in that one.
        for step in range(2, 10):
            before = page.url
            page.mouse.click(box["x"] + box["width"] * step / 10, box["y"] + box["height"] * 0.4)
            page.wait_for_url(lambda url, before=before: url != before and "cell=" in url)
            cell = re.search(r"cell=(\d+)-(\d+)", page.url)
            if cell[1] == cell[2]:
                break
        expect(page.get_by_text("rightly recognised").first).to_be_visible()
        page.get_by_role("button", name="Explain").first.click()
        expect(page.get_by_text("Additivity error").first).to_be_visible()
        assert "/explain" in page.url
        index = int(re.search(r"index=(\d+)", page.url)[1])
        for step in (1, 2, 3):  # each of several changes counts
            page.get_by_role("spinbutton").press("ArrowUp")
            page.get_by_role("spinbutton").press("Enter")
            expect(page.get_by_text(f"index {index + step},").first).to_be_visible()
        browser.close()
