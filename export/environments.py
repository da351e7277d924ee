"""Runs model files on runtimes that this installation hasn't: each is fetched into a folder of its own.

Such a folder is used by a child process that sees nothing else, so that an old NumPy doesn't get in the way.
It lies in the user's cache, and is made once; making it needs a network.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgits import files
from edgits.edge.apart import ask
from edgits.edge.runtimes import Floats
from edgits.errors import MissingExtraError
from edgits.export import bare

_INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Environment:
    """A runtime of one version.

    Attributes:
        runtime: One of `edgits.export.bare.RUNTIMES`.
        package: The package that brings it, with its version.
        others: What it needs of others, such as ``"numpy<2"``.
    """

    runtime: str
    package: str
    others: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Its version, such as ``"2.14.0"``."""
        return self.package.partition("==")[2]

    @property
    def folder(self) -> Path:
        """Where it is or would be."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return cache / "edgits" / "runtimes" / python / self.package.replace("==", "-")

    def make(self) -> Path:
        """Returns its folder; fetches what is in it where that isn't there yet.

        Raises:
            MissingExtraError: There is no such package for this machine, or no network.
        """
        if self.folder.is_dir():
            return self.folder
        files.make_folder(self.folder.parent)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=self.folder.parent) as folder:
            made = Path(folder) / "packages"
            command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
            command += ["--only-binary", ":all:", "--target", str(made), self.package, *self.others]
            try:
                pip = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise MissingExtraError(f"can't fetch {self.package}: no end within {_INSTALL_SECONDS} s") from error
            if pip.returncode != 0:
                said = [line for line in pip.stderr.splitlines() if line.startswith("ERROR")] or ["no message"]
                raise MissingExtraError(f"can't fetch {self.package}: {said[-1].removeprefix('ERROR: ')}")
            made.replace(self.folder)
        return self.folder

    def run(self, model: Path, batches: list[Floats]) -> list[Floats]:
        """Runs a model file; see `edgits.edge.apart.run_apart`."""
        # -S: no packages but those of the folder.
        command = [sys.executable, "-I", "-S", bare.__file__, str(self.make()), self.runtime, str(model)]
        return ask(command, f"{self.runtime} {self.version}", batches)[1]


def run_bare(model: Path, runtime: str, batches: list[Floats]) -> tuple[str, list[Floats]]:
    """Runs a model file on a runtime that is installed here but that `open_model` doesn't know; see `run_apart`."""
    return ask([sys.executable, bare.__file__, "", runtime, str(model)], runtime, batches)
