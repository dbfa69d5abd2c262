"""Labelled images from anywhere, read lazily.

Every reader in `diag.io.readers` turns a source into `Parts`; what all sources share - checking, label numbers,
digest, freezing - happens once, here.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from diag.errors import DataError, InvalidInputError
from diag.io.class_names import class_names_beside, class_names_from
from diag.io.extra_inputs import WithInputs, inputs_of
from diag.io.labels import frozen, label_numbers, renamed
from diag.io.overview import class_counts_of, description_of, figures_of
from diag.io.sources import ArrayImages, ImageSource, Parts, Request, Selected, StoredArray
from diag.printable import distinct, name_text, printable
from diag.worker import isolated
from diag.worker.limits import Limits, raise_hint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

_BATCH_BYTES = 256 * 2**20
"""What a batch of `Dataset.batches` holds, about; one image at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images with or without labels.

    Parameters
    ----------
    name, source, split : str
        What it is called, how `load_dataset` finds it again, and which part it is.
    images : ImageSource, shape (n, h, w, c)
        In the data's own units: uint8 0..255, or float as it was stored.
    labels : ndarray of int64, shape (n,), or None
        Class numbers, read-only.
    class_names : tuple of str
        One a class number; empty without labels.
    digest : str
        SHA-256 of the content, wherever it lies.
    notes : tuple of str
        What the reader found or assumed.
    sample_names : tuple of str, optional
        File names, or the Ids of a CSV.
    metadata : mapping of str to ndarray of shape (n,), optional
        Further columns of the source, such as a hospital or a camera, to look at slices of the data.
    sizes : mapping of str to int, optional
        How many of the first 5,000 images had which size in their files, such as ``{"28x28": 900, "32x30": 12}``.
    parted : bool
        Whether the source has parts, of which `split` is one; what has none was read whole.
    """

    name: str
    source: str
    split: str
    images: ImageSource
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    digest: str
    notes: tuple[str, ...] = ()
    sample_names: tuple[str, ...] | None = None
    metadata: Mapping[str, NDArray[Any]] | None = None
    sizes: Mapping[str, int] | None = None
    parted: bool = True

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    @property
    def inputs(self) -> Mapping[str, NDArray[Any]] | None:
        """Further inputs that a model takes beside the images, by name, one row an image; None where there are none."""
        return inputs_of(self.images)

    def batches(self, batch_size: int = 256) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (number of the first image, images) in order; fewer at once where they are large."""
        batch_size = max(1, min(batch_size, _BATCH_BYTES // max(1, _image_bytes(self.images))))
        for start in range(0, len(self), batch_size):
            yield start, np.asarray(self.images[start : start + batch_size])

    def subset(self, indices: Sequence[int] | NDArray[Any]) -> Dataset:
        """Return the data set of some images, still read lazily.

        Parameters
        ----------
        indices : sequence of int, or ndarray of bool, shape (n,)
            Numbers of images in the order wished, or a mask that says which are kept.

        Raises
        ------
        InvalidInputError
            If a number is not that of an image, or a mask has another length.
        """
        chosen = _rows(indices, len(self))
        names = self.sample_names
        return replace(
            self,
            images=Selected(self.images, chosen),
            labels=None if self.labels is None else frozen(self.labels[chosen]),
            digest=hashlib.sha256(self.digest.encode() + chosen.tobytes()).hexdigest(),
            sample_names=None if names is None else tuple(names[row] for row in chosen),
            metadata=None if self.metadata is None else _columns(self.metadata, chosen),
        )

    def frame(self) -> pd.DataFrame:
        """Return one row an image.

        Columns: ``index``; ``label`` and ``class_name`` of labelled data; ``sample_name`` where there are names; then
        the metadata, where a name that is taken gets ``meta_`` in front.
        """
        import pandas as pd

        frame = pd.DataFrame({"index": np.arange(len(self))})
        if self.labels is not None:
            frame["label"] = self.labels
            frame["class_name"] = np.asarray(self.class_names, dtype=object)[self.labels]
        if self.sample_names is not None:
            frame["sample_name"] = list(self.sample_names)
        for name, values in (self.metadata or {}).items():
            frame[f"meta_{name}" if name in frame else name] = values
        return frame

    def class_counts(self) -> pd.DataFrame:
        """Return one row a class: ``images``, and their ``share`` of all, 0..1; a `DataError` without labels."""
        return class_counts_of(self)

    def summary(self) -> pd.DataFrame:
        """Return one row on all images, each of which is read for it.

        Returns
        -------
        DataFrame
            Index ``data``. ``split``, ``n``, ``height``, ``width``, ``channels``, ``dtype``, ``lowest`` and ``highest``
            pixel, ``missing`` (images with NaN or infinity in them, or that cannot be decoded; a table with blank cells
            is refused by `load_dataset`), ``n_classes``, ``majority_class``, ``majority_share`` (its share of the
            images: the accuracy of always answering it).
        """
        import pandas as pd

        return pd.DataFrame([figures_of(self)]).set_index("data")

    def description(self) -> str:
        """Return `summary` in words.

        Examples
        --------
        >>> load_dataset("digits").description()  # doctest: +NORMALIZE_WHITESPACE
        'digits, test: 797 images of 28x28x1, uint8 from 0 to 255. No missing values. 10 classes; always answering 1
        would have 10.2% right.'
        """
        return description_of(self)


def load_dataset(
    source: Any,
    split: str = "test",
    *,
    size: tuple[int, int] | None = None,
    label_column: str | int | None = None,
    class_names: str | Path | Sequence[str] | Mapping[Any, Any] | None = None,
    steps: int | None = None,
    stretch: tuple[int, int] | None = None,
    confined: bool = True,
) -> Dataset:
    """Read images and labels from a built-in set, a file, a folder or Python objects.

    Parameters
    ----------
    source : str, Path, array, (array, array), Dataset or Python object
        ``digits``, ``mnist``, ``fashion_mnist``, ``cifar10``, ``cifar100``; a ``.npz``, ``.npy``, ``.csv``, ``.h5``,
        ``.parquet``, ``.tfrecord``, idx or ``.zip`` file; a folder of class folders or of such files; images, or images
        and labels; a `tf.data.Dataset`, a `keras.utils.PyDataset`, a data loader, a generator or a data frame.
        ``file.h5::images,labels`` and ``x.npy::y.npy`` name the two arrays. A Dataset is returned as it is.
    split : str
        ``"test"``, ``"train"`` or ``"all"`` where the source has parts; a source without parts is read whole as "test"
        or "all" and has no "train".
    size : (int, int), optional
        Height and width: what a flat row of pixels is, or what encoded images are brought to.
    label_column : str or int, optional
        The column, or the array, with the labels; found automatically when left out.
    class_names : sequence of str, mapping, str or Path, optional
        Names of the class numbers, in order, or a JSON file with them (see `class_names_from`). If the source has names
        itself and all are among them, the classes are numbered in the order given here.
    steps : int, optional
        How many batches (or samples) are drawn from a Python iterator; needed for one that never ends.
    stretch : (int, int), optional
        Height and width that encoded images are brought to, only if they differ in size and `size` is not given.
    confined : bool
        Refuse a table whose paths lead out of its own folder, as a stranger's might. False reads them, and says so.

    Raises
    ------
    DataError
        If the source cannot be read, or contradicts itself. One line says what to do.

    Examples
    --------
    >>> data = load_dataset("digits")
    >>> data.images.shape, len(data.class_names)
    ((797, 28, 28, 1), 10)
    """
    if isinstance(source, Dataset):
        return source
    request = Request(split, size, label_column, steps, stretch, confined)
    if isinstance(source, Path):
        source = str(source)
    given = class_names_from(class_names) if class_names is not None else None
    data = assemble(_parts(source, request), _said(source), request, given)
    return data if given is not None else _with_names_beside(data, source)


def _parts(source: Any, request: Request) -> Parts:
    """Return what a source holds: files are read in a process that may die, Python objects in this one."""
    from diag.io.readers import BUILTIN, read_source
    from diag.io.readers.unknown import refuse_address

    if isinstance(source, str):
        if not source.strip():
            raise DataError(f"expected the path of data, or a built-in set ({', '.join(BUILTIN)}). Received: nothing.")
        refuse_address(source)
        if source not in BUILTIN and isolated():
            from diag.io import remote_sources

            return remote_sources.read(source, request)
    return read_source(source, request)


def assemble(parts: Parts, source: str, request: Request, class_names: Sequence[str] | None = None) -> Dataset:
    """Check what a reader returned and freeze it."""
    images = as_images(parts.images, request.size, parts.name)
    _refuse_large(images, parts.name)
    if parts.inputs:
        images = WithInputs(images, parts.inputs)
    if len(images) == 0:
        raise DataError(f"{parts.name}: expected at least one image. Received: none. Pass data that has some.")
    labels, found = label_numbers(parts.labels, len(images), parts.name)
    names = tuple(printable(name) for name in parts.class_names or found)
    if class_names is not None and labels is not None:
        labels, names = renamed(labels, names, tuple(printable(str(name)) for name in class_names), parts.name)
    if labels is not None and len(names) <= int(labels.max()):
        raise DataError(
            f"{parts.name}: expected a name for each of {int(labels.max()) + 1} classes. Received: {len(names)} names. "
            "Name every class, in order."
        )
    return Dataset(
        name=name_text(parts.name),
        source=source,
        split=request.split,
        images=images,
        labels=labels,
        class_names=names if labels is not None else (),
        digest=hashlib.sha256(f"{parts.content}|{request}|{names}".encode()).hexdigest(),
        notes=tuple(map(printable, parts.notes)),
        sample_names=None if parts.sample_names is None else tuple(map(_clean, parts.sample_names)),
        metadata=None if parts.metadata is None else _clean_columns(parts.metadata),
        sizes=parts.sizes,
        parted=parts.parted,
    )


def _with_names_beside(data: Dataset, source: Any) -> Dataset:
    """Return the data with the names of a file such as class_names.json in its folder, if they fit its labels."""
    found = class_names_beside(source) if data.labels is not None else None
    if found is None or data.labels is None:
        return data
    path, wished = found
    bare = all(name.isdigit() for name in data.class_names)
    fits = len(wished) == len(data.class_names) if bare else set(data.class_names) <= set(wished)
    if not fits:
        note = f"{path.name} beside the data was not used: its {len(wished)} names do not fit the classes found."
        return replace(data, notes=(*data.notes, note))
    labels, names = renamed(data.labels, data.class_names, wished, data.name)
    digest = hashlib.sha256(f"{data.digest}|{names}".encode()).hexdigest()
    note = f"Names and order of the classes come from {path.name}."
    return replace(data, labels=labels, class_names=names, digest=digest, notes=(*data.notes, note))


def as_images(images: Any, size: tuple[int, int] | None, name: str) -> ImageSource:
    """Return images as a source of shape (n, h, w, c)."""
    if not isinstance(images, np.ndarray | StoredArray):
        return cast("ImageSource", images)
    if images.dtype.kind not in "buif":
        raise DataError(
            f"{name}: expected images as numbers. Received: dtype {images.dtype}. Save pixels as uint8 or float32."
        )
    shape = images.shape
    if 0 in shape[1:]:
        raise DataError(
            f"{name}: expected images with at least one pixel. Received: shape {shape}. Pass images that have some."
        )
    view = images
    if isinstance(images, np.ndarray):
        view = images.view()
        view.flags.writeable = False
    if len(shape) == 2:
        return ArrayImages(view, flat_shape(shape[1], size, name))
    if len(shape) == 3:
        return ArrayImages(view, (shape[1], shape[2], 1))
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3, 4):
        return ArrayImages(view, (shape[2], shape[3], shape[1]), channels_first=True)
    if len(shape) == 4 and shape[3] in (1, 2, 3, 4):
        return ArrayImages(view, (shape[1], shape[2], shape[3]))
    raise DataError(
        f"{name}: expected images (n, h, w), (n, h, w, c), (n, c, h, w) or (n, pixels). Received: {shape}. "
        "Bring the array to one of these shapes."
    )


def _image_bytes(images: ImageSource) -> int:
    return int(math.prod(images.shape[1:]) * np.dtype(images.dtype).itemsize)


def _refuse_large(images: ImageSource, name: str) -> None:
    """Raise if one image is so large that a few of them would fill the memory."""
    found, most = _image_bytes(images), Limits.current().image_bytes
    if found > most:
        shape = "x".join(map(str, images.shape[1:]))
        raise DataError(
            f"{name}: expected images of at most {most:,} bytes. Received: {shape} of {images.dtype}, {found:,} bytes "
            f"each. Pass --resize HxW (size=), or make them smaller. {raise_hint('image_bytes', found)}"
        )


def flat_shape(pixels: int, size: tuple[int, int] | None, name: str) -> tuple[int, int, int]:
    """Return (h, w, c) of an image kept as one row of `pixels` numbers."""
    if size is not None and pixels in (size[0] * size[1], 3 * size[0] * size[1]):
        return (*size, pixels // (size[0] * size[1]))
    for channels in (1, 3):  # also with a size that does not fit: square images that are brought to it later
        side = round((pixels / channels) ** 0.5)
        if pixels and side * side * channels == pixels:
            return side, side, channels
    if size is not None:
        raise DataError(
            f"{name}: expected rows of {size[0] * size[1]} or {3 * size[0] * size[1]} pixels. Received: {pixels} "
            f"pixels a row are no image of {size[0]}x{size[1]} in grey or colour. Correct --resize HxW (size=)."
        )
    raise DataError(
        f"{name}: expected square images. Received: {pixels} pixels a row are no square image. "
        "Pass --resize HxW (size=) with the real size."
    )


def _rows(indices: Any, n: int) -> NDArray[np.int64]:
    """Return image numbers from 0 to n - 1, for numbers (negative ones count from the end) or a mask."""
    given = np.asarray(indices)
    if given.dtype.kind == "b" and given.shape == (n,):
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InvalidInputError(f"expected image numbers or a mask of {n}. Received: {given.dtype} of {given.shape}.")
    rows = given.astype(np.int64)
    outside = rows[(rows < -n) | (rows >= n)]
    if outside.size:
        raise InvalidInputError(
            f"expected image numbers from 0 to {n - 1}. Received: {outside[0]}. Choose among the images that are there."
        )
    return np.where(rows < 0, rows + n, rows)


def _columns(columns: Mapping[str, Any], rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    return {name: frozen(np.asarray(values)[rows]) for name, values in columns.items()}


def _clean_columns(columns: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return further columns with names that can be told apart, and texts that can be shown."""
    cleaned = {}
    for name, values in zip(distinct(columns), columns.values(), strict=True):
        column = np.array(values)
        if column.dtype.kind == "O" and column.ndim == 1:
            column[:] = [_clean(value) if isinstance(value, str) else value for value in column]
        elif column.dtype.kind == "U":
            column = np.array([_clean(str(value)) for value in column])
        cleaned[name] = frozen(column)
    return cleaned


def _clean(text: str) -> str:
    """Return a text as it is where all of it can be shown: an image's number in a table keeps its spaces."""
    return text if text.isascii() and text.isprintable() else printable(text)


def _said(source: Any) -> str:
    return source if isinstance(source, str) else "arrays"
