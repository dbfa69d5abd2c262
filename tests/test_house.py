"""The house rules that a machine can hold: direction of imports, size of files, what must not stand in the code."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ["printable", "errors", "_lazy", "arrays", "worker", "io", "metrics", "results", "detection", "explain"]
LAYERS += ["filters", "engines", "checks", "views", "cli"]
SOURCES = sorted(path for path in (ROOT / "diag").rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))
RUNNABLE = re.compile(r">>> (?!.*doctest: \+SKIP)")
EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in SOURCES
    if RUNNABLE.search(path.read_text(encoding="utf-8"))
]


def imported(path):
    """Return the names of diag's modules that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("diag."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if name.name.startswith("diag."))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path):
    own = LAYERS.index(path.relative_to(ROOT / "diag").parts[0].removesuffix(".py"))
    above = [name for name in imported(path) if LAYERS.index(name) > own]
    assert not above


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_hold_no_assert(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(text)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_docstrings_run(name):
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted
    assert not outcome.failed


def test_metrics_never_name_tensorflow():
    for path in (ROOT / "diag" / "metrics").glob("*.py"):
        assert not re.search(r"\b(tensorflow|keras)\b", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_versions_are_locked_by_the_hashes_of_their_files(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    for entry in entries:
        first, *hashes = entry.split(" \\\n")
        assert re.fullmatch(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[0-9][0-9a-z.]*( ; [^/@]+)?", first)
        assert hashes
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in hashes)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + (project["optional-dependencies"]["dev"] if "dev" in name else [])
    locked = {re.split(r"[=\[]", entry)[0] for entry in entries}
    assert {re.split(r"[><=\[; ]", each)[0].lower() for each in wanted} <= locked


def test_the_script_that_ci_runs_is_executable_and_calls_the_readmes_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text(encoding="utf-8")
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, check=False)
    assert checked.returncode == 0


def test_the_package_carries_every_template():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = config["tool"]["setuptools"]["package-data"]["diag"]
    listed = {path for pattern in patterns for path in (ROOT / "diag").glob(pattern)}
    inside = {path for path in (ROOT / "diag" / "views" / "templates").rglob("*") if path.is_file()}
    assert inside <= listed
