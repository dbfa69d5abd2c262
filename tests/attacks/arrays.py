"""Data files whose headers lie: ``.npy``, ``.npz``, idx, TFRecord, Parquet, and tables of text."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diag.io.protobuf import masked_crc
from tests.attacks.archives import Deflated, member, packed, repeated
from tests.attacks.pictures import png
from tests.attacks.trap import Attack, Trap
from tests.io.written import example, record

MIB = 2**20
Content = bytes | Callable[[Trap], bytes]


def _file(name: str, tries: str, file: str, content: Content, harmless: bool = False, cited: str = "ours") -> Attack:
    def build(trap: Trap) -> Path:
        path = trap.path(file)
        path.write_bytes(content(trap) if callable(content) else content)
        return path

    return Attack(f"data_{name}", tries, cited, "data", build, harmless)


def head(text: str, version: int = 1) -> bytes:
    """Return the header of an ``.npy`` file with any text in place of the dictionary."""
    raw = text.encode("latin1") + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(raw)) + raw


def _npy(descr: str = "|u1", shape: str = "(4, 8, 8)", more: str = "", data: bytes = bytes(256)) -> bytes:
    return head(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}{more}}}") + data


class _Payload:
    """What a pickle of objects would run: it makes the marker."""

    def __init__(self, trap: Trap) -> None:
        self.marker = str(trap.marker)

    def __reduce__(self) -> Any:
        return (open, (self.marker, "w"))


def _objects(trap: Trap) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([_Payload(trap)] * 4, dtype=object), allow_pickle=True)
    return stream.getvalue()


def _pickle_alone(trap: Trap) -> bytes:
    return pickle.dumps(_Payload(trap))


def _npz(**members: bytes | str) -> bytes:
    return packed(*(member(f"{name}.npy", data) for name, data in members.items()))


_LABELS = _npy("<i8", "(4,)", data=np.arange(4).tobytes())


def _bomb(_: Trap) -> bytes:
    zeros = Deflated.of(repeated(bytes(MIB), 3000, _npy(shape="(3000, 1024, 1024)", data=b"")))
    return _npz(x=zeros, y=_npy("<i8", "(3000,)", data=bytes(24_000)))


NUMPY = (
    _file("npy_objects", "pickled objects in an array", "a.npy", _objects),
    _file("npy_pickle", "a pickle called .npy", "a.npy", _pickle_alone),
    _file("npy_code", "a header that is an expression", "a.npy", lambda t: head(
        f"__import__('os').system('touch {t.marker}')") + bytes(64)),
    _file("npy_code_in_shape", "a shape that is a call", "a.npy",
        lambda t: _npy(shape=f"(open({str(t.marker)!r}, 'w'),)")),
    _file("npy_nested", "a header of brackets", "a.npy", head("(" * 60_000, 1) + bytes(64)),
    _file("npy_nested_2", "a header of brackets that close", "a.npy", head("(" * 9000 + ")" * 9000, 2)),
    _file("npy_minus", "a header of minus signs", "a.npy", _npy(shape="(" + "-" * 30_000 + "4,)")),
    _file("npy_megabytes", "a header of 64 MB", "a.npy", head("{" + " " * (64 * MIB), 2)),
    _file("npy_header_length", "a header of 4 GB that is not there", "a.npy",
          b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'"),
    _file("npy_huge", "an array of 4 TB", "a.npy", _npy("<f8", "(1000000, 700, 700, 1)")),
    _file("npy_overflow", "a shape whose product overflows", "a.npy", _npy(shape=f"({2**32}, {2**32}, 3)")),
    _file("npy_digits", "a shape of 5,000 digits", "a.npy", _npy(shape="(" + "9" * 5000 + ",)")),
    _file("npy_negative", "a negative shape", "a.npy", _npy(shape="(-4, -8, -8)")),
    _file("npy_negative_one", "a shape with -1", "a.npy", _npy(shape="(-1, 8, 8)")),
    _file("npy_many_axes", "an array of 65 axes", "a.npy", _npy(shape="(" + "1, " * 65 + ")")),
    _file("npy_bool_shape", "truth for numbers", "a.npy", _npy(shape="(True, 8, 8)")),
    _file("npy_zero", "no pixels, many images", "a.npy", _npy(shape="(1000000000000, 0, 8)")),
    _file("npy_zero_size", "items of no bytes", "a.npy", _npy("|V0", "(1000000000000, 8, 8)")),
    _file("npy_item_size", "items of 2 GB", "a.npy", _npy("|S2000000000", "(1,)")),
    _file("npy_records", "records with objects in them", "a.npy", head(
        "{'descr': [('a', '|O'), ('b', '<f4', (100000, 100000))], 'fortran_order': False, 'shape': (4,)}") + bytes(99)),
    _file("npy_records_nested", "records in records", "a.npy", head("{'descr': " + "[('a', " * 2000 + "'<f4'" + ")]"
          * 2000 + ", 'fortran_order': False, 'shape': (4,)}") + bytes(99)),
    _file("npy_dates", "dates for pixels", "a.npy", _npy("<M8[999999999999s]", "(4, 2, 4)")),
    _file("npy_version", "a version that is none", "a.npy", b"\x93NUMPY\xff\xff\x10\x00" + bytes(99)),
    _file("npy_version_3", "a header in UTF-8 of half characters", "a.npy",
          b"\x93NUMPY\x03\x00\x08\x00\x00\x00{'\xed\xb2\x80'}"),
    _file("npy_more_keys", "keys that do not belong", "a.npy", _npy(more=", 'evil': 1")),
    _file("npz_objects", "pickled objects in an archive", "a.npz", lambda t: _npz(x=_objects(t), y=_LABELS)),
    _file("npz_object_labels", "labels that are pickled objects", "a.npz", lambda t: _npz(x=_npy(), y=_objects(t))),
    _file("npz_extra_objects", "an array that is not needed is code", "a.npz", lambda t: _npz(
        x=_npy(), y=_LABELS, z=_objects(t)), harmless=True),
    _file("npz_bomb", "3 GiB of zeros in 3 MB", "a.npz", _bomb),
    _file("npz_claims", "4 TB in a header", "a.npz", _npz(x=_npy("<f8", "(1000000, 700, 700, 1)"), y=_LABELS)),
    _file("npz_understated", "a size that is too small", "a.npz", packed(
        member("x.npy", _npy()), member("y.npy", _LABELS), claimed=10)),
    _file("npz_overstated", "a size that is too large", "a.npz", packed(
        member("x.npy", _npy()), member("y.npy", _LABELS), claimed=2**31)),
    _file("npz_twins", "an array twice over", "a.npz", lambda t: packed(
        member("x.npy", _npy()), member("x.npy", _objects(t)), member("y.npy", _LABELS))),
    _file("npz_encrypted", "encrypted arrays", "a.npz", packed(
        member("x.npy", _npy()), member("y.npy", _LABELS), flags=1)),
    _file("npz_traversal", "arrays by the names of paths", "a.npz", lambda t: packed(
        member("../" * 9 + "x.npy", _npy()), member(f"{t.marker}.npy", _LABELS)), harmless=True),
    _file("npz_no_arrays", "members that are no arrays", "a.npz", packed(member("x", b"hello"), member("y", b"world"))),
    _file("npz_many", "60,000 arrays", "a.npz", packed(*(member(f"a{n}.npy", b"") for n in range(60_000)))),
    _file("npz_names", "names that write over the line", "a.npz", _npz(**{"\x1b[2J\u202ex" * 400: _npy(),
        "y": _LABELS}),
          harmless=True),
)  # fmt: skip


def _idx(kind: int, *shape: int, data: bytes = bytes(512), start: bytes = b"\0\0") -> bytes:
    return start + bytes([kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + data


def _gzipped(block: bytes, count: int, start: bytes = b"") -> bytes:
    data, size, crc = repeated(block, count, start)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + data + struct.pack("<II", crc, size & 0xFFFFFFFF)


_IMAGES = "t10k-images-idx3-ubyte"
BINARY = (
    _file("idx_claims", "four billion images", _IMAGES, _idx(8, 2**32 - 1, 28, 28)),
    _file("idx_overflow", "sizes whose product overflows", _IMAGES, _idx(8, 2**31, 2**31, 2**31)),
    _file("idx_axes", "255 axes", _IMAGES, b"\0\0\x08\xff" + bytes(2000)),
    _file("idx_kind", "numbers of a kind that is none", _IMAGES, _idx(0x77, 4, 8, 8)),
    _file("idx_zero", "no pixels", _IMAGES, _idx(8, 2**31, 0, 8)),
    _file("idx_short", "a header that is cut off", _IMAGES, b"\0\0\x08\x03\0\0"),
    _file("idx_gzip_bomb", "3 GiB of zeros in 3 MB", f"{_IMAGES}.gz", lambda t: _gzipped(
        bytes(MIB), 3000, _idx(8, 3000, 1024, 1024, data=b""))),
    _file("idx_gzip_broken", "a gzip file that is cut off", f"{_IMAGES}.gz", gzip.compress(_idx(8, 2, 8, 8))[:40]),
    _file("tfrecord_length", "a record of 2 ** 63 bytes", "a.tfrecord", struct.pack("<Q", 2**63) + bytes(64)),
    _file("tfrecord_length_signed", "the same with a sum that is right", "a.tfrecord", (
        struct.pack("<Q", 2**40) + struct.pack("<I", masked_crc(struct.pack("<Q", 2**40))) + bytes(64))),
    _file("tfrecord_cut", "a record that is cut off", "a.tfrecord", record(example(label=[1]))[:-6]),
    _file("tfrecord_sum", "a wrong sum", "a.tfrecord", record(example(label=[1]))[:-1] + b"\x77"),
    _file("tfrecord_groups", "groups in groups", "a.tfrecord", record(b"\x0b" * 100_000)),
    _file("tfrecord_varint", "a number that never ends", "a.tfrecord", record(b"\x0a" + b"\xff" * 1000)),
    _file("tfrecord_inner_length", "a field longer than its record", "a.tfrecord", record(b"\x0a\xff\xff\xff\x7f")),
    _file("tfrecord_packed", "a million labels in a record", "a.tfrecord", record(example(
        image_raw=bytes(64), label=[1] * 500_000)), harmless=False),
    _file("tfrecord_image_bomb", "a picture of 100,000 x 100,000", "a.tfrecord", lambda t: record(example(
        image__encoded=png(100_000, 100_000, b"x"), image__class__label=[1]))),
    _file("tfrecord_gzip_bomb", "zeros in gzip", "a.tfrecord.gz", lambda t: _gzipped(bytes(MIB), 3000)),
    _file("tfrecord_records_bomb", "2 GB of records of zeros", "a.tfrecord.gz", lambda t: gzip.compress(
        record(example(image_raw=bytes(2 * MIB), label=[1])), 1) * 1000),
)  # fmt: skip


def _parquet(trap: Trap, table: Any, **options: Any) -> bytes:
    from pyarrow import parquet

    path = trap.path("x.parquet")
    parquet.write_table(table, path, **options)
    content = path.read_bytes()
    path.unlink()
    return content


def _rows_lie(trap: Trap) -> bytes:
    """Return a file whose footer claims ten thousand times the rows that it has."""
    import pyarrow as pa

    whole = _parquet(trap, pa.table({"image": pa.array([bytes(64)] * 1000), "label": pa.array([1] * 1000)}))
    return whole.replace(b"\x16\xd0\x0f", b"\x16\xfe\x7f")  # zigzag varints of 1,000 and 8,191


def _dictionary(trap: Trap) -> bytes:
    """Return 20 million rows of one picture of 1 kB: 20 GB in 20 kB."""
    import pyarrow as pa

    n = 20_000_000
    codes = pa.array(np.zeros(n, np.int8))
    image = pa.DictionaryArray.from_arrays(codes, pa.array([png(8, 8)], pa.binary()))
    return _parquet(trap, pa.table({"image": image, "label": pa.DictionaryArray.from_arrays(codes, pa.array([1]))}))


def _cells(trap: Trap) -> bytes:
    """Return 400 rows of one text of 16 MiB: 6 GB in some kB."""
    import pyarrow as pa

    codes = pa.array(np.zeros(400, np.int8))
    image = pa.DictionaryArray.from_arrays(codes, pa.array([bytes(16 * MIB)], pa.binary()))
    return _parquet(trap, pa.table({"image": image, "label": pa.array([1] * 400)}), compression="zstd")


def _pickled_column(trap: Trap) -> bytes:
    import pyarrow as pa

    schema = pa.schema([pa.field("image", pa.binary()), pa.field("label", pa.int64())])
    data = pa.table({"image": [pickle.dumps(_Payload(trap))] * 4, "label": [1, 0, 1, 0]}, schema=schema)
    return _parquet(trap, data.replace_schema_metadata({b"ARROW:extension:name": b"arrow.py_extension_type"}))


def _extension(trap: Trap) -> bytes:
    """Return a column of the type whose metadata older pyarrow unpickled."""
    import pyarrow as pa

    kind = {b"ARROW:extension:name": b"arrow.py_extension_type",
            b"ARROW:extension:metadata": pickle.dumps(_Payload(trap))}  # fmt: skip
    field = pa.field("image", pa.binary(), metadata=kind)
    table = pa.table([pa.array([png(8, 8)] * 4, pa.binary()), pa.array([1, 0, 1, 0])],
                     schema=pa.schema([field, pa.field("label", pa.int64())]))  # fmt: skip
    return _parquet(trap, table)


def _paths(trap: Trap) -> bytes:
    import pyarrow as pa

    rows = [{"bytes": None, "path": str(trap.canary / "secret.png")}, {"bytes": None, "path": f"{trap.url}/a.png"}]
    return _parquet(trap, pa.table({"image": rows, "label": [0, 1]}))


def _deep_table(trap: Trap) -> bytes:
    import pyarrow as pa

    kind: Any = pa.int8()
    for _ in range(60):
        kind = pa.list_(kind)
    return _parquet(trap, pa.table({"image": pa.array([None] * 4, kind), "label": [0, 1, 0, 1]}))


PARQUET = (
    _file("parquet_rows_lie", "a footer that claims more rows", "a.parquet", _rows_lie),
    _file("parquet_dictionary", "20 million rows of one picture", "a.parquet", _dictionary, harmless=True),
    _file("parquet_cells", "400 rows of one text of 16 MiB", "a.parquet", _cells),
    _file("parquet_extension", "a type that is a pickle", "a.parquet", _extension, harmless=True,
          cited="CVE-2023-47248"),
    _file("parquet_pickles", "pickles for pictures", "a.parquet", _pickled_column),
    _file("parquet_paths", "paths for pictures", "a.parquet", _paths),
    _file("parquet_deep", "lists in lists", "a.parquet", _deep_table),
    _file("parquet_footer", "a footer of 4 GB", "a.parquet", b"PAR1" + bytes(64) + b"\xff\xff\xff\x7fPAR1"),
    _file("parquet_footer_lists", "a footer of lists that never end", "a.parquet", b"PAR1" + b"\x19\xfc\xff\xff\xff\x0f"
          * 100 + struct.pack("<I", 600) + b"PAR1"),
    _file("parquet_encrypted", "an encrypted footer", "a.parquet", b"PARE" + bytes(64) + struct.pack("<I",
        64) + b"PARE"),
    _file("parquet_names", "names that write over the line", "a.parquet", lambda t: _named_table(t), harmless=True),
)  # fmt: skip


def _named_table(trap: Trap) -> bytes:
    import pyarrow as pa

    return _parquet(trap, pa.table({"image": [png(8, 8)] * 4, "label": ["\x1b[2J\u202e![](http://x)" * 99, "b"] * 2,
                                    "=cmd|' /C calc'!A0": ["=1+1"] * 4}))  # fmt: skip
