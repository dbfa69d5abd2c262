"""How fast the dashboard answers one user and fifty at a time, and whether one session shows what is another's.

    python benchmarks/crowd.py                    # the shipped models: 1 and 50 sessions, and a bare page as the peer
    python benchmarks/crowd.py --uploads          # fifty sessions that each add another model file

Starts the server itself and speaks Streamlit's own protocol over websockets, as a browser does. Every session has a
cell of the confusion matrix and a model of its own; after each rerun what came must be these and no other session's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("", "confusion", "errors", "calibration", "compare", "data", "training")
MODELS = ("dense.keras", "cnn_lungu.keras", "cnn_sd.h5", "logistic_l2.skops")
PEER = """
import streamlit as st
import pandas as pd
view = st.segmented_control("Cells show", ["share", "errors"], key="view")
st.dataframe(pd.DataFrame({"accuracy": [0.9, 0.8]}))
st.markdown(f"**{st.query_params.get('cell')}**")
"""


class WrongPageError(Exception):
    """Something that no user should see."""


class Session:
    """One user: a websocket, the widgets on the page, and what must be on it."""

    def __init__(self, port: int, number: int, names: tuple[str, ...]) -> None:
        self.port, self.number = port, number
        self.cell = f"{number // 10 % 10}-{number % 10}"
        self.query = f"models={'|'.join(names)}&cell={self.cell}"
        self.pages: dict[str, str] = {}
        self.widgets: dict[str, Any] = {}
        self.states: dict[str, WidgetState] = {}
        self.page = ""

    async def __aenter__(self) -> Session:
        origin = f"http://127.0.0.1:{self.port}"
        address = f"ws://127.0.0.1:{self.port}/_stcore/stream"
        headers = {"Origin": origin}
        self._socket = connect(address, subprotocols=["streamlit"], max_size=None, additional_headers=headers)
        self.socket = await self._socket.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._socket.__aexit__(*error)

    async def rerun(self, page: str, switch: bool = False) -> tuple[float, list[ForwardMsg]]:
        """Open a page, or turn a switch on it; return the seconds until the run was finished, and what came."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self.query
        state.page_script_hash = self.pages.get(page, "")
        if page != self.page:
            self.states.clear()
            self.widgets.clear()
        if switch:
            self._turn()
        state.widget_states.widgets.extend(self.states.values())
        self.page = page
        began = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        came = await self._until_finished()
        seconds = time.perf_counter() - began
        self._read(came)
        return seconds, came

    def _turn(self) -> None:
        """Choose the other option of the first switch on the page."""
        group = next((widget for kind, widget in self.widgets.values() if kind == "button_group"), None)
        if group is None or len(group.options) < 2:
            return
        first, second = (group.options[place].content for place in (0, 1))
        before = self.states.get(group.id)
        state = WidgetState(id=group.id)
        state.string_array_value.data.append(
            second if before is None or list(before.string_array_value.data) != [second] else first
        )
        self.states[group.id] = state

    async def _until_finished(self) -> list[ForwardMsg]:
        came = []
        while True:
            message = ForwardMsg()
            message.ParseFromString(await asyncio.wait_for(self.socket.recv(), 300))
            came.append(message)
            if message.WhichOneof("type") == "script_finished" and message.script_finished != 2:  # early for a rerun
                return came

    def _read(self, came: list[ForwardMsg]) -> None:
        for message in came:
            if message.WhichOneof("type") == "navigation":
                self.pages = {page.url_pathname if not page.is_default else "": page.page_script_hash
                              for page in message.navigation.app_pages}  # fmt: skip
            if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
                element = message.delta.new_element
                kind = element.WhichOneof("type")
                part = getattr(element, kind)
                if kind in ("button_group", "multiselect", "number_input", "file_uploader"):
                    self.widgets[part.id] = (kind, part)

    def check(self, came: list[ForwardMsg]) -> None:
        """Refuse an error on the page, and what belongs to another session."""
        for message in came:
            kind = message.WhichOneof("type")
            if kind == "session_event" and message.session_event.HasField("script_compilation_exception"):
                raise WrongPageError("the script does not compile")
            if kind == "page_info_changed" and f"cell={self.cell}" not in message.page_info_changed.query_string:
                raise WrongPageError(f"session {self.number}: the link became {message.page_info_changed.query_string}")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._check_element(message.delta.new_element)

    def _check_element(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            raise WrongPageError(f"session {self.number}, {self.page or 'overview'}: {element.exception.message}")
        if kind == "alert" and element.alert.format == 1:  # an error
            raise WrongPageError(f"session {self.number}, {self.page or 'overview'}: {element.alert.body}")
        if kind == "heading" and " images" in element.heading.body:
            true, predicted = self.cell.split("-")
            words = f"{true} rightly recognised" if true == predicted else f"{true} taken for {predicted}"
            if words not in element.heading.body.replace("\\", ""):
                raise WrongPageError(f"session {self.number}: expected {words}. Received: {element.heading.body}")


@contextlib.contextmanager
def served(script: Path, *arguments: str, place: Path) -> Any:
    """Start a server; give its port and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"]
    command += ["--server.headless=true", "--server.address=127.0.0.1", "--server.fileWatcherType=none"]
    with (place / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--", *arguments], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=os.environ.copy()
        )
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).read()
                    break
                time.sleep(0.1)
            yield port, process
        finally:
            process.terminate()
            process.wait(timeout=60)


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    found, open_ends = [], [pid]
    while open_ends:
        each = open_ends.pop()
        found.append(each)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                open_ends += [int(child) for child in (task / "children").read_text().split()]
    return found


def memory(pid: int) -> float:
    """Return the resident memory of a process and its children, in MB."""
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError, IndexError):
            total += int(Path(f"/proc/{each}/status").read_text().partition("VmRSS:")[2].split()[0])
    return total / 1024


def processor(pid: int) -> float:
    """Return the processor seconds of a process without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def chosen(number: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the models of a session: one of as many pairs as there are models."""
    return names[number % len(names)], names[(number + 1) % len(names)]


async def user(
    port: int, number: int, pages: tuple[str, ...], actions: int, think: float, gate: asyncio.Barrier
) -> Any:
    """Act as one user: open pages, turn switches, think in between; return the seconds of each rerun and the errors."""
    rng = random.Random(number)  # noqa: S311
    seconds: list[tuple[str, float]] = []
    errors: list[str] = []
    async with Session(port, number, chosen(number, MODELS)) as session:
        first, came = await session.rerun("")
        await gate.wait()
        for _ in range(actions):
            await asyncio.sleep(rng.uniform(0, 2 * think))
            page = rng.choice(pages)
            took, came = await session.rerun(page, switch=page == session.page)
            seconds.append((page or "overview", took))
            try:
                session.check(came)
            except WrongPageError as error:
                errors.append(str(error))
    return first, seconds, errors


async def warm(port: int, numbers: range, pages: tuple[str, ...]) -> None:
    """Let every page be computed once for every choice of models."""
    for number in numbers:
        async with Session(port, number, chosen(number, MODELS)) as session:
            await session.rerun("")
            for page in pages:
                await session.rerun(page)
                await session.rerun(page, switch=True)


async def crowd(port: int, sessions: int, pages: tuple[str, ...], actions: int, think: float) -> Any:
    """Return all seconds by page, and all errors, of so many users at the same time."""
    gate = asyncio.Barrier(sessions)
    users = [user(port, number, pages, actions, think, gate) for number in range(sessions)]
    told = await asyncio.gather(*users)
    return [pair for _, seconds, _ in told for pair in seconds], [line for _, _, errors in told for line in errors]


def said(name: str, seconds: list[tuple[str, float]], errors: list[str], worked: float, mb: float) -> None:
    """Print one row."""
    times = np.array([each for _, each in seconds]) * 1000
    half, most = np.percentile(times, [50, 95])
    own = 1000 * worked / len(times)
    print(
        f"| {name} | {len(times):,} | {half:,.0f} | {most:,.0f} | {own:,.0f} | {len(errors)} | {mb:,.0f} |", flush=True
    )
    for line, count in Counter(errors).most_common(5):
        print(f"    {count} x {line}")


def by_page(seconds: list[tuple[str, float]]) -> None:
    """Print the 95th percentile of each page."""
    for page in sorted({page for page, _ in seconds}):
        times = [each * 1000 for name, each in seconds if name == page]
        print(f"    {page}: {np.percentile(times, 50):,.0f} / {np.percentile(times, 95):,.0f} ms of {len(times)}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--actions", type=int, default=20, help="reruns of each session")
    parser.add_argument("--think", type=float, default=5.0, help="mean seconds between two of them")
    parser.add_argument("--detail", action="store_true", help="by page")
    parser.add_argument("--no-peer", action="store_true", help="without the bare page")
    parser.add_argument("--uploads", action="store_true", help="each session adds a model file of its own")
    wished = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if wished.uploads:
            measure_uploads(Path(folder), wished.sessions)
        else:
            measure_reruns(Path(folder), wished)


def measure_reruns(place: Path, wished: argparse.Namespace) -> None:
    """Print what reruns cost on a bare page and on the dashboard, for one session and for many."""
    (place / "peer.py").write_text(PEER)
    print("| | reruns | median ms | p95 ms | processor ms a rerun | errors | memory MB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    peer = [] if wished.no_peer else [(place / "peer.py", ("",))]
    for script, pages in (*peer, (ROOT / "dashboard" / "app.py", PAGES)):
        kind = "bare page" if script.parent == place else "dashboard"
        with served(script, place=place) as (port, process):
            asyncio.run(warm(port, range(len(MODELS)), pages))
            for sessions, actions, think in (
                (1, 5 * wished.actions, 0.0),
                (wished.sessions, wished.actions, wished.think),
                (wished.sessions, wished.actions, 0.0),
            ):
                began = processor(process.pid)
                seconds, errors = asyncio.run(crowd(port, sessions, pages, actions, think))
                worked = processor(process.pid) - began
                name = f"{kind}, {sessions} session{'s' * (sessions > 1)}{'' if think else ', no pause'}"
                said(name, seconds, errors, worked, memory(process.pid))
                if wished.detail:
                    by_page(seconds)


def measure_uploads(place: Path, sessions: int) -> None:
    """Print the memory of the server as each session adds a model file of its own, and looks at it."""
    with served(ROOT / "dashboard" / "app.py", place=place) as (port, process):
        asyncio.run(warm(port, range(2), ("",)))
        print(f"before: {memory(process.pid):,.0f} MB", flush=True)
        for number in range(sessions):
            seconds, names = asyncio.run(add_model(port, number))
            if number % 10 == 9 or number == 0:
                print(
                    f"{number + 1} sessions: {memory(process.pid):,.0f} MB, the last took {seconds:.1f} s", flush=True
                )
            if [name for name in names if name.startswith("added")] != [f"added_{number}.keras"]:
                raise WrongPageError(f"session {number} can choose {names}")


async def add_model(port: int, number: int) -> tuple[float, list[str]]:
    """Add another model file as a browser does; return the seconds, and the names that can be chosen then."""
    import io
    import zipfile

    import requests

    content = io.BytesIO((ROOT / "saved_models" / "digits" / "dense.keras").read_bytes())
    with zipfile.ZipFile(content, "a") as archive:
        archive.comment = b"%d" % number  # another file, the same network
    began = time.perf_counter()
    site = requests.Session()
    await asyncio.to_thread(site.get, f"http://127.0.0.1:{port}/_stcore/health", timeout=60)
    async with Session(port, number, ("dense.keras",)) as session:
        await session.rerun("")
        name = f"added_{number}.keras"
        message = BackMsg()
        message.file_urls_request.request_id = "1"
        message.file_urls_request.file_names.append(name)
        await session.socket.send(message.SerializeToString())
        answer = ForwardMsg()
        while answer.WhichOneof("type") != "file_urls_response":
            answer.ParseFromString(await session.socket.recv())
        urls = answer.file_urls_response.file_urls[0]
        token = {"X-Xsrftoken": site.cookies["_streamlit_xsrf"]}
        files = {"file": (name, content.getvalue())}
        url = f"http://127.0.0.1:{port}{urls.upload_url}"
        reply = await asyncio.to_thread(site.put, url, files=files, headers=token, timeout=60)
        reply.raise_for_status()
        uploader = next(widget for kind, widget in session.widgets.values() if kind == "file_uploader")
        state = WidgetState(id=uploader.id)
        info = state.file_uploader_state_value.uploaded_file_info.add()
        info.name, info.size, info.file_id = name, len(content.getvalue()), urls.file_id
        info.file_urls.CopyFrom(urls)
        session.states[uploader.id] = state
        session.widgets.clear()
        _, came = await session.rerun("")
        session.check(came)
        models = next(widget for kind, widget in session.widgets.values() if kind == "multiselect")
        return time.perf_counter() - began, list(models.options)


if __name__ == "__main__":
    main()
