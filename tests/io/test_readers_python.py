"""Objects of training code: data sets, sequences, loaders, generators, mappings and frames."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diag._lazy import import_keras, import_tensorflow
from diag.errors import DataError
from diag.io.datasets import load_dataset
from diag.io.readers import python_objects
from tests.io.written import NAMES, X, Y


def same(data):
    np.testing.assert_array_equal(data.images[:], X[..., None])
    assert data.labels.tolist() == Y.tolist()
    return data


def test_tf_data_batched_or_not():
    tf = import_tensorflow()
    whole = tf.data.Dataset.from_tensor_slices((X[..., None], Y))
    assert same(load_dataset(whole)).digest == same(load_dataset(whole.batch(4))).digest
    assert "9 images with labels were drawn into memory, in 3 steps" in load_dataset(whole.batch(4)).notes[0]
    same(load_dataset(whole.map(lambda x, y: {"image": x, "label": y})))
    same(load_dataset(whole.batch(4).map(lambda x, y: (x, tf.one_hot(y, 3)))))
    with pytest.raises(DataError, match=r"Pass steps=, or .take\(n\)"):
        load_dataset(whole.repeat())
    same(load_dataset(whole.batch(3).repeat(), steps=3))


def test_keras_sequences_and_generators():
    class Batches(import_keras().utils.PyDataset):
        @property
        def class_indices(self):
            return {"ant": 0, "cow": 2, "bee": 1}

        def __len__(self):
            return 3

        def __getitem__(self, number):
            return X[3 * number : 3 * number + 3], Y[3 * number : 3 * number + 3]

    assert same(load_dataset(Batches())).class_names == NAMES
    same(load_dataset((X[i : i + 5], Y[i : i + 5]) for i in (0, 5)))
    same(load_dataset(itertools.cycle([(X, Y)]), steps=1))
    same(load_dataset([(X[:5], Y[:5], np.ones(5)), (X[5:], Y[5:], np.ones(4))]))  # with sample weights


def test_items_as_torch_and_hugging_face_give_them():
    class Items:
        classes = NAMES

        def __len__(self):
            return 9

        def __getitem__(self, number):
            return Image.fromarray(X[number]), int(Y[number])

    assert same(load_dataset(Items())).class_names == NAMES
    same(load_dataset(list(zip(X, Y, strict=True))))
    same(load_dataset({"image": x, "label": y} for x, y in zip(X, Y, strict=True)))
    chw = [(np.repeat(x[None], 3, axis=0) / 255, 1) for x in X]
    assert load_dataset(chw).images.shape == (9, 5, 5, 3)
    assert load_dataset(iter(X[..., None])).labels is None


def test_mappings_and_frames():
    same(load_dataset({"x_test": X, "y_test": Y, "x_train": X[:2], "y_train": Y[:2]}))
    frame = pd.DataFrame(X.reshape(9, 25)).assign(label=[NAMES[label] for label in Y], site=list("abcabcabc"))
    data = same(load_dataset(frame))
    assert data.class_names == NAMES
    assert data.metadata["site"].tolist() == list("abcabcabc")
    assert load_dataset(frame.assign(label="x")).digest != data.digest


def test_what_is_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(python_objects, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match=r"at most 1,000 bytes.*after 5 steps.*pass steps="):  # 225 bytes a step
        load_dataset((X, Y) for _ in itertools.count())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (iter(()), "at least one image"),
        ([({"a": X, "b": X}, Y)], "several inputs"),
        ([(X[0], 1), (X[0][:3], 1)], "images of one shape"),
        (iter([{"text": 1}]), "'image' and 'label'"),
        (iter([(X[0], 1), X[1]]), "a label with every image"),
        ({"a": X, "b": X}, "several arrays"),
    ],
)
def test_refusals(source, said):
    with pytest.raises(DataError, match=said) as caught:
        load_dataset(source)
    assert "\n" not in str(caught.value)
