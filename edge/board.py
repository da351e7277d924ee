"""What the machine says of itself while it runs. Reads the kernel's files; changes nothing."""

import re
from pathlib import Path

_ROOT = Path("/")


def temperature(root: Path = _ROOT) -> float | None:
    """Returns the temperature of the warmest zone in °C; None where the kernel doesn't tell.

    Args:
        root: Folder that has `sys`.
    """
    degrees = []
    for zone in (root / "sys/class/thermal").glob("thermal_zone*/temp"):
        try:
            text = zone.read_text(errors="replace").strip()
        except OSError:  # some zones can be read only while their device is awake
            continue
        if re.fullmatch(r"-?\d+", text):
            degrees.append(int(text) / 1000)
    return max(degrees, default=None)
