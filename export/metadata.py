"""Puts a model's card inside its file, so that a file without its sidecar still says what it is.

A `.tflite` file gets TensorFlow Lite's standard metadata too, which other tools read, a `.onnx` file plain
properties. The card inside lacks the file's SHA-256, which can't be in the file it is taken of; a seal takes
its place. Reading is for people and tools, the recognizer reads the sidecar.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

from edgits.card import ModelCard
from edgits.errors import require
from edgits.export.seal import BLANK, seal
from edgits.export.standard_metadata import LABELS_FILE, NAME, standard_metadata
from edgits.export.structure import tflite_schema

CARD_KEY, SEAL_KEY = "edgits.card", "edgits.seal"
_TFLITE_ALIGNMENT = 16  # of constant data, from TensorFlow Lite's schema.fbs (force_align)
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that zip can say: files of the same content are the same


def embed_card(path: Path, card: ModelCard) -> None:
    """Writes the card into a `.tflite` or `.onnx` file, and seals the file.

    Args:
        path: The file, changed in place.
        card: The card; its SHA-256 is left empty.
    """
    text = json.dumps({**card.to_json(), "sha256": ""})
    (_embed_onnx if path.suffix == ".onnx" else _embed_tflite)(path, text, card)
    seal(path)


def read_embedded_card(path: Path) -> ModelCard | None:
    """Reads the card inside a `.tflite` or `.onnx` file; None where there is none."""
    text = _onnx_text(path) if path.suffix == ".onnx" else _tflite_text(path)
    return None if text is None else ModelCard.from_json(json.loads(text), source=path.name)


def _embed_onnx(path: Path, text: str, card: ModelCard) -> None:
    onnx = require("onnx", extra="onnx")
    proto = onnx.load(path)
    proto.doc_string = _about(card)
    values = {
        CARD_KEY: text,
        SEAL_KEY: BLANK,
        "labels": "\n".join(card.labels),
        "normalization": json.dumps(card.normalization.to_json()),
        "description": _about(card),
    }
    onnx.helper.set_model_props(proto, values)
    onnx.save(proto, path)


def _onnx_text(path: Path) -> str | None:
    proto = require("onnx", extra="onnx").load(path)
    return next((prop.value for prop in proto.metadata_props if prop.key == CARD_KEY), None)


def _embed_tflite(path: Path, text: str, card: ModelCard) -> None:
    schema = tflite_schema()
    flatbuffers = require("flatbuffers", extra="train")
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    model.description = _about(card).encode()
    contents = [buffer.data for buffer in model.buffers]
    added = {CARD_KEY.encode(): text.encode(), SEAL_KEY.encode(): BLANK.encode(), NAME: standard_metadata(card)}
    for name, data in added.items():
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(contents)
        model.metadata = [*(model.metadata or []), entry]
        contents.append(data)
    model.buffers = [_AlignedBuffer(schema, data) for data in contents]
    builder = flatbuffers.Builder(path.stat().st_size + len(text))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    # The standard has files that the metadata names in a zip archive behind the model.
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS_FILE, _DATE), "\n".join(card.labels) + "\n")


def _about(card: ModelCard) -> str:
    return f"edgits {card.name}: {card.format}"


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
    schema = tflite_schema()
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    for entry in model.metadata or []:
        if entry.name == CARD_KEY.encode():
            return bytes(model.buffers[entry.buffer].data).decode()
    return None
