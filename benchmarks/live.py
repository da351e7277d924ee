"""Measures the live reader on frames: time of each stage, digits right against the truth. Knows no terminal.

All models read each frame, one after another, so that drift hits all alike; what a frame takes to
come is measured once for all of them. One process, one thread a model: it is no measure of memory.
"""

import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgits.edge.camera import open_camera
from edgits.edge.follow import Follower
from edgits.edge.frame import Frame
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import FrameResult
from edgits.edge.scene import Scene
from edgits.errors import CameraError, DataError

VIDEO_SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
PHOTO_SIZE = (4032, 3024)
"""Sizes that the scene is read at: as from a webcam, and as a phone's photo of 12 megapixels."""
PHOTOS = 4
"""So many photos are read at most: they take long to draw."""
# The times of the first frames of each size don't count, unless there are few more: they warm up.
_WARM = 3
STAGES = ("grab", "find", "normalize", "classify", "arrange", "track")


@dataclass(frozen=True)
class Spread:
    """A time in milliseconds over many frames: median, 90th and 99th percentile."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sums values up; zeros if there are none."""
        return cls(*(float(value) for value in np.percentile(values or [0.0], (50, 90, 99))))


@dataclass(frozen=True)
class LiveRow:
    """One model at one size.

    Attributes:
        model: Name or path, as it was given.
        runtime: What ran it.
        width: Of the frames, in pixels.
        height: Likewise.
        frames: Number of timed frames.
        digits: Digits read in a frame, on average.
        f1: Digits right against the truth, each frame's as a bag, in [0, 1]; None where no truth is known.
        exact: Share of frames whose text was right altogether; None where no truth is known.
        frame_ms: Finding to tracking, without waiting for the frame.
        whole_ms: The same of those frames that were searched whole, see `edgits.edge.follow`.
        stages_ms: The same by stages, and ``"grab"``, the time that the frame took to come.
    """

    model: str
    runtime: str
    width: int
    height: int
    frames: int
    digits: float
    f1: float | None
    exact: float | None
    frame_ms: Spread
    whole_ms: Spread
    stages_ms: dict[str, Spread]

    @property
    def fps(self) -> float:
        """Frames a second that the reader keeps up with, at its median."""
        return 1000 / max(self.frame_ms.p50, 1e-6)

    def to_json(self) -> dict[str, Any]:
        """Returns the row as JSON values."""
        return asdict(self) | {"fps": round(self.fps, 1)}


@dataclass
class _Tally:
    """What one model did at one size."""

    model: str
    reader: Reader
    follower: Follower = field(default_factory=Follower)
    stages: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})
    times: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    read: int = 0
    expected: int = 0
    right: int = 0
    exact: int = 0
    judged: int = 0
    seen: int = 0

    def take(self, frame: Frame, grab_ms: float, truth: str | None, *, still: bool) -> None:
        reader = self.reader
        result = reader.read(frame.image, source=frame.source) if still else self.follower.read(reader, frame)
        self.seen += 1
        self.read += len(result.digits)
        self.times.append(result.latency_ms)
        self.whole.append(self.follower.whole)
        for stage, values in self.stages.items():
            values.append(grab_ms if stage == "grab" else result.timings.get(stage, 0.0))
        if truth is not None:
            self._judge(result, truth)

    def _judge(self, result: FrameResult, truth: str) -> None:
        want, got = Counter(filter(str.isdigit, truth)), Counter(str(digit.digit) for digit in result.digits)
        self.expected += want.total()
        self.right += (want & got).total()
        self.exact += result.text == truth
        self.judged += 1

    def row(self, size: tuple[int, int], read: int) -> LiveRow:
        both = self.expected + read
        start = _WARM if len(self.times) > 2 * _WARM else 0
        timed = list(zip(self.times, self.whole, strict=True))[start:]
        return LiveRow(
            model=self.model,
            runtime=self.reader.recognizer.runtime.name,
            width=size[0],
            height=size[1],
            frames=len(timed),
            digits=round(self.read / max(1, self.seen), 2),
            f1=round(2 * self.right / both, 5) if self.judged and both else None,
            exact=round(self.exact / self.judged, 5) if self.judged else None,
            frame_ms=Spread.of([time for time, _ in timed]),
            whole_ms=Spread.of([time for time, whole in timed if whole]),
            stages_ms={stage: Spread.of(values[start:]) for stage, values in self.stages.items()},
        )


def measure_live(
    models: Sequence[str],
    source: str,
    *,
    frames: int,
    on_step: Callable[[str], None] = lambda _: None,
) -> list[LiveRow]:
    """Reads a source with each model.

    Args:
        models: Model files or names of shipped models.
        source: The scene, which is read at every size, or what `open_camera` takes: a video beside which
            ``FILE.truth.jsonl`` may lie (see `load_truth`).
        frames: Number of frames at each size at most; the scene shows another page every 150.
        on_step: Is told what is going on.

    Returns:
        A row for each size and model.

    Raises:
        ModelError: A model can't be used.
        CameraError: The source can't be used.
        DataError: The truth file isn't one.
    """
    recognizers = [(model, Recognizer.load(model, trust=True)) for model in models]
    scene = source.partition(":")[0] == "scene"
    sizes: list[tuple[int, int] | None] = [*VIDEO_SIZES, PHOTO_SIZE] if scene else [None]
    truth = [] if scene else load_truth(Path(source))
    rows = []
    for size in sizes:
        still = size == PHOTO_SIZE
        on_step(f"{source} {'x'.join(map(str, size)) if size else ''}")
        tallies = [_Tally(model, Reader(recognizer)) for model, recognizer in recognizers]
        most = min(frames, PHOTOS) if still else frames
        seen = _read(source, size, most, 75 if still else 1, truth, tallies)
        rows += [tally.row(seen, tally.read) for tally in tallies]
    return rows


def _read(
    source: str,
    size: tuple[int, int] | None,
    most: int,
    step: int,
    truth: Sequence[tuple[int, str | None]],
    tallies: Sequence[_Tally],
) -> tuple[int, int]:
    """Gives frames to the models; returns the frames' size."""
    shape = size or (0, 0)
    for frame, grab_ms in _frames(source, size, most, step):
        known = frame.truth.text if frame.truth else text_at(truth, frame.index)
        for tally in tallies:
            tally.take(frame, grab_ms, known, still=size == PHOTO_SIZE)
        shape = frame.image.shape[1], frame.image.shape[0]
    return shape


def _frames(source: str, size: tuple[int, int] | None, most: int, step: int) -> Iterator[tuple[Frame, float]]:
    """Gives frames, each with the milliseconds that it took to come; of the scene every `step`-th."""
    if size is not None:
        scene = Scene(seed=_seed(source), width=size[0], height=size[1])
        for index in range(0, most * step, step):
            start = time.perf_counter()
            image, known = scene.frame(index)
            frame = Frame(image, index, index / scene.fps, source, known)
            yield frame, 1000 * (time.perf_counter() - start)
        return
    with open_camera(source) as camera:
        for _ in range(most):
            start = time.perf_counter()
            got = camera.read()
            if got is None:
                return
            yield got, 1000 * (time.perf_counter() - start)


def _seed(source: str) -> int:
    text = source.partition(":")[2] or "0"
    if not text.isdecimal():
        raise CameraError(f"'{source}' names no scene; give scene, or scene:7 for another one")
    return int(text)


def load_truth(video: Path) -> list[tuple[int, str | None]]:
    r"""Loads what is in a video's frames from ``FILE.truth.jsonl`` beside it, if that is there.

    Each line is ``{"frame": 12, "text": "70\n12"}`` and holds from that frame on, until the next line;
    a text of null says that nothing is known from there on.

    Args:
        video: The video's path.

    Returns:
        Numbers of frames, rising, and the text from there on; empty where there is no such file.

    Raises:
        DataError: A line isn't of that form.
    """
    path = video.with_name(video.name + ".truth.jsonl")
    if not path.is_file():
        return []
    known: list[tuple[int, str | None]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            value = json.loads(line)
            frame, text = value["frame"], value["text"]
            if not isinstance(frame, int) or not (text is None or isinstance(text, str)):
                raise TypeError("wrong types")
        except (ValueError, TypeError, KeyError) as error:
            wanted = '{"frame": 0, "text": "70"}'
            raise DataError(f"line {number} of '{path}' isn't like {wanted}: {line[:60]!r}; mend it") from error
        known.append((frame, text))
    return sorted(known, key=lambda one: one[0])


def text_at(known: Sequence[tuple[int, str | None]], frame: int) -> str | None:
    """Returns the text that holds at a frame, None where it isn't known."""
    place = bisect_right([start for start, _ in known], frame) - 1
    return known[place][1] if place >= 0 else None
