"""Model files that would run code: Lambdas in every place, gadgets, foreign modules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.attacks.models import (
    Config,
    dense,
    flatten,
    functional,
    good,
    good2,
    keras_file,
    lambda3,
    lambda_code,
    layer2,
    legacy_file,
    node,
    sequential,
    source,
    thing,
    with_layer,
)  # fmt: skip
from tests.attacks.trap import Attack, Trap

Make = Callable[[Trap], Any]


def _code(trap: Trap, rest: str = "x") -> str:
    return lambda_code(f"({trap.payload()}, {rest})[1]")


def _lambda3(trap: Trap, **more: Any) -> Config:
    return thing("Lambda", name="evil", function=lambda3(_code(trap)), arguments={}, **more)


def _lambda2(trap: Trap) -> Config:
    function = [_code(trap), None, None]
    return layer2("Lambda", "evil", function=function, function_type="lambda", arguments={}, module="keras.layers")


def _function(name: str, module: str, registered: str | None = None) -> Config:
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered or name}


def _named_lambda(name: str, module: str = "keras.datasets.boston_housing", **arguments: Any) -> Config:
    function = _function(name, module)
    return thing("Lambda", name="evil", function=function, arguments=arguments, output_shape=[2])


def _keras(name: str, tries: str, cited: str, make: Make, harmless: bool = False) -> Attack:
    return Attack(name, tries, cited, "model", lambda trap: keras_file(trap.path("model.keras"), make(trap)), harmless)


def _legacy(name: str, tries: str, cited: str, make: Make, harmless: bool = False) -> Attack:
    return Attack(name, tries, cited, "model", lambda trap: legacy_file(trap.path("model.h5"), make(trap)), harmless)


_BYTECODE = "runs the bytecode of a Lambda"
_SAFE = "CVE-2024-3660"
LAMBDAS = (
    _keras("lambda_layer", _BYTECODE, _SAFE, lambda t: with_layer(_lambda3(t))),
    _legacy("lambda_layer_h5", _BYTECODE, "CVE-2025-9905", lambda t: good2(_lambda2(t))),
    _keras("lambda_in_time_distributed", _BYTECODE, _SAFE, lambda t: with_layer(
        thing("TimeDistributed", name="td", layer=_lambda3(t)))),
    _legacy("lambda_in_time_distributed_h5", _BYTECODE, "CVE-2025-9905", lambda t: good2(
        layer2("TimeDistributed", "td", layer=_lambda2(t)))),
    _keras("lambda_in_bidirectional", _BYTECODE, _SAFE, lambda t: sequential(source([None, 8, 8]), thing(
        "Bidirectional", name="b", merge_mode="concat", layer=thing("LSTM", name="l", units=2, activation=lambda3(
            _code(t)))), dense())),
    _keras("lambda_as_activation", "the same as an activation", _SAFE, lambda t: with_layer(
        thing("Activation", name="a", activation=lambda3(_code(t))))),
    _keras("lambda_as_dense_activation", "the same as an activation", _SAFE, lambda t: sequential(
        source(), flatten(), dense(activation=lambda3(_code(t))))),
    _keras("lambda_in_nested_model", "the same in a model in the model", _SAFE, lambda t: with_layer(
        {**sequential(source(), _lambda3(t)), "config": {**sequential(source(), _lambda3(t))["config"],
                                                          "name": "inner"}})),
    _keras("lambda_in_node_arguments", "the same among the arguments of a call", "CVE-2025-9906", lambda t: functional(
        [(source([None, 4]), []), (dense(), [node("input_layer", training=lambda3(_code(t)))])], "dense")),
    _keras("lambda_layer_in_node_arguments", "a Lambda layer among the arguments of a call", "CVE-2025-9906",
           lambda t: functional([(source([None, 4]), []), (dense(), [node("input_layer", mask=_lambda3(t))])],
               "dense")),
    _keras("lambda_output_shape", "the Lambda's output_shape and mask are code as well", _SAFE, lambda t: with_layer(
        thing("Lambda", name="evil", function=_function("relu", "builtins"), arguments={},
              output_shape=lambda3(_code(t)), mask=lambda3(_code(t)))), harmless=True),
    _keras("lambda_by_dotted_class", "class_name with dots", "ours", lambda t: with_layer(
        {**_lambda3(t), "class_name": "keras.layers.Lambda", "module": None})),
    _keras("lambda_by_module_path", "the class by its place in the source", "ours", lambda t: with_layer(
        {**_lambda3(t), "module": "keras.src.layers.core.lambda_layer"})),
    _keras("lambda_registered_name", "another class_name, Lambda as the registered name", "CVE-2026-1462", lambda t:
           with_layer({**_lambda3(t), "class_name": "Flatten", "registered_name": "Lambda", "module": None})),
    _keras("lambda_under_extra_keys", "the Lambda in keys that no layer has", "ours", lambda t: with_layer(
        thing("Dropout", name="d", rate=0.5, callbacks=[_lambda3(t)], extra={"deep": {"er": lambda3(_code(t))}})),
        harmless=True),
    _keras("lambda_disguised_as_scaling", "x / 255 and something else", "ours", lambda t: with_layer(
        thing("Lambda", name="rescale", function=lambda3(lambda_code(f"x / 255.0 + ({t.payload()} or 0)"))))),
    _legacy("lambda_default_is_code", "a default value of a Lambda is a Lambda", "ours", lambda t: good2(
        layer2("Lambda", "evil", function=[lambda_code("x"), [lambda3(_code(t))], None], function_type="lambda")),
        harmless=True),
    _keras("lambda_power_tower", "arithmetic of constants that never ends", "ours", lambda t: with_layer(
        thing("Lambda", name="e", function=lambda3(lambda_code("x * 9 ** 9 ** 9 ** 9"))))),
    _keras("lambda_shift_bomb", "a Lambda whose constants multiply without end", "ours", lambda t: with_layer(
        thing("Lambda", name="e", function=lambda3(lambda_code("x / " + "**".join(["9.0"] * 40)))))),
    _keras("lambda_marshal_nesting", "marshalled tuples within tuples", "ours", lambda t: with_layer(
        thing("Lambda", name="e", function=lambda3(_base64(b")\x01" * 60_000 + b"N"))))),
    _keras("lambda_marshal_lengths", "a marshalled text of 2 GB", "ours", lambda t: with_layer(
        thing("Lambda", name="e", function=lambda3(_base64(b"s\xff\xff\xff\x7f"))))),
    _keras("lambda_list_bomb", "a list repeated a billion times", "ours", lambda t: with_layer(
        thing("Lambda", name="e", function=lambda3(lambda_code("x * (('a',) * 4000000000)[0]"))))),
    _legacy("lambda_source_text", "the function as source instead of bytecode", "ours", lambda t: good2(
        layer2("Lambda", "evil", function=f"lambda x: ({t.payload()}, x)[1]", function_type="lambda", arguments={}))),
    _legacy("lambda_by_function_name", "a function of Python by its name", "ours", lambda t: good2(
        layer2("Lambda", "evil", function="eval", function_type="function", arguments={}, module="builtins"))),
)  # fmt: skip


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


_GADGET = "runs a function of another library at load"
_CALLS = "calls it with arguments from the file"


def _gadget(name: str, function: str, module: str, cited: str, **arguments: Any) -> Attack:
    return _keras(f"gadget_{name}", _GADGET, cited, lambda t: with_layer(
        _named_lambda(function, module, **json.loads(json.dumps(arguments).replace("MARKER", str(t.marker)).replace(
            "URL", t.url).replace("CANARY", str(t.canary))))))  # fmt: skip


GADGETS = (
    _gadget("boston_housing", "load_data", "keras.datasets.boston_housing", "the issue", path="x"),
    _gadget("mnist_local_path", "load_data", "keras.datasets.mnist", "the issue", path="CANARY/secret.npy"),
    _gadget("get_file", "get_file", "keras.utils", "CVE-2025-8747", fname="x", origin="URL/x", cache_dir="MARKER"),
    _gadget("get_file_internal", "get_file", "keras.src.utils.file_utils", "CVE-2025-8747", fname="x", origin="URL/y"),
    _gadget("unsafe_switch", "enable_unsafe_deserialization", "keras.config", "CVE-2025-9906"),
    _gadget("unsafe_switch_internal", "enable_unsafe_deserialization", "keras.src.saving.serialization_lib",
            "CVE-2025-9906"),
    _gadget("os_system", "system", "os", "CVE-2025-1550", command="touch MARKER"),
    _gadget("subprocess", "call", "subprocess", "CVE-2025-1550", args=["touch", "MARKER"]),
    _gadget("eval", "eval", "builtins", "CVE-2025-1550"),
    _gadget("exec", "exec", "builtins", "CVE-2025-1550"),
    _gadget("open", "open", "builtins", "CVE-2025-1550", mode="w"),
    _gadget("numpy_load", "load", "numpy", "CVE-2025-1550", file="CANARY/secret.npy", allow_pickle=True),
    _gadget("shutil_copy", "copy", "shutil", "CVE-2025-1550", src="CANARY/secret.txt", dst="MARKER"),
    _gadget("runpy", "run_path", "runpy", "CVE-2025-1550"),
    _gadget("load_model", "load_model", "keras.saving", "CVE-2025-49655", filepath="CANARY/secret.keras",
            safe_mode=False),
    _gadget("load_img", "load_img", "keras.utils", "ours", path="CANARY/secret.png"),
    _gadget("image_folder", "image_dataset_from_directory", "keras.preprocessing", "ours", directory="CANARY"),
    _gadget("save_img", "save_img", "keras.utils", "ours", path="MARKER"),
    _gadget("plot_model", "plot_model", "keras.utils", "ours", to_file="MARKER"),
    _gadget("set_backend", "set_backend", "keras.config", "ours", backend="torch"),
    _gadget("keras_src_internal", "func_load", "keras.src.utils.python_utils", "CVE-2025-8747"),
    _gadget("application", "ResNet50", "keras.applications", "ours", weights="CANARY/secret.h5"),
    _gadget("tensorflow_io", "write_file", "tensorflow.io", "ours", filename="MARKER", contents="x"),
    _gadget("tf_py_function", "py_function", "tensorflow", "ours", Tout="float32"),
    _keras("gadget_as_activation", _GADGET, "CVE-2025-1550", lambda t: with_layer(thing(
        "Activation", name="a", activation=_function("load_model", "keras.saving")))),
    _keras("gadget_as_activation_by_name", _GADGET, "ours", lambda t: with_layer(thing(
        "Activation", name="a", activation="keras.saving.load_model"))),
    _keras("gadget_unserialize", _GADGET, "CVE-2025-9906", lambda t: with_layer(thing(
        "Activation", name="a", activation=_function("deserialize_keras_object", "keras.saving")))),
    _keras("gadget_in_build_config", _GADGET, "ours", lambda t: with_layer({**dense(name="d"), "build_config": {
        "input_shape": [None, 8, 8, 1], "evil": _function("system", "os"), "more": _named_lambda("system", "os")}}),
        harmless=True),
    _keras("gadget_in_input_dtype", _GADGET, "ours", lambda t: sequential(thing(
        "InputLayer", name="input_layer", batch_shape=[None, 8, 8, 1], dtype=_function("system", "os")), flatten(),
        dense())),
    _keras("gadget_type_specification", "a type of TensorFlow out of the file", "ours", lambda t: functional(
        [(source([None, 4]), []), (dense(), [node("input_layer", training={
            "class_name": "__typespec__", "config": [[1], "float32"], "spec_name": "system", "module": "os",
            "registered_name": "system"})])], "dense")),
    _legacy("gadget_function_dict_h5", _GADGET, "CVE-2025-9905", lambda t: good2(layer2(
        "Lambda", "evil", function=_function("load_data", "keras.datasets.boston_housing"), arguments={}))),
    _legacy("gadget_activation_h5", _GADGET, "CVE-2025-9905", lambda t: good2(layer2(
        "Activation", "a", activation=_function("system", "os")))),
)  # fmt: skip


def _poisoned(name: str, module: str, kind: str = "Evil", registered: str | None = None) -> Attack:
    return _keras(f"module_{name}", "imports a package that lies in the Python path", "CVE-2025-1550", lambda t:
                  with_layer(thing(kind, module, registered, name="evil")))  # fmt: skip


MODULES = (
    _poisoned("keras_cv", "keras_cv.layers"),
    _poisoned("keras_hub", "keras_hub"),
    _poisoned("keras_nlp", "keras_nlp.layers", registered="keras_nlp>Evil"),
    _poisoned("evil", "evil_module"),
    _poisoned("registered", "evil_module", "Dense", "keras>Dense"),
    _poisoned("not_a_text", ["evil_module"]),  # type: ignore[arg-type]
    _keras("module_in_dtype_policy", "imports for a dtype policy", "ours", lambda t: with_layer(thing(
        "Dropout", name="d", rate=0.1, dtype=thing("Evil", "keras_hub.layers")))),
    _keras("module_in_activation", "imports for an activation", "ours", lambda t: with_layer(thing(
        "Activation", name="d", activation=thing("Evil", "keras_cv.layers")))),
    _keras("module_in_initializer", "imports for an initialiser", "ours", lambda t: with_layer(dense(
        4, "d", kernel_initializer=thing("Evil", "keras_cv.layers"), bias_regularizer=thing("Evil", "evil_module"),
        kernel_constraint=thing("Evil", "keras_hub"))), harmless=True),
    _keras("module_in_rnn_cell", "imports for a cell", "ours", lambda t: sequential(source([None, 8, 8]), thing(
        "RNN", name="r", cell=thing("Evil", "keras_cv.layers")), dense())),
    _keras("module_in_optimizer", "imports for the optimiser, loss and metrics", "ours", lambda t: {
        **good(), "compile_config": {"optimizer": thing("Evil", "keras_cv.layers"), "loss": _function(
            "evil", "evil_module"), "metrics": [thing("Evil", "keras_hub")], "loss_weights": lambda3(_code(t))}},
        harmless=True),
    _keras("module_in_schedule", "a learning rate schedule out of the file", "ours", lambda t: {
        **good(), "compile_config": {"optimizer": thing("Adam", "keras.optimizers", learning_rate=thing(
            "Evil", "evil_module")), "loss": "mse"}}, harmless=True),
    _keras("module_of_the_model", "the model's own class is foreign", "ours", lambda t: {
        **good(), "module": "keras_cv.layers", "class_name": "Evil"}),
    _keras("module_keras_src_saving", "a class of Keras that saves and loads", "ours", lambda t: with_layer(thing(
        "H5IOStore", "keras.src.saving.saving_lib", path_or_io=str(t.canary / "secret.h5")))),
    _keras("module_model_checkpoint", "a callback of Keras as a layer", "ours", lambda t: with_layer(thing(
        "ModelCheckpoint", "keras.callbacks", filepath=str(t.marker)))),
    _legacy("module_custom_layer_h5", "a custom class in a legacy file", "ours", lambda t: good2(layer2(
        "evil_module>Evil", "evil"))),
)  # fmt: skip


def _programs() -> tuple[Attack, ...]:
    """Layers that hold another framework's program, or read a file named in them."""

    def vocabulary(kind: str, **more: Any) -> Make:
        def made(trap: Trap) -> Config:
            secret = str(trap.canary / "secret.txt")
            return sequential(source([None, 1]), thing(kind, name="v", vocabulary=secret, **more), dense())

        return made

    tensorflow = thing("TFSMLayer", name="e", filepath="MARKER", call_endpoint="serve")
    torch = thing("TorchModuleWrapper", name="e", module="gASVAAAA", output_shape=[2])
    return (
        _keras("program_tfsm", "a SavedModel's graph reads and writes files", "CVE-2026-0897", lambda t: with_layer(
            {**tensorflow, "config": {**tensorflow["config"], "filepath": str(t.canary)}})),
        _keras("program_tfsm_url", "a SavedModel from elsewhere", "CVE-2026-0897", lambda t: with_layer(
            {**tensorflow, "config": {**tensorflow["config"], "filepath": f"{t.url}/saved"}})),
        _keras("program_torch", "torch.load of a pickle", "CVE-2025-49655", lambda t: with_layer(torch)),
        _keras("program_torch_by_path", "the same by its place in the source", "CVE-2025-49655", lambda t: with_layer(
            {**torch, "module": "keras.src.utils.torch_utils"})),
        _keras("program_jax", "a JAX function out of the file", "ours", lambda t: with_layer(thing(
            "JaxLayer", name="e", call_fn=lambda3(_code(t)), init_fn=lambda3(_code(t))))),
        _keras("program_flax", "a Flax module", "ours", lambda t: with_layer(thing(
            "FlaxLayer", name="e", module=_function("system", "os"), method="x"))),
        _keras("vocabulary_string", "reads any file as a vocabulary", "CVE-2025-12058", vocabulary("StringLookup")),
        _keras("vocabulary_integer", "reads any file as a vocabulary", "CVE-2025-12058", vocabulary("IntegerLookup")),
        _keras("vocabulary_text", "reads any file as a vocabulary", "CVE-2025-12058", vocabulary(
            "TextVectorization", idf_weights=None)),
        _keras("vocabulary_url", "fetches a vocabulary", "CVE-2025-12058", lambda t: sequential(
            source([None, 1]), thing("StringLookup", name="v", vocabulary=f"{t.url}/words.txt"), dense())),
        _keras("vocabulary_in_feature_space", "reads a vocabulary below another layer", "ours", lambda t: sequential(
            source([None, 1]), thing("FeatureSpace", "keras.utils", name="f", features={"a": thing(
                "Feature", "keras.src.layers.preprocessing.feature_space", dtype="string", output_mode="int",
                preprocessor=thing("StringLookup", name="v", vocabulary=str(t.canary / "secret.txt")))}), dense())),
        _keras("standardize_is_code", "a text layer's functions are code", "ours", lambda t: sequential(
            source([None, 1]), thing("TextVectorization", name="v", standardize=lambda3(_code(t)),
                                     split=lambda3(_code(t)), vocabulary=["a"]), dense())),
        Attack("training_config_is_code", "a legacy file's training_config is code", "CVE-2025-9905", "model",
               lambda t: legacy_file(t.path("model.h5"), training_config=json.dumps(
                   {"optimizer_config": thing("Evil", "evil_module"), "loss": lambda3(_code(t)),
                    "metrics": [_function("evil", "keras_cv.layers")]})), harmless=True),
        Attack("code_in_architecture", "the JSON beside the weights is code", _SAFE, "architecture", _architecture),
        Attack("code_beside_weights", "a JSON file is found beside the weights by itself", _SAFE, "model",
               lambda t: _architecture(t).with_name("model.h5")),
        Attack("swapped_after_the_audit", "another file lies there once it was looked at", "ours", "swap", _swapped,
               harmless=True),
    )  # fmt: skip


def _architecture(trap: Trap) -> Path:
    path = trap.path("model.json")
    path.write_text(json.dumps(good2(_lambda2(trap))))
    legacy_file(trap.path("model.h5"), change=lambda file: file.attrs.pop("model_config"))
    return path


def _swapped(trap: Trap) -> Path:
    keras_file(trap.path("evil"), with_layer(_lambda3(trap)))
    return keras_file(trap.path("model.keras"))


CODE = (*LAMBDAS, *GADGETS, *MODULES, *_programs())
