"""Options that are wrong or contradict each other, and places that cannot be written."""

from __future__ import annotations

import numpy as np

from tests.bad_inputs.place import IMAGES, LABELS, Place

WRITERS = {
    "report": lambda p, out: ["report", p.model, "--data", p.data, "--no-explain", "--no-checks", "--out", out],
    "compare": lambda p, out: ["compare", p.model, p.rival, "--data", p.data, "--out", out],
    "junit": lambda p, out: [
        "compare",
        p.model,
        p.rival,
        "--data",
        p.data,
        "--fail-if",
        "accuracy < 10%",
        "--junit",
        out,
    ],
    "labels": lambda p, out: ["labels", p.model, "--data", p.data, "--out", out],
    "explain": lambda p, out: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "0", "--out", out],
    "predict": lambda p, out: ["predict", p.model, "--data", p.data, "--out", out],
    "pseudo-label": lambda p, out: ["pseudo-label", p.model, "--data", p.data, "--calibrate", p.data, "--out", out],
    "ensemble": lambda p, out: ["ensemble", p.model, p.rival, "--out", out],
    "init": lambda p, out: ["init", p.model, "--data", p.data, "--out", out],
    "convert": lambda p, out: ["convert", p.copy("net.h5"), out],
    "demo": lambda p, out: ["demo", "--no-checks", "--explain", "0", "--out", out],
}
ENDINGS = {"report": ".html", "compare": ".html", "junit": ".xml", "explain": ".png", "ensemble": ".ensemble.toml",
           "init": ".toml", "convert": ".keras", "demo": ".html"}  # fmt: skip


def ending(name):
    return ENDINGS.get(name, ".csv")


def missing_folder(name):
    return lambda p: WRITERS[name](p, p.out(f"no/such/a{ending(name)}"))


def read_only(name):
    """A folder that nobody can write to, root neither."""
    return lambda p: WRITERS[name](p, f"/proc/self/task/a{ending(name)}")


def taken_by_folder(name):
    return lambda p: WRITERS[name](p, p.folder(f"out/a{ending(name)}"))


def below_a_file(name):
    return lambda p: WRITERS[name](p, p.write("out/file", "x") + f"/a{ending(name)}")


def wrong_ending(name):
    return lambda p: WRITERS[name](p, p.out("a.npz" if name != "explain" else "a.pdf"))


def too_long(name):
    return lambda p: WRITERS[name](p, p.out("x" * 300 + ending(name)))


def onto_data(command, *options):
    return lambda p: [
        command,
        p.model,
        "--data",
        p.write("d.csv", "label,p0,p1,p2,p3\n1,2,3,4,5\n"),
        "--out",
        str(p.root / "d.csv"),
        *options,
    ]


def init_data_elsewhere(place: Place) -> list[str]:
    place.folder("models")
    return ["init", place.copy("model.skops", "models/model.skops"), "--data", place.data]


def evaluate(*options, **arrays):
    return lambda p: ["evaluate", p.model, "--data", p.npz(**arrays), *options]


def gate(condition, *options):
    return lambda p: ["compare", p.model, p.rival, "--data", p.data, "--fail-if", condition, *options]


CASES = (
    *((f"{name}-out-no-folder", missing_folder(name)) for name in WRITERS),
    *((f"{name}-out-read-only", read_only(name)) for name in WRITERS),
    *((f"{name}-out-is-a-folder", taken_by_folder(name)) for name in WRITERS),
    *((f"{name}-out-below-a-file", below_a_file(name)) for name in WRITERS),
    *((f"{name}-out-ending", wrong_ending(name)) for name in WRITERS),
    *((f"{name}-out-too-long", too_long(name)) for name in WRITERS),
    ("predict-out-is-the-data", onto_data("predict")),
    ("labels-out-is-the-data", onto_data("labels")),
    ("report-out-device", lambda p: WRITERS["report"](p, "/dev/null")),
    ("report-out-empty", lambda p: WRITERS["report"](p, "")),
    ("report-explain-negative", lambda p: ["report", p.model, "--explain", "-1"]),
    ("report-background-zero", lambda p: ["report", p.model, "--background", "0"]),
    ("report-background-word", lambda p: ["report", p.model, "--background", "kmeans:x"]),
    ("report-seed-word", lambda p: ["report", p.model, "--seed", "x"]),
    ("report-seed-negative", lambda p: ["report", p.model, "--data", p.data, "--seed", "-1"]),
    ("labels-seed-negative", lambda p: ["labels", p.model, "--data", p.data, "--seed", "-1"]),
    ("trust-seed-negative", lambda p: ["trust", p.copy("net.h5"), "--data", p.data, "--seed", "-1"]),
    ("doctor-seed-negative", lambda p: ["doctor", p.model, "--data", p.data, "--seed", "-1"]),
    ("doctor-n-one", lambda p: ["doctor", p.model, "--data", p.data, "--n", "1"]),
    ("explain-index-negative", lambda p: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "-1"]),
    ("explain-index-beyond", lambda p: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "30"]),
    ("explain-no-index", lambda p: ["explain", p.copy("net.h5"), "--data", p.data]),
    (
        "explain-outputs-word",
        lambda p: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "0", "--outputs", "best"],
    ),
    (
        "explain-outputs-beyond",
        lambda p: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "0", "--outputs", "1,9"],
    ),
    (
        "explain-tolerance",
        lambda p: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "0", "--tolerance", "1.5"],
    ),
    ("explain-memory", lambda p: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "0", "--max-memory", "0"]),
    (
        "explain-npz-two",
        lambda p: [
            "explain",
            p.copy("net.h5"),
            p.copy("logits.h5"),
            "--data",
            p.data,
            "--index",
            "0",
            "--out",
            "a.npz",
        ],
    ),
    ("explain-target", lambda p: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "0", "--target", "odds"]),
    (
        "explain-outputs-gap",
        lambda p: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "0", "--outputs", "1,,2"],
    ),
    ("explain-index-huge", lambda p: ["explain", p.copy("net.h5"), "--data", p.data, "--index", "9" * 30]),
    ("option-label-column-dashes", lambda p: ["evaluate", p.model, "--data", p.data, "--label-column=--5"]),
    ("option-input-shape-digits", lambda p: ["evaluate", p.copy("net.h5"), "--data", p.data, "--input-shape", "²x5"]),
    ("option-train-empty", lambda p: ["report", p.model, "--data", p.data, "--train", ""]),
    ("option-class-names-blank", evaluate("--class-names", " ")),
    ("trust-n-zero", lambda p: ["trust", p.copy("net.h5"), "--data", p.data, "--n", "0"]),
    ("option-scale", evaluate("--scale", "half")),
    ("option-scale-inf", evaluate("--scale", "inf")),
    ("option-std-zero", evaluate("--std", "0")),
    ("option-mean-count", evaluate("--mean", "1,2,3,4")),
    ("option-mean-word", evaluate("--mean", "a,b")),
    ("option-resize", evaluate("--resize", "5")),
    ("option-resize-zero", evaluate("--resize", "0x5")),
    ("option-resize-other", evaluate("--resize", "9x9")),
    ("option-channels", evaluate("--channels", "2")),
    ("option-layout", evaluate("--layout", "sideways")),
    ("option-layout-misfit", evaluate("--layout", "channels_first")),
    ("option-split", evaluate("--split", "")),
    ("option-unknown", evaluate("--sclae", "1")),
    ("option-no-value", lambda p: ["evaluate", p.model, "--data"]),
    ("command-unknown", lambda p: ["evalute", p.model]),
    ("cache-unknown", lambda p: ["cache", "empty"]),
    ("cache-argument", lambda p: ["cache", "clear", "now"]),
    ("compare-one", lambda p: ["compare", p.model, "--data", p.data]),
    (
        "compare-three-gate",
        lambda p: ["compare", p.model, p.rival, p.copy("wide.skops"), "--data", p.data, "--fail-if", "accuracy drops"],
    ),
    ("compare-classes", lambda p: ["compare", p.model, p.copy("four.skops"), "--data", p.data]),
    ("compare-junit-alone", lambda p: ["compare", p.model, p.rival, "--data", p.data, "--junit", "a.xml"]),
    ("compare-junit-is-out", lambda p: [*gate("accuracy drops 1pp")(p), "--junit", "a", "--out", "a"]),
    ("gate-empty", gate("")),
    ("gate-word", gate("better")),
    ("gate-metric", gate("acuracy drops 1pp")),
    ("gate-unit", gate("accuracy drops 5 apples")),
    ("gate-p", gate("accuracy drops 1pp p<2")),
    ("gate-p-word", gate("accuracy drops 1pp p<small")),
    ("gate-class", gate("recall[zebra] drops 1pp")),
    ("gate-trailing", gate("accuracy drops 1pp and more")),
    ("gate-control", gate("accuracy\x1b[31m drops\u202e")),
    ("gate-long", gate("accuracy drops " + "9" * 10_000)),
    ("evaluate-two-models-differ", lambda p: ["evaluate", p.model, p.copy("four.skops"), "--data", p.data]),
    ("pseudo-no-calibrate", lambda p: ["pseudo-label", p.model, "--data", p.data]),
    (
        "pseudo-max-error",
        lambda p: ["pseudo-label", p.model, "--data", p.data, "--calibrate", p.data, "--max-error", "1"],
    ),
    (
        "pseudo-calibrate-unlabelled",
        lambda p: ["pseudo-label", p.model, "--data", p.data, "--calibrate", p.npz("u.npz", x=IMAGES)],
    ),
    ("pseudo-data-missing", lambda p: ["pseudo-label", p.model, "--data", "nowhere", "--calibrate", p.data]),
    ("predict-missing", lambda p: ["predict", p.model, "--data", "nowhere.npz"]),
    ("predict-id-start", lambda p: ["predict", p.model, "--data", p.data, "--id-start", "one"]),
    ("init-there", lambda p: ["init", p.model, "--data", p.data, "--out", p.write("a.toml", "title='x'")]),
    ("init-unlabelled", lambda p: ["init", p.model, "--data", p.npz(x=IMAGES)]),
    ("demo-folder-missing", lambda p: ["demo", "--models", "nowhere"]),
    ("demo-folder-empty", lambda p: ["demo", "--models", p.folder("none")]),
    ("demo-folder-file", lambda p: ["demo", "--models", p.model]),
    ("report-unlabelled", lambda p: ["report", p.model, "--data", p.npz(x=IMAGES)]),
    ("trust-unlabelled-index", lambda p: ["trust", p.copy("net.h5"), "--data", p.npz(x=IMAGES[:0], y=LABELS[:0])]),
    (
        "doctor-train-other-size",
        lambda p: [
            "doctor",
            p.model,
            "--data",
            p.data,
            "--train",
            p.npz("t.npz", x=np.zeros((9, 8, 8), np.uint8), y=np.arange(9) % 3),
        ],
    ),
)
LEGAL = (
    (
        "report-odd-out",
        lambda p: [
            "report",
            p.model,
            "--data",
            p.data,
            "--no-explain",
            "--no-checks",
            "--out",
            p.out("a b\nü'\".html"),
        ],
    ),
    ("labels-dash-out", lambda p: ["labels", p.model, "--data", p.data, "--out=-a.csv"]),
    ("predict-no-ending", lambda p: ["predict", p.model, "--data", p.data, "--out", "answers"]),
    (
        "predict-formula",
        lambda p: ["predict", p.model, "--data", p.data, "--id-column", "=1+1", "--label-column", "@x"],
    ),
    ("predict-bytes-name", lambda p: ["predict", p.model, "--data", p.data, "--out", "caf\udce9.csv"]),
    ("cache-info", lambda p: ["cache", "info"]),
    ("gate-held", gate("accuracy < 10%")),
    (
        "compare-same-twice",
        lambda p: ["compare", p.model, p.model, "--data", p.data, "--fail-if", "accuracy drops 1pp"],
    ),
    ("init-data-elsewhere", init_data_elsewhere),
    ("init-good", lambda p: ["init", p.model, "--data", p.data]),
)
