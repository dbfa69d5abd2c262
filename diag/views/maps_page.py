"""Maps as one HTML file, and as arrays."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.results.attribution import disagreement
from diag.views.figures import map_tiles, shared_limit
from diag.views.html import TEMPLATES, environment
from diag.views.images import attribution_png, data_uri, image_png
from diag.views.policy import content_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diag.results.attribution import Attribution


def maps_html(attributions: Sequence[Attribution]) -> str:
    """Return one self-contained page: a block an image, a row a model, one colour scale a block.

    Parameters
    ----------
    attributions : sequence of Attribution
        Of the same images, one a model.
    """
    first = attributions[0]
    unit = "of probability" if first.target == "probability" else "of the logit"
    blocks = [_block(attributions, row) for row in range(len(first))]
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("maps.css", "maps.js"))
    return (
        environment()
        .get_template("maps.html.j2")
        .render(
            policy=content_policy([script]),
            style=style,
            script=script,
            title=" and ".join(each.model_name for each in attributions),
            blocks=blocks,
            unit=unit,
            notes=[f"{each.model_name}: {each.method}. {each.background_note}" for each in attributions],
            warnings=[warning for each in attributions if (warning := each.warning())],
        )
    )


def _block(attributions: Sequence[Attribution], row: int) -> dict[str, Any]:
    first = attributions[0]
    tiles = [map_tiles(each, row) for each in attributions]
    limit = shared_limit([tile for found in tiles for tile in found])
    true = "" if first.y_true is None or first.y_true[row] < 0 else first.class_names[first.y_true[row]]
    models = []
    for each, found in zip(attributions, tiles, strict=True):
        models.append(
            {
                "name": each.model_name,
                "says": each.class_names[each.y_pred[row]],
                "error": f"{each.additivity_error[row]:.1e}",
                "apart": _apart(first, each, row),
                "image": data_uri(image_png(each.images[row])),
                "maps": [
                    {
                        "label": tile.label,
                        "output": f"{tile.output:+.3f}" if tile.is_contrast else f"{tile.output:.3f}",
                        "contrast": tile.is_contrast,
                        "src": data_uri(attribution_png(tile.values, limit)),
                    }
                    for tile in found
                ],
            }
        )
    return {"index": int(first.indices[row]), "true": true, "limit": f"{limit:.3g}", "models": models}


def _apart(first: Attribution, other: Attribution, row: int) -> str | None:
    """Return how far the maps of all classes are from the first model's on average, where they can be compared."""
    if other is first or first.values.shape[:3] != other.values.shape[:3]:
        return None
    if not np.array_equal(first.outputs[row], other.outputs[row]):
        return None
    rows = np.array([row])
    return f"{float(disagreement(first.take(rows), other.take(rows)).mean()):.2f}"


def maps_npz(attribution: Attribution) -> bytes:
    """Return an attribution's arrays as the bytes of an ``.npz``, which `numpy.load` reads without pickles."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {
        name: getattr(attribution, name)
        for name in ("values", "base_values", "predictions", "images", "indices", "outputs", "y_pred")
    }
    for name in ("y_true", "n_used", "relative_error"):
        if getattr(attribution, name) is not None:
            arrays[name] = getattr(attribution, name)
    texts = ("method", "target", "background_note", "model_name", "model_digest")
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        **arrays,
        class_names=np.array(attribution.class_names),
        **{name: np.array(getattr(attribution, name)) for name in texts},
    )
    return buffer.getvalue()
