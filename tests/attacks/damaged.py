"""Good files with bytes changed by chance, always the same chance; and good files of every kind, for comparison."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.attacks.models import keras_file, legacy_file, weights
from tests.attacks.trap import Attack, Trap

SAVED = Path(__file__).resolve().parents[2] / "saved_models" / "digits"


def changed(whole: bytes, seed: int, share: float, start: int = 0, end: int | None = None) -> bytes:
    """Return bytes of which some between two places are replaced by any others.

    `share` of them are hit, at least one; every second time only single bits are turned.
    """
    chance = random.Random(seed)  # noqa: S311 - not a secret
    out = bytearray(whole)
    end = len(out) if end is None else min(end, len(out))
    for _ in range(max(1, int((end - start) * share))):
        place = chance.randrange(start, end)
        out[place] = out[place] ^ (1 << chance.randrange(8)) if seed % 2 else chance.randrange(256)
    return bytes(out)


def _mutated(name: str, seed: int, make: Callable[[Trap], Path], share: float, start: int = 0,
             end: int | None = None, file: str = "model.h5", feed: str = "model") -> Attack:  # fmt: skip
    def build(trap: Trap) -> Path:
        made = make(trap)
        whole = made.read_bytes()
        made.unlink()
        path = trap.path(file)
        path.write_bytes(changed(whole, seed, share, start, end))
        return path

    return Attack(f"mutated_{name}_{seed}", "bytes changed by chance", "ours", feed, build, harmless=True)


def _inner(trap: Trap, seed: int) -> Path:
    """Write an archive whose weight file is damaged, and whose sum is right all the same."""
    return keras_file(trap.path("model.keras"), weight_file=changed(weights(), seed, 0.004))


def _data(trap: Trap) -> Path:
    import h5py
    import numpy as np

    path = trap.path("x")
    with h5py.File(path, "w") as file:
        file.create_dataset("x_test", data=np.arange(2048, dtype="u1").reshape(8, 16, 16), chunks=(2, 16, 16),
                            compression="gzip", shuffle=True)  # fmt: skip
        file["y_test"] = np.arange(8) % 2
        file.attrs["class_names"] = ["cat", "dog"]
    return path


DAMAGED = (
    *(_mutated("h5", seed, lambda t: legacy_file(t.path("x")), 0.002) for seed in range(16)),
    *(_mutated("h5_hundredth", seed, lambda t: legacy_file(t.path("x")), 0.01) for seed in range(6)),
    *(_mutated("h5_head", seed, lambda t: legacy_file(t.path("x")), 0.004, 96, 2200) for seed in range(24)),
    *(_mutated("data_h5", seed, _data, 0.004, feed="data", file="a.h5") for seed in range(16)),
    *(_mutated("keras", seed, lambda t: keras_file(t.path("x")), 0.01, file="model.keras") for seed in range(8)),
    *(Attack(f"mutated_weights_{seed}", "bytes changed by chance", "ours", "model",
             lambda t, s=seed: _inner(t, s), harmless=True) for seed in range(16)),
    *(_mutated("skops", seed, lambda t: Path(shutil.copy(SAVED / "logistic_l1.skops", t.path("x"))), 0.0005,
               file="model.skops") for seed in range(4)),
    *(_mutated("hist", seed, lambda t: Path(shutil.copy(SAVED / "cnn_sd.hist", t.path("x"))), 0.004, file="a.hist",
               feed="history") for seed in range(6)),
)  # fmt: skip
