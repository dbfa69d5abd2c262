"""Which rule each Keras layer, activation and `keras.ops` operation has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from diag.explain import layer_rules, rules
from diag.explain.rules import RULES, Rule

if TYPE_CHECKING:
    from diag.explain.graph import Step


def _one_linear_two(rule: Rule) -> Any:
    """Return a picker: linear when one operand depends on the image, else the rule for several."""
    return lambda step: rules.linear if len(step.sources) == 1 else rule


def _division(step: Step) -> Rule:
    if len(step.sources) == 2:
        return rules.quotient
    marker = object()
    args, _ = step.arguments([marker])
    return rules.linear if args and args[0] is marker else rules.elementwise


def _power(step: Step) -> Rule | None:
    marker = object()
    args, _ = step.arguments([marker] * len(step.sources))
    return rules.elementwise if len(step.sources) == 1 and args and args[0] is marker else None


def _plain_relu(step: Step) -> Rule:
    layer = step.operation
    plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
    return rules.relu if plain else rules.elementwise


def _dot(step: Step) -> Rule | None:
    return None if getattr(step.operation, "normalize", False) else rules.bilinear


def _unmasked(step: Step) -> Rule | None:
    return Rule(layer_rules.softmax) if len(step.sources) == 1 else None


def _wrapped(step: Step) -> Rule | None:
    """Return the rule of a wrapper whose layer is linear."""
    layer = step.operation.layer
    activation = getattr(layer, "activation", None)
    plain = activation is None or getattr(activation, "__name__", "") == "linear"
    kinds = ("Dense", "Conv1D", "Conv2D", "Flatten", "Reshape", "AveragePooling1D", "AveragePooling2D")
    return rules.linear if plain and type(layer).__name__ in kinds else None


_LINEAR = (
    "Dense", "EinsumDense", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D",
    "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "AveragePooling1D", "AveragePooling2D",
    "AveragePooling3D", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
    "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D", "ZeroPadding1D",
    "ZeroPadding2D", "ZeroPadding3D", "Cropping1D", "Cropping2D", "Cropping3D", "CenterCrop", "RandomCrop",
    "UpSampling1D", "UpSampling2D", "UpSampling3D", "Resizing", "Reshape", "Permute", "Flatten", "RepeatVector",
    "Subtract", "Average", "Concatenate", "Negative", "Transpose", "ExpandDims", "Squeeze", "Stack", "Hstack",
    "Vstack", "Dstack", "Sum", "Mean", "Pad", "GetItem", "Flip", "Fliplr", "Flipud", "Rot90", "Roll", "Tile",
    "Repeat", "BroadcastTo", "Moveaxis", "Swapaxes", "Cast", "Copy", "ConvertToTensor", "Slice", "Split", "Hsplit",
    "Vsplit", "Dsplit", "Unstack", "Ravel", "Diff", "Cumsum", "Trace", "Diagonal", "Tril", "Triu", "AveragePool",
    "AdaptiveAveragePool", "Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose", "DepthToSpace", "SpaceToDepth",
    "Resize", "RGBToGrayscale", "CropImages", "PadImages", "ExtractPatches", "Unfold", "Fold", "GaussianBlur",
    "Deg2rad", "Rad2deg",
)  # fmt: skip
_DIAGONAL = ("BatchNormalization", "Normalization", "Rescaling")
_ELEMENTWISE = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu",
    "log_sigmoid", "mish", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus", "softsign", "sparse_plus",
    "sparse_sigmoid", "squareplus", "tanh", "tanh_shrink", "threshold", "LeakyReLU", "PReLU", "ELU", "Celu", "Elu",
    "Gelu", "HardShrink", "HardSigmoid", "HardSilu", "HardTanh", "LeakyRelu", "LogSigmoid", "Relu6", "Selu",
    "Sigmoid", "Silu", "SoftShrink", "Softplus", "Softsign", "SparsePlus", "SparseSigmoid", "Squareplus", "Tanh",
    "TanhShrink", "Threshold", "Absolute", "Abs", "Fabs", "Arctan", "Arcsinh", "Cbrt", "Clip", "Cos", "Cosh", "Exp",
    "Exp2", "Expm1", "Log", "Log10", "Log1p", "Log2", "Reciprocal", "Sin", "Sinh", "Sqrt", "Square", "Tan", "Rsqrt",
    "Erf", "Erfc",
)  # fmt: skip


def _register() -> None:
    RULES.update(dict.fromkeys(_LINEAR, rules.linear))
    RULES.update(dict.fromkeys(_DIAGONAL, rules.diagonal))
    RULES.update(dict.fromkeys(_ELEMENTWISE, rules.elementwise))
    RULES.update(dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), Rule(layer_rules.convolution, needs_inputs=False)))
    RULES.update(dict.fromkeys(("relu", "Relu"), rules.relu))
    RULES["ReLU"] = _plain_relu
    RULES["Add"] = rules.sum_of
    RULES["Multiply"] = _one_linear_two(rules.product)
    RULES.update(dict.fromkeys(("Divide", "TrueDivide"), _division))
    RULES["Power"] = _power
    for name, rule in (("Maximum", rules.maximum), ("Minimum", rules.minimum)):
        RULES[name] = lambda step, rule=rule: rules.elementwise if len(step.sources) == 1 else rule  # type: ignore[misc]
    RULES.update(dict.fromkeys(("Matmul", "Einsum", "Tensordot"), _one_linear_two(rules.bilinear)))
    RULES["Dot"] = _dot
    RULES.update(dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "MaxPool"), Rule(layer_rules.pooling)))
    globals_ = ("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
    RULES.update(dict.fromkeys((*globals_, "Max", "Amax", "Min", "Amin"), Rule(layer_rules.largest)))
    RULES.update(dict.fromkeys(("softmax", "log_softmax", "LogSoftmax"), Rule(layer_rules.softmax)))
    RULES["Softmax"] = _unmasked
    RULES.update(dict.fromkeys(("glu", "Glu"), Rule(layer_rules.gated)))
    norms = ("LayerNormalization", "GroupNormalization", "UnitNormalization", "RMSNormalization")
    RULES.update(dict.fromkeys(norms, Rule(layer_rules.normalised)))
    RULES["TimeDistributed"] = _wrapped


_register()


def known_layers() -> tuple[str, ...]:
    """Return the kinds of steps that have a rule, sorted."""
    return tuple(sorted(RULES))
