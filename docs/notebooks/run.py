"""Executes the notebooks in place, so that what they show is what the code gives: ``make notebooks``.

``python docs/notebooks/run.py haby sd`` executes these alone. MNIST has to be in Keras's cache, or a network there.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NAMES = ("haby", "dody", "lungu", "harder", "sd")
TIMEOUT = 1800
"""Seconds that one cell may take."""


def executed(notebook: Any, folder: Path) -> Any:
    """Return a notebook with the outputs of a fresh kernel that starts in a folder; the first error is raised."""
    from nbconvert.preprocessors import ExecutePreprocessor

    executor = ExecutePreprocessor(timeout=TIMEOUT, kernel_name="python3")
    return bare(executor.preprocess(notebook, {"metadata": {"path": str(folder)}})[0])


def bare(notebook: Any) -> Any:
    """Return a notebook without what differs from machine to machine: times, versions, the kernel's build."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = lighter(data["image/png"])
    return notebook


def lighter(png: str) -> str:
    """Return a picture in base64 with the same pixels in fewer bytes: charts come hardly compressed."""
    from PIL import Image

    packed = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).save(packed, format="PNG", optimize=True)
    return min(png.strip(), base64.b64encode(packed.getvalue()).decode("ascii"), key=len)


def complaints(notebook: Any) -> str:
    """Return what was written to standard error."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.get("name") == "stderr")


def main() -> None:
    """Execute the notebooks that are named, or all."""
    import nbformat

    with tempfile.TemporaryDirectory() as kept:  # nothing of the user's own settings
        for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            os.environ[variable] = str(Path(kept) / variable.lower())
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        for name in sys.argv[1:] or NAMES:
            path = HERE / f"{name}.ipynb"
            notebook = executed(nbformat.read(path, as_version=4), HERE)
            noise = complaints(notebook)
            if noise:
                sys.exit(f"{name}: expected nothing on standard error. Received: {noise[:500]}")
            nbformat.validate(notebook)
            nbformat.write(notebook, path)
            print(f"{path.name}: {path.stat().st_size / 1e3:,.0f} kB")


if __name__ == "__main__":
    main()
