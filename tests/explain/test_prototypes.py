"""Where classes look: mean maps by hand, ways of looking by what must hold, and a watermark that must come to light."""

from __future__ import annotations

import doctest
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import diag
from diag.errors import InvalidInputError
from diag.explain import prototypes as module
from diag.explain.prototypes import find_prototypes, mean_maps, prototypes
from diag.metrics.maps import block_sums
from diag.results import Attribution
from diag.results import prototypes as results
from diag.results.prototypes import location

CORNER = slice(23, 27)


def attribution_of(maps, y_pred=None, y_true=None, outputs=None, class_names=("a", "b", "c")):
    """Maps (n, h, w) of the predicted classes, or (n, h, w, k) of `outputs`, as an Attribution."""
    maps = np.asarray(maps, dtype=np.float32)
    n = len(maps)
    y_pred = np.zeros(n, np.int64) if y_pred is None else np.asarray(y_pred)
    outputs = y_pred[:, None] if outputs is None else np.asarray(outputs)
    zeros = np.zeros(outputs.shape)
    return Attribution(
        values=maps.reshape(*maps.shape[:3], 1, outputs.shape[1]), base_values=zeros,
        predictions=zeros.astype(np.float32),
        images=np.zeros((*maps.shape[:3], 1), np.float32), indices=np.arange(n) + 100, outputs=outputs,
        class_names=class_names, y_pred=y_pred, y_true=None if y_true is None else np.asarray(y_true),
        method="m", n_background=5, seed=3, model_name="net", model_digest="d",
    )  # fmt: skip


def two_places(n=40, few=8, seed=0):
    """Maps of 12 x 12: all have noise in the middle, the last `few` most of their map in the lower right corner."""
    rng = np.random.default_rng(seed)
    maps = np.zeros((n, 12, 12))
    maps[:, 4:8, 4:8] = rng.random((n, 4, 4)) + 0.2
    maps[n - few :, 10:, 10:] = 5 * (rng.random((few, 2, 2)) + 0.2)
    return maps


# Images of 1 x 2 pixels. The first two are right, the third is an "a" taken for "b"; its map of "a" is in column 1.
SMALL = np.array([[[[2.0, 9.0], [-4.0, 9.0]]], [[[4.0, 9.0], [0.0, 9.0]]], [[[1.0, 3.0], [-1.0, 1.0]]]])
SMALL_ARGUMENTS = {"y_pred": [0, 0, 1], "y_true": [0, 0, 0], "outputs": [[0, 2], [0, 2], [1, 0]]}


def test_mean_maps_by_hand():
    cells = mean_maps(attribution_of(SMALL, **SMALL_ARGUMENTS), by="cell")
    assert cells.groups == ("a (right)", "a taken for b")
    np.testing.assert_array_equal(cells.maps, [[[3, 2]], [[1, 1]]])  # (2 + 4) / 2, (|-4| + 0) / 2; |1|, |-1|
    np.testing.assert_array_equal(cells.signed, [[[3, -2]], [[1, -1]]])
    assert cells.counts.tolist() == [2, 1]
    assert cells.pairs.tolist() == [[0, 0], [0, 1]]
    frame = cells.frame()
    assert frame["absolute"].tolist() == [5, 2]
    assert frame["signed"].tolist() == [1, 0]
    assert frame["location"].tolist() == ["the left border", "the middle"]
    classes = mean_maps(attribution_of(SMALL, **SMALL_ARGUMENTS))
    np.testing.assert_allclose(classes.maps, [[[7 / 3, 5 / 3]]])
    assert (classes.groups, classes.pairs.tolist(), len(classes)) == (("a",), [[0, -1]], 1)
    taken = mean_maps(attribution_of(SMALL, **SMALL_ARGUMENTS), by="predicted")
    assert (taken.groups, taken.counts.tolist()) == (("taken for a", "taken for b"), [2, 1])
    assert (taken.model_name, taken.n_background, taken.seed, taken.by) == ("net", 5, 3, "predicted")


def test_the_contrast_of_errors_by_hand():
    # The error is "b rather than a": 1 - 3 and -1 - 1. What is right stays as it is.
    cells = mean_maps(attribution_of(SMALL, **SMALL_ARGUMENTS), by="cell", contrast=True)
    np.testing.assert_array_equal(cells.signed, [[[3, -2]], [[-2, -2]]])
    np.testing.assert_array_equal(cells.maps, [[[3, 2]], [[2, 2]]])


def test_channels_are_summed_before_anything_else():
    values = np.array([1.0, -1.0, 2.0, 1.0]).reshape(1, 1, 2, 2, 1).astype(np.float32)
    maps = mean_maps(replace(attribution_of(np.zeros((1, 1, 2))), values=values), by="predicted")
    np.testing.assert_array_equal(maps.maps, [[[0, 3]]])


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 12), seed=st.integers(0, 99))
def test_groups_add_up_to_all_images(n, seed):
    rng = np.random.default_rng(seed)
    maps, y_pred, y_true = rng.normal(size=(n, 3, 4)), rng.integers(0, 3, n), rng.integers(0, 3, n)
    for by in ("true", "predicted", "cell"):
        result = mean_maps(attribution_of(maps, y_pred, y_true), by)
        assert result.counts.sum() == n
        total = np.tensordot(result.counts, result.signed, axes=1)
        np.testing.assert_allclose(total, maps.sum(axis=0), atol=1e-5)
        assert (result.maps >= np.abs(result.signed) - 1e-12).all()


def test_images_without_a_class_of_the_model_are_left_out():
    attribution = attribution_of(np.ones((3, 2, 2)), [0, 1, 1], [-1, 1, 1])
    assert mean_maps(attribution).counts.tolist() == [2]
    assert mean_maps(attribution, "cell").groups == ("b (right)",)
    assert mean_maps(attribution, "predicted").counts.tolist() == [1, 2]


def test_refusals():
    small = attribution_of(SMALL, **SMALL_ARGUMENTS)
    for call, said in [
        (lambda: mean_maps(small, "best"), "'best'"),
        (lambda: mean_maps(small, contrast=True), "by='cell'"),
        (lambda: mean_maps(replace(small, y_true=None)), "by='predicted'"),
        (lambda: mean_maps(replace(small, y_true=np.array([-1, -1, -1]))), "at least one image"),
        (
            lambda: mean_maps(replace(small, y_true=np.array([0, 0, 2])), "cell", contrast=True),
            "class 'c' for image 102",
        ),
        (lambda: mean_maps(replace(small, y_pred=np.array([0, 1, 1]))), "class 'b' for image 101"),
        (lambda: prototypes(attribution_of(np.zeros((0, 2, 2)))), "at least one image"),
        (lambda: prototypes(attribution_of(np.full((1, 2, 2), np.nan))), "NaN"),
        (lambda: prototypes(small, side=0), "side"),
        (lambda: prototypes(small, n_clusters=4), r"1\.\.3"),
        (lambda: prototypes(small, n_clusters=0), r"1\.\.3"),
        (lambda: prototypes(small).members(1), r"0\.\.0"),
    ]:
        with pytest.raises(InvalidInputError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)


def spot(rows, columns, shape=(20, 30)):
    values = np.zeros(shape)
    values[rows, columns] = -2.0
    return values


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (spot(slice(8, 12), slice(12, 18)), "the middle"),
        (spot(slice(0, 3), slice(0, 3)), "the upper left corner"),
        (spot(slice(17, 20), slice(26, 30)), "the lower right corner"),
        (spot(slice(0, 2), slice(10, 20)), "the upper border"),
        (spot(slice(8, 12), slice(0, 1)), "the left border"),
        (spot(slice(12, 15), slice(13, 17)), "the lower part"),
        (spot(slice(5, 8), slice(19, 22)), "the upper right part"),
        (np.ones((20, 30)), "spread over the image"),
        (1 - np.pad(np.ones((18, 28)), 1), "the border all around"),
        (np.zeros((20, 30)), "nowhere"),
        (np.ones((1, 1)), "the middle"),
        # Half of the map counts: a third that is thinly spread elsewhere does not move it.
        (spot(slice(17, 20), slice(26, 30)) + 0.02, "the lower right corner"),
    ],
)
def test_locations_by_hand(values, said):
    assert location(values) == said


def test_eigengaps_by_hand():
    count = module._eigengap_count
    assert count(np.array([0, 0, 0, 0.4, 0.5])) == 3  # three parts that nothing links
    assert count(np.array([0, 0.3, 0.35, 0.4])) == 1
    assert count(np.array([0, 0.01, 0.04, 0.09, 0.16])) == 1  # a continuous line: squares
    assert count(np.zeros(9)) == 1
    assert count(np.array([0.0])) == 1


def test_the_laplacian_of_a_path_by_hand():
    # Three points on a line, one neighbour each: a path, whose normalised Laplacian has eigenvalues 0, 1, 2.
    points = np.array([[0.0], [1.0], [2.5]])
    values, _ = module._spectrum(module._squared_distances(points), 1, 9)
    np.testing.assert_allclose(values, [0, 1, 2], atol=1e-12)


def test_block_sums_keep_the_sum():
    maps = np.arange(2 * 5 * 7.0).reshape(2, 5, 7)
    small, factor = block_sums(maps, 4)
    assert factor == 2
    assert small.shape == (2, 3, 4)
    assert small[0, 0, 0] == 0 + 1 + 7 + 8
    np.testing.assert_allclose(small.sum(axis=(1, 2)), maps.sum(axis=(1, 2)))


def test_two_places_are_two_ways():
    found = prototypes(attribution_of(two_places()))
    assert found.labels.tolist() == [0] * 32 + [1] * 8
    assert found.sizes.tolist() == [32, 8]
    assert found.locations == ("the middle", "the lower right corner")
    assert found.outside == ("", "the lower right corner")
    images = ", ".join(str(number) for number in found.members(1)[:3])
    assert found.verdict() == (
        "2 ways of looking: 80% of the images (32 images) are judged by the middle; 20% (8 images) are judged by the "
        f"lower right corner, which is outside of where the other images are judged: look at images {images}"
    )
    assert found.members(1)[0] == found.medoids[1]
    assert sorted(found.members(1)) == list(range(132, 140))
    np.testing.assert_allclose(found.maps.sum(axis=(1, 2)), 1)
    np.testing.assert_allclose(found.shares, [0.8, 0.2])
    assert found.distances[found.medoids - 100].tolist() == [0, 0]
    np.testing.assert_allclose(found.spread, [found.distances[:32].mean(), found.distances[32:].mean()])
    assert found.frame().loc[1, ["size", "share", "outside"]].tolist() == [8, 0.2, "the lower right corner"]
    assert found.embedding.shape == (40, 2)
    assert (found.n_neighbors, found.method, found.model_digest) == (5, "m", "d")


def test_a_cluster_that_also_looks_elsewhere_is_named():
    maps = two_places()
    maps[-8:, 10:, 10:] *= 0.15
    found = prototypes(attribution_of(maps), n_clusters=2)
    assert found.sizes.tolist() == [32, 8]
    assert "(as asked for)" in found.verdict()
    assert "are judged by the middle and also by the lower right corner, which is outside" in found.verdict()


def test_three_places_and_zero_maps():
    maps = np.concatenate([two_places(60, 15), np.zeros((10, 12, 12)), two_places(30, 30)[:, ::-1, ::-1]])
    found = prototypes(attribution_of(maps))
    assert found.sizes.tolist() == [45, 30, 15, 10]
    assert found.locations == ("the middle", "the upper left corner", "the lower right corner", "nowhere")
    assert found.outside == ("", "the upper left corner", "the lower right corner", "")
    assert "are judged by no pixel at all (zero maps)" in found.verdict()
    assert found.maps[3].sum() == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [8, 30, 200])
def test_maps_without_structure_are_one_way(n, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    bump = np.exp(-((y - 7.5) ** 2 + (x - 7.5) ** 2) / 18)
    at = rng.normal(7.5, 1, (2, n, 1, 1))
    moved = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 18) + 0.1 * rng.random((n, 16, 16))
    noise = rng.normal(size=(n, 16, 16))
    for maps in (noise, np.exp(noise), bump * np.exp(noise), moved):
        found = prototypes(attribution_of(maps))
        assert found.verdict().startswith("one way of looking (no eigengap): the images are judged by")
        assert found.outside == ("",)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 50])
def test_zero_maps_and_few_images(n):
    found = prototypes(attribution_of(np.zeros((n, 6, 5))))
    assert len(found) == 1
    assert found.locations == ("nowhere",)
    assert ("no eigengap" in found.verdict()) == (n >= 8)
    assert "zero maps" in found.verdict()
    for array in (found.maps, found.embedding, found.spread, found.distances, found.eigenvalues):
        assert np.isfinite(array).all()
    assert prototypes(attribution_of(np.zeros((n, 6, 5))), n_clusters=min(n, 3)).sizes.sum() == n


def test_one_image_and_one_pixel():
    found = prototypes(attribution_of(two_places()[-1:]))
    assert found.verdict() == (
        "one way of looking (expected 8 images to tell more, got 1): the image is judged by the lower right corner"
    )
    assert found.medoids.tolist() == [100]
    assert np.isnan(found.eigengap)
    assert len(prototypes(attribution_of(np.ones((20, 1, 1))))) == 1


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 999), scale=st.floats(0.01, 100))
def test_neither_scale_nor_sign_nor_order_matters(seed, scale):
    maps = two_places(30, 9, seed)
    rng = np.random.default_rng(seed)
    found = prototypes(attribution_of(maps))
    signs = rng.choice([-1.0, 1.0], 30)[:, None, None] * scale
    assert prototypes(attribution_of(maps * signs)).labels.tolist() == found.labels.tolist()
    order = rng.permutation(30)
    assert prototypes(attribution_of(maps[order])).labels.tolist() == found.labels[order].tolist()


def test_deterministic_and_frozen():
    maps = attribution_of(np.random.default_rng(0).normal(size=(300, 28, 28)))
    first = prototypes(maps, n_clusters=4)
    again = prototypes(maps, n_clusters=4)
    assert first.labels.tolist() == again.labels.tolist()
    np.testing.assert_array_equal(first.embedding, again.embedding)
    assert (np.diff(first.sizes) <= 0).all()
    for array in (first.maps, first.labels, mean_maps(maps, "predicted").maps):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(FrozenInstanceError):
        first.side = 3


def test_the_examples_run():
    for home in (module, results):
        outcome = doctest.testmod(home)
        assert outcome.attempted
        assert not outcome.failed


def stamped(split, seed):
    """The digits, half of the images of class 3 with a bright patch of 4 x 4 pixels in the lower right corner."""
    data = diag.load_dataset("digits", split)
    images = np.asarray(data.images[:]).copy()
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(data.labels == 3))
    patched = np.zeros(len(images), dtype=bool)
    patched[rows[: len(rows) // 2]] = True
    images[patched, CORNER, CORNER] = 255
    return images, data.labels, patched


@pytest.fixture(scope="module")
def clever_hans(tmp_path_factory):
    """A network that has learned to take the patch for a 3, its evaluation, and which test images have the patch."""
    from diag._lazy import import_keras

    keras = import_keras()
    layers = keras.layers
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)), layers.Rescaling(1 / 255), layers.Conv2D(8, 4, strides=4, activation="relu"),
            layers.Flatten(), layers.Dense(10, activation="softmax"),
        ]
    )  # fmt: skip
    network.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    images, labels, _ = stamped("train", 0)
    network.fit(images, labels, epochs=10, batch_size=32, verbose=0)
    path = tmp_path_factory.mktemp("hans") / "hans.keras"
    network.save(path)
    images, labels, patched = stamped("test", 1)
    model = diag.load_model(path)
    return diag.evaluate(model, diag.load_dataset((images, labels)), progress=False), images, patched


def test_the_network_uses_the_patch(clever_hans):
    run, images, _ = clever_hans
    others = images[run.data.labels != 3]
    marked = others.copy()
    marked[:, CORNER, CORNER] = 255
    before, after = (run.model.predict_proba(batch)[:, 3].mean() for batch in (others, marked))
    assert before < 0.03
    assert after > 3 * before


def test_a_watermark_comes_to_light(clever_hans):
    run, _, patched = clever_hans
    found = find_prototypes(run, true=3)
    shares = [patched[found.indices[found.labels == cluster]].mean() for cluster in range(len(found))]
    marked = int(np.argmax(shares))
    assert len(found) >= 2
    assert shares[marked] > 0.9
    assert min(shares) < 0.1
    assert found.outside[marked] == "the lower right corner"
    assert [place for cluster, place in enumerate(found.outside) if cluster != marked] == [""] * (len(found) - 1)
    assert "lower right corner, which is outside of where the other images are judged" in found.verdict()
    assert patched[found.members(marked)[:3]].all()
    assert (found.group, found.available, found.data_digest) == ("3", 81, run.data.digest)


def test_a_class_without_a_watermark_is_not_suspected(clever_hans):
    run, _, _ = clever_hans
    for number in (0, 8):
        found = find_prototypes(run, predicted=number, n=60)
        assert not any(found.outside)
        assert "corner" not in found.verdict()
        assert (found.group, len(found.labels)) == (f"taken for {number}", 60)


def test_cells_draws_and_refusals(clever_hans):
    run, _, _ = clever_hans
    found = find_prototypes(run, true="8", predicted=8, n=5, background=10, seed=4)
    assert found.group == "8 (right)"
    assert len(found.labels) == 5
    assert found.available == len(run.cell(8, 8))
    assert set(found.indices) <= set(run.cell(8, 8))
    assert found.n_background == 10
    again = find_prototypes(run, true="8", predicted=8, n=5, background=10, seed=4)
    assert found.indices.tolist() == again.indices.tolist()
    for arguments, said in [
        ({}, "neither"),
        ({"true": 10}, r"0\.\.9"),
        ({"predicted": "x"}, "'x'"),
        ({"true": 1, "n": 0}, "at least 1 image"),
    ]:
        with pytest.raises(InvalidInputError, match=said):
            find_prototypes(run, **arguments)
    confusion = run.counts().confusion
    true, predicted = np.argwhere(confusion == 0)[0]
    with pytest.raises(InvalidInputError, match=f"'{true} taken for {predicted}'"):
        find_prototypes(run, true=int(true), predicted=int(predicted))
    true, predicted = np.argwhere((confusion > 0) & ~np.eye(10, dtype=bool))[0]
    errors = find_prototypes(run, true=int(true), predicted=int(predicted))
    assert sorted(errors.indices) == sorted(run.cell(true, predicted))
