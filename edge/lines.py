"""Writes a line a frame, at once and whole, so that another program may follow: JSON lines and CSV.

While the camera is lost there is a line only where what is wrong with it changes. Knows nothing of the network.
"""

import abc
import contextlib
import csv
import io
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from edgits.edge.sinks import Shot, check_place
from edgits.errors import OutputError

COLUMNS = ("time", "source", "frame", "text", "digits", "confidence", "stable", "latency_ms", "age_ms", "lost")
"""Of the CSV. time: date and time of a live camera's frame, else seconds from the start; text: a bar between
lines; digits: how many; confidence: that of the least sure digit; stable: 1 if all digits are, else 0."""


class _Lines(abc.ABC):
    """Writes lines to a file, written anew, or to the standard output if the path is ``-``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._lost: str | None = None
        if not self._is_stdout:
            check_place(path)

    def put(self, shot: Shot) -> bool:
        """See `Sink.put`."""
        if shot.lost is None or shot.lost != self._lost:
            self._write(self._line(shot))
        self._lost = shot.lost
        return True

    def close(self) -> None:
        """See `Sink.close`."""
        if self._file is not None:
            self._file.close()

    @property
    def _is_stdout(self) -> bool:
        return str(self._path) == "-"

    @abc.abstractmethod
    def _line(self, shot: Shot) -> str:
        """Returns the line of a shot, with its end."""

    def _write(self, line: str) -> None:
        try:
            if self._is_stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                return
            if self._file is None:  # not before there is a frame: a failed start leaves no file
                self._file = open(self._path, "wb", buffering=0)  # noqa: SIM115 - close() closes it
            self._write_whole(self._file, line.encode(errors="backslashreplace"))
        except BrokenPipeError:
            raise  # the reader has left: the command line ends quietly
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"can't write to '{self._path}': {reason}; make room there") from error

    def _write_whole(self, file: BinaryIO, data: bytes) -> None:
        """Writes all of `data`, or on a full disk nothing of it."""
        before = file.tell() if file.seekable() else None
        rest = data
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            if before is not None:
                with contextlib.suppress(OSError):
                    file.truncate(before)
            raise


class JsonLines(_Lines):
    """Writes one JSON object a frame.

    Args:
        path: The file, written anew; ``Path("-")`` is the standard output.
    """

    def _line(self, shot: Shot) -> str:
        value = shot.result.to_json() | ({"lost": shot.lost} if shot.lost is not None else {})
        return json.dumps(value, ensure_ascii=False) + "\n"


class CsvLines(_Lines):
    """Writes one row a frame, with `COLUMNS`, as spreadsheets read it.

    Args:
        path: The file, written anew; ``Path("-")`` is the standard output.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._begun = False

    def _line(self, shot: Shot) -> str:
        result, digits = shot.result, shot.result.digits
        values = (
            datetime.now().astimezone().isoformat(timespec="milliseconds") if shot.live else f"{shot.frame.time:.3f}",
            result.source,
            result.frame,
            result.text.replace("\n", "|"),
            len(digits),
            f"{min(digit.confidence for digit in digits):.4f}" if digits else None,
            int(all(digit.stable for digit in digits)) if digits else None,
            f"{result.latency_ms:.2f}" if shot.lost is None else None,
            None if result.age_ms is None else f"{result.age_ms:.1f}",
            shot.lost,
        )
        head = "" if self._begun else _row(COLUMNS)
        self._begun = True
        return head + _row(values)


def _row(values: tuple[object, ...]) -> str:
    """Makes one line of CSV; no cell of text begins as a formula does, and none holds a line break."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_harmless(v) if isinstance(v, str) else v for v in values])
    return out.getvalue()


def _harmless(cell: str) -> str:
    cell = " ".join(cell.splitlines()) if cell.splitlines() != [cell] else cell
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t") else cell
