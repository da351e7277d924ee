"""Shows a training in the terminal: an epoch a line and, where it is a terminal, a bar with the time left."""

import math
import sys
import time
from types import TracebackType
from typing import Any, Self

_LONG = 5  # seconds of waiting that are worth a line where there is no bar


class Display:
    """What a person sees of a training; a context manager.

    Args:
        epochs: How many there will be.
    """

    def __init__(self, epochs: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._epochs = epochs
        self._console = Console(highlight=False, markup=False)
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}")
        shown = sys.stdout.isatty()
        self._progress = Progress(*columns, console=self._console, transient=True, disable=not shown)
        self._bar = self._progress.add_task("starting", total=1.0, left="")
        self._shown, self._announced = shown, 0
        self._begin: float | None = None  # of the first step
        self._rows: list[dict[str, float]] = []

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Takes the bar away, so that other lines may be printed."""
        self._progress.stop()

    def told(self) -> dict[str, Any]:
        """Returns what `edgits.train.fit.fit_run` calls as it goes."""
        return {"on_wait": self._wait, "on_batch": self._batch, "on_epoch": self._epoch}

    def _wait(self, epoch: int, share: float, left: float) -> None:
        """The bar is of the images alone: how long the steps will take isn't known before the first of them."""
        text = "" if math.isnan(left) else f"{clock(left)} left for the images"
        self._update(f"epoch {epoch}/{self._epochs}, making images", share, text)
        if not self._shown and left > _LONG and epoch > self._announced:
            self._announced = epoch
            self._console.print(f"making images for epoch {epoch}: about {clock(left)}", soft_wrap=True)

    def _batch(self, epoch: int, done: int, left: float) -> None:
        now = time.monotonic()
        self._begin = self._begin or now
        passed = now - self._begin
        share = passed / max(passed + left, 1e-9)
        self._update(f"epoch {epoch}/{self._epochs}, step {done}", share, f"{clock(left)} left")

    def _epoch(self, row: dict[str, float]) -> None:
        self._rows.append(row)
        # the first epoch waits for its images as no other does
        each = [row["seconds"] for row in self._rows[1:]] or [row["seconds"] - row["waited"]]
        left = sum(each) / len(each) * (self._epochs - row["epoch"])
        self._console.print(
            f"epoch {row['epoch']:>3.0f}/{self._epochs}  "
            f"accuracy: training {row['accuracy']:.2%}, validation {row['val_accuracy']:.2%}  "
            f"loss: {row['loss']:.4f}, {row['val_loss']:.4f}  {clock(left)} left",
            soft_wrap=True,
        )

    def _update(self, description: str, share: float, left: str) -> None:
        self._progress.update(self._bar, description=description, completed=share, left=left)


def clock(seconds: float) -> str:
    """Returns seconds as ``m:ss``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def waited_text(history: Any) -> str:
    """Says how long a training took, and how much of it went into waiting for images."""
    seconds, waited = (sum(row.get(name, 0.0) for row in history) for name in ("seconds", "waited"))
    return f"{clock(seconds)}, of which {waited:.1f} s ({waited / max(seconds, 1e-9):.1%}) went into waiting for images"
