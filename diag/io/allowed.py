"""What a model's configuration may name: Keras's layers, functions and operations, one by one.

Nothing else is given to Keras. A name that is here was looked at: building it reads no file, imports nothing and runs
no code but Keras's own. Where the file says an object comes from is never used to find it; `diag.io.admission` writes
the place that is known here instead.
"""

from __future__ import annotations

MODELS = frozenset(("Sequential", "Functional", "Model"))
# Layers of today's Keras. Left out are Lambda (read as data by `diag.io.lambdas`), and TFSMLayer, TorchModuleWrapper,
# JaxLayer and FlaxLayer, which read another file or run what is in it.
LAYERS = frozenset((
    "Activation", "ActivityRegularization", "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "Add",
    "AdditiveAttention", "AlphaDropout", "Attention", "AugMix", "AutoContrast", "Average", "AveragePooling1D",
    "AveragePooling2D", "AveragePooling3D", "AvgPool1D", "AvgPool2D", "AvgPool3D", "BatchNormalization",
    "Bidirectional", "CategoryEncoding", "CenterCrop", "Concatenate", "Conv1D", "Conv1DTranspose", "Conv2D",
    "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Convolution1D",
    "Convolution1DTranspose", "Convolution2D", "Convolution2DTranspose", "Convolution3D", "Convolution3DTranspose",
    "Cropping1D", "Cropping2D", "Cropping3D", "CutMix", "Dense", "DepthwiseConv1D", "DepthwiseConv2D",
    "Discretization", "Dot", "Dropout", "ELU", "EinsumDense", "Embedding", "Equalization", "Flatten", "GRU",
    "GRUCell", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
    "GlobalAveragePooling3D", "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D", "GlobalMaxPool1D",
    "GlobalMaxPool2D", "GlobalMaxPool3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",
    "GroupNormalization", "GroupQueryAttention", "Hashing", "Identity", "InputLayer", "IntegerLookup", "LSTM",
    "LSTMCell", "LayerNormalization", "LeakyReLU", "Masking", "MaxPool1D", "MaxPool2D", "MaxPool3D", "MaxPooling1D",
    "MaxPooling2D", "MaxPooling3D", "Maximum", "MelSpectrogram", "Minimum", "MixUp", "MultiHeadAttention", "Multiply",
    "Normalization", "PReLU", "Permute", "Pipeline", "RMSNormalization", "RNN", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomElasticTransform",
    "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert",
    "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness",
    "RandomShear", "RandomTranslation", "RandomZoom", "ReLU", "RepeatVector", "Rescaling", "Reshape", "Resizing",
    "STFTSpectrogram", "SeparableConv1D", "SeparableConv2D", "SeparableConvolution1D", "SeparableConvolution2D",
    "SimpleRNN", "SimpleRNNCell", "Softmax", "Solarization", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D", "SpectralNormalization", "StackedRNNCells", "StringLookup", "Subtract", "TextVectorization",
    "TimeDistributed", "UnitNormalization", "UpSampling1D", "UpSampling2D", "UpSampling3D", "ZeroPadding1D",
    "ZeroPadding2D", "ZeroPadding3D",
))  # fmt: skip
# Names of earlier versions that `diag.io.legacy_config` and `diag.io.legacy_build` put into today's words.
OLD_LAYERS = frozenset((
    "AtrousConv2D", "AtrousConvolution1D", "AtrousConvolution2D", "Deconvolution2D", "Convolution3DTranspose",
    "CuDNNLSTM", "CuDNNGRU", "TimeDistributedDense", "BatchNormalizationV1", "BatchNormalizationV2",
    "SyncBatchNormalization", "LSTMV1", "LSTMV2", "GRUV1", "GRUV2", "NormalizationV1", "FixedDropout", "DropoutV1",
    "AlphaDropoutV1", "RandomHeight", "RandomWidth", "DropConnect", "Merge", "ThresholdedReLU",
))  # fmt: skip
# Layers that Keras writes down by another name than its own for them.
RENAMED = {"GroupedQueryAttention": "GroupQueryAttention"}
# Operations of TensorFlow that Keras 2 wrote down by name; `diag.io.legacy_nodes` knows which.
TF_OPERATIONS = frozenset(("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"))
# Activations by any name that a version of Keras wrote, without the ending ``_v2`` of TensorFlow 1.
FUNCTIONS = frozenset((
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid",
    "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax",
    "squareplus", "swish", "tanh", "tanh_shrink", "threshold",
))  # fmt: skip
# Activations that were written as objects of their own; `diag.io.legacy_config` puts them into today's words.
OLD_ACTIVATIONS = frozenset(("Swish", "Mish", "Relu6"))
# Operations of Keras 3 in functional models, by the module that holds them today (``keras.src.ops.<module>``). Left
# out are those that take a function (Map, Scan, WhileLoop, Cond, ...), losses, and those that make an array of a size
# that is written down with no input of that size (Arange, Full, Linspace, ...).
OPERATIONS = {
    "core": frozenset((
        "Cast", "ConvertToTensor", "SaturateCast", "Scatter", "ScatterUpdate", "Slice", "SliceUpdate", "StopGradient",
        "Unstack",
    )),
    "image": frozenset((
        "AffineTransform", "CropImages", "ExtractPatches", "GaussianBlur", "HSVToRGB", "PadImages", "RGBToGrayscale",
        "RGBToHSV", "Resize", "ScaleAndTranslate", "SobelEdges",
    )),
    "linalg": frozenset(("Norm",)),
    "math": frozenset((
        "Erf", "Erfc", "Erfinv", "FFT", "FFT2", "IFFT2", "InTopK", "Logsumexp", "Rsqrt", "SegmentMax", "SegmentSum",
        "TopK",
    )),
    "nn": frozenset((
        "AdaptiveAveragePool", "AdaptiveMaxPool", "AveragePool", "BatchNorm", "Celu", "Conv", "ConvTranspose",
        "DepthToSpace", "DepthwiseConv", "DotProductAttention", "Elu", "Gelu", "Glu", "HardShrink", "HardSigmoid",
        "HardSilu", "HardTanh", "LayerNorm", "LeakyRelu", "LogSigmoid", "LogSoftmax", "MaxPool", "Moments",
        "MultiHot", "Normalize", "OneHot", "RMSNorm", "Relu", "Relu6", "Selu", "SeparableConv", "Sigmoid", "Silu",
        "SoftShrink", "Softmax", "Softplus", "Softsign", "SpaceToDepth", "SparsePlus", "SparseSigmoid", "Sparsemax",
        "Squareplus", "TanhShrink", "Threshold",
    )),
    "numpy": frozenset((
        "Abs", "Absolute", "Add", "All", "Amax", "Amin", "Any", "Append", "Arccos", "Arccosh", "Arcsin", "Arcsinh",
        "Arctan", "Arctan2", "Arctanh", "Argmax", "Argmin", "Argsort", "Array", "ArraySplit", "Average",
        "BitwiseAnd", "BitwiseInvert", "BitwiseNot", "BitwiseOr", "BitwiseXor", "BroadcastTo", "Cbrt", "Ceil",
        "Clip", "Concatenate", "Conj", "Conjugate", "Copy", "Cos", "Cosh", "CountNonzero", "Cross", "Cumprod",
        "Cumsum", "Deg2rad", "Diagonal", "Diff", "Digitize", "Divide", "DivideNoNan", "Dot", "Dsplit", "Dstack",
        "Einsum", "Equal", "Exp", "Exp2", "ExpandDims", "Expm1", "Fabs", "Flip", "Fliplr", "Flipud", "Floor",
        "FloorDivide", "Fmax", "Fmin", "Fmod", "GetItem", "Greater", "GreaterEqual", "Heaviside", "Hsplit",
        "Hstack", "Hypot", "Imag", "Inner", "Isclose", "Isfinite", "Isinf", "Isnan", "Less", "LessEqual", "Log",
        "Log10", "Log1p", "Log2", "Logaddexp", "Logaddexp2", "LogicalAnd", "LogicalNot", "LogicalOr", "LogicalXor",
        "Matmul", "Max", "Maximum", "Mean", "Median", "Min", "Minimum", "Mod", "Moveaxis", "Multiply", "NanToNum",
        "Nanmax", "Nanmean", "Nanmin", "Nansum", "Ndim", "Negative", "NotEqual", "OnesLike", "Outer", "Pad",
        "Percentile", "Power", "Prod", "Ptp", "Quantile", "Rad2deg", "Ravel", "Real", "Reciprocal", "Repeat",
        "Reshape", "Roll", "Rot90", "Round", "Select", "Sign", "Sin", "Sinc", "Sinh", "Size", "Sort", "Split",
        "Sqrt", "Square", "Squeeze", "Stack", "Std", "Subtract", "Sum", "Swapaxes", "Take", "TakeAlongAxis", "Tan",
        "Tanh", "Tensordot", "Tile", "Trace", "Transpose", "Tril", "Triu", "TrueDivide", "Trunc", "Var", "Vdot",
        "Vsplit", "Vstack", "Where", "ZerosLike",
    )),
    "einops": frozenset(("Rearrange",)),
}  # fmt: skip
# Classes for the numbers' types, with the keys of their configuration; old names are today's first.
DTYPE_POLICIES = frozenset(("DTypePolicy", "Policy", "PolicyV1", "FloatDTypePolicy", "QuantizedDTypePolicy"))
DTYPES = frozenset((
    "float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool", "string", "mixed_float16", "mixed_bfloat16", "float", "infer", "_infer",
))  # fmt: skip
# Notations for plain values inside configurations; none of them names a class or function.
VALUES = frozenset((
    "__tuple__", "__ellipsis__", "__slice__", "__keras_tensor__", "__numpy__", "__tensor__", "__bytes__", "Ellipsis",
    "TensorShape", "slice", "ndarray",
))  # fmt: skip
# Where an object may be said to come from: these packages, or anything in them ...
HOMES = ("keras", "tensorflow.keras", "tensorflow.python.keras", "tf_keras", "builtins")
# ... but for parts of Keras that hold no layers.
NO_HOMES = frozenset((
    "utils", "saving", "config", "backend", "datasets", "callbacks", "export", "preprocessing", "trainers",
))  # fmt: skip
# Packages whose layers diag builds itself, by `diag.io.substitutes`: never imported.
SUBSTITUTED_HOMES = frozenset(("keras", "tf_keras", "autokeras"))
# What only training needs: dropped wherever it stands, whatever it names.
NOT_NEEDED = ("_initializer", "_regularizer", "_constraint")
# Arguments by which a layer would open a file if they held a text.
FILES = frozenset(("vocabulary", "vocabulary_file", "file_path", "filepath", "filename", "path", "idf_weights"))
