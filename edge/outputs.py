"""The options of `edgits live` that write files, and what is made of them."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgits.edge.sinks import Sink


@dataclass(frozen=True)
class Outputs:
    """What `edgits live` writes; None for what it doesn't.

    Attributes:
        record: The recording.
        record_limit: Megabytes that it may fill; None for no limit.
        jsonl: The JSON lines; ``-`` is the standard output.
        csv: The CSV; likewise.
        sheet: The contact sheet.
    """

    record: Path | None = None
    record_limit: int | None = None
    jsonl: Path | None = None
    csv: Path | None = None
    sheet: Path | None = None

    def __post_init__(self) -> None:
        if self.record_limit is not None and self.record is None:
            raise click.UsageError("--record-limit is for a recording; add --record FILE")
        paths = [path for path in (self.record, self.jsonl, self.csv, self.sheet) if path is not None]
        if len(set(paths)) < len(paths):
            raise click.UsageError("two outputs would go to the same place; give each its own")

    @property
    def to_stdout(self) -> bool:
        """Whether the standard output is taken."""
        return Path("-") in (self.jsonl, self.csv)

    def sinks(self) -> "list[Sink]":
        """Makes the sinks; raises `OutputError` if one of the places can't be written."""
        from edgits.edge.background import Background
        from edgits.edge.lines import CsvLines, JsonLines
        from edgits.edge.record import Recording
        from edgits.edge.sinks import Sheet

        limit = None if self.record_limit is None else self.record_limit * 10**6
        sinks: list[Sink] = [Background(Recording(self.record, limit=limit))] if self.record else []
        sinks += [Sheet(self.sheet)] if self.sheet else []
        sinks += [CsvLines(self.csv)] if self.csv else []
        return sinks + ([JsonLines(self.jsonl)] if self.jsonl else [])

    def written(self) -> list[Path]:
        """Returns the files that are there."""
        from edgits.edge.record import parts

        recorded = parts(self.record, numbered=self.record_limit is not None) if self.record else []
        return [*recorded, *(path for path in (self.jsonl, self.csv, self.sheet) if path and path.is_file())]


def output_options(command: Any) -> Any:
    """Adds the options; their values come as one argument, ``outputs``."""

    @functools.wraps(command)
    def wrapped(
        *args: Any,
        record: Path | None,
        record_limit: int | None,
        jsonl: Path | None,
        csv: Path | None,
        sheet: Path | None,
        **options: Any,
    ) -> Any:
        return command(*args, outputs=Outputs(record, record_limit, jsonl, csv, sheet), **options)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


_PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--record", type=_PATH, metavar="FILE", help="Record annotated video, .mp4 or .avi."),
    click.option(
        "--record-limit",
        type=click.IntRange(10),
        metavar="MB",
        help="Record in numbered parts, and delete the oldest beyond so many megabytes.",
    ),
    click.option("--jsonl", type=_PATH, metavar="FILE|-", help="Write one JSON object a frame."),
    click.option("--csv", type=_PATH, metavar="FILE|-", help="Write one row a frame, for a spreadsheet."),
    click.option("--sheet", type=_PATH, metavar="FILE", help="Write nine chosen frames as one picture."),
)
