"""What a camera is and what it gives: frames, with their truth where it is known. Knows no device."""

import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

import numpy as np

from edgits.edge.results import UPRIGHT, Box, Turn
from edgits.images import Image

Report = Callable[[str], None]
"""Is told in one line what was survived, such as a skipped file or a lost camera; perhaps from another thread."""


@dataclass(frozen=True)
class Truth:
    """What really is in a frame.

    Attributes:
        digits: Digit 0 to 9 and its box in pixels of the frame, in reading order.
        text: The same digits as text, a newline between lines.
    """

    digits: tuple[tuple[int, Box], ...]
    text: str

    def __post_init__(self) -> None:
        if "".join(str(digit) for digit, _ in self.digits) != self.text.replace("\n", ""):
            raise ValueError(f"the text {self.text!r} doesn't hold the digits {[digit for digit, _ in self.digits]}")


@dataclass(frozen=True)
class Frame:
    """One picture from a camera.

    Attributes:
        image: uint8 (H, W, 3), blue-green-red, upright; never empty.
        index: Number of the frame at its source, from 0. A live camera's numbers have gaps where
            frames were too old to be read.
        time: Seconds. Of a live camera, when the picture came, on the clock of ``time.monotonic()``;
            of files and the scene, the position from the start.
        source: Name of the camera or the file.
        truth: What is in the picture; None unless the source knows.
        turn: How the source's picture was brought upright.
    """

    image: Image
    index: int
    time: float
    source: str
    truth: Truth | None = None
    turn: Turn = UPRIGHT

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.size == 0:
            raise ValueError(f"a frame is uint8 (H, W, 3), but this is {self.image.dtype} {self.image.shape}")


@dataclass(frozen=True)
class Status:
    """How a camera is.

    Attributes:
        state: ``"opening"``, ``"running"``, ``"lost"`` (being tried again), ``"ended"`` (no more frames).
        detail: One line that a person can use; empty while all is well.
        retries: How often the camera was opened again since its last good frame.
    """

    state: Literal["opening", "running", "lost", "ended"]
    detail: str = ""
    retries: int = field(default=0, kw_only=True)


class Camera(abc.ABC):
    """A source of frames: iterate over it inside a ``with`` block.

    Attributes:
        source: Its name, without passwords.
        live: Whether only the newest frame is given; else every frame in order.
    """

    source: str
    live: bool

    @property
    @abc.abstractmethod
    def status(self) -> Status:
        """How the camera is now."""

    @abc.abstractmethod
    def read(self, timeout: float | None = None) -> Frame | None:
        """Gives the next frame: of a live camera the newest, and each at most once.

        Args:
            timeout: Longest time to wait in seconds; None waits as long as it takes.

        Returns:
            The frame, or None when the time is over or the source has ended; `status` tells which.

        Raises:
            CameraError: The source can't give a frame, now or later.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Lets the device or file go; may be called twice."""

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
