"""The live loop: read frames, follow the digits, hand what was seen to the sinks. Knows no terminal."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from edgits.edge.camera import open_camera
from edgits.edge.follow import Follower, Reads
from edgits.edge.frame import Camera, Frame, Report, Truth
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Digit, FrameResult
from edgits.edge.sinks import Shot, Sink
from edgits.edge.view import Region
from edgits.errors import OutputError

# The memory is looked at after so many frames, what loads late being loaded, and each time there are tenfold.
_SETTLED, _TENFOLD = 100, 10
_KEPT = 10_000  # latencies of which the median is told
_WAIT = 0.1  # seconds for a frame, after which the loop looks whether it shall end


@dataclass
class Settings:
    """What may be changed while the loop runs, from any thread; it is looked at before each frame.

    Attributes:
        region: The part of the picture that is read; None for all of it.
    """

    region: Region | None = None


def live(
    source: str = "0",
    *,
    model: str = "small",
    threshold: float | None = None,
    runtime: str | None = None,
    threads: int = 1,
    trust: bool = False,
    max_frames: int | None = None,
) -> Iterator[FrameResult]:
    """Reads digits from a camera until it ends, or the caller stops asking.

    Example:
        >>> for result in live("scene", model="small"):  # doctest: +SKIP
        ...     print(result.text)

    Args:
        source: See `edgits.edge.camera.SOURCES`.
        model: Path of a model file, or name of a shipped model.
        threshold: Least confidence in [0, 1]; by default the model card's.
        runtime: Name of the runtime; by default the first that works.
        threads: Number of threads for one inference.
        trust: Whether a model file without a card may be loaded, see `Recognizer.load`.
        max_frames: Number of frames after which to end.

    Yields:
        What was read in each frame.

    Raises:
        ModelError: The model can't be used.
        CameraError: The camera can't be used.
    """
    reader = Reader(Recognizer.load(model, runtime=runtime, threads=threads, trust=trust), threshold=threshold)
    with open_camera(source) as camera:
        for shot in watch(camera, reader, max_frames=max_frames):
            if shot.lost is None:
                yield shot.result


def watch(
    camera: Camera,
    reader: Reads,
    *,
    settings: Settings | None = None,
    sinks: Sequence[Sink] = (),
    max_frames: int | None = None,
    ended: Callable[[], bool] = lambda: False,
    report: Report | None = None,
) -> Iterator[Shot]:
    """Runs the loop over an open camera; the sinks are closed at its end, however that comes.

    Args:
        camera: Gives the frames; stays open.
        reader: Reads them.
        settings: What may be changed meanwhile.
        sinks: Get every shot. One that fails is let go, and the loop runs on.
        max_frames: Number of frames after which to end.
        ended: Is asked between frames whether to end, as after a signal.
        report: Is told which sink failed, and why; by default nobody.

    Yields:
        A shot for each frame, and now and then one while the camera is lost.

    Raises:
        CameraError: The camera can't give frames any more.
    """
    follower, pace, open_sinks, settings = Follower(), _Pace(), list(sinks), settings or Settings()
    count, last = 0, None
    try:
        while not ended() and (max_frames is None or count < max_frames):
            frame = camera.read(timeout=_WAIT)
            if frame is not None:
                result = follower.read(reader, frame, settings.region)
                if camera.live:
                    result = replace(result, age_ms=1000 * (time.monotonic() - frame.time))
                count, last = count + 1, frame
                shot = Shot(frame, result, pace.tick())
            elif camera.status.state == "ended":
                break
            elif camera.status.state == "lost" and last is not None:
                shot = _lost(last, camera.status.detail)
            else:
                continue
            going = _feed(open_sinks, shot, report)
            yield shot
            if not going:
                break
    finally:
        for sink in open_sinks:
            _close(sink, report)


def _lost(last: Frame, detail: str) -> Shot:
    height, width = last.image.shape[:2]
    return Shot(last, FrameResult(last.source, width, height, (), (), turn=last.turn), lost=f"camera lost: {detail}")


def _feed(sinks: list[Sink], shot: Shot, report: Report | None) -> bool:
    """Gives a shot to all sinks, letting go of those that fail; returns whether to go on."""
    going = True
    for sink in list(sinks):
        try:
            going &= sink.put(shot)
        except OutputError as error:
            sinks.remove(sink)
            if report:
                report(str(error))
            _close(sink, None)
    return going


def _close(sink: Sink, report: Report | None) -> None:
    try:
        sink.close()
    except OutputError as error:
        if report:
            report(str(error))


class _Pace:
    """Frames a second over the last frames: intervals, not frames, are counted."""

    def __init__(self, span: int = 30) -> None:
        self._times: deque[float] = deque(maxlen=span)

    def tick(self) -> float | None:
        self._times.append(time.perf_counter())
        passed = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / passed if passed > 0 else None


@dataclass
class Summary:
    """What a run came to. Grows no further after some minutes, however long the run.

    Attributes:
        frames: Number of frames read.
        latencies: Milliseconds of each of the last ones.
        hits: Digits read rightly, of those sources that know their truth.
        read: Digits read there.
        written: Digits that were there.
        exact: Frames whose whole text was right.
        known: Frames whose truth was known.
        resident: Bytes of memory after 100 frames, after 1,000, after 10,000 …, by frames.
    """

    frames: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    hits: int = 0
    read: int = 0
    written: int = 0
    exact: int = 0
    known: int = 0
    resident: dict[int, int] = field(default_factory=dict)
    _look: int = _SETTLED
    _first: float = 0.0
    _last: float = 0.0

    def add(self, shot: Shot) -> None:
        """Counts a shot."""
        if shot.lost is not None:
            return
        self._last = time.perf_counter()
        self._first = self._first or self._last
        self.frames += 1
        if self.frames == self._look:
            self._look *= _TENFOLD
            if (now := resident()) is not None:
                self.resident[self.frames] = now
        self.latencies.append(shot.result.latency_ms)
        if (truth := shot.frame.truth) is not None:
            self.known += 1
            self.hits += count_hits(shot.result.digits, truth)
            self.read += len(shot.result.digits)
            self.written += len(truth.digits)
            self.exact += shot.result.text == truth.text

    @property
    def fps(self) -> float | None:
        """Frames a second of the whole run, over its n - 1 intervals; None for fewer than two frames."""
        passed = self._last - self._first
        return (self.frames - 1) / passed if passed > 0 else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall of digits, in [0, 1]; None without truth."""
        total = self.read + self.written
        return (2 * self.hits / total if total else 1.0) if self.known else None

    def __str__(self) -> str:
        parts = [f"{self.frames} frame{'s' * (self.frames != 1)}"]
        if self.fps is not None:
            parts.append(f"{self.fps:.1f} fps")
        if self.latencies:
            parts.append(f"median latency {median(self.latencies):.1f} ms")
        if self.f1 is not None:
            parts.append(f"digit F1 {self.f1:.3f}")
            parts.append(f"text exact in {100 * self.exact / self.known:.1f} % of frames")
        now = resident()
        if self.resident and now is not None:
            stages = ", ".join(f"{held / 1e6:.0f} MB after {frames:,}" for frames, held in self.resident.items())
            parts.append(f"memory {stages} frames, {now / 1e6:.0f} MB at the end")
        return " · ".join(parts)


def resident() -> int | None:
    """Returns the bytes of memory that this process holds; None where the system doesn't say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def count_hits(digits: Sequence[Digit], truth: Truth) -> int:
    """Counts digits read rightly: the same digit, its centre within a true box; each true one counts once."""
    rest = list(truth.digits)
    for digit in digits:
        x, y = digit.box[0] + digit.box[2] / 2, digit.box[1] + digit.box[3] / 2
        for name, (left, top, wide, high) in rest:
            if name == digit.digit and left <= x <= left + wide and top <= y <= top + high:
                rest.remove((name, (left, top, wide, high)))
                break
    return len(truth.digits) - len(rest)
