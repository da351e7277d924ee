"""The architectures, as data, and how to build them. Knows nothing of data or training.

All convolve, bound their activations at 6 so that int8 covers them well, and use only
operations that LiteRT, tflite-runtime 2.14, TensorFlow Lite Micro and ONNX Runtime run in int8.
"""

from dataclasses import dataclass
from typing import Any

from edgits.errors import ModelError, require


@dataclass(frozen=True)
class Tier:
    """A convolutional network for small square images.

    Attributes:
        widths: Channels of each 3x3 convolution, in order.
        strides: Stride of each.
        separable: Whether all but the first convolution are parted into one a channel and one a place
            (Howard et al. 2017), which gives three times the channels for the same parameters.
        shortcuts: Whether a convolution that keeps the shape adds to what came in (He et al. 2016). What is added
            isn't bounded, and costs the least nets more in int8 than it gains them.
        dropout: Share of features dropped before the last layer while training.
    """

    widths: tuple[int, ...]
    strides: tuple[int, ...]
    separable: bool = False
    shortcuts: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.strides):
            raise ModelError(f"a tier needs a stride a width, found {self.widths} and {self.strides}")


TIERS = {
    "nano": Tier((8, 20, 20, 20, 24, 24), (1, 2, 1, 1, 2, 1), separable=True, shortcuts=False),
    "small": Tier((16, 16, 32, 32, 48, 56), (1, 1, 2, 1, 2, 1)),
    "base": Tier((24, 24, 56, 56, 96, 112, 112), (1, 1, 2, 1, 2, 1, 1), dropout=0.2),
}
MODELS = ("classic", *TIERS)


def build(model: str, *, size: int, classes: int) -> Any:
    """Builds a model with fresh weights.

    Args:
        model: One of `MODELS`.
        size: Side of the square grey input in pixels.
        classes: Number of outputs.

    Returns:
        A `keras.Model` from float32 (N, size, size, 1) in [0, 1] to logits (N, classes).

    Raises:
        ModelError: There is no model of that name.
    """
    if model == "classic":
        return _classic(size, classes)
    if model not in TIERS:
        raise ModelError(f"there is no model '{model}'; choose {', '.join(MODELS)}")
    return _tier(TIERS[model], size, classes, model)


def _classic(size: int, classes: int) -> Any:
    """The notebook's Sequential CNN; it ends in logits, the softmax is the reader's."""
    keras = require("keras", extra="train")
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((size, size, 1), name="image"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, name="scores"),
        ],
        name="classic",
    )


def _tier(tier: Tier, size: int, classes: int, name: str) -> Any:
    """Convolutions, with shortcuts where the tier has them, and a learned pooling at the end."""
    keras = require("keras", extra="train")
    layers = keras.layers
    image = x = keras.Input((size, size, 1), name="image")
    for width, stride in zip(tier.widths, tier.strides, strict=True):
        if tier.separable and x is not image:
            y = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
            y = layers.Conv2D(width, 1, use_bias=False)(y)
        else:
            y = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
        y = layers.BatchNormalization(momentum=0.95)(y)
        x = layers.Add()([x, y]) if tier.shortcuts and y.shape == x.shape else y
        x = layers.ReLU(max_value=6)(x)
    # One weight a place and channel: where in the image a stroke lies matters for a digit.
    x = layers.DepthwiseConv2D(x.shape[1], use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.95)(x)
    x = layers.ReLU(max_value=6)(x)
    x = layers.Flatten()(x)
    if tier.dropout:
        x = layers.Dropout(tier.dropout)(x)
    return keras.Model(image, layers.Dense(classes, name="scores", dtype="float32")(x), name=name)


def count_macs(model: Any) -> int:
    """Counts the multiply-accumulate operations of one image through convolutions and dense layers."""
    total = 0
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("Conv2D", "DepthwiseConv2D"):
            _, height, width, channels = layer.output.shape
            depth = 1 if kind == "DepthwiseConv2D" else layer.input.shape[-1]
            total += height * width * channels * depth * layer.kernel_size[0] * layer.kernel_size[1]
        elif kind == "Dense":
            total += layer.input.shape[-1] * layer.units
    return int(total)
