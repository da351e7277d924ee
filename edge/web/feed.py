"""What the live loop saw last, for those who watch. The loop's thread gives; the server's event loop asks.

Pictures are drawn and encoded only while somebody watches, each at most once for all, in a thread of their own;
who is slow misses pictures and holds up nobody.
"""

import asyncio
import json
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from edgits.edge.board import temperature
from edgits.edge.corrections import encode
from edgits.edge.settle import Settler
from edgits.edge.sinks import Shot

_MOST_PICTURES = 20.0  # a second: smooth for people, and easy on a small board and on a wireless network
_LONGEST_SIDE, _QUALITY = 960, 75
_HISTORY = 50
# Seconds within which a number that was gone for a moment is still the same sighting.
_SAME_SIGHTING = 3.0
_TEMPERATURE_EVERY = 2.0  # seconds


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes:
        number: Counts the pictures, from 1.
        data: JPEG.
    """

    number: int
    data: bytes


@dataclass(frozen=True)
class Sighting:
    """A number that was seen.

    Attributes:
        text: Its digits, a newline between lines.
        confidence: In [0, 1].
        time: When it was seen first, in seconds since 1970.
    """

    text: str
    confidence: float
    time: float


class Feed:
    """The newest shot, as picture and as JSON, and the numbers seen so far.

    Attributes:
        viewers: Number of those who wait for pictures; whoever does counts itself.
        encoded: Number of pictures encoded so far.
        closed: Whether it has ended.
    """

    def __init__(self) -> None:
        self.viewers = 0
        self._history: deque[Sighting] = deque(maxlen=_HISTORY)
        self.encoded = 0
        self.closed = False
        self._settler = Settler()
        self._count = 0
        self._shot: Shot | None = None
        self._last_seen = 0.0
        self._heat: tuple[float, float | None] = (-_TEMPERATURE_EVERY, None)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._picture: Picture | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="edgits-picture")

    def start(self) -> None:
        """Binds the feed to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._arrived, self._encoded = asyncio.Event(), asyncio.Condition()
        self._producer: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Ends everybody's waiting."""
        self.closed = True
        self._arrived.set()
        async with self._encoded:
            self._encoded.notify_all()
        if self._producer is not None:
            await self._producer
        self._pool.shutdown(wait=False)

    # the loop's thread

    def offer(self, shot: Shot) -> None:
        """Takes the next shot; costs microseconds."""
        now = time.time()
        number = self._settler.update(shot)
        if number is not None and number.text:
            last = self._history[-1] if self._history else None
            if last is None or last.text != number.text or now - self._last_seen > _SAME_SIGHTING:
                self._history.append(Sighting(number.text, number.confidence, now))
        if self._settler.number.text:
            self._last_seen = now
        self._shot = shot
        self._count += 1
        if self.viewers and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.set)

    # the server's thread

    @property
    def shot(self) -> Shot | None:
        """The newest shot."""
        return self._shot

    @property
    def sightings(self) -> list[Sighting]:
        """The numbers seen, the newest first."""
        return list(self._history)[::-1]

    def reading(self) -> str | None:
        """Returns what a page shows of the newest shot, as JSON; None before the first."""
        shot = self._shot
        if shot is None:
            return None
        number, result = self._settler.number, shot.result
        value: dict[str, Any] = {
            "source": result.source,
            "frame": shot.frame.index,
            "width": result.width,
            "height": result.height,
            "text": result.text,
            "number": number.text,
            "confidence": round(number.confidence, 3),
            "fps": None if shot.fps is None or shot.lost else round(shot.fps, 1),
            "latency_ms": None if shot.lost else round(result.latency_ms, 1),
            "temperature": self._temperature(),
            "lost": shot.lost,
        }
        return json.dumps(value, ensure_ascii=False)

    async def picture(self, after: int) -> Picture | None:
        """Waits for a picture newer than number `after`; None when the feed has ended."""
        if self._producer is None or self._producer.done():
            self._picture = None
            self._arrived.set()
            self._producer = asyncio.create_task(self._produce())
        async with self._encoded:
            await self._encoded.wait_for(
                lambda: self.closed or (self._picture is not None and self._picture.number > after)
            )
        return None if self.closed else self._picture

    async def _produce(self) -> None:
        """Encodes the newest shot again and again while there are viewers."""
        assert self._loop is not None
        while self.viewers and not self.closed:
            begun = self._loop.time()
            try:
                async with asyncio.timeout(1.0):
                    await self._arrived.wait()
            except TimeoutError:
                continue  # looks whether there are still viewers
            self._arrived.clear()
            if self.closed or (shot := self._shot) is None:
                continue
            number = self._count
            data = await self._loop.run_in_executor(self._pool, _draw, shot)
            self.encoded += 1
            async with self._encoded:
                self._picture = Picture(number, data)
                self._encoded.notify_all()
            await asyncio.sleep(max(0.0, begun + 1 / _MOST_PICTURES - self._loop.time()))

    def _temperature(self) -> float | None:
        asked, value = self._heat
        now = time.monotonic()
        if now - asked >= _TEMPERATURE_EVERY:
            value = temperature()
            self._heat = (now, value)
        return value


def _draw(shot: Shot) -> bytes:
    """Encodes the annotated frame, without the bar below it: the page shows the number itself."""
    return encode(shot.picture[: shot.frame.image.shape[0]], most=_LONGEST_SIDE, quality=_QUALITY)
