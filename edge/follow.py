"""Reads frame after frame of a camera and follows the digits.

While a view stays, most frames are searched only around the digits that are known, and of these only such are read
again whose ink looks different or that weren't read surely; a frame that shows none there is searched whole. Several
times a second all of a frame is searched, and as often all digits are read again, in turns, so that no frame takes the
time of both; each frame does both as long as digits come, go or are missed.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from edgits.edge.frame import Frame
from edgits.edge.results import Area, Box, FrameResult, Known
from edgits.edge.track import Tracker
from edgits.edge.view import Region, placed
from edgits.images import Image

# All of a frame is searched at least so often, and all digits read half as often at least, in seconds: a new number
# stands there within half a second.
_EVERY = 0.15


class Reads(Protocol):
    """What reads frames: a `Reader`, or what stands before one."""

    def read(
        self,
        image: Image,
        *,
        source: str,
        frame: int | None = None,
        area: Area | None = None,
        known: Sequence[Known] = (),
    ) -> FrameResult:
        """See `Reader.read`."""
        ...


class Follower:
    """Reads a camera's frames, in their order.

    Attributes:
        whole: Whether all of the last frame was searched.
    """

    def __init__(self) -> None:
        self.whole = True
        self._tracker = Tracker()
        self._last: FrameResult | None = None
        self._part: Box | None = None  # what the last frame's result is of
        self._searched = self._read = -math.inf  # when all of a frame was searched, and all its digits read

    def read(self, reader: Reads, frame: Frame, region: Region | None = None) -> FrameResult:
        """Reads the next frame.

        Args:
            reader: Reads it; may be another one for each frame.
            frame: The frame.
            region: The part of it that is read; None for all of it.

        Returns:
            What the frames so far agree on, see `Tracker.update`.

        Raises:
            CameraError: The region isn't in the frame.
        """
        height, width = frame.image.shape[:2]
        part = x, y, wide, high = region.box(width, height) if region else (0, 0, width, height)
        last = self._last if part == self._part and self._tracker.settled else None
        area = last.area if last and 0 <= frame.time - self._searched < _EVERY else None
        # a frame that is searched whole puts off reading its digits
        known = last.known if last and 0 <= frame.time - self._read < (_EVERY if area else 2 * _EVERY) else ()
        image = frame.image[y : y + high, x : x + wide]
        result = reader.read(image, source=frame.source, frame=frame.index, area=area, known=known)
        if area and not result.digits:  # a lone digit would be gone for a frame; all of the frame may tell more
            area = None
            result = reader.read(image, source=frame.source, frame=frame.index, known=known).after(result)
        self._last, self._part = result, part
        if region:
            result = placed(result, part, width, height)
        self.whole = area is None
        if self.whole:
            self._searched = frame.time
        if not known:
            self._read = frame.time
        return self._tracker.update(replace(result, turn=frame.turn), time=frame.time, whole=self.whole)
