from collections.abc import Callable

import numpy as np
import pytest

from edgits.edge.frame import Frame
from edgits.edge.results import Digit, FrameResult
from edgits.edge.sinks import Shot


@pytest.fixture
def shot() -> Callable[..., Shot]:
    """Makes shots of a camera that sees 70, 20 frames a second, on a picture of one grey or of `noise`."""

    def make(
        index: int = 0,
        *,
        time: float | None = None,
        lost: str | None = None,
        shape: tuple[int, int] = (240, 320),
        noise: bool = False,
        age_ms: float | None = None,
        source: str = "test",
    ) -> Shot:
        image = np.full((*shape, 3), index // 2 % 256, np.uint8)
        if noise:
            image = np.random.default_rng(index).integers(0, 255, image.shape, np.uint8)
        frame = Frame(image, index, index / 20 if time is None else time, source)
        digits = () if lost else (Digit(7, 0.98, (10, 20, 30, 40), 3, True), Digit(0, 0.5, (50, 20, 30, 40), 4, False))
        lines = (2,) if digits else ()
        result = FrameResult(source, shape[1], shape[0], digits, lines, {"find": 4.0}, index, age_ms=age_ms)
        return Shot(frame, result, 20.0, lost)

    return make
