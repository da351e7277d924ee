"""A reader that can be changed while it runs: threshold, region, model. Knows no page and no network."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgits.edge.live import Settings
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.edge.results import Area, FrameResult, Known
from edgits.edge.view import Region
from edgits.images import Image

# A smaller share of a small picture, 320x240, would be less than a digit needs.
_LEAST_SHARE = 0.07


@dataclass(frozen=True)
class Choice:
    """How frames are read.

    Attributes:
        model: Name of the model, as it was given.
        threshold: Least confidence in [0, 1]; None for the model card's.
        region: The part of the picture that is read; None for all of it.

    Raises:
        ValueError: The threshold is none, or the region, in shares, is too small.
    """

    model: str
    threshold: float | None = None
    region: Region | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"the threshold is {self.threshold:g}; it lies between 0 and 1")
        region = self.region
        if region is not None and region.shares and min(region.width, region.height) < _LEAST_SHARE:
            raise ValueError(f"the region {region} is too small; {100 * _LEAST_SHARE:.0f} % of each side is the least")


class Steering:
    """Reads as `Reader` does, by the choice of the moment.

    One thread reads and others may change the choice: a frame is read wholly by the old one or by the new one.

    Args:
        recognizer: The model to begin with.
        choice: The choice to begin with; `recognizer` is its model.
        load: Loads a model by its name; may raise `ModelError`.

    Attributes:
        settings: What the live loop looks at; holds the region.
    """

    def __init__(self, recognizer: Recognizer, choice: Choice, *, load: Callable[[str], Recognizer]) -> None:
        self.settings = Settings(choice.region)
        self._load, self._changing = load, threading.Lock()
        self._state = (choice, Reader(recognizer, threshold=choice.threshold))

    @property
    def choice(self) -> Choice:
        """The choice now."""
        return self._state[0]

    @property
    def threshold(self) -> float:
        """The threshold in force, in [0, 1]."""
        choice, reader = self._state
        return reader.recognizer.card.reject_threshold if choice.threshold is None else choice.threshold

    def change(self, **changes: Any) -> None:
        """Changes how frames are read; a new model is loaded in the calling thread meanwhile.

        Args:
            **changes: New values for some attributes of `Choice`.

        Raises:
            ModelError: The model can't be used; all stays as it was.
            ValueError: The values make no `Choice`; likewise.
        """
        with self._changing:
            old, reader = self._state
            choice = replace(old, **changes)
            recognizer = reader.recognizer if choice.model == old.model else self._load(choice.model)
            self._state = (choice, Reader(recognizer, threshold=choice.threshold))
            self.settings.region = choice.region

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
        return self._state[1].read(image, source=source, frame=frame, area=area, known=known)
