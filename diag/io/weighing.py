"""A stack that takes only small values: by doubling, a short function could make one that fills all memory.

Each value is weighed with all that it is made of, a part that occurs twice counting twice, as who walks it meets it
twice. What was weighed is remembered, so that the weighing itself costs little.
"""

from __future__ import annotations

from typing import Any

from diag.io.expressions import Node
from diag.io.marshalled import MarshalError

MOST_OPERATIONS = 500
MOST_VALUES = 2**18
_LARGEST = 2**63


def operations_in(tree: Any) -> int:
    """Return how many operations a tree holds.

    Examples
    --------
    >>> operations_in(Node("add", (Node("input", (0,)), 1)))
    2
    """
    if isinstance(tree, Node):
        return 1 + operations_in([*tree.args, *tree.kwargs.values()])
    return sum(map(operations_in, tree)) if isinstance(tree, list | tuple) else 0


class WeighedStack(list[Any]):
    """A list whose `append` refuses what is too large."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, tuple[Any, int, int]] = {}
        self._looked_at = 0

    def append(self, value: Any) -> None:
        """Put a value on the stack.

        Raises
        ------
        MarshalError
            If it is made of too many operations or values, or is too large a number.
        """
        operations, values = self._weigh(value)
        if operations > MOST_OPERATIONS or values > MOST_VALUES:
            raise MarshalError("it makes more of its input than a network's layer does")
        super().append(value)

    def _weigh(self, value: Any) -> tuple[int, int]:
        """Return how many operations and how many values something is made of."""
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise MarshalError("it computes with very large numbers")
        if isinstance(value, Node):
            parts: tuple[Any, ...] | list[Any] = (*value.args, *value.kwargs.values())
        elif isinstance(value, list | tuple):
            parts = value
        else:
            return 0, 1
        if id(value) in self._known:
            return self._known[id(value)][1:]
        self._looked_at += len(parts)
        if self._looked_at > 2 * MOST_VALUES:
            raise MarshalError("it makes more of its input than a network's layer does")
        weights = [self._weigh(part) for part in parts]
        operations = isinstance(value, Node) + sum(each[0] for each in weights)
        found = operations, 1 + sum(each[1] for each in weights)
        self._known[id(value)] = (value, *found)  # kept with the value: another one could have its place in memory
        return found
