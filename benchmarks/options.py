"""Options of `edgits benchmark` that take more than a line: durations, limits."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Duration(click.ParamType[float]):
    """A time such as ``90s``, ``10m`` or ``1h``, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", value)
        if not found or not float(found[1]):
            self.fail(f"'{value}' is no time; such as 90s, 10m or 1h", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


def gate_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of all limits; the command gets them as `gates` and `baseline`."""

    @functools.wraps(command)
    def wrapped(
        *,
        max_drop: float | None,
        max_flips: int | None,
        min_accuracy: float | None,
        max_latency_ratio: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        from edgits.benchmarks.gates import Gates, LatencyLimit

        limits = tuple(LatencyLimit.parse(text) for text in max_latency_ratio)
        least = None if min_accuracy is None else min_accuracy / 100
        return command(gates=Gates(max_drop, max_flips, least, limits), **rest)

    for option in reversed(_LIMITS):
        wrapped = option(wrapped)
    return wrapped


_LIMITS = (
    click.option(
        "--max-drop",
        type=click.FloatRange(0, 100),
        metavar="PP",
        help="Fail if a model loses more percentage points of accuracy than this.",
    ),
    click.option(
        "--max-flips",
        type=click.IntRange(0),
        metavar="N",
        help="Fail if a model answers more images than this otherwise than the reference.",
    ),
    click.option(
        "--min-accuracy",
        type=click.FloatRange(0, 100),
        metavar="PERCENT",
        help="Fail if a model reads less than this share of the images right.",
    ),
    click.option(
        "--max-latency-ratio",
        multiple=True,
        metavar="MODEL:MODEL[=RATIO]",
        help="Fail if the first takes more than RATIO times as long as the second, beyond noise; may be repeated.  "
        "[default RATIO: 1]",
    ),
    click.option(
        "--baseline",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Fail if a model is worse, beyond noise, than in this earlier JSON of the same machine.",
    ),
)
