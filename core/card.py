"""The model card: what a model file is, beside it as `NAME.card.json`. Loads no runtime."""

import json
import math
import operator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from edgits import files
from edgits.errors import ModelError
from edgits.normalize import Normalization

SCHEMA = 1
NONE_LABEL, SEVERAL_LABEL = "none", "several"
# The outputs that a model which can refuse has after those of the digits.
REFUSALS = (NONE_LABEL, SEVERAL_LABEL)
_MOST_BYTES = 2**20  # a card has some thousands


@dataclass(frozen=True)
class TensorSpec:
    """A model's input or output tensor.

    Attributes:
        shape: Shape without the batch axis, such as (28, 28, 1).
        dtype: NumPy name: ``"float32"``, ``"int8"`` or ``"uint8"``.
        scale: Quantization scale; 0 where the tensor isn't quantized.
        zero_point: Quantization zero point.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """All that is needed to use a model file rightly, and to judge it.

    Attributes:
        name: Model name, such as ``"small"``.
        format: Recipe that made the file: ``"keras"``, ``"tflite-int8"``, ``"onnx-float32"``, …
        labels: Meaning of each output; ``"none"`` marks the output for what is no digit, ``"several"`` that for
            digits that touch, to be parted.
        input: The input tensor.
        output: The output tensor.
        scores: Whether outputs are ``"logits"`` or ``"probabilities"``.
        normalization: How a crop becomes input.
        temperature: Logits are divided by it before the softmax (Guo et al. 2017).
        reject_threshold: Readings with a confidence in [0, 1] below it are no digits.
        parameters: Number of parameters of the float model.
        macs: Multiply-accumulate operations for one image.
        training: Recipe, data, seeds, epochs, command that made it; JSON values.
        windows: Whether it reads windows on rows of digits that touch, too (`edgits.windows`).
        accuracy: ``{"value", "n", "correct", "ci95", "data"}`` on data not trained on; or empty.
        sha256: SHA-256 of the model file.
    """

    name: str
    format: str
    labels: tuple[str, ...]
    input: TensorSpec
    output: TensorSpec
    scores: Literal["logits", "probabilities"] = "logits"
    normalization: Normalization = field(default_factory=Normalization)
    temperature: float = 1.0
    reject_threshold: float = 0.0
    parameters: int = 0
    macs: int = 0
    training: dict[str, Any] = field(default_factory=dict)
    windows: bool = False
    accuracy: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.output.shape[-1] != len(self.labels):
            raise ModelError(f"a card names {len(self.labels)} labels for {self.output.shape[-1]} outputs")
        if self.scores not in ("logits", "probabilities"):
            raise ModelError(f"a card's scores must be 'logits' or 'probabilities', found {self.scores!r:.40}")
        if not 0 < self.temperature < math.inf:
            raise ModelError(f"a card's temperature must be above 0, found {self.temperature}")
        if not 0 <= self.reject_threshold <= 1:
            raise ModelError(f"a card's reject threshold must be 0 to 1, found {self.reject_threshold}")

    def to_json(self) -> dict[str, Any]:
        """Returns the card as JSON values, the schema number first."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, value: Any, *, source: str) -> "ModelCard":
        """Makes a card from JSON values.

        Args:
            value: What `to_json` returned.
            source: Name for messages.

        Raises:
            ModelError: A field is missing, unknown, or out of its range.
        """
        try:
            fields = dict(value)
            if fields.pop("schema") != SCHEMA:
                raise ModelError(
                    f"'{source}' has card schema {value['schema']!r:.40}, this edgits reads {SCHEMA}; update it"
                )
            fields["labels"] = tuple(str(label) for label in fields["labels"])
            for name in ("input", "output"):
                spec = dict(fields[name])
                fields[name] = TensorSpec(**{**spec, "shape": tuple(int(side) for side in spec["shape"])})
            fields["normalization"] = Normalization(**fields["normalization"])
            operator.index(fields["normalization"].size)  # 28.0 is no side
            return cls(**fields)
        except ModelError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
            raise ModelError(f"'{source}' is no model card: {error!r:.200}; export the model again") from error

    def save(self, model: Path) -> "ModelCard":
        """Writes the card beside `model`, with that file's SHA-256, and returns it so."""
        signed = replace(self, sha256=files.sha256(model))
        files.write_json(card_path(model), signed.to_json())
        return signed


def card_path(model: Path) -> Path:
    """Returns where the card of a model file is: `small-int8.tflite` → `small-int8.tflite.card.json`."""
    return model.with_name(model.name + ".card.json")


def load_card(model: Path) -> ModelCard | None:
    """Loads the card beside a model file and checks that it is that file's.

    Args:
        model: The model file.

    Returns:
        The card, or None where there is none (somebody else's model).

    Raises:
        ModelError: The card can't be read, or the file isn't the one it was written for.
    """
    path = card_path(model)
    if not path.exists():
        return None
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"the card '{path}' can't be read: {error}; export the model again") from error
    card = ModelCard.from_json(value, source=path.name)
    found = files.sha256(model)
    if found != card.sha256:
        raise ModelError(
            f"'{model}' isn't the file its card was written for: sha256 {found[:12]}… found, "
            f"{card.sha256[:12]}… expected; it is damaged or was exchanged: export or copy it again"
        )
    return card
