"""A camera that fails on command, with the interface of ``cv2.VideoCapture``: for tests and for trying out the loop.

Give it to `edgits.edge.grabber.Grabber` as what its opener returns. It knows no timing but its frame interval.
"""

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import cv2
import numpy as np

from edgits.images import Image

Event = Literal["good", "fail", "none", "hang", "black", "half", "grey half", "short", "corrupt", "raise"]
"""What one read does.

good: gives a picture. fail: says that there is none. none: says that there is one, and gives None.
hang: waits until the camera is released by `FakeCamera.wake`. black: a picture of zeros. half, grey half: the lower
half is black or grey. short: a picture of half the height. corrupt: numbers that are no picture. raise: an exception.
"""


class FakeCamera:
    """A camera that plays a script.

    Args:
        script: What each read does; after the last event it goes on as `then` says.
        then: What every later read does.
        view: What it sees, uint8 (H, W, 3); by default noise of 64x48. A sensor's noise is added.
        interval: Seconds that each read takes, 1.0 for a camera of 1 fps.

    Attributes:
        reads: How often it was read.
        released: Is set when it was released.
        hanging: Is set while a read hangs.
        wake: Set it to let a hanging read go on, and fail.
    """

    def __init__(
        self,
        script: Iterable[Event] = (),
        *,
        then: Event = "good",
        view: Image | None = None,
        interval: float = 0.001,
    ) -> None:
        self._script: Iterator[Event] = iter(script)
        self._then: Event = then
        self._interval = interval
        self._rng = np.random.default_rng(0)
        self._view = self._rng.integers(20, 230, (48, 64, 3), np.uint8) if view is None else view
        self.reads = 0
        self.released, self.hanging, self.wake = threading.Event(), threading.Event(), threading.Event()

    def read(self) -> tuple[bool, Any]:
        """Does what the script says."""
        self.reads += 1
        if self._interval:
            self.released.wait(self._interval)
        event = next(self._script, self._then)
        if event == "hang":
            self.hanging.set()
            self.wake.wait()
            self.hanging.clear()
        if event == "raise":
            raise OSError("the device went away")
        if event in ("fail", "hang"):
            return False, None
        return True, self._picture(event)

    def release(self) -> None:
        """Notes that it was released."""
        self.released.set()

    def _picture(self, event: Event) -> Image | None:
        noise = self._rng.integers(0, 9, self._view.shape, np.uint8)
        image = np.asarray(cv2.subtract(cv2.add(self._view, noise), np.full_like(noise, 4)), np.uint8)
        middle = image.shape[0] // 2
        if event == "none":
            return None
        if event == "black":
            image[:] = 0
        elif event in ("half", "grey half"):
            image[middle:] = 0 if event == "half" else 128
        elif event == "short":
            image = image[:middle]
        elif event == "corrupt":
            image = image.reshape(-1)[: middle * 5]
        return image
