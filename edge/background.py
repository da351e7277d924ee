"""Runs a sink in a thread of its own, so that a slow disk doesn't hold up the reading. Knows no sink in particular."""

import queue
import threading

from edgits.edge.sinks import Shot, Sink
from edgits.errors import OutputError

_ROOM = 16  # shots that may wait: half a second, and on a Pi not too much memory


class Background:
    """A sink that hands its shots on in a thread.

    Where it can't keep up, shots of a live camera are left out, and those of a file are waited for.

    Args:
        sink: Takes the shots; what it answers to `Sink.put` is not heard.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: queue.Queue[Shot | None] = queue.Queue(_ROOM)
        self._error: OutputError | None = None
        self._thread = threading.Thread(target=self._work, name=type(sink).__name__, daemon=True)
        self._thread.start()

    def put(self, shot: Shot) -> bool:
        """See `Sink.put`; raises what the sink raised for an earlier shot."""
        if self._error is not None:
            raise self._error
        if shot.live and self._waiting.full():
            return True
        self._waiting.put(shot)
        return True

    def close(self) -> None:
        """See `Sink.close`: waits until all shots are handed on."""
        failed = self._error is not None
        self._waiting.put(None)
        self._thread.join()
        self._sink.close()
        if self._error is not None and not failed:
            raise self._error

    def _work(self) -> None:
        while (shot := self._waiting.get()) is not None:
            if self._error is None:
                try:
                    self._sink.put(shot)
                except OutputError as error:
                    self._error = error
                except Exception as error:  # whatever it is, the reading mustn't wait for a thread that has died
                    self._error = OutputError(f"an output failed: {error}")
