"""Headers of .npy arrays: what NumPy writes is read as NumPy reads it, everything else is one line."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from diag.errors import DataError
from diag.io.datasets import load_dataset
from diag.io.npy_header import LONGEST, npy_header, values


def written(text, version=1, body=b""):
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode("latin-1") + body


def said(content):
    with pytest.raises(DataError) as caught:
        npy_header(io.BytesIO(content), len(content), "a.npy")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("a.npy")
    return str(caught.value)


SHAPES = st.tuples(st.integers(0, 3)) | st.tuples(st.integers(0, 3), st.integers(1, 3))
TYPES = st.sampled_from(["u1", "<i8", ">f4", "f8", "?", "U3", "S2"])


@settings(max_examples=60, deadline=None)
@given(st_numpy.arrays(TYPES, SHAPES), st.booleans())
def test_what_numpy_writes_is_read_as_numpy_reads_it(array, fortran):
    buffer = io.BytesIO()
    np.save(buffer, np.asfortranarray(array) if fortran else array)
    content = buffer.getvalue()
    file = io.BytesIO(content)
    header = npy_header(file, len(content), "a.npy")
    np.testing.assert_array_equal(values(file, header), np.load(io.BytesIO(content)))
    assert header.dtype == array.dtype


@pytest.mark.parametrize("text", [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L)}",
    "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4', }   \n",
    '{"descr": "<f4", "fortran_order": False, "shape": (2,3)}',
])  # fmt: skip
@pytest.mark.parametrize("version", [1, 2, 3])
def test_other_spellings_are_read(text, version):
    content = written(text, version, bytes(24))
    assert npy_header(io.BytesIO(content), len(content), "a.npy").shape == (2, 3)


GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}"
HOSTILE = {
    "code": written(GOOD.replace("False", "print(1)")),
    "nested": written("(" * 5000),
    "signs": written("{'descr': '<f4', 'fortran_order': False, 'shape': " + "-" * 5000 + "1}"),
    "another key": written("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': True}"),
    "key twice": written("{'descr': '<f4', 'descr': '<f8', 'shape': (2,)}"),
    "negative": written(GOOD.replace("2,", "-2,")),
    "records": written(GOOD.replace("'<f4'", "[('a', '<f4'), ('b', '<f4')]")),
    "void": written(GOOD.replace("<f4", "|V4"), body=bytes(24)),
    "dates": written(GOOD.replace("<f4", "<M8[s]"), body=bytes(48)),
    "no such type": written(GOOD.replace("<f4", "<f99"), body=bytes(24)),
    "too many axes": written(GOOD.replace("(2, 3)", "(" + "1," * 99 + ")"), body=bytes(4)),
    "digits": written(GOOD.replace("2,", "9" * 5000 + ",")),
    "claims more": written(GOOD.replace("2,", "2000000000,"), body=bytes(24)),
    "claims less": written(GOOD, body=bytes(25)),
    "overflow": written(GOOD.replace("(2, 3)", f"({2**62}, 4)"), body=bytes(24)),
    "long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31),
    "header cut off": written(GOOD)[:30],
    "version 9": b"\x93NUMPY\x09\x00" + bytes(99),
    "empty": b"",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_header_is_refused_in_one_line(case):
    said(HOSTILE[case])


@pytest.mark.parametrize("descr", ["'|O'", "'O'", "[('a', '|O')]"])
def test_objects_are_never_unpickled(descr):
    assert "pickled Python objects" in said(written(GOOD.replace("'<f4'", descr)))


def test_a_header_is_no_longer_than_numpys_own_limit():
    assert "at most 10,000 bytes" in said(written(GOOD + " " * LONGEST))


def test_an_array_that_is_packed_is_bounded(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.random.default_rng(0).integers(0, 255, (9, 8, 8)), y=np.arange(9))
    monkeypatch.setenv("DIAG_LIMITS", "memory_bytes=2000")
    with pytest.raises(DataError, match=r"at most 2,000 bytes.*Received: 4,608.*np.savez.*DIAG_LIMITS=memory_bytes"):
        load_dataset(tmp_path / "a.npz")
