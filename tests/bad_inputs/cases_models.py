"""Model files, their cards, class names and ensembles."""

from __future__ import annotations

import json
import pickle

import numpy as np

from tests.bad_inputs.place import IMAGES, LABELS, Place


def inspect(name, content):
    return lambda place: ["inspect", place.write(name, content)]


def model(name, content, command="evaluate"):
    return lambda place: [command, place.write(name, content), "--data", place.data]


def cut(source, name, change):
    return lambda place: [
        "evaluate",
        place.write(name, change((place.good / source).read_bytes())),
        "--data",
        place.data,
    ]


def card(content):
    return lambda place: ["evaluate", place.carded(content), "--data", place.data]


def ensemble(content):
    return lambda place: ["evaluate", place.definition(content), "--data", place.data]


def saved_model(place: Place) -> list[str]:
    place.write("saved/saved_model.pb", b"x")
    return ["evaluate", str(place.root / "saved"), "--data", place.data]


def card_is_a_folder(place: Place) -> list[str]:
    place.folder("model.toml")
    return ["evaluate", place.model, "--data", place.data]


def data_above(place: Place) -> list[str]:
    place.folder("models")
    place.copy("model.skops", "models/model.skops")
    place.npz()
    place.write("models/model.toml", "[data]\nsource = '../data.npz'")
    return ["evaluate", str(place.root / "models" / "model.skops")]


def two_cards(place: Place) -> list[str]:
    place.npz("a.npz")
    place.npz("b.npz")
    rival = place.carded("[data]\nsource = 'b.npz'", "rival.skops")
    return ["compare", place.carded("[data]\nsource = 'a.npz'"), rival]


def leading_dash(place: Place) -> list[str]:
    place.copy("model.skops", "out/-m.skops")
    return ["evaluate", "--data", place.data, "--", "-m.skops"]


def names(content, name="names.json"):
    return lambda place: ["evaluate", place.model, "--data", place.data, "--class-names", place.write(name, content)]


def on(good, **arrays):
    return lambda place: ["evaluate", place.copy(good), "--data", place.npz(**arrays)]


def weights_only(place: Place) -> list[str]:
    import h5py

    with h5py.File(place.root / "w.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = IMAGES[0].astype("float32")
    return ["evaluate", str(place.root / "w.weights.h5"), "--data", place.data]


def config(change):
    """Return what changes the configuration of a network and inspects it."""

    def make(place: Place) -> list[str]:
        import h5py

        path = place.copy("net.h5")
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = change(json.loads(file.attrs["model_config"]))
        return ["inspect", path]

    return make


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
CASES = (
    ("model-missing", lambda p: ["evaluate", "nowhere.h5", "--data", p.data]),
    ("model-folder", lambda p: ["evaluate", p.folder("a.keras"), "--data", p.data]),
    ("model-folder-inspected", lambda p: ["inspect", p.folder("a.keras")]),
    ("model-empty", model("a.keras", b"")),
    ("model-empty-h5", model("a.h5", b"")),
    ("model-text", model("a.h5", b"hello " * 99)),
    ("model-random-keras", model("a.keras", bytes(range(256)) * 9)),
    ("model-truncated-h5", cut("net.h5", "a.h5", lambda b: b[: len(b) // 2])),
    ("model-truncated-skops", cut("model.skops", "a.skops", lambda b: b[: len(b) // 2])),
    ("model-damaged-skops", cut("model.skops", "a.skops", lambda b: b[:600] + bytes(400) + b[1000:])),
    ("model-lfs", model("a.keras", LFS)),
    ("model-lfs-h5", inspect("a.h5", LFS)),
    ("model-pickle", model("a.pkl", pickle.dumps({"model": 1}))),
    ("model-keras-in-pickle", model("a.h5", pickle.dumps({"keras": "model"}))),
    ("model-is-data", lambda p: ["evaluate", p.data, "--data", p.data]),
    ("model-is-csv", model("a.csv", "label,p0\n1,2\n")),
    ("model-is-json", model("a.json", "{}")),
    ("model-weights-only", weights_only),
    ("model-config-no-json", config(lambda _: "{")),
    ("model-config-list", config(lambda _: "[]")),
    ("model-onnx", model("a.onnx", b"\x08\x07")),
    ("model-torch", model("a.pt", b"PK\x03\x04")),
    (
        "model-savedmodel",
        saved_model,
    ),
    ("model-long-name", lambda p: ["evaluate", "x" * 10_000, "--data", p.data]),
    ("model-hostile-name", lambda p: ["evaluate", "\x1b[31m\u202ea\nb.h5", "--data", p.data]),
    ("model-leading-dash", lambda p: ["evaluate", "-model.h5", "--data", p.data]),
    ("model-none", lambda p: ["evaluate"]),
    ("architecture-missing", lambda p: [*weights_only(p), "--architecture", "nowhere.json"]),
    ("architecture-wrong", lambda p: [*weights_only(p), "--architecture", p.write("a.json", "[1]")]),
    ("architecture-no-function", lambda p: [*weights_only(p), "--architecture", "no_such_module_here:build"]),
    ("output-unknown", lambda p: ["evaluate", p.copy("net.h5"), "--data", p.data, "--output", "head"]),
    ("input-shape-wrong", lambda p: ["evaluate", p.copy("net.h5"), "--data", p.data, "--input-shape", "axb"]),
    ("net-labels-out-of-range", on("net.h5", x=IMAGES, y=LABELS + 1)),
    ("net-binary-three-labels", on("binary.h5", x=IMAGES, y=LABELS)),
    ("net-logits-more-classes", on("logits.h5", x=IMAGES, y=LABELS * 2)),
    ("net-rank", on("rank.h5", x=IMAGES, y=LABELS)),
    ("net-channels", on("first.h5", x=IMAGES[..., None].repeat(2, axis=-1), y=LABELS)),
    ("no-data-no-builtin", lambda p: ["evaluate", p.model]),
    ("convert-skops", lambda p: ["convert", p.model, p.out("a.keras")]),
    ("convert-ending", lambda p: ["convert", p.copy("net.h5"), p.out("a.h5")]),
    ("convert-no-folder", lambda p: ["convert", p.copy("net.h5"), p.out("no/a.keras")]),
    ("convert-itself", lambda p: ["convert", p.copy("net.h5", "a.keras"), str(p.root / "a.keras"), "--force"]),
    ("convert-there", lambda p: ["convert", p.copy("net.h5"), p.write("out/b.keras", "old")]),
    ("convert-missing", lambda p: ["convert", "nowhere.h5", p.out("a.keras")]),
    ("inspect-missing", lambda p: ["inspect", "nowhere.h5"]),
    ("explain-skops", lambda p: ["explain", p.model, "--data", p.data, "--index", "0"]),
    ("trust-skops", lambda p: ["trust", p.model, "--data", p.data]),
    ("card-no-toml", card("title = ")),
    ("card-empty-is-fine-binary", card(b"\xff\xfe\x00")),
    ("card-unknown-key", card('tittle = "x"')),
    ("card-unknown-table", card("[training]\nx = 1")),
    ("card-title-number", card("title = 3")),
    ("card-description-list", card("description = []")),
    ("card-names-text", card('class_names = "a,b,c"')),
    ("card-names-twice", card('class_names = ["a", "a", "b"]')),
    ("card-names-count", card('class_names = ["a", "b"]')),
    ("card-names-tables", card("class_names = [{a=1},{b=2},{c=3}]")),
    ("card-names-empty", card("class_names = []")),
    ("card-data-text", card('data = "digits"')),
    ("card-data-key", card("[data]\nsauce = 'x'")),
    ("card-data-source-number", lambda p: ["evaluate", p.carded("[data]\nsource = 3")]),
    (
        "card-data-missing",
        lambda p: ["evaluate", p.carded("[data]\nsource = 'nowhere.npz'")],
    ),
    ("card-scale-word", card("[preprocessing]\nscale = 'half'")),
    ("card-scale-zero-division", card("[preprocessing]\nscale = '1/0'")),
    ("card-scale-nan", card("[preprocessing]\nscale = nan")),
    ("card-std-zero", card("[preprocessing]\nstd = 0")),
    ("card-resize-negative", card("[preprocessing]\nresize = '-3x4'")),
    ("card-resize-huge", card("[preprocessing]\nresize = '999999x999999'")),
    ("card-preprocessing-key", card("[preprocessing]\nscal = 1")),
    ("card-channels-two", card("[preprocessing]\nchannels = 2")),
    ("card-layout-wrong", card("[preprocessing]\nlayout = 'sideways'")),
    (
        "card-output-unknown",
        lambda p: ["evaluate", p.carded('output = "head"', "net.h5"), "--data", p.data],
    ),
    ("card-deep", card("title = " + "[" * 5000)),
    ("card-folder", card_is_a_folder),
    ("card-history-above", card('history = "../secret.log"')),
    ("card-history-absolute", card('history = "/etc/passwd"')),
    ("card-history-nul", card('history = "a\\u0000.log"')),
    ("card-history-number", card("history = 1")),
    ("card-data-above", data_above),
    ("card-twice", card('title = "a"\ntitle = "b"')),
    ("card-results-text", card("results = 3")),
    (
        "two-cards-data",
        two_cards,
    ),
    ("ensemble-no-toml", ensemble("members = ")),
    ("ensemble-unknown-key", ensemble('members = ["model.skops", "rival.skops"]\nweight = 1')),
    ("ensemble-no-members", ensemble('how = "average"')),
    ("ensemble-one-member", ensemble('members = ["model.skops"]')),
    ("ensemble-member-missing", ensemble('members = ["model.skops", "nowhere.skops"]')),
    ("ensemble-member-outside", ensemble('members = ["model.skops", "../rival.skops"]')),
    ("ensemble-absolute", ensemble('members = ["model.skops", "/etc/passwd"]')),
    ("ensemble-of-ensembles", ensemble('members = ["model.skops", "x.ensemble.toml"]')),
    ("ensemble-how", ensemble('members = ["model.skops", "rival.skops"]\nhow = "median"')),
    ("ensemble-weights-count", ensemble('members = ["model.skops", "rival.skops"]\nhow = "weighted"\nweights = [1.0]')),
    (
        "ensemble-weights-negative",
        ensemble('members = ["model.skops", "rival.skops"]\nhow = "weighted"\nweights = [1.0, -1.0]'),
    ),
    (
        "ensemble-weights-text",
        ensemble('members = ["model.skops", "rival.skops"]\nhow = "weighted"\nweights = ["a", "b"]'),
    ),
    (
        "ensemble-weights-nan",
        ensemble('members = ["model.skops", "rival.skops"]\nhow = "weighted"\nweights = [nan, 1.0]'),
    ),
    ("ensemble-huge", ensemble("# " + "x" * 70_000)),
    ("ensemble-members-text", ensemble('members = "model.skops"')),
    ("ensemble-classes", lambda p: ["ensemble", p.model, p.copy("four.skops"), "--data", p.data]),
    ("ensemble-nothing-to-do", lambda p: ["ensemble", p.model, p.rival]),
    ("ensemble-out-no-definition", lambda p: ["ensemble", p.model, p.rival, "--out", p.out("a.toml")]),
    ("ensemble-out-elsewhere", lambda p: ["ensemble", p.model, p.rival, "--out", p.out("a.ensemble.toml")]),
    ("ensemble-out-there", lambda p: ["ensemble", p.model, p.rival, "--out", p.write("a.ensemble.toml", "x")]),
    (
        "ensemble-weights-option",
        lambda p: ["ensemble", p.model, p.rival, "--data", p.data, "--how", "weighted", "--weights", "a,b"],
    ),
    ("ensemble-weights-missing", lambda p: ["ensemble", p.model, p.rival, "--data", p.data, "--how", "weighted"]),
    ("ensemble-how-option", lambda p: ["ensemble", p.model, p.rival, "--data", p.data, "--how", "median"]),
    ("ensemble-single", lambda p: ["ensemble", p.model, "--data", p.data]),
    (
        "ensemble-init",
        lambda p: [
            "init",
            p.definition('members = ["model.skops", "rival.skops"]'),
            "--data",
            p.data,
            "--out",
            p.out("a.toml"),
        ],
    ),
    ("names-missing", lambda p: ["evaluate", p.model, "--data", p.data, "--class-names", "nowhere.json"]),
    ("names-no-json", names("{")),
    ("names-number", names("3")),
    ("names-empty", names("[]")),
    ("names-count", names('["a", "b"]')),
    ("names-nested", names('[["a"], {"b": 1}, null]')),
    ("names-gap", names('{"0": "a", "2": "b", "7": "c"}')),
    ("names-binary", names(b"\xff\xfe\xff")),
    ("names-deep", names("[" * 50_000)),
    ("names-huge", names(b" " * (16 * 2**20 + 1))),
    ("names-twice", names('["a", "a", "b"]')),
    ("names-blank-file", names("\n\n", "names.txt")),
    ("names-option-count", lambda p: ["evaluate", p.model, "--data", p.data, "--class-names", "a,b"]),
    ("names-option-blank", lambda p: ["evaluate", p.model, "--data", p.data, "--class-names", "a,,c"]),
    ("names-folder", lambda p: ["evaluate", p.model, "--data", p.data, "--class-names", p.folder("n.json")]),
)
LEGAL = (
    (
        "names-strange-to-data",
        lambda p: [
            "evaluate",
            p.model,
            "--data",
            p.npz(x=IMAGES, y=np.array(["x", "y", "z"])[LABELS]),
            "--class-names",
            "a,b,c",
        ],
    ),
    ("card-huge", card("title = '" + "x" * 3_000_000 + "'")),
    ("card-empty", card("")),
    ("card-title-unicode", card('title = "Модель – 1"')),
    ("skops-named-h5", lambda p: ["evaluate", p.copy("model.skops", "m.h5"), "--data", p.data]),
    ("h5-named-keras", lambda p: ["inspect", p.copy("net.h5", "m.keras")]),
    ("h5-no-ending", lambda p: ["inspect", p.copy("net.h5", "m")]),
    ("model-odd-path", lambda p: ["evaluate", p.copy("model.skops", "mo del\n'é\".skops"), "--data", p.data]),
    (
        "model-dash",
        leading_dash,
    ),
    ("same-model-twice", lambda p: ["evaluate", p.model, p.model, "--data", p.data]),
)
