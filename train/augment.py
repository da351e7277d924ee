"""Varies training images as writers, pens, paper, light and cameras do, before normalisation.

It works on raw images of any size and knows neither labels nor models. All randomness
comes from the generator that is passed in.
"""

import cv2
import numpy as np
import numpy.typing as npt

from edgits.images import Image

Floats = npt.NDArray[np.float32]

# Of clean ink, so much stays clean and so much becomes a scan with defects; the rest goes onto paper.
_PLAIN_SHARE, _SCAN_SHARE = 0.45, 0.2


def augment(image: Image, rng: np.random.Generator, *, neighbour: Image | None = None) -> Image:
    """Varies one image.

    Clean ink (white on pure black, as in MNIST) stays nearly as it is, or becomes a scan with
    defects, or is redrawn on paper of its own; a photo keeps its paper and is moved, relit and blurred.

    Args:
        image: uint8 (H, W).
        rng: Source of all randomness.
        neighbour: Clean ink to place half into view beside the digit; uint8 (H, W).

    Returns:
        uint8 (H', W'), 24 to 110 pixels a side.
    """
    if not is_clean_ink(image):
        return camera(bend(image, rng, max(image.shape) * rng.uniform(0.6, 1.1), cut=True), rng)
    pick = rng.random()
    if pick < _PLAIN_SHARE:
        return bend(padded(image), rng, max(image.shape), strength=rng.choice([0.0, 0.5, 0.8]))
    ink = stroke(bend(padded(image), rng, _page_size(rng)), rng)
    if pick < _PLAIN_SHARE + _SCAN_SHARE:
        return _scan(ink, rng)
    if neighbour is not None:
        ink = _beside(ink, neighbour, rng)
    return camera(on_paper(ink, rng), rng)


def is_clean_ink(image: Image) -> bool:
    """Tells whether an image is white ink on pure black, as scanned digit sets have it."""
    return bool(np.median(image) == 0)


def _page_size(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(26), np.log(84))))


def padded(image: Image) -> Image:
    """Gives ink that is stretched to the box the margin that a crop has."""
    touching = image[[0, -1]].any() or image[:, [0, -1]].any()
    return np.pad(image, max(1, image.shape[0] // 5)) if touching else image


def bend(image: Image, rng: np.random.Generator, side: float, *, strength: float = 1.0, cut: bool = False) -> Image:
    """Turns, shears, stretches, tilts and bends, all in one resampling; not at all with a strength of 0.

    The bending field is a coarse random grid, smoothly enlarged (Simard et al. 2003).
    """
    height, width = image.shape
    side = int(np.clip(side, 24, 100))
    turn = strength * np.clip(rng.normal(0, 0.13), -0.35, 0.35)
    shear = strength * np.clip(rng.normal(0, 0.15), -0.4, 0.4)
    zoom = 1.0 if cut else 1 + strength * rng.uniform(-0.15, 0.15)
    stretch = np.exp(strength * rng.uniform(-0.22, 0.22))
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    u = x * np.cos(turn) - y * np.sin(turn) + shear * y
    v = x * np.sin(turn) + y * np.cos(turn)
    depth = 1 + strength * (rng.uniform(-0.2, 0.2) * x + rng.uniform(-0.2, 0.2) * y)
    u, v = u * stretch / zoom / depth, v / stretch / zoom / depth
    field = rng.normal(0, 0.045 * strength * rng.random(), (2, 5, 5)).astype(np.float32)
    du, dv = (cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC) for part in field)
    shift = strength * rng.uniform(-0.04, 0.04, 2)
    at_x = ((u + du + 0.5 + shift[0]) * width - 0.5).astype(np.float32)
    at_y = ((v + dv + 0.5 + shift[1]) * height - 0.5).astype(np.float32)
    border = cv2.BORDER_REPLICATE if cut else cv2.BORDER_CONSTANT
    return np.asarray(cv2.remap(image, at_x, at_y, cv2.INTER_LINEAR, borderMode=border), np.uint8)


def stroke(ink: Image, rng: np.random.Generator) -> Image:
    """Writes with a thinner or a thicker pen, or outlines."""
    pick = rng.random()
    if pick < 0.05:  # only the outline of a broad one
        kernel = np.ones((int(rng.integers(2, 4)),) * 2, np.uint8)
        return np.asarray(cv2.morphologyEx(ink, cv2.MORPH_GRADIENT, kernel), np.uint8)
    if pick < 0.55:
        return ink
    reach = 1 + round(max(ink.shape) * rng.uniform(0.015, 0.05))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    if pick < 0.75:
        return np.asarray(cv2.dilate(ink, kernel), np.uint8)
    thinner = np.asarray(cv2.erode(ink, kernel), np.uint8)
    # a stroke that would break up stays as it is
    return thinner if thinner.sum() > 0.45 * ink.sum() else ink


def _scan(ink: Image, rng: np.random.Generator) -> Image:
    """White on black at about MNIST's size, often with a defect or two."""
    scan = cv2.resize(ink, (28, 28), interpolation=cv2.INTER_AREA).astype(np.float32)
    for _ in range(rng.integers(0, 3)):
        scan = _DEFECTS[rng.integers(len(_DEFECTS))](scan, rng)
    scan = np.clip(scan, 0, 255)
    return np.asarray(255 - scan if rng.random() < 0.15 else scan, np.uint8)


def _grain(scan: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(scan + rng.normal(0, rng.uniform(10, 50), scan.shape), np.float32)


def _flecks(scan: Floats, rng: np.random.Generator) -> Floats:
    flecked = scan.copy()
    spots = rng.random(scan.shape)
    share = rng.uniform(0.01, 0.12)
    flecked[spots < share / 2] = 255
    flecked[spots > 1 - share / 2] = 0
    return flecked


def _soft(scan: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(cv2.GaussianBlur(scan, (0, 0), rng.uniform(0.4, 1.5)), np.float32)


def _cloud(scan: Floats, rng: np.random.Generator) -> Floats:
    coarse = rng.random((rng.integers(2, 7),) * 2).astype(np.float32)
    veil = cv2.resize(coarse, scan.shape[::-1], interpolation=cv2.INTER_CUBIC)
    weight = rng.uniform(0.2, 0.7)
    return np.asarray(scan * (1 - 0.6 * weight) + 255 * weight * veil, np.float32)


def _scratch(scan: Floats, rng: np.random.Generator) -> Floats:
    scratched = scan.copy()
    points = rng.uniform(-2, 30, (rng.integers(2, 9), 2))
    if rng.random() < 0.5:  # along a line, up and down
        points[:, 0] = np.sort(points[:, 0])
        points[:, 1] = points[0, 1] + rng.uniform(-0.5, 0.5) * points[:, 0] + rng.normal(0, 2, len(points))
        points = points if rng.random() < 0.7 else points[:, ::-1]
    drawn = [np.asarray(points, np.int32)]
    cv2.polylines(scratched, drawn, False, float(rng.uniform(90, 255)), int(rng.integers(1, 3)), cv2.LINE_AA)
    return scratched


def _blots(scan: Floats, rng: np.random.Generator) -> Floats:
    blotted = scan.copy()
    for _ in range(rng.integers(1, 7)):
        centre = tuple(int(value) for value in rng.integers(0, 28, 2))
        cv2.circle(blotted, centre, int(rng.integers(1, 3)), float(rng.choice([0, 160, 255])), -1, cv2.LINE_AA)
    return blotted


def _band(scan: Floats, rng: np.random.Generator) -> Floats:
    banded = scan.copy()
    start, width = rng.integers(0, 26), rng.integers(1, 5)
    view = banded if rng.random() < 0.5 else banded.T
    view[start : start + width] = 255 - view[start : start + width] if rng.random() < 0.5 else 0
    return banded


def _label(scan: Floats, rng: np.random.Generator) -> Floats:
    """The digit on a dark label: what lies beside the label is bright."""
    beside = scan.copy()
    view = beside if rng.random() < 0.7 else beside.T
    level = rng.uniform(140, 255)
    sides = rng.integers(1, 4)  # 1 and 2: one side, 3: both
    if sides & 1:
        view[:, : rng.integers(3, 9)] = level
    if sides & 2:
        view[:, -int(rng.integers(3, 9)) :] = level
    return beside


def _faint(scan: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(scan * rng.uniform(0.15, 0.8) + rng.uniform(0, 120), np.float32)


def _coarse(scan: Floats, rng: np.random.Generator) -> Floats:
    side = int(rng.integers(10, 20))
    return np.asarray(cv2.resize(cv2.resize(scan, (side, side), interpolation=cv2.INTER_AREA), (28, 28)), np.float32)


_DEFECTS = (_grain, _flecks, _soft, _cloud, _scratch, _scratch, _blots, _band, _label, _label, _faint, _coarse)


def _beside(ink: Image, neighbour: Image, rng: np.random.Generator) -> Image:
    """Lets a part of another digit look in at the left or right edge."""
    height, width = ink.shape
    other = cv2.resize(neighbour, (width, height), interpolation=cv2.INTER_AREA)
    columns = np.flatnonzero(other.max(axis=0) > 60)
    filled = np.flatnonzero(ink.max(axis=0) > 60)
    if len(columns) == 0 or len(filled) == 0:
        return ink
    result = ink.copy()
    gap = max(2, round(0.06 * width))
    if rng.random() < 0.5:
        room = min(width - (filled[-1] + gap), columns[-1] - columns[0] + 1)
        if room > 1:
            result[:, width - room :] |= other[:, columns[0] : columns[0] + room]
    else:
        room = min(filled[0] - gap, columns[-1] - columns[0] + 1)
        if room > 1:
            result[:, :room] |= other[:, columns[-1] + 1 - room : columns[-1] + 1]
    return result


def on_paper(ink: Image, rng: np.random.Generator) -> Image:
    """Draws ink as a pen on paper, sometimes ruled or squared, sometimes chalk on a board."""
    height, width = ink.shape
    paper = np.full(ink.shape, rng.uniform(110, 250), np.float32)
    if rng.random() < 0.3:
        paper *= 1 + cv2.resize(rng.normal(0, 0.03, (12, 12)).astype(np.float32), (width, height))
    cover = np.minimum(ink.astype(np.float32) / 255 * rng.uniform(0.9, 1.3), 1)
    if rng.random() < 0.15:  # a pen that skips, a pencil on rough paper
        rough = rng.normal(0, 1, (int(rng.integers(8, 28)),) * 2).astype(np.float32)
        gaps = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
        cover *= np.clip(1.2 - np.maximum(gaps, 0) * rng.uniform(0.2, 0.7), 0.15, 1)
    page = paper * (1 - cover * rng.uniform(0.28, 0.92))
    if rng.random() < 0.25:
        pitch = rng.uniform(0.5, 1.2) * height
        darker = 1 - rng.uniform(0.04, 0.25)
        for at in np.arange(rng.uniform(0, pitch), height, pitch):
            page[int(at)] = np.minimum(page[int(at)], paper[int(at)] * darker)
        if rng.random() < 0.5:
            for at in np.arange(rng.uniform(0, pitch), width, pitch):
                page[:, int(at)] = np.minimum(page[:, int(at)], paper[:, int(at)] * darker)
    if rng.random() < 0.12:
        page = 255 - page * rng.uniform(0.75, 1)
    return np.clip(page, 0, 255).astype(np.uint8)


def camera(photo: Image, rng: np.random.Generator) -> Image:
    """Looks at a page through a camera: light from a side, a shadow's edge, blur, noise, JPEG."""
    height, width = photo.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width - 0.5, y / height - 0.5
    light = rng.uniform(0.4, 1.05) * (1 + rng.uniform(-0.35, 0.35) * x + rng.uniform(-0.35, 0.35) * y)
    if rng.random() < 0.15:
        angle = rng.uniform(0, 2 * np.pi)
        distance = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.4, 0.4)
        light *= 1 - rng.uniform(0.1, 0.5) / (1 + np.exp(-distance * rng.uniform(6, 60)))
    seen = np.asarray(photo * light, np.float32)
    if rng.random() < 0.6:
        seen = cv2.GaussianBlur(seen, (0, 0), max(0.3, rng.uniform(0, 0.035) * max(photo.shape)))
    if rng.random() < 0.1:
        reach = max(2, int(rng.uniform(0.03, 0.12) * max(photo.shape)))
        streak = np.zeros((reach, reach), np.float32)
        end = rng.integers(0, reach, 2)
        cv2.line(streak, (0, int(end[0])), (reach - 1, int(end[1])), 1.0)
        seen = cv2.filter2D(seen, -1, streak / streak.sum())
    grainy = seen + rng.normal(0, rng.uniform(0.5, 9), seen.shape)
    result = np.clip(grainy, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        result = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    return result
