"""What checks know of a network, as plain frozen data: what the operations of `diag.checks` found out about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diag.checks.steps import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from diag.io.store import Entry


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """One layer that holds no other.

    Parameters
    ----------
    name : str
        ``outer/inner`` in a nested model.
    kind : str
        Its class.
    dtype : str
        The number format that it computes in.
    weights : int
        How many arrays of weights it has.
    """

    name: str
    kind: str
    dtype: str
    weights: int

    @property
    def own_name(self) -> str:
        """The name without the models around it."""
        return self.name.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class LastLayer:
    """A layer at the end of the network, by its own name, and whether it is a softmax."""

    name: str
    softmax: bool


@dataclass(frozen=True, slots=True)
class Structure:
    """How a network is built.

    Parameters
    ----------
    inputs : tuple of tuple of int or None
        Shape of each input, the batch first.
    layers : tuple of LayerFacts
        Nested models opened.
    cost : int
        Numbers that all layers compute for one image, about.
    places : tuple of Place, or None
        The input and every step in the order of execution; None where the network is no graph of one input.
    last : tuple of LastLayer
        The last layer that does something, and the one before it.
    switched_on : tuple of (str, str)
        Name and class of layers that the file calls in training mode.
    """

    inputs: tuple[tuple[int | None, ...], ...]
    layers: tuple[LayerFacts, ...]
    cost: int
    places: tuple[Place, ...] | None
    last: tuple[LastLayer, ...]
    switched_on: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, entry: Entry) -> Structure:
        """Return what the operation ``structure`` found out."""
        meta = entry.meta
        return cls(
            inputs=tuple(tuple(shape) for shape in meta["inputs"]),
            layers=tuple(LayerFacts(**values) for values in meta["layers"]),
            cost=meta["cost"],
            places=None if meta["places"] is None else tuple(Place(*values) for values in meta["places"]),
            last=tuple(LastLayer(**values) for values in meta["last"]),
            switched_on=tuple((name, kind) for name, kind in meta["switched_on"]),
        )

    @property
    def batch(self) -> int | None:
        """The batch size that the network insists on; None where it is open."""
        return self.inputs[0][0]

    def has(self, kind: str) -> bool:
        """Return whether a layer of this class has weights."""
        return any(layer.kind == kind and layer.weights for layer in self.layers)


@dataclass(frozen=True, slots=True, eq=False)
class KernelFacts:
    """One kernel of a dense or convolution layer, in figures; its weights stay where the network lives.

    Parameters
    ----------
    layer, kind : str
        The layer's name, ``outer/inner`` in a nested model, and its class.
    part : str
        ``kernel``, ``depthwise_kernel`` or ``pointwise_kernel``.
    units, width : int
        Units or filters, and weights that make each.
    fan_in, fan_out : int
        As initialisers count them.
    depthwise : bool
        Whether each filter sees a channel of its own.
    trainable : bool
        Whether training moves the layer.
    initializer : dict
        ``kind``, and its numbers.
    finite : bool
        Whether no weight, and no bias, is NaN or infinite.
    zero, constant : bool
        Whether all weights are zero; are the same.
    untouched : bool
        Whether what training moves at its first step is still exactly at its start: the bias; for a layer without
        one, all batch normalisation and all biases of the network.
    norms : ndarray of float64, shape (units,)
        Length of each unit's weights.
    rms : float
        Root mean square of the weights.
    sample : ndarray of float32
        Weights drawn at random; none where the kernel is not `untouched`.
    """

    layer: str
    part: str
    kind: str
    units: int
    width: int
    fan_in: int
    fan_out: int
    depthwise: bool
    trainable: bool
    initializer: Mapping[str, Any]
    finite: bool
    zero: bool
    constant: bool
    untouched: bool
    norms: NDArray[np.float64]
    rms: float
    sample: NDArray[np.float32]

    @property
    def size(self) -> int:
        """How many weights it has."""
        return self.units * self.width

    @property
    def glorot(self) -> float:
        """Standard deviation of the weights under Glorot's initialisation; a depthwise filter has one input."""
        if self.depthwise:
            return 1 / math.sqrt(self.width)
        return math.sqrt(2 / (self.fan_in + self.fan_out))


@dataclass(frozen=True, slots=True)
class NormalisationFacts:
    """A layer of batch normalisation: whether its statistics are exactly 0 and 1, and scale and offset too."""

    name: str
    unfilled: bool
    fresh: bool


@dataclass(frozen=True, slots=True)
class NotFinite:
    """An array of weights that holds NaN or infinity: how many, of how many."""

    layer: str
    weight: str
    not_finite: int
    of: int


@dataclass(frozen=True, slots=True, eq=False)
class WeightFacts:
    """What the weights of a network are like."""

    kernels: tuple[KernelFacts, ...]
    normalisations: tuple[NormalisationFacts, ...]
    not_finite: tuple[NotFinite, ...]

    @classmethod
    def of(cls, entry: Entry) -> WeightFacts:
        """Return what the operation ``weight_statistics`` found out."""
        meta, arrays = entry.meta, entry.arrays
        norms = np.split(arrays["norms"], np.cumsum([each["units"] for each in meta["kernels"]], dtype=np.int64)[:-1])
        samples = np.split(arrays["sample"], np.cumsum(meta["drawn"], dtype=np.int64)[:-1])
        return cls(
            kernels=tuple(
                KernelFacts(**values, norms=norm, rms=float(rms), sample=sample)
                for values, norm, rms, sample in zip(meta["kernels"], norms, arrays["rms"], samples, strict=False)
            ),
            normalisations=tuple(NormalisationFacts(**values) for values in meta["normalisations"]),
            not_finite=tuple(NotFinite(**values) for values in meta["not_finite"]),
        )
