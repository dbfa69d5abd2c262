"""What a model file says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from diag.io.layer_shapes import End, LayerInfo


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """What a model file says of itself.

    Parameters
    ----------
    path : Path
    format : str
        ``"keras"`` (Keras 3 archive), ``"hdf5"`` or ``"skops"``.
    digest : str
        SHA-256 of the bytes.
    file_size : int
        In bytes.
    class_name : str
        ``Sequential``, ``Functional``, or the estimator's class.
    layers : tuple of LayerInfo
        Layers of nested models are listed as ``outer/inner``.
    n_params : int
    input_shape : tuple of int or None, optional
        Without the batch axis, as the model takes it; None when the file does not say.
    n_outputs : int, optional
    activation : str, optional
        Of the head.
    keras_version, backend : str, optional
    config : dict, optional
        The model's configuration as it stands in the file.
    notes : tuple of str
    inputs, outputs : tuple of End
        Of a Keras model, by name; ``n_outputs`` and ``activation`` are those of the output in use.
    output : str, optional
        The output in use; None where there are several and none is chosen.
    architecture : str, optional
        Where a weight file's architecture comes from: a JSON file or ``module:function``.
    bytes_digest : str
        SHA-256 of the file's bytes alone; ``digest`` counts an architecture and a given input shape too.
    stored : int
        Numbers in all weights of the file.
    code : tuple of str
        What loading it would run, import or read, a line for each. Not empty: it is not loaded unless trusted.
    refusal : str, optional
        Why it is not loaded, as the error says it.
    trusted : bool
        Whether the user wants it loaded all the same, by Keras itself.
    """

    path: Path
    format: str
    digest: str
    file_size: int
    class_name: str
    layers: tuple[LayerInfo, ...]
    n_params: int
    input_shape: tuple[int | None, ...] | None
    n_outputs: int | None
    activation: str | None
    keras_version: str | None = None
    backend: str | None = None
    config: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    inputs: tuple[End, ...] = ()
    outputs: tuple[End, ...] = ()
    output: str | None = None
    architecture: str | None = None
    bytes_digest: str = ""
    stored: int = 0
    code: tuple[str, ...] = ()
    refusal: str | None = None
    trusted: bool = False

    def frame(self) -> pd.DataFrame:
        """Return one row a layer: ``layer``, ``type``, ``output_shape``, ``parameters``, ``activation``."""
        import pandas as pd

        rows = [
            (layer.name, layer.class_name, _shown(layer.output_shape), layer.n_params, layer.activation or "")
            for layer in self.layers
        ]
        return pd.DataFrame(rows, columns=["layer", "type", "output_shape", "parameters", "activation"])


def _shown(shape: tuple[int | None, ...] | None) -> str:
    return "" if shape is None else "x".join("?" if size is None else str(size) for size in shape)
