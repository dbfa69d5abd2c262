"""What a data set holds, in numbers and in a sentence: size, values, missing ones, and the most frequent class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from diag.io.datasets import Dataset


def figures_of(data: Dataset) -> dict[str, Any]:
    """Return the row of `Dataset.summary` as a dict; reads every image once."""
    low, high, missing = np.inf, -np.inf, 0
    for images in _readable(data):
        if images is None:
            missing += 1
        elif images.size:
            low, high = min(low, float(images.min())), max(high, float(images.max()))
    height, width, channels = data.images.shape[1:]
    counts = None if data.labels is None else np.bincount(data.labels, minlength=len(data.class_names))
    most = None if counts is None or not len(data) else int(counts.argmax())
    return {
        "data": data.name,
        "split": data.split,
        "n": len(data),
        "height": height,
        "width": width,
        "channels": channels,
        "dtype": str(np.dtype(data.images.dtype)),
        "lowest": low if low <= high else np.nan,
        "highest": high if low <= high else np.nan,
        "missing": missing,
        "n_classes": len(data.class_names),
        "majority_class": None if most is None else data.class_names[most],
        "majority_share": np.nan if most is None or counts is None else float(counts[most] / counts.sum()),
    }


def class_counts_of(data: Dataset) -> pd.DataFrame:
    """Return the frame of `Dataset.class_counts`."""
    import pandas as pd

    if data.labels is None:
        raise DataError(f"{data.name}: expected labels to count. Received: images without labels. Pass labelled data.")
    counts = np.bincount(data.labels, minlength=len(data.class_names))
    index = pd.Index(data.class_names, name="class")
    return pd.DataFrame({"images": counts, "share": counts / max(len(data), 1)}, index=index)


def description_of(data: Dataset) -> str:
    """Return `figures_of` in words."""
    found = figures_of(data)
    n, missing = found["n"], found["missing"]
    said = f"{title_of(data)}: {counted(n, 'image')} of {found['height']}x{found['width']}x{found['channels']}"
    said += f", {found['dtype']}"
    if found["lowest"] == found["lowest"]:
        said += f" from {found['lowest']:g} to {found['highest']:g}"
    said += f". {counted(missing, 'image')} with missing values." if missing else ". No missing values."
    if found["majority_class"] is None:
        return f"{said} No labels."
    k = found["n_classes"]
    return (
        f"{said} {k:,} class{'' if k == 1 else 'es'}; always answering {found['majority_class']} would have "
        f"{found['majority_share']:.1%} right."
    )


def title_of(data: Dataset) -> str:
    """Return what a data set is called, with its split where its source has several."""
    return f"{data.name}, {data.split}" if data.parted else data.name


def _readable(data: Dataset) -> Iterator[NDArray[Any] | None]:
    """Yield the images batch by batch, and None for each that cannot be read."""
    for start in range(0, len(data), 256):
        stop = min(start + 256, len(data))
        try:
            yield np.asarray(data.images[start:stop])
        except DataError:
            for place in range(start, stop):
                try:
                    yield np.asarray(data.images[place])
                except DataError:
                    yield None


def counted(n: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "image"), counted(2000, "image")
    ('1 image', '2,000 images')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
