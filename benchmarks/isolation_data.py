"""What reading data in a process that may die costs: opening a source, and going through all of its images.

Run: python benchmarks/isolation_data.py
"""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from diag.io.datasets import load_dataset
from diag.worker.process import reader

RUNS = 3
RNG = np.random.default_rng(0)


def pngs(folder: Path) -> Path:
    """2,000 PNGs of 64 x 64 in colour, in ten class folders."""
    for number in range(2_000):
        place = folder / "pngs" / str(number % 10)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(place / f"{number}.png")
    return folder / "pngs"


def npz(folder: Path) -> Path:
    """60,000 images of 28 x 28, as they are."""
    np.savez(folder / "a.npz", x=RNG.integers(0, 256, (60_000, 28, 28), dtype=np.uint8), y=np.arange(60_000) % 10)
    return folder / "a.npz"


def npz_packed(folder: Path) -> Path:
    """10,000 images of 28 x 28, deflated."""
    x = RNG.integers(0, 2, (10_000, 28, 28), dtype=np.uint8)
    np.savez_compressed(folder / "b.npz", x=x, y=np.arange(10_000) % 10)
    return folder / "b.npz"


def parquet_pngs(folder: Path) -> Path:
    """5,000 PNGs of 28 x 28 in a Parquet file, as Hugging Face keeps them."""
    images = []
    for _ in range(5_000):
        stream = io.BytesIO()
        Image.fromarray(RNG.integers(0, 256, (28, 28), dtype=np.uint8)).save(stream, "PNG")
        images.append({"bytes": stream.getvalue(), "path": None})
    parquet.write_table(pa.table({"image": images, "label": np.arange(5_000) % 10}), folder / "a.parquet")
    return folder / "a.parquet"


def hdf5(folder: Path) -> Path:
    """20,000 images of 64 x 64 in colour in an HDF5 file: 246 MB."""
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("x", data=RNG.integers(0, 256, (20_000, 64, 64, 3), dtype=np.uint8))
        file["y"] = np.arange(20_000) % 10
    return folder / "a.h5"


def csv(folder: Path) -> Path:
    """10,000 rows of 785 numbers."""
    rows = np.column_stack([np.arange(10_000) % 10, RNG.integers(0, 256, (10_000, 784))])
    names = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    np.savetxt(folder / "a.csv", rows, fmt="%d", delimiter=",", header=names, comments="")
    return folder / "a.csv"


SOURCES = (pngs, npz, npz_packed, parquet_pngs, hdf5, csv)


def timed(source: Path) -> tuple[float, float]:
    """Return the seconds for opening a source, and for going through its images."""
    start = time.perf_counter()
    data = load_dataset(source)
    opened = time.perf_counter()
    for _ in data.batches():
        pass
    return opened - start, time.perf_counter() - opened


def main() -> None:
    """Print one row a source: in this process, and in another."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        np.save(place / "x.npy", np.zeros((1, 4, 4)))
        start = time.perf_counter()
        load_dataset(place / "x.npy")
        first = time.perf_counter() - start
        start = time.perf_counter()
        load_dataset(place / "x.npy")
        print(f"starting the reader: {first:.2f} s; the next file: {1000 * (time.perf_counter() - start):.1f} ms")
        print("| source | open: here | there | all images: here | there |\n|---|---:|---:|---:|---:|")
        for write in SOURCES:
            source = write(place)
            figures = []
            for mode in ("off", "on"):
                os.environ["DIAG_ISOLATION"] = mode
                runs = [timed(source) for _ in range(RUNS)]
                figures.append([statistics.median(each) for each in zip(*runs, strict=True)])
            (here_open, here_all), (there_open, there_all) = figures
            what = " ".join((write.__doc__ or "").split()).rstrip(".")
            print(f"| {what} | {here_open:.2f} | {there_open:.2f} | {here_all:.2f} | {there_all:.2f} |")
    reader().close()


if __name__ == "__main__":
    main()
