"""Names of classes, by hand and from files; and the order that they give to the labels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from diag.errors import DataError
from diag.io.class_names import class_names_from
from diag.io.datasets import load_dataset
from tests.io.written import X, Y, class_folders


@pytest.mark.parametrize(
    "content",
    [["cat", "dog"], {"0": "cat", "1": "dog"}, {"dog": 1, "cat": 0}, {"1": ["n02084071", "dog"], "0": ["n1", "cat"]}],
)
def test_json_lists_and_mappings(tmp_path, content):
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert class_names_from(tmp_path / "a.json") == ("cat", "dog")
    assert class_names_from(content) == ("cat", "dog")


def test_texts(tmp_path):
    (tmp_path / "a.txt").write_text("cat\n\n dog \n")
    assert class_names_from(str(tmp_path / "a.txt")) == ("cat", "dog")
    assert class_names_from("cat, dog") == ("cat", "dog")


@pytest.mark.parametrize(
    "content", ["", "[", "{}", "[]", '"cat"', '{"a": 1, "b": 2}', '{"0": "a", "2": "b"}', "[[], 1.5]"]
)
def test_wrong_files_are_one_line(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json") as caught:
        class_names_from(tmp_path / "a.json")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"b\.json"):
        class_names_from(tmp_path / "b.json")


def test_names_given_for_numbers():
    data = load_dataset((X, Y), class_names="ant,bee,cow")
    assert data.class_names == ("ant", "bee", "cow")
    assert data.labels.tolist() == Y.tolist()
    with pytest.raises(DataError, match=r"name for each of 3 classes\. Received: 2 names"):
        load_dataset((X, Y), class_names=["ant", "bee"])


def test_names_given_for_names_order_them():
    labels = np.array(["ant", "bee", "cow"])[Y]
    data = load_dataset((X, labels), class_names=["cow", "ant", "bee", "dog"])
    assert data.class_names == ("cow", "ant", "bee", "dog")
    assert [data.class_names[label] for label in data.labels] == labels.tolist()
    with pytest.raises(DataError, match="class 'cow' is not among"):
        load_dataset((X, labels), class_names=["ant", "bee", "dog"])
    assert load_dataset((X, labels), class_names=["x", "y", "z"]).class_names == ("x", "y", "z")


def test_folders_that_are_numbers_are_named_by_them(tmp_path):
    """Folders stand in the order of their names, 0, 1, 10, 2, as Keras numbers them; names are looked up by number."""
    names = [f"class {number}" for number in range(11)]
    folder = class_folders(tmp_path, X[:11], np.arange(9))
    (folder / "10").mkdir()
    (folder / "8" / "8.png").rename(folder / "10" / "8.png")
    data = load_dataset(folder, class_names=names)
    assert data.class_names[:4] == ("class 0", "class 1", "class 10", "class 2")
    assert data.labels[data.sample_names.index("10/8.png")] == 2


def test_a_file_in_the_data_folder_is_used_and_said(tmp_path):
    folder = class_folders(tmp_path, X, np.array(["ant", "bee", "cow"])[Y])
    (folder / "class_indices.json").write_text('{"cow": 0, "bee": 1, "ant": 2}')
    data = load_dataset(folder)
    assert data.class_names == ("cow", "bee", "ant")
    assert data.labels.tolist() == [2 - label for label in Y]
    assert data.notes[-1] == "Names and order of the classes come from class_indices.json."
    (folder / "class_indices.json").write_text('{"cow": 0, "bee": 1}')
    assert "was not used" in load_dataset(folder).notes[-1]
    assert load_dataset(folder, class_names=["cow", "ant", "bee"]).class_names == ("cow", "ant", "bee")


def test_a_file_beside_an_array_must_fit_it_exactly(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    plain = load_dataset(tmp_path / "a.npz")
    (tmp_path / "labels.txt").write_text("ant\nbee\ncow")
    named = load_dataset(tmp_path / "a.npz")
    assert named.class_names == ("ant", "bee", "cow")
    assert named.digest != plain.digest
    (tmp_path / "labels.txt").write_text("ant\nbee\ncow\ndog")
    assert load_dataset(tmp_path / "a.npz").class_names == ("0", "1", "2")


def test_the_command_line_takes_names_and_arrays_inside_files(tmp_path):
    import h5py
    from click.testing import CliRunner

    from diag._lazy import import_keras
    from diag.cli import cli
    from tests.fakes import save_model

    layers = import_keras().layers
    save_model(tmp_path / "m.keras", [layers.Flatten(), layers.Dense(3, activation="softmax")], (5, 5, 1))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["pictures"], file["kinds"] = X, Y
    (tmp_path / "names.json").write_text('{"ant": 0, "bee": 1, "cow": 2}')
    names = ["--class-names", str(tmp_path / "names.json")]
    data = ["--data", f"{tmp_path / 'a.h5'}::pictures,kinds"]
    done = CliRunner().invoke(cli, ["evaluate", str(tmp_path / "m.keras"), *data, *names, "--json"])
    assert done.exit_code == 0, done.output
    assert '"bee"' in done.output
    assert "pictures (9, 5, 5), labels kinds" in done.output
