"""Models with several outputs or inputs: which output is meant, and which input takes the image."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from diag.errors import InvalidInputError

if TYPE_CHECKING:
    from diag.io.audit import ModelFile
    from diag.io.layer_shapes import End


def with_output(file: ModelFile, name: str | None) -> ModelFile:
    """Return what a file says, with one of its outputs in use.

    Parameters
    ----------
    file : ModelFile
    name : str, optional
        Of the output. Without it, the only one that looks like a classifier's is taken, with a note;
        where several do, none.

    Raises
    ------
    InvalidInputError
        If there is no output of that name.
    """
    if name is not None:
        chosen = next((end for end in file.outputs if end.name == name), None)
        if chosen is None:
            raise InvalidInputError(
                f"{file.path.name}: output: expected one of {', '.join(end.name for end in file.outputs) or 'none'}. "
                f"Received: {name!r}. Choose one with --output."
            )
        several = len(file.outputs) > 1
        digest = combined_digest(file.digest, f"output {name}") if several else file.digest
        notes = (f"Of the model's {len(file.outputs)} outputs {name!r} is used.",) if several else ()
        return _using(replace(file, digest=digest, notes=(*_without_choice(file), *notes)), chosen)
    if len(file.outputs) == 1:
        return _using(file, file.outputs[0])
    alike = [end for end in file.outputs if is_classifier(end)]
    if len(alike) != 1:
        return file
    note = f"{_CHOSEN} {len(file.outputs)} outputs only {alike[0].name!r} looks like a classifier's: it is used."
    return _using(replace(file, notes=(*file.notes, note)), alike[0])


_CHOSEN = "Of the model's"


def several_outputs(file: ModelFile) -> str:
    """Return the sentence that asks for one of several outputs."""
    names = ", ".join(end.name for end in file.outputs)
    return (
        f"{file.path.name}: the model has {len(file.outputs)} outputs. Choose one: --output NAME (or output = "
        f'"NAME" in the model card), of {names}.'
    )


def _without_choice(file: ModelFile) -> tuple[str, ...]:
    return tuple(note for note in file.notes if not note.startswith(_CHOSEN))


def _using(file: ModelFile, end: End) -> ModelFile:
    n_outputs = end.shape[0] if end.shape is not None and len(end.shape) == 1 else None
    n_outputs = n_outputs if isinstance(n_outputs, int) else None  # a configuration may say NaN
    return replace(file, output=end.name, n_outputs=n_outputs, activation=end.activation)


def is_classifier(end: End) -> bool:
    """Return whether an output has the form of a classifier's: softmax over classes, or a sigmoid."""
    if end.shape is None or len(end.shape) != 1:
        return False
    size = end.shape[0] or 0
    return (end.activation == "softmax" and size > 1) or end.activation == "sigmoid"


def image_input(file: ModelFile) -> int:
    """Return the number of the input that takes the image: the first with an image's shape, else the first."""
    for number, end in enumerate(file.inputs):
        if end.shape is not None and len(end.shape) == 3:
            return number
    sizes = [len(end.shape or ()) for end in file.inputs]
    return sizes.index(max(sizes)) if sizes else 0


def combined_digest(digest: str, *more: str) -> str:
    """Return the digest of a file that is read together with something else."""
    return hashlib.sha256("\n".join((digest, *more)).encode()).hexdigest()
