"""The rules of DeepSHAP, layer by layer: against differences taken by hand, shap, formulas, and additivity."""

from __future__ import annotations

import numpy as np
import pytest

from diag._lazy import import_keras
from diag.errors import UnsupportedModelError
from tests.explain.small_models import (
    batches,
    graph,
    maps,
    one_at_a_time,
    shap_values,
    stack,
)

first = {"data_format": "channels_first"}

LINEAR = {
    "dense": ((5,), lambda L: [L.Dense(4)]),
    "dense on a grid": ((3, 4, 2), lambda L: [L.Dense(4)]),
    "einsum": ((3, 4), lambda L: [L.EinsumDense("abc,cd->abd", (3, 5))]),
    "conv1d": ((9, 3), lambda L: [L.Conv1D(4, 3)]),
    "conv1d same strided": ((9, 5), lambda L: [L.Conv1D(4, 4, strides=2, padding="same")]),
    "conv1d causal dilated": ((9, 2), lambda L: [L.Conv1D(4, 3, padding="causal", dilation_rate=2)]),
    "conv1d causal": ((9, 2), lambda L: [L.Conv1D(4, 3, padding="causal")]),
    "conv1d first": ((3, 9), lambda L: [L.Conv1D(4, 3, **first)]),
    "conv1d groups": ((9, 4), lambda L: [L.Conv1D(6, 3, groups=2)]),
    "conv2d grey": ((6, 5, 1), lambda L: [L.Conv2D(4, 3)]),
    "conv2d grey same": ((6, 5, 1), lambda L: [L.Conv2D(4, (2, 3), padding="same")]),
    "conv2d grey even same": ((7, 6, 1), lambda L: [L.Conv2D(4, (4, 2), padding="same", use_bias=False)]),
    "conv2d colour": ((6, 5, 3), lambda L: [L.Conv2D(4, (3, 2))]),
    "conv2d larger than the image": ((3, 4, 2), lambda L: [L.Conv2D(4, 5, padding="same")]),
    "conv2d colour strided same": ((7, 6, 3), lambda L: [L.Conv2D(4, 3, strides=2, padding="same")]),
    "conv2d colour strided": ((8, 6, 3), lambda L: [L.Conv2D(4, 3, strides=(3, 2))]),
    "conv2d 1x1": ((4, 5, 3), lambda L: [L.Conv2D(4, 1)]),
    "conv2d 1x1 strided": ((5, 4, 6), lambda L: [L.Conv2D(4, 1, strides=2)]),
    "conv2d many": ((5, 6, 6), lambda L: [L.Conv2D(4, 3)]),
    "conv2d many even same": ((5, 6, 6), lambda L: [L.Conv2D(4, (2, 4), padding="same")]),
    "conv2d many strided same": ((5, 6, 6), lambda L: [L.Conv2D(4, 3, strides=2, padding="same")]),
    "conv2d dilated": ((7, 6, 5), lambda L: [L.Conv2D(4, 3, dilation_rate=2)]),
    "conv2d dilated same": ((7, 6, 1), lambda L: [L.Conv2D(4, 3, dilation_rate=(1, 2), padding="same")]),
    "conv2d first": ((2, 6, 5), lambda L: [L.Conv2D(4, 3, **first)]),
    "conv2d first many": ((5, 6, 7), lambda L: [L.Conv2D(4, 3, strides=2, padding="same", **first)]),
    "conv2d groups": ((5, 4, 4), lambda L: [L.Conv2D(6, 3, groups=2)]),
    "conv2d groups many": ((5, 4, 8), lambda L: [L.Conv2D(6, 3, groups=2, padding="same")]),
    "conv2d groups first": ((4, 5, 4), lambda L: [L.Conv2D(8, 2, groups=4, **first)]),
    "conv3d": ((4, 5, 4, 2), lambda L: [L.Conv3D(3, 2)]),
    "conv3d same strided": ((4, 5, 3, 2), lambda L: [L.Conv3D(3, 3, strides=2, padding="same")]),
    "conv3d first": ((2, 4, 3, 4), lambda L: [L.Conv3D(3, 2, **first)]),
    "conv1d transpose": ((5, 3), lambda L: [L.Conv1DTranspose(2, 3, strides=2)]),
    "conv2d transpose": ((4, 3, 3), lambda L: [L.Conv2DTranspose(2, 3, strides=2, padding="same")]),
    "conv2d transpose first": ((3, 4, 3), lambda L: [L.Conv2DTranspose(2, 3, **first)]),
    "conv3d transpose": ((2, 3, 2, 2), lambda L: [L.Conv3DTranspose(2, 2, strides=2)]),
    "depthwise1d": ((9, 3), lambda L: [L.DepthwiseConv1D(3, depth_multiplier=2)]),
    "depthwise2d": ((6, 5, 3), lambda L: [L.DepthwiseConv2D(3, strides=2, padding="same")]),
    "depthwise2d dilated": ((7, 6, 3), lambda L: [L.DepthwiseConv2D(3, dilation_rate=2, depth_multiplier=2)]),
    "depthwise2d first": ((3, 6, 5), lambda L: [L.DepthwiseConv2D(3, **first)]),
    "separable1d": ((9, 3), lambda L: [L.SeparableConv1D(4, 3, padding="same")]),
    "separable2d": ((6, 5, 3), lambda L: [L.SeparableConv2D(4, 3, strides=2)]),
    "separable2d first": ((3, 6, 5), lambda L: [L.SeparableConv2D(4, 3, depth_multiplier=2, **first)]),
    "batch norm": ((4, 3, 2), lambda L: [L.BatchNormalization()]),
    "batch norm axis 1": ((2, 4, 3), lambda L: [L.BatchNormalization(axis=1)]),
    "batch norm bare": ((5,), lambda L: [L.BatchNormalization(center=False, scale=False)]),
    "average 1d": ((9, 2), lambda L: [L.AveragePooling1D(3, strides=2)]),
    "average 2d same": ((7, 5, 2), lambda L: [L.AveragePooling2D(3, strides=2, padding="same")]),
    "average 2d first": ((2, 6, 5), lambda L: [L.AveragePooling2D(2, **first)]),
    "average 3d": ((4, 4, 5, 2), lambda L: [L.AveragePooling3D(2)]),
    "global average 1d": ((5, 3), lambda L: [L.GlobalAveragePooling1D()]),
    "global average 2d": ((4, 3, 2), lambda L: [L.GlobalAveragePooling2D(keepdims=True)]),
    "global average 2d first": ((2, 4, 3), lambda L: [L.GlobalAveragePooling2D(**first)]),
    "global average 3d": ((2, 3, 2, 2), lambda L: [L.GlobalAveragePooling3D()]),
    "adaptive 1d": ((7, 2), lambda L: [L.AdaptiveAveragePooling1D(3)]),
    "adaptive 2d": ((7, 5, 2), lambda L: [L.AdaptiveAveragePooling2D((3, 2))]),
    "padding 1d": ((5, 2), lambda L: [L.ZeroPadding1D(2)]),
    "padding 2d": ((4, 3, 2), lambda L: [L.ZeroPadding2D(((1, 2), (0, 1)))]),
    "padding 3d": ((2, 3, 2, 1), lambda L: [L.ZeroPadding3D(1)]),
    "cropping 1d": ((6, 2), lambda L: [L.Cropping1D((1, 2))]),
    "cropping 2d": ((5, 4, 2), lambda L: [L.Cropping2D(((1, 2), (0, 1)))]),
    "cropping 2d first": ((2, 5, 4), lambda L: [L.Cropping2D(1, **first)]),
    "centre crop": ((6, 5, 2), lambda L: [L.CenterCrop(3, 3)]),
    "upsampling 1d": ((4, 2), lambda L: [L.UpSampling1D(2)]),
    "upsampling 2d": ((3, 4, 2), lambda L: [L.UpSampling2D((2, 3))]),
    "upsampling 2d bilinear": ((3, 4, 2), lambda L: [L.UpSampling2D(2, interpolation="bilinear")]),
    "resizing": ((4, 5, 3), lambda L: [L.Resizing(7, 3)]),
    "resizing nearest": ((4, 5, 3), lambda L: [L.Resizing(3, 8, interpolation="nearest")]),
    "reshape": ((4, 6), lambda L: [L.Reshape((3, -1)), L.Conv1D(3, 2)]),
    "permute": ((4, 3, 2), lambda L: [L.Permute((3, 1, 2)), L.Dense(3)]),
    "flatten": ((4, 3), lambda L: [L.Flatten(), L.Dense(3)]),
    "flatten first": ((2, 4, 3), lambda L: [L.Flatten(**first), L.Dense(3)]),
    "repeat": ((4,), lambda L: [L.RepeatVector(3), L.Conv1D(2, 2)]),
    "time distributed": ((3, 4), lambda L: [L.TimeDistributed(L.Dense(2))]),
    "time distributed conv": ((2, 4, 4, 1), lambda L: [L.TimeDistributed(L.Conv2D(2, 3))]),
    "rescaling": ((3, 2, 3), lambda L: [L.Rescaling([2.0, 1 / 3, -1.0], offset=-0.5)]),
    "normalization": ((3, 2, 3), lambda L: [L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 0.5, 1.0])]),
    "normalization of one": ((3, 2), lambda L: [L.Normalization(axis=None, mean=2.0, variance=5.0, invert=True)]),
    "float64": ((5, 6, 2), lambda L: [L.Conv2D(3, 3, dtype="float64"), L.BatchNormalization(dtype="float64")]),
    "activation linear": ((4,), lambda L: [L.Dense(3, activation="linear"), L.Activation("linear")]),
    "noise and dropout": ((4, 4, 3), lambda L: [
        L.Dropout(0.5), L.SpatialDropout2D(0.5), L.GaussianDropout(0.5), L.GaussianNoise(1.0), L.AlphaDropout(0.5),
        L.RandomFlip(), L.RandomRotation(0.5), L.RandomZoom(0.5), L.RandomTranslation(0.5, 0.5), L.RandomContrast(0.5),
        L.RandomBrightness(0.5), L.RandomErasing(), L.RandomShear(), L.RandomInvert(), L.RandAugment(), L.MixUp(),
        L.CutMix(), L.Identity(), L.ActivityRegularization(l2=0.1), L.RandomColorDegeneration(0.5),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("case", LINEAR)
def test_linear_layers_by_differences(case):
    shape, make = LINEAR[case]
    model, (x, r) = stack(make, shape, outputs=3), batches(shape)
    np.testing.assert_allclose(maps(model, x, r).values, one_at_a_time(model, x, r), atol=2e-5)


def test_normalization_that_was_adapted():
    keras = import_keras()
    x, r = batches((4, 3), scale=3.0)
    layer = keras.layers.Normalization()
    layer.adapt(5 * r + 2)
    model = stack(lambda L: [layer], (4, 3))
    np.testing.assert_allclose(maps(model, x, r).values, one_at_a_time(model, x, r), atol=2e-5)


# --- element-wise -----------------------------------------------------------------------------------------------------

ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    "leaky_relu", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus",
    "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh", "tanh_shrink",
)  # fmt: skip
OTHER_ACTIVATIONS = {
    "softmax": "mixes elements, tested below",
    "log_softmax": "mixes elements, tested below",
    "glu": "mixes elements, tested below",
    "linear": "is no step at all",
    "threshold": "Keras cannot use it as a layer: its threshold has no default",
    "sparsemax": "no rule: which elements remain depends on all of them",
}


def test_every_activation_of_keras_is_in_the_table():
    names = {name for name in dir(import_keras().activations) if not name.startswith("_")}
    assert names - {"get", "serialize", "deserialize"} == {*ACTIVATIONS, *OTHER_ACTIVATIONS}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_by_differences(name):
    # Alone in front of a linear layer, each value's share is w (f(x) - f(r)).
    x, r = batches((11,), scale=3.0)
    x[0, :3], r[:, :2] = (0, 1, -2), 0
    model = stack(lambda L: [L.Activation(name)], (11,))
    np.testing.assert_allclose(maps(model, x, r).values, one_at_a_time(model, x, r), rtol=1e-4, atol=3e-5)
    behind = stack(lambda L: [L.Conv1D(3, 2, activation=name), L.Dense(4, activation=name)], (4, 2))
    maps(behind, *batches((4, 2), 1))


LAYERS = {
    "relu": lambda L: L.ReLU(),
    "relu with all": lambda L: L.ReLU(max_value=2.0, negative_slope=0.2, threshold=0.5),
    "leaky": lambda L: L.LeakyReLU(negative_slope=0.1),
    "prelu": lambda L: L.PReLU(),
    "prelu shared": lambda L: L.PReLU(shared_axes=[1, 2]),
    "elu": lambda L: L.ELU(alpha=0.7),
    "activation of a layer": lambda L: L.Activation(L.LeakyReLU(negative_slope=0.4)),
}


@pytest.mark.parametrize("case", LAYERS)
def test_activation_layers_by_differences(case):
    x, r = batches((3, 4, 2), scale=2.0)
    model = stack(lambda L: [LAYERS[case](L)], (3, 4, 2))
    np.testing.assert_allclose(maps(model, x, r).values, one_at_a_time(model, x, r), rtol=1e-4, atol=2e-5)


CARRIERS = {
    "depthwise": ((5, 5, 2), lambda L: [L.DepthwiseConv2D(3, activation="relu")]),
    "separable 1d": ((6, 2), lambda L: [L.SeparableConv1D(3, 3, activation="tanh")]),
    "separable 2d": ((5, 5, 2), lambda L: [L.SeparableConv2D(3, 3, activation="relu")]),
    "transpose": ((3, 3, 2), lambda L: [L.Conv2DTranspose(3, 3, activation="sigmoid")]),
    "einsum": ((3, 4), lambda L: [L.EinsumDense("abc,cd->abd", (3, 5), activation="gelu")]),
    "a layer": ((4,), lambda L: [L.Dense(5, activation=L.PReLU())]),
    "softmax in a layer": ((4, 3), lambda L: [L.Dense(5, activation="softmax")]),
    "float64": ((4,), lambda L: [L.Dense(5, activation="tanh", dtype="float64"), L.ReLU(0.5, dtype="float64")]),
}


@pytest.mark.parametrize("case", CARRIERS)
def test_activations_are_split_from_the_layers_that_carry_them(case):
    shape, make = CARRIERS[case]
    maps(stack(make, shape), *batches(shape))


# --- against shap -----------------------------------------------------------------------------------------------------

AS_SHAP = {
    "max 2d": ((6, 4, 2), lambda L: [L.MaxPooling2D(2)]),
    "max 2d not dividing": ((7, 5, 2), lambda L: [L.MaxPooling2D(2)]),
    "max 2d overlapping": ((7, 6, 2), lambda L: [L.MaxPooling2D(3, strides=2)]),
    "max 2d overlapping same": ((6, 7, 2), lambda L: [L.MaxPooling2D(3, strides=2, padding="same")]),
    "max 2d same": ((5, 7, 2), lambda L: [L.MaxPooling2D((2, 3), padding="same")]),
    "max 2d gaps": ((8, 7, 2), lambda L: [L.MaxPooling2D(2, strides=3)]),
    "max 1d": ((9, 3), lambda L: [L.MaxPooling1D(3, strides=2)]),
    "max 1d same": ((8, 3), lambda L: [L.MaxPooling1D(3, padding="same")]),
    "two maxima": ((9, 8, 2), lambda L: [L.Conv2D(3, 2), L.MaxPooling2D(2), L.ReLU(), L.MaxPooling2D(2)]),
    "dense": ((5,), lambda L: [L.Dense(6, activation="tanh"), L.Dense(5, activation="sigmoid")]),
    "conv": ((6, 6, 1), lambda L: [L.Conv2D(3, 3, activation="relu", padding="same"), L.Conv2D(2, 3)]),
    "average": ((6, 6, 1), lambda L: [L.Conv2D(3, 3, activation="elu"), L.AveragePooling2D(2)]),
    "softplus": ((6,), lambda L: [L.Dense(6, activation="softplus"), L.Dense(6, activation="selu")]),
    "softmax inside": ((6,), lambda L: [L.Dense(6), L.Softmax(), L.Dense(3, activation="relu")]),
    "softmax of time": ((4, 3), lambda L: [L.Dense(5), L.Softmax(axis=1)]),
    "batch norm": ((5,), lambda L: [L.Dense(4), L.BatchNormalization(), L.ReLU()]),
}


@pytest.mark.parametrize("case", AS_SHAP)
def test_equal_to_shap(case):
    shape, make = AS_SHAP[case]
    model, (x, r) = stack(make, shape), batches(shape)
    np.testing.assert_allclose(maps(model, x, r).values, shap_values(model, x, r), atol=3e-6)


@pytest.mark.parametrize("strides", [2, 3])
def test_ties_in_max_pooling_as_in_shap(strides):
    # Small whole numbers, constant areas and a constant reference: in most windows several places hold the maximum.
    x = np.random.default_rng(0).integers(0, 3, (2, 7, 6, 2)).astype(np.float32)
    x[1, :4] = 1
    r = np.concatenate([np.zeros((1, 7, 6, 2)), np.ones((1, 7, 6, 2)), x[:1, ::-1]]).astype(np.float32)
    model = stack(lambda L: [L.MaxPooling2D(3, strides=strides)], (7, 6, 2))
    np.testing.assert_allclose(maps(model, x, r).values, shap_values(model, x, r), atol=3e-6)


# --- maxima without shap ----------------------------------------------------------------------------------------------

MAXIMA = {
    "max 3d": ((4, 4, 3, 2), lambda L: [L.MaxPooling3D(2)], lambda L: [L.MaxPooling3D(2)]),
    "global 1d": ((5, 3), lambda L: [L.GlobalMaxPooling1D()], lambda L: [L.MaxPooling1D(5)]),
    "global 2d": ((4, 3, 2), lambda L: [L.GlobalMaxPooling2D()], lambda L: [L.MaxPooling2D((4, 3))]),
    "global 2d kept": ((4, 3, 2), lambda L: [L.GlobalMaxPooling2D(keepdims=True)], lambda L: [L.MaxPooling2D((4, 3))]),
    "global 3d": ((2, 3, 2, 2), lambda L: [L.GlobalMaxPooling3D()], lambda L: [L.MaxPooling3D((2, 3, 2))]),
    "first": (
        (2, 7, 6), lambda L: [L.MaxPooling2D(3, strides=2, **first)],
        lambda L: [L.Permute((2, 3, 1)), L.MaxPooling2D(3, strides=2), L.Permute((3, 1, 2))],
    ),
    "first blocks": (
        (2, 6, 4), lambda L: [L.MaxPooling2D(2, **first)],
        lambda L: [L.Permute((2, 3, 1)), L.MaxPooling2D(2), L.Permute((3, 1, 2))],
    ),
    "global first": (
        (2, 4, 3), lambda L: [L.GlobalMaxPooling2D(**first)],
        lambda L: [L.Permute((2, 3, 1)), L.MaxPooling2D((4, 3))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MAXIMA)
def test_maxima_by_the_same_in_other_words(case):
    shape, make, other = MAXIMA[case]
    x, r = (np.round(each, 1) for each in batches(shape, n=3))
    found = maps(stack(make, shape), x, r)
    np.testing.assert_allclose(found.values, maps(stack(other, shape), x, r).values, atol=3e-6)


def test_a_global_maximum_by_hand():
    # max(1, 4) = 4 against max(3, 2) = 3: the image's is larger, all of the difference 1 goes to the place of the 4.
    # max(1, 2) = 2 against max(3, 0) = 3: the reference's is larger, -1 goes to the place of the 3.
    keras = import_keras()
    model = keras.Sequential([keras.Input((2, 1)), keras.layers.GlobalMaxPooling1D()])
    for x, r, expected in [([1, 4], [3, 2], [0, 1]), ([1, 2], [3, 0], [-1, 0])]:
        x, r = (np.array(each, np.float32).reshape(1, 2, 1) for each in (x, r))
        np.testing.assert_allclose(maps(model, x, r).values.ravel(), expected, atol=1e-6)


# --- softmax, gates, normalisation ------------------------------------------------------------------------------------

MIXING = {
    "softmax": ((3, 4), lambda L: [L.Dense(4), L.Activation("softmax")]),
    "softmax axis 1": ((3, 4, 2), lambda L: [L.Dense(3), L.Softmax(axis=1)]),
    "softmax axis -2": ((3, 4, 2), lambda L: [L.Softmax(axis=-2)]),
    "softmax of two axes": ((3, 4, 2), lambda L: [L.Softmax(axis=[1, 2])]),
    "softmax of dead units": ((9,), lambda L: [L.Dense(8, activation="relu"), L.Softmax()]),
    "log softmax": ((3, 4), lambda L: [L.Dense(4), L.Activation("log_softmax")]),
    "log softmax far": ((4,), lambda L: [L.Rescaling(40.0), L.Activation("log_softmax")]),
    "layer": ((3, 4, 5), lambda L: [L.LayerNormalization()]),
    "layer of two axes": ((3, 4, 5), lambda L: [L.LayerNormalization(axis=[1, 2])]),
    "layer of all": ((3, 4, 2), lambda L: [L.LayerNormalization(axis=[1, -1, 2], epsilon=0.01)]),
    "layer axis 1": ((3, 4), lambda L: [L.LayerNormalization(axis=1, center=False)]),
    "layer bare": ((5,), lambda L: [L.LayerNormalization(center=False, scale=False)]),
    "layer of variances": ((4, 5), lambda L: [L.LayerNormalization(rms_scaling=True)]),
    "group one": ((4, 3, 6), lambda L: [L.GroupNormalization(groups=1)]),
    "group two": ((4, 3, 6), lambda L: [L.GroupNormalization(groups=2)]),
    "group each": ((4, 3, 6), lambda L: [L.GroupNormalization(groups=-1)]),
    "group axis 1": ((6, 4, 3), lambda L: [L.GroupNormalization(groups=3, axis=1, scale=False)]),
    "group of vectors": ((8,), lambda L: [L.GroupNormalization(groups=2)]),
    "unit": ((4, 3), lambda L: [L.UnitNormalization()]),
    "unit of two axes": ((4, 3, 2), lambda L: [L.UnitNormalization(axis=[1, 2])]),
    "rms": ((4, 3), lambda L: [L.RMSNormalization()]),
    "rms of small values": ((4, 3), lambda L: [L.Rescaling(1e-3), L.RMSNormalization()]),
    "rms of two axes": ((4, 3), lambda L: [L.RMSNormalization(axis=[1, 2])]),
}


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@pytest.mark.parametrize("case", MIXING)
def test_layers_that_mix_add_up(case):
    shape, make = MIXING[case]
    maps(stack(make, shape, outputs=3), *batches(shape))


def test_unit_normalisation_of_nothing():
    # A black reference: 0 / |0| is 0 in Keras, and x / |x| - 0 = x s with the image's own s: the share is the output.
    keras = import_keras()
    model = keras.Sequential([keras.Input((3,)), keras.layers.UnitNormalization()])
    x = np.array([[3, 0, 4]], np.float32)
    found = maps(model, x, np.zeros((1, 3), np.float32)).values[0]
    np.testing.assert_allclose(found, np.diag([0.6, 0, 0.8]), atol=1e-6)
    maps(model, x * 0, x)


def by_parts(x, r):
    """Return the shares of both factors in x1 x2 - r1 r2: Shapley values of a product."""
    return (x[0] - r[0]) * (x[1] + r[1]) / 2, (x[1] - r[1]) * (x[0] + r[0]) / 2


def test_glu_by_hand():
    model = graph(lambda K, x: K.activations.glu(x), (4,), outputs=0)
    x, r = batches((4,), n=1, m=1)

    def parts(row):
        return row[:2], 1 / (1 + np.exp(-row[2:]))

    first, second = by_parts(parts(x[0]), parts(r[0]))
    expected = np.concatenate([np.diag(first), np.diag(second)])
    np.testing.assert_allclose(maps(model, x, r).values[0], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["layer", "rms"])
def test_normalisation_by_hand(kind):
    # y_i = c_i s: the product's shares; s = 1/sqrt(v + e) by the rescale rule, v = mean(c^2) as well: its change goes
    # to c_j in proportion to c_j(x)^2 - c_j(r)^2; c = x - mean(x) is linear (rms: c = x).
    keras = import_keras()
    layer = keras.layers.LayerNormalization() if kind == "layer" else keras.layers.RMSNormalization()
    model = keras.Sequential([keras.Input((4,)), layer])
    x, r = batches((4,), n=1, m=1)
    cx, cr = ((each[0] - each.mean() * (kind == "layer")).astype(float) for each in (x, r))
    sx, sr = (1 / np.sqrt((c**2).mean() + layer.epsilon) for c in (cx, cr))
    direct, shared = by_parts((cx, sx), (cr, sr))
    square = cx**2 - cr**2
    centred = np.diag(direct) + np.outer(square / square.sum(), shared)  # of c_j in y_i
    expected = centred
    if kind == "layer":
        multipliers = centred / (cx - cr)[:, None]
        expected = (multipliers - multipliers.mean(axis=0)) * (x[0] - r[0])[:, None]
    np.testing.assert_allclose(maps(model, x, r).values[0], expected, atol=1e-5)


# --- what has no rule -------------------------------------------------------------------------------------------------

REFUSED = {
    "Activation of sparsemax": (lambda K, x: K.layers.Activation("sparsemax", name="culprit")(x), "sparsemax"),
    "Lambda": (lambda K, x: K.layers.Lambda(lambda t: t * 2, name="culprit")(x), "Lambda"),
    "LSTM": (lambda K, x: K.layers.LSTM(3, name="culprit")(x), "LSTM"),
    "attention": (lambda K, x: K.layers.MultiHeadAttention(2, 2, name="culprit")(x, x), "MultiHeadAttention"),
    "own function": (lambda K, x: K.layers.Dense(3, activation=lambda t: t, name="culprit")(x), "<lambda>"),
    "normalised dot": (lambda K, x: K.layers.Dot(2, normalize=True, name="culprit")([x, x]), "Dot"),
    "time distributed": (
        lambda K, x: K.layers.TimeDistributed(K.layers.Dense(3, activation="relu"), name="culprit")(x),
        "TimeDistributed",
    ),
    "masked softmax": (lambda K, x: K.ops.relu(K.layers.Softmax(name="culprit")(x, mask=x)), "Softmax"),
    "where": (lambda K, x: K.ops.where(x, x, 0.0), "Where"),
    "batches mixed": (lambda K, x: K.ops.reshape(x, (-1, 12)) + K.ops.max(x), "samples of a batch"),
    "batches folded": (lambda K, x: K.ops.reshape(K.ops.reshape(x, (-1, 4)), (-1, 3, 4)), "samples of a batch"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_rule_is_named(case):
    make, said = REFUSED[case]
    with pytest.raises(UnsupportedModelError, match=said) as caught:
        maps(graph(make, (3, 4)), *batches((3, 4)))
    assert "samples" in said or "expected_gradients" in str(caught.value)
    assert "\n" not in str(caught.value)
