"""Every text that the dashboard hands to Streamlit as Markdown is ours, a number, or went through `plain`.

Streamlit reads texts, labels and captions as Markdown, and fetches the pictures that a class's name asks for.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

DASHBOARD = Path(__file__).resolve().parents[2] / "dashboard"
SOURCES = sorted(DASHBOARD.rglob("*.py"))
TREES = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
MARKDOWN = {
    "markdown", "caption", "write", "text", "error", "warning", "info", "success", "exception", "header", "subheader",
    "title", "button", "link_button", "download_button", "checkbox", "toggle", "radio", "selectbox", "multiselect",
    "slider", "select_slider", "text_input", "text_area", "number_input", "date_input", "file_uploader", "pills",
    "segmented_control", "feedback", "tabs", "expander", "popover", "progress", "spinner", "toast", "metric", "status",
    "dialog", "page_link", "badge", "table", "form_submit_button", "chat_message", "chat_input", "camera_input",
    "color_picker", "logo", "Page", "set_page_config", "Column", "NumberColumn", "TextColumn", "SelectboxColumn",
}  # fmt: skip
"""Methods of Streamlit, or of a container of its, that take Markdown."""
NEVER = {"html", "iframe", "LinkColumn", "ImageColumn", "ListColumn", "components", "unsafe_allow_html", "echo"}
"""What could run or fetch something, and is not used."""
TOLD = {"label", "body", "text", "help", "title", "placeholder", "caption", "page_title", "format_func", "value"}
RAW = {"selectbox", "multiselect"}
"""Their choices are shown as they are; `format_func` may return any text."""
NUMBERS = {"len", "int", "round", "min", "max", "sum", "probability"}
"""Functions that return a number, or one in words."""
OURS = {"code", "severity", "label", "explanation", "symbol"}
"""Attributes of findings and of the glossary whose texts are diag's own."""
COUNTED = {"index", "partner", "number", "done", "total", "place"}
"""Names that hold numbers wherever they are used."""
LOOKED_AT = {
    "row['image']", "row['other']", "row['way']",  # numbers, and one of our words
    "each['symbol']", "each['count']", "each['severity']", "word",  # of severity_counts
    "values.shape[1]", "values.shape[2]", "values.shape[3]",
    "title", "icon",  # of the pages, diag_pages.PAGES
    "show",  # of the load functions: constants
    "share",  # of diag.views.trust.prototype_tiles: a number in words
}  # fmt: skip


class Texts:
    """Judges expressions of one file, with the functions of all files."""

    def __init__(self, functions, tree):
        self.functions = functions
        self.constants = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.busy = set()

    def scope(self, node):
        while node in self.parents and not isinstance(node, ast.FunctionDef):
            node = self.parents[node]
        return node

    def ours(self, node):
        """Return whether an expression can only be a number or a text of ours or of `plain`."""
        kind = type(node).__name__
        judge = getattr(self, f"_{kind.lower()}", None)
        return ast.unparse(node) in LOOKED_AT or (judge is not None and judge(node))

    def _constant(self, node):
        return True

    def _joinedstr(self, node):
        return all(self.ours(part) for part in node.values)

    def _formattedvalue(self, node):
        spec = str(getattr(node.format_spec.values[0], "value", "")) if node.format_spec else ""
        return spec[-1:] in tuple(",%fgd") or self.ours(node.value)

    def _ifexp(self, node):
        return self.ours(node.body) and self.ours(node.orelse)

    def _binop(self, node):
        return self.ours(node.left) and self.ours(node.right)

    def _boolop(self, node):
        return all(self.ours(value) for value in node.values)

    def _list(self, node):
        return all(self.ours(value) for value in node.elts)

    _tuple = _list

    def _starred(self, node):
        return self.ours(node.value)

    def _dict(self, node):
        return all(self.ours(value) for value in node.values)

    def _dictcomp(self, node):
        return self.ours(node.value)

    def _lambda(self, node):
        return self.ours(node.body)

    def _generatorexp(self, node):
        return self.ours(node.elt)

    _listcomp = _generatorexp

    def _subscript(self, node):
        return self.ours(node.value)

    def _attribute(self, node):
        return node.attr in OURS

    def _name(self, node):
        if node.id.isupper() or node.id in COUNTED:
            return True
        scope = self.scope(node)
        if (id(scope), node.id) in self.busy:
            return True
        self.busy.add((id(scope), node.id))
        values = [(self, value) for value in assigned(scope, node.id)]
        if isinstance(scope, ast.FunctionDef) and node.id in {each.arg for each in every_argument(scope)}:
            for tree in TREES:
                values += [(Texts(self.functions, tree), value) for value in given(scope, node.id, tree)]
        return bool(values) and all(texts.ours(value) for texts, value in values)

    def _call(self, node):
        if isinstance(node.func, ast.Attribute):
            if node.func.attr == "join":
                return self.ours(node.args[0])
            return node.func.attr in ("capitalize", "strip") and self.ours(node.func.value)
        if not isinstance(node.func, ast.Name):
            return False
        if node.func.id in {"plain", *NUMBERS}:
            return True
        made = self.functions.get(node.func.id)
        if made is None or node.func.id in self.busy:
            return made is not None
        self.busy.add(node.func.id)
        tree, function = made
        returned = [each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value]
        return bool(returned) and all(Texts(self.functions, tree).ours(value) for value in returned)


def every_argument(function):
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def assigned(scope, name):
    """Yield what a name is given in a function, or in a file."""
    for node in ast.walk(scope):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) else ():
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value
            elif isinstance(target, ast.Tuple) and any(getattr(each, "id", "") == name for each in target.elts):
                place = [getattr(each, "id", "") for each in target.elts].index(name)
                yield node.value.elts[place] if isinstance(node.value, ast.Tuple) else node.value
        if isinstance(node, ast.comprehension | ast.For) and getattr(node.target, "id", "") == name:
            yield node.iter
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr == "append" and getattr(called.value, "id", "") == name:
            yield node.args[0]


def given(function, name, tree):
    """Yield what the calls of a file give to a parameter of a function; its default too."""
    told = function.args
    listed = [each.arg for each in [*told.posonlyargs, *told.args]]
    defaults = dict(zip(listed[len(listed) - len(told.defaults) :], told.defaults, strict=True))
    defaults |= dict(zip([each.arg for each in told.kwonlyargs], told.kw_defaults, strict=True))
    if defaults.get(name) is not None:
        yield defaults[name]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == function.name:
            yield from [each.value for each in node.keywords if each.arg == name]
            if name in listed[: len(node.args)]:
                yield node.args[listed.index(name)]


def strange(source, functions):
    """Return the calls of a file with a text that may be a name from a file."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MARKDOWN):
            continue
        if ast.unparse(node.func.value) in ("LOG", "contextlib", "sys.stderr"):
            continue
        told = ([] if node.func.attr == "Page" else node.args[:1]) + [
            each.value for each in node.keywords if each.arg in TOLD
        ]
        if node.func.attr in RAW:
            told = node.args[:1] + [each.value for each in node.keywords if each.arg in ("label", "help")]
        texts = Texts(functions, tree)
        found += [f"line {node.lineno}: {ast.unparse(text)}" for text in told if not texts.ours(text)]
    return found


@pytest.fixture(scope="module")
def functions():
    found = {}
    for tree in TREES:
        found |= {node.name: (tree, node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_texts_are_ours_or_plain(path, functions):
    assert strange(path.read_text(encoding="utf-8"), functions) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_is_used_that_could_run_or_fetch(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    assert not names & NEVER


@pytest.mark.parametrize(
    "source",
    [
        "st.markdown(name)",
        "st.markdown(f'**{name}**')",
        "st.error(str(error))",
        "def f(name):\n    said = f'{name}!'\n    st.caption(said)",
        "st.button('go', help=run.name)",
        "place.metric(f'{name}', 1)",
        "st.caption(', '.join(names))",
        "st.caption(f'{plain(name)} {name}')",
        "st.expander(sentence(run))",
        "bar.progress(0.5, text=name)",
    ],
)
def test_a_name_as_it_is_would_be_found(source, functions):
    assert strange(source, functions)


@pytest.mark.parametrize(
    "source",
    [
        "st.markdown('ours')",
        "st.markdown(f'**{plain(name)}** {count:,} {share:.1%}')",
        "def f(name):\n    said = plain(name)\n    st.caption(said)",
        "st.selectbox('Class', names)",
    ],
)
def test_what_is_plain_is_not(source, functions):
    assert not strange(source, functions)
