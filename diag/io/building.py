"""What building a model may cost: counted while it is built, before memory is taken."""

from __future__ import annotations

import contextlib
import contextvars
import math
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diag._lazy import import_keras
from diag.errors import ModelLoadError
from diag.io.refusals import refuse_numbers
from diag.printable import printable
from diag.worker.limits import Limits, raise_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLACK = 2**20
"""Numbers that a model's variables may have beyond twice what its file stores."""
_RECURRENT = (
    "LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "TimeDistributed", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
)  # fmt: skip
_ATTENTION = ("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention", "DotProductAttention")


@dataclass(slots=True)
class Budget:
    """How many numbers the variables of one model may have, and what its file is called.

    There is no bound (None) for a model that the user's own code builds, or that the user trusts.
    """

    name: str
    left: int | None
    limits: Limits

    def take(self, shape: Any, layer: str) -> None:
        """Count a variable that is about to be made.

        Raises
        ------
        ModelLoadError
            If the model's variables are more than its file can fill.
        """
        if self.left is None:
            return
        sizes = [shape] if isinstance(shape, int) else list(shape or ())
        self.left -= abs(math.prod(int(size) for size in sizes if size is not None))
        if self.left < 0:
            raise ModelLoadError(
                f"{self.name}: layer {printable(layer, 80)!r} wants a weight of {_shown(sizes)} numbers: the model has "
                "far more parameters than the file stores. The file is damaged or was tampered with."
            )

    def check(self, layer: str, entry: dict[str, Any], given: list[Any], out: list[Any]) -> None:
        """Look at what a layer takes and gives, which Keras knows before anything is computed.

        Raises
        ------
        ModelLoadError
            If it is too large.
        """
        kind = str(entry["class_name"])
        for tensor in out:
            refuse_numbers(tuple(getattr(tensor, "shape", ()))[1:], layer, self.name, self.limits)
        if kind in _RECURRENT and given and len(given[0].shape) > 2 and (given[0].shape[1] or 1) > self.limits.steps:
            raise ModelLoadError(
                f"{self.name}: expected at most {self.limits.steps:,} steps of a sequence. Received: layer "
                f"{printable(layer, 80)!r}, which goes through {given[0].shape[1]:,}, one after the other. "
                f"{raise_hint('steps', given[0].shape[1])}"
            )
        if kind in _ATTENTION and given:
            lengths = [tensor.shape[1] or 1 for tensor in given[:2] if len(tensor.shape) > 2]
            scores = (_heads(entry["config"]), lengths[0], lengths[-1]) if lengths else ()
            refuse_numbers(scores, layer, self.name, self.limits)


def _heads(config: Any) -> int:
    """Return how many tables of scores, each position against each, a layer makes for one image."""
    named = config if isinstance(config, dict) else {}
    heads = [named.get(key) for key in ("num_heads", "num_query_heads")]
    return max([1, *(size for size in heads if isinstance(size, int))])


def _shown(sizes: list[Any]) -> str:
    return " x ".join(f"{size:,}" if isinstance(size, int) else "?" for size in sizes)


_current: contextvars.ContextVar[Budget | None] = contextvars.ContextVar("budget", default=None)
_lock = threading.Lock()
_counting = False


@contextlib.contextmanager
def counted(name: str, stored: int) -> Iterator[Budget]:
    """Count the variables that layers make in here, against what the file stores; they begin as zeros.

    Parameters
    ----------
    name : str
        The file's, for messages.
    stored : int
        Numbers in its weights.
    """
    _count_weights()
    budget = Budget(name, 2 * stored + SLACK, Limits.current())
    token, depth = _current.set(budget), sys.getrecursionlimit()
    sys.setrecursionlimit(max(depth, 1000 + 4 * budget.limits.layers))  # Keras sorts layers by recursion, one a call
    try:
        yield budget
    finally:
        _current.reset(token)
        sys.setrecursionlimit(depth)


def _count_weights() -> None:
    """Put a count before `keras.Layer.add_weight`, by which all layers make their variables; once a process.

    Outside of `counted` it lets everything pass.
    """
    global _counting
    with _lock:
        if _counting:
            return
        layer = import_keras().Layer
        layer.add_weight = _counting_first(layer.add_weight)
        _counting = True


def _counting_first(add_weight: Callable[..., Any]) -> Callable[..., Any]:
    def counted_weight(layer: Any, *args: Any, **kwargs: Any) -> Any:
        budget = _current.get()
        if budget is not None and budget.left is not None:
            shape = kwargs.get("shape", args[0] if args and not isinstance(args[0], str) else ())
            budget.take(shape, layer.name)
            if hasattr(kwargs.get("initializer"), "seed"):
                kwargs["initializer"] = "zeros"  # the file's weights follow: drawing numbers would be for nothing
        return add_weight(layer, *args, **kwargs)

    counted_weight.__doc__, counted_weight.__name__ = add_weight.__doc__, add_weight.__name__
    return counted_weight
