"""UNIPEN's files; these are stand-ins of a few characters."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgits.edge.recognizer import Recognizer
from edgits.errors import DataError
from edgits.train.unipen import joined, read_glyphs, unipen_digits, unipen_marks, unipen_words


def traced(*corners):
    """The points of a pen that goes from corner to corner; y goes up in UNIPEN."""
    steps = np.linspace(0, 1, 30)[:, None]
    pairs = pairwise(corners)
    return [tuple(point) for a, b in pairs for point in np.rint(a + steps * np.subtract(b, a)).astype(int).tolist()]


SEVEN = [traced((0, 100), (60, 100), (20, 0))]
X = [traced((0, 100), (70, 0)), traced((70, 100), (0, 0))]
L = [traced((0, 100), (0, 0), (60, 0))]
BARE = [traced((0, 100), (4, 0))]


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Writes a set: names of files, each with its characters (label, strokes); returns its folder."""

    def write(named):
        root = tmp_path_factory.mktemp("unipen")
        for name, glyphs in named.items():
            parts, segments = [], []
            for label, strokes in glyphs:
                first = len(parts)
                parts += strokes
                segments.append(f'.SEGMENT CHARACTER {first}-{len(parts) - 1} OK "{label}"')
            lines = [".COORD X Y", *(line for part in parts for line in _down(part))]
            _write(root, name, lines, segments)
        return root

    return write


def _down(points):
    return [".PEN_DOWN", *(f"{x} {y}" for x, y in points), ".PEN_UP"]


def _write(root, name, lines, segments):
    where = root / "include" / f"{name}.dat"
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text("\n".join(lines) + "\n")
    for category in ("1a", "1c", "6"):
        names = root / "data" / category / f"{name}.dat"
        names.parent.mkdir(parents=True, exist_ok=True)
        names.write_text("\n".join([".VERSION 1.0", f".INCLUDE {name}.dat", *segments]) + "\n")


def read(root, name="w"):
    return list(read_glyphs(root, root / "data" / "1a" / f"{name}.dat"))


NUMBERS = st.integers(-1000, 1000)
STROKES = st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6), min_size=1, max_size=4)


@given(
    characters=st.lists(STROKES, min_size=1, max_size=4),
    order=st.sampled_from(["X Y", "T X Y", "Y X P"]),
    moved=st.booleans(),
    packed=st.booleans(),
)
def test_strokes_are_read_as_they_were_written(tmp_path_factory, characters, order, moved, packed):
    columns = order.split()
    lines, segments, number = [".COORD " + order, ".COMMENT by hand", " with more of it"], [], 0
    for strokes in characters:
        first = number
        for points in strokes:
            rows = [" ".join(str({"X": x, "Y": y}.get(name, 7)) for name in columns) for x, y in points]
            lines += [".PEN_DOWN", *([" ".join(rows)] if packed else rows), ".PEN_UP"]
            number += 1
            if moved:  # a way through the air counts as a stroke does
                lines.append(" ".join("5" for _ in columns))
                number += 1
        segments.append(f'.SEGMENT CHARACTER {first}-{number - 1} ? "{len(segments)}"')
    root = tmp_path_factory.mktemp("set")
    _write(root, "w", lines, segments)
    glyphs = read(root)
    assert [glyph.label for glyph in glyphs] == [str(at) for at in range(len(characters))]
    for glyph, strokes in zip(glyphs, characters, strict=True):
        assert [[(x, -y) for x, y in stroke] for stroke in glyph.strokes] == strokes


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("0", [[0, 1, 2]]),
        ("0,2", [[0, 1, 2], [6, 7, 8]]),
        ("1-2", [[3, 4, 5], [6, 7, 8]]),
        ("0:1-1:1", [[1, 2], [3, 4]]),
        ("2:0-2:1", [[6, 7]]),
    ],
)
def test_characters_may_be_parts_of_strokes(tmp_path, where, wanted):
    parts = [[(3 * at + step, 0) for step in range(3)] for at in range(3)]
    lines = [line for part in parts for line in _down(part)]
    _write(tmp_path, "w", lines, [f'.SEGMENT CHARACTER {where} OK "1"'])
    [glyph] = read(tmp_path)
    assert [stroke[:, 0].tolist() for stroke in glyph.strokes] == wanted


def test_digits_stand_upright_are_drawn_whole_and_by_pens_of_many_widths(make):
    learnt, held = unipen_digits(make({f"writer{number}": [("7", SEVEN)] * 3 for number in range(60)}))
    images = np.concatenate([learnt.images, held.images])
    assert images.shape == (180, 84, 84)
    assert len({int((image > 127).sum()) for image in images}) > 20
    recognizer = Recognizer.load("base")
    scores = recognizer.probabilities(recognizer.card.normalization.batch(images))
    assert (scores.argmax(axis=1) == 7).mean() > 0.9


def test_a_writer_is_learnt_from_or_held_back_with_all_that_he_wrote(make):
    root = make({f"writer{number}": [("7", SEVEN), ("x", X)] for number in range(60)})
    learnt, held = unipen_digits(root)
    letters, others = unipen_marks(root, 4000)
    assert len(learnt.labels) + len(held.labels) == 60
    assert 1 <= len(held.labels) <= 20
    assert (len(letters), len(others)) == (len(learnt.labels), len(held.labels))


def test_what_is_written_like_a_digit_is_no_mark_nor_is_a_bare_stroke(make):
    glyphs = [("L", L), ("b", L), ("O", X), ("/", X), ("t", BARE), ("\\@", X)]
    letters, others = unipen_marks(make({f"writer{number}": glyphs for number in range(12)}), 4000)
    assert len(letters) + len(others) == 24


def test_of_each_mark_no_more_are_taken_than_asked_for(make):
    root = make({f"writer{number}": [("x", X)] * 3 + [("L", L)] for number in range(60)})
    letters, _ = unipen_marks(root, 400)
    assert len(letters) == 20  # 10 of each


def test_steps_of_the_tablet_are_smoothed_away_and_what_is_too_coarse_is_left_out(make):
    stairs = [(at // 2, (at + 1) // 2) for at in range(80)]
    flat = [[(x, 40 - y) for x, y in stairs], [(40, 0), (0, 0)]]
    coarse = [[(0, 0), (5, 5), (5, 0)]]
    learnt, held = unipen_digits(make({f"writer{number}": [("4", flat), ("7", coarse)] for number in range(30)}))
    images, labels = np.concatenate([learnt.images, held.images]), np.concatenate([learnt.labels, held.labels])
    assert set(labels.tolist()) == {4}
    assert images.any(axis=(1, 2)).all()


def test_words_are_drawn_as_high_as_a_row_a_few_of_a_writer_and_none_of_one_held_back(make):
    glyphs = [("Lx", [*L, *moved(X, 80)])] * 5 + [("x", X), ("7x", X)]
    root = make({f"writer{number}": glyphs for number in range(60)})
    words = unipen_words(root, 4000)
    held = len(unipen_marks(root, 4000)[1])
    assert len(words) == 3 * 60 - 3 * held
    assert {word.shape[0] for word in words} == {40}
    for word in words:
        assert 1.1 < word.shape[1] / word.shape[0] < 2
        assert word[:, :4].any()
        assert word[:, -6:].any()
    assert len(unipen_words(root, 10)) == 10
    flat = [("nn", [traced((0, 0), (60, 0), (90, 2))])]
    assert unipen_words(make({f"writer{number}": flat for number in range(12)}), 10) == []


def moved(strokes, right):
    return [[(x + right, y) for x, y in stroke] for stroke in strokes]


def test_letters_that_are_joined_are_cut_out_of_words(make):
    strokes = [*L, *moved(L, 60), *moved(L, 120), *moved(X, 260)]
    words = unipen_words(make({f"writer{number}": [("LLLx", strokes)] for number in range(12)}), 100)
    pieces = joined(words)
    assert len(pieces) == len(words)
    assert pieces.shape[1:] == (84, 84)
    for piece in pieces:
        ink = np.argwhere(piece > 60)
        high, wide = np.ptp(ink, axis=0) + 1
        assert 1.4 < wide / high < 2.2
        assert wide > 70
    assert joined([]).shape == (0, 84, 84)


@pytest.mark.parametrize(
    ("segment", "says"),
    [
        ('.SEGMENT CHARACTER 3 OK "7"', "names stroke 3, of 1"),
        ('.SEGMENT CHARACTER one OK "7"', "names strokes as 'one'"),
    ],
)
def test_strokes_that_are_not_there_are_told(tmp_path, segment, says):
    _write(tmp_path, "w", _down(SEVEN[0]), [segment])
    with pytest.raises(DataError, match=says):
        unipen_digits(tmp_path)


def test_files_that_are_missing_are_told(tmp_path):
    with pytest.raises(DataError, match=r"no file in data/1a; put train_r01_v07 there"):
        unipen_digits(tmp_path)
    _write(tmp_path, "w", _down(SEVEN[0]), ['.SEGMENT CHARACTER 0 OK "7"'])
    (tmp_path / "include" / "w.dat").unlink()
    with pytest.raises(DataError, match=r"can't read '.*w\.dat': No such file"):
        unipen_digits(tmp_path)
