"""An emulated Raspberry Pi OS: makes its files from Debian's packages and runs commands in them as on a board.

Raspberry Pi OS is Debian with a kernel and packages of its own; none of those are here, nor a camera.
Knows nothing of edgits.
"""

import os
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boards import BOARDS, write_board

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"  # Debian's, which enter.sh names too
ENTER = Path(__file__).with_name("enter.sh")
_MOST_MINUTES = 30
# What every Raspberry Pi OS has of what Python and its wheels need.
_BASE = ("base-files", "ca-certificates", "coreutils", "dash", "libstdc++6", "python3")
# What the packages' own scripts, which aren't run, would have linked into the folder above
_LINKED = ("blas/libblas.so.3", "lapack/liblapack.so.3")


# On a Pi 4 and a Pi 5 the 32-bit system has a 64-bit kernel, and the machine is called by the kernel's name.
_KERNEL_64 = """import os
told = os.uname
os.uname = lambda: os.uname_result([*told()[:4], "aarch64"])
"""


class CommandError(Exception):
    """A command failed; the message says which, and how it ended."""


@dataclass(frozen=True)
class System:
    """An operating system.

    Attributes:
        name: What the checks call it.
        suite: Its release of Debian.
        architecture: What Debian calls its architecture.
    """

    name: str
    suite: str
    architecture: str

    @property
    def bits(self) -> int:
        """Width of its addresses."""
        return 32 if self.architecture == "armhf" else 64


class Userland:
    """The files of an operating system, in a folder.

    Args:
        system: Which.
        work: Folder for this and other systems, and for pip's cache.
    """

    def __init__(self, system: System, work: Path) -> None:
        self.system, self.root, self._boards = system, work / system.name, work / "boards"
        self.home = self.root / "home" / "pi"

    def unpack(self, packages: Sequence[str], *, copied: Sequence[Path], pins: str) -> str:
        """Makes the system, with nothing in its home folder but copies of files.

        Args:
            packages: Debian packages to install beside the base.
            copied: Files for the home folder.
            pins: Versions that pip shall take, as lines of a constraints file.

        Returns:
            What its size is.

        Raises:
            CommandError: The packages can't be had.
        """
        _debootstrap(self.system, self.root, [*_BASE, *packages])
        for name in _LINKED:
            for library in self.root.glob(f"usr/lib/*/{name}"):
                link = library.parents[1] / library.name
                link.unlink(missing_ok=True)
                link.symlink_to(name)
        if self.system.bits == 32:
            (self.root / "etc/python3.11/sitecustomize.py").write_text(_KERNEL_64)
        for folder in (self.home, self.root / "tmp"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for path in copied:
            shutil.copy(path, self.home)
        self.root.with_name("cache").mkdir(exist_ok=True)
        self._connect(pins)
        for board in BOARDS.values():
            write_board(self._board(board.name), board, bits=self.system.bits)
        return run(["du", "-sh", self.root], said="du").stdout.split()[0]

    def run(self, command: str, *, board: str) -> subprocess.CompletedProcess[str]:
        """Runs a shell command as the owner of the home folder, in it.

        Raises:
            CommandError: It failed or took too long.
        """
        return run([ENTER, self.root, self._board(board), "/bin/sh", "-c", f"cd ~; {command}"], said=command)

    def count(self, program: Sequence[str], *, board: str, plugin: Path) -> tuple[str, dict[int, list[int]]]:
        """Runs a program and counts its instructions between marks (see instructions.c).

        Returns:
            What the program printed; and the number of each mark → instructions between marks of that number.

        Raises:
            CommandError: It failed or took too long.
        """
        counts = self.root.with_name("count.txt")
        counts.unlink(missing_ok=True)
        environment = os.environ | {"COUNT": str(counts), "PLUGIN": str(plugin)}
        command = [ENTER, self.root, self._board(board), *program]
        printed = run(command, said=shlex.join(program), env=environment).stdout
        found: dict[int, list[int]] = {}
        earlier = (-1, 0)
        for line in counts.read_text().splitlines():
            number, instructions = map(int, line.split())
            if number == earlier[0]:
                found.setdefault(number, []).append(instructions - earlier[1])
            earlier = number, instructions
        return printed, found

    def _board(self, name: str) -> Path:
        return self._boards / f"{name}-{self.system.bits}"

    def _connect(self, pins: str) -> None:
        """Gives it this machine's way to the network."""
        for name in ("etc/resolv.conf", "etc/hosts"):
            shutil.copyfile(f"/{name}", self.root / name)
        certificates = self.root / CERTIFICATES[1:]
        certificates.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ssl.get_default_verify_paths().cafile or CERTIFICATES, certificates)
        (self.root / "etc/pins.txt").write_text(pins)
        index = os.environ.get("PIP_INDEX_URL") or _configured("global.index-url")
        (self.root / "etc/pip.conf").write_text(f"[global]\nindex-url = {index}\n" if index else "")


def _configured(option: str) -> str:
    try:
        return run([sys.executable, "-m", "pip", "config", "get", option], said="pip config get").stdout.strip()
    except CommandError:  # it isn't
        return ""


def _debootstrap(system: System, root: Path, packages: Sequence[str]) -> None:
    """Unpacks packages and what they depend on; does nothing where the same were unpacked before."""
    mirror = _mirror()
    wanted = f"{system.name} {' '.join(packages)} {mirror}\n"
    stamp = root / "unpacked.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if root.exists():
        shutil.rmtree(root)
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=extract", f"--architectures={system.architecture}"]
    # The clock of a machine may be wrong, and a mirror old; signatures are checked all the same.
    command += [f'--aptopt=Acquire::{check} "false"' for check in ("Check-Date", "Check-Valid-Until")]
    command += [f"--include={','.join(packages)}", system.suite, str(root), *mirror]
    run(command, said=f"mmdebstrap {system.name}")
    stamp.write_text(wanted)


def _mirror() -> list[str]:
    """Returns the mirror that this machine takes Debian's packages from; nothing if it takes none."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"]
    found = run([*command, "Label: Debian"], said="apt-get indextargets").stdout.split()
    return found[:1]


def run(command: Sequence[str | Path], *, said: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Runs a program.

    Args:
        command: The program and its arguments.
        said: What messages call it.
        options: More for `subprocess.run`.

    Raises:
        CommandError: It failed or took too long; the message ends with its last lines.
    """
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=60 * _MOST_MINUTES, **options)
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"'{said}' took more than {_MOST_MINUTES} minutes") from error
    if done.returncode != 0:
        output = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise CommandError(f"'{said}' ended with {done.returncode}:\n{output}")
    return done
