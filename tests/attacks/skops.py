"""``.skops`` files: an archive of JSON and arrays, whose nodes name classes, functions and methods."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.attacks.archives import Deflated, member, packed, repeated
from tests.attacks.trap import Attack, Trap

GOOD = Path(__file__).resolve().parents[2] / "saved_models" / "digits" / "logistic_l1.skops"
Node = dict[str, Any]
Change = Callable[[Node, dict[str, bytes], Trap], Node]


def _opened() -> tuple[Node, dict[str, bytes]]:
    with zipfile.ZipFile(GOOD) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(members.pop("schema.json")), members


def _attack(name: str, tries: str, cited: str, change: Change, harmless: bool = False) -> Attack:
    def build(trap: Trap) -> Path:
        schema, members = _opened()
        schema = change(copy.deepcopy(schema), members, trap)
        path = trap.path("model.skops")
        text = schema if isinstance(schema, str) else json.dumps(schema)
        path.write_bytes(packed(member("schema.json", text), *(member(*item) for item in members.items())))
        return path

    return Attack(f"skops_{name}", tries, cited, "model", build, harmless)


def _node(loader: str, kind: str, module: str = "builtins", **more: Any) -> Node:
    return {"__class__": kind, "__module__": module, "__loader__": loader, "__id__": None, **more}


def _json(value: Any) -> Node:
    return _node("JsonNode", "str", content=json.dumps(value), is_json=True)


def _tuple(*values: Node) -> Node:
    return _node("TupleNode", "tuple", content=list(values))


def _list(*values: Node) -> Node:
    return _node("ListNode", "list", content=list(values))


def _dict(**values: Node) -> Node:
    keys = _list(*(_node("TypeNode", "str") for _ in values))
    return _node("DictNode", "dict", content=values, key_types=keys)


def _array(members: dict[str, bytes], name: str, array: Any) -> Node:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array), allow_pickle=False)
    members[name] = stream.getvalue()
    return _node("NdArrayNode", "ndarray", "numpy", type="numpy", file=name)


def _with(schema: Node, **attributes: Node) -> Node:
    """Return the good estimator with some of its attributes replaced."""
    content = schema["content"]
    content["content"].update(attributes)
    content["key_types"]["content"] = [_node("TypeNode", "str") for _ in content["content"]]
    return schema


def _called(schema: Node, function: Node, *arguments: Any) -> Node:
    """Return the good estimator with a call of something in it."""
    partial = _node("PartialNode", "partial", "functools", content={
        "func": function, "args": _tuple(*map(_json, arguments)), "kwds": _dict(), "namespace": _dict()})  # fmt: skip
    return _with(schema, penalty=partial)


def _function(kind: str, module: str) -> Node:
    return _node("FunctionNode", kind, module)


def _reduced(kind: str, module: str, *arguments: Any) -> Node:
    return _node("LossNode", kind, module, content=_dict(), __reduce__={"args": _tuple(*map(_json, arguments))})


def _pipeline(step: Node, last: Node) -> Node:
    steps = _list(_tuple(_json("a"), step), _tuple(_json("b"), last))
    return _node("ObjectNode", "Pipeline", "sklearn.pipeline", content=_dict(
        steps=steps, memory=_json(None), verbose=_json(False), transform_input=_json(None)))  # fmt: skip


def _estimator(kind: str, module: str, **attributes: Node) -> Node:
    return _node("ObjectNode", kind, module, content=_dict(**attributes))


def _svc(members: dict[str, bytes]) -> Node:
    """Return a support vector machine whose counts reach far beyond its arrays: libsvm reads past their ends."""
    numbers = {
        "_dual_coef_": np.ones((1, 4)),
        "dual_coef_": np.ones((1, 4)),
        "support_vectors_": np.ones((4, 784)),
        "intercept_": np.zeros(1),
        "_intercept_": np.zeros(1),
        "_probA": np.ones(1),
        "_probB": np.ones(1),
    }
    whole = {"support_": [0, 1, 2, 2**30], "_n_support": [2**30, 2**30], "shape_fit_": [4, 784]}
    attributes = {name: _array(members, f"{name}.npy", value) for name, value in numbers.items()}
    attributes |= {name: _array(members, f"{name}.npy", np.asarray(v, "i4")) for name, v in whole.items()}
    attributes["classes_"] = _array(members, "c.npy", [0, 1])
    for name, value in {"kernel": "rbf", "degree": 3, "gamma": 0.1, "_gamma": 0.1, "coef0": 0.0, "C": 1.0, "nu": 0.0,
                        "epsilon": 0.0, "probability": True, "shrinking": True, "tol": 0.001, "cache_size": 200,
                        "class_weight": None, "max_iter": -1, "_sparse": False, "n_features_in_": 784, "verbose": False,
                        "fit_status_": 0, "break_ties": False, "decision_function_shape": "ovr",
                        "_impl": "c_svc", "random_state": None}.items():  # fmt: skip
        attributes[name] = _json(value)
    return _estimator("SVC", "sklearn.svm._classes", **attributes)


def _circle(schema: Node) -> Node:
    inner = _list()
    inner["__id__"] = 77
    inner["content"] = [{**_list(), "__id__": 77}]
    return _with(schema, penalty=inner)


def _deep(schema: Node) -> str:
    start = '{"__class__":"list","__module__":"builtins","__loader__":"ListNode","__id__":1,"content":['
    return json.dumps(_with(schema, penalty=_json("HERE"))).replace(
        json.dumps(_json("HERE")), start * 20_000 + "]}" * 20_000)  # fmt: skip


def _npy_that_claims(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue() + bytes(64)


def _pickled(trap: Trap) -> bytes:
    class Payload:
        def __reduce__(self) -> Any:
            return (open, (str(trap.marker), "w"))

    stream = io.BytesIO()
    np.save(stream, np.array([Payload()], dtype=object), allow_pickle=True)
    return stream.getvalue()


def _member_changed(name: str, data: Callable[[Trap], bytes]) -> Change:
    def change(schema: Node, members: dict[str, bytes], trap: Trap) -> Node:
        content = schema["content"]["content"]
        file = content[name]["file"]
        members[file] = data(trap)
        return schema

    return change


_RUNS = "calls a function that it names"
SKOPS = (
    _attack("os_system", _RUNS, "CVE-2024-37065", lambda s, m, t: _called(
        s, _function("system", "os"), f"touch {t.marker}")),
    _attack("eval", _RUNS, "CVE-2024-37065", lambda s, m, t: _called(s, _function("eval", "builtins"), t.payload())),
    _attack("method", "names a method of a trusted object", "CVE-2025-54413", lambda s, m, t: _with(
        s, penalty=_node("MethodNode", "str", "builtins", content={"func": "format", "obj": _json("x")}))),
    _attack("method_of_another", "says one class and holds another", "CVE-2025-54413", lambda s, m, t: _with(
        s, penalty=_node("MethodNode", "LogisticRegression", "sklearn.linear_model._logistic", content={
            "func": "__class__", "obj": _node("TypeNode", "Popen", "subprocess")}))),
    _attack("operator", "an operator function that is another", "CVE-2025-54412", lambda s, m, t: _with(
        s, penalty=_node("OperatorFuncNode", "call", "operator", attrs=_tuple(
            _function("system", "os"), _json(f"touch {t.marker}"))))),
    _attack("operator_module", "an operator function out of another module", "CVE-2025-54412", lambda s, m, t: _with(
        s, penalty=_node("OperatorFuncNode", "system", "os", attrs=_tuple(_json(f"touch {t.marker}"))))),
    _attack("loss", "a loss whose class is a function", "ours", lambda s, m, t: _with(
        s, penalty=_reduced("system", "os", f"touch {t.marker}"))),
    _attack("type", "a foreign type", "CVE-2024-37065", lambda s, m, t: _with(
        s, penalty=_node("TypeNode", "Evil", "evil_module"))),
    _attack("object", "a foreign object", "CVE-2024-37065", lambda s, m, t: _with(
        s, penalty=_node("ObjectNode", "Evil", "keras_cv", content=_dict()))),
    _attack("estimator", "the estimator itself is foreign", "CVE-2024-37065", lambda s, m, t: {
        **s, "__class__": "Evil", "__module__": "evil_module"}),
    _attack("constructor", "a class that is called with arguments", "CVE-2024-37065", lambda s, m, t: _with(
        s, penalty=_node("ConstructorFromReduceNode", "Popen", "subprocess", content=_tuple(
            _json(["touch", str(t.marker)]))))),
    _attack("generator", "a random generator by the name of a function", "ours", lambda s, m, t: _with(
        s, random_state=_node("RandomGeneratorNode", "Generator", "numpy.random", content={
            "bit_generator": _dict(bit_generator=_json("seed")), "seed_seq": _dict(entropy=_json(1))}))),
    _attack("function_transformer", "a transformer that calls any function", "ours", lambda s, m, t: _pipeline(
        _estimator("FunctionTransformer", "sklearn.preprocessing._function_transformer", func=_function(
            "load", "numpy"), kw_args=_json(None)), s)),
    _attack("old_protocol", "nodes of an older, laxer protocol", "ours", lambda s, m, t: {
        **_called(s, _function("system", "os"), f"touch {t.marker}"), "protocol": 0}),
    _attack("unknown_node", "a node that nobody knows", "ours", lambda s, m, t: _with(
        s, penalty=_node("EvilNode", "x"))),
    _attack("pickled_array", "an array of pickled objects", "ours", _member_changed("coef_", _pickled)),
    _attack("array_claims", "an array of 4 TB in a header", "ours", _member_changed(
        "coef_", lambda t: _npy_that_claims((2**20, 2**19)))),
    _attack("array_negative", "an array of negative size", "ours", _member_changed(
        "coef_", lambda t: _npy_that_claims((-1, 4)))),
    _attack("array_bomb", "an array of zeros in 1 MB", "ours", lambda s, m, t: _bomb(s, m), harmless=False),
    _attack("missing_member", "an array that is not there", "ours", lambda s, m, t: _with(s, coef_=_node(
        "NdArrayNode", "ndarray", "numpy", type="numpy", file="../../secret.npy"))),
    _attack("circle", "an object that holds itself", "ours", lambda s, m, t: _circle(s)),
    _attack("nested", "lists in lists", "ours", lambda s, m, t: _deep(s)),  # type: ignore[arg-type]
    _attack("polynomial", "features that multiply without end", "ours", lambda s, m, t: _pipeline(
        _estimator("PolynomialFeatures", "sklearn.preprocessing._polynomial", degree=_json(6), interaction_only=_json(
            False), include_bias=_json(True), order=_json("C"), n_features_in_=_json(784), _min_degree=_json(0),
            _max_degree=_json(6), _n_out_full=_json(10**9), n_output_features_=_json(10**9)), s)),
    _attack("svc_out_of_bounds", "a trusted class whose counts crash the library", "ours", lambda s, m, t: _svc(m)),
    _attack("shapes_disagree", "coefficients that fit nothing", "ours", lambda s, m, t: _with(
        s, coef_=_array(m, "k.npy", np.ones((3, 2)))), harmless=True),
    _attack("class_names", "classes of a megabyte with control characters", "ours", lambda s, m, t: _with(
        s, classes_=_array(m, "k.npy", np.array(["\x1b[2J\u202e" + "x" * 10_000] * 10))), harmless=True),
    _attack("no_schema", "an archive with an empty schema", "ours", lambda s, m, t: {}),
)  # fmt: skip


def _bomb(schema: Node, members: dict[str, bytes]) -> Node:
    """Plant an array of 800 MiB, which is packed into 1 MB on the way."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (800, 2**20)})
    members["bomb.npy"] = Deflated.of(repeated(bytes(2**20), 800, stream.getvalue()))
    return _with(schema, coef_=_node("NdArrayNode", "ndarray", "numpy", type="numpy", file="bomb.npy"))
