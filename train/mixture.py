"""Mixes data sets by weight into normalised, augmented training images. Knows no model.

Every image depends on the seed, its variant and its row alone, so a run is repeated exactly,
whatever makes the images and in whatever order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgits.dataset import Dataset
from edgits.images import Image
from edgits.normalize import Normalization
from edgits.train.augment import augment, is_clean_ink
from edgits.train.marks import no_digit, several_digits
from edgits.train.windows import on_digit, on_none, on_word

# What is no digit, and what is several that touch, as shares of the digits' number.
NONE_SHARE, SEVERAL_SHARE = 0.2, 0.03
# Windows on rows that touch, likewise: on a digit of the row, and on none.
_WINDOWS, _WINDOWS_ON_NONE = 0.15, 0.15
# Share of those on none that are on words, where there are any.
_WORD_SHARE = 0.25
_NEIGHBOUR_SHARE = 0.12
# Of what is no digit, so much is taken from real images where there are any: letters come on top of glyphs and empty
# cells, which are refused the less, the less they are seen.
_FOUND_SHARE = 0.65
# They stand in `Mixture.picks` for the number of a part.
_NONE, _SEVERAL, _ON_DIGIT, _ON_NONE = -1, -2, -3, -4
_BESIDE = 4  # digits that a row may have beside the one that is read

Picks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """A data set and how much of it an epoch takes.

    Attributes:
        data: The images.
        weight: How often an epoch shows each image, on average.
        taught: Whether a teacher's answers, where there is a teacher, count beside its labels.
    """

    data: Dataset
    weight: float = 1.0
    taught: bool = True


class Mixture:
    """Training images from several data sets.

    Attributes:
        windows: Whether windows on rows of digits that touch are among them.

    Args:
        parts: Digits.
        normalization: How an image becomes input.
        augmented: Whether images are varied.
        seed: Source of all randomness.
        reject: Whether to add images of class ``len(class_names)`` that are no digits, and of the class after it
            that are several which touch.
        windows: Whether to add windows on rows of digits that touch, if `reject` is set, there is clean ink to write
            them of, and the normalisation is of ink.
        rejects: Sets of images that are no digits; some are made up in any case.
        words: Words of letters, white ink on black, uint8 (H, W) each, for windows that show no digit.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        normalization: Normalization,
        *,
        augmented: bool,
        seed: int,
        reject: bool,
        windows: bool = False,
        rejects: Sequence[npt.NDArray[np.uint8]] = (),
        words: Sequence[Image] = (),
    ) -> None:
        self._parts, self._normalization = list(parts), normalization
        self._augmented, self._seed, self._rejects = augmented, seed, [images for images in rejects if len(images)]
        self._classes, self._reject, self._words = len(parts[0].data.class_names), reject, words
        clean = [part.data for part in parts if len(part.data) and is_clean_ink(part.data.images[0])]
        self._clean = max(clean, key=len) if clean else None
        self.windows = windows and reject and normalization.method == "ink" and self._clean is not None

    def __len__(self) -> int:
        """Images in an epoch."""
        return len(self.picks(0))

    def picks(self, variant: int) -> Picks:
        """Draws which images a variant shows.

        An image of weight 2 stands in two rows, and is varied differently in each.

        Args:
            variant: Number from 0.

        Returns:
            int64 (N, 2): number of the part (-1 for no digit, -2 for several, -3 and -4 for a window on a digit of a
            row and on none) and index in it. Every variant has the same N, and the same parts in the same rows.
        """
        picks = []
        for place, part in enumerate(self._parts):
            count = round(part.weight * len(part.data))
            rng = np.random.default_rng((self._seed, variant, place, 0))
            rounds = [rng.permutation(len(part.data)) for _ in range(-(-count // max(len(part.data), 1)))]
            chosen = np.concatenate(rounds)[:count] if rounds else np.zeros(0, np.int64)
            picks.append(np.stack([np.full(count, place), chosen], axis=1))
        digits = sum(len(pick) for pick in picks)
        made = {_NONE: NONE_SHARE, _SEVERAL: SEVERAL_SHARE} if self._reject else {}
        if self.windows:
            made |= {_ON_DIGIT: _WINDOWS, _ON_NONE: _WINDOWS_ON_NONE}
        for place, share in made.items():
            count = round(share * digits)
            chosen = np.arange(count)
            if place == _ON_DIGIT and self._clean is not None:
                chosen = np.random.default_rng((self._seed, variant, 3)).integers(0, len(self._clean), count)
            picks.append(np.stack([np.full(count, place), chosen], axis=1))
        return np.concatenate(picks).astype(np.int64)

    def labels(self, picks: Picks) -> npt.NDArray[np.int64]:
        """Returns the class of each of `picks`, int64 (N,)."""
        none = self._classes  # after the digits; then comes several
        made = {_NONE: none, _SEVERAL: none + 1, _ON_NONE: none}
        sets = dict(enumerate(part.data for part in self._parts)) | ({_ON_DIGIT: self._clean} if self._clean else {})
        return np.array(
            [made[part] if part in made else sets[part].labels[at] for part, at in picks.tolist()], np.int64
        )

    def taught(self, picks: Picks) -> npt.NDArray[np.bool_]:
        """Tells of which of `picks` a teacher's answers count, bool (N,): not of what is made to be no digit."""
        return np.array([part >= 0 and self._parts[part].taught for part, _ in picks], bool)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Returns the order in which an epoch shows a variant's rows, int64 (N,)."""
        return np.random.default_rng((self._seed, epoch, 2)).permutation(len(self))

    def make(self, variant: int, on_row: Callable[[int], None] = lambda _: None) -> npt.NDArray[np.uint8]:
        """Makes a variant's images.

        Args:
            variant: Number from 0.
            on_row: Called with the rows that are done.

        Returns:
            uint8 (N, size, size), in the order of `picks`.
        """
        picks = self.picks(variant)
        size = self._normalization.size
        images = np.empty((len(picks), size, size), np.uint8)
        for row, (part, index) in enumerate(picks):
            rng = np.random.default_rng((self._seed, variant, row, 1))
            if part in (_ON_DIGIT, _ON_NONE):
                images[row] = self._window(int(part), int(index), rng)
            else:
                images[row] = self._normalization.one(self._raw(int(part), int(index), rng))
            on_row(row + 1)
        return images

    def _window(self, part: int, index: int, rng: np.random.Generator) -> Image:
        if part == _ON_NONE and self._words and rng.random() < _WORD_SHARE:
            return on_word(rng, self._words[int(rng.integers(len(self._words)))], self._normalization.size)
        digits = [self._any_clean(rng) for _ in range(_BESIDE)]
        if part == _ON_NONE or self._clean is None:
            return on_none(rng, digits, self._normalization.size)
        return on_digit(rng, [self._clean.images[index], *digits], self._normalization.size)

    def _raw(self, part: int, index: int, rng: np.random.Generator) -> Image:
        if part == _SEVERAL:
            return several_digits(rng, [self._any_clean(rng) for _ in range(3)])
        if part == _NONE:
            if self._rejects and rng.random() < _FOUND_SHARE:
                images = self._rejects[rng.integers(len(self._rejects))]
                return augment(images[rng.integers(len(images))], rng)
            return no_digit(rng)
        image: Image = self._parts[part].data.images[index]
        if not self._augmented:
            return image
        neighbour = self._any_clean(rng) if rng.random() < _NEIGHBOUR_SHARE else None
        return augment(image, rng, neighbour=neighbour)

    def _any_clean(self, rng: np.random.Generator) -> Image:
        if self._clean is None:  # only photos: their ink is separated first
            images = self._parts[0].data.images
            return Normalization("ink", size=28).one(images[rng.integers(len(images))])
        found: Image = self._clean.images[rng.integers(len(self._clean))]
        return found
