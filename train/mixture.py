"""Mixes data sets by weight and hands out normalised, augmented training images. Knows no model.

Every image depends on the seed, its variant and its place in the data alone, so a run
is repeated exactly, whatever the number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgits.dataset import Dataset
from edgits.images import Image
from edgits.normalize import Normalization
from edgits.train.augment import augment, is_clean_ink, no_digit

# Share of an epoch that shows what is no digit.
NONE_SHARE = 0.12
# An image is augmented in so many ways; epochs take them in turn, which saves making them anew.
VARIANTS = 10
_NEIGHBOUR_SHARE = 0.12


@dataclass(frozen=True)
class Part:
    """A data set and how much of it an epoch takes.

    Attributes:
        data: The images.
        weight: How often an epoch shows each image, on average.
    """

    data: Dataset
    weight: float = 1.0


class Mixture:
    """Training images from several data sets.

    Args:
        parts: Digits.
        normalization: How an image becomes input.
        augmented: Whether images are varied.
        seed: Source of all randomness.
        reject: Whether to add images of class ``len(class_names)`` that are no digits.
        rejects: Sets of images that are no digits; some are made up in any case.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        normalization: Normalization,
        *,
        augmented: bool,
        seed: int,
        reject: bool,
        rejects: Sequence[npt.NDArray[np.uint8]] = (),
    ) -> None:
        self._parts, self._normalization = list(parts), normalization
        self._augmented, self._seed, self._rejects = augmented, seed, [images for images in rejects if len(images)]
        self._none = len(parts[0].data.class_names) if reject else None
        clean = [part.data.images for part in parts if len(part.data) and is_clean_ink(part.data.images[0])]
        self._clean = max(clean, key=len) if clean else None
        self._made: dict[tuple[int, int, int], Image] = {}

    def epoch(self, number: int) -> npt.NDArray[np.int64]:
        """Draws an epoch.

        Args:
            number: Number of the epoch from 0.

        Returns:
            int64 (N, 2), shuffled: number of the part (-1 for no digit) and index in it.
        """
        rng = np.random.default_rng((self._seed, number, 0))
        picks = []
        for place, part in enumerate(self._parts):
            count = round(part.weight * len(part.data))
            rounds = [rng.permutation(len(part.data)) for _ in range(-(-count // max(len(part.data), 1)))]
            chosen = np.concatenate(rounds)[:count] if rounds else np.zeros(0, np.int64)
            picks.append(np.stack([np.full(count, place), chosen], axis=1))
        if self._none is not None:
            count = round(NONE_SHARE * sum(len(pick) for pick in picks))
            # the same numbers in every epoch, so that variants can be kept
            picks.append(np.stack([np.full(count, -1), np.arange(count)], axis=1))
        drawn = np.concatenate(picks).astype(np.int64)
        return drawn[rng.permutation(len(drawn))]

    def batch(
        self, picks: npt.NDArray[np.int64], *, variant: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Makes images.

        Args:
            picks: int64 (N, 2), rows of an epoch.
            variant: Which of the variants of each image.

        Returns:
            float32 (N, size, size, 1) in [0, 1] and labels int64 (N,).
        """
        images = np.stack([self._one(int(part), int(index), variant) for part, index in picks])
        labels = [self._none if part < 0 else self._parts[part].data.labels[index] for part, index in picks]
        return images[..., None].astype(np.float32) / 255.0, np.array(labels, np.int64)

    def _one(self, part: int, index: int, variant: int) -> Image:
        key = (part, index, variant if self._augmented else 0)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._normalization.one(self._raw(part, index, variant))
        return made

    def _raw(self, part: int, index: int, variant: int) -> Image:
        rng = np.random.default_rng((self._seed, variant, part + 1, index, 1))
        if part < 0:
            if self._rejects and rng.random() < 0.5:
                images = self._rejects[rng.integers(len(self._rejects))]
                return augment(images[rng.integers(len(images))], rng)
            return no_digit(rng, (self._any_clean(rng), self._any_clean(rng), self._any_clean(rng)))
        image: Image = self._parts[part].data.images[index]
        if not self._augmented:
            return image
        neighbour = self._any_clean(rng) if rng.random() < _NEIGHBOUR_SHARE else None
        return augment(image, rng, neighbour=neighbour)

    def _any_clean(self, rng: np.random.Generator) -> Image:
        if self._clean is None:  # only photos: their ink is separated first
            images = self._parts[0].data.images
            return Normalization("ink", size=28).one(images[rng.integers(len(images))])
        found: Image = self._clean[rng.integers(len(self._clean))]
        return found
