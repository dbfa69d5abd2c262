"""Answers that are not a function of the image: randomness at inference, or other images of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from diag.checks.base import Check
from diag.errors import CheckNotApplicable, DiagError
from diag.results.diagnosis import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from diag.checks.case import Case
    from diag.io.models import Model
    from diag.results.diagnosis import Finding

IMAGES, FEWER_IMAGES = 32, 8
"""Images that are asked about; of a large network so few."""
EVALUATIONS = 5
"""How often the accuracy is measured with what the file switches on."""
TOTAL_NUMBERS = 2**28
"""Numbers that all layers together compute for them, about."""
SAME_BATCH = 1e-4
"""Parts of the largest output by which two answers to the same batch may differ: the same sums in the same order."""
OTHER_BATCH = 1e-2
"""Parts of the largest output that other batches may change: rounding, in half precision too, is below it."""


def run(case: Case) -> Iterator[Finding]:
    """Ask twice, in other batches, and with what the file switches on by ``training=True``."""
    inputs = _inputs(case)
    if len(inputs) < 2:
        raise CheckNotApplicable("One image does not tell batches apart.")
    first = case.model.ask(inputs)
    if not np.isfinite(first).all():
        raise CheckNotApplicable("The model answers NaN or infinity.")
    scale = max(float(np.abs(first).max()), 1e-12)
    again = np.abs(case.model.ask(inputs) - first).max(axis=1) / scale
    if again.max() > SAME_BATCH:
        yield _finding(case, "between two runs on the same images", again, SAME_BATCH, "Random layers are active.")
    else:
        other = np.abs(_regrouped(case.model, inputs) - first).max(axis=1) / scale
        if other.max() > OTHER_BATCH:
            why = "Look for a layer that works across the batch, such as softmax over the wrong axis."
            yield _finding(case, "with the other images in the batch", other, OTHER_BATCH, why)
    yield from _switched_on(case, inputs, first)


def _inputs(case: Case) -> NDArray[np.float32]:
    """Return the first images, or noise when there is no data: what is asked needs no labels."""
    structure = case.structure
    n = int(np.clip(TOTAL_NUMBERS // structure.cost, FEWER_IMAGES, IMAGES))
    if case.data is not None:
        return case.inputs[:n]
    shape = [size or 32 for size in structure.inputs[0][1:]]
    return case.rng("noise").random((n, *shape), dtype=np.float32)


def _regrouped(model: Model, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the outputs when every image stands in another place of another, smaller batch."""
    order = np.arange(len(inputs))[::-1]
    halves = [model.ask(inputs[part]) for part in (order[::2], order[1::2])]
    outputs = np.empty((len(inputs), halves[0].shape[1]), dtype=np.float32)
    outputs[order[::2]], outputs[order[1::2]] = halves
    return outputs


def _finding(case: Case, when: str, changes: NDArray[np.float32], limit: float, why: str) -> Finding:
    rows = np.argsort(-changes, kind="stable")
    changed = int((changes > limit).sum())
    return CHECK.finding(
        "critical",
        f"The outputs of {changed} of {len(changes)} images differ {when}, by up to {changes.max():.2%} of the largest "
        "output.",
        f"{why} Save the model for inference, without it: until then no figure of this model can be repeated.",
        measured={"images": len(changes), "changed": changed, "largest_change": float(changes.max())},
        samples=case.rows[rows[:changed]].tolist() if case.data is not None else (),
        evidence=[_changes(case, changes)],
    )


def _changes(case: Case, changes: NDArray[np.float32]) -> Evidence:
    numbers = case.rows[: len(changes)] if case.data is not None else np.arange(len(changes))
    rows = tuple({"image": int(a), "change": float(b)} for a, b in zip(numbers, changes, strict=True))
    return Evidence("Change of the outputs, in parts of the largest", rows, "bar", x="image", y="change")


def _switched_on(case: Case, inputs: NDArray[np.float32], shown: NDArray[np.float32]) -> Iterator[Finding]:
    """Look for layers that the file itself calls in training mode, and measure what they would do."""
    found = case.structure.switched_on
    if not found:
        return
    one, two = case.ask_network("as_saved", {"inputs": inputs}).arrays["outputs"]
    scale = max(float(np.abs(shown).max()), 1e-12)
    changes = np.maximum(np.abs(one - shown), np.abs(two - one)).max(axis=1) / scale
    flips = np.mean((_classes(one) != _classes(shown)) | (_classes(two) != _classes(shown)))
    names = ", ".join(f"{name} ({kind})" for name, kind in found[:5]) + (" and others" if len(found) > 5 else "")
    kind = "normalises by the batch" if all(kind == "BatchNormalization" for _, kind in found) else "is random"
    said, measured, evidence = _accuracies(case)
    yield CHECK.finding(
        "warning",
        f"The file calls {names} with training=True: used as it was saved the model {kind}, and {flips:.0%} of "
        f"{len(inputs)} {'images' if case.data is not None else 'noise images'} change their class{said}.",
        "Save the model with these layers called without training=True; Keras 3 and this report switch them off, "
        "Keras 2 does not.",
        measured={
            "layers": [name for name, _ in found],
            "class_changes": float(flips),
            "largest_change": float(changes.max()),
            **measured,
        },
        samples=case.rows[np.argsort(-changes, kind="stable")].tolist() if case.data is not None else (),
        evidence=[*evidence, _changes(case, changes)],
    )


def _accuracies(case: Case) -> tuple[str, dict[str, float], list[Evidence]]:
    """Return in words, in numbers and as a picture what accuracies the file as it was saved would have.

    Nothing where there are no labels, or what the network gives is no class.
    """
    if case.data is None or case.data.labels is None:
        return "", {}, []
    n = int(np.clip(TOTAL_NUMBERS // case.structure.cost, FEWER_IMAGES, len(case.rows)))
    try:
        y_true = case.y_true[:n]
    except DiagError:
        return "", {}, []
    runs = case.ask_network("as_saved", {"inputs": case.inputs[:n]}, {"times": EVALUATIONS}).arrays["outputs"]
    right = [float((case.model.read_outputs(outputs).argmax(axis=1) == y_true).mean()) for outputs in runs]
    off = float(case.run.correct_mask[case.rows[:n]].mean())
    span = f"{min(right):.1%} to {max(right):.1%}"
    said = f"; {EVALUATIONS} evaluations of {n} images have {span} right, without it {off:.1%}"
    rows = tuple({"evaluation": number, "accuracy": value} for number, value in enumerate(right, 1))
    picture = Evidence("Accuracy of each evaluation as it was saved", rows, "point", x="evaluation", y="accuracy")
    return said, {"accuracy_low": min(right), "accuracy_high": max(right), "accuracy_off": off}, [picture]


def _classes(outputs: NDArray[np.float32]) -> NDArray[np.int64]:
    classes: NDArray[np.int64] = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(int)
    return classes


CHECK = Check("DG106", "Inference not deterministic", run)
