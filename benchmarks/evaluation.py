"""Tests one model on labelled images. The figures and the files of the report are `edgits.train.report`'s."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgits import files
from edgits.benchmarks.answers import BATCH, digit_scores, probabilities
from edgits.card import ModelCard
from edgits.dataset import DIGITS, Dataset
from edgits.edge.recognizer import Recognizer
from edgits.errors import require
from edgits.quiet import quiet
from edgits.train.data import load_dataset
from edgits.train.report import Evaluation, evaluate, write_report

_PACKAGES = ("matplotlib", "seaborn", "openpyxl")


@dataclass(frozen=True)
class ModelEvaluation:
    """How a model did.

    Attributes:
        card: The model's card.
        runtime: Name and version of the runtime.
        data: The images, raw.
        evaluation: The best of the ten digits for each image, beside the truth.
        rejected: Share in [0, 1] of the images that the model rejects as no digit.
    """

    card: ModelCard
    runtime: str
    data: Dataset
    evaluation: Evaluation
    rejected: float


def check_out(folder: Path) -> None:
    """Checks what would otherwise fail after the evaluation.

    Raises:
        OutputError: The folder can't be written.
        MissingExtraError: A package that writes the report isn't installed.
    """
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            require(package, extra="train")
    files.make_folder(folder)


def evaluate_model(model: str, data: str) -> ModelEvaluation:
    """Tests a model.

    Args:
        model: Path of a model file or a run folder, or name of a shipped model.
        data: Labelled images, as `load_dataset` reads them.

    Raises:
        DataError: There are no such images.
        ModelError: The file is damaged or isn't a digit model.
    """
    path = Path(model) / "model.keras" if Path(model).is_dir() else model
    with quiet():
        recognizer = Recognizer.load(path, trust=True)  # to judge a model is to run it
    images = load_dataset(data)
    normalization = recognizer.card.normalization
    with quiet():
        found = probabilities(
            recognizer,
            (normalization.batch(images.images[begin : begin + BATCH]) for begin in range(0, len(images), BATCH)),
        )
    readings = recognizer.readings(found)
    return ModelEvaluation(
        recognizer.card,
        f"{recognizer.runtime.name} {recognizer.runtime.version}",
        images,
        evaluate(images.labels, digit_scores(recognizer, found), DIGITS),
        float(np.mean([reading.digit is None for reading in readings])),
    )


def write(folder: Path, outcome: ModelEvaluation) -> list[Path]:
    """Writes the report into a folder and returns its files.

    Raises:
        OutputError: The folder can't be written.
    """
    card = outcome.card
    summary = {
        "Model": card.name,
        "Format": card.format,
        "Runtime": outcome.runtime,
        "Data": outcome.data.provenance["source"],
        "Left out (label -1)": outcome.data.provenance["left_out"],
        "Unreadable": outcome.data.provenance["unreadable"],
        "Rejected": f"{outcome.rejected:.2%}",
        "Input": f"{card.normalization.size}x{card.normalization.size}, grey, 0 to 1, {card.normalization.method}",
        "Parameters": card.parameters,
        "Multiply-accumulates": card.macs,
    }
    return write_report(folder, outcome.evaluation, outcome.data.images, summary=summary)
