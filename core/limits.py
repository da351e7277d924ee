"""How much of what comes from outside is taken in: limits, and the environment variables that raise them."""

import math
import os
from dataclasses import dataclass

from edgits.errors import DataError


@dataclass(frozen=True)
class Limit:
    """An amount that is enough for any honest file, and keeps a hostile one from filling the memory.

    Attributes:
        variable: The environment variable that sets another.
        usual: The amount without it.
        unit: How many make one of `usual`.
    """

    variable: str
    usual: float
    unit: int

    def amount(self) -> int:
        """Returns the limit in force.

        Raises:
            DataError: The variable holds no number above 0.
        """
        found = os.environ.get(self.variable, "")
        try:
            value = float(found) if found else self.usual
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise DataError(f"{self.variable} is {found!r}; let it be a number above 0, such as {self.usual:g}")
        return round(value * self.unit)


# Twice what most phones take; as 8-bit colour 192 MB, which a board of 1 GB still has.
PIXELS = Limit("EDGITS_MAX_MEGAPIXELS", 64, 10**6)
"""Pixels of one image, by what its header declares."""

BYTES = Limit("EDGITS_MAX_GIGABYTES", 4, 10**9)
"""Bytes of a data set's file, unpacked."""
