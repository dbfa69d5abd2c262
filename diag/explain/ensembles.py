"""Maps of an ensemble: what adds up in its members adds up in their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diag.errors import InvalidInputError, UnsupportedModelError
from diag.results.attribution import Attribution

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from diag.explain.background import References
    from diag.io.models import Model

    Explain = Callable[..., Attribution]
    Progress = Callable[[int, int], None]


def require_linear(model: Model, target: str, tolerance: float | None) -> None:
    """Refuse an ensemble whose output is no weighted mean of what its members' maps explain.

    Raises
    ------
    UnsupportedModelError
        For a vote, or with members that are no Keras networks.
    InvalidInputError
        For maps of logits, or with a tolerance.
    """
    if model.members and getattr(model, "how", "") == "vote":
        raise UnsupportedModelError(
            f"{model.name}: expected an average, whose maps are the mean of its members' maps. Received: a vote, which "
            "jumps. Explain its members one by one."
        )
    for member in model.members:
        if not member.is_keras:
            raise UnsupportedModelError(
                f"{model.name}: expected an ensemble of Keras networks. Received: {member.name}, {member.kind}. "
                "Maps are made of networks only."
            )
    if target != "probability":
        raise InvalidInputError(
            "target: expected 'probability' for an ensemble, which averages probabilities. Received: 'logit'."
        )
    if tolerance is not None:
        raise InvalidInputError("tolerance: expected a single model. Received: an ensemble. Leave it out.")


def averaged_maps(
    model: Model,
    weights: Sequence[float],
    images: NDArray[Any],
    classes: NDArray[np.int64],
    references: References,
    background: Any,
    options: dict[str, Any],
    explain: Explain,
    progress: Progress | None,
) -> dict[str, Any]:
    """Return the weighted means of the members' maps and base values, and the images as the members see them.

    A map is linear in the output that it explains, so that the mean of additive maps adds up to the mean output.

    Parameters
    ----------
    model : Model
        An ensemble whose members are settled.
    weights : sequence of float
    images : ndarray, shape (n, h, w, c)
        In the data's own units.
    classes : ndarray of int64, shape (n, k)
        The class that each map speaks of.
    references : References
        The same for every member; clusters are drawn again by each, from `background`.
    options : dict
        For `explain`.
    explain : callable
        `diag.explain`.

    Raises
    ------
    UnsupportedModelError
        If members see images of different size, cut or order of channels: pixels of their maps are then not the same.
    """
    _require_same_pixels(model, images)
    wanted = np.unique(classes)
    drawn = references.images if references.weights is None else background
    m = len(model.members)
    parts = []
    for place, member in enumerate(model.members):
        report = None if progress is None else _within(progress, place, m)
        parts.append(explain(member, images, None, drawn, wanted.tolist(), progress=report, **options))
    columns = np.searchsorted(wanted, classes)
    pairs = list(zip(weights, parts, strict=True))
    values = sum(np.float64(weight) * part.values for weight, part in pairs)
    base = sum(np.float64(weight) * part.base_values for weight, part in pairs)
    at = columns[:, None, None, None, :]
    return {
        "values": np.take_along_axis(np.asarray(values), at, axis=4).astype(np.float32),
        "base_values": np.take_along_axis(np.asarray(base), columns, axis=1),
        "images": parts[0].images,
        "method": f"mean of {parts[0].method} maps",
        "n_background": parts[0].n_background,
        "n_used": parts[0].n_used,
        "relative_error": parts[0].relative_error,
    }


def _require_same_pixels(model: Model, images: NDArray[Any]) -> None:
    seen = {}
    for member in model.members:
        steps = member.preprocessing
        shape = steps.input_image_shape(images.shape[1:])
        cut = steps.fit or "stretch" if steps.resize is not None else "stretch"
        seen[member.name] = (shape, bool(steps.transpose), cut, steps.channel_order == "bgr" and shape[2] == 3)
    if len(set(seen.values())) > 1:
        listed = ", ".join(f"{name} {'x'.join(map(str, each[0]))}" for name, each in seen.items())
        raise UnsupportedModelError(
            f"{model.name}: expected members that see images of the same size, cut and order of channels, so that "
            f"their maps can be added. Received: {listed}. Explain its members one by one."
        )


def _within(progress: Progress, place: int, m: int) -> Progress:
    return lambda done, total: progress(place * total + done, m * total)
