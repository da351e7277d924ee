"""What of a picture is read, and which way up: turned, mirrored, a region of it. Knows no device."""

import math
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np

from edgits.edge.frame import Camera, Frame, Status
from edgits.edge.results import Box, Digit, FrameResult, Turn
from edgits.errors import CameraError
from edgits.images import Image

_LEAST_SIDE = 16  # pixels: nothing smaller holds a digit that can be read
_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def upright(image: Image, turn: Turn) -> Image:
    """Turns a picture as `turn` says.

    Args:
        image: uint8 (H, W, 3).
        turn: First the rotation, then the mirror.

    Returns:
        uint8 (H, W, 3), or (W, H, 3) after a quarter turn.
    """
    if turn.rotate:
        image = np.asarray(cv2.rotate(image, _TURNS[turn.rotate]), np.uint8)
    return np.asarray(cv2.flip(image, 1), np.uint8) if turn.mirror else image


@dataclass(frozen=True)
class Region:
    """The part of a picture that is read: left, top, width, height of the picture as it is shown.

    Attributes:
        x, y, width, height: Pixels, or shares in [0, 1] if `shares`.
        shares: Whether they are shares of the picture's width and height.
    """

    x: float
    y: float
    width: float
    height: float
    shares: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Makes a region of ``X,Y,W,H``: shares of the picture if none is above 1, else pixels.

        Raises:
            ValueError: The text is no region; says what one is.
        """
        rule = f"'{text}' is no region; give X,Y,W,H in pixels, as 100,50,400,300, or as shares, as 0.25,0.25,0.5,0.5"
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError:
            raise ValueError(rule) from None
        if len(values) != 4 or not all(map(math.isfinite, values)) or min(values) < 0 or min(values[2:]) <= 0:
            raise ValueError(rule)
        shares = max(values) <= 1
        if shares and (values[0] + values[2] > 1 + 1e-6 or values[1] + values[3] > 1 + 1e-6):
            raise ValueError(f"the region '{text}' reaches beyond the picture: X + W and Y + H may be 1 at most")
        if not shares and any(value != round(value) for value in values):
            raise ValueError(rule)
        x, y, width, height = values
        return cls(x, y, width, height, shares)

    def box(self, width: int, height: int) -> Box:
        """Returns the region in a picture of a size, in pixels; what reaches beyond the picture is cut off.

        Raises:
            CameraError: Less than 16 pixels of it, across or down, are in the picture.
        """
        across, down = (width, height) if self.shares else (1, 1)
        left, top = min(width, round(self.x * across)), min(height, round(self.y * down))
        right = min(width, round((self.x + self.width) * across))
        bottom = min(height, round((self.y + self.height) * down))
        if right - left < _LEAST_SIDE or bottom - top < _LEAST_SIDE:
            raise CameraError(
                f"of the region {self}, {right - left}x{bottom - top} pixels lie in the picture of {width}x{height}; "
                f"{_LEAST_SIDE}x{_LEAST_SIDE} is the least"
            )
        return left, top, right - left, bottom - top

    def __str__(self) -> str:
        return ",".join(f"{value:g}" for value in (self.x, self.y, self.width, self.height))


class Turned(Camera):
    """A camera whose pictures are brought upright.

    Args:
        camera: Gives them as they come; is closed with this one.
        turn: What brings them upright.
    """

    def __init__(self, camera: Camera, turn: Turn) -> None:
        self._camera, self._turn = camera, turn
        self.source, self.live = camera.source, camera.live

    @property
    def status(self) -> Status:
        """See `Camera.status`."""
        return self._camera.status

    def read(self, timeout: float | None = None) -> Frame | None:
        """See `Camera.read`. A turned frame has no truth: what it shows isn't upright any more."""
        frame = self._camera.read(timeout)
        if frame is None:
            return None
        return replace(frame, image=upright(frame.image, self._turn), truth=None, turn=self._turn)

    def close(self) -> None:
        """See `Camera.close`."""
        self._camera.close()


def placed(result: FrameResult, region: Box, width: int, height: int) -> FrameResult:
    """Brings what was read in a region to its place in the picture, which is `width` by `height`."""
    x, y = region[:2]

    def moved(digits: tuple[Digit, ...]) -> tuple[Digit, ...]:
        return tuple(replace(digit, box=(digit.box[0] + x, digit.box[1] + y, *digit.box[2:])) for digit in digits)

    digits, doubtful = moved(result.digits), moved(result.doubtful)
    return replace(result, width=width, height=height, digits=digits, doubtful=doubtful, region=region)
