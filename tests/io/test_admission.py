"""What of a configuration Keras gets to see. Payloads make a marker file at most, and nothing makes it."""

from __future__ import annotations

import json
import sys
import zipfile

import pytest

from diag.errors import ModelLoadError, UnsafeModelError
from diag.io import allowed
from diag.io.admission import admitted, problems
from diag.io.audit import audit
from tests.io.test_audit import dense, layer, sequential


def of_3(kind, name, module="keras.layers", **config):
    return {**layer(kind, name, **config), "module": module, "registered_name": None}


def with_activation(value):
    return sequential({**of_3("Dense", "d", units=3, activation=value)})


def test_the_list_names_what_keras_has():
    """A name that Keras does not have would be a slip: it was taken for something else."""
    import importlib

    import keras

    assert {name for name in allowed.LAYERS if not hasattr(keras.layers, name)} == set()
    assert {name for name in allowed.FUNCTIONS if not hasattr(keras.activations, name)} == set()
    for module, names in allowed.OPERATIONS.items():
        held = vars(importlib.import_module(f"keras.src.ops.{module}"))
        assert {name for name in names if name not in held} == set()


def test_layers_that_run_code_or_read_files_are_not_on_it():
    for name in ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "Layer", "Wrapper"):
        assert name not in allowed.LAYERS
    for module, names in allowed.OPERATIONS.items():
        assert not names & {"Map", "Scan", "WhileLoop", "Cond", "ForiLoop", "VectorizedMap", "Full", "Arange"}, module


def test_what_is_said_of_modules_is_written_anew():
    """The module in the file is never the module that is looked into."""
    relu = {"class_name": "function", "module": "keras.src.activations", "config": "relu", "registered_name": "relu"}
    entry = of_3("Dense", "d", "keras.src.layers.core.dense", units=3, activation=relu)
    fresh = admitted(sequential(entry), "a.keras")["config"]["layers"][0]
    assert fresh["module"] == "keras.layers"
    assert fresh["config"]["activation"]["module"] == "builtins"


def test_what_only_training_needs_is_left_out_whatever_it_names():
    evil = {"class_name": "system", "module": "os", "config": {"command": "true"}}
    entry = of_3("Dense", "d", units=3, kernel_initializer=evil, bias_regularizer=evil, kernel_constraint=evil)
    config = {**sequential(entry), "compile_config": {"optimizer": evil, "loss": evil}}
    text = json.dumps(admitted(config, "a.keras"))
    assert "system" not in text
    assert "compile_config" not in text


# Ways to name what is not on the list. The first three resolved in some version of Keras (CVE-2025-1550, -8747, -9906).
HOSTILE = {
    "function of os": with_activation({"class_name": "function", "module": "os", "config": "system"}),
    "get_file": with_activation({"class_name": "function", "module": "keras.utils", "config": "get_file"}),
    "unsafe switch": with_activation(
        {"class_name": "function", "module": "keras.config", "config": "enable_unsafe_deserialization"}
    ),
    "function as a text": with_activation("keras.datasets.boston_housing.load_data"),
    "lambda as an activation": with_activation({"class_name": "__lambda__", "config": {"value": ["4wAAAA==", None]}}),
    "data set": with_activation(
        {"class_name": "function", "module": "keras.datasets.boston_housing", "config": "load_data"}
    ),
    "package of that name": sequential(of_3("Scale", "d", "keras_cv.layers")),
    "registered": sequential({**of_3("Dense", "d", units=3), "registered_name": "mine>Dense"}),
    "class in a class": sequential(of_3("RNN", "d", cell={"class_name": "Popen", "module": "subprocess"})),
    "type specification": sequential(of_3("Dense", "d", units={"class_name": "__typespec__", "config": [],
                                                               "module": "os", "spec_name": "system"})),
    "Torch": sequential(of_3("TorchModuleWrapper", "d", module="keras.layers")),
    "SavedModel": sequential(of_3("TFSMLayer", "d", filepath="/tmp/x")),
    "vocabulary": sequential(of_3("StringLookup", "d", vocabulary="/etc/hostname")),
    "Lambda in a wrapper": sequential(of_3("Bidirectional", "d", layer=of_3("Lambda", "d", function="relu"))),
    "Lambda in a pipeline": sequential(of_3("Pipeline", "d", layers=[of_3("Lambda", "d", function="relu")])),
    "model in a wrapper": sequential(of_3("SpectralNormalization", "d", layer=sequential())),
    "operation with a function": sequential(of_3("Map", "d", "keras.src.ops.core", function="relu")),
    "operation of another module": sequential(of_3("system", "d", "keras.src.ops.evil.os")),
    "feature space": sequential(of_3("FeatureSpace", "d", "keras.utils")),
    "optimizer": sequential(of_3("Dense", "d", units={"class_name": "Adam", "module": "keras.optimizers"})),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_not_on_the_list_is_refused_with_its_layer(kind):
    config = HOSTILE[kind]
    with pytest.raises(UnsafeModelError, match=r"^a\.keras: layer 'd' .*|^a\.keras: layer 'd': ") as caught:
        admitted(config, "a.keras")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("around", ["Pipeline", "SpectralNormalization", "Bidirectional"])
def test_a_lambda_that_keras_would_build_is_refused_even_where_it_is_understood(around):
    inner = of_3(
        "TimeDistributed", "t", layer=of_3("Lambda", "l", function={"class_name": "function", "config": "relu"})
    )
    config = sequential(of_3(around, "d", **({"layers": [inner]} if around == "Pipeline" else {"layer": inner})))
    with pytest.raises(UnsafeModelError, match="is a Lambda layer"):
        admitted(config, "a.keras")


def test_all_problems_are_found_not_only_the_first():
    config = sequential(of_3("A", "one", "mine"), of_3("Dense", "two", units=3), of_3("B", "three", "mine"))
    assert [problem.code for problem in problems(config, "a.keras")] == [
        "layer 'one': class mine.A",
        "layer 'three': class mine.B",
    ]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (
            sequential(*[dense(f"d{number}", 3) for number in range(2001)]),
            "at most 2,000 layers.*DIAG_LIMITS=layers=4000",
        ),
        (sequential({**dense("d", 3), "inbound_nodes": [[["i", 0, 0]]] * 2001}), "calls of layers"),
        (sequential(dense("d", 3, dtype="S2000000000")), "a type of numbers"),
        (sequential(dense("d", 10**20)), "a number of"),
        (sequential({"class_name": "Dense", "config": "{}"}), "without a configuration"),
        (sequential(["Dense"]), "without a class"),
        ({"class_name": "Functional", "config": {"layers": None}}, "without a list of layers"),
    ],
)
def test_what_is_no_model_is_said(config, says):
    with pytest.raises(ModelLoadError, match=says):
        admitted(config, "a.keras")


def test_limits_can_be_raised_as_the_message_says(monkeypatch):
    config = sequential(*[dense(f"d{number}", 3) for number in range(2001)])
    monkeypatch.setenv("DIAG_LIMITS", "layers=4000")
    assert len(admitted(config, "a.keras")["config"]["layers"]) == 2001


@pytest.mark.parametrize(("calls", "fits"), [(999, True), (1001, False)])
def test_each_call_of_a_network_within_counts_all_that_is_in_it(calls, fits):
    inner = {**sequential(dense("a", 3)), "inbound_nodes": [[["i", 0, 0]]] * calls}
    found = problems(sequential(inner), "a.keras")
    assert [problem.crowd for problem in found] == ([] if fits else [True])


def test_calls_that_double_from_network_to_network_are_counted_not_made():
    inner = sequential(dense("a", 3))
    for _ in range(80):
        inner = sequential({**inner, "inbound_nodes": [[["i", 0, 0]]] * 2})
    with pytest.raises(ModelLoadError, match=r"calls of layers.*DIAG_LIMITS=layers="):
        admitted(inner, "a.keras")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": ' * 300 + "1" + "}" * 300, "at most 200 objects or lists.*config_depth"),
        ('{"a": ' * 100_000 + "1" + "}" * 100_000, "config_depth"),
        ('{"a": [' + "1," * 2_200_000 + "1]}", "values"),
        (" " * (33 * 2**20), "at most 33,554,432 bytes"),
    ],
)
def test_json_is_bounded(tmp_path, text, says):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", text)
    with pytest.raises(ModelLoadError, match=says):
        audit(tmp_path / "a.keras")


def test_nothing_is_imported_for_a_file(tmp_path, monkeypatch):
    (tmp_path / "keras_cv.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(sequential(of_3("Scale", "s", "keras_cv"))))
    assert audit(tmp_path / "a.keras").code == ("layer 's': class keras_cv.Scale",)
    assert "keras_cv" not in sys.modules
