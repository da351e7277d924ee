"""edgits: train, quantize, prove and run handwritten digit readers on small boards.

    import edgits

    for result in edgits.live("0"):
        print(result.text)

Importing this package loads nothing heavy: neither TensorFlow nor OpenCV.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgits.edge.live import live

__all__ = ["__version__", "live"]
__version__ = "0.1.0"

# what a program may take from here → the module that has it, loaded when it is taken
_LAZY = {"live": "edgits.edge.live"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'edgits' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)
