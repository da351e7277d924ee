"""Finds the oldest runtime that really answers right: it runs the file on old ones, the oldest first.

Minimum versions inside files aren't to be trusted: tflite-runtime 2.14 loads some files that need a newer one
without a word and answers at chance. What it tries is what has packages for this Python and machine; it
fetches them, which needs a network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgits.card import ModelCard
from edgits.edge.runtimes import Floats
from edgits.errors import CheckError, MissingExtraError, ModelError
from edgits.export.environments import Environment
from edgits.export.recipes import Recipe
from edgits.export.trial import Trial

OLD_TFLITE = Environment("tflite-runtime", "tflite-runtime==2.14.0", ("numpy<2",))
# One of each series, the oldest first. None is younger than what pyproject.toml asks for at least.
HISTORY = {
    ".tflite": (
        OLD_TFLITE,  # 2023
        Environment("litert", "ai-edge-litert==1.0.1", ("numpy<2",)),  # 2024
        Environment("litert", "ai-edge-litert==1.2.0"),
        Environment("litert", "ai-edge-litert==1.4.0"),
        Environment("litert", "ai-edge-litert==2.0.3"),  # 2025
        Environment("litert", "ai-edge-litert==2.1.6"),
    ),
    ".onnx": (
        Environment("onnxruntime", "onnxruntime==1.15.1", ("numpy<2",)),  # 2023
        Environment("onnxruntime", "onnxruntime==1.17.3", ("numpy<2",)),
        Environment("onnxruntime", "onnxruntime==1.20.1"),  # 2024
        Environment("onnxruntime", "onnxruntime==1.23.2"),  # 2025
    ),
}


@dataclass(frozen=True)
class Attempt:
    """What became of a file on an old runtime.

    Attributes:
        runtime: Its name.
        version: Its version.
        flips: Images read differently; None where it gave no answers.
        accuracy: Share read right; None likewise.
        problem: Why it doesn't do; empty where it answers right.
        tried: Whether it could be fetched and run at all.
    """

    runtime: str
    version: str
    flips: int | None
    accuracy: float | None
    problem: str
    tried: bool = True


def attempt(path: Path, environment: Environment, recipe: Recipe, card: ModelCard | None, trial: Trial) -> Attempt:
    """Runs a file on one old runtime."""

    def run(batches: list[Floats]) -> tuple[str, list[Floats]]:
        return environment.version, environment.run(path, batches)

    name, version = environment.runtime, environment.version
    try:
        check = trial.check(run, name, recipe, card)
    except MissingExtraError as error:
        return Attempt(name, version, None, None, str(error), tried=False)
    except (ModelError, CheckError) as error:
        return Attempt(name, version, None, None, str(error))
    return Attempt(name, version, check.flips, check.accuracy, check.problem)


def find_oldest(
    path: Path,
    recipe: Recipe,
    card: ModelCard | None,
    trial: Trial,
    *,
    on_step: Callable[[str], None] = lambda _: None,
) -> tuple[Attempt, ...]:
    """Tries old runtimes until one answers right.

    Returns:
        The attempts, the oldest first; where one succeeded it is the last.
    """
    attempts: list[Attempt] = []
    for environment in HISTORY.get(path.suffix, ()):
        on_step(f"reading {len(trial.data):,} images with {path.name} on {environment.runtime} {environment.version}")
        attempts.append(attempt(path, environment, recipe, card, trial))
        if attempts[-1].tried and not attempts[-1].problem:
            break
    return tuple(attempts)
