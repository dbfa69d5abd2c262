"""Weight files that claim more than they store, point elsewhere, or need programs to be unpacked."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from diag.errors import ModelLoadError
from diag.io.audit import audit
from tests.io.test_audit import linear_file


def _many_claims(file):
    """Forty arrays, each too small to be looked at, all together far above: 40 x 4 x (2**18 - 1), and 15 x 4 bytes."""
    for number in range(40):
        file.create_dataset(f"a{number}", (2**18 - 1,), "f4", chunks=(2**16,), compression="gzip")


def _beyond_the_end(file):
    kind = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    kind.set_layout(h5py.h5d.CONTIGUOUS)
    kind.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    space = h5py.h5s.create_simple((2**30,))
    h5py.h5d.create(file.id, b"big", h5py.h5t.IEEE_F32LE, space, kind)


def _no_piece_written(file):
    file.create_dataset("big", (2**24,), "f4", chunks=(2**16,), fillvalue=1.0)


def _unknown_filter(file):
    kind = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    kind.set_chunk((4,))
    kind.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (1,))
    h5py.h5d.create(file.id, b"z", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4,)), kind)


def _committed_type(file):
    file["kind"] = np.dtype("f4")


def _soft_link(file):
    file["soft"] = h5py.SoftLink("/model_weights")


def _twice(file):
    file["again"] = file["model_weights/d/d/kernel:0"]


def _references(file):
    file.create_dataset("r", data=np.array([file.ref], dtype=h5py.ref_dtype))


def _records(file):
    file.create_dataset("r", data=np.zeros(3, dtype=[("a", "f4"), ("b", "i4")]))


def _lists(file):
    file.create_dataset("r", (2,), h5py.vlen_dtype(np.float32))


def _large_pieces(file):
    file.create_dataset("r", (4,), "f4", maxshape=(None,), chunks=(2**28,))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_many_claims, "all weights together: claims 41,942,940 bytes.*DIAG_LIMITS=ratio="),
        (_beyond_the_end, "refused"),
        (_no_piece_written, "claims 67,108,864 bytes and stores 0"),
        (_unknown_filter, "filters"),
        (_committed_type, "neither a group nor an array"),
        (_soft_link, "is a link"),
        (_twice, "in the file twice over"),
        (_references, "neither numbers nor texts"),
        (_records, "neither numbers nor texts"),
        (_lists, "neither numbers nor texts"),
        (_large_pieces, "pieces of 1,073,741,824 bytes"),
    ],
)
def test_what_is_not_plain_numbers_in_the_file_is_refused(tmp_path, change, says):
    path = linear_file(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(ModelLoadError, match=says) as caught:
        audit(path)
    assert "\n" not in str(caught.value)


def test_a_piece_that_unpacks_to_more_than_it_holds(tmp_path):
    """The library follows a deflated piece to its end, however long that is: 64 MiB of zeros in a piece of 4 KiB."""
    import zlib

    path = linear_file(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        made = file.create_dataset("bomb", (1024,), "f4", chunks=(1024,), compression="gzip")
        made.id.write_direct_chunk((0,), zlib.compress(bytes(2**22)))
    with pytest.raises(ModelLoadError, match=r"unpacks to more than its 4,096 bytes"):
        audit(path)


@pytest.mark.parametrize("options", [
    {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"compression": "lzf"}, {"chunks": (2, 2)},
])  # fmt: skip
def test_weights_that_are_packed_in_the_usual_ways_are_read(tmp_path, options):
    path = linear_file(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        group = file["model_weights/d"]
        values = np.asarray(group["d/kernel:0"])
        del group["d/kernel:0"]
        group.create_dataset("d/kernel:0", data=values, **options)
    assert audit(path).n_params == 15
    from diag.io.keras_files import load_keras

    np.testing.assert_array_equal(load_keras(path).layers[-1].kernel, values)


def test_another_file_in_its_place_is_not_loaded(tmp_path):
    from diag.io.keras_files import load_keras

    path = linear_file(tmp_path / "a.h5")
    file = audit(path)
    with h5py.File(path, "a") as opened:
        opened["later"] = np.zeros(3)
    with pytest.raises(ModelLoadError, match=r"as it was when it was opened\. Received: another one"):
        load_keras(path, file)


def test_right_content_under_a_wrong_ending(tmp_path):
    for name in ("a.keras", "a", "a.json"):
        assert audit(linear_file(tmp_path / name)).format == "hdf5"
