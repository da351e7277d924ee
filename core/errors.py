"""The error tree. Every edgits error is also the built-in that a caller would expect.

A message says what is wrong, what was found, and what to do, on one line.
"""

import importlib
from types import ModuleType


class EdgitsError(Exception):
    """Base of every error raised on purpose; the command line prints it and exits with 2."""


class DataError(EdgitsError, ValueError):
    """A data set, an image or a label file can't be used."""


class ModelError(EdgitsError, ValueError):
    """A model file or its card is damaged, of another kind, or doesn't fit."""


class CameraError(EdgitsError, OSError):
    """A camera, a video or a stream can't be opened or has ended for good."""


class OutputError(EdgitsError, OSError):
    """A place to write to can't be written."""


class MissingExtraError(EdgitsError, ImportError):
    """A feature needs a package that this installation lacks."""


class CheckError(EdgitsError, AssertionError):
    """A converted model doesn't do what its original does."""


class GateError(EdgitsError, AssertionError):
    """A gate that the user set was not passed; the command line exits with 1."""


def require(module: str, *, extra: str) -> ModuleType:
    """Imports an optional package, or says which extra brings it.

    Args:
        module: Dotted module name, such as ``"pandas"``.
        extra: Name of the extra in ``pyproject.toml`` that installs it.

    Returns:
        The imported module.

    Raises:
        MissingExtraError: The package isn't installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"this needs the package '{error.name}', which isn't installed: pip install 'edgits[{extra}]'"
        ) from error
