"""Builds TensorFlow Lite's standard metadata of a card: what the model is, its labels, how its input is normalised.

The layout is that of `metadata_schema.fbs` (tflite-support, file identifier M001); the numbers are places of
fields in it. Only what is needed here is built, and nothing is read.
"""

from typing import Any

from edgits import __version__
from edgits.card import ModelCard
from edgits.errors import require

NAME = b"TFLITE_METADATA"
LABELS_FILE = "labels.txt"
_IDENTIFIER, _PARSER = b"M001", "1.0.0"
_TENSOR_AXIS_LABELS, _RGB, _GRAYSCALE = 2, 1, 2  # of enum AssociatedFileType and enum ColorSpaceType
_FEATURE, _IMAGE, _NORMALIZATION = 1, 2, 1  # of union ContentProperties and union ProcessUnitOptions


def standard_metadata(card: ModelCard) -> bytes:
    """Returns the flatbuffer that the entry `NAME` of a `.tflite` file points to."""
    builder = require("flatbuffers", extra="train").Builder(1024)
    tables = _Tables(builder)
    labels = tables.make({0: LABELS_FILE, 1: "what each output means"}, bytes_={2: _TENSOR_AXIS_LABELS})
    content = tables.make({1: tables.make({})}, bytes_={0: _FEATURE})
    scores = tables.make({0: "scores", 1: f"a score for each label: {card.scores}", 3: content, 6: [labels]})
    subgraph = tables.make({0: card.name, 2: [_input(tables, card)], 3: [scores]})
    about = f"an image in, a score for each of {len(card.labels)} classes out; format {card.format}, written by edgits"
    model = tables.make({0: card.name, 1: about, 2: __version__, 3: [subgraph], 7: _PARSER})
    builder.Finish(model, file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _input(tables: "_Tables", card: ModelCard) -> int:
    height, width, channels = card.input.shape
    # A reader of this metadata normalises (pixel - mean) / std.
    normalization = tables.make({0: [0.0], 1: [255.0]})
    size = tables.make({}, ints={0: width, 1: height})
    image = tables.make({1: size}, bytes_={0: _RGB if channels == 3 else _GRAYSCALE})
    method = card.normalization.method
    ink = ": the digit white on black, its longer side 20/28 of the image, centred by mass" if method == "ink" else ""
    return tables.make(
        {
            0: "image",
            1: f"one image, normalised by '{method}'{ink}",
            3: tables.make({1: image}, bytes_={0: _IMAGE}),
            4: [tables.make({1: normalization}, bytes_={0: _NORMALIZATION})],
            5: tables.make({0: [1.0], 1: [0.0]}),
        }
    )


class _Tables:
    """Makes flatbuffer tables: a field is text, a list of numbers, a list of tables, or a table."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def make(
        self,
        fields: dict[int, str | int | list[float] | list[int]],
        *,
        bytes_: dict[int, int] | None = None,
        ints: dict[int, int] | None = None,
    ) -> int:
        """Makes a table and returns its place; `fields` are by reference, `bytes_` and `ints` numbers in the table."""
        builder = self._builder
        # what a table refers to must be there before the table is begun
        places = {slot: value if isinstance(value, int) else self._outside(value) for slot, value in fields.items()}
        builder.StartObject(1 + max([-1, *fields, *(bytes_ or {}), *(ints or {})]))
        for slot, place in places.items():
            builder.PrependUOffsetTRelativeSlot(slot, place, 0)
        for slot, number in (ints or {}).items():
            builder.PrependUint32Slot(slot, number, 0)
        for slot, number in (bytes_ or {}).items():
            builder.PrependUint8Slot(slot, number, 0)
        return int(builder.EndObject())

    def _outside(self, value: str | list[float] | list[int]) -> int:
        builder = self._builder
        if isinstance(value, str):
            return int(builder.CreateString(value))
        builder.StartVector(4, len(value), 4)
        for item in reversed(value):
            if isinstance(item, float):
                builder.PrependFloat32(item)
            else:
                builder.PrependUOffsetTRelative(item)
        return int(builder.EndVector())
