import json

import cv2
import numpy as np
import pytest

from edgits.edge.recognizer import Recognizer, find_model
from edgits.edge.shelf import DEFAULT


def test_models_are_listed_with_what_their_cards_say(edgits):
    code, out, err = edgits("models")
    assert (code, err) == (0, "")
    code, lines, _ = edgits("models", "--json")
    assert code == 0
    rows = [json.loads(line) for line in lines.splitlines()]
    assert DEFAULT in [row["model"] for row in rows]
    for row in rows:
        assert row["model"] in out
        assert find_model(row["model"]).name == row["file"]
        low, high = row["ci95"]
        assert 0.9 < low < row["accuracy"] < high < 1
        assert row["bytes"] == find_model(row["model"]).stat().st_size
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.parametrize("model", ["nano", "small", "base"])
def test_a_hard_shadow_across_a_digit_hardly_matters(model, mnist5k):
    recognizer = Recognizer.load(model)
    chosen = np.random.default_rng(0).permutation(len(mnist5k))[:400]
    y, x = np.mgrid[:56, :56] / 56 - 0.5
    crops = []
    for number, image in enumerate(mnist5k.images[chosen]):
        page = 230 - 0.85 * cv2.resize(image, (56, 56), interpolation=cv2.INTER_CUBIC)
        across = x * np.cos(number) + y * np.sin(number) > 0.02 * (number % 12)
        crops.append(cv2.GaussianBlur(page * np.where(across, 0.35, 1), (0, 0), 0.9).clip(0, 255).astype(np.uint8))
    read = recognizer.read(crops)
    right = [reading.likeliest == label for reading, label in zip(read, mnist5k.labels[chosen], strict=True)]
    assert np.mean(right) >= 0.95
