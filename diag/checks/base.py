"""What a check is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diag.results.diagnosis import Evidence, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from diag.checks.case import Case

MAX_SAMPLES = 200
"""Images that a finding names, at most."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Parameters
    ----------
    code : str
        ``DGnnn``, never given to another check. 1: input and output; 2: predictions; 3: network; 4: training;
        5: data; 6: robustness.
    title : str
        A few words that name the fault.
    run : callable
        Gets the `Case`, yields findings. Raises `CheckNotApplicable` with the reason when there is nothing to measure.
    """

    code: str
    title: str
    run: Callable[[Case], Iterable[Finding]]

    def finding(
        self,
        severity: Severity,
        message: str,
        remedy: str,
        *,
        title: str | None = None,
        measured: Mapping[str, Any] | None = None,
        samples: Sequence[int] = (),
        train_samples: Sequence[int] = (),
        evidence: Sequence[Evidence] = (),
    ) -> Finding:
        """Return a finding of this check, with the first `MAX_SAMPLES` of the images; `title` replaces the check's."""
        return Finding(
            code=self.code,
            title=title or self.title,
            severity=severity,
            message=message,
            remedy=remedy,
            measured=measured or {},
            samples=tuple(int(sample) for sample in samples[:MAX_SAMPLES]),
            train_samples=tuple(int(sample) for sample in train_samples[:MAX_SAMPLES]),
            evidence=tuple(evidence),
        )
