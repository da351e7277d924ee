"""How a command that runs a camera speaks to a person and is stopped. Knows nothing of frames."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Gives an event that Ctrl-C or SIGTERM sets; a second Ctrl-C ends at once."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    kept = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


class Terminal:
    """What a running camera tells a person: one live line on a terminal, what happened, and the end.

    Args:
        quiet_stdout: Whether the standard output is for another program.
    """

    def __init__(self, *, quiet_stdout: bool = False) -> None:
        self._to_stderr = quiet_stdout
        self._failed = False
        self._line: Any = None

    def __enter__(self) -> "Terminal":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._line = Live(console=Console(stderr=True), refresh_per_second=8, transient=True)
            self._line.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._line is not None:
            self._line.stop()

    def say(self, message: str) -> None:
        """Prints a line above the live one; may be called from a thread."""
        if self._line is not None:
            self._line.console.print(f"edgits: {message}", markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(f"edgits: {message}", err=True)

    def fail(self, message: str) -> None:
        """Prints that an output was lost, for which the exit code is 2 at the end."""
        self._failed = True
        self.say(message)

    def show(self, *parts: tuple[str, str]) -> None:
        """Renews the live line: pieces of text, each with its style."""
        if self._line is not None:
            from rich.text import Text

            self._line.update(Text.assemble(*parts, overflow="ellipsis", no_wrap=True))

    def finish(self, summary: str, written: list[Path]) -> None:
        """Prints the summary and where the files are."""
        for line in [summary, *(f"wrote {path}" for path in written)]:
            click.echo(line, err=self._to_stderr)
        if self._failed:
            click.get_current_context().exit(2)
