import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edgits.card import ModelCard, TensorSpec
from edgits.dataset import DIGITS
from edgits.edge import cli
from edgits.edge.reader import Reader
from edgits.edge.recognizer import Recognizer
from edgits.edge.runtimes import Floats
from edgits.errors import DataError, OutputError


class Runtime:
    """Says 1 to what is narrow, else 0."""

    name, version = "fake", "1"
    input, output = TensorSpec((28, 28, 1)), TensorSpec((10,))

    def run(self, batch: Floats) -> Floats:
        wide = (batch[..., 0].max(axis=1) > 0.3).sum(axis=1)
        scores = np.zeros((len(batch), 10), np.float32)
        scores[np.arange(len(batch)), np.where(wide < 10, 1, 0)] = 5
        return scores


@pytest.fixture(autouse=True)
def model(monkeypatch):
    runtime = Runtime()
    card = ModelCard(name="fake", format="fake", labels=DIGITS, input=runtime.input, output=runtime.output)
    recognizer = Recognizer(runtime, card)
    monkeypatch.setattr(cli, "_load", lambda model, threshold, *_: Reader(recognizer, threshold=threshold))


@pytest.fixture
def photo(tmp_path):
    image = np.full((240, 320, 3), 225, np.uint8)
    cv2.line(image, (80, 80), (76, 140), (30, 30, 30), 6, cv2.LINE_AA)
    cv2.ellipse(image, (150, 110), (22, 32), 0, 0, 360, (30, 30, 30), 6, cv2.LINE_AA)
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), image)
    return path


def predict(*arguments: object) -> str:
    result = CliRunner().invoke(cli.predict, [str(value) for value in arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_json_is_the_contract(photo):
    value = json.loads(predict(photo, "--json"))
    assert value.keys() == {"source", "width", "height", "digits", "text", "numbers", "latency_ms"}
    assert (value["source"], value["width"], value["height"], value["text"]) == (str(photo), 320, 240, "10")
    assert value["latency_ms"] > 0
    for digit, centre in zip(value["digits"], (78, 150), strict=True):
        assert digit.keys() == {"digit", "confidence", "box"}
        x, y, w, h = digit["box"]
        assert x < centre < x + w
        assert y < 110 < y + h
        assert 0.9 < digit["confidence"] <= 1


def test_a_person_gets_a_line_an_image(photo, tmp_path):
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), np.full((240, 320), 200, np.uint8))
    assert predict(photo, empty).splitlines() == [f"{photo}: 10   (94% 94%)", f"{empty}: no digits"]


@pytest.mark.parametrize("inverted", [False, True])
def test_a_crop_that_is_one_digit_reads_as_one(tmp_path, inverted):
    """The digit fills the image from border to border, so that there is no paper around it to find it by."""
    image = np.zeros((28, 28), np.uint8)
    cv2.ellipse(image, (13, 13), (11, 13), 0, 0, 360, 255, 3)
    path = tmp_path / "crop.png"
    cv2.imwrite(str(path), 255 - image if inverted else image)
    value = json.loads(predict(path, "--json"))
    assert value["text"] == "0"
    assert len(value["digits"][0]["box"]) == 4


def test_the_threshold_holds_for_photos_and_crops(photo, tmp_path):
    crop = tmp_path / "crop.png"
    cv2.imwrite(str(crop), cv2.ellipse(np.zeros((28, 28), np.uint8), (13, 13), (11, 13), 0, 0, 360, 255, 3))
    lines = predict(photo, crop, "--json", "--threshold", "0.99").splitlines()
    assert [json.loads(line)["digits"] for line in lines] == [[], []]


def test_one_unreadable_image_is_named_and_nothing_is_printed_or_written(photo, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:20])
    for bad in (broken, tmp_path / "missing.png", tmp_path):
        result = CliRunner().invoke(cli.predict, [str(photo), str(bad), "--annotate", str(tmp_path / "out")])
        assert isinstance(result.exception, DataError)
        assert str(bad) in str(result.exception)
        assert result.stdout == ""
        assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match=r"and 1 more of 3 images"):
        predict(photo, broken, tmp_path / "missing.png")


def test_annotated_images_are_written_and_never_over_an_original(photo, tmp_path):
    before = photo.read_bytes()
    predict(photo, photo, "--annotate", tmp_path)
    assert photo.read_bytes() == before
    written = sorted(path.name for path in tmp_path.glob("*.png"))
    assert written == ["photo-2.png", "photo-3.png", "photo.png"]
    drawn = cv2.imread(str(tmp_path / "photo-2.png"))
    assert drawn is not None
    assert drawn.shape[0] > 240
    assert drawn.shape[1] == 320


def test_an_unwritable_folder_is_told(photo, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="can't write"):
        predict(photo, "--annotate", tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("others", "labels", "accepted", "any_digit", "several"),
    [
        ((), (), True, 1.0, 0.9),
        ((0.4,), ("none",), True, 0.6, 0.9),
        ((0.3, 0.1), ("none", "several"), True, 0.6, 0.1),
        ((0.1, 0.5), ("none", "several"), False, 0.4, 0.5),
        ((0.5, 0.1), ("several", "none"), False, 0.4, 0.5),
    ],
)
def test_what_is_no_digit_and_what_is_several_are_together_no_single_digit(
    others, labels, accepted, any_digit, several
):
    class Fixed:
        name, version = "fixed", "1"
        input, output = TensorSpec((28, 28, 1)), TensorSpec((10 + len(others),))

    card = ModelCard(name="x", format="x", labels=DIGITS + labels, input=Fixed.input, output=Fixed.output)
    left = 1 - sum(others)
    chances = np.array([[0.01 * left, 0.99 * left, *[0.0] * 8, *others]], np.float32)
    (reading,) = Recognizer(Fixed(), card).readings(chances)
    assert (reading.likeliest, reading.accepted) == (1, accepted)
    assert reading.any_digit == pytest.approx(any_digit)
    assert reading.several == pytest.approx(several)
