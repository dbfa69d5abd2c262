"""What many classes cost: 1,000 classes x 100,000 images, evaluated, written as a report, opened in a real browser.

Usage: ``python benchmarks/many_classes.py [--classes 1000] [--images 100000] [--folder DIR] [--skip-dashboard]``

Images are 16 x 16 codes of their class with noise; classes come in families of eight with codes that are alike, so that
they are taken for each other. The models are real Keras files whose weights are worked out, not trained: a linear
discriminant on pixels, and one on the answers of random convolutions. Printed: seconds for evaluating and for the
report, its size and peak memory, and for each page of report and dashboard the seconds until its content is there,
once everything has been computed before. A page counts as there when its heading is visible, what it draws has been
drawn and nothing is busy. ``--folder`` keeps all of it, so that a second run only measures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SIDE, FAMILY = 16, 8
LIMIT = 2.0
FAMILIES = ("Finch", "Warbler", "Heron", "Gull", "Owl", "Swift", "Wren", "Plover", "Lark", "Crane")
DRAWN = """() => {
  const page = document.querySelector("section.page:not([hidden]), section:not([hidden])");
  const figures = [...document.querySelectorAll("figure.chart")].filter((figure) => {
    const box = figure.getBoundingClientRect();
    return figure.checkVisibility() && box.top < innerHeight && box.bottom > 0;
  });
  return page !== null && document.readyState === "complete" && figures.every((figure) => figure.childElementCount);
}"""
IDLE = """() => document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"
  && !document.querySelector("[data-testid=stSkeleton], [data-stale=true]")
  && [...document.querySelectorAll("[data-testid=stVegaLiteChart]")].every((it) => it.querySelector("canvas, svg"))"""


def codes(k: int, rng: np.random.Generator) -> np.ndarray:
    """Return each class's clean image, float (k, SIDE, SIDE): that of its family, and a smaller part of its own."""
    families = rng.normal(size=(-(-k // FAMILY), SIDE, SIDE))
    return families[np.arange(k) // FAMILY] + 0.13 * rng.normal(size=(k, SIDE, SIDE))


def draw(clean: np.ndarray, n: int, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return n images as uint8 (n, SIDE, SIDE) and their labels; class sizes differ by a factor of three."""
    weights = np.linspace(0.5, 1.5, len(clean))
    labels = rng.choice(len(clean), size=n, p=rng.permutation(weights) / weights.sum())
    images = np.empty((n, SIDE, SIDE), dtype=np.uint8)
    for start in range(0, n, 4096):
        rows = labels[start : start + 4096]
        values = 127 + 28 * (clean[rows] + noise * rng.normal(size=(len(rows), SIDE, SIDE)))
        images[start : start + 4096] = np.clip(values, 0, 255)
    return images, labels.astype(np.int64)


def build(path: Path, layers: list, images: np.ndarray, labels: np.ndarray, k: int) -> None:
    """Save a network that ends in a linear discriminant on what `layers` make of images."""
    import keras

    body = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Rescaling(1 / 255), *layers])
    features = body.predict(images[..., None], batch_size=1024, verbose=0).astype(np.float64)
    sizes = np.maximum(np.bincount(labels, minlength=k), 1)
    means = np.zeros((k, features.shape[1]))
    np.add.at(means, labels, features)
    means /= sizes[:, None]
    centred = features - means[labels]
    spread = centred.T @ centred / len(features)
    weights = np.linalg.solve(spread + 1e-2 * np.trace(spread) / len(spread) * np.eye(len(spread)), means.T)
    top = keras.layers.Dense(k, activation="softmax")
    model = keras.Sequential([*body.layers, top])
    model.build((None, SIDE, SIDE, 1))
    top.set_weights([0.6 * weights, -0.3 * (means.T * weights).sum(axis=0)])
    model.save(path)


def prepare(folder: Path, k: int, n: int) -> tuple[Path, Path]:
    """Make data and models where they are not there yet; return the data's file and the models' folder."""
    data, models = folder / "codes.npz", folder / "models"
    if data.exists() and len(list(models.glob("*.toml"))) == 2:
        return data, models
    import keras

    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    clean = codes(k, rng)
    train, train_labels = draw(clean, 30 * k, 0.6, rng)
    test, test_labels = draw(clean, n, 0.8, rng)
    np.savez(data, x_train=train[: 10 * k], y_train=train_labels[: 10 * k], x_test=test, y_test=test_labels)
    models.mkdir(exist_ok=True)
    layers = keras.layers
    build(models / "pixels.keras", [layers.Flatten()], train, train_labels, k)
    convolution = [layers.Conv2D(12, 5, strides=2, activation="relu"), layers.Flatten()]
    build(models / "convolution.keras", convolution, train, train_labels, k)
    names = [
        f"{FAMILIES[number // FAMILY % len(FAMILIES)]} {number // FAMILY}-{number % FAMILY}" for number in range(k)
    ]
    for path in models.glob("*.keras"):
        listed = ", ".join(f'"{name}"' for name in names)
        path.with_suffix(".toml").write_text(
            f'title = "{path.stem}"\nclass_names = [{listed}]\n\n[preprocessing]\nscale = 1\n', encoding="utf-8"
        )
    return data, models


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return wall-clock seconds and peak memory in MB of one run."""
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        errors = run.stderr.read() if run.stderr else b""
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode()}")
    return time.perf_counter() - started, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def row(name: str, seconds: float, note: str = "") -> None:
    """Print one measurement."""
    print(f"{name:44} {seconds:7.2f} s  {note}{'  OVER' if seconds > LIMIT and not note else ''}", flush=True)


def time_order(k: int) -> None:
    """Print how long it takes to order k classes of which each is taken for ten others, all of them connected."""
    from diag.metrics.confusion_order import class_order

    rng = np.random.default_rng(0)
    counts = 50 * np.eye(k, dtype=np.int64)
    np.add.at(counts, (np.repeat(np.arange(k), 10), rng.integers(0, k, 10 * k)), 1)
    started = time.perf_counter()
    class_order(counts)
    row(f"ordering {k:,} classes", time.perf_counter() - started, "connected by 10 random confusions each")


def time_report(browser: object, report: Path) -> None:
    """Print how long the report takes to open, and each of its pages."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: print(f"  error in the page: {error}"))
    started = time.perf_counter()
    page.goto(report.as_uri())
    page.wait_for_function(DRAWN)
    row("report: opened", time.perf_counter() - started)
    for link in page.locator("nav a").all():
        if not link.is_visible():
            continue
        name = link.inner_text().strip()
        started = time.perf_counter()
        link.click()
        page.wait_for_function(DRAWN)
        row(f"report: {name}", time.perf_counter() - started)
    page.close()


def time_dashboard(browser: object, data: Path, models: Path, environment: dict[str, str]) -> None:
    """Print how long each page of the dashboard takes the second time it is opened."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.fileWatcherType=none"]
    command += ["--", "--models", str(models), "--data", str(data)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(600_000)
        from playwright.sync_api import Error

        while True:
            try:
                page.goto(f"http://127.0.0.1:{port}/")
                break
            except Error:
                page.wait_for_timeout(300)
        page.wait_for_selector("[data-testid=stTopNavLink], [data-testid=stSidebarNavLink]")
        settle(page)
        for once in (True, False):
            for link in page.locator("[data-testid=stTopNavLink], [data-testid=stSidebarNavLink]").all():
                name = link.inner_text().strip().splitlines()[-1]
                started = time.perf_counter()
                link.click()
                ended = settle(page)
                asked = page.get_by_role("button", name="Check the maps of this model")
                if once and asked.count():  # a page that asks before it computes is told to
                    asked.first.click()
                    ended = settle(page)
                seconds = ended - started
                row(f"dashboard: {name}", seconds, "the first time" if once else "")
        page.close()
    finally:
        server.terminate()
        server.wait(timeout=30)


def settle(page: object) -> float:
    """Wait until nothing has been busy for a second; return when it was idle for the first time of that."""
    since = None
    while since is None or time.perf_counter() - since < 1.0:
        idle = page.evaluate(IDLE)
        since = (since or time.perf_counter()) if idle else None
        page.wait_for_timeout(25)
    return since


def main() -> None:
    """Make, evaluate, write, open, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--skip-dashboard", action="store_true")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no chromium on this machine")
    with tempfile.TemporaryDirectory() as passing:
        folder = arguments.folder or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        data, models = prepare(folder, arguments.classes, arguments.images)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "DIAG_CACHE_DIR": str(folder / "cache")}
        report = folder / "report.html"
        files = [str(path) for path in sorted(models.glob("*.keras"))]
        diag = [sys.executable, "-m", "diag"]
        print(f"{arguments.classes:,} classes x {arguments.images:,} images, {len(files)} models")
        for k in (300, 1000, 5000):
            time_order(k)
        seconds, memory = measured([*diag, "evaluate", *files, "--data", str(data)], environment)
        row("diag evaluate", seconds, f"peak {memory:,.0f} MB")
        command = [*diag, "report", *files, "--data", str(data), "--out", str(report)]
        for note in ("first", "again"):
            seconds, memory = measured(command, environment)
            row("diag report", seconds, f"{note}; peak {memory:,.0f} MB, file {report.stat().st_size / 1e6:.1f} MB")
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            time_report(browser, report)
            if not arguments.skip_dashboard:
                time_dashboard(browser, data, models, environment)
            browser.close()


if __name__ == "__main__":
    main()
