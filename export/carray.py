"""Writes a TFLite model as a C array, with a header and an example for TensorFlow Lite for Microcontrollers.

It runs no model; the bytes in the array are those that were checked.
"""

import math
import re
from pathlib import Path

from edgits import files
from edgits.card import ModelCard, TensorSpec
from edgits.export.structure import Structure

# Ample for nets of digits; what a model takes is known after its first run on the board.
ARENA_BYTES = 192 * 1024
_A_LINE = 16

_HEADER = """\
// {about}
#ifndef {guard}
#define {guard}

// A .tflite file, {size} bytes, input and output {dtype}.
extern const unsigned char {name}[];
constexpr unsigned int {name}_size = {size};

// A value x is stored as round(x / scale) + zero_point. The input is one image, rows from the top, {shape},
// in [0, 1]: 0 is paper, 1 is ink. The digit's longer side fills 20/28 of it and its mass is in the middle.
constexpr int {name}_inputs = {inputs};
constexpr float {name}_input_scale = {input.scale!r}f;
constexpr int {name}_input_zero_point = {input.zero_point};
constexpr float {name}_output_scale = {output.scale!r}f;
constexpr int {name}_output_zero_point = {output.zero_point};

constexpr int {name}_classes = {classes};
constexpr const char* {name}_labels[] = {{{labels}}};

#endif
"""

_EXAMPLE = """\
// Reads one digit with {name}: the least that TensorFlow Lite for Microcontrollers needs. {about}
#include <cstdint>

#include "{header}"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {{
// What the model works in; interpreter.arena_used_bytes() says how little is enough.
constexpr int kArenaBytes = {arena};
alignas(16) uint8_t arena[kArenaBytes];
}}  // namespace

// Returns the index of the likeliest label, or -1 where the model can't be set up or run. image: {shape} values
// of 0 (paper) to 255 (ink).
int ReadDigit(const uint8_t* image) {{
  static tflite::MicroMutableOpResolver<{count}> operations;
  static const bool known = {adds};
  static tflite::MicroInterpreter interpreter(tflite::GetModel({name}), operations, arena, kArenaBytes);
  static const bool ready = known && interpreter.AllocateTensors() == kTfLiteOk;
  if (!ready) return -1;

  int8_t* input = interpreter.input(0)->data.int8;
  for (int i = 0; i < {name}_inputs; ++i) {{
    const float steps = image[i] / 255.0f / {name}_input_scale + {name}_input_zero_point;
    const int rounded = static_cast<int>(steps + (steps < 0 ? -0.5f : 0.5f));
    input[i] = static_cast<int8_t>(rounded < -128 ? -128 : rounded > 127 ? 127 : rounded);
  }}
  if (interpreter.Invoke() != kTfLiteOk) return -1;

  const int8_t* scores = interpreter.output(0)->data.int8;
  int best = 0;
  for (int i = 1; i < {name}_classes; ++i) {{
    if (scores[i] > scores[best]) best = i;
  }}
  return best;
}}
"""


def written_with(path: Path) -> list[Path]:
    """Names the files that stand beside the array's: the header and the example."""
    return [path.with_suffix(".h"), path.with_name(f"{path.stem}-example.cc")]


def write(model: bytes, path: Path, card: ModelCard, structure: Structure) -> None:
    """Writes the array to `path`, and header and example beside it.

    Args:
        model: A `.tflite` file with integer input and output and a batch of 1.
        path: Where to, with the suffix ``.cc``.
        card: Its card.
        structure: What it consists of: the example names its operations.
    """
    header, example = written_with(path)
    name = re.sub(r"\W", "_", path.stem)
    values = {
        "about": f"{card.name}, {card.format}, written by edgits",
        "name": name if name[0].isalpha() else f"model_{name}",
        "guard": f"EDGITS_{name.upper()}_H_",
        "header": header.name,
        "size": len(model),
        "dtype": card.input.dtype,
        "input": card.input,
        "output": card.output,
        "shape": _times(card.input),
        "inputs": math.prod(card.input.shape),
        "classes": len(card.labels),
        "labels": ", ".join(f'"{label}"' for label in card.labels),
        "arena": ARENA_BYTES,
        "count": len(structure.operations),
        "adds": " && ".join(f"operations.{_add(op.name)}() == kTfLiteOk" for op in structure.operations),
    }
    files.write_bytes(header, _HEADER.format(**values).encode())
    files.write_bytes(example, _EXAMPLE.format(**values).encode())
    rows = [model[i : i + _A_LINE] for i in range(0, len(model), _A_LINE)]
    array = "\n".join("  " + ", ".join(f"0x{byte:02x}" for byte in row) + "," for row in rows)
    text = f'#include "{header.name}"\n\nalignas(16) const unsigned char {values["name"]}[] = {{\n{array}\n}};\n'
    files.write_bytes(path, text.encode())


def read(path: Path) -> bytes:
    """Returns the bytes of the array in a file that `write` wrote."""
    return bytes(int(byte, 16) for byte in re.findall(r"\b0x([0-9a-f]{2})\b", path.read_text()))


def _times(spec: TensorSpec) -> str:
    return " x ".join(map(str, spec.shape))


def _add(operation: str) -> str:
    """Returns TFLite Micro's name: ``"DEPTHWISE_CONV_2D"`` → ``"AddDepthwiseConv2D"``."""
    return "Add" + "".join(part if part[0].isdigit() else part.capitalize() for part in operation.split("_"))
