"""Options that several commands share, and what is made of them. Loads OpenCV only when something is opened."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgits.edge.frame import Camera
    from edgits.edge.view import Region

RUNTIMES = ("litert", "tflite-runtime", "tensorflow", "onnxruntime", "keras")

model_option = click.option(
    "--model", default="small", show_default=True, metavar="NAME|PATH", help="A shipped model, or a model file."
)
trust_option = click.option(
    "--trust",
    is_flag=True,
    help="Use a model file that no card vouches for: as safe as running its maker's program.",
)
headless_option = click.option("--headless", is_flag=True, help="Show no window.")

_MODEL_OPTIONS = (
    trust_option,
    click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Threads a model uses."),
    click.option(
        "--runtime", type=click.Choice(RUNTIMES), help="What runs the model; by default the first that works."
    ),
    click.option(
        "--threshold", type=click.FloatRange(0, 1), help="Least confidence of a reading; by default the model's own."
    ),
    model_option,
)
_CAMERA_OPTIONS = (
    click.option("--mirror", is_flag=True, help="Exchange left and right, after turning."),
    click.option("--rotate", type=click.Choice(["90", "180", "270"]), help="Turn the picture clockwise, in degrees."),
    click.option("--fps", type=click.FloatRange(0.1, 1000), help="Wanted frames per second."),
    click.option("--height", type=click.IntRange(1), help="Wanted height of the picture in pixels."),
    click.option("--width", type=click.IntRange(1), help="Wanted width of the picture in pixels."),
    click.option(
        "--source",
        default="0",
        show_default=True,
        metavar="SRC",
        help="Index, /dev/…, csi, URL, video, image, folder, scene.",
    ),
)


def model_options(command: Any) -> Any:
    """Adds the options that choose a model and how it runs."""
    for option in _MODEL_OPTIONS:
        command = option(command)
    return command


def camera_options(command: Any) -> Any:
    """Adds the options that choose a camera and how its picture comes; `open_chosen` takes their values."""
    for option in _CAMERA_OPTIONS:
        command = option(command)
    return command


def open_chosen(
    report: Callable[[str], None],
    *,
    source: str,
    width: int | None,
    height: int | None,
    fps: float | None,
    rotate: str | None,
    mirror: bool,
) -> "Camera":
    """Opens the camera that the `camera_options` chose."""
    from edgits.edge.camera import open_camera
    from edgits.edge.results import Turn

    turn = Turn(int(rotate or 0), mirror)  # type: ignore[arg-type]  # click knows the choices
    return open_camera(source, width=width, height=height, fps=fps, turn=turn, report=report)


def as_region(context: click.Context, parameter: click.Parameter, value: str | None) -> "Region | None":
    """Makes a region of an option's value, for click."""
    from edgits.edge.view import Region

    try:
        return None if value is None else Region.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from error
