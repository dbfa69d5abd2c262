"""What the documents say of limits is what holds."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from diag.worker.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
UNITS = {"": 1, " MiB": 2**20, " GiB": 2**30, " million": 10**6}


def stated(name):
    """Return the limits in a document's tables, by name, as they are written."""
    found = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = re.findall(r"`(\w+)`", cells[0])
        place = next((number for number, cell in enumerate(cells[1:], 1) if re.match(r"\d", cell)), None)
        if names and place is not None and set(names) <= set(asdict(Limits())):
            values = cells[place].split(", ") if len(names) > 1 else [cells[place]]
            found |= dict(zip(names, values, strict=True))
    return found


def agrees(text, value):
    if "machine" in text:
        return value == 0
    number, unit = re.fullmatch(r"([\d,.e]+)( \w+)?", text).groups()
    size = UNITS[unit or ""]
    return abs(float(number.replace(",", "")) - value / size) < (0.5 if size == 10**6 else 1e-9)


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/loading.md", "docs/data.md"])
def test_documents_state_the_defaults(name):
    defaults = asdict(Limits())
    wrong = {limit: text for limit, text in stated(name).items() if not agrees(text, defaults[limit])}
    assert stated(name)
    assert not wrong


def test_the_security_document_states_all_of_them():
    assert set(stated("SECURITY.md")) == set(asdict(Limits()))
