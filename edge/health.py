"""Tells a live camera's pictures from what comes out of it when it fails. Knows nothing of what is on them."""

from edgits.images import Image

# So many alike in a row are believed: a camera may change its size, and a view may have a flat edge. Of a camera
# that gave whole pictures before, more are asked for: some seconds, in which it is opened again.
_BELIEVED, _BELIEVED_TORN = 3, 300


class Health:
    """Judges the pictures of one camera, in the order in which they come.

    A dead camera may give pictures of one colour, and a broken transfer gives a picture whose lower
    part is one colour or that has another size. Noise makes all of these impossible in a real view.
    """

    def __init__(self) -> None:
        self._known: tuple[tuple[int, ...], bool] | None = None
        self._other: tuple[tuple[int, ...], bool] | None = None
        self._seen = 0

    def fault(self, image: Image | None) -> str | None:
        """Tells what is wrong with a picture.

        Args:
            image: uint8 (H, W, 3), or None where the read gave nothing usable.

        Returns:
            A few words, or None if the picture may be used.
        """
        if image is None:
            return "it gives no picture"
        if _one_colour(image[::8, ::8]):
            return "its pictures are blank"
        end = image[-max(1, image.shape[0] // 16) :]
        look = image.shape, bool(end[0, 0].min() < 255) and _one_colour(end)  # white is overexposed paper
        if look == self._known or (self._known is None and not look[1]):
            self._known, self._other, self._seen = look, None, 0
            return None
        self._seen = self._seen + 1 if look == self._other else 1
        self._other = look
        torn = self._known is not None and look[1]
        if self._seen < (_BELIEVED_TORN if torn else _BELIEVED):
            return "its pictures are torn"
        self._known = look
        return None


def _one_colour(image: Image) -> bool:
    return bool((image == image[0, 0]).all())
