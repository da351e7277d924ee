"""Decides what a benchmark measures: which files, in which runtimes, on which images. Runs nothing."""

from collections.abc import Sequence
from pathlib import Path

from edgits.benchmarks.children import Job
from edgits.card import load_card
from edgits.dataset import Dataset
from edgits.edge.recognizer import find_model
from edgits.edge.runtimes import model_kind, runtimes_for
from edgits.errors import DataError, MissingExtraError, ModelError
from edgits.train.data import load_dataset

# Exported files from the exact to the compact
_ORDER = ("float32", "float16", "dynamic", "int16x8", "int8")


def choose_models(sources: Sequence[str], reference: str | None) -> list[Path]:
    """Finds the model files.

    Args:
        sources: Run folders, model files, names of shipped models.
        reference: What the others are compared with, a file or a name; by default the first
            model, which of a run folder is its Keras model.

    Returns:
        The files, the reference first, each once.

    Raises:
        ModelError: There is no such model, a file is damaged, or a run folder has no exported files.
    """
    found = [find_model(reference)] if reference else []
    for source in sources:
        found += _run_models(Path(source)) if Path(source).is_dir() else [find_model(source)]
    models = list(dict.fromkeys(found))
    for path in models:
        model_kind(path)
        load_card(path)
    return models


def _run_models(run: Path) -> list[Path]:
    files = [path for path in (run / "export").glob("*") if path.suffix in (".tflite", ".onnx")]
    if not files:
        raise ModelError(f"'{run}' holds no exported models; run: edgits export {run}")
    files.sort(key=lambda path: (path.suffix != ".tflite", *_rank(path)))
    keras = run / "model.keras"
    return [keras, *files] if keras.is_file() else files


def _rank(path: Path) -> tuple[int, str]:
    places = [place for place, name in enumerate(_ORDER) if name in path.stem]
    return (places[0] if places else len(_ORDER)), path.name


def choose_jobs(models: Sequence[Path], runtimes: Sequence[str], threads: Sequence[int]) -> tuple[list[Job], list[str]]:
    """Chooses where each model runs.

    Args:
        models: Model files.
        runtimes: Names of runtimes; by default all that are installed. The reference, which is
            the first model, runs in any case.
        threads: Numbers of threads, each a row of its own.

    Returns:
        The jobs, in the order of the models, and why models were left out.

    Raises:
        MissingExtraError: No runtime is installed that runs any of them.
        ModelError: None of the runtimes asked for runs a model.
    """
    jobs: list[Job] = []
    left_out = []
    for model in models:
        kind = model_kind(model)
        usable = runtimes_for(model)
        if not usable and kind != "keras":
            raise MissingExtraError(f"no runtime for '{model}' is installed: pip install {_package(kind)}")
        if not usable:  # a board has no Keras: the rest of a run folder can be measured there
            left_out.append(f"{model.name}: Keras isn't installed (pip install 'edgits[train]')")
        chosen = [name for name in usable if name in runtimes] if runtimes else usable
        if not chosen and model == models[0]:
            chosen = usable[:1]  # the reference is needed, whatever runtimes are asked for
        # Keras takes its backend's own number of threads
        counts = (0,) if kind == "keras" else tuple(threads)
        jobs += [Job(model, name, count, optional=not runtimes) for name in chosen for count in counts]
    if not jobs:
        asked = f"{' and '.join(runtimes)} can't run" if runtimes else "nothing installed runs"
        raise ModelError(f"{asked} {', '.join(path.name for path in models)}; choose another --runtime")
    return jobs, left_out


def choose_data(sources: Sequence[str], data: str | None) -> Dataset:
    """Loads the images: those named, or the held-back part of a run among the sources.

    Raises:
        DataError: There are none.
    """
    if data is not None:
        return load_dataset(data)
    for source in map(Path, sources):
        for folder in (source, source.parent, source.parent.parent):
            if (folder / "test.npz").is_file():
                return load_dataset(str(folder / "test.npz"))
    raise DataError(f"there are no test images beside {', '.join(sources)}; give some with --data, such as mnist5k")


def _package(kind: str) -> str:
    return "'edgits[onnx]'" if kind == "onnx" else "ai-edge-litert"
