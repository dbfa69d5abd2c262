"""Archives that lie: bombs, traversal, twins, encryption, cut files. And ``.skops``, which is one too."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.attacks.models import good, keras_file, lambda3, lambda_code, legacy_file, thing, weights, with_layer
from tests.attacks.trap import Attack, Trap

MIB = 2**20


def repeated(block: bytes, count: int, start: bytes = b"", end: bytes = b"") -> tuple[bytes, int, int]:
    """Return `start`, `count` times `block` and `end`, deflated; their size, and their CRC. Never held at once.

    Each block is packed on its own (a full flush), so that the packed bytes of one are those of all.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(b"a")
    packer.flush(zlib.Z_FULL_FLUSH)
    one = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    first = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = first.compress(start) + first.flush(zlib.Z_FULL_FLUSH)
    tail = packer.compress(end) + packer.flush()
    crc = zlib.crc32(start)
    for _ in range(count):
        crc = zlib.crc32(block, crc)
    return head + one * count + tail, len(start) + count * len(block) + len(end), zlib.crc32(end, crc)


def zeros(name: str, size: int) -> tuple[str, bytes, int, int]:
    """Return a member of `size` zero bytes (a multiple of 1 MiB) for `packed`."""
    return name, *repeated(bytes(MIB), size // MIB)


def packed(*members: tuple[str, bytes, int, int], claimed: int | None = None, flags: int = 0, method: int = 8,
           share: bool = False, prefix: bytes = b"") -> bytes:  # fmt: skip
    """Return a zip file of (name, deflated bytes, size, CRC) written by hand, so that it can lie.

    `claimed` replaces the sizes in the directory; with `share`, all entries point to the first one's bytes.
    """
    out, directory = bytearray(prefix), bytearray()
    first = None
    for name, data, size, crc in members:
        raw, at = name.encode(), len(out)
        sizes = (crc, len(data), size if claimed is None else claimed)
        if not share or first is None:
            out += struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, flags, method, 0, 33, *sizes, len(raw), 0) + raw + data
            first = at
        place = first if share else at
        directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 788, 20, flags, method, 0, 33, *sizes, len(raw), 0,
                                 0, 0, 0, 0o100644 << 16, place) + raw  # fmt: skip
    start, count = len(out), len(members)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), start, 0)
    return bytes(out + directory + end)


class Deflated(bytes):
    """Bytes that are packed already."""

    size: int
    crc: int

    @classmethod
    def of(cls, made: tuple[bytes, int, int]) -> Deflated:
        """Return what `repeated` made as the bytes of a member."""
        self = cls(made[0])
        self.size, self.crc = made[1:]
        return self


def member(name: str, data: bytes | str) -> tuple[str, bytes, int, int]:
    """Return an honest member for `packed`."""
    if isinstance(data, Deflated):
        return name, bytes(data), data.size, data.crc
    raw = data.encode() if isinstance(data, str) else data
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return name, packer.compress(raw) + packer.flush(), len(raw), zlib.crc32(raw)


def _honest() -> list[tuple[str, bytes, int, int]]:
    return [member("metadata.json", '{"keras_version": "3.15.1"}'), member("config.json", json.dumps(good())),
            member("model.weights.h5", weights())]  # fmt: skip


def _attack(name: str, tries: str, make: Callable[[Trap], bytes], harmless: bool = False, ending: str = "keras",
            feed: str = "model") -> Attack:  # fmt: skip
    def build(trap: Trap) -> Path:
        path = trap.path(f"model.{ending}")
        path.write_bytes(make(trap))
        return path

    return Attack(f"archive_{name}", tries, "ours", feed, build, harmless)


def _extra(trap: Trap, **members: bytes) -> bytes:
    return keras_file(trap.path("x"), extra={k.replace("__", "/"): v for k, v in members.items()}).read_bytes()


def _bomb(name: str, size: int) -> bytes:
    return packed(zeros(name, size), *(entry for entry in _honest() if entry[0] != name))


def _config_bomb(key: str) -> bytes:
    """Return an archive whose configuration is good, with a text of 600 MiB in it."""
    start = json.dumps(good())[:-1].encode() + f', "{key}": "'.encode()
    return packed(("config.json", *repeated(b"a" * MIB, 600, start, b'"}')), *_without_config())


def _without_config() -> list[tuple[str, bytes, int, int]]:
    return [entry for entry in _honest() if entry[0] != "config.json"]


def _understated() -> bytes:
    """Return an archive whose weights unpack to 600 MiB and say 1,000 bytes."""
    name, data, _, crc = zeros("model.weights.h5", 600 * MIB)
    return packed(*_honest()[:2], (name, data, 1000, crc))


def _overlapping() -> bytes:
    """Return an archive of 5,000 assets that all share the bytes of one: 5 GB out of some kB."""
    _, *rest = zeros("", MIB)
    bomb = packed(*((f"assets/a{number}", *rest) for number in range(5000)), share=True)
    out = io.BytesIO(bomb)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("config.json", json.dumps(good()))
        archive.writestr("model.weights.h5", weights())
    return out.getvalue()


def _quine(name: str) -> bytes:
    """Return an archive with itself, packed, as a member, many times over."""
    inner = packed(*_honest())
    for _ in range(40):
        inner = packed(*_honest(), member(name, inner))
    return inner


def _zip64(claimed: int) -> bytes:
    """Return an archive whose weights claim a size of their own in a field for sizes beyond 4 GiB."""
    whole = bytearray(packed(*_honest()))
    place = whole.rindex(b"PK\x01\x02")
    name = struct.unpack_from("<H", whole, place + 28)[0]
    field = struct.pack("<HHQQ", 1, 16, claimed, claimed)
    struct.pack_into("<II", whole, place + 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", whole, place + 30, len(field))
    whole[place + 46 + name : place + 46 + name] = field
    end = whole.rindex(b"PK\x05\x06")
    struct.pack_into("<I", whole, end + 12, struct.unpack_from("<I", whole, end + 12)[0] + len(field))
    return bytes(whole)


def _twins(second: Any) -> bytes:
    return packed(*_honest(), member("config.json", json.dumps(second)))


def _evil(trap: Trap) -> Any:
    code = lambda_code(f"({trap.payload()}, x)[1]")
    return with_layer(thing("Lambda", name="evil", function=lambda3(code)))


def _other_name_inside(trap: Trap) -> bytes:
    """Return an archive whose directory says config.json where the member itself says another name."""
    whole = packed(*_honest(), member("CONFIG.json", json.dumps(_evil(trap))))
    place = whole.rindex(b"CONFIG.json")
    return whole[:place] + b"config.json" + whole[place + 11 :]


def _symlink(trap: Trap) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("config.json", json.dumps(good()))
        info = zipfile.ZipInfo("model.weights.h5")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, str(trap.canary / "secret.h5"))
    return out.getvalue()


def _polyglot(trap: Trap) -> bytes:
    """Return a legacy file with an archive behind it: which of both is read must be one and the same thing."""
    front = legacy_file(trap.path("front")).read_bytes()
    whole = packed(member("metadata.json", "{}"), member("config.json", json.dumps(_evil(trap))), prefix=front)
    return whole


def _npz_weights(trap: Trap) -> bytes:
    import pickle

    class Payload:
        def __reduce__(self) -> Any:
            return (open, (str(trap.marker), "w"))

    import numpy as np

    stream = io.BytesIO()
    array = np.empty(1, object)
    array[0] = Payload()
    np.savez(stream, layers=np.frombuffer(pickle.dumps(array), "u1"), evil=array)
    return packed(*_honest()[:2], member("model.weights.npz", stream.getvalue()))


ARCHIVES = (
    _attack("config_600_mib", "a configuration that inflates to 600 MiB", lambda t: _config_bomb("x")),
    _attack("weights_bomb", "weights that are zeros", lambda t: _bomb("model.weights.h5", 1024 * MIB)),
    _attack("metadata_bomb", "metadata that are zeros", lambda t: _bomb("metadata.json", 512 * MIB)),
    _attack("assets_bomb", "assets that fill the disk", lambda t: packed(
        *_honest(), *(zeros(f"assets/a{n}", 1024 * MIB) for n in range(3))), harmless=True),
    _attack("weights_understated", "more is unpacked than was said", lambda t: _understated()),
    _attack("weights_overstated", "more is said than there is", lambda t: packed(*_honest(), claimed=2**31)),
    _attack("overlapping", "thousands of members share the same bytes", lambda t: _overlapping(), harmless=True),
    _attack("quine", "an archive in an archive in an archive", lambda t: _quine("assets/model.keras"), harmless=True),
    _attack("quine_weights", "the weights are an archive", lambda t: packed(*_honest()[:2], member(
        "model.weights.h5", _quine("model.weights.h5")))),
    _attack("traversal", "members that lie outside", lambda t: _extra(t, **{
        "../" * 12 + str(t.marker)[1:]: b"x"}), harmless=True),
    _attack("absolute", "a member with an absolute name", lambda t: _extra(t, **{str(t.marker): b"x"}), harmless=True),
    _attack("traversal_assets", "the same among the assets", lambda t: _extra(t, **{
        "assets/" + "../" * 12 + str(t.marker)[1:]: b"x", "assets/..\\..\\x": b"x"}), harmless=True),
    _attack("twins", "config.json twice: the second is code", lambda t: _twins(_evil(t))),
    _attack("twins_in_case", "CONFIG.JSON beside config.json", lambda t: packed(
        *_honest(), member("CONFIG.JSON", json.dumps(_evil(t)))), harmless=True),
    _attack("other_name_inside", "the directory and the member disagree about a name", _other_name_inside),
    _attack("encrypted", "encrypted members", lambda t: packed(*_honest(), flags=1)),
    _attack("strong_encryption", "encrypted members", lambda t: packed(*_honest(), flags=0x41)),
    _attack("unknown_method", "a way of packing that nobody knows", lambda t: packed(*_honest(), method=99)),
    _attack("wrong_method", "deflated bytes that say they are stored", lambda t: packed(*_honest(), method=0)),
    _attack("zip64", "sizes of 2 ** 62 bytes", lambda t: _zip64(2**62)),
    _attack("zip64_negative", "sizes of 2 ** 64 - 1 bytes", lambda t: _zip64(2**64 - 1)),
    _attack("split", "the first of several disks", lambda t: packed(*_honest())[:-22] + struct.pack(
        "<IHHHHIIH", 0x06054B50, 3, 2, 3, 3, 200, 100, 0)),
    _attack("many_members", "a directory of 65,000 names", lambda t: packed(*_honest(), *(
        (f"assets/{number}", b"\x03\x00", 0, 0) for number in range(65_000))), harmless=True),
    _attack("directory_lies", "a directory of 4 GB", lambda t: packed(*_honest())[:-10] + struct.pack(
        "<IIH", 2**32 - 2, 0, 0)),
    _attack("prefix", "a program before the archive", lambda t: packed(*_honest(), prefix=b"PK\x03\x04" + b"MZ" * 500),
            harmless=True),
    _attack("symlink", "weights that are a link", _symlink),
    _attack("weights_folder", "weights that are a folder", lambda t: packed(*_honest()[:2], member(
        "model.weights.h5/", b""))),
    _attack("weights_npz", "weights as NumPy's archive of pickles", _npz_weights),
    _attack("pickle_inside", "a pickle for a configuration", lambda t: packed(member("config.json", (
        b"cbuiltins\nexec\n(V" + t.payload().encode() + b"\ntR.")), *_honest()[2:])),
    _attack("no_weights", "no weights at all", lambda t: packed(*_honest()[:2]), harmless=True),
    _attack("polyglot", "an HDF5 file and an archive in one", _polyglot, harmless=True),
    _attack("polyglot_keras", "the same under the other ending", _polyglot, harmless=True, ending="h5"),
    _attack("config_numbers", "JSON of numbers without end", lambda t: packed(
        member("config.json", "[" + "1," * 5_000_000 + "1]"), *_honest()[2:])),
    _attack("config_objects", "JSON of objects that take a hundred times their text", lambda t: packed(
        member("config.json", '{"class_name":"Sequential","config":{"layers":[' + "{}," * 9_000_000 + "{}]}}"),
        *_honest()[2:])),
    _attack("config_digits", "a number of five million digits", lambda t: packed(
        member("config.json", '{"class_name":"Sequential","config":' + "9" * 5_000_000 + "}"), *_honest()[2:])),
    _attack("config_utf16", "a configuration in another encoding", lambda t: packed(
        member("config.json", json.dumps(good()).encode("utf-16")), *_honest()[2:]), harmless=True),
    _attack("metadata_wrong", "a version that is none", lambda t: packed(member("metadata.json", json.dumps(
        {"keras_version": ["\x1b[31m" * 5000], "backend": {"a": 1}})), *_honest()[1:]), harmless=True),
)  # fmt: skip


def cut_files() -> tuple[Attack, ...]:
    """Return good files cut at every tenth, one attack a kind of file."""

    def cut(kind: str, share: int) -> Attack:
        def build(trap: Trap) -> Path:
            made = keras_file(trap.path("x")) if kind == "keras" else legacy_file(trap.path("x"))
            whole = made.read_bytes()
            path = trap.path(f"model.{kind}")
            path.write_bytes(whole[: max(1, len(whole) * share // 100)])
            made.unlink()
            return path

        return Attack(f"cut_{kind}_{share:02}", "a download that broke off", "ours", "model", build)

    return tuple(cut(kind, share) for kind in ("keras", "h5") for share in (0, 10, 30, 50, 70, 90, 99))
