"""Parts of a case: computed when they are first asked for, once."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self, TypeVar, overload

from diag.errors import DiagError

T = TypeVar("T")


class part(cached_property[T]):  # noqa: N801 - used as a decorator
    """A property that is computed once. Why it cannot be had is remembered too: what takes long to fail fails once."""

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | T:
        """Return the part, or raise the `DiagError` that it raised before."""
        if instance is None:
            return self
        failed: dict[str | None, DiagError] = instance.__dict__.setdefault("_failed", {})
        if self.attrname in failed:
            raise failed[self.attrname]
        try:
            return super().__get__(instance, owner)
        except DiagError as error:
            failed[self.attrname] = error
            raise
