"""Make the README's pictures from the shipped models: ``make screenshots`` (needs Chromium)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
MODELS = "cnn_dody.h5|cnn_sd.h5"


def main() -> None:
    """Take both pictures."""
    chromium = shutil.which("chromium") or sys.exit("no chromium on this machine")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1"]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        report = Path(folder) / "report.html"
        subprocess.run([sys.executable, "-m", "diag", "demo", "--out", str(report)], check=True, cwd=ROOT)
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        page.goto(report.as_uri())
        page.locator("figure[data-chart=accuracy] svg").wait_for()
        page.screenshot(path=IMAGES / "report.png")
        page.goto(f"{report.as_uri()}#page=compare")
        page.locator(".quadrant-images .card").first.wait_for()
        page.locator("#class-differences svg").wait_for(state="attached")
        page.locator(".choose-pair").evaluate("box => window.scrollTo(0, box.getBoundingClientRect().top - 170)")
        page.wait_for_timeout(1500)
        page.screenshot(path=IMAGES / "compare.png")
        page.goto(f"{report.as_uri()}#page=model")
        maps = page.locator("article:not([hidden]) .maps")
        for _ in range(3):  # charts above are drawn late, and move what is below
            maps.evaluate("maps => window.scrollTo(0, maps.getBoundingClientRect().top + window.scrollY - 150)")
            page.wait_for_timeout(1500)
        page.screenshot(path=IMAGES / "maps.png")
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1010})
            while True:
                try:
                    page.goto(f"http://127.0.0.1:{port}/confusion?models={MODELS}&cell=4-9&model=CNN dody")
                    break
                except Error:
                    page.wait_for_timeout(300)
            page.get_by_text("taken for").first.wait_for(timeout=120_000)
            page.wait_for_timeout(4000)
            page.screenshot(path=IMAGES / "dashboard.png")
        finally:
            server.terminate()
        browser.close()
    save_grids()


def save_grids() -> None:
    """Write the pictures of docs/figures.md."""
    import diag

    run = diag.evaluate(diag.load_model(ROOT / "saved_models/digits/cnn_sd.h5"), diag.load_dataset("digits"))
    diag.views.confusion_grid(run).save(IMAGES / "confusion_grid.png")
    diag.views.class_grid(run, run.errors()).save(IMAGES / "class_grid.png")


if __name__ == "__main__":
    main()
