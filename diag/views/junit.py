"""A gate as JUnit XML, which most services of continuous integration show as a list of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from diag.printable import printable

if TYPE_CHECKING:
    import pandas as pd

    from diag.results.gate import Gate, Outcome

SHOWN = 20


def junit_xml(gate: Gate) -> bytes:
    """Return one test suite with one test a condition.

    A condition that failed is a ``failure``; one whose figure does not exist is an ``error``, or ``skipped`` where
    that is allowed. Control characters, which XML cannot hold, are dropped from names.
    """
    undefined = [each for each in gate.outcomes if each.status == "undefined"]
    failed = sum(each.status == "failed" for each in gate.outcomes)
    suite = ET.Element(
        "testsuite",
        name=printable(f"diag compare {gate.old_name} {gate.new_name}"),
        tests=str(len(gate.outcomes)),
        failures=str(failed),
        errors=str(0 if gate.allow_undefined else len(undefined)),
        skipped=str(len(undefined) if gate.allow_undefined else 0),
        time="0",
    )
    changed = gate.changed().set_index("index")
    for each in gate.outcomes:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=printable(f"diag.{gate.new_name}"),
            name=printable(str(each.condition)),
            time="0",
        )
        kind = _kind(each, gate)
        if kind is None:
            ET.SubElement(case, "system-out").text = printable(each.sentence)
        else:
            element = ET.SubElement(case, kind, message=printable(each.sentence))
            if kind != "skipped":
                element.set("type", each.status)
                element.text = _images(each, changed)
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    written: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _kind(outcome: Outcome, gate: Gate) -> str | None:
    """Return the element that says what is wrong; None when the condition held."""
    if outcome.status == "undefined":
        return "skipped" if gate.allow_undefined else "error"
    return "failure" if outcome.status == "failed" else None


def _images(outcome: Outcome, changed: pd.DataFrame) -> str:
    """Return a line an image: its number, name, true class, and both answers."""
    lines = [printable(outcome.sentence)]
    for index in outcome.indices[:SHOWN].tolist():
        if index not in changed.index:
            lines.append(f"#{index}")
            continue
        row = changed.loc[index]
        name = f" {row['name']}" if row["name"] else ""
        confidence = f"({row['old_confidence']:.2f} -> {row['new_confidence']:.2f})"
        lines.append(printable(f"#{index}{name}: true {row['true']}, {row['old']} -> {row['new']} {confidence}"))
    if len(outcome.indices) > SHOWN:
        lines.append(f"and {len(outcome.indices) - SHOWN:,} more")
    return "\n".join(lines)
