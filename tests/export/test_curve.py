"""More calibration images, less difference; the page has every figure."""

import cv2
import numpy as np

from edgits.export import curve
from edgits.export.curve import Point


def test_more_images_lose_less(source, monkeypatch):
    monkeypatch.setattr(curve, "FORMATS", {"onnx-int8": "#dd8452"})
    points = curve.measure(source, source.test, (1, 100, 5000), (1, 2), lambda _: None)
    # 100 are all: there is but one choice of them; 5,000 aren't there
    assert [(point.count, point.seed) for point in points] == [(1, 1), (1, 2), (100, 1)]
    assert points[2].mean < min(points[0].mean, points[1].mean)
    assert points[2].flips <= 24


POINTS = [
    Point(name, count, seed, 9 - count // 20 + place, 0.1 / count + place * 0.01)
    for place, name in enumerate(curve.FORMATS)
    for count in (1, 100)
    for seed in (1, 2)
]


def test_picture_has_both_curves(tmp_path):
    curve.draw(POINTS, "tiny", tmp_path / "curve.png")
    picture = cv2.imread(str(tmp_path / "curve.png")).astype(int)
    for colour in ((0xB0, 0x72, 0x4C), (0x52, 0x84, 0xDD)):  # blue, green, red
        assert (np.abs(picture - colour).max(axis=2) < 12).sum() > 100


def test_table_has_a_line_for_every_count():
    lines = curve.table(POINTS).splitlines()
    assert lines[2] == "| `tflite-int8` | 1 | 9, 9 | 0.10000 |"
    assert len(lines) == 2 + 4
