"""Proves a model file against its reference, on every runtime installed, each in a process of its own.

It believes nothing but answers to real images. Whether those images are like a camera's it can't tell;
nor, where a file has no card, whether a few weights of 8 bits were damaged: with 20 flipped bits such a
file stays within the limits that its format needs.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgits import files
from edgits.card import ModelCard, load_card
from edgits.dataset import Dataset
from edgits.edge.recognizer import describe, find_model
from edgits.edge.runtimes import Floats, KerasRuntime, model_kind, open_model, runtimes_for
from edgits.errors import CheckError, MissingExtraError, ModelError
from edgits.export.check import Reference, compare, read_digits, read_scores
from edgits.export.faults import Evidence, Fault, answer_faults, structural_faults
from edgits.export.flips import draw
from edgits.export.metadata import read_embedded_card
from edgits.export.outcome import Outcome, measure
from edgits.export.probe import run_apart
from edgits.export.quiet import quiet
from edgits.export.recipes import RECIPES, Recipe, TFLiteOptions
from edgits.export.source import MODEL, pick
from edgits.export.structure import Structure, read_structure
from edgits.train.data import load_dataset

REPORT, PICTURE = "verify.json", "flips.png"
_PROBED = 300
_INPUTS: dict[str, Callable[[Floats], Floats]] = {
    "inverted": lambda images: 1 - images,
    "times 255": lambda images: images * 255,
    "divided by 255": lambda images: images * np.float32(1 / 255),
}


@dataclass(frozen=True)
class Verdict:
    """What was found out about a file.

    Attributes:
        artifact: The file.
        reference: What it was compared with.
        data: Name of the images.
        images: How many.
        limits: Name of the recipe whose limits hold.
        structure: What the file consists of, where that could be read.
        outcomes: One for each runtime that answered.
        faults: What is wrong; empty where the file is verified.
        left_out: Installed runtimes that couldn't be asked, and why.
    """

    artifact: Path
    reference: Path
    data: str
    images: int
    limits: str
    structure: Structure | None
    outcomes: tuple[Outcome, ...]
    faults: tuple[Fault, ...]
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the verdict as JSON values."""
        return {
            "artifact": str(self.artifact),
            "reference": str(self.reference),
            "data": self.data,
            "images": self.images,
            "limits": self.limits,
            "verified": not self.faults,
            "faults": [asdict(fault) for fault in self.faults],
            "structure": self.structure and asdict(self.structure),
            "runtimes": [outcome.to_json() for outcome in self.outcomes],
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True)
class _Trial:
    """What the file must do: the images, and how the reference reads them."""

    data: Dataset
    card: ModelCard
    reference: Reference


def verify(
    artifact: str,
    *,
    against: str | None = None,
    data: str | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Verifies a model file.

    Args:
        artifact: The file, or the name of a shipped model.
        against: The reference, named likewise; by default the Keras model of the run folder that the file is in.
        data: Images, as `load_dataset` reads them; by default the run's ``test.npz``, else ``"mnist5k"``.
        on_step: Called with a few words at the beginning of every step.

    Returns:
        The verdict; faults of the file are in it, not raised.

    Raises:
        ModelError: There is no such file, it is no model, or there is no usable reference.
        DataError: There are no such images.
        MissingExtraError: No runtime for the file or the reference is installed.
    """
    path = find_model(artifact)
    other = find_model(against) if against else _default_reference(path)
    card, faults = _card_or_fault(path)
    if not faults:
        model_kind(path)
    source = data or next((str(place) for place in _beside(path, "test.npz")), "mnist5k")
    images = load_dataset(source)
    on_step(f"reading {len(images):,} images with {other.name}")
    trial = _make_trial(other, images)
    card = card or _embedded(path)
    structure = read_structure(path)
    recipe = _recipe(card, structure, trial.card.parameters)
    fixed = isinstance(recipe.options, TFLiteOptions) and recipe.options.batch is not None
    faults += structural_faults(structure, parameters=trial.card.parameters, fixed_batch=fixed)
    outcomes, left_out = [], []
    for runtime in _runtimes(path, damaged=bool(faults)):
        on_step(f"reading {len(images):,} images with {path.name} on {runtime}")
        try:
            outcome, evidence = _examine(path, runtime, recipe, card, trial)
            outcomes.append(outcome)
            faults += answer_faults(evidence, explained=any(fault.explains_answers for fault in faults))
        except MissingExtraError as error:
            left_out.append(f"{runtime}: {error}")
        except (ModelError, CheckError) as error:
            faults.append(_refused(path, runtime, error))
    if not outcomes and not faults:
        raise MissingExtraError(f"no runtime can run '{path}' ({'; '.join(left_out)}); install one")
    first = {fault.name: fault for fault in reversed(faults)}  # of a name, where runtimes have it in common
    faults = [fault for fault in faults if first[fault.name] is fault]
    return Verdict(
        path,
        other,
        source,
        len(images),
        recipe.name,
        structure,
        tuple(outcomes),
        tuple(faults),
        tuple(left_out),
    )


def write(verdict: Verdict, out: Path) -> list[Path]:
    """Writes `verify.json`, and `flips.png` with the images that the worst runtime reads differently.

    Returns:
        The files written. A picture of an earlier verification doesn't stay where nothing flipped.
    """
    files.write_json(out / REPORT, verdict.to_json())
    flips = max((outcome.flips for outcome in verdict.outcomes), key=len, default=())
    if not flips:
        (out / PICTURE).unlink(missing_ok=True)
        return [out / REPORT]
    files.write_bytes(out / PICTURE, cv2.imencode(".png", draw(flips))[1].tobytes())
    return [out / REPORT, out / PICTURE]


def _beside(path: Path, name: str) -> list[Path]:
    """Finds a file of the run folder that `path` is in, or in whose subfolder it is."""
    folders = path.absolute().parents[:2]
    return [folder / name for folder in folders if (folder / name).is_file()]


def _default_reference(path: Path) -> Path:
    for found in _beside(path, MODEL):
        if not found.samefile(path):
            return found
    raise ModelError(f"there is no Keras model beside '{path}' to compare it with; name one with --against")


def _card_or_fault(path: Path) -> tuple[ModelCard | None, list[Fault]]:
    try:
        return load_card(path), []
    except ModelError as error:
        meaning, _, advice = str(error).partition("; ")
        return None, [Fault("wrong file or card", meaning, advice)]


def _embedded(path: Path) -> ModelCard | None:
    """Reads the card inside a file; None where there is none, or what there is can't be read."""
    if path.suffix == ".keras":
        return None
    try:
        with quiet():
            return read_embedded_card(path)
    except Exception:  # a damaged file fails anywhere in generated code
        return None


def _make_trial(path: Path, data: Dataset) -> _Trial:
    """Runs the reference on the images."""
    card = load_card(path) or _embedded(path)
    if card is None:
        with quiet():
            runtime = open_model(path)
            card = describe(path, runtime)
            if isinstance(runtime, KerasRuntime):
                card = replace(card, parameters=int(runtime.model.count_params()))
    usable = runtimes_for(path)
    if not usable:
        raise MissingExtraError(f"no runtime for the reference '{path}' is installed: pip install 'edgits[train]'")
    images = card.normalization.batch(data.images)
    scores = run_apart(path, usable[0], [images])[1][0]
    if not np.isfinite(scores).all():
        raise ModelError(f"the reference '{path}' itself answers NaN or infinity; name another with --against")
    name = "Keras" if usable[0] == "keras" else path.name
    return _Trial(data, card, Reference(images, data.labels, read_scores(scores, card), name))


def _recipe(card: ModelCard | None, structure: Structure | None, parameters: int) -> Recipe:
    """Finds the recipe whose limits hold: the card's, else the one that spends as many bytes on a parameter."""
    if card and card.format in RECIPES:
        return RECIPES[card.format]
    if structure is None or not parameters or structure.constants > 3 * parameters:
        return RECIPES["tflite-float32"]
    return RECIPES["tflite-float16" if structure.constants > 1.5 * parameters else "tflite-dynamic"]


def _runtimes(path: Path, *, damaged: bool) -> list[str]:
    try:
        names = runtimes_for(path)
    except ModelError:
        if damaged:  # so badly that nothing can be run
            return []
        raise
    if not names:
        raise MissingExtraError(f"no runtime for '{path}' is installed: pip install ai-edge-litert 'edgits[onnx]'")
    return names


def _refused(path: Path, runtime: str, error: Exception) -> Fault:
    meaning, _, advice = str(error).partition("; ")
    return Fault(f"refused by {runtime}", meaning, advice or f"'{path.name}' is damaged: export or copy it again")


def _examine(
    path: Path, runtime: str, recipe: Recipe, card: ModelCard | None, trial: _Trial
) -> tuple[Outcome, Evidence]:
    """Runs the file on one runtime, as it should be and with inputs as other models want them."""
    reference, labels = trial.reference, trial.data.labels
    normalization = (card or trial.card).normalization
    same = normalization == trial.card.normalization
    inputs = reference.images if same else normalization.batch(trial.data.images)
    chosen = pick(labels, _PROBED)
    # One image, a few, then the rest: an open batch must survive the changes.
    plain = [part for part in np.split(inputs, [1, min(8, len(inputs))]) if len(part)]
    version, parts = run_apart(path, runtime, [*plain, *(change(inputs[chosen]) for change in _INPUTS.values())])
    scores, expected = np.concatenate(parts[: len(plain)]), reference.answers.probabilities
    if scores.shape != expected.shape:
        raise ModelError(f"it answers {scores.shape}, the reference {expected.shape}; it is another model's file")
    card = card or _like(trial.card, scores)
    check = compare(runtime, version, scores, recipe, card, reference)
    probes = zip(("as they are", *_INPUTS), (scores[chosen], *parts[len(plain) :]), strict=True)
    probed = {name: float(np.mean(read_digits(answers, card) == labels[chosen])) for name, answers in probes}
    outcome = measure(check, scores, card, reference, trial.data)
    return outcome, Evidence(check, scores, read_digits(scores, card), labels, probed)


def _like(card: ModelCard, scores: Floats) -> ModelCard:
    """Makes a card for a file without one: the reference's, but for what its answers show to be otherwise."""
    sums_to_one = bool(np.all(scores >= 0) and np.allclose(scores.sum(axis=1), 1, atol=0.05))
    return replace(card, scores="probabilities" if sums_to_one else "logits")
