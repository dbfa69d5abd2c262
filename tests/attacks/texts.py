"""Small texts that are believed: model cards, definitions of ensembles, class names, architectures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.attacks.models import good2, keras_file, legacy_file
from tests.attacks.trap import Attack, Trap

MIB = 2**20
Text = str | bytes | Callable[[Trap], str | bytes]


def _write(path: Path, text: Text, trap: Trap) -> Path:
    made = text(trap) if callable(text) else text
    path.write_bytes(made if isinstance(made, bytes) else made.encode())
    return path


def _card(name: str, tries: str, text: Text, harmless: bool = False) -> Attack:
    def build(trap: Trap) -> Path:
        _write(trap.path("model.toml"), text, trap)
        return keras_file(trap.path("model.keras"))

    return Attack(f"card_{name}", tries, "ours", "card", build, harmless)


def _linked_card(target: str) -> Callable[[Trap], Path]:
    def build(trap: Trap) -> Path:
        path = trap.path("model.toml")
        os.mkfifo(path) if target == "pipe" else path.symlink_to(target or trap.canary / "secret.toml")
        return keras_file(trap.path("model.keras"))

    return build


_WIDE = "\x1b[2J\u202e" * 20_000
CARDS = (
    _card("nested", "lists in lists", "title = " + "[" * 100_000),
    _card("nested_closed", "lists in lists that close", "class_names = " + "[" * 5000 + "]" * 5000),
    _card("tables", "tables in tables", "a" + ".a" * 20_000 + " = 1"),
    _card("keys", "a million keys", lambda t: "\n".join(f"k{n} = 1" for n in range(400_000))),
    _card("digits", "a number of 100,000 digits", "[results]\naccuracy = " + "9" * 100_000),
    _card("large", "64 MB", lambda t: 'title = "' + "a" * 64 * MIB + '"'),
    _card("history_up", "a history above its folder", lambda t: f'history = "{os.path.relpath(t.canary, t.folder)}/'
          'secret.log"'),
    _card("history_absolute", "a history by its absolute path", lambda t: f'history = "{t.canary}/secret.log"'),
    _card("history_passwords", "the passwords", 'history = "../../../../../../../etc/passwd"'),
    _card("history_device", "a device", 'history = "/dev/zero"'),
    _card("history_device_log", "a device", 'history = "/dev/../dev/stdin"'),
    _card("history_url", "an address", lambda t: f'history = "{t.url}/a.log"'),
    _card("history_nul", "a byte of zero", 'history = "a\\u0000.log"'),
    _card("history_link", "a history that is a link to elsewhere", lambda t: (t.path("a.log").symlink_to(
        t.canary / "secret.log"), 'history = "a.log"')[1]),
    _card("data_url", "an address", lambda t: f'[data]\nsource = "{t.url}/a.npz"'),
    _card("data_url_csv", "an address", lambda t: f'[data]\nsource = "{t.url}/a.csv"'),
    _card("data_url_file", "an address of a file", lambda t: f'[data]\nsource = "file://{t.canary}/secret.npy"'),
    _card("data_device", "a device", '[data]\nsource = "/dev/zero"'),
    _card("data_up", "data above its folder", lambda t: f'[data]\nsource = "{os.path.relpath(t.canary, t.folder)}/'
          'secret.npy"'),
    _card("data_absolute", "data by their absolute path", lambda t: f'[data]\nsource = "{t.canary}/secret.npy"'),
    _card("data_link", "data that are a link to elsewhere", lambda t: (t.path("a.npy").symlink_to(
        t.canary / "secret.npy"), '[data]\nsource = "a.npy"')[1]),
    _card("data_home", "somebody's home", '[data]\nsource = "~/.ssh"'),
    _card("data_module", "code for data", '[data]\nsource = "evil_module:evil"'),
    _card("preprocessing_numbers", "numbers that are none", "[preprocessing]\nscale = 1e999\nmean = [nan, inf, -inf]"),
    _card("preprocessing_expression", "a call for a number", lambda t: '[preprocessing]\nscale = "__import__(\'os\').'
          f'system(\'touch {t.marker}\')"'),
    _card("preprocessing_power", "a number without end", '[preprocessing]\nscale = "9**9**9**9"'),
    _card("preprocessing_division", "a division by nothing", '[preprocessing]\nscale = "1/0"'),
    _card("preprocessing_resize", "pictures of 10**9 pixels a side",
        "[preprocessing]\nresize = [1000000000, 1000000000]"),
    _card("title", "a title that writes over the line", f'title = {json.dumps(_WIDE)}', harmless=True),
    _card("class_names", "names that write over the line", f"class_names = {json.dumps([_WIDE, '![](http://x)'])}",
          harmless=True),
    _card("class_names_numbers", "numbers, tables and lists for names", "class_names = [1, [2], {a = 3}]"),
    _card("unknown", "a key that is a whole text", f'{json.dumps(_WIDE)} = 1'),
    _card("utf16", "another encoding", 'title = "x"'.encode("utf-16")),
    _card("binary", "noise", bytes(range(256)) * 400),
    Attack("card_link", "a card that is a link to elsewhere", "ours", "card", _linked_card(""), opens=True,
        harmless=True),
    Attack("card_pipe", "a card that is a pipe", "ours", "card", _linked_card("pipe")),
    Attack("card_zeros", "a card that is a device", "ours", "card", _linked_card("/dev/zero")),
    Attack("card_folder", "a card that is a folder", "ours", "card",
           lambda t: (t.path("model.toml").mkdir(), keras_file(t.path("model.keras")))[1]),
)  # fmt: skip


def _ensemble(name: str, tries: str, text: Text, harmless: bool = False) -> Attack:
    def build(trap: Trap) -> Path:
        keras_file(trap.path("a.keras"))
        keras_file(trap.path("b.keras"))
        return _write(trap.path("both.ensemble.toml"), text, trap)

    return Attack(f"ensemble_{name}", tries, "ours", "ensemble", build, harmless)


def _linked(trap: Trap) -> str:
    trap.path("c.keras").symlink_to(trap.canary / "secret.keras")
    return 'members = ["a.keras", "c.keras"]'


def _linked_folder(trap: Trap) -> str:
    trap.path("more").symlink_to(trap.canary)
    return 'members = ["a.keras", "more/secret.keras"]'


ENSEMBLES = (
    _ensemble("absolute", "a member by its absolute path",
        lambda t: f'members = ["a.keras", "{t.canary}/secret.keras"]'),
    _ensemble("up", "a member above its folder", lambda t: 'members = ["a.keras", '
              f'"{os.path.relpath(t.canary, t.folder)}/secret.keras"]'),
    _ensemble("link", "a member that is a link to elsewhere", _linked),
    _ensemble("link_folder", "a folder that is a link to elsewhere", _linked_folder),
    _ensemble("itself", "an ensemble of itself", 'members = ["a.keras", "both.ensemble.toml"]'),
    _ensemble("url", "an address", lambda t: f'members = ["a.keras", "{t.url}/b.keras"]'),
    _ensemble("device", "a device", 'members = ["a.keras", "/dev/zero"]'),
    _ensemble("many", "one member 7,000 times", "members = [" + '"a.keras",' * 7000 + "]"),
    _ensemble("weights", "weights that are none",
        'how = "weighted"\nmembers = ["a.keras", "b.keras"]\nweights = [nan, inf]'),
    _ensemble("weights_large", "weights of 4,000 digits",
        'how = "weighted"\nmembers = ["a.keras", "b.keras"]\nweights = ['
              + "9" * 4000 + ", 1]"),
    _ensemble("nested", "lists in lists", "members = " + "[" * 30_000),
    _ensemble("dotted", "tables in tables", "members" + ".a" * 30_000 + " = 1"),
    _ensemble("large", "64 MB", lambda t: "#" * 64 * MIB),
    _ensemble("nul", "a byte of zero", 'members = ["a.keras", "b\\u0000.keras"]'),
    _ensemble("names", "names that write over the line", f'members = ["a.keras", {json.dumps(_WIDE[:9000])}]'),
    _ensemble("title", "a title that writes over the line", f'members = ["a.keras", "b.keras"]\ntitle = '
              f'{json.dumps(_WIDE[:9000])}', harmless=True),
    _ensemble("fifo", "a member that is a pipe", lambda t: (os.mkfifo(t.path("p.keras")),
                                                            'members = ["a.keras", "p.keras"]')[1]),
)  # fmt: skip


def _names(name: str, tries: str, text: Text, ending: str = "json", harmless: bool = False) -> Attack:
    return Attack(f"class_names_{name}", tries, "ours", "class_names",
                  lambda t: _write(t.path(f"names.{ending}"), text, t), harmless)  # fmt: skip


NAMES = (
    _names("nested", "lists in lists", "[" * 500_000),
    _names("nested_closed", "lists in lists that close", "[" * 900 + "]" * 900),
    _names("large", "a text of 64 MB", lambda t: '["' + "a" * 64 * MIB + '"]'),
    _names("objects", "objects that take a hundred times their text", "[" + "{}," * 5_000_000 + "{}]"),
    _names("many", "five million names", "[" + '"a",' * 3_500_000 + '"a"]', harmless=True),
    _names("digits", "a number of a million digits", "[" + "9" * 1_000_000 + "]"),
    _names("key_digits", "a number for a name", '{"' + "9" * 5000 + '": "cat"}'),
    _names("key_superscript", "a number that is none", '{"\u00b2": "cat", "\u0665": "dog"}'),
    _names("infinite", "numbers that are none", '{"cat": Infinity, "dog": NaN}'),
    _names("half_character", "half of a pair of characters", '["\\udc80", "a"]', harmless=True),
    _names("wide", "names that write over the line", json.dumps([_WIDE, "b"]), harmless=True),
    _names("lines", "a million lines", "a\n" * 1_000_000, "txt", harmless=True),
    _names("utf16", "another encoding", "cat\ndog\n".encode("utf-16"), "txt"),
    _names("binary", "noise", bytes(range(256)) * 100, "txt"),
)  # fmt: skip


def _architecture(name: str, tries: str, text: Text, harmless: bool = False) -> Attack:
    def build(trap: Trap) -> Path:
        legacy_file(trap.path("model.h5"), change=lambda file: file.attrs.pop("model_config"))
        return _write(trap.path("model.json"), text, trap)

    return Attack(f"architecture_{name}", tries, "ours", "architecture", build, harmless)


ARCHITECTURES = (
    _architecture("nested", "lists in lists", '{"class_name": "Sequential", "config": ' + "[" * 100_000),
    _architecture("text_in_text", "JSON in JSON that is cut off", '{"class_name": "Sequential", "config": "{"}'),
    _architecture("topology", "TensorFlow.js's wrapping without end", '{"modelTopology": ' * 900 + "{}" + "}" * 900),
    _architecture("wrong_topology", "a list for a model", '{"modelTopology": {"model_config": [1, 2]}}'),
    _architecture("large", "64 MB", lambda t: '{"a": "' + "a" * 64 * MIB + '"}'),
    _architecture("numbers", "a version of 4,000 digits", json.dumps({**good2(), "keras_version": 10**4000}),
                  harmless=True),
    _architecture("keras_0", "Keras before 1, in strange words", json.dumps({"layers": [{"name": "Dense",
        "output_dim": {
        "a": []}}, 7, None], "loss": [], "class_name": "Sequential", "config": None})),
    _architecture("utf16", "another encoding", json.dumps(good2()).encode("utf-16")),
    Attack("architecture_code", "the name of a file that looks like code", "ours", "architecture",
           lambda t: _named(t)),
)  # fmt: skip


def _named(trap: Trap) -> Path:
    """Write an architecture whose name, model:function, must not be imported though the file is there."""
    legacy_file(trap.path("model.h5"), change=lambda file: file.attrs.pop("model_config"))
    path = trap.path("evil_module:evil")
    path.write_text("nothing of the kind")
    return path
