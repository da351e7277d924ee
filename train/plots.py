"""Draws the confusion matrix and the training's history as PNG. Needs no display."""

from pathlib import Path
from typing import Any

from edgits import files
from edgits.errors import require
from edgits.train.report import Evaluation, History, accuracy_text

_TRAINING, _VALIDATION = "#8c9bab", "#1f6fb4"


def save_confusion(path: Path, evaluation: Evaluation) -> None:
    """Draws the confusion matrix as a heatmap: counts as text, each row's share as colour."""
    require("matplotlib", extra="train")
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import PercentFormatter

    seaborn = require("seaborn", extra="train")
    matrix = evaluation.confusion_matrix()
    share = matrix / matrix.sum(axis=1, keepdims=True).clip(1)
    text = [[f"{count}" if count else "" for count in row] for row in matrix]
    figure = _figure(8.2, 7.4)
    axes = figure.subplots()
    seaborn.heatmap(
        share,
        ax=axes,
        annot=text,
        fmt="",
        cmap="Blues",
        norm=PowerNorm(0.4, 0, 1),  # few mistakes are seen beside many hits
        square=True,
        linewidths=0.6,
        linecolor="#e3e7eb",
        xticklabels=evaluation.class_names,
        yticklabels=evaluation.class_names,
        cbar_kws={
            "label": "share of the row",
            "shrink": 0.8,
            "format": PercentFormatter(1),
            "ticks": [0, 0.01, 0.1, 0.3, 1],
        },
    )
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0, rotation=0)
    axes.set_title(f"Confusion matrix\naccuracy {accuracy_text(evaluation)}", fontsize=11, pad=12)
    _save(figure, path)


def save_history(path: Path, history: History) -> None:
    """Draws accuracy and loss of the training and the validation part over the epochs."""
    require("matplotlib", extra="train")
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = _figure(10.5, 4.2)
    epochs = [row["epoch"] for row in history]
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for column, label, color in ((name, "training", _TRAINING), (f"val_{name}", "validation", _VALIDATION)):
            values = [row[column] for row in history]
            last = f"{100 * values[-1]:.2f} %" if name == "accuracy" else f"{values[-1]:.4f}"
            axes.plot(epochs, values, "o-", color=color, markersize=3.5, label=f"{label}, last {last}")
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color="#e3e7eb")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        if name == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1))
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    with files.whole_file(path) as temporary:
        figure.savefig(temporary, dpi=130)
