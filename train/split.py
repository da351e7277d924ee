"""Splits the data of a training: what is trained on, what is only watched, what is held back. Knows no model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgits.dataset import Dataset
from edgits.train.data import check_trainable, stratified_split
from edgits.train.mixture import Part
from edgits.train.recipes import Recipe


@dataclass(frozen=True)
class Split:
    """The parts of the data.

    Attributes:
        train: What is trained on.
        watched: What each epoch is judged by.
        test: What is held back.
        validated: Whether `watched` is a part of its own; if not, it is the test part.
    """

    train: list[Part]
    watched: Dataset
    test: Dataset
    validated: bool


def split_parts(parts: Sequence[Part], test: Dataset | None, recipe: Recipe, seed: int) -> Split:
    """Splits data as a recipe says.

    Args:
        parts: Digits; the first part gives the test part where `test` is None.
        test: Held-back data, or None.
        recipe: Says the fractions.
        seed: The same seed gives the same split.

    Raises:
        DataError: A part has too few classes or images.
    """
    for part in parts:
        check_trainable(part.data)
    remaining = list(parts)
    if test is None:
        kept, held = stratified_split(parts[0].data.labels, recipe.test_fraction, seed)
        test = parts[0].data.take(held)
        remaining[0] = replace(parts[0], data=parts[0].data.take(kept))
    if recipe.validation_fraction == 0:
        return Split(remaining, test, test, validated=False)
    kept, watched = stratified_split(remaining[0].data.labels, recipe.validation_fraction, seed + 1)
    validation = remaining[0].data.take(watched)
    remaining[0] = replace(remaining[0], data=remaining[0].data.take(kept))
    return Split(remaining, validation, test, validated=True)
