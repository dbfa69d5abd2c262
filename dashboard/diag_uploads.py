"""Files that visitors add: bounded in bytes for a session and for the server, under names and in folders of our own."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diag.errors import InvalidInputError
from diag.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

SESSION_BYTES = 2 * 1024**3
SERVER_BYTES = 8 * 1024**3
ENDINGS = (".keras", ".h5", ".hdf5", ".skops")
"""Of models that can be uploaded; a folder may also hold definitions of ensembles."""
DATA_ENDINGS = (".npz", ".zip", ".csv", ".tsv", ".parquet", ".h5", ".hdf5", ".tfrecord")
"""Of data that can be uploaded: what is one file with its labels."""
WANTED = {"model": ("a model file", ENDINGS), "data": ("a file of labelled images", DATA_ENDINGS)}
LETTERS = 60


@dataclass(eq=False)
class Upload:
    """One file that was added."""

    name: str
    path: Path
    size: int
    owner: str
    kind: str = "model"
    dropped: bool = False


class Uploads:
    """All files that visitors have added, the oldest first.

    Parameters
    ----------
    folder : callable
        Gives the folder for them.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, Upload] = OrderedDict()

    def add(self, name: str, content: bytes | memoryview, owner: str, kind: str = "model") -> Upload:
        """Write a file under a name of our own in a folder of its own; drop the oldest where the server has no room.

        `kind` is one of `WANTED`: what the file is added as.

        Raises
        ------
        InvalidInputError
            If it is empty, has an ending that is not wanted, or its session has added enough.
        """
        stem, ending = clean_name(name)
        shown = printable(name, 80)
        wanted, endings = WANTED[kind]
        if ending not in endings:
            raise InvalidInputError(f"{shown}: expected {wanted}, {', '.join(endings)}. Received: another ending.")
        size = len(content)
        if size == 0:
            raise InvalidInputError(f"{shown}: expected {wanted}. Received: 0 bytes. Add it again.")
        with self._lock:
            held = sum(upload.size for upload in self._kept.values() if upload.owner == owner)
            if held + size > SESSION_BYTES:
                raise InvalidInputError(
                    f"{shown}: expected at most {SESSION_BYTES / 2**30:.1f} GiB of files in a session. Received: "
                    f"{(held + size) / 2**30:.1f} GiB. Remove some first."
                )
            while self._kept and sum(each.size for each in self._kept.values()) + size > SERVER_BYTES:
                self._drop(next(iter(self._kept.values())))
            folder = self._folder() / secrets.token_hex(16)
            folder.mkdir(mode=0o700)
            upload = Upload(shown, folder / f"{stem}{ending}", size, owner, kind)
            self._kept[upload.path] = upload
        try:
            upload.path.write_bytes(content)
        except OSError as error:
            self.remove(upload)
            raise InvalidInputError(f"{shown}: cannot be stored, {error.strerror}. Try a smaller file.") from error
        return upload

    def remove(self, upload: Upload) -> None:
        """Delete a file."""
        with self._lock:
            self._drop(upload)

    def forget(self, owner: str) -> None:
        """Delete what a session has added, when it has ended."""
        with self._lock:
            for upload in [each for each in self._kept.values() if each.owner == owner]:
                self._drop(upload)

    def _drop(self, upload: Upload) -> None:
        upload.dropped = True
        self._kept.pop(upload.path, None)
        shutil.rmtree(upload.path.parent, ignore_errors=True)


def clean_name(name: str) -> tuple[str, str]:
    r"""Return stem and ending of an uploaded file as they are stored: no folder, only letters, digits, ``-`` and ``_``.

    Examples
    --------
    >>> clean_name("../../etc/a b.H5"), clean_name("C:\\x\\m.keras"), clean_name("..")
    (('a_b', '.h5'), ('m', '.keras'), ('__', ''))
    """
    last = Path(name.replace("\\", "/")).name
    stem = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in Path(last).stem
    )
    return stem[:LETTERS] or "file", Path(last).suffix.lower()
