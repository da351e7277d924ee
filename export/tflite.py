"""Makes `.tflite` files of a Keras model with TensorFlow's converter. Checks nothing.

Keras's own `export(format="litert")` is used: through `from_concrete_functions` a Keras 3 model
becomes a file without weights that answers NaN, and no error says so.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgits.edge.runtimes import Floats
from edgits.errors import require
from edgits.export.recipes import TFLiteOptions


def convert(model: Any, options: TFLiteOptions, calibration: Floats, path: Path) -> None:
    """Writes a `.tflite` file.

    Args:
        model: A `keras.Model`.
        options: The recipe's options.
        calibration: float32 (N, H, W, C), normalised images; unused where no ranges are needed.
        path: Where to write, with the suffix ``.tflite``.
    """
    keras = require("keras", extra="train")
    tf = require("tensorflow", extra="train")

    def images() -> Iterator[list[Floats]]:
        for image in calibration:
            yield [image[np.newaxis]]

    target: dict[str, Any] = {"supported_ops": [getattr(tf.lite.OpsSet, options.ops)]}
    settings: dict[str, Any] = {"target_spec": target}
    if options.optimize:
        settings["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if options.float_type:
        target["supported_types"] = [getattr(tf, options.float_type)]
    if options.ops != "TFLITE_BUILTINS":
        settings["representative_dataset"] = images
    elif options.optimize:
        # Dense layers quantized a channel ask for FULLY_CONNECTED version 12, which tflite-runtime 2.14 lacks.
        settings["_experimental_disable_per_channel_quantization_for_dense_layers"] = True
    if options.io != "float32":
        settings |= {f"inference_{end}_type": getattr(tf, options.io) for end in ("input", "output")}
    shape = (options.batch, *model.input_shape[1:])
    signature = [keras.InputSpec(shape=shape, dtype="float32", name="image")]
    model.export(str(path), format="litert", verbose=False, input_signature=signature, **settings)
