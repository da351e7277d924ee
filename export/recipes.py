"""The formats that `edgits export` writes, as data: options, calibration, limits. Converts nothing itself.

The limits are what a conversion may change. They were measured on two convolutional nets of 50 to
60 thousand parameters, one that reads 99.5 % of 10,000 held-back MNIST digits and one trained
for seconds that reads 95 % of 1,000, and then given room for weaker nets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgits.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a converted model may differ from its Keras original, and why.

    Attributes:
        difference: Largest difference of any probability, in [0, 1].
        flips: Largest share of images in which another digit is read, in [0, 1]; and of
            those that become, or cease to be, no digit.
        drop: Largest loss of accuracy, as a share in [0, 1].
        why: Where the figures come from.
    """

    difference: float
    flips: float
    drop: float
    why: str

    def allowed(self, share: float, count: int) -> int:
        """Returns how many of `count` images a share allows; two at least, unless it is 0."""
        return max(2, int(share * count)) if share else 0


@dataclass(frozen=True, kw_only=True)
class TFLiteOptions:
    """Options of TensorFlow's converter.

    Attributes:
        optimize: Whether weights are made smaller at all.
        ops: Name in `tf.lite.OpsSet` of the operations that the file may use.
        float_type: Name in `tf` of the type of weights, where it isn't float32.
        io: Type of input and output, an integer type or float32.
        batch: Batch of the input; None is open.
    """

    optimize: bool = False
    ops: str = "TFLITE_BUILTINS"
    float_type: str | None = None
    io: Literal["float32", "int8"] = "float32"
    batch: int | None = None


@dataclass(frozen=True, kw_only=True)
class OnnxOptions:
    """Options of the ONNX converters.

    Attributes:
        precision: ``"float32"``, ``"float16"`` weights and arithmetic, or ``"int8"``: static, as
            quantize and dequantize nodes (QDQ).
    """

    precision: Literal["float32", "float16", "int8"] = "float32"


@dataclass(frozen=True, kw_only=True)
class Int4Options:
    """Options of litert-quantizer: none; see `edgits.export.int4`."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A format.

    Attributes:
        name: Such as ``"tflite-int8"``: the kind of file, then what is in it.
        about: What it is good for, one line.
        options: The converter's options.
        limits: What it may differ from the original.
        micro: Whether TFLite Micro must run it too.
        calibrated: Whether real images set its ranges.
        default: Whether ``default`` includes it.
    """

    name: str
    about: str
    options: TFLiteOptions | OnnxOptions | Int4Options
    limits: Limits
    micro: bool = False
    calibrated: bool = False
    default: bool = True

    @property
    def suffix(self) -> str:
        """Suffix of the file, with the dot."""
        return {"c": ".cc"}.get(kind := self.name.split("-", 1)[0], f".{kind}")

    def file_name(self, model: str) -> str:
        """Returns the file's name for a model's name: ``"small"`` → ``"small-int8.tflite"``."""
        return f"{model}-{self.name.split('-', 1)[1]}{self.suffix}"


_EXACT = Limits(
    difference=1e-4,
    flips=0,
    drop=0,
    why="the same arithmetic in another order: 1e-5 and no flip in 10,000 measured",
)
_HALF = Limits(
    difference=0.05,
    flips=0.002,
    drop=0.001,
    why="weights with 11 bits: 0.003 and no flip in 10,000 measured",
)
_EIGHT_BITS = Limits(
    difference=0.6,
    flips=0.03,
    drop=0.01,
    why="256 steps a tensor: 0.27 and at most 5 flips in 10,000 measured, on the weaker net 9 in 1,000; "
    "a wrong range or a lost weight changes most answers",
)
_FOUR_BITS = Limits(
    difference=0.9,
    flips=0.03,
    drop=0.01,
    why="16 steps a weight: 0.53 and 10 flips in 10,000 measured, on a net of 10 thousand parameters 0.77 and 118",
)
_SIXTEEN_BITS = Limits(
    difference=0.3,
    flips=0.02,
    drop=0.01,
    why="256 steps a weight, 65,536 an activation: 0.05 and 1 flip in 10,000 measured",
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="tflite-float32",
            about="answers as Keras does: the one to compare with",
            options=TFLiteOptions(),
            limits=_EXACT,
        ),
        Recipe(
            name="tflite-float16",
            about="half the size, the same speed; for GPUs and for storage",
            options=TFLiteOptions(optimize=True, float_type="float16"),
            limits=_HALF,
        ),
        Recipe(
            name="tflite-dynamic",
            about="a quarter of the size without calibration: 8-bit weights, float input and output",
            options=TFLiteOptions(optimize=True),
            limits=_EIGHT_BITS,
        ),
        Recipe(
            name="tflite-int8",
            about="integers throughout, input and output too: the fastest on a Pi 5 and on microcontrollers",
            options=TFLiteOptions(optimize=True, ops="TFLITE_BUILTINS_INT8", io="int8"),
            limits=_EIGHT_BITS,
            calibrated=True,
        ),
        Recipe(
            name="tflite-int8-float-io",
            about="integers inside, float input and output: takes a float model's place without other code",
            options=TFLiteOptions(optimize=True, ops="TFLITE_BUILTINS_INT8"),
            limits=_EIGHT_BITS,
            calibrated=True,
            default=False,
        ),
        Recipe(
            name="tflite-int8-b1",
            about="integers throughout, one image at a time: what Edge TPU and microcontroller compilers take",
            options=TFLiteOptions(optimize=True, ops="TFLITE_BUILTINS_INT8", io="int8", batch=1),
            limits=_EIGHT_BITS,
            micro=True,
            calibrated=True,
            default=False,
        ),
        Recipe(
            name="tflite-int4",
            about="4-bit weights, float arithmetic: two thirds of int8's size; not for tflite-runtime",
            options=Int4Options(),
            limits=_FOUR_BITS,
            calibrated=True,
            default=False,
        ),
        Recipe(
            name="tflite-int16x8",
            about="16-bit activations, 8-bit weights: where int8 loses too much; slow on a CPU",
            options=TFLiteOptions(optimize=True, ops="EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"),
            limits=_SIXTEEN_BITS,
            calibrated=True,
            default=False,
        ),
        Recipe(
            name="onnx-float32",
            about="answers as Keras does, in ONNX Runtime, OpenCV and other tools",
            options=OnnxOptions(),
            limits=_EXACT,
        ),
        Recipe(
            name="onnx-float16",
            about="half the size, float input and output; for GPUs",
            options=OnnxOptions(precision="float16"),
            limits=_HALF,
            default=False,
        ),
        Recipe(
            name="onnx-int8",
            about="integers inside, float input and output; exact on CPUs without VNNI too",
            options=OnnxOptions(precision="int8"),
            limits=_EIGHT_BITS,
            calibrated=True,
        ),
        Recipe(
            name="c-int8",
            about="a C array with an example for TFLite Micro: integers throughout, one image at a time",
            options=TFLiteOptions(optimize=True, ops="TFLITE_BUILTINS_INT8", io="int8", batch=1),
            limits=_EIGHT_BITS,
            micro=True,
            calibrated=True,
            default=False,
        ),
    )
}
GROUPS = ("default", "all")


def select(names: Sequence[str]) -> list[Recipe]:
    """Finds recipes by name.

    Args:
        names: Names of recipes, ``"default"`` or ``"all"``; a recipe named twice counts once.

    Returns:
        The recipes in the order of `RECIPES`.

    Raises:
        ModelError: There is no format of that name.
    """
    for name in names:
        if name not in RECIPES and name not in GROUPS:
            raise ModelError(f"there is no format '{name}'; choose {', '.join((*RECIPES, *GROUPS))}")
    return [
        recipe
        for recipe in RECIPES.values()
        if recipe.name in names or "all" in names or ("default" in names and recipe.default)
    ]
