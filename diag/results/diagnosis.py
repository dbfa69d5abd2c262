"""What the checks found in one model and its data."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

Severity = Literal["critical", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "note")
Status = Literal["found", "passed", "skipped"]
Mark = Literal["bar", "line", "point", "table"]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Numbers behind a finding, as tidy rows and the picture that shows them best.

    Parameters
    ----------
    title : str
        What is shown, with the unit.
    rows : tuple of mapping
        All with the same keys; at most a few hundred.
    mark : {"bar", "line", "point", "table"}
        How it is drawn; a table is always available too.
    x, y : str
        The columns on the axes; empty for a table.
    colour : str, optional
        The column that tells series apart.
    """

    title: str
    rows: tuple[Mapping[str, Any], ...]
    mark: Mark = "table"
    x: str = ""
    y: str = ""
    colour: str | None = None

    def frame(self) -> pd.DataFrame:
        """Return the rows as a frame."""
        import pandas as pd

        return pd.DataFrame([dict(row) for row in self.rows])


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One thing that is wrong, or worth knowing, with its proof and its remedy.

    Parameters
    ----------
    code, title : str
        Of the check: ``"DG201"``, ``"Class never predicted"``.
    severity : {"critical", "warning", "note"}
        Critical: the figures shown are not those of this model, or the model is of no use. Warning: something
        that should be mended before the model is used. Note: worth knowing.
    message : str
        What was measured, in one sentence with its numbers.
    remedy : str
        What to do, in one sentence.
    measured : mapping of str to number or str
        The numbers of the message.
    samples : tuple of int
        Images of the data that show it, the clearest first.
    train_samples : tuple of int
        Where a training image belongs to each of `samples`, its number there; else empty.
    evidence : tuple of Evidence
    """

    code: str
    title: str
    severity: Severity
    message: str
    remedy: str
    measured: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    samples: tuple[int, ...] = ()
    train_samples: tuple[int, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def anchor(self) -> str:
        """Where the check is documented."""
        return f"docs/checks.md#{self.code.lower()}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            **{key: getattr(self, key) for key in ("code", "title", "severity", "message", "remedy", "anchor")},
            "measured": dict(self.measured),
            "samples": list(self.samples),
            "train_samples": list(self.train_samples),
            "evidence": [
                {
                    "title": each.title,
                    "rows": [dict(row) for row in each.rows],
                    "mark": each.mark,
                    "x": each.x,
                    "y": each.y,
                    "colour": each.colour,
                }
                for each in self.evidence
            ],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Finding:
        """Undo `to_dict`."""
        given = {key: value for key, value in values.items() if key != "anchor"}
        given["samples"] = tuple(given["samples"])
        given["train_samples"] = tuple(given["train_samples"])
        given["evidence"] = tuple(Evidence(**{**each, "rows": tuple(each["rows"])}) for each in given["evidence"])
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one check: it found something, passed, or did not apply and why."""

    code: str
    title: str
    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """The findings on one model, the most severe first, and what became of every check.

    Parameters
    ----------
    model_name, model_digest : str
    data_name, data_digest : str or None
        None when there was no data.
    findings : tuple of Finding
    outcomes : tuple of Outcome
        One a check, in the order of their codes.
    n : int
        Images that costly checks looked at, at most.
    seed : int
    versions : mapping of str to str
    """

    model_name: str
    model_digest: str
    data_name: str | None
    data_digest: str | None
    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...]
    n: int
    seed: int
    versions: Mapping[str, str]

    @property
    def worst(self) -> Severity | None:
        """The highest severity found; None without findings."""
        return self.findings[0].severity if self.findings else None

    def count(self, severity: Severity) -> int:
        """Return how many findings have a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def verdict(self) -> str:
        """Return one sentence: how many findings of which severity, and how many checks ran."""
        counts = Counter(outcome.status for outcome in self.outcomes)
        ran = counts["found"] + counts["passed"]
        skipped = f", {counts['skipped']} did not apply" if counts["skipped"] else ""
        found = [
            f"{number} {severity if severity == 'critical' or number == 1 else severity + 's'}"
            for severity in SEVERITIES
            if (number := self.count(severity))
        ]
        return f"{', '.join(found) or 'Nothing found'} ({ran} {'check' if ran == 1 else 'checks'} ran{skipped})."

    def frame(self) -> pd.DataFrame:
        """Return one row a finding: ``code``, ``title``, ``severity``, ``message``, ``remedy``, ``n_samples``."""
        import pandas as pd

        columns = ["code", "title", "severity", "message", "remedy", "n_samples"]
        rows = [
            (each.code, each.title, each.severity, each.message, each.remedy, len(each.samples))
            for each in self.findings
        ]
        return pd.DataFrame(rows, columns=columns)

    def outcomes_frame(self) -> pd.DataFrame:
        """Return one row a check: ``code``, ``title``, ``status``, ``reason``."""
        import pandas as pd

        return pd.DataFrame([asdict(each) for each in self.outcomes], columns=["code", "title", "status", "reason"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "model": self.model_name,
            "model_digest": self.model_digest,
            "data": self.data_name,
            "data_digest": self.data_digest,
            "verdict": self.verdict(),
            "worst": self.worst,
            "findings": [each.to_dict() for each in self.findings],
            "outcomes": [asdict(each) for each in self.outcomes],
            "n": self.n,
            "seed": self.seed,
            "versions": dict(self.versions),
        }
