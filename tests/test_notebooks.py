"""The notebooks run, without a network and without MNIST, and show under each of the author's figures what it was."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
import tokenize
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

from diag.io.modelcard import load_card
from saved_models.recipes import recipes
from tests.stand_in import mnist_file

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "notebooks"
BY_HAND = ROOT / "benchmarks" / "by_hand"
PICTURE, TABLE, WORDS = "image/png", "text/html", "stdout"
FIGURES = {
    "haby": {
        "Missing values": WORDS,
        "The first 50 images with their labels": PICTURE,
        "Loss and accuracy curves": PICTURE,
        "Test loss and accuracy": TABLE,
        "Confusion matrix": TABLE,
        "The class with the most errors": WORDS,
        "Predictions for the table without labels": TABLE,
    },
    "dody": {
        "Sample grid by class": PICTURE,
        "Class histogram and percentages": PICTURE,
        "Missing values, and what a constant classifier would score": WORDS,
        "Training and testing accuracy": TABLE,
        "Curves of two runs in one figure": PICTURE,
        "Confusion matrix": PICTURE,
        "Worst predictions": PICTURE,
        "Activations of every convolution layer": PICTURE,
    },
    "lungu": {
        "Validation accuracies of all models": TABLE,
        "Ten random correct": PICTURE,
        "Ten random wrong": PICTURE,
        "Ten most confident correct of each class": PICTURE,
        "Ten most confident incorrect of each class": PICTURE,
    },
    "harder": {
        "The list of validation accuracies": TABLE,
        "Training curves of each model": PICTURE,
        "Ten labels beside their predicted probabilities": TABLE,
        "Submission.csv": TABLE,
    },
    "sd": {
        "Results table": TABLE,
        "Miscategorised examples by true class": PICTURE,
        "One example of each confusion: true class across, predicted class down": PICTURE,
        "Two confusion matrices: per cent of the true class, and counts of the errors": PICTURE,
        "SHAP: ten correct examples": PICTURE,
        "SHAP: ten wrong examples": PICTURE,
        "Kernels of the first convolution layer": PICTURE,
        "Activations of the first convolution layer": PICTURE,
    },
}
"""What each author showed (the notebooks that diag replaces), and as what it is to be seen."""
ACCURACIES = {
    "haby": {"Test loss and accuracy": [("accuracy", "test")]},
    "dody": {"Training and testing accuracy": [("testing", "test")]},
    "lungu": {
        "Validation accuracies of all models": [
            ("best_val_accuracy", "validation"),
            ("accuracy", "validation"),
            ("accuracy", "test"),
        ]
    },
    "harder": {"The list of validation accuracies": [("accuracy", "validation")]},
    "sd": {"Results table": [("testing", "test")]},
}
"""Of each table below these headings: the column that holds an accuracy of the cards, and of which images."""
MOST_LINES, MOST_COLUMNS, MOST_BYTES = 20, 120, 1_500_000


@pytest.fixture(scope="module")
def run():
    """The module that executes the notebooks."""
    spec = importlib.util.spec_from_file_location("run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder with the shipped models, in which notebooks may write, and the stand-in in Keras's cache beside it."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "docs" / "notebooks").mkdir(parents=True)
    (folder / "saved_models").symlink_to(ROOT / "saved_models")
    mnist_file(folder / "keras" / "datasets" / "mnist.npz")
    return folder


@pytest.fixture
def _alone(checkout, tmp_path, monkeypatch):
    """Nothing of the user's own settings, and no network."""
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    monkeypatch.setenv("KERAS_HOME", str(checkout / "keras"))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody listens there


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.usefixtures("_alone")
def test_a_notebook_runs_on_other_digits_and_shows_every_figure(run, checkout, name):
    done = run.executed(opened(name), checkout / "docs" / "notebooks")
    assert run.complaints(done) == ""
    assert_figures(done, name)


@pytest.mark.parametrize("name", FIGURES)
def test_the_committed_notebook_shows_every_figure_and_nothing_of_the_machine(run, name):
    notebook = opened(name)
    assert_figures(notebook, name)
    assert run.complaints(notebook) == ""
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "executed from top to bottom in a fresh kernel"
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert not re.search(r"/(work|tmp|home|root|Users)/", without_pictures(text))
    assert len(text) < MOST_BYTES
    assert nbformat.writes(run.bare(notebook)) == text.rstrip("\n"), "run.py wrote it: no times, no versions"


@pytest.mark.parametrize("name", ACCURACIES)
def test_the_committed_notebook_has_the_accuracies_of_the_cards(name):
    said = accuracies_said(name)
    found = shown(opened(name))
    seen = set()
    for heading, columns in ACCURACIES[name].items():
        for text, (column, part) in zip(found[heading][TABLE], columns, strict=True):
            for row in rows_of(text):
                assert f"{float(row[column]):.4f}" == said[row["model"]][part], row["model"]
                seen.add((row["model"], part))
    part = "validation" if name == "harder" else "test"
    assert seen >= {(title, part) for title in said}


@pytest.mark.parametrize("name", FIGURES)
def test_a_notebook_is_short_and_the_page_says_how_short(name):
    notebook = opened(name)
    lines = notebook_lines(notebook)
    assert lines <= MOST_LINES
    code = [line for cell in notebook.cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    assert max(map(len, code)) <= MOST_COLUMNS
    row = re.search(rf"^\| \[{name}\]\(\S+\) \| (\d+) \| (\d+) \| (\d+) \|$", page(), flags=re.MULTILINE)
    script = (BY_HAND / f"{name}.py").read_text(encoding="utf-8")
    assert [int(cell) for cell in row.groups()] == [len(FIGURES[name]), code_lines(script), lines]


def test_what_is_counted():
    code = '"""Text."""\n\nimport a  # why\n# more\nb = [\n    1,\n]\n\n\ndef f():\n    """Say."""\n    return b\n'
    assert code_lines(code) == 6  # by hand: import, three lines of the list, def, return
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%cd -q ..\nimport a\n\n# x\na.b")])
    assert notebook_lines(notebook) == 3


def test_a_picture_made_lighter_has_the_same_pixels(run):
    from PIL import Image

    picture = Image.frombytes("RGBA", (40, 30), bytes(range(240)) * 20)
    raw = io.BytesIO()
    picture.save(raw, format="PNG", compress_level=0)
    given = base64.b64encode(raw.getvalue()).decode()
    lighter = run.lighter(given + "\n")
    assert len(lighter) < len(given) / 2
    assert Image.open(io.BytesIO(base64.b64decode(lighter))).tobytes() == picture.tobytes()


def opened(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def page():
    return (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")


def assert_figures(notebook, name):
    """Every figure has its heading, and below it what it is to be seen as; pictures are PNGs."""
    nbformat.validate(notebook)
    found = shown(notebook)
    missing = {figure: kind for figure, kind in FIGURES[name].items() if kind not in found.get(figure, {})}
    assert not missing
    for outputs in found.values():
        for png in outputs.get(PICTURE, []):
            assert base64.b64decode(png).startswith(b"\x89PNG")


def shown(notebook):
    """Return what is shown below each heading: {heading: {kind: [content]}}."""
    heading, found = "", {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = re.search(r"^#+ (.+)$", cell.source, flags=re.MULTILINE).group(1)
        for output in cell.get("outputs", []):
            data = {output.name: output.text} if output.output_type == "stream" else output.data
            for kind, content in data.items():
                found.setdefault(heading, {}).setdefault(kind, []).append(content)
    return found


def accuracies_said(name):
    """Return {title: {part: accuracy}} of a notebook's models, from the cards; without one, from docs/mnist.md."""
    models = ROOT / "saved_models" / "mnist"
    lines = (ROOT / "docs" / "mnist.md").read_text(encoding="utf-8").splitlines()
    said = {}
    for recipe in recipes():
        if recipe.notebook == name:
            cells = next(line for line in lines if line.startswith(f"| `{recipe.file}` |")).split(" | ")
            said[recipe.title] = {recipe.noted_on: cells[3], "test": cells[5]}
            if (models / f"{recipe.name}.toml").exists():
                results = load_card(models / recipe.file).results
                said[recipe.title] = {part: f"{results[f'{part}_accuracy']:.4f}" for part in ("validation", "test")}
    return said


def rows_of(table):
    """Return the rows of a DataFrame's HTML as {column: text}; the index stands under its name."""
    html = table[table.index("<table") : table.index("</table>") + len("</table>")]
    found = ElementTree.fromstring(html)  # noqa: S314 - of our own notebooks
    head, *names = [[cell.text or "" for cell in row] for row in found.find("thead")]
    columns = [*(names[0][:1] if names else head[:1]), *head[1:]]
    return [dict(zip(columns, [cell.text for cell in row], strict=True)) for row in found.find("tbody")]


def without_pictures(text):
    return re.sub(r'"image/png": "[^"]*"', "", text)


def notebook_lines(notebook):
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return code_lines("\n".join(re.sub(r"^%.*", "magic", source, flags=re.MULTILINE) for source in cells))


def code_lines(code):
    """Return how many lines are neither blank, nor a comment, nor part of a docstring."""
    aside = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines, begins = set(), True
    for token in tokenize.generate_tokens(io.StringIO(code + "\n").readline):
        if token.type not in aside and not (token.type == tokenize.STRING and begins):
            lines |= set(range(token.start[0], token.end[0] + 1))
        if token.type not in {tokenize.COMMENT, tokenize.NL}:
            begins = token.type in {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    return len(lines)
