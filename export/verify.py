"""Proves a model file against its reference, on every runtime installed, each in a process of its own.

It believes nothing but answers to real images. Whether those images are like a camera's it can't tell;
nor, where a file has neither card nor seal, whether a few weights of 8 bits were damaged: with 20 flipped bits
such a file stays within the limits that its format needs.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from edgits import files
from edgits.card import ModelCard, load_card
from edgits.edge.apart import run_apart
from edgits.edge.recognizer import find_model
from edgits.edge.runtimes import model_kind
from edgits.errors import CheckError, MissingExtraError, ModelError
from edgits.export.check import MICRO, MICRO_IMAGES, runtimes_of
from edgits.export.environments import run_bare
from edgits.export.faults import Fault, answer_faults, structural_faults
from edgits.export.feed import load_samples
from edgits.export.flips import draw
from edgits.export.layer_plot import plot_layers
from edgits.export.layers import Layer, check_comparable, compare_layers
from edgits.export.metadata import CARD_KEY
from edgits.export.oldest import Attempt, find_oldest
from edgits.export.outcome import Outcome
from edgits.export.recipes import RECIPES, Recipe, TFLiteOptions
from edgits.export.seal import check_seal
from edgits.export.source import MODEL, pick
from edgits.export.structure import Structure, read_structure
from edgits.export.trial import Trial, embedded_card, make_trial

REPORT, PICTURE, PLOT = "verify.json", "flips.png", "layers.png"
_LAYER_IMAGES = 64
# What runtimes say of an operation or a format that is newer than they are.
_UNSUPPORTED = re.compile(r"Didn't find op|ValidateOpsetForDomain|Unsupported model IR version|Unresolved custom op")


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
        oldest: What older runtimes made of it, the oldest first, where that was asked for.
        layers: Where it lost how much, where that was asked for.
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
    oldest: tuple[Attempt, ...] = ()
    layers: tuple[Layer, ...] = ()

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
            "oldest": [asdict(attempt) for attempt in self.oldest],
            "layers": [asdict(layer) for layer in self.layers],
        }


def verify(
    artifact: str,
    *,
    against: str | None = None,
    data: str | None = None,
    oldest: bool = False,
    layers: bool = False,
    on_step: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Verifies a model file.

    Args:
        artifact: The file, or the name of a shipped model.
        against: The reference, named likewise; by default the Keras model of the run folder that the file is in.
        data: Images, as `load_samples` reads them; by default the run's ``test.npz``, else ``"mnist5k"``.
        oldest: Whether to look for the oldest runtime that answers right; needs a network.
        layers: Whether to measure the error of every layer.
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
    card, faults = _card_or_faults(path)
    if not faults:
        model_kind(path)
        if layers:
            check_comparable(path, other)
    source = data or next((str(place) for place in _beside(path, "test.npz")), "mnist5k")
    on_step(f"reading images with {other.name}")
    trial = make_trial(other, lambda card: load_samples(source, card.labels, card.input.shape[2]), card)
    structure = read_structure(path)
    recipe = _recipe(card, structure, trial.card.parameters)
    fixed = isinstance(recipe.options, TFLiteOptions) and recipe.options.batch is not None
    faults += structural_faults(structure, parameters=trial.card.parameters, fixed_batch=fixed)
    outcomes, left_out = _ask_all(path, recipe, card, trial, faults, on_step)
    first = {fault.name: fault for fault in reversed(faults)}  # of a name, where runtimes have it in common
    faults = [fault for fault in faults if first[fault.name] is fault]
    measured: list[Layer] = []
    if layers and outcomes:
        on_step("measuring the error of every layer")
        measured = compare_layers(path, other, trial.inputs(card)[pick(trial.data.labels, _LAYER_IMAGES)])
    return Verdict(
        path,
        other,
        source,
        len(trial.data),
        recipe.name,
        structure,
        tuple(outcomes),
        tuple(faults),
        tuple(left_out),
        find_oldest(path, recipe, card, trial, on_step=on_step) if oldest and outcomes else (),
        tuple(measured),
    )


def _ask_all(
    path: Path,
    recipe: Recipe,
    card: ModelCard | None,
    trial: Trial,
    faults: list[Fault],
    on_step: Callable[[str], None],
) -> tuple[list[Outcome], list[str]]:
    """Runs the file on every runtime; what is wrong is added to `faults`.

    Returns:
        One outcome for each runtime that answered, and why installed runtimes were left out.
    """
    outcomes, left_out = [], []
    for runtime in _runtimes(path, recipe, damaged=bool(faults)):
        asked, ask = (trial.some(MICRO_IMAGES), run_bare) if runtime == MICRO else (trial, run_apart)
        on_step(f"reading {len(asked.data):,} images with {path.name} on {runtime}")
        try:
            outcome, evidence = asked.examine(partial(ask, path, runtime), runtime, recipe, card)
            outcomes.append(outcome)
            faults += answer_faults(evidence, explained=any(fault.explains_answers for fault in faults))
        except MissingExtraError as error:
            left_out.append(f"{runtime}: {error}")
        except (ModelError, CheckError) as error:
            faults.append(_refused(path, runtime, error))
    if not outcomes and not faults:
        raise MissingExtraError(f"no runtime can run '{path}' ({'; '.join(left_out)}); install one")
    return outcomes, left_out


def write(verdict: Verdict, out: Path) -> list[Path]:
    """Writes `verify.json`, `flips.png` with what the worst runtime reads differently, `layers.png` where measured.

    Returns:
        The files written. Pictures of an earlier verification don't stay.
    """
    files.write_json(out / REPORT, verdict.to_json())
    written = [out / REPORT]
    flips = max((outcome.flips for outcome in verdict.outcomes), key=len, default=())
    for name in (PICTURE, PLOT):
        (out / name).unlink(missing_ok=True)
    if flips:
        files.write_bytes(out / PICTURE, cv2.imencode(".png", draw(flips))[1].tobytes())
        written.append(out / PICTURE)
    if verdict.layers:
        plot_layers(verdict.layers, f"{verdict.artifact.name} against {verdict.reference.name}", out / PLOT)
        written.append(out / PLOT)
    return written


def _beside(path: Path, name: str) -> list[Path]:
    """Finds a file of the run folder that `path` is in, or in whose subfolder it is."""
    folders = path.absolute().parents[:2]
    return [folder / name for folder in folders if (folder / name).is_file()]


def _default_reference(path: Path) -> Path:
    for found in _beside(path, MODEL):
        if not found.samefile(path):
            return found
    raise ModelError(f"there is no Keras model beside '{path}' to compare it with; name one with --against")


def _card_or_faults(path: Path) -> tuple[ModelCard | None, list[Fault]]:
    """Reads the card beside the file or inside it, and finds out whether the file is what was once written."""
    try:
        card = load_card(path)
    except ModelError as error:
        meaning, _, advice = str(error).partition("; ")
        return embedded_card(path), [Fault("wrong file or card", meaning, advice)]
    if card is not None or path.suffix == ".keras":
        return card, []
    card, state = embedded_card(path), check_seal(path)
    if state == "broken":
        meaning = "its bytes aren't those that the seal inside was made of"
        return card, [Fault("damaged", meaning, "copy it again, or export it again")]
    if state == "none" and CARD_KEY.encode() in path.read_bytes():
        meaning = "edgits wrote it, but its seal is missing"
        return card, [Fault("damaged", meaning, "copy it again, or export it again; with its card beside it")]
    return card, []


def _recipe(card: ModelCard | None, structure: Structure | None, parameters: int) -> Recipe:
    """Finds the recipe whose limits hold: the card's, else the one that spends as many bytes on a parameter."""
    if card and card.format in RECIPES:
        return RECIPES[card.format]
    if structure is None or not parameters or structure.constants > 3 * parameters:
        return RECIPES["tflite-float32"]
    return RECIPES["tflite-float16" if structure.constants > 1.5 * parameters else "tflite-dynamic"]


def _runtimes(path: Path, recipe: Recipe, *, damaged: bool) -> list[str]:
    try:
        names = runtimes_of(path, recipe)
    except ModelError:
        if damaged:  # so badly that nothing can be run
            return []
        raise
    if not names:
        raise MissingExtraError(f"no runtime for '{path}' is installed: pip install ai-edge-litert 'edgits[onnx]'")
    return names


def _refused(path: Path, runtime: str, error: Exception) -> Fault:
    meaning, _, advice = str(error).partition("; ")
    if _UNSUPPORTED.search(meaning):
        return Fault(
            "unsupported operation", f"{runtime} is older than the file: {meaning}", "update it, or convert anew"
        )
    return Fault(f"refused by {runtime}", meaning, advice or f"'{path.name}' is damaged: export or copy it again")
