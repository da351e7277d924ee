"""Measures how many calibration images are enough: `python -m edgits.export.curve RUN --out docs/calibration.md`.

It calibrates integer formats with more and more images, several times each, and compares every file with Keras
on the run's test images, of which none calibrates. It chooses nothing.
"""

import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgits import files
from edgits.edge.runtimes import Floats, Runtime, open_model
from edgits.errors import EdgitsError, require
from edgits.export.bias import convert_corrected
from edgits.export.check import read_scores
from edgits.export.exporter import require_converters
from edgits.export.feed import Samples, load_samples
from edgits.export.onnx import convert as convert_onnx
from edgits.export.quiet import quiet
from edgits.export.recipes import RECIPES, OnnxOptions, Recipe, TFLiteOptions
from edgits.export.source import CALIBRATION_IMAGES, Source, load_source, pick
from edgits.export.tflite import convert as convert_tflite

FORMATS = {"tflite-int8": "#4c72b0", "onnx-int8": "#dd8452"}  # with the colours in which they are drawn
COUNTS = (1, 3, 10, 30, 100, 300, CALIBRATION_IMAGES)
SEEDS = (1, 2)
_PAGE = """\
# How many calibration images

`edgits export` calibrates with {used} images, a share of each digit. This is what fewer do to `{name}`: integer
files are made with more and more images, chosen {seeds} times, and compared with Keras on {images:,} images of which
none calibrates.

![Flips and mean difference over the number of calibration images]({picture})

{table}

`flips` are images in which another digit is read than by Keras, one number a choice.

```
python -m edgits.export.curve RUN
```
"""


@dataclass(frozen=True)
class Point:
    """One file.

    Attributes:
        recipe: Name of its format.
        count: How many images calibrated it.
        seed: Which.
        flips: Images in which another digit is read than by Keras.
        mean: Mean difference of the probabilities.
    """

    recipe: str
    count: int
    seed: int
    flips: int
    mean: float


def measure(
    source: Source, test: Samples, counts: Sequence[int], seeds: Sequence[int], say: Callable[[str], None]
) -> list[Point]:
    """Converts and compares a file for every format, count and seed; counts above what the run has are left out."""
    images = source.feed.batch(test.images)
    with quiet():
        expected = read_scores(source.runtime.run(images), source.card)
    counts = [count for count in counts if count <= len(source.calibration)]
    points = []
    for name in FORMATS:
        for count in counts:
            # there is but one choice of all
            for seed in seeds if count < len(source.calibration) else seeds[:1]:
                say(f"{name}: {count} images, seed {seed}")
                chosen = source.calibration.take(pick(source.calibration.labels, count, seed=seed))
                scores = _convert_and_run(source, RECIPES[name], source.feed.batch(chosen.images), images)
                found = read_scores(scores, source.card)
                flips = int(np.sum(found.digits != expected.digits))
                mean = float(np.abs(found.probabilities - expected.probabilities).mean())
                points.append(Point(name, count, seed, flips, mean))
    return points


def _convert_and_run(source: Source, recipe: Recipe, calibration: Floats, images: Floats) -> Floats:
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / f"model{recipe.suffix}"

        def convert() -> Runtime:
            if isinstance(recipe.options, OnnxOptions):
                convert_onnx(source.runtime.model, recipe.options, calibration, path)
            elif isinstance(recipe.options, TFLiteOptions):
                convert_tflite(source.runtime.model, recipe.options, calibration, path)
            return open_model(path)

        convert_corrected(source.runtime, convert, calibration)
        return open_model(path).run(images)


def draw(points: Sequence[Point], title: str, path: Path) -> None:
    """Draws flips and mean difference over the number of images: a dot a file, a line through the means."""
    figure = require("matplotlib.figure", extra="train").Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _plot(left, [(point.recipe, point.count, float(point.flips)) for point in points], "images read differently")
    _plot(right, [(point.recipe, point.count, point.mean) for point in points], "mean difference of probabilities")
    left.legend(frameon=False)
    figure.suptitle(title)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    files.write_bytes(path, picture.getvalue())


def _plot(axes: Any, values: Sequence[tuple[str, int, float]], label: str) -> None:
    for name, colour in FORMATS.items():
        ours = [(count, value) for format_, count, value in values if format_ == name]
        axes.plot(*zip(*ours, strict=True), ".", color=colour, alpha=0.5)
        counts = sorted({count for count, _ in ours})
        means = [np.mean([value for found, value in ours if found == count]) for count in counts]
        axes.plot(counts, means, "-", color=colour, label=name)
    axes.set(xscale="log", xlabel="calibration images", ylabel=label)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)


def table(points: Sequence[Point]) -> str:
    """Returns the means as lines of Markdown."""
    lines = ["| format | images | flips | mean difference |", "|---|---:|---|---|"]
    for name, count in dict.fromkeys((point.recipe, point.count) for point in points):
        same = [point for point in points if (point.recipe, point.count) == (name, count)]
        flips = ", ".join(str(point.flips) for point in same)
        lines.append(f"| `{name}` | {count} | {flips} | {np.mean([point.mean for point in same]):.5f} |")
    return "\n".join(lines)


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default="docs/calibration.md", show_default=True)
def main(run: Path, out: Path) -> None:
    """Measures how many calibration images the model in RUN needs; writes a page and, beside it, its picture."""
    picture = out.with_suffix(".png")
    try:
        require_converters([RECIPES[name] for name in FORMATS])
        source = load_source(run)
        test = load_samples(str(run / "test.npz"), source.card.labels, source.card.input.shape[2])
        points = measure(source, test, COUNTS, SEEDS, lambda text: click.echo(text, err=True))
        draw(points, f"{source.card.name}: {len(test):,} images, against Keras", picture)
        values = {"used": len(source.calibration), "name": source.card.name, "seeds": len(SEEDS), "images": len(test)}
        files.write_bytes(out, _PAGE.format(**values, picture=picture.name, table=table(points)).encode())
    except EdgitsError as error:
        raise click.ClickException(str(error)) from error
    click.echo(out)


if __name__ == "__main__":
    main()
