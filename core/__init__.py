"""edgits: train, quantize, prove and run handwritten digit readers on small boards.

Importing this package loads nothing heavy: neither TensorFlow nor OpenCV.
"""

__version__ = "0.1.0"
