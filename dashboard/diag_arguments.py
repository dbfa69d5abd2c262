"""What the server was started with, and the folders that it may show."""

from __future__ import annotations

import argparse
import ipaddress
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import streamlit as st

from diag.errors import DataError
from diag.io.readers import BUILTIN
from diag.worker.roots import inside

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "saved_models"


def parser() -> argparse.ArgumentParser:
    """Return what reads the words behind ``--`` on the command line."""
    made = argparse.ArgumentParser(prog="streamlit run dashboard/app.py --", exit_on_error=False)
    made.add_argument("--models", action="append", type=Path, help="a model file, or a folder of them; may be repeated")
    made.add_argument("--data", help="a built-in set, a folder, a .zip, .npz, .csv, .h5, .parquet, ...")
    made.add_argument("--train", help="the training data, for the doctor: the same kinds")
    made.add_argument(
        "--root", action="append", type=Path, default=[],
        help="a folder whose files may be shown, beside those named above; may be repeated",
    )  # fmt: skip
    made.add_argument("--trust", action="store_true", help="load models that hold code of their own, and run it")
    return made


def arguments() -> argparse.Namespace:
    """Return what stands behind ``--`` on the command line."""
    return _parsed(tuple(sys.argv[1:]))


@lru_cache(maxsize=8)
def _parsed(words: tuple[str, ...]) -> argparse.Namespace:
    known, _ = parser().parse_known_args(words)
    if not known.models:
        known.models = [SHIPPED / "digits"]
        known.train = known.train or "digits"  # what the shipped models were trained on
    return known


def loopback() -> bool:
    """Return whether only this machine can reach the server, as far as its settings say; or there is no server."""
    if "streamlit.web.bootstrap" not in sys.modules:  # what starts one: a test harness does without
        return True
    address = st.get_option("server.address")
    named = [*(st.get_option("server.allowedHosts") or []), *(st.get_option("server.corsAllowedOrigins") or [])]
    return bool(address) and is_loopback(address) and all(is_loopback(name) for name in named)


def is_loopback(name: str) -> bool:
    """Return whether a host's name or address, also in a URL, is this machine's own.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("http://localhost:8501"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    host = name.partition("://")[2] or name
    host = host.partition("/")[0]
    host = host[1:].partition("]")[0] if host.startswith("[") else host
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1)
def upload_folder() -> Path:
    """Return the folder for uploaded files of this server; no other user of the machine can look into it."""
    return Path(tempfile.mkdtemp(prefix="diag-uploads-"))


def roots() -> list[Path]:
    """Return the folders whose files may be named: the given ones, and the current one if only this machine comes."""
    return list(_roots(tuple(sys.argv[1:]), Path.cwd() if loopback() else None))


@lru_cache(maxsize=8)
def _roots(words: tuple[str, ...], here: Path | None) -> tuple[Path, ...]:
    given = _parsed(words)
    named = [Path(part) for source in (given.data, given.train) if source for part in parts_of(source)]
    found = [path if path.is_dir() else path.parent for path in [*given.models, *named]]
    return (SHIPPED, *found, *given.root, *(() if here is None else (here,)))


def parts_of(source: str) -> list[str]:
    """Return the paths in a source: ``x.npy::y.npy`` names two, ``file.h5::images,labels`` and ``file.h5`` one."""
    if source in BUILTIN:
        return []
    first, _, second = source.partition("::")
    return [first, second] if second and second.lower().endswith(".npy") else [first]


def admit(source: str) -> str:
    """Return a source that a visitor named, if it is a built-in set or lies in the `roots`.

    Raises
    ------
    DataError
        If it leads elsewhere, whether or not there is such a file.
    """
    folders = roots()
    for part in parts_of(source):
        if not inside(part, folders) or inside(part, [upload_folder()]):
            raise DataError(
                f"{source}: expected a built-in set ({', '.join(BUILTIN)}) or a file in the folders that this server "
                "shows. Received: a path that leads outside. Whoever runs the server can add its folder by "
                "the option --root FOLDER."
            )
    return source


def without_places(text: str) -> str:
    """Return a text without the folders of this machine that it names."""
    for folder in _places(tuple(roots())):
        text = text.replace(f"{folder}/", "").replace(folder, "the folder")
    return text


@lru_cache(maxsize=8)
def _places(shown: tuple[Path, ...]) -> list[str]:
    folders = [*shown, upload_folder(), Path.cwd(), Path.home(), ROOT, Path(tempfile.gettempdir())]
    names = {str(form) for folder in folders for form in (folder.absolute(), folder.resolve())}
    return sorted((name for name in names if len(name) > 1), key=len, reverse=True)
