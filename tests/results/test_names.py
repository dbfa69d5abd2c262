"""What equal names become."""

from __future__ import annotations

from pathlib import Path

import pytest

from diag.io.preprocessing import Preprocessing
from diag.results.names import names_of
from tests.fakes import build_run


def run(path, name="cnn", **steps):
    made = build_run([0, 1], [[0.9, 0.1], [0.2, 0.8]], name)
    made.model.path = Path(path)
    made.model.preprocessing = Preprocessing(**steps)
    return made


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([run("/a/cnn.h5"), run("/a/mlp.h5", "mlp")], ("cnn", "mlp")),
        ([run("/a/cnn.h5"), run("/a/cnn.keras"), run("/a/mlp.h5", "mlp")], ("cnn (cnn.h5)", "cnn (cnn.keras)", "mlp")),
        ([run("/w/old/cnn.h5"), run("/w/new/cnn.h5")], ("cnn (old/cnn.h5)", "cnn (new/cnn.h5)")),
        ([run("/w/1/x/cnn.h5"), run("/w/2/x/cnn.h5")], ("cnn (1/x/cnn.h5)", "cnn (2/x/cnn.h5)")),
        ([run("cnn.h5"), run("old/cnn.h5")], ("cnn (cnn.h5)", "cnn (old/cnn.h5)")),
        (
            [run("/a/cnn.h5", scale=1 / 255, layout="flat"), run("/a/cnn.h5", scale=1.0, layout="flat")],
            ("cnn (--scale 1/255)", "cnn (--scale 1)"),
        ),
        (
            [run("/a/cnn.h5", invert=True), run("/a/cnn.h5"), run("/a/cnn.h5", mean=(1, 2, 3), std=(4, 5, 6))],
            ("cnn (--invert)", "cnn (nothing else)", "cnn (--mean 1,2,3 --std 4,5,6)"),
        ),
        ([run("/a/cnn.h5"), run("/a/cnn.h5"), run("/a/cnn.h5")], ("cnn", "cnn #2", "cnn #3")),
        # two of one file and one of another: each is told apart by what tells it apart
        (
            [run("/a/cnn.h5", scale=1.0), run("/a/cnn.h5", scale=2.0), run("/b/cnn.h5", scale=1.0)],
            ("cnn (a/cnn.h5, --scale 1)", "cnn (a/cnn.h5, --scale 2)", "cnn (b/cnn.h5)"),
        ),
    ],
)
def test_equal_names_are_told_apart_by_what_differs(runs, expected):
    assert names_of(runs) == expected
