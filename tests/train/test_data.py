import gzip
import io
import os
import struct
import tempfile
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgits.dataset import Dataset
from edgits.errors import DataError
from edgits.train.data import check_trainable, load_dataset, stratified_split

RNG = np.random.default_rng(7)
IMAGES = RNG.integers(0, 256, (12, 9, 7), np.uint8)
LABELS = np.arange(12) % 10


def idx(array):
    array = np.asarray(array, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_pair(folder, images=IMAGES, labels=LABELS, *, prefix="train", gz=False):
    folder.mkdir(exist_ok=True)
    paths = []
    for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
        path = folder / f"{prefix}-{kind}-ubyte{'.gz' if gz else ''}"
        path.write_bytes(gzip.compress(idx(array)) if gz else idx(array))
        paths.append(path)
    return paths


def csv_text(images=IMAGES[:, :7, :7], labels=LABELS):
    head = "label," + ",".join(f"pixel{i}" for i in range(images[0].size))
    rows = [f"{label}," + ",".join(map(str, image.ravel())) for image, label in zip(images, labels, strict=True)]
    return "\n".join([head, *rows]) + "\n"


def same(dataset, images=IMAGES, labels=LABELS):
    np.testing.assert_array_equal(dataset.images, images)
    np.testing.assert_array_equal(dataset.labels, labels)
    return True


# --- IDX ---


@pytest.mark.parametrize("gz", [False, True])
def test_an_idx_pair_is_found_from_either_file_and_from_its_folder(tmp_path, gz):
    pair = write_pair(tmp_path / "set", gz=gz)
    for source in (*pair, tmp_path / "set"):
        dataset = load_dataset(str(source))
        assert same(dataset)
        assert dataset.provenance["kind"] == "idx"
        assert dataset.provenance["count"] == 12


def test_a_gzip_file_is_known_by_its_content(tmp_path):
    for path in write_pair(tmp_path / "set"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert same(load_dataset(str(tmp_path / "set")))


def test_a_folder_gives_its_training_pair_and_with_test_its_test_pair(tmp_path):
    write_pair(tmp_path / "set")
    write_pair(tmp_path / "set", IMAGES[::-1], LABELS[::-1], prefix="t10k", gz=True)
    assert same(load_dataset(str(tmp_path / "set")))
    assert same(load_dataset(f"{tmp_path / 'set'}:test"), IMAGES[::-1], LABELS[::-1])


def test_several_training_pairs_are_not_guessed_between(tmp_path):
    write_pair(tmp_path / "set", prefix="digits")
    write_pair(tmp_path / "set", prefix="letters")
    with pytest.raises(DataError, match="2 IDX pairs for training, found 'digits-images"):
        load_dataset(str(tmp_path / "set"))
    with pytest.raises(DataError, match="0 IDX pairs for test"):
        load_dataset(f"{tmp_path / 'set'}:test")


@pytest.mark.parametrize("gz", [False, True])
def test_an_idx_file_cut_short_says_what_was_expected_and_found(tmp_path, gz):
    images, _ = write_pair(tmp_path / "set")
    short = images.read_bytes()[:-100]
    images.write_bytes(gzip.compress(short) if gz else short)
    with pytest.raises(DataError, match=r"cut short: 772 bytes expected for \(12, 9, 7\), 672 found"):
        load_dataset(str(tmp_path / "set"))


def test_a_gzip_stream_cut_short_is_an_idx_file_cut_short(tmp_path):
    images, _ = write_pair(tmp_path / "set", gz=True)
    images.write_bytes(images.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"cut short: 772 bytes expected .*, \d+ found"):
        load_dataset(str(tmp_path / "set"))


@pytest.mark.parametrize("gz", [False, True])
def test_the_declared_size_is_not_allocated(tmp_path, gz):
    images, _ = write_pair(tmp_path / "set")
    data = bytes([0, 0, 8, 3]) + struct.pack(">3I", 4_000_000_000, 60_000, 60_000) + bytes(1000)
    images.write_bytes(gzip.compress(data) if gz else data)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"declares 14400000000.0 GB of data, more than 4; .*EDGITS_MAX_GIGABYTES"):
        load_dataset(str(tmp_path / "set"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images, labels: labels.unlink(), "has no labels beside it: no 'train-labels-idx1-ubyte'"),
        (lambda images, labels: labels.write_bytes(idx(LABELS[:5])), "holds 12 images, .* 5 labels"),
        (lambda images, labels: images.write_bytes(idx(IMAGES) + b"x"), "too long: 772 bytes expected"),
        (lambda images, labels: images.write_bytes(idx(np.zeros((0, 9, 7)))), "holds no data"),
        (lambda images, labels: images.write_bytes(b"\x00\x00\x0d\x03" + idx(IMAGES)[4:]), "starts with 00000d03"),
        (lambda images, labels: images.write_bytes(idx(IMAGES)[:10]), "its header has 16 bytes, 10 found"),
        (lambda images, labels: images.write_bytes(b"\x1f\x8b" + bytes(50)), "damaged gzip"),
    ],
)
def test_a_broken_idx_pair_says_what_is_wrong(tmp_path, change, message):
    change(*write_pair(tmp_path / "set"))
    with pytest.raises(DataError, match=message):
        load_dataset(str(tmp_path / "set"))


# --- npz ---


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (IMAGES, IMAGES),
        (IMAGES[..., None], IMAGES),
        (np.repeat(IMAGES[..., None], 3, axis=3), IMAGES),
        (IMAGES.astype(np.int64), IMAGES),
        (IMAGES.astype(np.float32), IMAGES),
        (IMAGES / 255, IMAGES),
        (IMAGES > 127, np.where(IMAGES > 127, 255, 0)),
        ((IMAGES > 127).astype(np.uint8), np.where(IMAGES > 127, 255, 0)),
    ],
    ids=["grey", "one channel", "colour", "int64", "float to 255", "float to 1", "bool", "binary"],
)
@pytest.mark.parametrize("name", ["labels", "label"])
def test_an_npz_may_hold_pixels_of_any_kind(tmp_path, images, expected, name):
    np.savez(tmp_path / "set.npz", **{"images": images, name: LABELS.astype(np.float64)})
    assert same(load_dataset(str(tmp_path / "set.npz")), expected)


def test_an_arrays_colours_are_red_green_blue(tmp_path):
    red = np.zeros((2, 8, 8, 3), np.uint8)
    red[..., 0] = 255
    np.savez(tmp_path / "set.npz", images=red, labels=[0, 1])
    assert load_dataset(str(tmp_path / "set.npz")).images.max() == 76  # 0.299 * 255, red's share of the luma


def test_labels_beyond_9_are_label_minus_1_counted_and_left_out(tmp_path):
    labels = LABELS.copy()
    labels[[2, 3]], labels[5] = 10, -1
    np.savez(tmp_path / "set.npz", images=IMAGES, labels=labels)
    dataset = load_dataset(str(tmp_path / "set.npz"))
    assert same(dataset, np.delete(IMAGES, [2, 3, 5], axis=0), np.delete(LABELS, [2, 3, 5]))
    assert dataset.provenance["left_out"] == {"label -1": 1, "label 10": 2}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "has no 'labels', only images"),
        ({"labels": LABELS}, "has no 'images', only labels"),
        ({"images": IMAGES, "labels": LABELS[:3]}, r"'labels' in .* are int64 \(3,\); give 12 whole numbers"),
        ({"images": IMAGES, "labels": LABELS + 0.5}, "give 12 whole numbers"),
        ({"images": IMAGES, "labels": LABELS.astype(str)}, "give 12 whole numbers"),
        ({"images": IMAGES[0], "labels": LABELS}, r"have shape \(9, 7\); give \(N, H, W\)"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, r"have shape \(0, 9, 7\)"),
        ({"images": IMAGES * 2.0 - 255, "labels": LABELS}, "give numbers from 0 to 255 or 0 to 1"),
        ({"images": np.full(IMAGES.shape, np.nan), "labels": LABELS}, "go from nan to nan"),
        ({"images": IMAGES.astype(str), "labels": LABELS}, "give numbers from 0 to 255"),
        ({"images": IMAGES.astype(object), "labels": LABELS}, "Object arrays cannot be loaded"),
        ({"images": IMAGES, "labels": np.full(12, 10)}, "has no image of a digit, found label 10: 12"),
    ],
)
def test_a_broken_npz_says_what_is_wrong(tmp_path, arrays, message):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_dataset(str(tmp_path / "set.npz"))


def test_a_pickle_in_an_npz_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    np.savez(tmp_path / "set.npz", images=IMAGES, labels=np.array([Harm()] * 12, object))
    with pytest.raises(DataError, match="Object arrays"):
        load_dataset(str(tmp_path / "set.npz"))
    assert not (tmp_path / "harm").exists()


def test_a_declared_giant_in_an_npz_is_refused(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (1 << 50, 28, 28)})
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("images.npy", head.getvalue() + bytes(100))
        archive.writestr("labels.npy", b"")
    with pytest.raises(DataError, match="can't read"):
        load_dataset(str(tmp_path / "set.npz"))


# --- csv ---


def test_a_csv_of_kaggles_kind(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(csv_text().replace("\n", "\r\n"), encoding="utf-8-sig")
    assert same(load_dataset(str(path)), IMAGES[:, :7, :7])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [rows[0], rows[1], "3,abc" + ",0" * 48], r"row 3, column 'pixel0': found 'abc'; give a whole"),
        (lambda rows: [rows[0], "seven" + ",0" * 49], r"row 2, column 'label': found 'seven'; give a whole number$"),
        (lambda rows: [rows[0], "1" + ",0" * 48 + ",256"], r"row 2, column 'pixel48': found '256'; .* from 0 to 255"),
        (lambda rows: [rows[0], "1" + ",0" * 48 + ","], r"row 2, column 'pixel48': found ''"),
        (lambda rows: [*rows[:2], "", rows[2][:-4]], "row 4: 49 cells, the header has 50|row 4, column"),
        (lambda rows: [rows[0], rows[1] + ",0"], "row 2: 51 cells, the header has 50"),
        (lambda rows: rows[1:], "no column 'label' in its first line"),
        (lambda rows: [row.rsplit(",", 1)[0] for row in rows], "has 48 pixel columns; a square number"),
        (lambda rows: rows[:1], "has no image of a digit, found nothing"),
        (lambda rows: [], r"first line \(empty\)"),
        (lambda rows: ["label"], "has 0 pixel columns"),
        (lambda rows: ["label,a", '1,"\n'], "column 'a': found"),
        (lambda rows: ["label,a", "1," + "9" * 200_000], "no csv text: field larger than"),
    ],
)
def test_a_broken_csv_names_row_and_column(tmp_path, change, message):
    path = tmp_path / "train.csv"
    path.write_text("\n".join(change(csv_text().splitlines())))
    with pytest.raises(DataError, match=message):
        load_dataset(str(path))


def test_a_csv_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes("label,größe\n1,2\n".encode("utf-16"))
    with pytest.raises(DataError, match="no csv text"):
        load_dataset(str(path))


# --- folders ---


def test_a_folder_reports_what_it_leaves_out_and_skips(digit_folder):
    folder = digit_folder(3, digits=(0, 4, 7))
    for stray in ("cats", "10", "-1"):
        (folder / stray / "deep").mkdir(parents=True)
        cv2.imwrite(str(folder / stray / "deep" / "a.png"), np.zeros((9, 9), np.uint8))
    cv2.imwrite(str(folder / "loose.jpg"), np.zeros((9, 9), np.uint8))
    (folder / "4" / "empty.png").touch()
    (folder / "7" / "cut.png").write_bytes((folder / "7" / "000.png").read_bytes()[:60])
    (folder / "7" / "notes.txt").write_text("seven")
    (folder / "7" / ".hidden").write_text("not looked at")
    dataset = load_dataset(str(folder))
    assert dataset.images.shape == (9, 28, 28)
    assert dataset.labels.tolist() == [0] * 3 + [4] * 3 + [7] * 3
    facts = dataset.provenance
    assert facts["per_class"] == [3, 0, 0, 0, 3, 0, 0, 3, 0, 0]
    assert facts["left_out"] == {"folder '-1'": 1, "folder '10'": 1, "folder 'cats'": 1, "no folder": 1}
    assert [line.split(":")[0] for line in facts["unreadable"]] == ["4/empty.png", "7/cut.png", "7/notes.txt"]
    assert facts["unreadable"][0] == "4/empty.png: is empty (0 bytes)"


def test_a_folder_keeps_pixels_and_reads_colour_and_folders_below(tmp_path, mnist5k):
    (tmp_path / "3" / "writer a").mkdir(parents=True)
    colour = cv2.cvtColor(mnist5k.images[1500], cv2.COLOR_GRAY2BGR)
    cv2.imwrite(str(tmp_path / "3" / "writer a" / "x.png"), colour)
    dataset = load_dataset(str(tmp_path))
    np.testing.assert_array_equal(dataset.images[0], mnist5k.images[1500])


def test_images_of_many_sizes_become_one_size_with_their_proportions(tmp_path):
    (tmp_path / "1").mkdir()
    for name, (height, width) in {"tall": (60, 20), "wide": (20, 40), "photo": (3000, 2000)}.items():
        image = np.full((height, width), 200, np.uint8)
        image[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4] = 10
        cv2.imwrite(str(tmp_path / "1" / f"{name}.png"), image)
    dataset = load_dataset(str(tmp_path))
    assert dataset.images.shape == (3, 96, 96)
    assert np.all(dataset.images[:, 0, 0] == 200), "the margin has the paper's grey"
    ink = [cv2.boundingRect((image < 100).astype(np.uint8))[2:] for image in dataset.images]
    shares = {round(width / height, 1) for width, height in ink}
    assert shares == {0.3, 0.7, 2.0}
    assert load_dataset(str(tmp_path), size=32).images.shape == (3, 32, 32)


def test_images_of_one_size_stay_as_they_are_up_to_96(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 96, 50), np.uint8), labels=[0, 1])
    np.savez(tmp_path / "b.npz", images=np.zeros((2, 97, 50), np.uint8), labels=[0, 1])
    assert load_dataset(str(tmp_path / "a.npz")).images.shape == (2, 96, 50)
    assert load_dataset(str(tmp_path / "b.npz")).images.shape == (2, 96, 96)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "there is no data"),
        (lambda folder: folder.mkdir(), "has no subfolders 0 to 9 and no IDX files, found nothing"),
        (lambda folder: (folder / "cats").mkdir(parents=True), "found cats; sort the images by digit"),
        (lambda folder: (folder / "5").mkdir(parents=True), "has no image of a digit, found nothing"),
        (lambda folder: folder.write_bytes(b"hello"), "is no IDX, .npz or .csv file"),
        (lambda folder: folder.touch(), "is no IDX, .npz or .csv file"),
    ],
)
def test_what_is_no_data_says_so(tmp_path, make, message):
    make(tmp_path / "set")
    with pytest.raises(DataError, match=message):
        load_dataset(str(tmp_path / "set"))


# --- built-in names ---


def test_mnist5k_is_500_of_each(mnist5k):
    assert mnist5k.images.shape == (5000, 28, 28)
    assert mnist5k.provenance["per_class"] == [500] * 10
    assert mnist5k.images.max() == 255


def test_mnist_comes_from_the_folder_that_the_variable_names(tmp_path, monkeypatch):
    write_pair(tmp_path, gz=True)
    write_pair(tmp_path, IMAGES[:2], LABELS[:2], prefix="t10k", gz=True)
    monkeypatch.setenv("EDGITS_DATA", str(tmp_path))
    assert same(load_dataset("mnist"))
    assert same(load_dataset("mnist:test"), IMAGES[:2], LABELS[:2])
    monkeypatch.setenv("EDGITS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"EDGITS_DATA names '.*nowhere', which is no folder"):
        load_dataset("mnist")


def test_mnist_without_a_network_says_what_to_use_instead(monkeypatch):
    def fail():
        raise Exception("URL fetch failure on somewhere: None -- unreachable")

    mnist = SimpleNamespace(load_data=fail)
    keras = SimpleNamespace(datasets=SimpleNamespace(mnist=mnist))
    monkeypatch.delenv("EDGITS_DATA", raising=False)
    monkeypatch.setattr("edgits.train.data.require", lambda *_, **__: keras)
    with pytest.raises(DataError, match=r"can't be downloaded \(URL fetch failure.*use mnist5k"):
        load_dataset("mnist")


# --- what damage may do ---


def load_bytes(name, data):
    """Loads a file of these bytes; only `DataError` may come of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        if "idx" in name:
            path.with_name("b-labels-idx1").write_bytes(idx(LABELS))
        try:
            dataset = load_dataset(str(path))
        except DataError:
            return None
        return dataset


def npz_bytes(save=np.savez):
    file = io.BytesIO()
    save(file, images=IMAGES, labels=LABELS)
    return file.getvalue()


SOUND = {
    "b-images-idx3": idx(IMAGES),
    "b-images-idx3.gz": gzip.compress(idx(IMAGES)),
    "b.npz": npz_bytes(),
    "c.npz": npz_bytes(np.savez_compressed),
    "b.csv": csv_text().encode(),
}


@pytest.mark.parametrize("name", SOUND)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_file_cut_anywhere_gives_a_data_error_or_all_its_images(name, data):
    sound = SOUND[name]
    assert load_bytes(name, sound) is not None
    dataset = load_bytes(name, sound[: data.draw(st.integers(0, len(sound) - 1))])
    if dataset is not None:
        if name.endswith(".csv"):  # a table cut in its last cell looks whole
            whole = np.arange(len(dataset) - 1)
            assert same(dataset.take(whole), IMAGES[whole, :7, :7], LABELS[whole])
        else:
            assert same(dataset)


@pytest.mark.parametrize("name", SOUND)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_bytes_give_a_data_error_or_a_sound_dataset(name, data):
    damaged = bytearray(SOUND[name])
    places = st.integers(0, min(len(damaged), 600) - 1) | st.integers(0, len(damaged) - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), min_size=1, max_size=6)).items():
        damaged[place] = value
    load_bytes(name, bytes(damaged))


@pytest.mark.parametrize("name", SOUND)
@settings(max_examples=20, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes_give_a_data_error(name, data):
    load_bytes(name, data)
    load_bytes(name, SOUND[name][:60] + data)


# --- splitting ---


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=10),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 9),
)
def test_a_split_takes_each_class_in_proportion_and_every_image_once(counts, fraction, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    kept, held = stratified_split(labels, fraction, seed)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    for digit, count in enumerate(counts):
        share = int(np.sum(labels[held] == digit))
        assert abs(share - fraction * count) <= 1
        if count >= 2:
            assert 1 <= share <= count - 1
    again = stratified_split(labels, fraction, seed)
    np.testing.assert_array_equal(kept, again[0])


def test_another_seed_gives_another_split(mnist5k):
    kept, held = stratified_split(mnist5k.labels, 0.3, 1)
    assert (len(kept), len(held)) == (3500, 1500)
    assert set(held) != set(stratified_split(mnist5k.labels, 0.3, 2)[1])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([3, 3, 3], "has images of 3 only; give two digits or more"),
        ([3, 3, 4], "has a single image of 4; each digit needs 2"),
        ([], "has images of no digit only"),
    ],
)
def test_too_little_to_train_on_says_so(labels, message):
    labels = np.array(labels, np.int64)
    with pytest.raises(DataError, match=message):
        check_trainable(Dataset(np.zeros((len(labels), 9, 9), np.uint8), labels, provenance={"source": "x"}))


def test_two_classes_of_two_are_enough():
    check_trainable(Dataset(np.zeros((4, 9, 9), np.uint8), np.array([0, 0, 9, 9], np.int64)))
