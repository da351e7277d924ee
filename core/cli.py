"""The command group. Imports a stage's light `cli` module only when one of its commands is asked for."""

import importlib
import io
import os
import sys

import click

from edgits import __version__
from edgits.errors import EdgitsError, GateError

# command → the module that defines it, under the same name; the order is that of `edgits --help`
COMMANDS = {
    "demo": "edgits.demo",
    "live": "edgits.edge.cli",
    "predict": "edgits.edge.cli",
    "collect": "edgits.edge.cli",
    "train": "edgits.train.cli",
    "evaluate": "edgits.benchmarks.cli",
    "export": "edgits.export.cli",
    "verify": "edgits.export.cli",
    "benchmark": "edgits.benchmarks.cli",
    "models": "edgits.edge.shelf",
    "doctor": "edgits.edge.cli",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edgits")
def cli() -> None:
    """Reads handwritten digits from a live camera, and makes and proves the models for it."""


def main() -> None:
    """Runs the command line: exit code 0 done, 1 a gate failed, 2 wrong usage or bad input."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name's bytes may be no text; in JSON this is right
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = 130
    except GateError as error:
        click.echo(f"edgits: gate failed: {_one_line(error)}", err=True)
        code = 1
    except EdgitsError as error:
        click.echo(f"edgits: {_one_line(error)}", err=True)
        code = 2
    except MemoryError:
        click.echo("edgits: not enough memory for this; give smaller images, or less at once", err=True)
        code = 2
    except SystemExit:  # click leaves so when the reader of a pipe has left, as `| head` does; no command of ours exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    sys.exit(code)


def _one_line(error: Exception) -> str:
    """Returns a message whose names can't move the cursor, change colours, or begin a line of their own."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(error))
