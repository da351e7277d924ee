import numpy as np
import pytest

from edgits.dataset import Dataset
from edgits.errors import DataError

IMAGES = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3)
LABELS = np.array([0, 9, 3, 3], np.int64)


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (IMAGES.astype(np.float32), LABELS, "float32"),
        (IMAGES[..., None], LABELS, r"\(4, 2, 3, 1\)"),
        (IMAGES, LABELS.astype(np.int32), "int32"),
        (IMAGES, LABELS[:3], r"\(3,\)"),
        (IMAGES, LABELS + 1, "1 to 10"),
        (IMAGES, LABELS - 1, "-1 to 8"),
    ],
)
def test_what_does_not_belong_together_is_refused(images, labels, says):
    with pytest.raises(DataError, match=says):
        Dataset(images, labels)


def test_taking_keeps_images_with_their_labels():
    data = Dataset(IMAGES, LABELS, provenance={"source": "here"})
    for index in (np.array([3, 0]), LABELS == 3):
        part = data.take(index)
        assert (part.images == IMAGES[index]).all()
        assert (part.labels == LABELS[index]).all()
        assert part.provenance == data.provenance
    assert (len(data), len(data.take(np.array([], np.int64)))) == (4, 0)
