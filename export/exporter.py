"""Exports a model: converts, checks, and only then puts the file and its card in place, format by format.

All or nothing holds for a format: the files of the formats asked for are removed first, and what
fails its check never gets its name, so that nothing stale or wrong looks good.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgits import files
from edgits.card import ModelCard, card_path, load_card
from edgits.edge.runtimes import Floats, Runtime, open_model
from edgits.errors import CheckError, EdgitsError, ModelError, OutputError, require
from edgits.export import carray, int4, onnx, tflite
from edgits.export.bias import convert_corrected
from edgits.export.check import Check, Reference, check_file, make_reference
from edgits.export.metadata import embed_card
from edgits.export.quiet import quiet
from edgits.export.recipes import Int4Options, OnnxOptions, Recipe
from edgits.export.source import Source
from edgits.export.structure import read_structure

CHECKS = "checks.json"


@dataclass(frozen=True)
class Export:
    """One exported format.

    Attributes:
        recipe: The format.
        path: The file; absent where `problem` says why.
        bytes: Size of the file; 0 where there is none.
        seconds: Time that converting and checking took.
        checks: One for each runtime.
        left_out: Installed runtimes that couldn't be asked, and why.
        problem: Why there is no file; empty where all is well.
    """

    recipe: Recipe
    path: Path
    bytes: int
    seconds: float
    checks: tuple[Check, ...]
    left_out: tuple[str, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns the export as JSON values."""
        return {
            "format": self.recipe.name,
            "file": self.path.name,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 2),
            "limits": asdict(self.recipe.limits),
            "checks": [check.to_json() for check in self.checks],
            "left_out": list(self.left_out),
            "problem": self.problem,
        }


def require_converters(recipes: Sequence[Recipe]) -> None:
    """Loads the packages that recipes need, or raises `MissingExtraError`: that is better known at once."""
    with quiet():
        require("tensorflow", extra="train")
        if any(isinstance(recipe.options, OnnxOptions) for recipe in recipes):
            for module in ("onnx", "onnxruntime", "tf2onnx"):
                require(module, extra="onnx")
        if any(isinstance(recipe.options, Int4Options) for recipe in recipes):
            require("litert_quantizer", extra="int4")


def export(
    source: Source,
    recipes: Sequence[Recipe],
    out: Path,
    *,
    on_start: Callable[[Recipe], None] | None = None,
    on_done: Callable[[Export], None] | None = None,
) -> list[Export]:
    """Writes a model in several formats, each checked on every runtime installed.

    Args:
        source: The model and its images.
        recipes: The formats.
        out: Folder for the files, their cards and `checks.json`.
        on_start: Called before each format.
        on_done: Called after each format, good or failed.

    Returns:
        One result a format, in the order asked for.

    Raises:
        CheckError: The Keras model itself answers nonsense, or a format failed; the others are done.
        OutputError: The folder can't be written.
    """
    files.make_folder(out)
    for recipe in recipes:
        _remove(out / recipe.file_name(source.card.name))
    inputs = source.feed.batch(source.test.images)
    with quiet():
        reference = make_reference(source.runtime, source.card, inputs, source.test.labels)
    calibration = source.feed.batch(source.calibration.images)
    exports = []
    for recipe in recipes:
        if on_start:
            on_start(recipe)
        exports.append(_export_one(source, recipe, out, calibration, reference))
        if on_done:
            on_done(exports[-1])
    _write_checks(out / CHECKS, exports)
    problems = [result.problem for result in exports if result.problem]
    if problems:
        more = f" (and {len(problems) - 1} more formats failed)" if len(problems) > 1 else ""
        raise CheckError(f"{problems[0]}{more}; the failed files were not kept, all figures are in '{out / CHECKS}'")
    return exports


def _export_one(source: Source, recipe: Recipe, out: Path, calibration: Floats, reference: Reference) -> Export:
    start = time.perf_counter()
    path = out / recipe.file_name(source.card.name)
    checks: list[Check] = []
    left_out: list[str] = []
    size, problem = 0, ""
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as folder, quiet():
        made = Path(folder) / path.name
        try:
            model, card = _convert(source, recipe, calibration, made)
            checks, left_out = check_file(model, recipe, source.card, reference)
            problem = next((check.problem for check in checks if check.problem), "")
        except (CheckError, ModelError) as error:
            problem = str(error) if str(error).startswith(recipe.name) else f"{recipe.name}: {error}"
        if not problem:
            if made.suffix == ".cc":
                _write_array(model, made, card)
            card.save(made)
            size = made.stat().st_size
            _place(made, path)
    return Export(recipe, path, size, time.perf_counter() - start, tuple(checks), tuple(left_out), problem)


def _convert(source: Source, recipe: Recipe, calibration: Floats, path: Path) -> tuple[Path, ModelCard]:
    """Writes the file with the card inside, and returns it and the card.

    What becomes a C array is a `.tflite` file first, and without a card inside: a board has no room for it.
    """
    model = path.with_suffix(".tflite") if path.suffix == ".cc" else path

    def convert() -> Runtime:
        if isinstance(recipe.options, OnnxOptions):
            onnx.convert(source.runtime.model, recipe.options, calibration, model)
        elif isinstance(recipe.options, Int4Options):
            int4.convert(source.runtime.model, calibration, model)
        else:
            tflite.convert(source.runtime.model, recipe.options, calibration, model)
        return open_model(model)

    training = dict(source.card.training)
    try:
        if recipe.calibrated:
            correction = convert_corrected(source.runtime, convert, calibration)
            training["calibration"] = source.calibration_record() | {"bias_correction": correction}
        else:
            convert()
    except EdgitsError:
        raise
    except Exception as error:  # the converters' exceptions share no base but Exception
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{recipe.name}: the converter failed: {type(error).__name__}: {reason}") from error
    made = open_model(model)
    accuracy = source.card.accuracy and source.card.accuracy | {"of": "keras"}  # this file's own is in checks.json
    card = replace(
        source.card,
        format=recipe.name,
        input=made.input,
        output=made.output,
        training=training,
        accuracy=accuracy,
    )
    if model == path:
        embed_card(path, card)
    return model, card


def _write_array(model: Path, path: Path, card: ModelCard) -> None:
    """Writes the C array of a checked model, and makes sure that it holds the same bytes."""
    structure = read_structure(model)
    assert structure is not None
    carray.write(model.read_bytes(), path, card, structure)
    if carray.read(path) != model.read_bytes():
        raise AssertionError(f"the array in '{path}' isn't the model's")


def _place(made: Path, path: Path) -> None:
    """Moves a checked file and what belongs to it to their names, the card first.

    If that is interrupted, a card without a model is left, never a model without its card.
    """
    load_card(made)
    card_path(made).replace(card_path(path))
    for old, new in zip(_files(made), _files(path), strict=True):
        old.replace(new)


def _files(path: Path) -> list[Path]:
    """Names a format's files but for its card, the model itself last."""
    return [*(carray.written_with(path) if path.suffix == ".cc" else []), path]


def _remove(path: Path) -> None:
    for old in (*_files(path), card_path(path)):
        try:
            old.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"can't replace '{old}': {error.strerror}; choose another folder with --out") from error


def _write_checks(path: Path, exports: list[Export]) -> None:
    """Writes the figures; those of formats that were exported earlier, and not now, are kept."""
    names = {result.recipe.name for result in exports}
    kept = [row for row in read_checks(path) if row["format"] not in names and (path.parent / row["file"]).exists()]
    files.write_json(path, {"formats": kept + [result.to_json() for result in exports]})


def read_checks(path: Path) -> list[dict[str, Any]]:
    """Reads the rows of a `checks.json`; none where there is no such file or it is damaged."""
    try:
        rows = json.loads(path.read_bytes())["formats"]
        return [row for row in rows if {"format", "file"} <= set(row)]
    except (OSError, ValueError, KeyError, TypeError):
        return []
