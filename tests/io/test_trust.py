"""Files that hold code: refused at once, described without being run, and loaded only by a user who trusts them."""

from __future__ import annotations

import json
import sys
import zipfile

import numpy as np
import pytest

import diag
from diag.cli import main
from diag.errors import UnsafeModelError
from diag.io.audit import audit
from tests.io.test_audit import dense, layer, sequential, write_h5

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture
def marked(tmp_path):
    """A model with a Lambda layer that makes a file when it is built, and the file."""
    import keras

    marker = tmp_path / "MARKER"

    leave = eval(f"lambda x: (open({str(marker)!r}, 'w').close(), x * 2.0)[1]")  # noqa: S307 - the path is to stand in its code
    leave = keras.layers.Lambda(leave, name="leave")
    model = keras.Sequential([keras.Input((4,)), leave, keras.layers.Dense(3)])
    path = tmp_path / "code.keras"
    model.save(path)
    marker.unlink()
    return path, marker, model


def test_what_it_would_run_is_said_without_running_it(marked):
    path, marker, _ = marked
    file = audit(path)
    assert len(file.code) == 1
    assert file.code[0].startswith("layer 'leave': Python code that uses open, close")
    assert "'leave' is a Lambda" in file.refusal
    assert not marker.exists()


def test_it_is_refused_when_it_is_loaded_not_when_it_is_asked(marked):
    path, marker, _ = marked
    with pytest.raises(UnsafeModelError, match="'leave' is a Lambda layer"):
        diag.load_model(path)
    assert not marker.exists()


def test_who_trusts_it_gets_it_and_is_told_first(marked, capfd):
    path, marker, model = marked
    loaded = diag.load_model(path, trust=True)
    said = capfd.readouterr().err
    assert "code.keras is trusted and loaded without isolation. This is run or used:" in said
    assert "layer 'leave': Python code that uses open, close" in said
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(loaded.ask(x), np.asarray(model(x)), rtol=1e-5)
    assert marker.exists()  # it ran, as it was told
    diag.load_model(path, trust=True)
    assert capfd.readouterr().err == ""  # once is enough


def test_trust_does_not_change_how_a_harmless_file_is_loaded(tmp_path, capfd):
    path = write_h5(tmp_path / "a.h5", sequential(dense("d", 3, batch_input_shape=[None, 4])), {"d": {
        "d/kernel:0": np.ones((4, 3)), "d/bias:0": np.zeros(3)}})  # fmt: skip
    assert not diag.load_model(path, trust=True).file.trusted
    assert capfd.readouterr().err == ""


def test_a_class_of_the_users_is_named_with_its_module(tmp_path):
    own = {**layer("Scale", "s", factor=2), "module": "mine.layers", "registered_name": "mine>Scale"}
    path = write_h5(tmp_path / "a.h5", sequential(own, dense("d", 3)), {}, keras=3)
    assert audit(path).code == ("layer 's': class mine.layers.Scale",)


def test_inspect_shows_everything_and_ends_with_status_1(marked, monkeypatch, capsys):
    path, marker, _ = marked
    monkeypatch.setattr(sys, "argv", ["diag", "inspect", str(path), "--json"])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert caught.value.code == 1
    shown = json.loads(out)
    assert shown["would_run"][0].startswith("layer 'leave'")
    assert [row["type"] for row in shown["layers"]] == ["InputLayer", "Lambda", "Dense"]
    assert err.startswith("error: code.keras: layer 'leave' is a Lambda layer")
    assert err.count("\n") == 1
    assert not marker.exists()


def test_foreign_classes_in_an_estimator(tmp_path):
    foreign = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}
    schema = {"__class__": "LogisticRegression", "__module__": "sklearn.linear_model", "content": {"content": foreign}}
    with zipfile.ZipFile(tmp_path / "a.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    assert audit(tmp_path / "a.skops").code == ("class os.system",)
    with pytest.raises(UnsafeModelError, match=r"not known to be harmless \(class os\.system\)"):
        diag.load_model(tmp_path / "a.skops")
