"""Every layer and operation of Keras: loaded, with the answers of Keras, or refused for a reason that stands here."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import diag
from diag.errors import UnsafeModelError
from diag.io import allowed

# Layers that are not loaded on purpose.
REFUSED = {
    "ContrastLimitedAdaptiveHistogramEqualization": "its tables grow with numbers that are written down",
    "FlaxLayer": "runs another library's program",
    "HashedCrossing": "crosses columns of tables, not images",
    "JaxLayer": "runs another library's program",
    "Lambda": "read as data by diag.io.lambdas, or refused",
    "Layer": "does nothing",
    "MaxNumBoundingBoxes": "for boxes, not classes",
    "ReversibleEmbedding": "for language models",
    "TFSMLayer": "reads and runs another file",
    "TorchModuleWrapper": "unpickles a program",
    "Wrapper": "does nothing",
}
# Operations that are not loaded on purpose, by reason.
REFUSED_OPERATIONS = {
    "takes a function": "AssociativeScan Cond ForiLoop Map Scan Switch VectorizedMap WhileLoop JVP",
    "makes an array of a size that is written down": "Arange Full Linspace Logspace Geomspace Bincount Histogram "
    "Vander",
    "makes a larger array than it is given, or several": "Diag Diagflat Kron Meshgrid Correlate Corrcoef",
    "has no size before it is computed": "Nonzero Unique View",
    "factors or solves": "Cholesky CholeskyInverse Det Eig Eigh Inv Lstsq LuFactor MatrixRank Pinv Qr SVD Solve "
    "SolveTriangular Logdet Slogdet",
    "for sound, or complex, or with a length that is written down": "ExtractSequences IRFFT ISTFT RFFT STFT "
    "ViewAsComplex ViewAsReal",
    "for losses, or measures of images": "BinaryCrossentropy CTCDecode CTCLoss CategoricalCrossentropy PSNR "
    "SparseCategoricalCrossentropy SSIM AllClose CDist",
    "moves pixels by numbers of its own": "ElasticTransform MapCoordinates PerspectiveTransform Fold Unfold",
    "for whole numbers": "BitwiseLeftShift BitwiseRightShift Gcd IsIn Lcm Ldexp LeftShift RightShift SearchSorted "
    "UnravelIndex Argpartition SegmentMin SegmentProd SegmentReduction",
    "of no use to a classifier": "Angle EmptyLike FullLike I0 Isneginf Isposinf Isreal Nanargmax Nanargmin Nancumprod "
    "Nancumsum Nanmedian Nanpercentile Nanprod Nanquantile Nanstd Nanvar Nextafter Signbit Trapezoid Polar",
}
SHAPE = (8, 8, 3)


def test_each_layer_is_loaded_or_refused_for_a_reason():
    import keras

    layers = {name for name, kind in vars(keras.layers).items() if _is_subclass(kind, keras.layers.Layer)}
    assert layers - allowed.LAYERS == REFUSED.keys()


def test_each_operation_is_loaded_or_refused_for_a_reason():
    from keras.src.ops.operation import Operation

    refused = {name for names in REFUSED_OPERATIONS.values() for name in names.split()}
    found = set()
    for name in allowed.OPERATIONS:
        module = importlib.import_module(f"keras.src.ops.{name}")
        found |= {
            kind.__name__
            for kind in vars(module).values()
            if _is_subclass(kind, Operation) and kind.__module__ == module.__name__
        } - allowed.OPERATIONS[name]
    assert found == refused


def _is_subclass(kind, parent):
    return isinstance(kind, type) and issubclass(kind, parent) and kind.__name__ != "Operation"


# ---------------------------------------------------------------- what is built of each, by what it is given


def of_images(layers):
    conv = layers.Conv2D(2, 3)
    return [
        layers.Activation("tanh"), layers.ActivityRegularization(0.1), layers.AdaptiveAveragePooling2D(2),
        layers.AdaptiveMaxPooling2D(2), layers.AlphaDropout(0.2), layers.AugMix(), layers.AutoContrast(),
        layers.AveragePooling2D(2), layers.BatchNormalization(), layers.CenterCrop(4, 4), layers.Conv2D(4, 3, groups=1),
        layers.Conv2DTranspose(2, 3), layers.Cropping2D(1), layers.CutMix(), layers.DepthwiseConv2D(3),
        layers.Discretization(bin_boundaries=[0.2, 0.6]), layers.Dropout(0.2), layers.ELU(0.5),
        layers.EinsumDense("bhwc,cd->bhwd", output_shape=(None, None, 4), bias_axes="d"), layers.Equalization(),
        layers.GaussianDropout(0.2), layers.GaussianNoise(0.1), layers.GlobalAveragePooling2D(),
        layers.GlobalMaxPooling2D(keepdims=True), layers.GroupNormalization(3), layers.Identity(),
        layers.LayerNormalization(axis=[1, 2, 3]), layers.LeakyReLU(0.1), layers.MaxPooling2D(2), layers.MixUp(),
        layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0]), layers.PReLU(shared_axes=[1, 2]),
        layers.Permute((3, 1, 2)), layers.Pipeline([layers.Rescaling(0.5), layers.RandomFlip()]),
        layers.RMSNormalization(), layers.RandAugment(), layers.RandomBrightness(0.2),
        layers.RandomColorDegeneration(0.2), layers.RandomColorJitter(), layers.RandomContrast(0.2),
        layers.RandomCrop(4, 4), layers.RandomElasticTransform(), layers.RandomErasing(), layers.RandomFlip(),
        layers.RandomGaussianBlur(), layers.RandomGrayscale(), layers.RandomHue(0.2), layers.RandomInvert(),
        layers.RandomPerspective(), layers.RandomPosterization(4), layers.RandomRotation(0.1),
        layers.RandomSaturation(0.2), layers.RandomSharpness(0.2),
        layers.RandomTranslation(0.1, 0.1), layers.RandomZoom(0.1), layers.ReLU(max_value=0.5),
        layers.Rescaling([1.0, 2.0, 3.0], offset=0.5), layers.Reshape((-1, 3)), layers.Resizing(5, 5),
        layers.SeparableConv2D(4, 3, depth_multiplier=2), layers.Softmax(axis=-1), layers.Solarization(),
        layers.SpatialDropout2D(0.2), layers.SpectralNormalization(conv), layers.UnitNormalization(),
        layers.UpSampling2D(2, interpolation="bilinear"), layers.ZeroPadding2D(((1, 0), (2, 1))), layers.Dense(4),
    ]  # fmt: skip


def of_sequences(layers):
    return [
        layers.AdaptiveAveragePooling1D(3), layers.AdaptiveMaxPooling1D(3), layers.AveragePooling1D(2),
        layers.Bidirectional(layers.LSTM(3)), layers.Bidirectional(layers.GRU(2, return_sequences=True), "sum"),
        layers.Conv1D(4, 3, dilation_rate=2, padding="causal"), layers.Conv1DTranspose(2, 3), layers.Cropping1D(1),
        layers.DepthwiseConv1D(3), layers.GRU(3), layers.GRU(3, reset_after=False, go_backwards=True),
        layers.GlobalAveragePooling1D(), layers.GlobalMaxPooling1D(), layers.LSTM(3, unroll=True),
        layers.MaxPooling1D(2), layers.RNN(layers.LSTMCell(3)), layers.RNN(layers.SimpleRNNCell(3)),
        layers.RNN(layers.StackedRNNCells([layers.GRUCell(3), layers.GRUCell(2)])), layers.SeparableConv1D(4, 3),
        layers.SimpleRNN(3), layers.SpatialDropout1D(0.2), layers.TimeDistributed(layers.Dense(2)),
        layers.UpSampling1D(2), layers.ZeroPadding1D(1),
    ]  # fmt: skip


def of_volumes(layers):
    return [
        layers.AdaptiveAveragePooling3D(2), layers.AdaptiveMaxPooling3D(2), layers.AveragePooling3D(2),
        layers.Conv3D(2, 2), layers.Conv3DTranspose(2, 2), layers.ConvLSTM2D(2, 2), layers.Cropping3D(1),
        layers.GlobalAveragePooling3D(), layers.GlobalMaxPooling3D(), layers.MaxPooling3D(2),
        layers.SpatialDropout3D(0.2), layers.UpSampling3D(2), layers.ZeroPadding3D(1),
    ]  # fmt: skip


def of_numbers(layers):
    return [
        layers.Flatten(), layers.RepeatVector(3), layers.Hashing(5), layers.Embedding(300, 2),
        layers.CategoryEncoding(300, output_mode="multi_hot"),
        layers.IntegerLookup(vocabulary=[3, 5, 9, 200], output_mode="multi_hot"),
    ]  # fmt: skip


def of_sound(layers):
    return [
        layers.STFTSpectrogram(frame_length=32, frame_step=16, fft_length=32),
        layers.MelSpectrogram(fft_length=32, sequence_stride=16, num_mel_bins=4, sampling_rate=100, min_freq=1,
                              max_freq=50),
    ]  # fmt: skip


def of_frames(layers):
    return [layers.ConvLSTM1D(2, 2), layers.ConvLSTM3D(1, 1)]


def of_two(layers):
    """Functions of two tensors (n, 8, 24)."""
    return [
        layers.Add(), layers.AdditiveAttention(), layers.Attention(), layers.Average(), layers.Concatenate(axis=1),
        layers.Dot(axes=(2, 2)), layers.Maximum(), layers.Minimum(), layers.Multiply(), layers.Subtract(),
    ]  # fmt: skip


def attentions(layers):
    return [layers.MultiHeadAttention(2, 4), layers.GroupQueryAttention(4, 4, 2)]


ALIASES = {
    "AvgPool1D", "AvgPool2D", "AvgPool3D", "Convolution1D", "Convolution2D", "Convolution3D", "Convolution1DTranspose",
    "Convolution2DTranspose", "Convolution3DTranspose", "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D",
    "GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D", "MaxPool1D", "MaxPool2D", "MaxPool3D",
    "SeparableConvolution1D", "SeparableConvolution2D",
}  # fmt: skip
TEXTS = {"StringLookup", "TextVectorization"}
# Keras 3.15 writes what it cannot read itself: a negative factor of RandomShear ...
NOT_BY_KERAS = {"RandomShear"}
# ... and cannot write these as .h5: their configuration holds a module.
NOT_AS_H5 = {
    "RandomBrightness", "RandomColorDegeneration", "RandomPosterization", "RandomSaturation", "RandomSharpness",
    "Solarization",
}  # fmt: skip


def _joined(keras, image, answers):
    """Return a model whose output is all of these in a row."""
    layers = keras.layers
    flat = [layers.Flatten()(layers.Activation("linear", dtype="float32")(answer)) for answer in answers]
    return keras.Model(image, layers.Concatenate()([each for each in flat if each.shape[-1]]))


def _images(keras, image):
    return [layer(image) for layer in of_images(keras.layers) if type(layer).__name__ not in NOT_AS_H5]


def _images_not_as_h5(keras, image):
    return [layer(image) for layer in of_images(keras.layers) if type(layer).__name__ in NOT_AS_H5]


def _sequences(keras, image):
    rows = keras.layers.Reshape((8, 24))(image)
    masked = keras.layers.LSTM(3)(keras.layers.Masking(0.0)(rows))
    two = [keras.layers.Reshape((8, 24))(image), keras.layers.Rescaling(0.5)(rows)]
    return (
        [layer(rows) for layer in of_sequences(keras.layers)]
        + [layer(two) for layer in of_two(keras.layers)]
        + [layer(rows, two[1]) for layer in attentions(keras.layers)]
        + [masked]
    )


def _volumes(keras, image):
    volume = keras.layers.Reshape((4, 4, 4, 3))(image)
    one, three = of_frames(keras.layers)
    frames = keras.layers.Reshape((2, 2, 2, 4, 6))(image)
    return [layer(volume) for layer in of_volumes(keras.layers)] + [one(image), three(frames)]


def _numbers(keras, image):
    row = keras.layers.Flatten()(image)
    wave = keras.layers.Reshape((192, 1))(image)
    whole = keras.ops.cast(keras.ops.round(row * 9), "int32")
    spectrum, mel = of_sound(keras.layers)
    return [layer(whole) for layer in of_numbers(keras.layers)] + [spectrum(wave), mel(row)]


def _operations(keras, image):
    ops = keras.ops
    table = np.arange(3, dtype="float32")
    return [
        image + 1, 2 - image, image * table, image / 255.0, image[:, 1:-1, ::2, 0], ops.relu(image - 0.5),
        ops.concatenate([image, image], axis=1), ops.mean(image, axis=(1, 2)), ops.transpose(image, (0, 3, 1, 2)),
        ops.where(image > 0.5, image, 0.0), ops.expand_dims(image, 1), ops.reshape(image, (-1, 192)),
        ops.image.resize(image, (4, 4)), ops.max(image, axis=-1), ops.softmax(image), ops.clip(image, 0.2, 0.8),
        ops.split(image, 2, axis=1)[1], ops.stack([image, image], 1), ops.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0))),
        ops.matmul(ops.transpose(image, (0, 3, 1, 2)), ops.transpose(image, (0, 3, 2, 1))), ops.sqrt(ops.abs(image)),
        ops.einsum("bhwc,bhwd->bcd", image, image), ops.one_hot(ops.argmax(image, axis=-1), 3), -image, image**2,
        ops.square(image), ops.std(image, axis=1), ops.norm(image, axis=-1), ops.gelu(image), ops.silu(image),
        ops.fft2((image[..., 0], image[..., 1]))[0], ops.convert_to_tensor(image), ops.rot90(image, axes=(1, 2)),
    ]  # fmt: skip


def _activations(keras, image):
    return [keras.layers.Activation(name)(image) for name in sorted(allowed.FUNCTIONS - {"threshold", "glu"})]


BOTH = [_images, _sequences, _volumes, _activations]
ONE = [_images_not_as_h5, _numbers, _operations]  # Keras 3 reads no operation back from .h5
BUILT = [(answers, "h5") for answers in BOTH] + [(answers, "keras") for answers in (*BOTH, *ONE)]


@pytest.mark.parametrize(("answers", "ending"), BUILT)
def test_a_network_answers_as_in_keras(answers, ending, tmp_path, rng):
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input(SHAPE)
    model = _joined(keras, image, answers(keras, image))
    path = tmp_path / f"all.{ending}"
    batch = rng.random((3, *SHAPE), dtype=np.float32)
    for variable in model.weights:
        variable.assign(variable + 0.05 * rng.standard_normal(variable.shape).astype("float32"))
    model.save(path)
    expected = np.asarray(model(batch, training=False))
    np.testing.assert_allclose(diag.load_model(path).ask(batch), expected, atol=1e-5)


def test_no_layer_is_left_out_above():
    import keras

    groups = (of_images, of_sequences, of_volumes, of_numbers, of_sound, of_frames, of_two, attentions)
    named = {type(layer).__name__ for group in groups for layer in group(keras.layers)}
    cells = {"LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"}
    known = named | cells | ALIASES | TEXTS | NOT_BY_KERAS | {"InputLayer", "GroupQueryAttention", "Masking"}
    assert allowed.LAYERS - known == set()


def test_quantized_networks_are_refused_as_such(tmp_path, rng, capfd):
    import keras

    layers = keras.layers
    model = keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(4), layers.Dense(3)])
    model.layers[1].quantize("int8")
    path = tmp_path / "whole.keras"
    model.save(path)
    with pytest.raises(UnsafeModelError, match=r"is quantized, .* before quantize\(\), .*trust=True"):
        diag.load_model(path)
    batch = rng.random((2, *SHAPE), dtype=np.float32)
    answers = diag.load_model(path, trust=True).ask(batch)
    np.testing.assert_allclose(answers, np.asarray(model(batch, training=False)), atol=1e-5)
    assert "is trusted" in capfd.readouterr().err
