"""Image files by hand: good ones, and headers that lie."""

from __future__ import annotations

import struct
import zlib


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes | None = None, extra: bytes = b"") -> bytes:
    """Return a grey PNG; without data its pixels are grey."""
    rows = zlib.compress(b"".join(b"\0" + bytes([128]) * width for _ in range(height))) if data is None else data
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    """Return a GIF of one colour whose screen has the given size."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0)
    return head + frame + b"\x02\x02\x44\x01\x00\x3b"


def bmp(width: int, height: int) -> bytes:
    """Return the header of a BMP, with a few pixels."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + info + bytes(64)


def tiff(pages: int, width: int = 1, height: int = 1, circle: bool = False) -> bytes:
    """Return a TIFF of many pages of one grey strip; the last may point to the first."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    size = 2 + 8 * 12 + 4
    for page in range(pages):
        start = 8 + page * size
        more = start + size if page + 1 < pages else (8 if circle else 0)
        entries = [
            (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 4), (278, 4, height),
            (279, 4, width * height & 0xFFFFFFFF),
        ]  # fmt: skip
        out += struct.pack("<H", len(entries))
        for tag, kind, value in entries:
            out += struct.pack("<HHII", tag, kind, 1, value)
        out += struct.pack("<I", more)
    return bytes(out)


def ico(width: int = 256) -> bytes:
    """Return an icon that holds a PNG which claims to be very large."""
    inner = png(100_000, 100_000, zlib.compress(bytes(1000)))
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", width % 256, 0, 0, 0, 1, 32, len(inner), 22) + inner


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n(MARKER) (w) file closefile\nshowpage\n"
WMF = struct.pack("<IHhhhhHI", 0x9AC6CDD7, 0, 0, 0, 1000, 1000, 96, 0) + bytes(2) + bytes(18)
