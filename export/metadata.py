"""Puts a model's card inside its file, so that a file without its sidecar still says what it is.

The card inside lacks the file's SHA-256, which can't be in the file it is taken of. Reading needs
TensorFlow or onnx: it is for people and tools, the recognizer reads the sidecar.
"""

import json
from pathlib import Path
from typing import Any

from edgits.card import ModelCard
from edgits.errors import require

CARD_KEY = "edgits.card"
_TFLITE_ALIGNMENT = 16  # of constant data, from TensorFlow Lite's schema.fbs (force_align)


def embed_card(path: Path, card: ModelCard) -> None:
    """Writes the card into a `.tflite` or `.onnx` file.

    Args:
        path: The file, changed in place.
        card: The card; its SHA-256 is left empty.
    """
    text = json.dumps({**card.to_json(), "sha256": ""})
    (_embed_onnx if path.suffix == ".onnx" else _embed_tflite)(path, text, card)


def read_embedded_card(path: Path) -> ModelCard | None:
    """Reads the card inside a `.tflite` or `.onnx` file; None where there is none."""
    text = _onnx_text(path) if path.suffix == ".onnx" else _tflite_text(path)
    return None if text is None else ModelCard.from_json(json.loads(text), source=path.name)


def _embed_onnx(path: Path, text: str, card: ModelCard) -> None:
    onnx = require("onnx", extra="onnx")
    proto = onnx.load(path)
    values = {
        CARD_KEY: text,
        "labels": "\n".join(card.labels),
        "normalization": json.dumps(card.normalization.to_json()),
    }
    onnx.helper.set_model_props(proto, values)
    onnx.save(proto, path)


def _onnx_text(path: Path) -> str | None:
    proto = require("onnx", extra="onnx").load(path)
    return next((prop.value for prop in proto.metadata_props if prop.key == CARD_KEY), None)


def _embed_tflite(path: Path, text: str, card: ModelCard) -> None:
    schema = require("tensorflow.lite.python.schema_py_generated", extra="train")
    flatbuffers = require("flatbuffers", extra="train")
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    model.description = f"edgits {card.name}: {card.format}".encode()
    entry = schema.MetadataT()
    entry.name, entry.buffer = CARD_KEY.encode(), len(model.buffers)
    model.metadata = [*(model.metadata or []), entry]
    contents = [buffer.data for buffer in model.buffers]
    contents.append(text.encode())
    model.buffers = [_AlignedBuffer(schema, data) for data in contents]
    builder = flatbuffers.Builder(path.stat().st_size + len(text))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))


class _AlignedBuffer:
    """A buffer that packs its data aligned: the generated code forgets to, and kernels count on it."""

    def __init__(self, schema: Any, data: Any) -> None:
        self._schema = schema
        self._data = b"" if data is None else bytes(data)

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the generated code calls it so
        vector = None
        if self._data:
            builder.Prep(_TFLITE_ALIGNMENT, len(self._data))
            vector = builder.CreateByteVector(self._data)
        self._schema.BufferStart(builder)
        if vector is not None:
            self._schema.BufferAddData(builder, vector)
        return self._schema.BufferEnd(builder)


def _tflite_text(path: Path) -> str | None:
    schema = require("tensorflow.lite.python.schema_py_generated", extra="train")
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    for entry in model.metadata or []:
        if entry.name == CARD_KEY.encode():
            return bytes(model.buffers[entry.buffer].data).decode()
    return None
