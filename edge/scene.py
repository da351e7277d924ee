"""The built-in scene: a webcam's view of real handwritten digits on moving paper, with its truth.

Each frame is a function of seed and index alone. It models light, blur and noise of a cheap webcam
held by hand; it has no compression, no hands in view, and the handwriting of a few people only.
"""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgits.edge.frame import Truth
from edgits.edge.results import Box
from edgits.edge.scene_page import WORLD, Page, draw_page
from edgits.images import Image

Floats = npt.NDArray[np.float64]

PAGE_SECONDS = 2.5
_COARSE = 8  # the light changes slowly over the picture: it is computed at an eighth of its size


@dataclass(frozen=True)
class Scene:
    """A sequence of pages without end, each seen for 2.5 seconds.

    Attributes:
        seed: Another seed, other pages.
        width: Pixels, 320 or more.
        height: Pixels, 240 or more.
        fps: Frames per second of the scene's own time.
    """

    seed: int = 0
    width: int = 640
    height: int = 480
    fps: float = 30.0

    def __post_init__(self) -> None:
        if self.width < 320 or self.height < 240 or self.fps <= 0:
            raise ValueError(f"the scene needs 320x240 and a positive fps, not {self.width}x{self.height}, {self.fps}")

    def frame(self, index: int) -> tuple[Image, Truth]:
        """Draws a frame.

        Args:
            index: Its number from 0, in any order.

        Returns:
            uint8 (height, width, 3) blue-green-red, and what is in it.
        """
        seconds = index / self.fps
        number = int(seconds / PAGE_SECONDS)
        page = draw_page(self.seed, number, self.width, self.height)
        mood = _mood(self.seed, number)
        to_frame = _view(mood, seconds, self.width, self.height)
        size = (self.width, self.height)
        image = cv2.warpPerspective(page.world, to_frame, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        image = cv2.multiply(image, _light(mood, seconds, self.width, self.height), scale=1 / 255)
        image = cv2.GaussianBlur(image, (0, 0), mood.blur * min(self.width / 640, self.height / 480))
        image = cv2.add(image, self._noise(index), dtype=cv2.CV_8U)
        return np.asarray(image, np.uint8), _truth(page, to_frame, size)

    def _noise(self, index: int) -> npt.NDArray[np.int16]:
        bank = _noise_bank(self.width, self.height)
        y, x = np.random.default_rng((self.seed, index, 2)).integers(0, 64, 2)
        return bank[y : y + self.height, x : x + self.width]


@dataclass(frozen=True)
class _Mood:
    """How the camera and the light are while a page is seen; angles in radians, times in seconds."""

    phases: tuple[float, ...]
    swing: float
    zoom: float
    tilt: float
    blur: float
    gain: float
    tint: tuple[float, float, float]
    slope: tuple[float, float]
    shadow: float
    edge: float
    soft: float


def _mood(seed: int, number: int) -> _Mood:
    rng = np.random.default_rng((seed, number, 1))
    warm = rng.uniform(-0.07, 0.07)
    return _Mood(
        phases=tuple(float(phase) for phase in rng.uniform(0, 2 * math.pi, 8)),
        swing=rng.uniform(0.02, 0.09),
        zoom=rng.uniform(0.98, 1.06),
        tilt=rng.uniform(0.03, 0.11),
        blur=rng.uniform(0.5, 0.9),
        gain=rng.uniform(0.74, 0.92),
        tint=(1 - warm, 1.0, 1 + warm),
        slope=(rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15)),
        shadow=rng.choice([0.0, rng.uniform(0.2, 0.4)]),
        edge=rng.uniform(0, 2 * math.pi),
        soft=rng.uniform(0.02, 0.09),
    )


def _view(mood: _Mood, seconds: float, width: int, height: int) -> Floats:
    """Returns the 3×3 matrix from the world (the table with its sheet) to the frame: a camera held by hand."""

    def sway(hertz: float, phase: int) -> float:
        return math.sin(2 * math.pi * hertz * seconds + mood.phases[phase])

    turn = mood.swing * sway(0.13, 0)
    zoom = mood.zoom + 0.025 * sway(0.11, 1)
    across = width * (0.018 * sway(0.21, 2) + 0.0007 * sway(4.3, 3))
    down = height * (0.018 * sway(0.17, 4) + 0.0007 * sway(3.7, 5))
    lean, yaw = mood.tilt * sway(0.09, 6), mood.tilt * sway(0.07, 7)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    # what leans away shows more of itself: each side of the seen quadrilateral grows or shrinks
    grow = zoom * np.stack([1 - lean * corners[:, 1] / 2, 1 - yaw * corners[:, 0] / 2], axis=1)
    half = corners * grow * (width / 2, height / 2)
    spin = np.array([(math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))])
    seen = half @ spin + (WORLD * width / 2 + across, WORLD * height / 2 + down)
    target = (corners + 1) / 2 * (width, height)
    return np.asarray(cv2.getPerspectiveTransform(seen.astype(np.float32), target.astype(np.float32)), np.float64)


def _light(mood: _Mood, seconds: float, width: int, height: int) -> Image:
    """Returns the light that falls on each pixel, uint8 (H, W, 3): gradient, falling off to the corners, a shadow."""
    rows, columns = -(-height // _COARSE), -(-width // _COARSE)
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    light = mood.gain * (1 + mood.slope[0] * x + mood.slope[1] * y) * (1 - 0.07 * (x * x + y * y))
    if mood.shadow:
        place = 0.15 * math.sin(0.5 * seconds + mood.phases[0])
        beyond = x * math.cos(mood.edge) + y * math.sin(mood.edge) - place
        light = light * (1 - mood.shadow / (1 + np.exp(-beyond / mood.soft)))
    coloured = np.clip(light[:, :, None] * np.array(mood.tint, np.float32) * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(coloured, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


@functools.lru_cache(maxsize=2)
def _noise_bank(width: int, height: int) -> npt.NDArray[np.int16]:
    """Returns a sensor's noise, int16 (H + 64, W + 64, 3): mostly in brightness, a little in colour."""
    rng = np.random.default_rng(0)
    grey = rng.normal(0, 2.4, (height + 64, width + 64, 1))
    colour = rng.normal(0, 1.0, (height + 64, width + 64, 3))
    return np.asarray(np.round(grey + colour), np.int16)


def _truth(page: Page, to_frame: Floats, size: tuple[int, int]) -> Truth:
    digits = tuple((digit, _box(outline, to_frame, size)) for digit, outline in page.digits)
    return Truth(digits, page.text)


def _box(outline: Floats, to_frame: Floats, size: tuple[int, int]) -> Box:
    points = cv2.perspectiveTransform(outline[None].astype(np.float64), to_frame)[0]
    left, top = np.maximum(np.round(points.min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.round(points.max(axis=0)) + 1, size).astype(int)
    return int(left), int(top), int(right - left), int(bottom - top)
