"""Draws where a converted file loses how much, layer by layer. Measures nothing."""

import io
from collections.abc import Sequence
from pathlib import Path

from edgits import files
from edgits.errors import require
from edgits.export.layers import Layer

_CALM, _WORST, _WEIGHTS = "#4c72b0", "#c44e52", "#333333"


def plot_layers(layers: Sequence[Layer], title: str, path: Path) -> None:
    """Writes a PNG: a bar a layer for the error of its output, a mark for that of its weights.

    The layer that adds most is red.
    """
    matplotlib = require("matplotlib.figure", extra="train")
    figure = matplotlib.Figure(figsize=(8, 1.5 + 0.34 * len(layers)), layout="constrained")
    axes = figure.subplots()
    worst = max(range(len(layers)), key=lambda i: layers[i].added)
    places = range(len(layers))
    colours = [_WORST if i == worst else _CALM for i in places]
    errors = [100 * layer.error for layer in layers]
    axes.barh(list(places), errors, color=colours, height=0.7, label="its output")
    weighted = [(i, 100 * layer.weight_error) for i, layer in enumerate(layers) if layer.weight_error is not None]
    if weighted:
        rows, values = zip(*weighted, strict=True)
        axes.plot(values, rows, "D", color=_WEIGHTS, markersize=5, label="its weights")
    axes.bar_label(axes.containers[0], fmt="%.2g", padding=4, fontsize=8)
    axes.set_yticks(list(places), [f"{i + 1}  {layer.operation}" for i, layer in enumerate(layers)], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("root mean square error, % of the float values'")
    axes.set_title(f"{title}\nlayer {worst + 1} adds most", fontsize=10)
    axes.legend(loc="best", frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.08)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    files.write_bytes(path, picture.getvalue())
