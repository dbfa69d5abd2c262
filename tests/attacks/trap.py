"""What an attack is given to hurt: a folder of its own, a marker it must not make, canaries it must not open."""

from __future__ import annotations

import ctypes
import hashlib
import http.server
import os
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECRET = "CANARY" + hashlib.sha256(b"nobody may read this").hexdigest()
POISONED = ("keras_cv", "keras_hub", "keras_nlp", "evil_module")
FEEDS = ("model", "data", "history", "card", "ensemble", "architecture", "class_names", "swap")
_IN_OPEN, _IN_ACCESS, _IN_CREATE, _IN_MODIFY = 0x20, 0x1, 0x100, 0x2


@dataclass(frozen=True, slots=True)
class Trap:
    """Places for one attack.

    Parameters
    ----------
    folder : Path
        Where its files go.
    marker : Path
        What its payload would make. Nothing else is ever done by a payload.
    canary : Path
        A folder with files that nobody may open: ``secret.txt``, ``secret.h5``, ``secret.png``, ``secret.npy``,
        ``secret.log``, ``secret.json``, ``secret.keras``.
    url : str
        Of a server on this machine that counts who asks.
    """

    folder: Path
    marker: Path
    canary: Path
    url: str

    def path(self, name: str) -> Path:
        """Return the path of a file of this attack."""
        return self.folder / name

    def payload(self) -> str:
        """Return Python that makes the marker."""
        return f"open({str(self.marker)!r}, 'w').close()"


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile file, or a few that belong together.

    Parameters
    ----------
    name : str
        Also the name of its folder.
    tries : str
        What it would do to a careless reader.
    source : str
        The CVE or the place where it comes from.
    feed : str
        How it is given to diag, one of `FEEDS`.
    build : callable
        Writes the files and returns the path, or another text that is given in place of one.
    harmless : bool
        Whether diag may also read it: it is only damaged, or what is bad in it is passed over.
    opens : bool
        Whether the canary itself is what the user named, by a link: that is the user's own wish.
    """

    name: str
    tries: str
    source: str
    feed: str
    build: Callable[[Trap], Path | str] = field(repr=False)
    harmless: bool = False
    opens: bool = False


def poison(folder: Path, marker: Path) -> Path:
    """Write packages that make the marker when they are imported; the folder goes into PYTHONPATH."""
    for name in POISONED:
        package = folder / name
        package.mkdir(parents=True, exist_ok=True)
        text = f"open({str(marker)!r}, 'w').close()\n\n\nclass Evil:\n    pass\n\n\ndef evil(*_):\n    return None\n"
        (package / "__init__.py").write_text(text)
        (package / "layers.py").write_text(text)
    return folder


def write_canaries(folder: Path) -> Path:
    """Write the files that nobody may open, each good of its kind."""
    import h5py
    import numpy as np

    from tests.attacks.models import keras_file
    from tests.attacks.pictures import png

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "secret.txt").write_text(f"{SECRET}\n{SECRET[::-1]}\n")
    (folder / "secret.log").write_text("epoch,loss," + SECRET + "\n0,1.5,2.5\n")
    (folder / "secret.csv").write_text("label,file\n" + f"{SECRET},{SECRET}.png\n")
    (folder / "secret.json").write_text(f'["{SECRET}", "{SECRET[::-1]}"]')
    (folder / "secret.toml").write_text(f'title = "{SECRET}"\n')
    (folder / "secret.png").write_bytes(png(8, 8))
    np.save(folder / "secret.npy", np.full((4, 8, 8), 77.0))
    with h5py.File(folder / "secret.h5", "w") as file:
        file["secret"] = np.full((64, 2), 77.0, "f4")
        file["images"] = np.full((4, 8, 8), 77.0, "f4")
        file["labels"] = np.arange(4)
        file.attrs["secret"] = SECRET
    keras_file(folder / "secret.keras")
    return folder


class Watch:
    """Who opens the canaries: the kernel says so (inotify), whichever process it is."""

    def __init__(self, folder: Path) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._place = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._place < 0 or self._library.inotify_add_watch(self._place, bytes(folder), _IN_OPEN | _IN_ACCESS) < 0:
            raise OSError("inotify is not there")

    def opened(self) -> set[str]:
        """Return the names of the files that were opened since the last call."""
        names: set[str] = set()
        while True:
            try:
                events = os.read(self._place, 65536)
            except BlockingIOError:
                return names
            at = 0
            while at < len(events):
                _, mask, _, length = struct.unpack_from("iIII", events, at)
                name = events[at + 16 : at + 16 + length].rstrip(b"\0").decode()
                if name and mask & (_IN_OPEN | _IN_ACCESS):
                    names.add(name)
                at += 16 + length

    def close(self) -> None:
        """Stop watching."""
        os.close(self._place)


class Visitors:
    """A server on this machine that nobody may ask for anything."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(404)
                self.end_headers()

            do_HEAD = do_POST = do_GET  # noqa: N815 - names of the library

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def taken(self) -> list[str]:
        """Return what was asked for since the last call."""
        found = list(self.asked)
        self.asked.clear()
        return found

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
