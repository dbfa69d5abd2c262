"""The sets that Keras fetches: read where they lie, fetched with a network, and asked for in one line without one."""

from __future__ import annotations

import inspect
import socket
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from diag import load_dataset
from diag._lazy import import_keras
from diag.errors import DataError
from diag.io.readers import builtin

FETCHED = [name for name in builtin.NAMES if name != "digits"]
SERVER = "http://127.0.0.1"  # this machine: no network is needed to be told that nobody listens


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of Keras's own, and no server that has the files."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, files in list(builtin._FILES.items()):
        monkeypatch.setitem(builtin._FILES, name, replace(files, origin=f"{SERVER}:{port}/{name}"))
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


def stand_in(path, n=60):
    """Write a file as Keras keeps MNIST, of `n` images for testing; return their labels."""
    x, y = np.random.default_rng(0).integers(0, 256, (n + 4, 28, 28), dtype=np.uint8), np.arange(n + 4) % 10
    np.savez(path, x_train=x[n:], y_train=y[n:], x_test=x[:n], y_test=y[:n])
    return y[:n].tolist()


def test_names_and_addresses_are_kerass_own():
    """Expected from Keras's own code: what it fetches, and what it calls that."""
    source = {
        name: inspect.getsource(inspect.getmodule(getattr(import_keras().datasets, name).load_data)) for name in FETCHED
    }
    for name, code in source.items():
        folder, _, file = builtin._FILES[name].origin.rpartition("/")
        assert f"{folder}/" in code, name
        assert file in code, name
    assert 'path="mnist.npz"' in source["mnist"]
    assert all(f'"{file}"' in source["fashion_mnist"] for file in builtin._IDX)
    assert 'os.path.join("datasets", "fashion-mnist")' in source["fashion_mnist"]
    for name in ("cifar10", "cifar100"):  # Keras adds _archive to a name without a dot
        assert f'"{builtin._FILES[name].said.removesuffix("_archive")}"' in source[name]


@pytest.mark.parametrize("name", FETCHED)
def test_without_file_and_network_one_line_says_what_to_do(name, home, monkeypatch):
    monkeypatch.setattr(builtin, "import_keras", lambda: pytest.fail("TensorFlow is not needed to know that"))
    started = time.monotonic()
    with pytest.raises(DataError, match="could not be fetched \\(Connection refused\\)") as caught:
        load_dataset(name)
    said = str(caught.value)
    files = builtin._FILES[name]
    assert time.monotonic() - started < builtin._SECONDS
    assert said.startswith(f"{name}: expected {files.said} in {home / files.folder}. Received: nothing there")
    assert f"Take it from {files.origin}" in said
    assert "pass --data with a .npz of your own" in said
    assert ("--data digits" in said) == (name == "mnist")  # the others show no digits


def test_a_download_that_fails_midway_says_the_same(home, monkeypatch):
    def fail():
        raise Exception("URL fetch failure on https://...: None -- the line was cut")

    monkeypatch.setattr(builtin, "_unreachable", lambda origin: "")
    monkeypatch.setattr(import_keras().datasets.cifar10, "load_data", fail)
    with pytest.raises(DataError, match=r"fetched \(the line was cut\).*--data with a .npz"):
        load_dataset("cifar10")


def test_an_answer_of_any_kind_is_a_server_that_is_there(tmp_path):
    file = tmp_path / "mnist.npz"
    file.write_bytes(b"")
    assert builtin._unreachable(file.as_uri()) == ""
    assert "No such file" in builtin._unreachable((tmp_path / "other").as_uri())


def test_with_a_network_keras_fetches_once(home, monkeypatch):
    """A stand-in for Keras's download: a file of this machine, put where Keras would put it."""
    calls = []

    def load_data():
        print("Downloading: 100%")
        calls.append(stand_in(home / "mnist.npz"))
        with np.load(home / "mnist.npz") as kept:
            return tuple((kept[f"x_{part}"], kept[f"y_{part}"]) for part in ("train", "test"))

    monkeypatch.setattr(builtin, "_unreachable", lambda origin: "")
    monkeypatch.setattr(import_keras().datasets.mnist, "load_data", load_data)
    first, again = load_dataset("mnist"), load_dataset("mnist")
    assert len(calls) == 1
    assert first.labels.tolist() == again.labels.tolist() == calls[0]
    assert first.digest == again.digest  # what was kept of the first is found by the second


def test_a_download_writes_nothing_to_standard_output(home, monkeypatch, capsys):
    part = np.zeros((2, 32, 32, 3), np.uint8), np.array([[3], [9]])

    def load_data():
        print("Downloading: 100%")
        return part, part

    monkeypatch.setattr(builtin, "_unreachable", lambda origin: "")
    monkeypatch.setattr(import_keras().datasets.cifar10, "load_data", load_data)
    data = load_dataset("cifar10")
    assert capsys.readouterr().out == ""
    assert [data.class_names[label] for label in data.labels] == ["cat", "truck"]  # 3 and 9 in CIFAR-10's list


@pytest.mark.parametrize("file", ["cifar-10-batches-py-target_archive", "cifar-10-batches-py"])
def test_kerass_files_are_left_to_keras(file, home, monkeypatch):
    part = np.zeros((1, 32, 32, 3), np.uint8), np.array([[1]])
    monkeypatch.setattr(import_keras().datasets.cifar10, "load_data", lambda: (part, part))
    (home / file).touch()
    assert load_dataset("cifar10").labels.tolist() == [1]


def test_mnist_in_kerass_cache_needs_no_tensorflow(home):
    labels = stand_in(home / "mnist.npz", 3)
    code = (
        "import sys, diag; d = diag.load_dataset('mnist')\n"
        "print(d.labels.tolist(), d.images.shape, 'tensorflow' in sys.modules)"
    )
    environment = {"KERAS_HOME": str(home.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{labels} (3, 28, 28, 1) False"


def test_mnist_is_the_same_from_kerass_cache_and_as_a_file(home):
    labels = stand_in(home / "mnist.npz")
    kept, named = load_dataset("mnist"), load_dataset(str(home / "mnist.npz"))
    assert kept.labels.tolist() == named.labels.tolist() == labels
    np.testing.assert_array_equal(kept.images[:], named.images[:])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"\x80\x04K\x01."])
def test_a_damaged_mnist_in_kerass_cache_is_one_line(home, content):
    (home / "mnist.npz").write_bytes(content)
    with pytest.raises(DataError, match="Delete the file and try again"):
        load_dataset("mnist")
