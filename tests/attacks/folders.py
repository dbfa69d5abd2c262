"""Pictures that are bombs, folders and zips of them, and paths that are no files at all."""

from __future__ import annotations

import io
import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.attacks.archives import Deflated, member, packed, repeated
from tests.attacks.models import keras_file, legacy_file
from tests.attacks.pictures import EPS, WMF, bmp, chunk, gif, ico, png, tiff
from tests.attacks.trap import Attack, Trap

MIB = 2**20


def _good(root: Path, names: tuple[str, ...] = ("cat", "dog")) -> Path:
    """Write class folders with two good pictures each."""
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(2):
            (root / name / f"{number}.png").write_bytes(png(8, 8))
    return root


def _picture(
    name: str, tries: str, ending: str, content: bytes | Callable[[], bytes], harmless: bool = False
) -> Attack:
    """Return class folders in which one picture is evil: it is the first, which is looked at for the size."""

    def build(trap: Trap) -> Path:
        root = _good(trap.path("images"))
        (root / "cat" / f"0.{ending}").write_bytes(content() if callable(content) else content)
        return root

    return Attack(f"picture_{name}", tries, "ours", "data", build, harmless)


def _zipped(name: str, tries: str, make: Callable[[Trap], bytes], harmless: bool = False) -> Attack:
    def build(trap: Trap) -> Path:
        path = trap.path("images.zip")
        path.write_bytes(make(trap))
        return path

    return Attack(f"zip_{name}", tries, "ours", "data", build, harmless)


def _packed_bomb() -> bytes:
    """Return a PNG whose few kB inflate to 20,000 x 20,000 pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(20_001 * 50)) for _ in range(400)) + packer.flush()
    return png(20_000, 20_000, rows)


def _with(kind: bytes, start: bytes) -> bytes:
    """Return a good picture with a chunk that inflates to 64 MB."""
    return png(8, 8, extra=chunk(kind, start + zlib.compress(bytes(64 * MIB), 9)))


_ANIMATED = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
PICTURES = (
    _picture("png_claims", "100,000 x 100,000 pixels in a header", "png", png(100_000, 100_000, b"x")),
    _picture("png_claims_more", "2 ** 31 x 2 ** 31 pixels", "png", png(2**31 - 1, 2**31 - 1, b"x")),
    _picture("png_bomb", "400 million pixels in 400 kB", "png", _packed_bomb),
    _picture("png_text", "a comment of 64 MB", "png", lambda: _with(b"zTXt", b"Comment\0\0"), harmless=True),
    _picture("png_profile", "a colour profile of 64 MB", "png", lambda: _with(b"iCCP", b"x\0\0"), harmless=True),
    _picture("png_animated", "an animation of two billion pictures", "png", png(8, 8, extra=_ANIMATED), harmless=True),
    _picture("png_empty", "no rows", "png", png(8, 8, zlib.compress(b"")), harmless=True),
    _picture("png_zero", "no pixels", "png", png(0, 0)),
    _picture("png_cut", "a picture that is cut off", "png", png(8, 8)[:40]),
    _picture("gif_claims", "65,535 x 65,535 pixels", "gif", gif(65_535, 65_535)),
    _picture("bmp_claims", "50,000 x 50,000 pixels", "bmp", bmp(50_000, 50_000)),
    _picture("bmp_negative", "a negative size", "bmp", bmp(-2_000_000_000, -2_000_000_000)),
    _picture("tiff_pages", "20,000 pages", "tif", lambda: tiff(20_000), harmless=True),
    _picture("tiff_circle", "pages in a circle", "tif", tiff(3, circle=True), harmless=True),
    _picture("tiff_claims", "100,000 x 100,000 pixels", "tif", tiff(1, 100_000, 100_000)),
    _picture("eps", "a program in PostScript", "png", EPS),
    _picture("wmf", "a metafile", "bmp", WMF),
    _picture("svg", "XML that names files", "png", b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY e SYSTEM "file:///etc/'
             b'passwd">]><svg xmlns="http://www.w3.org/2000/svg"><text>&e;</text></svg>'),
    _picture("ico", "an icon with a bomb in it", "png", ico()),
    _picture("psd", "another format by its content", "jpg", b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 30_000, 30_000,
        8, 3)),
    _picture("fits", "another format by its content", "jpg", b"SIMPLE  =                    T" + bytes(9000)),
    _picture("jpeg_noise", "noise behind a good beginning", "jpg", b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40),
    _picture("pickle", "a pickle for a picture", "png", b"cos\nsystem\n(Vtrue\ntR."),
    _picture("name_of_commands", "a name that is a command", "png", png(8, 8), harmless=True),
    _zipped("picture_bomb", "a picture of 3 GiB in an archive", lambda t: packed(
        member("cat/0.png", Deflated.of(repeated(bytes(MIB), 3000))), member("dog/0.png", png(8, 8)))),
    _zipped("claims", "a small picture that claims 2 GB", lambda t: packed(
        member("cat/0.png", png(8, 8)), member("dog/0.png", png(8, 8)), claimed=2**31)),
    _zipped("understated", "pictures larger than they say", lambda t: packed(
        member("cat/0.png", Deflated.of((repeated(bytes(MIB), 3000)[0], 70, 0))), member("dog/0.png", png(8, 8)))),
    _zipped("traversal", "names that lead out", lambda t: packed(
        member("../" * 12 + f"{t.marker}"[1:] + ".png", png(8, 8)), member(f"{t.marker}.png", png(8, 8)),
        member("a/cat/0.png", png(8, 8)), member("a/dog/0.png", png(8, 8))), harmless=True),
    _zipped("link", "members that are links", lambda t: _links_in_zip(t), harmless=True),
    _zipped("twins", "a picture twice over", lambda t: packed(
        member("cat/0.png", png(8, 8)), member("cat/0.png", png(9, 9)), member("dog/0.png", png(8, 8)))),
    _zipped("encrypted", "encrypted pictures", lambda t: packed(
        member("cat/0.png", png(8, 8)), member("dog/0.png", png(8, 8)), flags=1)),
    _zipped("many", "300,000 pictures", lambda t: packed(*(
        (f"cat/{n}.png", b"\x03\x00", 0, 0) for n in range(60_000))), harmless=True),
    _zipped("deep", "folders 5,000 deep", lambda t: packed(*(
        member(f"{c}/" + "d/" * 5000 + "0.png", png(8, 8)) for c in ("cat", "dog"))), harmless=True),
    _zipped("overlapping", "20,000 pictures that share their bytes", lambda t: packed(*(
        (f"{'cat' if n % 2 else 'dog'}/{n}.png", *repeated(bytes(MIB), 1)) for n in range(20)), share=True)),
)  # fmt: skip


def _links_in_zip(trap: Trap) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("cat", "dog"):
            archive.writestr(f"{name}/0.png", png(8, 8))
        info = zipfile.ZipInfo("cat/1.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, str(trap.canary / "secret.png"))
    return out.getvalue()


def _folder(name: str, tries: str, change: Callable[[Path, Trap], None], harmless: bool = True) -> Attack:
    def build(trap: Trap) -> Path:
        root = _good(trap.path("images"))
        change(root, trap)
        return root

    return Attack(f"folder_{name}", tries, "ours", "data", build, harmless)


def _deep(root: Path, trap: Trap) -> None:
    place = root / "cat"
    for _ in range(200):
        place = place / "ddddddddddd"
    place.mkdir(parents=True)
    (place / "x.png").write_bytes(png(8, 8))


def _many(root: Path, trap: Trap) -> None:
    for number in range(1000):
        (root / f"class{number}").mkdir()


def _hard(root: Path, trap: Trap) -> None:
    os.link(trap.canary / "secret.png", root / "cat" / "1.PNG")


def _socket(path: Path) -> Path:
    """Bind a socket at a path, through a short name: paths of sockets have at most 107 bytes."""
    place = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{place}/{path.name}")
    finally:
        os.close(place)
    return path


FOLDERS = (
    _folder("fifo", "a pipe for a picture", lambda root, t: os.mkfifo(root / "cat" / "a.png")),
    _folder("socket", "a socket for a picture", lambda root, t: _socket(root / "cat" / "a.png") and None),
    _folder("device", "a link to a device", lambda root, t: (root / "cat" / "a.png").symlink_to("/dev/zero")),
    _folder("link_out", "a link to a picture that lies elsewhere", lambda root, t: (
        root / "cat" / "a.png").symlink_to(t.canary / "secret.png")),
    _folder("link_to_folder", "a class folder that is a link", lambda root, t: (root / "eel").symlink_to(t.canary)),
    _folder("link_to_itself", "folders in a circle", lambda root, t: (root / "eel").symlink_to(".")),
    _folder("link_to_nowhere", "a link that leads nowhere", lambda root,
        t: (root / "cat" / "a.png").symlink_to("gone")),
    _folder("deep", "folders 200 deep", _deep),
    _folder("many", "1,000 empty classes", _many),
    _folder("metadata_link", "a table beside the folders that is a link", lambda root, t: (
        root / "metadata.csv").symlink_to(t.canary / "secret.csv")),
    _folder("metadata_fifo", "a table that is a pipe", lambda root, t: os.mkfifo(root / "metadata.csv")),
    _folder("metadata_field", "a table with a field of 64 MB", lambda root, t: (root / "metadata.csv").write_bytes(
        b"file,x\ncat/0.png," + b"a" * (64 * MIB) + b"\n") and None),
    _folder("class_names_link", "class names that are a link", lambda root, t: (
        root / "class_names.json").symlink_to(t.canary / "secret.json")),
    _folder("class_names_fifo", "class names that are a pipe", lambda root, t: os.mkfifo(root / "labels.txt")),
    _folder("names", "class names that write over the line", lambda root, t: _good(
        root, ("\x1b[2J\u202e<script>", "![](http://127.0.0.1:9/x)", "=1+1")) and None),
)  # fmt: skip


def _path(name: str, tries: str, feed: str, make: Callable[[Trap], Path | str], harmless: bool = False,
          opens: bool = False) -> Attack:  # fmt: skip
    return Attack(f"path_{name}_{feed}", tries, "the issue", feed, make, harmless, opens)


_ENDINGS = {"model": "a.h5", "data": "a.npz", "history": "a.log", "class_names": "a.json", "architecture": "model.json",
            "ensemble": "a.ensemble.toml"}  # fmt: skip
_SECRETS = {"model": "secret.txt", "data": "secret.h5", "history": "secret.txt", "class_names": "secret.txt",
            "architecture": "secret.txt", "ensemble": "secret.txt"}  # fmt: skip


def _fifo(trap: Trap, name: str) -> Path:
    _weights(trap, name)
    os.mkfifo(trap.path(name))
    return trap.path(name)


def _weights(trap: Trap, name: str) -> None:
    if name == "model.json":
        legacy_file(trap.path("model.h5"), change=lambda file: file.attrs.pop("model_config"))


def _link(trap: Trap, name: str, target: Path | str) -> Path:
    _weights(trap, name)
    trap.path(name).symlink_to(target)
    return trap.path(name)


def _sparse(trap: Trap, name: str) -> Path:
    """Write a good beginning and 100 GB of nothing."""
    path = trap.path(name)
    if name.endswith(".h5"):
        legacy_file(path)
    elif name.endswith(".keras"):
        keras_file(path)
    with path.open("ab") as file:
        file.truncate(100 * 2**30)
    return path


_LONG = "n" * 200 + "\x1b[31m\u202e\n"
_URLS = ("{url}/a{end}", "file://{canary}/secret{end}", "gs://bucket/a{end}", "hf://datasets/a/b{end}",
         "s3://bucket/a{end}", "zip://a.png::{url}/a.zip", "simplecache::{url}/a{end}")  # fmt: skip
PATHS = (
    *(_path("fifo", "a pipe that nobody writes into", feed, lambda t, n=name: _fifo(t, n))
      for feed, name in _ENDINGS.items()),
    *(_path("zeros", "a device of zeros", feed, lambda t, n=name: _link(t, n, "/dev/zero"))
      for feed, name in _ENDINGS.items()),
    *(_path("link", "a link to a secret", feed, lambda t, f=feed, n=name: _link(t, n, t.canary / _SECRETS[f]),
        opens=True)
      for feed, name in _ENDINGS.items()),
    *(_path("folder", "a folder for a file", feed, lambda t,
        n=name: t.path(n).mkdir() or t.path(n))  # type: ignore[func-returns-value]
      for feed, name in (("model", "a.h5"), ("model", "a.keras"), ("data", "a.npz"), ("history", "a.log"))[:: 2]),
    _path("socket", "a socket", "model", lambda t: _socket(t.path("a.keras"))),
    _path("terminal", "a terminal", "model", lambda t: "/dev/tty"),
    _path("standard_input", "what is typed", "model", lambda t: "/dev/stdin"),
    _path("memory", "the memory of the process", "model", lambda t: "/proc/self/mem"),
    _path("processes", "a file of the kernel", "data", lambda t: _link(t, "a.npz", "/proc/self/environ")),
    _path("kernel_log", "a file of the kernel that waits", "history", lambda t: _link(t, "a.log", "/dev/kmsg")),
    _path("sparse", "100 GB of nothing behind a good model", "model", lambda t: _sparse(t, "a.h5"), harmless=True),
    _path("sparse_keras", "100 GB of nothing behind a good archive", "model", lambda t: _sparse(t, "a.keras")),
    _path("sparse_npy", "100 GB of nothing", "data", lambda t: _sparse(t, "a.npy")),
    _path("sparse_csv", "100 GB of nothing", "data", lambda t: _sparse(t, "a.csv")),
    _path("sparse_history", "100 GB of nothing", "history", lambda t: _sparse(t, "a.hist")),
    _path("name", "a name that writes over the line", "model", lambda t: _named(t, f"{_LONG}.h5")),
    _path("name", "a name that writes over the line", "data", lambda t: _named(t, f"{_LONG}.npz")),
    _path("no_name", "a name with a byte of zero", "model", lambda t: "a\0b.h5"),
    _path("no_name", "a name with a byte of zero", "data", lambda t: "a\0b.npz"),
    _path("long", "a name of 100,000 letters", "data", lambda t: "a" * 100_000 + ".npz"),
    _path("long", "a name of 100,000 letters", "model", lambda t: "a" * 100_000 + ".h5"),
    _path("tilde", "somebody's home", "data", lambda t: "~root/.ssh/id_rsa.npz"),
    *(_path(f"url_{number}{end}", "an address for a path", feed, lambda t, a=address, e=end: a.format(
        url=t.url, canary=t.canary, end=e))
      for number, address in enumerate(_URLS)
      for feed, end in (("model", ".keras"), ("data", ".npz"), ("data", ".parquet"), ("data", ".csv"), ("history",
          ".log"))
      if number < 2 or end in (".keras", ".parquet")),
)  # fmt: skip


def _named(trap: Trap, name: str) -> Path:
    path = trap.path(name)
    path.write_bytes(b"nothing of the kind")
    return path
