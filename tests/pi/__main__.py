"""Proves edgits on emulated Raspberry Pis: `make test-pi`, or `python tests/pi [SYSTEM]...`.

Builds the wheel, installs it in each system by the commands of docs/raspberry-pi.md, runs edgits
there, and compares answers with this PC's and instructions with the recorded ones. It says nothing
of cameras, of heat, or of seconds on a board.
"""

import fcntl
import re
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import checks
import click
import host
import onboard
from boards import BOARDS
from record import Instructions, Logits
from rich.console import Console
from userland import CommandError, System, Userland

MANUAL = host.ROOT / "docs" / "raspberry-pi.md"
WORK = host.ROOT / "build" / "pi"
_WIDTH = 100
# Where the checks run, and what of the manual installs edgits there
SYSTEMS = {
    System("bookworm-arm64", "bookworm", "arm64"): "## Install on 64-bit",
    System("trixie-arm64", "trixie", "arm64"): "## Install on 64-bit",
    System("bookworm-arm64-csi", "bookworm", "arm64"): "### With a ribbon-cable camera",
    System("bookworm-armhf", "bookworm", "armhf"): "## Install on 32-bit",
}
_NAMES = {system.name: system for system in SYSTEMS}
# Debian has no picamera2; what matters is the NumPy that it brings
_STAND_INS = {"python3-picamera2": "python3-numpy"}
_APT = re.compile(r"sudo apt install (.+)")


class Report:
    """Runs checks, prints each with its outcome, and counts those that failed."""

    def __init__(self) -> None:
        self._began, self.failed, self.passed = time.monotonic(), 0, 0

    def check(self, name: str, checked: Callable[[], str]) -> bool:
        """Runs one check: it fails if it raises; what it returns, or why it failed, is printed."""
        try:
            detail, passed = checked(), True
        except (AssertionError, CommandError) as error:
            detail, passed = str(error), False
        except Exception as error:  # an answer of another form; the other checks go on
            detail, passed = repr(error), False
        self.passed += passed
        self.failed += not passed
        mark = click.style("ok  ", fg="green") if passed else click.style("FAIL", fg="red", bold=True)
        click.echo(f"[{time.monotonic() - self._began:4.0f} s] {mark} {name}{': ' if detail else ''}{detail}")
        return passed


@click.command()
@click.argument("systems", nargs=-1, type=click.Choice(list(_NAMES)))
@click.option("--record", is_flag=True, help="Record logits and instructions instead of comparing with recorded ones.")
@click.option("--where-possible", is_flag=True, help="Where a Pi can't be emulated, say so and end without failure.")
def main(systems: tuple[str, ...], record: bool, where_possible: bool) -> None:
    """Proves edgits on emulated Raspberry Pis; by default on all systems."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs in emulation is ended too
    try:
        host.prepare()
    except host.CannotEmulateError as error:
        click.echo(f"test-pi {'left out' if where_possible else 'impossible'}: {error}", err=True)
        sys.exit(0 if where_possible else 2)
    WORK.mkdir(parents=True, exist_ok=True)
    report = Report()
    with open(WORK / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            prove(report, [_NAMES[name] for name in systems] or list(SYSTEMS), record=record)
        except (BlockingIOError, CommandError) as error:
            why = f"another one is running in {WORK}" if isinstance(error, BlockingIOError) else str(error)
            click.echo(f"test-pi failed: {why}", err=True)
            sys.exit(2)
    click.echo(f"{report.passed} passed, {report.failed} failed")
    sys.exit(bool(report.failed))


def prove(report: Report, systems: list[System], *, record: bool) -> None:
    """Runs all checks on some systems.

    Raises:
        CommandError: What is to be checked can't be made.
    """
    samples, plugin, wheel = host.write_samples(WORK), host.build_plugin(WORK), host.build_wheel(WORK)
    report.check("packages", partial(host.check_packages, wheel, WORK / "source"))
    logits, instructions = Logits(record=record), Instructions(record=record)
    report.check("logits on this PC", logits.check_pc)
    for system in systems:
        pi = Userland(system, WORK)
        if not install(report, pi, [wheel, Path(onboard.__file__), *samples.iterdir()]):
            continue
        for command, arguments in checks.EDGITS.items():
            compared = partial(compare, pi, arguments, samples, getattr(checks, command))
            report.check(f"{system.name} edgits {command}", compared)
        for board in BOARDS:
            report.check(f"{system.name} {board} logits", partial(logits.check_pi, pi, board))
            if is_pinned(system):
                report.check(f"{system.name} {board} instructions", partial(instructions.check, pi, board, plugin))
    if table := instructions.table():
        Console(width=_WIDTH).print(table)


def is_pinned(system: System) -> bool:
    """Tells whether a system takes the lock's versions, so that instructions can be compared; else Debian's NumPy."""
    return "python3-numpy" not in packages(system)


def manual(system: System) -> list[str]:
    """Returns the commands by which docs/raspberry-pi.md installs edgits on a system."""
    _, _, section = MANUAL.read_text().partition(SYSTEMS[system])
    return section.split("```")[1].strip().splitlines()


def packages(system: System) -> list[str]:
    """Returns the Debian packages that the manual installs."""
    named = _APT.fullmatch(manual(system)[0])
    assert named, f"{MANUAL.name} begins '{SYSTEMS[system]}' without {_APT.pattern}"
    return [_STAND_INS.get(name, name) for name in named[1].split()]


def install(report: Report, pi: Userland, copied: list[Path]) -> bool:
    """Copies files to the Pi and types the commands of the manual, until one fails."""
    pins = host.pins() if is_pinned(pi.system) else ""
    apt, *others = manual(pi.system)
    steps = {apt: partial(pi.unpack, packages(pi.system), copied=copied, pins=pins)}
    steps |= {command: partial(last_line, pi, command) for command in others}
    return all(report.check(f"{pi.system.name} $ {command}", step) for command, step in steps.items())


def last_line(pi: Userland, command: str) -> str:
    """Runs a command on the Pi and returns the last line that it prints."""
    return textwrap.shorten(pi.run(command, board="pi4").stdout.strip().rpartition("\n")[2], 100)


def compare(pi: Userland, arguments: str, samples: Path, check: Callable[[str, str], str]) -> str:
    """Runs a command of edgits on the Pi and on this PC, and checks the Pi's answer by the PC's."""
    found = pi.run(f"~/edgits/bin/edgits {arguments}", board="pi4").stdout
    command = [sys.executable, "-m", "edgits", *arguments.split()]
    return check(found, host.run(command, said=f"edgits {arguments}", cwd=samples).stdout)


if __name__ == "__main__":
    main()
