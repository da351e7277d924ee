"""Spoils digits in the fifteen ways of MNIST-C, at five severities, to measure how much a model bears.

It only makes images; it knows no model. Nothing trains on them: a model that has seen these would
no longer show how it takes what it hasn't seen.

The kinds and the figures of each severity are those of N. Mu and J. Gilmer, "MNIST-C: A Robustness
Benchmark for Computer Vision" (2019), and of their published settings; the implementation is this
project's own, so single pixels differ from the published files. Four kinds have no severities there
(stripe, dotted line, zigzag, canny edges): theirs are ours, around the published one.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from edgits.errors import DataError

Images = npt.NDArray[np.uint8]
_Stack = npt.NDArray[np.float32]  # (N, 28, 28), 0 black to 1 white
_Kind = Callable[[_Stack, int, np.random.Generator], _Stack]

SIDE = 28
SEVERITIES = (1, 2, 3, 4, 5)
_CENTRE = (SIDE - 1) / 2
# A line's ink fades as ln(1 - d / 2.3) + 1 with the distance d in rows.
_LINE_REACH = 2.3
_CLOUD, _AT_ONCE = 256, 32


def corrupt(images: Images, kind: str, severity: int | None = None, *, seed: int = 0) -> Images:
    """Spoils images.

    Args:
        images: uint8 (N, 28, 28), white ink on black.
        kind: One of `KINDS`.
        severity: 1 to 5; by default the one that MNIST-C has, `PUBLISHED`.
        seed: The same seed spoils the same images in the same way.

    Returns:
        uint8 (N, 28, 28).

    Raises:
        DataError: The images are of another size, or there is no such kind or severity.
    """
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE):
        raise DataError(f"images to spoil must be uint8 (N, {SIDE}, {SIDE}), found {images.dtype} {images.shape}")
    if kind not in _SPOIL:
        raise DataError(f"there is no corruption '{kind}'; choose one of {', '.join(KINDS)}")
    severity = PUBLISHED[kind] if severity is None else severity
    if severity not in SEVERITIES:
        raise DataError(f"a severity must be 1 to 5, found {severity}")
    if len(images) == 0:
        return images.copy()
    rng = np.random.default_rng([seed, KINDS.index(kind), severity])
    spoilt = _SPOIL[kind](np.asarray(images / 255, np.float32), severity - 1, rng)
    return np.clip(np.rint(spoilt * 255), 0, 255).astype(np.uint8)


def _shot_noise(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Counts few photons: Poisson noise."""
    photons = (60, 25, 12, 5, 3)[level]
    return np.asarray(rng.poisson(images * photons) / photons, np.float32)


def _impulse_noise(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Makes a share of the pixels black or white, like salt and pepper."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[level]
    pick = rng.random(images.shape)
    return np.where(pick < share / 2, np.float32(1), np.where(pick < share, np.float32(0), images))


def _glass_blur(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Blurs, exchanges half of the pixels with neighbours, and blurs again, as frosted glass does."""
    sigma, reach, rounds = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[level]
    result = _blur(images, sigma)
    each = np.arange(len(images))
    places = range(SIDE - reach, reach, -1)
    for row, column in [(row, column) for _ in range(rounds) for row in places for column in places]:
        chosen = each[rng.random(len(images)) < 0.5]
        other_row = row + rng.integers(-reach, reach, len(chosen))
        other_column = column + rng.integers(-reach, reach, len(chosen))
        here, there = result[chosen, row, column], result[chosen, other_row, other_column]
        result[chosen, row, column], result[chosen, other_row, other_column] = there, here
    return _blur(result, sigma)


def _motion_blur(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Smears along a line within 45° of the horizontal, to one side, fading as half a bell."""
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[level]
    away = np.arange(2 * radius + 1)
    weights = np.exp(-(away**2) / (2 * sigma**2))
    spoilt = []
    for image, angle in zip(images, np.deg2rad(rng.uniform(-45, 45, len(images))), strict=True):
        kernel = np.zeros((2 * len(away) - 1,) * 2, np.float32)
        rows, columns = (np.rint(away * part).astype(int) + len(away) - 1 for part in (np.sin(angle), np.cos(angle)))
        np.add.at(kernel, (rows, columns), weights / weights.sum())
        spoilt.append(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_CONSTANT))
    return np.stack(spoilt)


def _shear(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Leans to either side; rows come closer as the published transform lets them."""
    angles = (0.2, 0.4, 0.6, 0.8, 1.0)[level] * _signs(len(images), rng)
    ones, zeros = np.ones_like(angles), np.zeros_like(angles)
    return _warp(images, np.array([[ones, -np.sin(angles)], [zeros, np.cos(angles)]]))


def _scale(images: _Stack, level: int, _rng: np.random.Generator) -> _Stack:
    """Shrinks."""
    factor = (0.9, 0.8, 0.7, 0.6, 0.5)[level]
    return _warp(images, np.broadcast_to(np.eye(2)[..., None] / factor, (2, 2, len(images))))


def _rotate(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Turns to either side, by 0.2 to 1 radians."""
    angles = (0.2, 0.4, 0.6, 0.8, 1.0)[level] * _signs(len(images), rng)
    return _warp(images, np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]))


def _brightness(images: _Stack, level: int, _rng: np.random.Generator) -> _Stack:
    """Lifts every pixel."""
    return np.asarray(images + (0.1, 0.2, 0.3, 0.4, 0.5)[level], np.float32)


def _translate(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Moves by 1 to 5 pixels towards one of the four corners."""
    identity = np.broadcast_to(np.eye(2)[..., None], (2, 2, len(images)))
    return _warp(images, identity, (level + 1) * np.stack([_signs(len(images), rng) for _ in range(2)]))


def _stripe(images: _Stack, level: int, _rng: np.random.Generator) -> _Stack:
    """Inverts a band of columns at the left and at the right."""
    width = (3, 5, 7, 9, 11)[level]
    result = images.copy()
    for band in (result[:, :, :width], result[:, :, -width:]):
        band[:] = 1 - band
    return result


def _fog(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Lays clouds over the image and keeps its brightest value."""
    weight, decay = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[level]
    brightest = images.max(axis=(1, 2), keepdims=True)
    clouds = _clouds(len(images), decay, rng)
    return np.asarray((images + weight * clouds) * brightest / np.maximum(brightest + weight, 1e-6), np.float32)


def _spatter(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Covers spots with dark mud."""
    mean, spread, drop, least, edge = (
        (0.65, 0.3, 4, 0.69, 0.6),
        (0.65, 0.3, 3, 0.68, 0.6),
        (0.65, 0.3, 2, 0.68, 0.5),
        (0.65, 0.3, 1, 0.65, 1.5),
        (0.67, 0.4, 1, 0.65, 1.5),
    )[level]
    liquid = _blur(rng.normal(mean, spread, images.shape).astype(np.float32), drop)
    mud = _blur((liquid > least).astype(np.float32), edge)
    mud[mud < 0.8] = 0
    return np.asarray(images * (1 - mud) + mud * 63 / 255, np.float32)


# No published severities: a fainter line, the published one, then more of them.
_LINES = ((1, 0.4), (1, 0.7), (1, 1.0), (2, 1.0), (3, 1.0))


def _dotted_line(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Draws straight lines of dots across, two columns long, two apart."""
    count, strength = _LINES[level]
    columns = np.arange(SIDE)
    dotted = (columns // 2 % 2 == 1) & (columns < SIDE - 1)
    result = images
    for _ in range(count):
        begin, end = rng.integers(0, SIDE - 1, (2, len(images), 1))
        rows = begin + (end - begin) * columns / (SIDE - 1)
        result = np.minimum(result + strength * _ink(rows) * dotted, 1)
    return result


def _zigzag(images: _Stack, level: int, rng: np.random.Generator) -> _Stack:
    """Draws lines across that turn every 4 pixels, 2 pixels up and down, almost level."""
    count, strength = _LINES[level]
    columns = np.arange(SIDE)
    inside = (columns >= 2) & (columns < 25)
    result = images
    for _ in range(count):
        begin = rng.integers(0, SIDE - 1, len(images))
        slopes = np.arctan(rng.integers(-5, 5, len(images)) / 23)
        rows = np.stack([_zigzag_rows(row, slope) for row, slope in zip(begin, slopes, strict=True)])
        result = np.minimum(result + strength * _ink(rows) * inside, 1)
    return result


def _zigzag_rows(row: float, slope: float) -> npt.NDArray[np.float64]:
    """Returns the row of a zigzag line in each column."""
    length = 23 / np.cos(slope)
    turns = np.arange(2, length, 4)
    along = np.concatenate([[0], turns, [length]])
    across = np.concatenate([[0], 2.0 * (-1) ** np.arange(len(turns)), [0]])
    x = 2 + along * np.cos(slope) - across * np.sin(slope)
    y = row + along * np.sin(slope) + across * np.cos(slope)
    return np.asarray(np.interp(np.arange(SIDE), x, y))


def _canny_edges(images: _Stack, level: int, _rng: np.random.Generator) -> _Stack:
    """Leaves edges (Canny 1986), and less and less of the ink itself; as published, none of it."""
    kept = (0.8, 0.6, 0.4, 0.2, 0.0)[level]
    smooth = np.rint(_blur(images, 1.0) * 255).astype(np.uint8)
    low, high = 0.1 * 255, 0.2 * 255
    edges = np.stack([cv2.Canny(image, low, high, L2gradient=True) for image in smooth])
    return np.asarray(kept * images + (1 - kept) * (edges / 255), np.float32)


def _blur(images: _Stack, sigma: float) -> _Stack:
    size = 2 * int(4 * sigma + 0.5) + 1
    border = cv2.BORDER_REPLICATE
    return np.stack([cv2.GaussianBlur(image, (size, size), sigma, borderType=border) for image in images])


def _signs(count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    return rng.choice([-1.0, 1.0], count)


def _warp(images: _Stack, inverse: npt.NDArray[np.float64], shift: npt.NDArray[np.float64] | float = 0.0) -> _Stack:
    """Fetches each pixel from where `inverse`, (2, 2, N), takes its place from the middle, moved by `shift`, (2, N)."""
    kept = _CENTRE * (1 - inverse.sum(axis=1)) + shift
    matrices = np.moveaxis(np.concatenate([inverse, kept[:, None]], axis=1), -1, 0)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pairs = zip(images, matrices, strict=True)
    return np.stack([cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=flags) for image, matrix in pairs])


def _ink(rows: npt.NDArray[np.float64]) -> _Stack:
    """Draws a line that passes each column at a row, (N, 28): (N, 28, 28)."""
    distance = np.abs(np.arange(SIDE)[:, None] - rows[:, None, :])
    fading = np.log1p(-np.minimum(distance, 0.99 * _LINE_REACH) / _LINE_REACH) + 1
    return np.asarray(np.maximum(fading, 0), np.float32)


def _clouds(count: int, decay: float, rng: np.random.Generator) -> _Stack:
    """Makes clouds in [0, 1]: the four tiles around the corner of a random landscape each."""
    needed = -(-count // 4)
    lands = (_landscapes(min(_AT_ONCE, needed - begin), decay, rng) for begin in range(0, needed, _AT_ONCE))
    corners = np.concatenate([np.roll(land, SIDE, (1, 2))[:, : 2 * SIDE, : 2 * SIDE] for land in lands])
    return corners.reshape(-1, 2, SIDE, 2, SIDE).swapaxes(2, 3).reshape(-1, SIDE, SIDE)[:count]


def _landscapes(count: int, decay: float, rng: np.random.Generator) -> _Stack:
    """Makes landscapes on a torus, (N, 256, 256) in [0, 1].

    Diamond-square (Fournier, Fussell and Carpenter 1982): each step halves the grid, and what is
    added at random shrinks by the square of `decay`.
    """
    maps = np.zeros((count, _CLOUD, _CLOUD), np.float32)
    step, sway = _CLOUD, 1.0
    while step > 1:
        half = step // 2
        noise = sway * (2 * rng.random((3, count, _CLOUD // step, _CLOUD // step), np.float32) - 1)
        corners = maps[:, ::step, ::step]
        right, below = np.roll(corners, -1, 2), np.roll(corners, -1, 1)
        middle = (corners + right + below + np.roll(right, -1, 1)) / 4 + noise[0]
        maps[:, half::step, half::step] = middle
        maps[:, ::step, half::step] = (corners + right + middle + np.roll(middle, 1, 1)) / 4 + noise[1]
        maps[:, half::step, ::step] = (corners + below + middle + np.roll(middle, 1, 2)) / 4 + noise[2]
        step, sway = half, sway / decay**2
    maps -= maps.min(axis=(1, 2), keepdims=True)
    return np.asarray(maps / maps.max(axis=(1, 2), keepdims=True), np.float32)


_SPOIL: dict[str, _Kind] = {
    "shot noise": _shot_noise,
    "impulse noise": _impulse_noise,
    "glass blur": _glass_blur,
    "motion blur": _motion_blur,
    "shear": _shear,
    "scale": _scale,
    "rotate": _rotate,
    "brightness": _brightness,
    "translate": _translate,
    "stripe": _stripe,
    "fog": _fog,
    "spatter": _spatter,
    "dotted line": _dotted_line,
    "zigzag": _zigzag,
    "canny edges": _canny_edges,
}
KINDS = tuple(_SPOIL)
# The severity of each kind in MNIST-C; 3 and 5 where it has but one.
PUBLISHED = dict(zip(KINDS, (5, 4, 1, 1, 2, 3, 2, 5, 3, 3, 5, 4, 3, 3, 5), strict=True))
