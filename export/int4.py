"""Makes `.tflite` files with 4-bit weights by litert-quantizer. Checks nothing.

Weights are made float again as they are used, so that all arithmetic stays float32: arithmetic in integers
lost more (29 flips in 10,000 digits, where this had 13). The ranges come from OCTAV (Sakr et al. 2022), which
clips what is rare: with plain minimum and maximum it were 29 too, and with least squares 49.
"""

import tempfile
from pathlib import Path
from typing import Any

from edgits.edge.runtimes import Floats
from edgits.errors import require
from edgits.export import tflite
from edgits.export.recipes import TFLiteOptions


def convert(model: Any, calibration: Floats, path: Path) -> None:
    """Writes a `.tflite` file of a `keras.Model`; see `edgits.export.tflite.convert`."""
    quantizer = require("litert_quantizer.quantizer", extra="int4")
    recipe = require("litert_quantizer.recipe", extra="int4")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "float32.tflite"
        tflite.convert(model, TFLiteOptions(), calibration, whole)
        weights = recipe.weight_only_wi4_afp32(algorithm_key=recipe.AlgorithmName.OCTAV)
        path.write_bytes(bytes(quantizer.Quantizer(str(whole), weights).quantize().quantized_model))
