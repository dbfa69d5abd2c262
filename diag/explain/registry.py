"""Which rule each Keras layer, activation and `keras.ops` operation has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag.explain import layer_rules, rules
from diag.explain.rules import RULES, Rule

if TYPE_CHECKING:
    from diag.explain.graph import Step


def _by_sources(*choices: Rule | None, more: Rule | None = None) -> Any:
    """Return a picker of the rule for one operand that depends on the image, for two, and so on; `more` for others."""
    return lambda step: choices[len(step.sources) - 1] if len(step.sources) <= len(choices) else more


def _division(step: Step) -> Rule:
    if len(step.sources) == 2:
        return rules.quotient
    marker = object()
    args, _ = step.arguments([marker])
    return rules.linear if args and args[0] is marker else rules.elementwise


def _plain_relu(step: Step) -> Rule:
    layer = step.operation
    plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
    return rules.relu if plain else rules.elementwise


def _dot(step: Step) -> Rule | None:
    if len(step.sources) == 1:
        return rules.linear
    return None if getattr(step.operation, "normalize", False) else rules.bilinear


def _unquantised(rule: Rule) -> Any:
    """Return a picker: quantised layers round what goes into them."""
    return lambda step: None if getattr(step.operation, "quantization_mode", None) else rule


def _largest(step: Step) -> Rule | None:
    return Rule(layer_rules.largest) if getattr(step.operation, "initial", None) is None else None


def _average(step: Step) -> Rule | None:
    """Return the rule of the layer, and of the operation whose weights do not depend on the image."""
    layer = hasattr(step.operation, "_merge_function")
    return rules.linear if layer or len(step.sources) == 1 else None


def _wrapped(step: Step) -> Rule | None:
    """Return the rule of a wrapper whose layer is linear."""
    layer = step.operation.layer
    activation = getattr(layer, "activation", None)
    plain = activation is None or getattr(activation, "__name__", "") == "linear"
    kinds = ("Dense", "Conv1D", "Conv2D", "Flatten", "Reshape", "AveragePooling1D", "AveragePooling2D")
    return rules.linear if plain and type(layer).__name__ in kinds else None


_LINEAR = (
    "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D",
    "SeparableConv2D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "GlobalAveragePooling1D",
    "GlobalAveragePooling2D", "GlobalAveragePooling3D", "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "Cropping1D", "Cropping2D",
    "Cropping3D", "CenterCrop", "RandomCrop", "UpSampling1D", "UpSampling2D", "UpSampling3D", "Resizing", "Reshape",
    "Permute", "Flatten", "RepeatVector", "Negative", "Transpose", "ExpandDims", "Squeeze", "Sum", "Mean", "Pad",
    "GetItem", "Flip", "Fliplr", "Rot90", "Roll", "Tile", "Repeat", "BroadcastTo", "Moveaxis", "Swapaxes", "Cast",
    "Copy", "ConvertToTensor", "Slice", "Split", "Hsplit", "Vsplit", "Dsplit", "Unstack", "Ravel", "Diff", "Cumsum",
    "Trace", "Diagonal", "Tril", "Triu", "AveragePool", "AdaptiveAveragePool", "Conv", "DepthwiseConv", "SeparableConv",
    "ConvTranspose", "DepthToSpace", "SpaceToDepth", "Resize", "RGBToGrayscale", "CropImages", "PadImages",
    "ExtractPatches", "Unfold", "Fold", "GaussianBlur", "Deg2rad", "Rad2deg",
)  # fmt: skip
_LINEAR_IN_ALL = ("Subtract", "Stack", "Hstack", "Vstack", "Dstack")
_DIAGONAL = ("Normalization", "Rescaling")
_ELEMENTWISE = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu",
    "log_sigmoid", "mish", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus", "softsign", "sparse_plus",
    "sparse_sigmoid", "squareplus", "tanh", "tanh_shrink", "threshold", "LeakyReLU", "PReLU", "ELU", "Celu", "Elu",
    "Gelu", "HardShrink", "HardSigmoid", "HardSilu", "HardTanh", "LeakyRelu", "LogSigmoid", "Relu6", "Selu", "Sigmoid",
    "Silu", "SoftShrink", "Softplus", "Softsign", "SparsePlus", "SparseSigmoid", "Squareplus", "Tanh", "TanhShrink",
    "Threshold", "Absolute", "Abs", "Fabs", "Arctan", "Arcsinh", "Cbrt", "Clip", "Cos", "Cosh", "Exp", "Exp2", "Expm1",
    "Log", "Log10", "Log1p", "Log2", "Reciprocal", "Sin", "Sinh", "Sqrt", "Square", "Tan", "Rsqrt", "Erf", "Erfc",
    "Power",
)  # fmt: skip


def _register() -> None:
    RULES.update(dict.fromkeys(_LINEAR, _by_sources(rules.linear)))
    RULES.update(dict.fromkeys(("Dense", "EinsumDense"), _unquantised(rules.linear)))
    RULES.update(dict.fromkeys(_LINEAR_IN_ALL, rules.linear))
    RULES.update(dict.fromkeys(_DIAGONAL, _by_sources(rules.diagonal)))
    RULES.update(dict.fromkeys(_ELEMENTWISE, _by_sources(rules.elementwise)))
    convolution = Rule(layer_rules.convolution, needs_inputs=False)
    RULES.update(dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _unquantised(convolution)))
    RULES.update(dict.fromkeys(("relu", "Relu"), rules.relu))
    RULES["ReLU"] = _plain_relu
    RULES["BatchNormalization"] = _by_sources(Rule(layer_rules.batch_normalised, needs_inputs=False))
    RULES["Concatenate"] = Rule(layer_rules.joined, needs_inputs=False)
    RULES["Add"] = rules.sum_of
    RULES["Average"] = _average
    RULES["Multiply"] = _by_sources(rules.linear, more=rules.product)
    RULES.update(dict.fromkeys(("Divide", "TrueDivide"), _division))
    RULES["Maximum"] = _by_sources(rules.elementwise, more=rules.maximum)
    RULES["Minimum"] = _by_sources(rules.elementwise, more=rules.minimum)
    RULES.update(dict.fromkeys(("Matmul", "Einsum", "Tensordot"), _by_sources(rules.linear, rules.bilinear)))
    RULES["Dot"] = _dot
    RULES.update(dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "MaxPool"), Rule(layer_rules.pooling)))
    largest = ("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "Max", "Amax", "Min", "Amin")
    RULES.update(dict.fromkeys(largest, _largest))
    soft = ("softmax", "Softmax", "log_softmax", "LogSoftmax")
    RULES.update(dict.fromkeys(soft, _by_sources(Rule(layer_rules.softmax))))
    RULES.update(dict.fromkeys(("glu", "Glu"), Rule(layer_rules.gated)))
    norms = ("LayerNormalization", "GroupNormalization", "UnitNormalization", "RMSNormalization")
    RULES.update(dict.fromkeys(norms, Rule(layer_rules.normalised)))
    RULES["TimeDistributed"] = _wrapped


_register()
