"""What training code has at hand: tf.data, Keras sequences, data loaders, generators, mappings, data frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diag.errors import DataError
from diag.io.readers.pairs import pairs_of
from diag.io.sources import Parts, Request
from diag.io.store import array_digest

MAX_BYTES = 4 * 2**30
_IMAGE_KEYS = ("image", "images", "img", "pixel_values", "x", "data", "input")
_LABEL_KEYS = ("label", "labels", "fine_label", "y", "target", "class")


def matches(source: Any) -> bool:
    """Return whether `source` is an object that yields images; not a path, an array or a pair of arrays."""
    if isinstance(source, str | bytes | np.ndarray):
        return False
    if isinstance(source, tuple | list):
        pairs = len(source) > 0 and all(isinstance(item, tuple) and len(item) in (2, 3) for item in source)
        return pairs and (isinstance(source, list) or len(source) != 2)
    return isinstance(source, Mapping) or hasattr(source, "__iter__") or _has_rows(source)


def _has_rows(source: Any) -> bool:
    return hasattr(source, "__len__") and hasattr(source, "__getitem__")


def read(source: Any, request: Request) -> Parts:
    """Draw all images into memory: at most 4 GiB, and `steps` batches if that is given."""
    kind = "tf.data" if hasattr(source, "as_numpy_iterator") else type(source).__name__
    if request.split not in ("test", "all"):
        raise DataError(f"{kind}: there is no {request.split} split, only what was passed. Pass those images instead.")
    if kind == "DataFrame" and type(source).__module__.split(".")[0] == "pandas":
        return _of_frame(source, request)
    if isinstance(source, Mapping):
        return _of_mapping(source, request)
    images, labels, count = _collected(source, request.steps, kind)
    content = array_digest(images) + ("" if labels is None else array_digest(_plain(labels)))
    said = "with labels" if labels is not None else "without labels"
    return Parts(
        name=kind,
        images=images,
        labels=labels,
        content=content,
        class_names=_class_names(source),
        notes=(f"{kind}: {len(images):,} images {said} were drawn into memory, in {count:,} steps.",),
        parted=False,
    )


def _of_frame(frame: Any, request: Request) -> Parts:
    import pyarrow as pa
    from pandas.util import hash_pandas_object

    from diag.io.readers.table import parts_of_table

    names = [str(name) for name in frame.columns]
    try:
        table = pa.Table.from_pandas(frame.set_axis(list(map(str, range(len(names)))), axis=1), preserve_index=False)
        digest = array_digest(hash_pandas_object(frame, index=False).to_numpy())
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"DataFrame: expected columns of numbers or texts. {str(error).splitlines()[0][:120]}"
        ) from error
    return parts_of_table(table, names, request, "DataFrame", f"{digest}{names}", Path())


def _of_mapping(source: Mapping[Any, Any], request: Request) -> Parts:
    arrays = {str(name): np.asarray(values) for name, values in source.items()}
    shapes = {name: tuple(values.shape) for name, values in arrays.items() if values.ndim}
    wish = request.label_column if isinstance(request.label_column, str) else None
    if wish is not None and wish not in arrays:
        raise DataError(f"arrays: no array named {wish!r}. Received: {', '.join(arrays)}.")
    pair = pairs_of(shapes, request.split, "arrays", wish)[0]
    images, labels = arrays[pair.images], None if pair.labels is None else arrays[pair.labels]
    content = array_digest(images) + ("" if labels is None else array_digest(_plain(labels)))
    return Parts("arrays", images, labels, content, notes=(f"arrays: {pair.images}, labels {pair.labels}.",))


def _plain(labels: NDArray[Any]) -> NDArray[Any]:
    return labels.astype(str) if labels.dtype.kind == "O" else labels


def _steps(source: Any, steps: int | None, kind: str) -> Iterator[Any]:
    """Yield what an object gives: by its length where it has one, else to its end or `steps`."""
    if hasattr(source, "as_numpy_iterator"):
        if steps is None and int(source.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
            raise DataError(f"{kind}: expected an end. Received: one that repeats for ever. Pass steps=, or .take(n).")
        return itertools.islice(source.as_numpy_iterator(), steps)
    try:
        length = len(source)
    except TypeError:  # as a generator
        return itertools.islice(iter(source), steps)
    count = length if steps is None else min(steps, length)
    if hasattr(source, "__getitem__"):
        return (source[number] for number in range(count))
    return itertools.islice(iter(source), count)


def _collected(source: Any, steps: int | None, kind: str) -> tuple[NDArray[Any], NDArray[Any] | None, int]:
    """Return all images and labels, and the number of steps."""
    images: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    total = count = 0
    batched = False
    for count, step in enumerate(_steps(source, steps, kind), 1):
        x, y = _pair(step, kind)
        batched = _is_batch(x, y) if count == 1 else batched
        images.append(x if batched else x[None])
        if y is not None:
            labels.append(y if batched else y[None])
        total += x.nbytes
        if total > MAX_BYTES:
            raise DataError(
                f"{kind}: expected at most {MAX_BYTES:,} bytes of images. Received: more after {count:,} steps; if it "
                "never ends, pass steps= (or .take(n)); else write the images to a .npz or a folder."
            )
    if not images:
        raise DataError(f"{kind}: expected at least one image. Received: none. A generator can be drawn only once.")
    if labels and len(labels) != len(images):
        raise DataError(f"{kind}: expected a label with every image or with none. Received: {len(labels)} labels.")
    try:
        return np.concatenate(images), np.concatenate(labels) if labels else None, count
    except ValueError as error:
        raise DataError(f"{kind}: expected images of one shape. {str(error)[:120]}") from error


def _pair(step: Any, kind: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return images and labels of one step: (x, y), (x, y, weights), {"image": x, "label": y}, or x alone."""
    if isinstance(step, Mapping):
        image = next((key for key in _IMAGE_KEYS if key in step), None)
        if image is None:
            raise DataError(f"{kind}: expected steps with 'image' and 'label'. Received: {', '.join(map(str, step))}.")
        label = next((key for key in _LABEL_KEYS if key in step), None)
        step = (step[image], None if label is None else step[label])
    x, y = (
        (step[0], step[1] if len(step) > 1 else None) if isinstance(step, tuple | list) and len(step) else (step, None)
    )
    if isinstance(x, Mapping | list | tuple) or isinstance(y, Mapping):
        raise DataError(f"{kind}: expected one array of images and one of labels a step. Received: several inputs.")
    try:
        return np.asarray(x), None if y is None else np.asarray(y)
    except (ValueError, TypeError) as error:
        raise DataError(f"{kind}: expected arrays. {str(error)[:120]}") from error


def _is_batch(x: NDArray[Any], y: NDArray[Any] | None) -> bool:
    """Return whether one step holds several images."""
    if x.ndim != 3:
        return x.ndim > 3 or (y is not None and y.ndim > 0 and x.ndim == 2 and len(y) == len(x) and not _one_hot(y))
    if y is None:
        return x.shape[-1] not in (1, 3, 4) and x.shape[0] not in (1, 3)
    return y.ndim > 0 and len(y) == len(x) and not (x.shape[-1] in (1, 3, 4) and _one_hot(y))


def _one_hot(y: NDArray[Any]) -> bool:
    return y.ndim == 1 and y.dtype.kind in "buif" and bool(np.isin(y, (0, 1)).all()) and int(y.sum()) == 1


def _class_names(source: Any) -> tuple[str, ...] | None:
    """Return the class names that an object of Keras, torchvision or Hugging Face carries."""
    found: Any = getattr(source, "class_names", None) or getattr(source, "classes", None)
    indices, features = getattr(source, "class_indices", None), getattr(source, "features", None)
    if isinstance(indices, Mapping) and indices:
        found = sorted(indices, key=lambda name: indices[name])
    elif isinstance(features, Mapping):
        found = next((getattr(features[key], "names", None) for key in _LABEL_KEYS if key in features), None)
    named = isinstance(found, list | tuple) and len(found) > 0 and all(isinstance(name, str) for name in found)
    return tuple(found) if named else None
