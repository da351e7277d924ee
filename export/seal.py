"""A seal inside a model file: the SHA-256 of all of it but the seal's own digits.

The card beside a file holds the file's SHA-256; the seal tells of damage where that card was lost. It is
found as text, so that it can be read where the file's own format can't any more. It is no signature: who
changes a file on purpose can seal it again.
"""

import hashlib
import re
from pathlib import Path
from typing import Literal

_WORD = b"edgits-seal-sha256:"
_SEAL = re.compile(_WORD + rb"([0-9a-f]{64})")
BLANK = (_WORD + b"0" * 64).decode()


def seal(path: Path) -> None:
    """Fills in the seal of a file that holds `BLANK` once.

    Raises:
        ValueError: It doesn't hold it once.
    """
    data = path.read_bytes()
    if data.count(BLANK.encode()) != 1:
        raise ValueError(f"'{path}' has {data.count(BLANK.encode())} places for a seal, one is needed")
    path.write_bytes(data.replace(BLANK.encode(), _WORD + _digest(data)))


def check_seal(path: Path) -> Literal["intact", "broken", "none"]:
    """Tells whether a file is the one that was sealed; ``"none"`` where it has no seal, or that itself was hit."""
    data = path.read_bytes()
    found = _SEAL.search(data)
    if found is None:
        return "none"
    blank = data[: found.start()] + BLANK.encode() + data[found.end() :]
    return "intact" if found[1] == _digest(blank) else "broken"


def _digest(blank: bytes) -> bytes:
    return hashlib.sha256(blank).hexdigest().encode()
